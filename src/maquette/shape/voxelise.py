"""Meshes to voxels: every voxel that a triangle touches (surface), and those with what they enclose (solid).

The surface voxels are those of open3d's `VoxelGrid.create_from_triangle_mesh_within_bounds`, which ShapeLLM-Omni and TRELLIS
use: the separating axes of a triangle and a box (Akenine-Möller 2001) with touching counted as overlap.

Three conventions place a mesh in the grid, and they give different voxels:
- "centred" (TRELLIS): the middle of the bounding box at the origin, its largest side 1.
- "shapellm": one minimum and one maximum over all coordinates *of the y-up file* go to -0.5 and 0.5, so that off-centre meshes
  stay off-centre. Meshes here are z-up already; the voxels are those that ShapeLLM-Omni gets from the y-up file after its own
  turn (x, y, z) → (x, -z, y).
- "3dgen-r1": the same without that turn, as 3DGen-R1's code has it: the grid's second axis points up, and a model that was
  taught the other way sees the object lying on its back. For comparison with that code alone.
"""

from __future__ import annotations

from typing import Literal, no_type_check

import numpy as np
from jaxtyping import Float64
from numba import njit

from maquette.shape.surface import filled
from maquette.types import Mesh, Voxels

Convention = Literal["centred", "shapellm", "3dgen-r1"]

EDGE = 0.5 - 1e-6
"""Vertices are kept this far inside the grid, as ShapeLLM-Omni and TRELLIS do."""


def voxelise_surface(mesh: Mesh, resolution: int, convention: Convention = "centred") -> Voxels:
    """The voxels that the mesh's triangles touch, with the colour of their nearest point where the mesh has colours.

    Raises ValueError for a mesh without faces or extent, with vertices that are not finite, or whose arrays do not fit together.
    """
    vertices = placed(mesh, convention)
    faces = np.ascontiguousarray(mesh.faces, np.int64)
    paint = np.zeros((0, 3), np.float32) if mesh.color is None else np.ascontiguousarray(mesh.color, np.float32)
    occupancy, color = _touched(vertices, faces, paint, resolution)
    if convention == "shapellm":
        occupancy, color = _z_up(occupancy), _z_up(color)
    return Voxels(occupancy[None], None if mesh.color is None else color[None])


def voxelise_solid(mesh: Mesh, resolution: int, convention: Convention = "centred") -> Voxels:
    """The surface voxels and all that they enclose; inside has the colour of the nearest surface voxel."""
    surface = voxelise_surface(mesh, resolution, convention)
    solid = filled(surface.occupancy[0])
    if surface.color is None:
        return Voxels(solid[None])
    from scipy.ndimage import distance_transform_edt  # a fifth of a second that generating does not need

    nearest = np.asarray(distance_transform_edt(~surface.occupancy[0], return_distances=False, return_indices=True))
    color = np.where(solid[..., None], surface.color[0][tuple(nearest)], np.float32(0))
    return Voxels(solid[None], color[None])


def placed(mesh: Mesh, convention: Convention) -> Float64[np.ndarray, "V 3"]:
    """The vertices within ±(0.5 - 1e-6); those of "shapellm" and "3dgen-r1" are y-up, as in the file."""
    if not len(mesh.faces):
        raise ValueError("The mesh has no faces: there is nothing to voxelise.")
    mesh.check("The mesh")
    vertices = mesh.vertices.astype(np.float64)
    if not np.isfinite(vertices).all():
        broken = int((~np.isfinite(vertices).all(axis=1)).sum())
        raise ValueError(f"{broken} of the mesh's {len(vertices)} vertices are not finite numbers.")
    named = np.zeros(len(vertices), bool)
    named[mesh.faces] = True
    used = vertices[named]
    if np.ptp(used, axis=0).max() <= 0:
        raise ValueError(f"The mesh has no extent: all {len(used)} vertices are at one point.")
    if convention == "centred":
        low, high = used.min(axis=0), used.max(axis=0)
        return np.clip((vertices - (low + high) / 2) / (high - low).max(), -EDGE, EDGE)
    y_up = np.stack([vertices[:, 0], vertices[:, 2], -vertices[:, 1]], axis=1)
    used = np.stack([used[:, 0], used[:, 2], -used[:, 1]], axis=1)
    return np.clip((y_up - used.min()) / (used.max() - used.min()) - 0.5, -EDGE, EDGE)


