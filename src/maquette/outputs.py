"""Files and folders that a person gets: writable before any time is spent, and whole or not there at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory


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


def output_file(path: Path) -> Path:
    """The path, whose folder can be written to; asked before any time is spent. ValueError otherwise, and for a folder."""
    if path.is_dir():
        raise ValueError(f"{path} is a folder; --out names a file, e.g. {path / 'it.glb'}.")
    make_run_folder(path.parent)
    return path
