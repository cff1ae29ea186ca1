"""bfloat16 is used where the device computes it, and nowhere else."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pytest
import torch
from torch import nn

from maquette.codec.model import VoxelVQVAE
from maquette.codec.voxel_codec import VoxelCodec
from maquette.config import PolicyConfig
from maquette.doctor import examine
from maquette.policy.lockstep import LockstepEngine
from maquette.policy.model import load_policy
from maquette.precision import INSTRUCTIONS, products, quick_bfloat16
from maquette.training.parts import open_engine
from maquette.types import Voxels
from tests.tiny import GEOMETRY


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


PROCESSORS = pytest.mark.parametrize(("has", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])


@PROCESSORS
def test_the_engine_follows_the_processor(monkeypatch: pytest.MonkeyPatch, has: bool, dtype: torch.dtype):
    processor(monkeypatch, avx512_bf16=has)
    engine = open_engine(PolicyConfig(), load_policy("tiny"), 128, "bfloat16")
    assert isinstance(engine, LockstepEngine)
    assert engine.dtype == dtype


@PROCESSORS
@pytest.mark.parametrize("refine", [0, 1])
def test_the_codec_follows_the_processor(monkeypatch: pytest.MonkeyPatch, has: bool, dtype: torch.dtype, refine: int):
    processor(monkeypatch, avx512_bf16=has)
    codec, seen = VoxelCodec(VoxelVQVAE(GEOMETRY), bfloat16=True), set()
    for layer in codec.model.modules():
        if isinstance(layer, nn.Conv3d):
            layer.register_forward_hook(lambda _layer, _inputs, output: seen.add(output.dtype))
    occupied = np.zeros((1, *[GEOMETRY.resolution] * 3), bool)
    occupied[:, 2:6, 2:6, 2:6] = True
    codec.decode(codec.encode(Voxels(occupied), refine=refine))
    assert seen == {dtype}


@pytest.mark.parametrize(("has", "said"), [(True, "computes it"), (False, "float32 is used")])
def test_doctor_says_which_it_is(monkeypatch: pytest.MonkeyPatch, has: bool, said: str):
    processor(monkeypatch, avx512_bf16=has)
    assert [said in finding.detail for finding in examine() if finding.name == "bfloat16"] == [True]
