"""From materials and textures to colours at vertices."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8

from maquette.shape.gltf import Primitive

ROUNDS = 6
"""Times that a textured triangle may be cut in four."""
FINEST = 1 / 128
"""Edges shorter than this share of the object's extent are not cut."""
VISIBLE = 0.06
"""A difference of colour [0, 1] along an edge, from what its ends' colours would make of it, that asks for a cut."""
MOST_FACES = 200_000
"""Cutting ends here."""


def to_srgb(linear: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Linear light [0, 1] as sRGB (IEC 61966-2-1)."""
    linear = np.clip(linear, 0.0, 1.0)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


def to_linear(srgb: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """sRGB [0, 1] as linear light."""
    srgb = np.clip(srgb, 0.0, 1.0)
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def sample(image: UInt8[np.ndarray, "h w 3"], uv: Float[np.ndarray, "V 2"]) -> Float[np.ndarray, "V 3"]:
    """Colours [0, 1] of a picture at texture coordinates (0, 0 is its top left corner), nearest pixel, repeating."""
    height, width = image.shape[:2]
    uv = np.nan_to_num(uv, posinf=0.0, neginf=0.0)
    column = np.floor((uv[:, 0] - np.floor(uv[:, 0])) * width).astype(int).clip(0, width - 1)
    row = np.floor((uv[:, 1] - np.floor(uv[:, 1])) * height).astype(int).clip(0, height - 1)
    return image[row, column] / 255.0


def painted(primitive: Primitive, extent: float) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Vertices, faces and vertex colours (sRGB, or None where nothing is stated); where a texture changes within a
    triangle it is cut, down to 1/128 of `extent`, so that what the picture shows is kept."""
    vertices, faces, uv = primitive.vertices, primitive.faces, primitive.uv
    if primitive.factor is None and primitive.color is None:
        return vertices, faces, None
    color = np.ones((len(vertices), 3)) if primitive.color is None else primitive.color.astype(float)
    if primitive.factor is not None:
        color = color * primitive.factor
    if primitive.image is None or uv is None:
        return vertices, faces, to_srgb(color)
    packed = np.concatenate([vertices, color, uv], axis=1)
    for _ in range(ROUNDS):
        edges = _changing_edges(packed, faces, primitive.image, extent * FINEST)
        if not len(edges) or len(faces) > MOST_FACES:
            break
        packed, faces = _cut(packed, faces, edges)
    texture = to_linear(sample(primitive.image, _inward(packed, faces)))
    return packed[:, :3], faces, to_srgb(packed[:, 3:6] * texture)


def _changing_edges(packed: np.ndarray, faces: np.ndarray, image: np.ndarray, shortest: float) -> np.ndarray:
    """Edges [E 2] (sorted pairs) along which the picture is not what the colours of their ends would make of it."""
    edges = np.unique(np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1), axis=0)
    start, end = packed[edges[:, 0]], packed[edges[:, 1]]
    long = np.linalg.norm(start[:, :3] - end[:, :3], axis=1) > shortest
    off = np.zeros(len(edges))
    at_vertices = sample(image, _inward(packed, faces))
    first, last = at_vertices[edges[:, 0]], at_vertices[edges[:, 1]]
    for share in (0.25, 0.5, 0.75):
        there = sample(image, (1 - share) * start[:, 6:] + share * end[:, 6:])
        off = np.maximum(off, np.abs(there - (1 - share) * first - share * last).max(axis=1))
    return edges[long & (off > VISIBLE)]


def _cut(packed: np.ndarray, faces: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every triangle with one of these edges cut at their middles, without gaps: into two, three or four."""
    base = len(packed)
    keys = edges[:, 0].astype(np.int64) * base + edges[:, 1]
    packed = np.concatenate([packed, packed[edges].mean(axis=1)])
    pairs = np.sort(np.stack([faces, np.roll(faces, -1, axis=1)], axis=2), axis=2)
    wanted = pairs[..., 0].astype(np.int64) * base + pairs[..., 1]
    place = np.searchsorted(keys, wanted).clip(0, len(keys) - 1)
    middle = np.where(keys[place] == wanted, base + place, -1)
    return packed, np.concatenate([_cut_kind(faces, middle, cuts) for cuts in range(4)])


def _cut_kind(faces: np.ndarray, middle: np.ndarray, cuts: int) -> np.ndarray:
    """What becomes of the triangles of which exactly `cuts` edges are cut; `middle` [F 3] is -1 at the others."""
    chosen = (middle >= 0).sum(axis=1) == cuts
    f, m = faces[chosen], middle[chosen]
    if cuts == 0 or not len(f):
        return f
    # Turned so that the only cut edge (of one) or the only whole edge (of two) leaves corner 0.
    odd = np.argmax(m >= 0, axis=1) if cuts == 1 else np.argmin(m, axis=1)
    turn = (odd[:, None] + np.arange(3)) % 3
    (a, b, c), (x, y, z) = np.take_along_axis(f, turn, 1).T, np.take_along_axis(m, turn, 1).T
    pieces = {
        1: [(a, x, c), (x, b, c)],
        2: [(a, b, z), (b, y, z), (z, y, c)],
        3: [(a, x, z), (x, b, y), (z, y, c), (x, y, z)],
    }[cuts]
    return np.concatenate([np.stack(piece, axis=1) for piece in pieces])


def _inward(packed: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Texture coordinates moved a little into a face of theirs: on the border of a patch the next patch's pixel begins."""
    uv = packed[:, 6:].copy()
    inner = packed[faces][..., 6:].mean(axis=1)
    for corner in range(3):
        uv[faces[:, corner]] = 0.95 * packed[faces[:, corner], 6:] + 0.05 * inner
    return uv
