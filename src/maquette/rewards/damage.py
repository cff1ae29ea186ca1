"""Ways in which a shape can go wrong, each on one voxel grid and by a strength in (0, 1]: what the scorers learn to mark down.

The kinds follow what a policy over codes gets wrong: parts or instances that are missing, loose or displaced; pieces that float;
holes; melted, bloated, thinned or rough surfaces; a second front on the back; whole code cells (bars of 4 × 4 × 16 voxels) that
belong elsewhere. What can go wrong with the paint is in `repaint`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int8, Int64
from scipy import ndimage


@dataclass(frozen=True)
class Grid:
    """One shape under the knife. `part` is -1 where empty or loose matter; `counts` are the instances left of each part."""

    occupancy: Bool[np.ndarray, "r r r"]
    color: Float32[np.ndarray, "r r r 3"]
    part: Int8[np.ndarray, "r r r"]
    counts: tuple[int, ...]
    density: Float32[np.ndarray, "r r r"] | None = None
    """As a decoder gave it; damage comes before."""


Damage = Callable[[Grid, np.random.Generator, float], Grid]


def _depth(occupancy: np.ndarray) -> np.ndarray:
    """How far each full voxel is from the nearest empty one; 0 where empty."""
    return np.asarray(ndimage.distance_transform_edt(occupancy))


def _filled(grid: Grid, occupancy: np.ndarray) -> Grid:
    """The grid with another occupancy; new voxels take colour and part of the nearest old one."""
    if not grid.occupancy.any():
        return grid
    i, j, k = np.asarray(ndimage.distance_transform_edt(~grid.occupancy, return_distances=False, return_indices=True))
    color = np.where(occupancy[..., None], grid.color[i, j, k], 0.0).astype(np.float32)
    return replace(
        grid, occupancy=occupancy, color=color, part=np.where(occupancy, grid.part[i, j, k], -1).astype(np.int8)
    )


def _without(grid: Grid, gone: np.ndarray) -> Grid:
    """The grid with some voxels emptied."""
    return replace(
        grid,
        occupancy=grid.occupancy & ~gone,
        color=np.where(gone[..., None], 0.0, grid.color).astype(np.float32),
        part=np.where(gone, -1, grid.part).astype(np.int8),
    )


def field(rng: np.random.Generator, r: int, sigma: float) -> np.ndarray:
    """Smooth noise of unit deviation."""
    noise = ndimage.gaussian_filter(rng.standard_normal((r, r, r)), sigma, mode="wrap")
    return noise / max(float(noise.std()), 1e-9)


def surface(grid: Grid) -> np.ndarray:
    """Coordinates [n 3] of occupied voxels with an empty neighbour."""
    return np.argwhere(grid.occupancy & ~ndimage.binary_erosion(grid.occupancy))


def ball(r: int, center: np.ndarray, radius: float) -> np.ndarray:
    x, y, z = np.ogrid[:r, :r, :r]
    return (x - center[0]) ** 2 + (y - center[1]) ** 2 + (z - center[2]) ** 2 <= radius**2


def half(rng: np.random.Generator, r: int) -> np.ndarray:
    """A random half space, its plane near the middle."""
    normal = rng.standard_normal(3) * (1.0, 1.0, 0.4)
    axis = (np.arange(r) + 0.5) / r - 0.5
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij", sparse=True)
    return (x * normal[0] + y * normal[1] + z * normal[2]) / np.linalg.norm(normal) > rng.uniform(-0.08, 0.08)


def some_part(grid: Grid, rng: np.random.Generator, most: float = 0.6) -> int:
    """A part that is there and holds at most `most` of the shape; -1 where there is none."""
    sizes = np.bincount(grid.part[grid.part >= 0], minlength=len(grid.counts))
    able = np.flatnonzero((sizes > 8) & (sizes <= most * sizes.sum()))
    return int(rng.choice(able)) if len(able) else -1


def drop_part(grid: Grid, rng: np.random.Generator, strength: float) -> Grid:
    """All instances of one part are gone."""
    part = some_part(grid, rng, 0.35 + 0.35 * strength)
    if part < 0:
        return grid
    return replace(
        _without(grid, grid.part == part), counts=tuple(0 if i == part else n for i, n in enumerate(grid.counts))
    )


def drop_instance(grid: Grid, rng: np.random.Generator, strength: float) -> Grid:
    """Some instances of a part that has several are gone (where its instances do not touch, so that they can be told apart)."""
    several = [i for i, n in enumerate(grid.counts) if n > 1]
    rng.shuffle(several)
    for part in several:
        labelled: Any = ndimage.label(grid.part == part)
        label, found = labelled
        if found != grid.counts[part]:
            continue
        lost = rng.permutation(found)[: max(1, round(strength * (found - 1)))] + 1
        left = tuple(n - len(lost) if i == part else n for i, n in enumerate(grid.counts))
        return replace(_without(grid, np.isin(label, lost)), counts=left)
    return grid


def detach_part(grid: Grid, rng: np.random.Generator, strength: float) -> Grid:
    """One part is displaced by 3 to 8 voxels."""
    part = some_part(grid, rng)
    if part < 0:
        return grid
    direction = rng.standard_normal(3)
    step = np.round(direction / np.linalg.norm(direction) * (3 + 5 * strength)).astype(int)
    return _moved(grid, grid.part == part, step)


def shift_half(grid: Grid, rng: np.random.Generator, strength: float) -> Grid:
    """Everything beyond a plane is shifted sideways by 2 to 7 voxels: a broken object."""
    r, axis = len(grid.occupancy), int(rng.integers(3))
    cut = np.arange(r) > rng.integers(int(0.35 * r), int(0.65 * r))
    beyond = grid.occupancy & np.moveaxis(np.broadcast_to(cut, (r, r, r)), -1, axis)
    step = np.zeros(3, int)
    step[rng.choice([a for a in range(3) if a != axis])] = round(2 + 5 * strength) * rng.choice([-1, 1])
    return _moved(grid, beyond, step)


def _moved(grid: Grid, chosen: np.ndarray, step: np.ndarray) -> Grid:
    """The chosen voxels shifted by `step`; what leaves the grid is lost."""
    r = len(grid.occupancy)
    source = np.argwhere(chosen)
    target = source + step
    inside = ((target >= 0) & (target < r)).all(1)
    source, target = tuple(source[inside].T), tuple(target[inside].T)
    rest = _without(grid, chosen)
    occupancy, color, part = rest.occupancy.copy(), rest.color.copy(), rest.part.copy()
    occupancy[target], color[target], part[target] = True, grid.color[source], grid.part[source]
    return replace(grid, occupancy=occupancy, color=color, part=part)


def floaters(grid: Grid, rng: np.random.Generator, strength: float) -> Grid:
    """Loose crumbs around the object, in its own colours."""
    r = len(grid.occupancy)
    clear = np.argwhere(_depth(~grid.occupancy) > 3)
    if not len(clear) or not grid.occupancy.any():
        return grid
    occupancy, color = grid.occupancy.copy(), grid.color.copy()
    palette = grid.color[grid.occupancy]
    for _ in range(round(2 + 8 * strength * rng.uniform(0.5, 1.0))):
        crumb = ball(r, clear[rng.integers(len(clear))], rng.uniform(1.0, 2.6)) & ~grid.occupancy
        occupancy |= crumb
        color[crumb] = palette[rng.integers(len(palette))]
    return replace(grid, occupancy=occupancy, color=color)


def holes(grid: Grid, rng: np.random.Generator, strength: float) -> Grid:
    """Bites out of the surface."""
    outside = surface(grid)
    if not len(outside):
        return grid
    gone = np.zeros_like(grid.occupancy)
    for _ in range(round(1 + 6 * strength)):
        gone |= ball(len(gone), outside[rng.integers(len(outside))], rng.uniform(2.0, 3.0 + 1.5 * strength))
    return _without(grid, gone)


def melt(grid: Grid, rng: np.random.Generator, strength: float) -> Grid:
    """Edges run into one another: blurred, then cut at a level that wavers."""
    soft = ndimage.gaussian_filter(grid.occupancy.astype(np.float32), 0.9 + 1.3 * strength)
    return _filled(grid, soft > 0.42 + 0.12 * strength * field(rng, len(soft), 2.5))


def melt_side(grid: Grid, rng: np.random.Generator, strength: float) -> Grid:
    """One side only is melted."""
    melted = melt(grid, rng, 0.5 + 0.5 * strength)
    side = half(rng, len(grid.occupancy))
    return replace(
        grid,
        occupancy=np.where(side, melted.occupancy, grid.occupancy),
        color=np.where(side[..., None], melted.color, grid.color),
        part=np.where(side, melted.part, grid.part),
    )


def roughen(grid: Grid, rng: np.random.Generator, strength: float) -> Grid:
    """A surface that was smooth is bumpy."""
    distance = _depth(grid.occupancy) - _depth(~grid.occupancy)
    return _filled(grid, distance + (0.6 + 1.2 * strength) * field(rng, len(distance), 0.8) > 0)


def swell(grid: Grid, rng: np.random.Generator, strength: float) -> Grid:
    """Everything is thicker by about a voxel or two."""
    return _filled(grid, _depth(~grid.occupancy) <= 1.0 + 1.2 * strength)


def thin(grid: Grid, rng: np.random.Generator, strength: float) -> Grid:
    """Everything is thinner, slender parts break."""
    distance = _depth(grid.occupancy)
    return _without(grid, grid.occupancy & (distance + 0.5 * field(rng, len(distance), 1.5) < 1.0 + 0.7 * strength))


def second_front(grid: Grid, rng: np.random.Generator, strength: float) -> Grid:
    """The back half is replaced by the front's mirror image (a Janus face), or the other way round."""
    front = np.zeros_like(grid.occupancy)
    front[:, : front.shape[1] // 2] = True
    keep = front if rng.random() < 0.5 else ~front
    return replace(
        grid,
        occupancy=np.where(keep, grid.occupancy, grid.occupancy[:, ::-1]),
        color=np.where(keep[..., None], grid.color, grid.color[:, ::-1]),
        part=np.where(keep, grid.part, grid.part[:, ::-1]),
    )


def swap_bars(grid: Grid, rng: np.random.Generator, strength: float) -> Grid:
    """Some bars of voxels, as large as what one code paints, come from elsewhere in the shape or are empty."""
    r = len(grid.occupancy)
    side, tall = r // 8, r // 2
    bars = [
        (slice(x, x + side), slice(y, y + side), slice(z, z + tall))
        for x in range(0, r, side)
        for y in range(0, r, side)
        for z in range(0, r, tall)
    ]
    used = [bar for bar in bars if grid.occupancy[bar].any()]
    if len(used) < 4:
        return grid
    occupancy, color, part = grid.occupancy.copy(), grid.color.copy(), grid.part.copy()
    for index in rng.permutation(len(used))[: max(1, round(0.3 * strength * len(used)))]:
        here = used[index] if rng.random() < 0.7 else bars[int(rng.integers(len(bars)))]
        there = used[int(rng.integers(len(used)))] if rng.random() < 0.75 else bars[int(rng.integers(len(bars)))]
        occupancy[here], color[here] = grid.occupancy[there], grid.color[there]
        part[here] = np.where(grid.occupancy[there], grid.part[here], -1)
    return replace(grid, occupancy=occupancy, color=color, part=part)


GEOMETRY: dict[str, Damage] = {
    "drop_part": drop_part,
    "drop_instance": drop_instance,
    "detach_part": detach_part,
    "shift_half": shift_half,
    "floaters": floaters,
    "holes": holes,
    "melt": melt,
    "melt_side": melt_side,
    "roughen": roughen,
    "swell": swell,
    "thin": thin,
    "second_front": second_front,
    "swap_bars": swap_bars,
}
"""Damage that every view of the bare shape may show."""


def swap_codes(
    codes: Int64[np.ndarray, " c"], donors: Int64[np.ndarray, " d"], fraction: float, rng: np.random.Generator
) -> Int64[np.ndarray, " c"]:
    """A shape's codes with a fraction (at least one) replaced by codes drawn from `donors`, e.g. those of other shapes."""
    places = rng.permutation(len(codes))[: max(1, round(fraction * len(codes)))]
    swapped = codes.copy()
    swapped[places] = rng.choice(donors, len(places))
    return swapped


def severity(clean: Grid, damaged: Grid) -> tuple[float, float]:
    """How bad, geometry and paint, each 0 (no difference) to 1: from occupancy IoU, and from mean absolute colour on common voxels.

    Differences below 1 % of IoU or 0.005 of colour are none; a visible one counts at least 0.2.
    """
    common = clean.occupancy & damaged.occupancy
    either = clean.occupancy | damaged.occupancy
    lost = 1.0 - common.sum() / max(int(either.sum()), 1)
    off = float(np.abs(clean.color - damaged.color)[common].mean()) if common.any() else 0.0
    geometry = 0.0 if lost < 0.01 else min(1.0, 0.2 + 1.6 * float(lost))
    paint = 0.0 if off < 0.005 else min(1.0, 0.2 + 5.0 * off)
    return geometry, paint
