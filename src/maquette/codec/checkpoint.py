"""A training run's state on disk: safetensors and JSON, written whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from maquette.codec.model import VoxelVQVAE, check_weights
from maquette.codec.moving_codebook import MovingCodebook
from maquette.optimisers import MuonAdamW
from maquette.tensor_files import load_progress, progress_metadata, save_tensors


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
    save_tensors(tensors, path.with_suffix(".safetensors"), progress_metadata(state.step, state.seconds))


def load_state(path: Path, fresh: TrainingState) -> TrainingState:
    """`fresh` brought to where `path`.safetensors was written, or as it is where there is no such file.

    Raises ValueError where the checkpoint is cut short or of another geometry.
    """
    file = path.with_suffix(".safetensors")
    if not file.is_file():
        return fresh
    tensors, step, seconds = load_progress(file)
    weights = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
    check_weights(weights, fresh.model.state_dict(), file)
    fresh.model.load_state_dict(weights)
    fresh.optimiser.load(tensors)
    if "codebook.use" in tensors:
        fresh.codebook = MovingCodebook(tensors["codebook.use"], tensors["codebook.total"])
    fresh.step, fresh.seconds = step, seconds
    return fresh
