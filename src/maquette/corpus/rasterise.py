"""Designs to voxels: each solid is tested at the voxel centres within its bounds, later parts paint over earlier ones."""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np
from jaxtyping import Float, Float32, Int8

from maquette.corpus.program import COLORS, STYLES, Design, Part
from maquette.corpus.solids import Kind, Solid, box, ellipsoid
from maquette.types import Voxels

MARGIN = 0.5 / 32
"""Free space on each side of the longest extent, in unit cubes."""
THIN_PLATE, THIN_ROD = 0.6 / 32, 0.75 / 32
"""Least half thickness of flat and of round things: the least at which no plate and no rod loses a voxel at 32³, wherever it lies.
The same at 64³, so that both resolutions show one object."""
LATTICE = 16
"""Cells per side of the `blocky` style."""


def voxelise_design(
    design: Design, resolution: int, *, coarse: bool = False
) -> tuple[Voxels, Int8[np.ndarray, "r r r"]]:
    """Solid voxels (a = 1) scaled into the unit cube, and the index of the part that each voxel shows (-1: empty).

    `coarse`: each part instance is its bounding primitive, without style, pattern or colour (`Voxels.color` is None).
    """
    place, scale = placement(design)
    parts = [[_placed(s, place, scale) for group in _instances(p, coarse) for s in group] for p in design.parts]
    style = 0 if coarse else STYLES.index(design.style)
    index = np.full((resolution,) * 3, -1, np.int8)
    for number, solids in enumerate(parts):
        _paint(index, *_pack(solids, style), number, style)
    occupancy = (index >= 0)[None]
    if coarse:
        return Voxels(occupancy), index
    return Voxels(occupancy, _colors(design, parts, index)[None]), index


def placement(design: Design) -> tuple[Float[np.ndarray, " 3"], float]:
    """The offset and then the scale that bring the design into the unit cube, centred, its shape kept."""
    bounds = np.array([tight_bounds(s) for p in design.parts for group in p.instances for s in group])
    low, high = bounds[:, 0].min(0), bounds[:, 1].max(0)
    return -(low + high) / 2, float((1 - 2 * MARGIN) / (high - low).max())


def tight_bounds(solid: Solid) -> Float[np.ndarray, "2 3"]:
    """World bounds of the solid itself, not of its turned bounding box."""
    a, b, c = solid.params
    up = solid.rotation[:, 2]
    across = np.sqrt(np.clip(1 - up**2, 0, None))
    if solid.kind == Kind.FRUSTUM:
        ends = [sign * up * c for sign in (-1.0, 1.0)]
        reach = [across * a, across * b]
        low = np.min([e - r for e, r in zip(ends, reach, strict=True)], axis=0)
        high = np.max([e + r for e, r in zip(ends, reach, strict=True)], axis=0)
        return np.stack([solid.center + low, solid.center + high])
    if solid.kind == Kind.ELLIPSOID:
        half = np.sqrt(((solid.rotation * solid.params) ** 2).sum(1))
    elif solid.kind == Kind.TORUS:
        half = across * a + b
    elif solid.kind == Kind.CAPSULE:
        half = a + np.abs(up) * b
    elif solid.kind == Kind.EXTRUSION:
        points = np.array([(x, y, z) for x, y in solid.profile for z in (-a, a)]) @ solid.rotation.T + solid.center
        return np.stack([points.min(0), points.max(0)])
    else:
        return solid.bounds()
    return np.stack([solid.center - half, solid.center + half])


def _placed(solid: Solid, offset: np.ndarray, scale: float) -> Solid:
    return solid.moved(*offset).scaled(scale)


def _instances(part: Part, coarse: bool) -> Sequence[Sequence[Solid]]:
    return [[bounding_primitive(group)] for group in part.instances] if coarse else part.instances


