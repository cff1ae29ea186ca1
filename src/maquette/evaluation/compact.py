"""Meshes as small as a page can show them: a grid of 1024 steps along the longest side, colours of 8 bits, faces by difference.

A sixth of the GLB on the answers of the tiny size, so that a report holds hundreds. `page/meshes.js` reads it back and makes a GLB.

Layout, deflated (zlib), little-endian: uint32 vertices V, uint32 faces F, float32 x, y, z of the lowest corner, float32 step, uint32 1
where there are colours; then planes of bytes: of the vertices' steps (x of all, y of all, z of all) each less the one before it, modulo
2^16, low bytes then high bytes; of the colours (r, g, b) likewise modulo 2^8; of the faces' indices each less the one before it, as
zigzag numbers of three bytes, lowest first.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from jaxtyping import Int64

from maquette.types import Mesh

STEPS = 1023
MOST_VERTICES = 2**22
"""Indices have three bytes with their sign."""


def pack_mesh(mesh: Mesh) -> bytes:
    """The mesh in the layout above. ValueError where it has no vertex, or more than can be counted."""
    vertices, count = np.asarray(mesh.vertices, np.float32), len(mesh.vertices)
    if not 0 < count <= MOST_VERTICES:
        raise ValueError(f"a mesh of {count} vertices cannot be packed; 1 to {MOST_VERTICES} can")
    low = vertices.min(0)
    step = np.float32(max(float((vertices.max(0) - low).max()), 1e-9) / STEPS)
    places = np.rint((vertices - low) / step).astype(np.int64)
    head = struct.pack("<II4fI", count, len(mesh.faces), *low, step, mesh.color is not None)
    planes = [bytes_of(differences(places.T), 2)]
    if mesh.color is not None:
        planes.append(bytes_of(differences(np.rint(np.clip(mesh.color, 0, 1) * 255).astype(np.int64).T), 1))
    change = differences(np.asarray(mesh.faces, np.int64).reshape(1, -1))
    planes.append(bytes_of(np.where(change < 0, -2 * change - 1, 2 * change), 3))
    return zlib.compress(head + b"".join(planes), 9)


def differences(rows: Int64[np.ndarray, "r n"]) -> Int64[np.ndarray, "r n"]:
    """Each number less the one before it in its row."""
    return np.diff(rows, axis=1, prepend=0)


def bytes_of(numbers: Int64[np.ndarray, "r n"], width: int) -> bytes:
    """The lowest bytes of all numbers, row after row, then the next ones; negative numbers modulo 2^(8·width)."""
    return b"".join(((numbers >> (8 * place)) & 255).astype(np.uint8).tobytes() for place in range(width))