def _z_up(grid: np.ndarray) -> np.ndarray:
    """A y-up grid [r r r ...] turned by (x, y, z) → (x, -z, y)."""
    return np.ascontiguousarray(grid.swapaxes(1, 2)[:, ::-1])


@njit(cache=True, nogil=True)
@no_type_check
def _touched(vertices, faces, paint, r):
    """Occupancy [r r r] and the colours of the nearest surface points [r r r 3] (none where `paint` is empty)."""
    occupancy = np.zeros((r, r, r), np.bool_)
    color = np.zeros((r, r, r, 3), np.float32) if len(paint) else np.zeros((0, 0, 0, 3), np.float32)
    away = np.full((r, r, r), np.inf) if len(paint) else np.zeros((0, 0, 0))
    size, half = 1.0 / r, 0.5 / r
    for f in range(len(faces)):
        # Plain numbers throughout: small arrays cost more than the arithmetic.
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        a = (vertices[i, 0], vertices[i, 1], vertices[i, 2])
        b = (vertices[j, 0], vertices[j, 1], vertices[j, 2])
        c = (vertices[k, 0], vertices[k, 1], vertices[k, 2])
        normal = _cross(_minus(b, a), _minus(c, a))
        first_x, last_x = _reach(a[0], b[0], c[0], size, r)
        first_y, last_y = _reach(a[1], b[1], c[1], size, r)
        first_z, last_z = _reach(a[2], b[2], c[2], size, r)
        for i in range(first_x, last_x):
            for j in range(first_y, last_y):
                x, y = -0.5 + half + i * size, -0.5 + half + j * size
                low, high = _plane_reach(a, normal, x, y, first_z, last_z, size)
                for k in range(low, high):
                    z = -0.5 + half + k * size
                    if (occupancy[i, j, k] and not len(paint)) or not _overlaps(a, b, c, x, y, z, half):
                        continue
                    occupancy[i, j, k] = True
                    if len(paint):
                        distance, v, w = _closest(a, b, c, (x, y, z))
                        if distance < away[i, j, k]:
                            away[i, j, k] = distance
                            for h in range(3):
                                from_b, from_c = v * paint[faces[f, 1], h], w * paint[faces[f, 2], h]
                                color[i, j, k, h] = (1 - v - w) * paint[faces[f, 0], h] + from_b + from_c
    return occupancy, color


@njit(cache=True, nogil=True)
@no_type_check
def _reach(a, b, c, size, r):
    """First voxel and one past the last, along an axis, that a triangle may touch; like open3d's, this starts at the
    voxel that holds the lowest corner, so that a triangle in the plane between two voxels belongs to the upper one."""
    low, high = min(a, b, c), max(a, b, c)
    start = int(np.floor((low + 0.5) / size))
    return max(start, 0), min(start + int(np.floor((high - low) / size + 0.5)) + 2, r)


@njit(cache=True, nogil=True)
@no_type_check
def _plane_reach(a, normal, x, y, first, last, size):
    """The part of `first`..`last` in the column at (x, y) that the triangle's plane may touch, and a voxel to spare."""
    if last - first < 4:
        return first, last
    reach = 0.5 * size * (abs(normal[0]) + abs(normal[1]) + abs(normal[2]))
    here = normal[0] * (x - a[0]) + normal[1] * (y - a[1])
    if abs(normal[2]) * 64 <= abs(normal[0]) + abs(normal[1]):
        return (first, last) if abs(here) <= 1.1 * reach + abs(normal[2]) else (first, first)
    one, other = a[2] - (here + reach) / normal[2], a[2] - (here - reach) / normal[2]
    low = int(np.floor((min(one, other) + 0.5) / size)) - 1
    high = int(np.floor((max(one, other) + 0.5) / size)) + 2
    return max(first, low), min(last, high)


