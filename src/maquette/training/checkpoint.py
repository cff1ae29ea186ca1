"""Everything that a run needs to go on bit for bit, written so that no kill and no full disk can lose an earlier one.

A checkpoint is a folder `step-000010`: `state.safetensors` (weights, optimiser, generator states) and `state.json` (the next step).
It is written beside under another name, synced, and renamed: what has the right name is whole.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

PATTERN = re.compile(r"step-(\d{6,})")
RNG = "random.torch"


def save_checkpoint(folder: Path, step: int, policy: nn.Module, optimizer: torch.optim.Optimizer, *, keep: int) -> Path:
    """`folder/step-STEP`, where STEP is the first step that is still to be done; the `keep` newest stay.

    Raises ValueError where the disk is full or read-only; earlier checkpoints are then untouched.
    """
    final, partial = folder / f"step-{step:06d}", folder / f".partial-{step:06d}"
    try:
        _write(partial, step, gather_state(policy, optimizer))
        if final.exists():
            shutil.rmtree(final)
        partial.rename(final)
        _sync(folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise ValueError(
            f"Could not write the checkpoint {final}: {error}. Earlier checkpoints are untouched."
        ) from error
    for old in list_checkpoints(folder)[:-keep]:
        shutil.rmtree(old)
    return final


def list_checkpoints(folder: Path) -> list[Path]:
    """Whole checkpoints, oldest first."""
    found = [path for path in folder.glob("step-*") if PATTERN.fullmatch(path.name)] if folder.is_dir() else []
    return sorted(found, key=lambda path: int(path.name.removeprefix("step-")))


def load_checkpoint(path: Path, policy: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Puts everything back; comes out with the step to go on at. ValueError names a key whose shape is another."""
    try:
        step = json.loads((path / "state.json").read_text())["step"]
        state = load_file(path / "state.safetensors")
    except (OSError, SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(f"The checkpoint {path} cannot be read: {error}.") from error
    torch.set_rng_state(state.pop(RNG))
    names = [name for name, _ in policy.named_parameters()]
    load_weights(policy, {name: state[f"policy.{name}"] for name in names if f"policy.{name}" in state})
    moments = {
        index: {key: state[f"optimiser.{name}:{key}"] for key in ("step", "exp_avg", "exp_avg_sq")}
        for index, name in enumerate(names)
        if f"optimiser.{name}:step" in state
    }
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    return step


def load_weights(policy: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """In place. ValueError says which key, which shape, which was expected."""
    for name, parameter in policy.named_parameters():
        if not parameter.requires_grad:
            continue
        if name not in weights:
            raise ValueError(f"The checkpoint has no {name}; it is of another model.")
        if weights[name].shape != parameter.shape:
            raise ValueError(
                f"The checkpoint's {name} has shape {list(weights[name].shape)}, the model's has {list(parameter.shape)}."
            )
        parameter.data.copy_(weights[name])


def gather_state(policy: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Learning weights (tied ones once), AdamW's moments by name, torch's generator; nothing else is random in a run."""
    named = list(policy.named_parameters())
    # frozen weights are the base's: written with every checkpoint they would be 15 GB of it
    state = {f"policy.{name}": p.detach().contiguous() for name, p in named if p.requires_grad}
    moments = optimizer.state_dict()["state"]
    for index, (name, _) in enumerate(named):
        for key, value in moments.get(index, {}).items():
            state[f"optimiser.{name}:{key}"] = value.contiguous()
    return state | {RNG: torch.get_rng_state()}


def _write(folder: Path, step: int, state: Mapping[str, Tensor]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    save_file(dict(state), folder / "state.safetensors")
    (folder / "state.json").write_text(json.dumps({"step": step}) + "\n")
    for path in (folder / "state.safetensors", folder / "state.json", folder):
        _sync(path)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
