"""Real meshes as records: GLB, glTF, OBJ, PLY, STL with textures, vertex colours, materials and scene graphs.

What a file states is taken over (nodes or materials become parts, equal names are counted), what it does not state is
measured (colours by name, symmetry, proportions). The kind of object is the file's name.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int64
from scipy.ndimage import distance_transform_edt
from scipy.spatial import KDTree
from skimage.color import rgb2lab

from maquette.corpus.program import COLORS, Design, Part
from maquette.corpus.records import Record, worded
from maquette.corpus.sight import LEAST_VOXELS, SECOND_COLOR
from maquette.corpus.solids import Solid, box
from maquette.shape.files import joined, read_parts
from maquette.shape.voxelise import Convention, placed, voxelise_solid, voxelise_surface
from maquette.types import Mesh, Voxels

UNPAINTED = "grey"
"""How a mesh without colours is drawn, and so what is said of it."""
MOST_PARTS = 8
"""Parts named of one file; what is smaller belongs to its neighbour."""
POINTS = 40_000
"""Drawn on the surface to tell which part a voxel belongs to."""
SYMMETRIC = 0.9
"""Share of voxels that a mirror image must have in common with the object."""


def import_mesh(path: str | Path, resolution: int, convention: Convention = "centred") -> Record:
    """A mesh file as a record: solid voxels, each part's bounding boxes as the coarse shape, texts that hold for it.

    Raises ValueError with one sentence where the file cannot be read as a mesh (see `shape.files.read_parts`).
    """
    path = Path(path)
    named = _grouped(read_parts(path), kind_of(path.stem))
    whole = joined([mesh for _, instances in named for mesh in instances])
    voxels = voxelise_solid(whole, resolution, convention)
    outside = voxelise_surface(whole, resolution, convention).occupancy[0]
    owners = _owners(named, whole, voxels.occupancy[0], convention)
    part_of = np.repeat(np.arange(len(named)), [len(instances) for _, instances in named])
    seen = np.bincount(owners[outside], minlength=len(part_of)) >= LEAST_VOXELS
    parts, kept = [], np.full(len(part_of), -1, np.int8)
    for index, (name, _) in enumerate(named):
        instances = [n for n in np.flatnonzero(part_of == index) if seen[n]]
        if instances:
            kept[instances] = len(parts)
            solids = tuple((_box_of(owners == n),) for n in instances)
            color = _main_colors(voxels, outside & np.isin(owners, instances))[0]
            parts.append(Part(name, solids, color, counted=len(instances) > 1))
    part_index = np.where(owners < 0, -1, kept[owners]).astype(np.int8)
    # A part too small to be seen belongs to the part beside it.
    lost = voxels.occupancy[0] & (part_index < 0)
    if lost.any():
        nearest = np.asarray(distance_transform_edt(part_index < 0, return_distances=False, return_indices=True))
        part_index[lost] = part_index[tuple(nearest)][lost]
    design = Design(
        family=kind_of(path.stem),
        group="imported",
        subtype=kind_of(path.stem),
        style="",
        parts=tuple(parts),
        proportions=_proportions(voxels.occupancy[0]),
        symmetry=_symmetry(voxels.occupancy[0]),
        colors=_main_colors(voxels, outside),
    )
    return worded(design, voxels, Voxels(_boxes(design, resolution)[None]), part_index)


def kind_of(stem: str) -> str:
    """What a file's name says that it holds: 'bed_double_A' -> 'bed double', 'OfficeChair-02' -> 'office chair'."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", stem)
    words = re.sub(r"[^A-Za-z]+", " ", words).lower().split()
    return " ".join(w for w in words if len(w) > 1) or "object"


def color_name(rgb: Float[np.ndarray, "n 3"]) -> list[str]:
    """The nearest named colour of each, by distance in CIELAB."""
    palette = rgb2lab(np.array(list(COLORS.values()))[None])[0]
    distance = np.linalg.norm(rgb2lab(np.asarray(rgb, float)[None])[0][:, None] - palette, axis=-1)
    names = list(COLORS)
    return [names[i] for i in distance.argmin(axis=1)]


