"""Files and folders that a person gets: writable before any time is spent, and whole or not there at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from safetensors import SafetensorError

if TYPE_CHECKING:
    from torch import Tensor  # its import takes seconds, which those who write a text only need not wait


def make_run_folder(path: Path | str) -> Path:
    """The folder, made if need be and known to be writable. ValueError says what stands in the way."""
    folder = Path(path)
    probe = folder / ".writable"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"maquette" * 512)
        probe.unlink()
    except OSError as error:
        raise ValueError(
            f"Cannot write to the output folder {folder}: {error.strerror}. Choose another with --out."
        ) from error
    return folder


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """A path to write to, which becomes the file when the block ends well: whole or not at all.

    It lies in a hidden folder of its own beside the file and bears another name, so that who else writes the same file is not in the
    way, and what a kill leaves is never taken for one of the folder's files.
    """
    with TemporaryDirectory(dir=path.parent, prefix=".writing-") as folder:
        beside = Path(folder) / f"unfinished{path.suffix}"
        yield beside
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(path)


@contextmanager
def written_folder(path: Path) -> Iterator[Path]:
    """The same of a folder: one to fill, which takes the other's place, old files and all, when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=".writing-") as hidden:
        beside = Path(hidden) / "unfinished"
        beside.mkdir()
        yield beside
        for file in filter(Path.is_file, beside.rglob("*")):
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
        if path.exists():
            path.rename(Path(hidden) / "before")
        beside.rename(path)


def write_text(path: Path, text: str) -> None:
    """The text as a file, whole or not at all."""
    with written(path) as beside:
        beside.write_text(text)


def keep_before(path: Path, step: int) -> None:
    """Drops what a file of JSON lines says of `step` and later, so that a resumed run's reads as one; what a kill cut off goes too."""
    kept = []
    for text in path.read_text().splitlines() if path.is_file() else ():
        with suppress(json.JSONDecodeError):
            if (json.loads(text)["step"] or 0) < step:
                kept.append(f"{text}\n")
    if path.is_file():
        write_text(path, "".join(kept))


def save_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """The tensors as a safetensors file, whole or not at all. OSError says in one sentence what stood in the way."""
    from safetensors.torch import save_file

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
    from safetensors import safe_open

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


def output_file(path: Path) -> Path:
    """The path, whose folder can be written to; asked before any time is spent. ValueError otherwise, and for a folder."""
    if path.is_dir():
        raise ValueError(f"{path} is a folder; --out names a file, e.g. {path / 'it.glb'}.")
    make_run_folder(path.parent)
    return path
