"""Voxels to coloured, closed meshes: fill, blur, iso-surface, colour, smooth.

The blurred field is held above the level at every occupied voxel's centre and below it at every other, so that nothing one
voxel thick is lost and nothing one voxel apart is joined; where the shape (or the gap) is that thin, it is held well away
from the level, which keeps a rod about as thick as its voxels. Where a decoder says how sure it is of each voxel, that is what
is blurred: the surface then lies between voxels, and its doubts do not become bumps. Padding closes shapes that touch the border.
`no_type_check` keeps the tests' shape checks out of compiled code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Float32
from numba import njit
from skimage.measure import marching_cubes

from maquette.types import Mesh, Voxels

LEVEL = 0.5
MARGIN = 0.03
"""Distance from the level that every voxel keeps."""
ROD = 1.5
"""The value of a rod one voxel thick: the diamond that the iso-surface makes of its section gets about its area."""
SHRINK, GROW = 0.5, -0.53
"""The two steps of Taubin (1995): a low-pass filter with pass band 0.1 that does not shrink."""
LEASH = 0.3
"""How far, in voxels, smoothing may carry a vertex: enough to level a staircase."""
ROD_LEASH = 0.1
"""The same on rods, which smoothing would eat."""


@dataclass(frozen=True)
class SurfaceMesher:
    """Watertight meshes with faces outward, vertices within the unit cube; cavities are filled, nothing is repaired."""

    smooth: int = 8
    """Pairs of Taubin steps."""
    blur: float = 0.15
    """Weight of each neighbour in the blur (w, 1 - 2w, w) along every axis; 0 leaves hard voxels."""

    def mesh(self, voxels: Voxels, texts: Sequence[str] | None = None) -> list[Mesh]:
        """One mesh per shape; vertices take the colour of the voxel that they bound. Texts are not used."""
        colors = [None] * len(voxels) if voxels.color is None else voxels.color
        sure = voxels.occupancy.astype(np.float32) if voxels.density is None else voxels.density
        return [self._one(o, d, c) for o, d, c in zip(voxels.occupancy, sure, colors, strict=True)]

    def _one(
        self,
        occupancy: Bool[np.ndarray, "r r r"],
        density: Float32[np.ndarray, "r r r"],
        color: Float32[np.ndarray, "r r r 3"] | None,
    ) -> Mesh:
        if not occupancy.any():
            nothing = np.zeros((0, 3), np.float32)
            return Mesh(nothing, np.zeros((0, 3), np.int32), None if color is None else nothing)
        solid = filled(occupancy)
        # a cavity is filled for certain
        field, rods = _field(solid, np.where(solid & ~occupancy, np.float32(1), density), self.blur)
        # Stored x-first, values falling outwards: 'ascent' is what makes skimage's faces point outward on such a grid.
        vertices, faces, _, _ = marching_cubes(field, LEVEL, gradient_direction="ascent")
        vertices, faces = _apart(vertices, faces)
        bound = _bound_voxels(vertices, solid)
        paint = None if color is None else color[bound[:, 0], bound[:, 1], bound[:, 2]]
        leash = np.where(rods[bound[:, 0], bound[:, 1], bound[:, 2]], np.float32(ROD_LEASH), np.float32(LEASH))
        vertices = _taubin(vertices.astype(np.float32), faces, self.smooth, leash)
        # Index 0 of the padded field is voxel -1.
        vertices = np.clip((vertices - 0.5) / np.float32(len(occupancy)) - 0.5, -0.5, 0.5)
        return Mesh(vertices.astype(np.float32), faces.astype(np.int32), paint)


def filled(occupancy: Bool[np.ndarray, "r r r"]) -> Bool[np.ndarray, "r r r"]:
    """The shape with its cavities: all that cannot be reached from outside through faces of empty voxels."""
    return ~_outside(occupancy)[1:-1, 1:-1, 1:-1]


@njit(cache=True, nogil=True)
@no_type_check
def _outside(occupancy):
    """What a flood from outside reaches, on the grid padded by one."""
    a, b, c = occupancy.shape
    outside = np.zeros((a + 2, b + 2, c + 2), np.bool_)
    stack = np.zeros((a + 2) * (b + 2) * (c + 2), np.int32)
    outside[0, 0, 0] = True
    waiting = 1
    while waiting > 0:
        waiting -= 1
        here = stack[waiting]
        i, j, k = here // ((b + 2) * (c + 2)), here // (c + 2) % (b + 2), here % (c + 2)
        for step in range(6):
            x, y, z = i, j, k
            if step < 2:
                x += 2 * step - 1
            elif step < 4:
                y += 2 * step - 5
            else:
                z += 2 * step - 9
            if x < 0 or y < 0 or z < 0 or x > a + 1 or y > b + 1 or z > c + 1 or outside[x, y, z]:
                continue
            if 1 <= x <= a and 1 <= y <= b and 1 <= z <= c and occupancy[x - 1, y - 1, z - 1]:
                continue
            outside[x, y, z] = True
            stack[waiting] = (x * (b + 2) + y) * (c + 2) + z
            waiting += 1
    return outside


@njit(cache=True, nogil=True)
@no_type_check
def _field(solid, sure, blur):
    """The blurred density, padded by one, held off the level on each voxel's own side; and which voxels are rods.

    What is thin is decided, and held, by the blurred occupancy.
    """
    r = len(solid)
    hard, soft = np.zeros((r + 2, r + 2, r + 2), np.float32), np.zeros((r + 2, r + 2, r + 2), np.float32)
    hard[1:-1, 1:-1, 1:-1] = solid
    soft[1:-1, 1:-1, 1:-1] = sure
    known = _blur_rows(_blur_rows(_blur_rows(hard, blur), blur), blur)
    field = _blur_rows(_blur_rows(_blur_rows(soft, blur), blur), blur)
    rods = np.zeros((r, r, r), np.bool_)
    flat = np.float32(1 - blur)
    slim = np.float32((1 - 2 * blur) * (1 - 1.5 * blur))
    for i in range(r + 2):
        for j in range(r + 2):
            for k in range(r + 2):
                value, inside = known[i, j, k], hard[i, j, k] > 0.5
                if inside:
                    field[i, j, k] = max(field[i, j, k], LEVEL + MARGIN)
                    if value < flat and _is_thin(hard, i, j, k):
                        rods[i - 1, j - 1, k - 1] = value < slim
                        field[i, j, k] = max(value, ROD if value < slim else flat)
                else:
                    field[i, j, k] = min(field[i, j, k], LEVEL - MARGIN)
                    if value > 1 - flat and _is_thin(hard, i, j, k):
                        field[i, j, k] = min(value, 1 - flat)
    return field, rods


@njit(cache=True, nogil=True)
@no_type_check
def _blur_rows(grid, blur):
    """Blurred along the last axis, which becomes the first: three times blurs a cube along every axis and restores it."""
    a, b, c = grid.shape
    out = np.zeros((c, a, b), np.float32)
    for i in range(a):
        for j in range(b):
            for k in range(c):
                left = grid[i, j, k - 1] if k > 0 else np.float32(0)
                right = grid[i, j, k + 1] if k < c - 1 else np.float32(0)
                out[k, i, j] = grid[i, j, k] + np.float32(blur) * (left + right - 2 * grid[i, j, k])
    return out


@njit(cache=True, nogil=True)
@no_type_check
def _is_thin(hard, i, j, k):
    """Whether no 2 x 2 x 2 block of voxels of the same kind holds this one."""
    n, kind = len(hard), hard[i, j, k]
    for block in range(8):
        low_i, low_j, low_k = i - (block & 1), j - (block >> 1 & 1), k - (block >> 2)
        same = True
        for corner in range(8):
            x, y, z = low_i + (corner & 1), low_j + (corner >> 1 & 1), low_k + (corner >> 2)
            beyond = x < 0 or y < 0 or z < 0 or x >= n or y >= n or z >= n
            if (kind != 0) if beyond else (hard[x, y, z] != kind):
                same = False
                break
        if same:
            return False
    return True


def _apart(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same surface with two faces at every edge: where marching cubes lays two sheets along one edge (a few of its
    ambiguous cells do), one sheet gets the edge in two halves."""
    starts, ends = faces.reshape(-1), np.roll(faces, -1, axis=1).reshape(-1)
    base = len(vertices)
    key = np.minimum(starts, ends).astype(np.int64) * base + np.maximum(starts, ends)
    ordered = np.sort(key)
    crowded = np.unique(ordered[2:][ordered[2:] == ordered[:-2]])
    for edge in crowded:
        low, high = divmod(int(edge), base)
        halves = [(int(f), c) for f in np.flatnonzero((faces == low).any(1) & (faces == high).any(1)) for c in range(3)]
        there = [(f, c) for f, c in halves if faces[f, c] == low and faces[f, (c + 1) % 3] == high]
        back = [(f, c) for f, c in halves if faces[f, c] == high and faces[f, (c + 1) % 3] == low]
        first, corner = there[0]
        tip = faces[first, (corner + 2) % 3]
        # Two faces with the same third corner would share the new edge to it as well.
        pair = ((first, corner), next(((f, c) for f, c in back if faces[f, (c + 2) % 3] != tip), back[0]))
        vertices, faces = _halved(vertices, faces, pair)
    return vertices, faces