def _grouped(parts: list[tuple[str, Mesh]], kind: str) -> list[tuple[str, list[Mesh]]]:
    """Parts with equal names (but for numbers) together, the largest first; a part named like the file is its body."""
    groups: dict[str, list[Mesh]] = {}
    for name, mesh in parts:
        words = kind_of(name)
        plain = words in (kind, "object", "mesh", "geometry", "default", "node", "scene", "root")
        groups.setdefault("body" if plain else words, []).append(mesh)
    ranked = sorted(groups.items(), key=lambda item: (-sum(_area(m) for m in item[1]), item[0]))
    if len(ranked) > MOST_PARTS:
        rest = [mesh for _, meshes in ranked[MOST_PARTS - 1 :] for mesh in meshes]
        ranked = [*ranked[: MOST_PARTS - 1], ("detail", [joined(rest)])]
    return ranked


def _area(mesh: Mesh) -> float:
    corners = mesh.vertices[mesh.faces]
    return float(
        np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2
    )


def _owners(
    named: list[tuple[str, list[Mesh]]], whole: Mesh, occupancy: Bool[np.ndarray, "r r r"], convention: Convention
) -> Int64[np.ndarray, "r r r"]:
    """For each solid voxel the instance (numbered through all parts) whose surface is nearest; -1 where empty."""
    meshes = [mesh for _, instances in named for mesh in instances]
    owners = np.full(occupancy.shape, -1, np.int64)
    if len(meshes) == 1:
        owners[occupancy] = 0
        return owners
    vertices = placed(whole, convention)
    if convention == "shapellm":
        vertices = np.stack([vertices[:, 0], -vertices[:, 2], vertices[:, 1]], axis=1)
    corners = vertices[whole.faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    rng = np.random.default_rng(0)
    # Half of the points by area, and one on every face, so that no small part goes without.
    faces = np.concatenate([np.arange(len(area)), rng.choice(len(area), POINTS, p=area / area.sum())])
    weights = rng.dirichlet((1, 1, 1), len(faces))
    points = np.einsum("nc,ncd->nd", weights, corners[faces])
    of_face = np.repeat(np.arange(len(meshes)), [len(m.faces) for m in meshes])
    cells = np.argwhere(occupancy)
    nearest = KDTree(points).query((cells + 0.5) / len(occupancy) - 0.5)[1]
    owners[tuple(cells.T)] = of_face[faces[nearest]]
    return owners


def _box_of(mask: Bool[np.ndarray, "r r r"]) -> Solid:
    """The box around a mask's voxels, in the unit cube."""
    cells = np.argwhere(mask)
    low, high = cells.min(0) / len(mask) - 0.5, (cells.max(0) + 1) / len(mask) - 0.5
    middle = (low + high) / 2
    return box(*(float(s) for s in high - low), at=(float(middle[0]), float(middle[1]), float(middle[2])))


def _boxes(design: Design, resolution: int) -> Bool[np.ndarray, "r r r"]:
    """All boxes of a design that is in the unit cube already."""
    grid = np.zeros((resolution,) * 3, bool)
    for part in design.parts:
        for (solid,) in part.instances:
            low, high = np.round((solid.bounds() + 0.5) * resolution).astype(int)
            grid[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = True
    return grid


def _main_colors(voxels: Voxels, where: Bool[np.ndarray, "r r r"]) -> tuple[str, ...]:
    """The colour that most of these voxels have and, if nearly as many have it, a second."""
    if voxels.color is None:
        return (UNPAINTED,)
    names = Counter(color_name(voxels.color[0][where]))
    ranked = sorted(names.items(), key=lambda item: (-item[1], item[0]))
    return tuple(n for i, (n, count) in enumerate(ranked[:2]) if i == 0 or count >= SECOND_COLOR * names.total())


def _symmetry(occupancy: Bool[np.ndarray, "r r r"]) -> str:
    """'left-right' where the object is nearly its own mirror image about the middle of its extent, else 'none'."""
    across = np.flatnonzero(occupancy.any(axis=(1, 2)))
    object_only = occupancy[across[0] : across[-1] + 1]
    mirrored = object_only[::-1]
    common = (object_only & mirrored).sum() / (object_only | mirrored).sum()
    return "left-right" if common >= SYMMETRIC else "none"


def _proportions(occupancy: Bool[np.ndarray, "r r r"]) -> tuple[str, ...]:
    """'tall', 'flat' or 'wide', where the extents leave no doubt."""
    x, y, z = np.ptp(np.argwhere(occupancy), axis=0) + 1
    if z > 1.6 * max(x, y):
        return ("tall",)
    if z < 0.4 * min(x, y):
        return ("flat",)
    return ("wide",) if x > 1.6 * max(y, z) else ()
