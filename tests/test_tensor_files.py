"""Weights on a full disk, and files that are cut short: one sentence, and what was there stays."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from maquette.codec import checkpoint
from maquette.optimisers import MuonAdamW
from maquette.policy import warm_state
from maquette.policy.export import export_policy
from maquette.policy.lessons import Lessons, Texts, prepare_lessons, write_shard
from maquette.rewards.weights import load_network, save_network
from maquette.runs import SHIPPED
from maquette.tensor_files import load_progress, load_tensors, save_tensors
from tests.policy.micro import micro_policy
from tests.tiny import tiny_codec


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """Files may grow to `size` bytes only, as on a disk that fills."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def codec_state() -> checkpoint.TrainingState:
    model = tiny_codec().model.requires_grad_(True)
    optimiser = MuonAdamW([model.vq.embeddings.weight], model.Decoder.parameters(), 1e-3, weight_decay=(0.0, 0.0))
    return checkpoint.TrainingState(model, optimiser)


def lessons(path: Path) -> None:
    codes = np.zeros((500, 128), np.int16)
    write_shard(
        path.with_suffix(""), Lessons((Texts(("a chair",), "a chair", "legs"),) * 500, codes, codes + 1), "mark"
    )


WRITERS: dict[str, Callable[[Path], object]] = {
    "tensors": lambda path: save_tensors({"a": torch.zeros(100_000)}, path),
    "codec": lambda path: tiny_codec().save(path.parent),
    "codec-state": lambda path: checkpoint.save_state(codec_state(), path),
    "warm-state": lambda path: warm_state.save_state(warm_state.new_state(micro_policy(), 1e-3, 0.0), path),
    "lessons": lessons,
    "network": lambda path: save_network(nn.Linear(500, 500), path),
    "policy": lambda path: micro_policy().save(path.parent / "policy", torch.float32),
    "export": lambda path: export_policy(SHIPPED["tiny"], path.parent / "policy"),
}


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_weights_on_a_full_disk_are_one_sentence_and_leave_what_was_there(
    writer: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "model.safetensors"
    path.write_text("before")
    with (
        pytest.raises(OSError, match=r"Could not write .*\. What was there before is untouched\.") as caught,
        disk_of(50_000),
    ):
        writer(path)
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)
    assert path.read_text() == "before"
    assert {p.name for p in tmp_path.iterdir()} <= {"model.safetensors", "model.jsonl"}


def test_tensors_come_back_with_their_metadata(tmp_path: Path) -> None:
    save_tensors({"a": torch.arange(6).reshape(2, 3).T}, tmp_path / "a.safetensors", {"of": "somebody"})
    tensors, metadata = load_tensors(tmp_path / "a.safetensors")
    assert torch.equal(tensors["a"], torch.arange(6).reshape(2, 3).T) and metadata == {"of": "somebody"}
    with pytest.raises(ValueError, match="not the state of a training"):
        load_progress(tmp_path / "a.safetensors")


def test_what_is_cut_short_is_named_in_one_sentence(tmp_path: Path) -> None:
    path, state = tmp_path / "last.safetensors", warm_state.new_state(micro_policy(), 1e-3, 0.0)
    codec, codes = tiny_codec(), tmp_path / "train-0-000000.safetensors"
    readers: list[tuple[Path, Callable[[], object]]] = [
        (path, lambda: warm_state.load_state(state, path)),
        (path, lambda: checkpoint.load_state(path, codec_state())),
        (path, lambda: load_network(nn.Linear(5, 5), path)),
        (codes, lambda: prepare_lessons(tmp_path, codec, "train", 2, seed=0)),
    ]
    warm_state.save_state(state, path)
    whole = path.read_bytes()
    lessons(codes)
    for length in (0, 5, 100, len(whole) - 1):
        for file, read in readers:
            file.write_bytes(whole[:length])
            with pytest.raises(
                ValueError, match=rf"{file} is cut short or no safetensors file \(.*\); delete it"
            ) as caught:
                read()
            assert "\n" not in str(caught.value)
    tensors, metadata = load_tensors(path) if path.write_bytes(whole) else ({}, {})
    save_tensors({k: v for k, v in tensors.items() if not k.startswith("weights.")}, path, metadata)
    with pytest.raises(ValueError, match=r"last\.safetensors has no .*: it is the state of another model"):
        warm_state.load_state(state, path)