def _halved(vertices: np.ndarray, faces: np.ndarray, pair: Sequence[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Both (face, corner) cut in two at the middle of the edge that leaves the corner."""
    (f, c), middle, faces, extra = pair[0], len(vertices), faces.copy(), []
    point = vertices[[faces[f, c], faces[f, (c + 1) % 3]]].mean(axis=0, keepdims=True)
    for f, c in pair:
        extra.append(np.where(np.arange(3) == c, middle, faces[f]))
        faces[f, (c + 1) % 3] = middle
    return np.concatenate([vertices, point]), np.concatenate([faces, np.stack(extra)])


@njit(cache=True, nogil=True)
@no_type_check
def _bound_voxels(vertices, solid):
    """The nearest solid voxel [V 3] around each vertex (padded indices), which is the one that it bounds."""
    r, bound = len(solid), np.zeros((len(vertices), 3), np.int32)
    for v in range(len(vertices)):
        best = np.inf
        low = np.floor(vertices[v])
        for corner in range(8):
            x, y, z = low[0] + (corner & 1), low[1] + (corner >> 1 & 1), low[2] + (corner >> 2)
            i, j, k = int(x) - 1, int(y) - 1, int(z) - 1
            if i < 0 or j < 0 or k < 0 or i >= r or j >= r or k >= r or not solid[i, j, k]:
                continue
            away = (vertices[v, 0] - x) ** 2 + (vertices[v, 1] - y) ** 2 + (vertices[v, 2] - z) ** 2
            if away < best:
                best = away
                bound[v, 0], bound[v, 1], bound[v, 2] = i, j, k
    return bound


@njit(cache=True, nogil=True)
@no_type_check
def _taubin(vertices, faces, pairs, leash):
    """Pairs of smoothing steps, each moving a vertex towards, then away from the mean of its neighbours; in place."""
    count = np.zeros(len(vertices), np.float32)
    for f in range(len(faces)):
        for corner in range(3):
            count[faces[f, corner]] += 2
    start, total = vertices.copy(), np.zeros_like(vertices)
    for step in range(2 * pairs):
        total[:] = 0
        for f in range(len(faces)):
            a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
            for axis in range(3):
                x, y, z = vertices[a, axis], vertices[b, axis], vertices[c, axis]
                total[a, axis] += y + z
                total[b, axis] += x + z
                total[c, axis] += x + y
        weight = np.float32(SHRINK if step % 2 == 0 else GROW)
        for v in range(len(vertices)):
            for axis in range(3):
                vertices[v, axis] += weight * (total[v, axis] / count[v] - vertices[v, axis])
    for v in range(len(vertices)):
        away = np.sqrt(((vertices[v] - start[v]) ** 2).sum())
        if away > leash[v]:
            vertices[v] = start[v] + (vertices[v] - start[v]) * np.float32(leash[v] / away)
    return vertices