@njit(cache=True, nogil=True)
@no_type_check
def _overlaps(a, b, c, x, y, z, half):
    """Whether a triangle and the cube of half side `half` about (x, y, z) meet: none of 13 axes separates them."""
    ax, ay, az = a[0] - x, a[1] - y, a[2] - z
    bx, by, bz = b[0] - x, b[1] - y, b[2] - z
    cx, cy, cz = c[0] - x, c[1] - y, c[2] - z
    if min(ax, bx, cx) > half or max(ax, bx, cx) < -half:
        return False
    if min(ay, by, cy) > half or max(ay, by, cy) < -half:
        return False
    if min(az, bz, cz) > half or max(az, bz, cz) < -half:
        return False
    ux, uy, uz = bx - ax, by - ay, bz - az
    vx, vy, vz = cx - bx, cy - by, cz - bz
    wx, wy, wz = ax - cx, ay - cy, az - cz
    nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    # The cube's corners furthest against and along the normal, as seen from the first vertex. Planes through grid points
    # are common (45° slopes), so the order of the roundings decides voxels and is open3d's.
    px, py, pz = half if nx > 0 else -half, half if ny > 0 else -half, half if nz > 0 else -half
    if nx * (-px - ax) + ny * (-py - ay) + nz * (-pz - az) > 0 or nx * (px - ax) + ny * (py - ay) + nz * (pz - az) < 0:
        return False
    # Each edge with each axis: along that cross product the edge's own two corners fall on one value.
    return not (
        _apart(uz, uy, ay, az, cy, cz, half) or _apart(uz, ux, ax, az, cx, cz, half) or _apart(uy, ux, bx, by, cx, cy, half)
        or _apart(vz, vy, ay, az, cy, cz, half) or _apart(vz, vx, ax, az, cx, cz, half) or _apart(vy, vx, ax, ay, bx, by, half)
        or _apart(wz, wy, ay, az, by, bz, half) or _apart(wz, wx, ax, az, bx, bz, half) or _apart(wy, wx, bx, by, cx, cy, half)
    )  # fmt: skip


@njit(cache=True, inline="always")
@no_type_check
def _apart(a, b, p, q, s, t, half):
    """Whether the axis (a, -b) in a coordinate plane separates the points (p, q) and (s, t) from the square's shadow."""
    first, second, reach = a * p - b * q, a * s - b * t, half * (abs(a) + abs(b))
    return min(first, second) > reach or max(first, second) < -reach


@njit(cache=True, nogil=True)
@no_type_check
def _closest(a, b, c, point):
    """Squared distance of a point from a triangle, and the weights of b and c in the point of the triangle nearest it."""
    ab, ac = _minus(b, a), _minus(c, a)
    d1, d2 = _dot(ab, _minus(point, a)), _dot(ac, _minus(point, a))
    d3, d4 = _dot(ab, _minus(point, b)), _dot(ac, _minus(point, b))
    d5, d6 = _dot(ab, _minus(point, c)), _dot(ac, _minus(point, c))
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    # Regions of Ericson, Real-Time Collision Detection (2005), 5.1.5: three corners, three edges, the inside.
    v, w = 0.0, 0.0
    if d1 <= 0 and d2 <= 0:
        pass
    elif d3 >= 0 and d4 <= d3:
        v = 1.0
    elif d6 >= 0 and d5 <= d6:
        w = 1.0
    elif vc <= 0 and d1 >= 0 and d3 <= 0:
        v = d1 / max(d1 - d3, 1e-300)
    elif vb <= 0 and d2 >= 0 and d6 <= 0:
        w = d2 / max(d2 - d6, 1e-300)
    elif va <= 0 and d4 - d3 >= 0 and d5 - d6 >= 0:
        w = (d4 - d3) / max((d4 - d3) + (d5 - d6), 1e-300)
        v = 1 - w
    else:
        total = max(va + vb + vc, 1e-300)
        v, w = vb / total, vc / total
    off = (
        a[0] + v * ab[0] + w * ac[0] - point[0],
        a[1] + v * ab[1] + w * ac[1] - point[1],
        a[2] + v * ab[2] + w * ac[2] - point[2],
    )
    return _dot(off, off), v, w


@njit(cache=True, inline="always")
@no_type_check
def _minus(a, b):
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


@njit(cache=True, inline="always")
@no_type_check
def _cross(a, b):
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


@njit(cache=True, inline="always")
@no_type_check
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
