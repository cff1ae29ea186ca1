"""Meshes to voxels: every voxel that a triangle touches (surface), and those with what they enclose (solid).

The surface voxels are those of open3d's `VoxelGrid.create_from_triangle_mesh_within_bounds`, which ShapeLLM-Omni and TRELLIS
use: the separating axes of a triangle and a box (Akenine-Möller 2001) with touching counted as overlap.

Two conventions place a mesh in the grid, and they give different voxels:
- "centred" (TRELLIS): the middle of the bounding box at the origin, its largest side 1.
- "shapellm": one minimum and one maximum over all coordinates *of the y-up file* go to -0.5 and 0.5, so that off-centre meshes
  stay off-centre. Meshes here are z-up already; the voxels are those that ShapeLLM-Omni gets from the y-up file after its own
  turn (x, y, z) → (x, -z, y).
"""

from __future__ import annotations

from typing import Literal, no_type_check

import numpy as np
from jaxtyping import Float64
from numba import njit
from scipy.ndimage import distance_transform_edt

from maquette.shape.surface import filled
from maquette.types import Mesh, Voxels

Convention = Literal["centred", "shapellm"]

EDGE = 0.5 - 1e-6
"""Vertices are kept this far inside the grid, as ShapeLLM-Omni and TRELLIS do."""


def voxelise_surface(mesh: Mesh, resolution: int, convention: Convention = "centred") -> Voxels:
    """The voxels that the mesh's triangles touch, with the colour of their nearest point where the mesh has colours.

    Raises ValueError for a mesh without faces, without extent, or with vertices that are not finite.
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
    nearest = distance_transform_edt(~surface.occupancy[0], return_distances=False, return_indices=True)
    color = np.where(solid[..., None], surface.color[0][tuple(nearest)], np.float32(0))
    return Voxels(solid[None], color[None])


def placed(mesh: Mesh, convention: Convention) -> Float64[np.ndarray, "V 3"]:
    """The vertices within ±(0.5 - 1e-6); those of "shapellm" are y-up, as in the file."""
    if not len(mesh.faces):
        raise ValueError("The mesh has no faces: there is nothing to voxelise.")
    vertices = mesh.vertices.astype(np.float64)
    if not np.isfinite(vertices).all():
        broken = int((~np.isfinite(vertices).all(axis=1)).sum())
        raise ValueError(f"{broken} of the mesh's {len(vertices)} vertices are not finite numbers.")
    used = vertices[np.unique(mesh.faces)]
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
    corners, weights = np.zeros((3, 3)), np.zeros(3)
    for f in range(len(faces)):
        for corner in range(3):
            corners[corner] = vertices[faces[f, corner]]
        first, last = _reach(corners, size, r)
        normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
        for i in range(first[0], last[0]):
            for j in range(first[1], last[1]):
                x, y = -0.5 + half + i * size, -0.5 + half + j * size
                low, high = _plane_reach(corners, normal, x, y, first[2], last[2], size)
                for k in range(low, high):
                    z = -0.5 + half + k * size
                    if occupancy[i, j, k] and not len(paint):
                        continue
                    if not _overlaps(corners, x, y, z, half):
                        continue
                    occupancy[i, j, k] = True
                    if len(paint):
                        distance = _closest(corners, x, y, z, weights)
                        if distance < away[i, j, k]:
                            away[i, j, k] = distance
                            for c in range(3):
                                color[i, j, k, c] = (
                                    weights[0] * paint[faces[f, 0], c]
                                    + weights[1] * paint[faces[f, 1], c]
                                    + weights[2] * paint[faces[f, 2], c]
                                )
    return occupancy, color


@njit(cache=True, nogil=True)
@no_type_check
def _reach(corners, size, r):
    """First voxel and one past the last, along each axis, that a triangle may touch; like open3d's, this starts at the
    voxel that holds the lowest corner, so that a triangle in the plane between two voxels belongs to the upper one."""
    first, last = np.zeros(3, np.int64), np.zeros(3, np.int64)
    for axis in range(3):
        low = min(corners[0, axis], corners[1, axis], corners[2, axis])
        high = max(corners[0, axis], corners[1, axis], corners[2, axis])
        start = int(np.floor((low + 0.5) / size))
        first[axis] = max(start, 0)
        last[axis] = min(start + int(np.floor((high - low) / size + 0.5)) + 2, r)
    return first, last


@njit(cache=True, nogil=True)
@no_type_check
def _plane_reach(corners, normal, x, y, first, last, size):
    """The part of `first`..`last` in the column at (x, y) that the triangle's plane may touch, and a voxel to spare."""
    reach = 0.5 * size * (abs(normal[0]) + abs(normal[1]) + abs(normal[2]))
    here = normal[0] * (x - corners[0, 0]) + normal[1] * (y - corners[0, 1])
    if abs(normal[2]) * 64 <= abs(normal[0]) + abs(normal[1]):
        return (first, last) if abs(here) <= 1.1 * reach + abs(normal[2]) else (first, first)
    one = corners[0, 2] - (here + reach) / normal[2]
    other = corners[0, 2] - (here - reach) / normal[2]
    low = int(np.floor((min(one, other) + 0.5) / size)) - 1
    high = int(np.floor((max(one, other) + 0.5) / size)) + 2
    return max(first, low), min(last, high)


@njit(cache=True, nogil=True)
@no_type_check
def _overlaps(corners, x, y, z, half):
    """Whether a triangle and the cube of half side `half` about (x, y, z) meet: none of 13 axes separates them."""
    ax, ay, az = corners[0, 0] - x, corners[0, 1] - y, corners[0, 2] - z
    bx, by, bz = corners[1, 0] - x, corners[1, 1] - y, corners[1, 2] - z
    cx, cy, cz = corners[2, 0] - x, corners[2, 1] - y, corners[2, 2] - z
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
def _closest(corners, x, y, z, weights):
    """Squared distance of a point from a triangle; `weights` become the barycentric weights of the closest point."""
    point = np.array([x, y, z])
    a, b, c = corners[0], corners[1], corners[2]
    ab, ac, ap = b - a, c - a, point - a
    d1, d2 = _dot(ab, ap), _dot(ac, ap)
    d3, d4 = _dot(ab, point - b), _dot(ac, point - b)
    d5, d6 = _dot(ab, point - c), _dot(ac, point - c)
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
    weights[0], weights[1], weights[2] = 1 - v - w, v, w
    away = a + v * ab + w * ac - point
    return _dot(away, away)


@njit(cache=True, inline="always")
@no_type_check
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