def bounding_primitive(group: Sequence[Solid]) -> Solid:
    """The one simple solid that stands for a part instance in the coarse shape."""
    if len(group) > 1:
        bounds = np.array([tight_bounds(s) for s in group])
        low, high = bounds[:, 0].min(0), bounds[:, 1].max(0)
        round_share = np.mean([s.kind == Kind.ELLIPSOID for s in group])
        middle, size = tuple((low + high) / 2), high - low
        return ellipsoid(*(size / 2), at=middle) if round_share > 0.5 else box(*size, at=middle)
    solid = group[0]
    a, b, c = solid.params
    if solid.kind == Kind.FRUSTUM:
        return _like(solid, Kind.FRUSTUM, (max(a, b), max(a, b), c))
    if solid.kind == Kind.CAPSULE:
        return _like(solid, Kind.FRUSTUM, (a, a, a + b))
    if solid.kind in (Kind.BOX, Kind.ELLIPSOID):
        return solid
    (half, offset), kind = solid.extent(), Kind.BOX if solid.kind == Kind.EXTRUSION else Kind.FRUSTUM
    params = tuple(half) if kind == Kind.BOX else (half[0], half[0], half[2])
    return _like(solid, kind, params, solid.center + solid.rotation @ offset)


def _like(solid: Solid, kind: Kind, params: Sequence[float], center: np.ndarray | None = None) -> Solid:
    return Solid(kind, tuple(map(float, params)), solid.center if center is None else center, solid.rotation)


def _thickened(solid: Solid, factor: float) -> tuple[float, float, float]:
    """The solid's numbers, nothing thinner than the grid can hold."""
    plate, rod = THIN_PLATE * factor, THIN_ROD * factor
    a, b, c = solid.params
    if solid.kind == Kind.BOX:
        aligned = np.abs(solid.rotation).max(0).min() > 0.999
        least = plate if aligned else rod
        return max(a, least), max(b, least), max(c, least)
    if solid.kind == Kind.FRUSTUM:
        grown = max(rod / max(a, b, 1e-9), 1.0)
        return a * grown, b * grown, max(c, plate)
    if solid.kind == Kind.ELLIPSOID:
        return max(a, rod), max(b, rod), max(c, rod)
    if solid.kind == Kind.TORUS:
        return a, max(b, rod), c
    if solid.kind == Kind.CAPSULE:
        return max(a, rod), b, c
    return max(a, plate), b, c


def _pack(solids: Sequence[Solid], style: int) -> tuple[np.ndarray, ...]:
    """Flat arrays for the kernel: kinds, params, centres, rotations, bounds, profile points and where each solid's begin."""
    factor = 32 / LATTICE if style == 2 else 1.0
    thick = [_like(s, s.kind, _thickened(s, factor)) for s in solids]
    thick = [Solid(t.kind, t.params, s.center, s.rotation, s.profile) for t, s in zip(thick, solids, strict=True)]
    starts = np.cumsum([0, *(len(s.profile) for s in thick)])
    points = np.array([p for s in thick for p in s.profile] or [(0.0, 0.0)])
    return (
        np.array([s.kind for s in thick], np.int64),
        np.array([s.params for s in thick]),
        np.array([s.center for s in thick]),
        np.array([s.rotation for s in thick]),
        np.array([s.bounds() for s in thick]),
        points,
        starts,
    )


@numba.njit(cache=True)
def _in_polygon(u: float, v: float, points: np.ndarray, start: int, stop: int) -> bool:
    """Even-odd rule."""
    inside = False
    j = stop - 1
    for i in range(start, stop):
        if (points[i, 1] > v) != (points[j, 1] > v):
            cut = points[i, 0] + (v - points[i, 1]) / (points[j, 1] - points[i, 1]) * (points[j, 0] - points[i, 0])
            if u < cut:
                inside = not inside
        j = i
    return inside


@numba.njit(cache=True)
def _across(x: float, y: float, style: int) -> float:
    """Distance from the axis: round, by a hexagon (low-poly) or by a square (blocky)."""
    if style == 1:
        half = 0.8660254
        return max(abs(x), max(abs(0.5 * x + half * y), abs(0.5 * x - half * y))) / 0.93
    if style == 2:
        return max(abs(x), abs(y)) / 0.9
    return np.sqrt(x * x + y * y)


