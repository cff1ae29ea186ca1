"""Checkpoints: whole or absent, bit for bit, and clear about what is wrong."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
import torch

from maquette.config import OptimiserConfig
from maquette.training.checkpoint import list_checkpoints, load_checkpoint, save_checkpoint
from maquette.training.update import make_optimizer
from tests.tiny import tiny_policy


def moved(seed: int = 0, steps: int = 2):
    """A policy and its optimiser after a few steps on arbitrary gradients."""
    policy = tiny_policy(seed)
    optimizer = make_optimizer(policy, OptimiserConfig(lr=1e-2))
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        for parameter in policy.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizer.step()
    return policy, optimizer


def test_everything_comes_back_bit_for_bit(tmp_path: Path):
    policy, optimizer = moved()
    torch.manual_seed(5)
    path = save_checkpoint(tmp_path, 7, policy, optimizer, keep=2)
    expected = torch.rand(3)
    other, other_optimizer = moved(seed=1, steps=1)
    assert load_checkpoint(path, other, other_optimizer) == 7
    assert torch.equal(torch.rand(3), expected)
    for a, b in zip(policy.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        for key, value in optimizer.state[a].items():
            assert torch.equal(value, other_optimizer.state[b][key])


def test_only_the_newest_stay(tmp_path: Path):
    policy, optimizer = moved()
    for step in (1, 2, 10):
        save_checkpoint(tmp_path, step, policy, optimizer, keep=2)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-000002", "step-000010"]


def test_a_half_written_checkpoint_does_not_count(tmp_path: Path):
    policy, optimizer = moved()
    save_checkpoint(tmp_path, 1, policy, optimizer, keep=2)
    (tmp_path / ".partial-000002").mkdir()
    (tmp_path / ".partial-000002" / "state.safetensors").write_bytes(b"half")
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-000001"]
    save_checkpoint(tmp_path, 2, policy, optimizer, keep=2)
    assert len(list_checkpoints(tmp_path)) == 2 and not list(tmp_path.glob(".partial*"))


def test_a_full_disk_loses_no_earlier_checkpoint(tmp_path: Path):
    policy, optimizer = moved()
    first = save_checkpoint(tmp_path, 1, policy, optimizer, keep=1)
    before = first.joinpath("state.safetensors").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(ValueError, match=r"Could not write the checkpoint .*step-000002"):
            save_checkpoint(tmp_path, 2, policy, optimizer, keep=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list_checkpoints(tmp_path) == [first] and not list(tmp_path.glob(".partial*"))
    assert first.joinpath("state.safetensors").read_bytes() == before


def test_a_checkpoint_of_another_shape_names_key_and_shapes(tmp_path: Path):
    policy, optimizer = moved()
    path = save_checkpoint(tmp_path, 1, policy, optimizer, keep=1)
    from maquette.policy.model import new_policy, tiny_config

    wider = new_policy(policy.tokenizer, tiny_config(len(policy.tokenizer), hidden=64, layers=2, heads=4, mlp=64), 0)
    with pytest.raises(ValueError, match=r"embed_tokens.weight has shape \[\d+, 32\], the model's has \[\d+, 64\]"):
        load_checkpoint(path, wider, make_optimizer(wider, OptimiserConfig()))


def test_a_damaged_checkpoint_is_one_clear_line(tmp_path: Path):
    policy, optimizer = moved()
    path = save_checkpoint(tmp_path, 1, policy, optimizer, keep=1)
    path.joinpath("state.safetensors").write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match="cannot be read"):
        load_checkpoint(path, policy, optimizer)
