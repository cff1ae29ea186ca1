"""Object programs → voxels: every solid tested at the voxel centres, painted, normalised to the unit cube.

    voxels, part_index = voxelise_design(design, 32)            # the whole object, coloured
    rough, _ = voxelise_design(design, 32, coarse=True)         # each part instance its bounding primitive, unpainted

The same design is the same object at every resolution: thin things are thickened relative to the unit cube, not to the voxel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int8, Int16

from maquette.corpus import kernels, primitives
from maquette.corpus.program import COLORS, STYLES, Design
from maquette.corpus.solids import Kind, Solid
from maquette.types import Voxels

STYLE_CODES: dict[str, int] = dict(
    zip(STYLES, (primitives.PLAIN, primitives.LOW_POLY, primitives.BLOCKY, primitives.ROUND), strict=True)
)
PATTERN_CODES = {
    "": kernels.NO_PATTERN,
    "striped": kernels.STRIPED,
    "checked": kernels.CHECKED,
    "two-tone": kernels.TWO_TONE,
    "gradient": kernels.GRADIENT,
}
VOXEL = 1 / 32
"""Thicknesses are counted in voxels of the smallest resolution that is taught."""
MARGIN = 0.7 * VOXEL
"""Leaves one voxel empty all around at 32³ and at 64³, and no voxel centre on the hull of what fills the cube."""
PLATE = {"": 1.15 * VOXEL, "low-poly": 1.15 * VOXEL, "blocky": 1.1 / primitives.LATTICE, "round": 1.8 * VOXEL}
"""Least thickness by style; 'round' is chubby."""
PUFF = {"": 0.0, "low-poly": 0.0, "blocky": 0.0, "round": 0.6 * VOXEL}
"""How much fatter what is round already gets, so that the style shows in everything."""
ROD = {"": 0.75 * VOXEL, "low-poly": 0.92 * VOXEL, "blocky": 0.72 / primitives.LATTICE, "round": 1.0 * VOXEL}
"""Least radius by style: a rod of 0.71 voxels holds a voxel centre wherever it lies."""
JITTER = 0.02
"""Largest change of a colour channel per object: names stay true."""
ROUND_KINDS = (Kind.FRUSTUM, Kind.TORUS, Kind.CAPSULE, Kind.REVOLVE)


@dataclass(frozen=True)
class Flat:
    """Solids as arrays, one row each, in the order in which they are painted; see `kernels`."""

    kinds: np.ndarray
    params: np.ndarray
    centers: np.ndarray
    rotations: np.ndarray
    starts: np.ndarray
    points: np.ndarray
    inflations: np.ndarray
    owners: np.ndarray

    def bounds(self) -> Float[np.ndarray, "S 2 3"]:
        return kernels.tight_bounds(
            self.kinds, self.params, self.centers, self.rotations, self.starts, self.points, self.inflations
        )

    def normalised(self) -> Flat:
        """Moved and scaled so that the union of bounds is centred and its longest side fills the cube but for the margin."""
        bounds = self.bounds()
        low, high = bounds[:, 0].min(0), bounds[:, 1].max(0)
        scale = (1 - 2 * MARGIN) / max(float((high - low).max()), 1e-9)
        return replace(
            self,
            params=self.params * scale,
            centers=(self.centers - (low + high) / 2) * scale,
            points=self.points * scale,
            inflations=self.inflations * scale,
        )

    def thickened(self, style: str) -> Flat:
        params, inflations = kernels.thicken(
            self.kinds, self.params, self.starts, self.points, PLATE[style], ROD[style], PUFF[style]
        )
        return replace(self, params=params, inflations=inflations)


@dataclass(frozen=True)
class Scene:
    """A design filled into a grid: who owns each voxel, and what is needed to paint it."""

    instances: Int16[np.ndarray, "r r r"]
    parts: Int16[np.ndarray, " n"]
    """The part that each instance belongs to."""
    bounds: Float[np.ndarray, "n 2 3"]


def flatten(groups: list[tuple[Solid, ...]]) -> Flat:
    """All solids of all instances; `owners` numbers the instances."""
    solids = [solid for group in groups for solid in group]
    sizes = [len(s.profile) for s in solids]
    return Flat(
        kinds=np.array([int(s.kind) for s in solids]),
        params=np.array([s.params for s in solids], float),
        centers=np.array([s.center for s in solids], float),
        rotations=np.array([s.rotation for s in solids], float),
        starts=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        points=np.array([p for s in solids for p in s.profile] or [(0.0, 0.0)], float),
        inflations=np.zeros(len(solids)),
        owners=np.repeat(np.arange(len(groups)), [len(g) for g in groups]).astype(np.int16),
    )


def fill_design(design: Design, resolution: int, coarse: bool = False) -> Scene:
    """Fill a design's solids into a grid; ValueError if it has none."""
    groups = [instance for part in design.parts for instance in part.instances]
    if not groups:
        raise ValueError(f"the design {design.family!r} of seed {design.seed} has no parts; a program must report one")
    flat = flatten(groups).normalised().thickened(design.style).normalised()
    bounds = flat.bounds()
    instance_bounds = np.stack(
        [
            np.minimum.reduceat(bounds[:, 0], np.searchsorted(flat.owners, np.arange(len(groups)))),
            np.maximum.reduceat(bounds[:, 1], np.searchsorted(flat.owners, np.arange(len(groups)))),
        ],
        axis=1,
    )
    if coarse:
        flat = _bounding_primitives(flat, instance_bounds)
        bounds = flat.bounds()
    grid = kernels.fill(
        flat.kinds,
        flat.params,
        flat.centers,
        flat.rotations,
        flat.starts,
        flat.points,
        flat.inflations,
        flat.owners,
        bounds,
        STYLE_CODES[design.style],
        5 + design.seed % 2,
        resolution,
    )
    parts = np.repeat(np.arange(len(design.parts)), [part.count for part in design.parts])
    return Scene(grid, parts.astype(np.int16), instance_bounds)


