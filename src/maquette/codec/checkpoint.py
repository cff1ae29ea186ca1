"""A training run's state on disk: safetensors and JSON, written whole or not at all."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file

from maquette.codec.model import VoxelVQVAE, check_weights
from maquette.codec.moving_codebook import MovingCodebook
from maquette.optimisers import MuonAdamW
from maquette.outputs import written


@dataclass
class TrainingState:
    """All that the next step depends on, beside shapes, recipe and seed."""

    model: VoxelVQVAE
    optimiser: MuonAdamW
    codebook: MovingCodebook | None = None
    """None before the quantised phase."""
    step: int = 0
    seconds: float = 0.0


def save_state(state: TrainingState, path: Path) -> None:
    """Write `path`.safetensors; an interrupted write leaves the last one as it was."""
    tensors = {f"model.{k}": v for k, v in state.model.state_dict().items()}
    tensors |= dict(state.optimiser.tensors())
    if state.codebook is not None:
        tensors |= {"codebook.use": state.codebook.use, "codebook.total": state.codebook.total}
    progress = json.dumps({"step": state.step, "seconds": state.seconds})
    with written(path.with_suffix(".safetensors")) as beside:
        save_file({k: v.contiguous() for k, v in tensors.items()}, beside, metadata={"progress": progress})


def load_state(path: Path, fresh: TrainingState) -> TrainingState:
    """`fresh` brought to where `path`.safetensors was written, or as it is where there is no such file.

    Raises ValueError where the checkpoint is of another geometry.
    """
    file = path.with_suffix(".safetensors")
    if not file.is_file():
        return fresh
    with safe_open(file, "pt") as opened:
        progress = json.loads(opened.metadata()["progress"])
        tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118 (not a dict)
    weights = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
    check_weights(weights, fresh.model.state_dict(), file)
    fresh.model.load_state_dict(weights)
    fresh.optimiser.load(tensors)
    if "codebook.use" in tensors:
        fresh.codebook = MovingCodebook(tensors["codebook.use"], tensors["codebook.total"])
    fresh.step, fresh.seconds = progress["step"], progress["seconds"]
    return fresh
