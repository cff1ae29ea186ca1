"""How near two shapes are, and how sound one mesh is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import no_type_check

import numpy as np
import trimesh
from jaxtyping import Bool, Float, Float32, Float64
from numba import njit
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from maquette.rendering.lighting import GREY
from maquette.types import Mesh, Voxels

DIAGONAL = float(np.sqrt(3.0))
"""Distance that an empty shape gets: the unit cube's diagonal, the worst there is."""
F_THRESHOLD = 0.02
"""Of the F-score, in units of the unit cube's side (reconstruction papers: 1 % to 5 %)."""
SAMPLES = 4096


def voxel_iou(a: Bool[np.ndarray, "r r r"], b: Bool[np.ndarray, "r r r"]) -> float:
    """Intersection over union of solid occupancies; 0 where both are empty, since an empty answer is a failure."""
    union = np.logical_or(a, b).sum()
    return float(np.logical_and(a, b).sum() / union) if union else 0.0


def color_error(
    color: Float32[np.ndarray, "r r r 3"] | None, occupancy: Bool[np.ndarray, "r r r"], meant: Voxels
) -> float:
    """Mean absolute RGB difference in [0, 1] on the voxels that both fill; the worst, 1, where there are none.

    What has no paint is the grey that it is drawn in; NaN where the object meant has none. A caption names some of an object's colours,
    and others would do as well for the rest: the figure compares systems, and 0 is not asked of any.
    """
    if meant.color is None:
        return math.nan
    both = occupancy & meant.occupancy[0]
    if not both.any():
        return 1.0
    own = np.float32(GREY) if color is None else color[both]
    return float(np.abs(own - meant.color[0][both]).mean())


def chamfer_distance(a: Bool[np.ndarray, "r r r"], b: Bool[np.ndarray, "r r r"]) -> float:
    """Symmetric mean nearest distance between the surface voxels of two solids, in units of the unit cube.

    An empty shape gets the cube's diagonal √3, the worst there is.
    """
    return points_chamfer(surface_points(a), surface_points(b))


def points_chamfer(a: Float[np.ndarray, "n 3"], b: Float[np.ndarray, "m 3"]) -> float:
    """Mean over both directions of the mean nearest distance (not squared); √3 where a set is empty."""
    if not len(a) or not len(b):
        return DIAGONAL
    return float(KDTree(b).query(a)[0].mean() + KDTree(a).query(b)[0].mean()) / 2