def paint_scene(design: Design, scene: Scene) -> tuple[Float[np.ndarray, "r r r 3"], Float[np.ndarray, "r r r"]]:
    """Colour of every voxel, and the weight of its part's second colour."""
    shift = np.random.default_rng([design.seed, 7]).uniform(-JITTER, JITTER, 3)
    first = np.array([COLORS[p.color] for p in design.parts])
    second = np.array([COLORS[p.pattern.second or p.color] for p in design.parts])
    codes = np.array([PATTERN_CODES[p.pattern.kind] for p in design.parts])
    # A band is at least one voxel of the smallest resolution wide.
    periods = np.array([max(p.pattern.period, 2 * VOXEL) for p in design.parts])
    of = scene.parts
    return kernels.paint(
        scene.instances,
        codes[of],
        periods[of],
        scene.bounds,
        np.clip(first + shift, 0, 1)[of],
        np.clip(second + shift, 0, 1)[of],
    )


def voxelise_design(
    design: Design, resolution: int, *, coarse: bool = False
) -> tuple[Voxels, Int8[np.ndarray, "r r r"]]:
    """The design as voxels (a = 1) and the index into `design.parts` of each voxel, -1 where empty.

    Coarse: each part instance is its bounding primitive (box, cylinder or ellipsoid), without colour, in the same place.
    """
    scene = fill_design(design, resolution, coarse)
    index = np.where(scene.instances < 0, -1, scene.parts[scene.instances]).astype(np.int8)
    occupancy = (index >= 0)[None]
    color = None if coarse else paint_scene(design, scene)[0][None]
    return Voxels(occupancy, color), index


def _bounding_primitives(flat: Flat, instance_bounds: np.ndarray) -> Flat:
    """One primitive per instance: its only solid's own bounding box, cylinder or ellipsoid, else one around all of them."""
    firsts = np.searchsorted(flat.owners, np.arange(len(instance_bounds)))
    counts = np.diff(np.append(firsts, len(flat.owners)))
    bounds = flat.bounds()
    rows = []
    for first, count, box in zip(firsts, counts, instance_bounds, strict=True):
        if count == 1:
            rows.append(_own_primitive(flat, int(first)))
        else:
            volumes = np.prod(bounds[first : first + count, 1] - bounds[first : first + count, 0], axis=1)
            largest = int(first + np.argmax(volumes))
            rows.append(_common_primitive(Kind(int(flat.kinds[largest])), flat.rotations[largest], box))
    kinds, params, centers, rotations = zip(*rows, strict=True)
    n = len(rows)
    return Flat(
        kinds=np.array([int(k) for k in kinds]),
        params=np.array(params, float),
        centers=np.array(centers, float),
        rotations=np.array(rotations, float),
        starts=np.zeros(n + 1, np.int64),
        points=np.zeros((1, 2)),
        inflations=np.zeros(n),
        owners=np.arange(n, dtype=np.int16),
    )


def _own_primitive(flat: Flat, s: int) -> tuple[Kind, tuple[float, float, float], np.ndarray, np.ndarray]:
    """Box, cylinder or ellipsoid around one solid, in the solid's own frame."""
    kind, center, rotation = Kind(int(flat.kinds[s])), flat.centers[s], flat.rotations[s]
    a, b, c = (float(x) for x in flat.params[s])
    if kind in (Kind.BOX, Kind.ELLIPSOID):
        return kind, (a, b, c), center, rotation
    if kind == Kind.FRUSTUM:
        return kind, (max(a, b), max(a, b), c), center, rotation
    if kind == Kind.TORUS:
        return Kind.FRUSTUM, (a + b, a + b, b), center, rotation
    if kind == Kind.CAPSULE:
        return Kind.FRUSTUM, (a, a, a + b), center, rotation
    profile = flat.points[flat.starts[s] : flat.starts[s + 1]]
    (low_u, low_v), (high_u, high_v) = profile.min(0) - flat.inflations[s], profile.max(0) + flat.inflations[s]
    if kind == Kind.EXTRUSION:
        middle = rotation @ np.array([(low_u + high_u) / 2, (low_v + high_v) / 2, 0])
        return Kind.BOX, ((high_u - low_u) / 2, (high_v - low_v) / 2, a), center + middle, rotation
    middle = rotation @ np.array([0, 0, (low_v + high_v) / 2])
    return Kind.FRUSTUM, (high_u, high_u, (high_v - low_v) / 2), center + middle, rotation


def _common_primitive(
    kind: Kind, rotation: np.ndarray, box: np.ndarray
) -> tuple[Kind, tuple[float, float, float], np.ndarray, np.ndarray]:
    """Box, upright or lying cylinder, or ellipsoid that fills the bounds of several solids, by the largest one's kind."""
    half, center = (box[1] - box[0]) / 2, (box[0] + box[1]) / 2
    whole = (float(half[0]), float(half[1]), float(half[2]))
    if kind == Kind.ELLIPSOID:
        return Kind.ELLIPSOID, whole, center, np.eye(3)
    axis = int(np.argmax(np.abs(rotation[:, 2])))
    u, v = (axis + 1) % 3, (axis + 2) % 3
    if kind in ROUND_KINDS and max(half[u], half[v]) < 1.25 * min(half[u], half[v]):
        turn = np.zeros((3, 3))
        turn[u, 0] = turn[v, 1] = turn[axis, 2] = 1.0
        radius = float(max(half[u], half[v]))
        return Kind.FRUSTUM, (radius, radius, float(half[axis])), center, turn
    return Kind.BOX, whole, center, np.eye(3)