@numba.njit(cache=True)
def _inside(
    kind: int, q: np.ndarray, x: float, y: float, z: float, style: int, points: np.ndarray, i: int, j: int
) -> bool:
    """Whether a point in the solid's own frame is inside; styles bend the roundness."""
    if kind == 0:
        if style == 3:
            return (x / q[0]) ** 4 + (y / q[1]) ** 4 + (z / q[2]) ** 4 <= 1.15
        return abs(x) <= q[0] and abs(y) <= q[1] and abs(z) <= q[2]
    if kind == 1:
        return abs(z) <= q[2] and _across(x, y, style) <= q[0] + (q[1] - q[0]) * (z + q[2]) / (2 * q[2])
    if kind == 2:
        u, v, w = abs(x) / q[0], abs(y) / q[1], abs(z) / q[2]
        if style == 1:
            return u + v + w <= 1.4 and max(u, max(v, w)) <= 0.9
        if style == 2:
            return max(u, max(v, w)) <= 0.85
        return u * u + v * v + w * w <= 1
    if kind == 3:
        return _across(_across(x, y, style) - q[0], z, style) <= q[1]
    if kind == 4:
        beyond = max(abs(z) - q[1], 0.0)
        return _across(_across(x, y, style), beyond, style) <= q[0]
    if kind == 5:
        return abs(z) <= q[0] and _in_polygon(x, y, points, i, j)
    return _in_polygon(_across(x, y, style), z, points, i, j)


@numba.njit(cache=True)
def _paint(index, kinds, params, centers, rotations, bounds, points, starts, part, style):  # noqa: ANN001
    """Write `part` wherever one of the solids is; in the blocky style all voxels of a lattice cell ask at its centre."""
    r = index.shape[0]
    for s in range(len(kinds)):
        low, high = np.zeros(3, np.int64), np.zeros(3, np.int64)
        for k in range(3):
            low[k] = max(0, int(np.floor((bounds[s, 0, k] + 0.5) * r)) - r // 16)
            high[k] = min(r, int(np.ceil((bounds[s, 1, k] + 0.5) * r)) + r // 16)
        turn, center = rotations[s], centers[s]
        for i in range(low[0], high[0]):
            for j in range(low[1], high[1]):
                for k in range(low[2], high[2]):
                    if style == 2:
                        step = r // 16
                        u, v, w = (i // step + 0.5) / 16, (j // step + 0.5) / 16, (k // step + 0.5) / 16
                    else:
                        u, v, w = (i + 0.5) / r, (j + 0.5) / r, (k + 0.5) / r
                    u, v, w = u - 0.5 - center[0], v - 0.5 - center[1], w - 0.5 - center[2]
                    x = turn[0, 0] * u + turn[1, 0] * v + turn[2, 0] * w
                    y = turn[0, 1] * u + turn[1, 1] * v + turn[2, 1] * w
                    z = turn[0, 2] * u + turn[1, 2] * v + turn[2, 2] * w
                    if _inside(kinds[s], params[s], x, y, z, style, points, starts[s], starts[s + 1]):
                        index[i, j, k] = part


def _colors(design: Design, parts: Sequence[Sequence[Solid]], index: np.ndarray) -> Float32[np.ndarray, "r r r 3"]:
    """Each voxel's colour, sRGB in [0, 1]: its part's, by the part's pattern."""
    color = np.zeros((*index.shape, 3), np.float32)
    for number, (part, solids) in enumerate(zip(design.parts, parts, strict=True)):
        where = np.argwhere(index == number)
        if not len(where):
            continue
        bounds = np.array([tight_bounds(s) for s in solids])
        share = pattern_share(part, (where + 0.5) / len(index) - 0.5, bounds[:, 0].min(0), bounds[:, 1].max(0))[:, None]
        main, second = np.array(COLORS[part.color]), np.array(COLORS[part.pattern.second or part.color])
        color[tuple(where.T)] = main * (1 - share) + second * share
    return color


def pattern_share(
    part: Part, points: Float[np.ndarray, "n 3"], low: Float[np.ndarray, " 3"], high: Float[np.ndarray, " 3"]
) -> Float[np.ndarray, " n"]:
    """How much of the pattern's second colour each point has, in [0, 1]; `low` and `high` bound the part."""
    kind, period = part.pattern.kind, part.pattern.period
    if not kind:
        return np.zeros(len(points))
    cells = np.floor((points - low) / period).astype(int)
    if kind == "striped":
        return (cells[:, int(np.argmax(high - low))] % 2).astype(float)
    if kind == "checked":
        return (cells.sum(1) % 2).astype(float)
    height = (points[:, 2] - low[2]) / max(high[2] - low[2], 1e-9)
    return (height > 0.5).astype(float) if kind == "two-tone" else np.clip(height, 0, 1)
