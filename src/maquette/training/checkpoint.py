"""Everything that a run needs to go on bit for bit, written so that no kill and no full disk can lose an earlier one.

A checkpoint is a folder `step-000010`: `state.safetensors` (weights, optimiser, generator states) and `state.json` (the next step,
and what else the run carries).
It is written beside under another name, synced, and renamed: what has the right name is whole. It holds whole tensors however the
weights were spread, so that a run of any number of processes goes on from it.
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

from maquette.policy.sharding import like, overwrite, whole
from maquette.training.distributed import Processes

PATTERN = re.compile(r"step-(\d{6,})")
RNG = "random.torch"
ALONE = Processes()


def save_checkpoint(
    folder: Path,
    step: int,
    policy: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    keep: int,
    run: Mapping[str, object] | None = None,
    processes: Processes = ALONE,
) -> Path:
    """`folder/step-STEP`, where STEP is the first step that is still to be done; the `keep` newest stay.

    `run` is what else a run carries from step to step, as JSON; `load_run` gives it back. Every process calls it, the first one
    writes. Raises ValueError where the disk is full or read-only; earlier checkpoints are then untouched.
    """
    state = gather_state(policy, optimizer, keep=processes.first)
    facts = {"step": step, "run": dict(run or {})}
    return processes.first_does(lambda: write_checkpoint(folder, facts, state, keep=keep))


def write_checkpoint(folder: Path, facts: Mapping[str, object], state: Mapping[str, Tensor], *, keep: int) -> Path:
    """The part of `save_checkpoint` that touches the disk."""
    step = facts["step"]
    final, partial = folder / f"step-{step:06d}", folder / f".partial-{step:06d}"
    try:
        _write(partial, facts, state)
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
    moments = {}
    for index, (name, parameter) in enumerate(policy.named_parameters()):
        own = {key.partition(":")[2]: value for key, value in state.items() if key.startswith(f"optimiser.{name}:")}
        if own:
            moments[index] = {k: v if k == "step" else like(v, parameter) for k, v in own.items()}
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    return step


def load_run(path: Path) -> dict[str, object]:
    """What `save_checkpoint` was given as `run`. ValueError where it cannot be read or is not there."""
    try:
        return json.loads((path / "state.json").read_text())["run"]
    except (OSError, json.JSONDecodeError, KeyError) as error:
        raise ValueError(f"The checkpoint {path} does not say where the run stood: {error!r}.") from error


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
        overwrite(parameter, weights[name])


def gather_state(policy: nn.Module, optimizer: torch.optim.Optimizer, *, keep: bool = True) -> dict[str, Tensor]:
    """Learning weights (tied ones once), the optimiser's moments by name, torch's generator; nothing else is random in a run.

    Frozen weights are the base's: written with every checkpoint they would be 15 GB of it. Whole tensors on the CPU. A process that
    does not `keep` them takes part in gathering each and holds none.
    """
    state: dict[str, Tensor] = {}

    def add(name: str, value: Tensor) -> None:
        full = whole(value.detach())
        if keep:
            state[name] = full.cpu().contiguous()

    moments = optimizer.state_dict()["state"]
    for index, (name, parameter) in enumerate(policy.named_parameters()):
        if parameter.requires_grad:
            add(f"policy.{name}", parameter)
        for key, value in moments.get(index, {}).items():
            add(f"optimiser.{name}:{key}", value)
    return state | {RNG: torch.get_rng_state()}


def _write(folder: Path, facts: Mapping[str, object], state: Mapping[str, Tensor]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    save_file(dict(state), folder / "state.safetensors")
    (folder / "state.json").write_text(json.dumps(facts) + "\n")
    for path in (folder / "state.safetensors", folder / "state.json", folder):
        _sync(path)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
