"""bfloat16 is used where the device computes it, and nowhere else."""

from __future__ import annotations

from types import MappingProxyType

import pytest
import torch
from torch import nn

from maquette.codec.voxel_codec import VoxelCodec
from maquette.config import PolicyConfig
from maquette.policy.lockstep import LockstepEngine
from maquette.policy.model import load_policy
from maquette.precision import INSTRUCTIONS, products, quick_bfloat16
from maquette.training.parts import open_engine


def processor(monkeypatch: pytest.MonkeyPatch, **capabilities: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: MappingProxyType(capabilities))


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_a_processor_with_either_instruction_is_quick(monkeypatch: pytest.MonkeyPatch, name: str):
    processor(monkeypatch, avx2=True, **{name: True})
    assert quick_bfloat16("cpu")


def test_a_processor_without_them_is_not_and_a_gpu_always_is(monkeypatch: pytest.MonkeyPatch):
    processor(monkeypatch, avx2=True, avx512_f=True, avx512_bf16=False, amx_bf16=False)
    assert not quick_bfloat16("cpu")
    assert quick_bfloat16("cuda:1")


def test_a_torch_that_cannot_tell_counts_as_without(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not quick_bfloat16("cpu")


@pytest.mark.parametrize(
    ("has", "wanted", "dtype"),
    [(True, True, torch.bfloat16), (True, False, torch.float32), (False, True, torch.float32)],
)
def test_products_are_in_bfloat16_only_where_wanted_and_computed(
    monkeypatch: pytest.MonkeyPatch, has: bool, wanted: bool, dtype: torch.dtype
):
    processor(monkeypatch, avx512_bf16=has)
    with products("cpu", wanted):
        assert nn.Linear(2, 2)(torch.zeros(1, 2)).dtype == dtype


@pytest.mark.parametrize(("has", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_codec_and_engine_follow_the_processor(monkeypatch: pytest.MonkeyPatch, has: bool, dtype: torch.dtype):
    processor(monkeypatch, avx512_bf16=has)
    assert VoxelCodec.load("tiny", bfloat16=True).bfloat16 is has
    engine = open_engine(PolicyConfig(), load_policy("tiny"), 128, "bfloat16")
    assert isinstance(engine, LockstepEngine)
    assert engine.dtype == dtype
