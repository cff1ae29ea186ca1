"""Voxels against open3d's own (recorded; recomputed where open3d is installed), conventions, colours.

`python -m tests.shape.test_voxelise` rewrites the record; it needs open3d.
"""

from __future__ import annotations

import hashlib
import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maquette.shape.files import read_mesh
from maquette.shape.voxelise import Convention, placed, voxelise_solid, voxelise_surface
from maquette.types import Mesh

ASSETS = Path(__file__).resolve().parents[3] / "shared" / "assets"
RECORD = Path(__file__).resolve().parents[1] / "golden" / "open3d_voxels.json"
CONVENTIONS: tuple[Convention, ...] = ("centred", "shapellm")
RESOLUTION = 64

needs_assets = pytest.mark.skipif(not ASSETS.is_dir(), reason="the real meshes of ../shared/assets are not here")
needs_open3d = pytest.mark.skipif(find_spec("open3d") is None, reason="open3d is not installed")


def fingerprint(occupancy: np.ndarray) -> list:
    """How many voxels, and which."""
    return [int(occupancy.sum()), hashlib.sha256(np.packbits(occupancy).tobytes()).hexdigest()[:16]]


def open3d_voxels(mesh: Mesh, resolution: int, convention: Convention) -> np.ndarray:
    """What open3d makes of the placed mesh, turned as ShapeLLM-Omni turns it."""
    import open3d

    triangles = open3d.geometry.TriangleMesh(
        open3d.utility.Vector3dVector(placed(mesh, convention)),
        open3d.utility.Vector3iVector(mesh.faces.astype(np.int32)),
    )
    grid = open3d.geometry.VoxelGrid.create_from_triangle_mesh_within_bounds(
        triangles, voxel_size=1 / resolution, min_bound=(-0.5,) * 3, max_bound=(0.5,) * 3
    )
    x, y, z = np.array([voxel.grid_index for voxel in grid.get_voxels()]).T
    occupancy = np.zeros((resolution,) * 3, bool)
    if convention == "shapellm":
        occupancy[x, resolution - 1 - z, y] = True
    else:
        occupancy[x, y, z] = True
    return occupancy


def assets(step: int) -> list[Path]:
    return sorted(ASSETS.glob("*/*.glb"))[::step]


def assert_recorded(paths: list[Path]) -> None:
    record = json.loads(RECORD.read_text())
    for path in paths:
        mesh = read_mesh(path)
        for convention in CONVENTIONS:
            ours = fingerprint(voxelise_surface(mesh, RESOLUTION, convention).occupancy[0])
            name = path.relative_to(ASSETS).as_posix()
            assert ours == record["voxels"][name][convention], f"{name}, {convention}: {ours} is not open3d's"


@needs_assets
def test_real_meshes_get_the_voxels_that_open3d_recorded():
    assert_recorded(assets(13))


@needs_assets
@pytest.mark.slow
def test_all_real_meshes_get_the_voxels_that_open3d_recorded():
    assert_recorded(assets(1))


@needs_open3d
@pytest.mark.parametrize("seed", range(4))
def test_random_and_lattice_triangles_get_open3ds_voxels(seed):
    rng = np.random.default_rng(seed)
    vertices = rng.uniform(-1, 1, (60, 3))
    if seed % 2:
        vertices = np.round(vertices * 16) / 16  # corners, edges and slopes through grid points: touching decides
    mesh = Mesh(vertices.astype(np.float32), rng.integers(0, 60, (80, 3)).astype(np.int32))
    for convention in CONVENTIONS:
        for resolution in (16, 32, 50):
            ours = voxelise_surface(mesh, resolution, convention).occupancy[0]
            assert np.array_equal(ours, open3d_voxels(mesh, resolution, convention))


def quad(z: float, size: float = 1.0) -> Mesh:
    """A square parallel to the ground, with a point above that makes the cube its bounding box."""
    corners = [(-size, -size, z), (size, -size, z), (size, size, z), (-size, size, z), (0, 0, size), (0, 0, -size)]
    return Mesh(np.float32(corners), np.int32([[0, 1, 2], [0, 2, 3], [4, 4, 4], [5, 5, 5]]))


def test_a_plane_between_voxels_belongs_to_the_upper_ones():
    occupancy = voxelise_surface(quad(0.0), 8).occupancy[0]
    assert occupancy[:, :, 4].all() and not occupancy[:, :, 3].any()


def test_a_plane_inside_voxels_is_one_voxel_thick():
    occupancy = voxelise_surface(quad(0.1), 8).occupancy[0]
    assert occupancy[:, :, 4].all() and occupancy.sum() == 64 + 2  # and the two points
    assert occupancy[4, 4, 0] and occupancy[4, 4, 7]


def box(low: tuple[float, float, float], high: tuple[float, float, float], color: np.ndarray | None = None) -> Mesh:
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)], np.float32)
    faces = [
        (0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1),
        (2, 3, 7), (2, 7, 6), (0, 2, 6), (0, 6, 4), (1, 5, 7), (1, 7, 3),
    ]  # fmt: skip
    corners = np.float32(low) + corners * (np.float32(high) - np.float32(low))
    return Mesh(corners, np.array(faces, np.int32), color)