def f_score(a: Float[np.ndarray, "n 3"], b: Float[np.ndarray, "m 3"], threshold: float = F_THRESHOLD) -> float:
    """Harmonic mean of precision (share of a within `threshold` of b) and recall (of b within it of a); 0 where a set is empty."""
    if not len(a) or not len(b):
        return 0.0
    precision = float((KDTree(b).query(a)[0] <= threshold).mean())
    recall = float((KDTree(a).query(b)[0] <= threshold).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def surface_points(occupancy: Bool[np.ndarray, "r r r"]) -> Float[np.ndarray, "n 3"]:
    """Centres of the voxels that have an empty neighbour across a face."""
    padded = np.pad(occupancy, 1)
    inner = padded.copy()
    for axis in range(3):
        for step in (-1, 1):
            inner &= np.roll(padded, step, axis)
    surface = (padded & ~inner)[1:-1, 1:-1, 1:-1]
    return (np.argwhere(surface) + 0.5) / len(occupancy) - 0.5


def sampled_points(mesh: Mesh, count: int = SAMPLES, seed: int = 0) -> Float64[np.ndarray, "n 3"]:
    """`count` points on the surface, evenly by area; none for a mesh without area."""
    corners = mesh.vertices.astype(np.float64)[mesh.faces]
    if not len(corners):
        return np.zeros((0, 3))
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    if not area.sum() > 0:
        return np.zeros((0, 3))
    rng = np.random.default_rng(seed)
    # Evenly spaced shares of the area with one random offset: fewer clumps than independent draws.
    shares = (np.arange(count) + rng.random(count)) / count
    chosen = corners[np.searchsorted(np.cumsum(area) / area.sum(), shares).clip(max=len(corners) - 1)]
    u, v = np.sqrt(rng.random(count)), rng.random(count)
    weights = np.stack([1 - u, u * (1 - v), u * v], axis=1)
    return np.einsum("nc,nci->ni", weights, chosen)


@dataclass(frozen=True)
class MeshQuality:
    """Soundness of one mesh, independent of what it shows. Vertices at one place count as one, as a printer sees them."""

    triangles: int
    watertight: bool
    """Every edge belongs to exactly two triangles."""
    components: int
    """Pieces that share no vertex."""
    largest_share: float
    """Share of the area that the largest piece has; 1: nothing floats."""
    intersecting: int
    """Triangles that pass through another one with which they share no vertex."""


def mesh_quality(mesh: Mesh) -> MeshQuality:
    """All of it; a mesh without faces is not watertight, has 0 components and a largest share of 0."""
    if not len(mesh.faces):
        return MeshQuality(0, False, 0, 0.0, 0)
    merged = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    merged.merge_vertices(merge_tex=True, merge_norm=True)
    faces = np.asarray(merged.faces, np.int64)
    faces = faces[(faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])]
    if not len(faces):
        return MeshQuality(len(mesh.faces), False, 0, 0.0, 0)
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    uses = np.unique(edges, axis=0, return_counts=True)[1]
    vertices = np.asarray(merged.vertices, np.float64)
    piece = _pieces(faces, len(vertices))
    corners = vertices[faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    shares = np.bincount(piece, weights=area)
    return MeshQuality(
        triangles=len(mesh.faces),
        watertight=bool((uses == 2).all()),
        components=len(np.unique(piece)),
        largest_share=float(shares.max() / shares.sum()) if shares.sum() > 0 else 0.0,
        intersecting=int(_intersecting(corners, faces).sum()),
    )


def _pieces(faces: np.ndarray, count: int) -> np.ndarray:
    """The connected component of every face."""
    pairs = np.concatenate([faces[:, :2], faces[:, 1:]])
    graph = coo_matrix((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return connected_components(graph, directed=False)[1][faces[:, 0]]


def _intersecting(corners: Float64[np.ndarray, "F 3 3"], faces: np.ndarray) -> Bool[np.ndarray, " F"]:
    low, high = corners.min(1), corners.max(1)
    # Swept along the axis on which the boxes overlap least.
    axis = int(np.argmin((high - low).mean(0) / np.maximum(np.ptp(corners.reshape(-1, 3), axis=0), 1e-12)))
    order = np.argsort(low[:, axis], kind="stable")
    found = np.zeros(len(faces), np.bool_)
    _sweep(corners[order], faces[order], low[order], high[order], axis, found)
    result = np.zeros_like(found)
    result[order] = found
    return result


@njit(cache=True, nogil=True)
@no_type_check
def _sweep(corners, faces, low, high, axis, found):
    """Marks both triangles of every pair whose boxes overlap, that share no vertex, and of which an edge of one pierces the other."""
    for i in range(len(faces)):
        for j in range(i + 1, len(faces)):
            if low[j, axis] > high[i, axis]:
                break
            apart = False
            for k in range(3):
                if low[j, k] > high[i, k] or low[i, k] > high[j, k]:
                    apart = True
            if apart or (found[i] and found[j]):
                continue
            shared = False
            for p in range(3):
                for q in range(3):
                    if faces[i, p] == faces[j, q]:
                        shared = True
            if shared:
                continue
            for e in range(3):
                if _pierces(corners[i, e], corners[i, (e + 1) % 3], corners[j]) or _pierces(
                    corners[j, e], corners[j, (e + 1) % 3], corners[i]
                ):
                    found[i] = found[j] = True
                    break


@njit(cache=True, nogil=True)
@no_type_check
def _pierces(a, b, triangle):
    """Whether the segment passes through the triangle's inside (Möller and Trumbore 1997); lying in its plane is not piercing."""
    u0, u1, u2 = triangle[1, 0] - triangle[0, 0], triangle[1, 1] - triangle[0, 1], triangle[1, 2] - triangle[0, 2]
    v0, v1, v2 = triangle[2, 0] - triangle[0, 0], triangle[2, 1] - triangle[0, 1], triangle[2, 2] - triangle[0, 2]
    d0, d1, d2 = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    p0, p1, p2 = d1 * v2 - d2 * v1, d2 * v0 - d0 * v2, d0 * v1 - d1 * v0
    det = u0 * p0 + u1 * p1 + u2 * p2
    scale = (abs(d0) + abs(d1) + abs(d2)) * (abs(u0) + abs(u1) + abs(u2)) * (abs(v0) + abs(v1) + abs(v2))
    if abs(det) <= 1e-12 * scale:
        return False
    t0, t1, t2 = a[0] - triangle[0, 0], a[1] - triangle[0, 1], a[2] - triangle[0, 2]
    u = (t0 * p0 + t1 * p1 + t2 * p2) / det
    q0, q1, q2 = t1 * u2 - t2 * u1, t2 * u0 - t0 * u2, t0 * u1 - t1 * u0
    v = (d0 * q0 + d1 * q1 + d2 * q2) / det
    w = (v0 * q0 + v1 * q1 + v2 * q2) / det
    inside = 1e-9
    return u > inside and v > inside and u + v < 1 - inside and inside < w < 1 - inside
