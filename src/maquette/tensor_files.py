"""Safetensors files: written whole or not at all, read whole or refused, each fault in one sentence."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from maquette.outputs import written


def save_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """The tensors as a safetensors file, whole or not at all. OSError says in one sentence what stood in the way."""
    with writing_weights(path), written(path) as beside:
        save_file({key: t.contiguous() for key, t in tensors.items()}, beside, dict(metadata or {}) or None)


@contextmanager
def writing_weights(path: Path) -> Iterator[None]:
    """Around whatever writes safetensors: their own error, that of a full disk, becomes an OSError that names `path`."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise OSError(f"Could not write {path}: {error}. What was there before is untouched.") from error


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file. ValueError in one sentence where it is cut short or is none."""
    try:
        with safe_open(path, "pt") as opened:
            return {key: opened.get_tensor(key) for key in opened.keys()}, dict(opened.metadata() or {})  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{path} is cut short or no safetensors file ({error}); delete it or write it again."
        ) from error


def load_progress(path: Path) -> tuple[dict[str, Tensor], int, float]:
    """A training's state: tensors, steps done and seconds spent, as `progress_metadata` wrote them. ValueError where it is none."""
    tensors, metadata = load_tensors(path)
    try:
        progress = json.loads(metadata["progress"])
        return tensors, int(progress["step"]), float(progress["seconds"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not the state of a training: it does not say how far it came.") from error


def progress_metadata(step: int, seconds: float) -> dict[str, str]:
    """What `save_tensors` writes with a training's state for `load_progress`."""
    return {"progress": json.dumps({"step": step, "seconds": seconds})}