def test_solid_is_surface_and_inside():
    mesh = box((0, 0, 0), (2, 1, 1))
    surface, solid = voxelise_surface(mesh, 16).occupancy[0], voxelise_solid(mesh, 16).occupancy[0]
    assert (solid >= surface).all() and surface[8, 8, 8] == 0
    # 16 voxels long; 8 wide and one more, whose border the far side touches.
    extent = [len(np.unique(axis)) for axis in np.nonzero(solid)]
    assert extent[0] == 16 and extent[1] in (8, 9, 10) and solid.sum() == np.prod(extent)


def test_centred_and_shapellm_place_differently():
    mesh = box((1, 0, 0), (2, 1, 2))  # z-up: 1 wide, 1 deep, 2 high, off centre
    centred = voxelise_solid(mesh, 32, "centred").occupancy[0]
    low, high = (f(np.argwhere(centred), axis=0) for f in (np.min, np.max))
    np.testing.assert_allclose(low + high, 31, atol=1)  # in the middle
    assert high[2] - low[2] == 31
    # The y-up file has x 1..2, y 0..2, z -1..0: one minimum -1, one maximum 2 for all three axes.
    shapellm = voxelise_solid(mesh, 30, "shapellm").occupancy[0]
    low, high = (f(np.argwhere(shapellm), axis=0) for f in (np.min, np.max))
    np.testing.assert_allclose(low, [20, 20, 10], atol=1)  # x = 1, then -z = 0, then y = 0
    np.testing.assert_allclose(high, [29, 29, 29], atol=1)


def test_colour_is_that_of_the_nearest_surface_point():
    corners = box((0, 0, 0), (1, 1, 1)).vertices
    color = np.where(corners[:, :1] > 0.5, np.float32([1, 0, 0]), np.float32([0, 0, 1])).astype(np.float32)
    voxels = voxelise_solid(box((0, 0, 0), (1, 1, 1), color), 16)
    assert voxels.color is not None
    red = voxels.color[0, :, 8, 15, 0]
    np.testing.assert_allclose(red, (np.arange(16) + 0.5) / 16, atol=0.04)  # runs from blue to red along x
    assert voxels.color[0, 1, 8, 8, 0] < 0.1 and voxels.color[0, 14, 8, 8, 0] > 0.9  # inside, near the two ends
    assert voxels.occupancy.all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_every_vertex_and_middle_lies_in_an_occupied_voxel(seed):
    rng = np.random.default_rng(seed)
    mesh = Mesh(rng.normal(size=(12, 3)).astype(np.float32), rng.permutation(12).reshape(4, 3).astype(np.int32))
    occupancy = voxelise_surface(mesh, 20).occupancy[0]
    where = placed(mesh, "centred")
    points = np.concatenate([where, where[mesh.faces].mean(axis=1)])
    index = np.floor((points + 0.5) * 20).astype(int)
    assert occupancy[tuple(index.T)].all()


def test_what_cannot_be_voxelised_says_why():
    flat = Mesh(np.zeros((3, 3), np.float32), np.int32([[0, 1, 2]]))
    with pytest.raises(ValueError, match="no extent: all 3 vertices"):
        voxelise_surface(flat, 8)
    with pytest.raises(ValueError, match="no faces"):
        voxelise_surface(Mesh(flat.vertices, np.zeros((0, 3), np.int32)), 8)
    with pytest.raises(ValueError, match="1 of the mesh's 3 vertices are not finite"):
        voxelise_surface(Mesh(np.float32([[0, 0, 0], [1, 0, 0], [np.nan, 0, 0]]), np.int32([[0, 1, 2]])), 8)
    triangle = np.eye(3, dtype=np.float32)
    with pytest.raises(ValueError, match="The mesh has 3 vertices but a face names vertex -1"):
        voxelise_surface(Mesh(triangle, np.int32([[0, 1, -1]])), 8)
    pale = Mesh(triangle, np.int32([[0, 1, 2]]), triangle)
    object.__setattr__(pale, "color", triangle[:1])  # beartype would refuse it as it is made
    with pytest.raises(ValueError, match=r"The mesh has 3 vertices but colours of shape \[1, 3\]"):
        voxelise_surface(pale, 8)


def main() -> None:
    import open3d

    voxels = {}
    for path in assets(1):
        mesh = read_mesh(path)
        made = {c: fingerprint(open3d_voxels(mesh, RESOLUTION, c)) for c in CONVENTIONS}
        voxels[path.relative_to(ASSETS).as_posix()] = made
    lines = ",\n".join(f'  "{name}": {json.dumps(made)}' for name, made in voxels.items())
    header = (
        f'"open3d": "{open3d.__version__}", "resolution": {RESOLUTION}, "columns": ["voxels", "sha256 of packed bits"]'
    )
    RECORD.write_text(f'{{{header}, "voxels": {{\n{lines}\n}}}}\n')


if __name__ == "__main__":
    main()
