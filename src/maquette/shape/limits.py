"""How large a mesh from outside may be, checked before its memory is taken."""

from __future__ import annotations

from pathlib import Path

MAX_BYTES = 512 * 2**20
MAX_FACES = 2_000_000
MAX_PIXELS = 8192 * 8192


def check_bytes(size: int, path: Path) -> None:
    """Raises ValueError for a file over the limit."""
    if size > MAX_BYTES:
        raise ValueError(
            f"{path.name} has {size / 2**20:,.0f} MiB, the limit is {MAX_BYTES // 2**20}: simplify it first."
        )


def check_faces(count: int, path: Path) -> None:
    """Raises ValueError for a mesh over the limit."""
    if count > MAX_FACES:
        raise ValueError(f"{path.name} has {count:,} faces, the limit is {MAX_FACES:,}: simplify it first.")
