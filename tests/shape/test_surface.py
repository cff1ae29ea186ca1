"""Meshes from voxels: closed, outward, thin things kept, colours sharp."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from maquette.shape.surface import SurfaceMesher, filled
from maquette.types import Mesh, Voxels

RED, WHITE = np.float32([0.82, 0.12, 0.12]), np.float32([0.95, 0.95, 0.94])


def check(mesh: Mesh) -> trimesh.Trimesh:
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)


def mesh_of(occupancy: np.ndarray, color: np.ndarray | None = None, **options: float) -> Mesh:
    return SurfaceMesher(**options).mesh(Voxels(occupancy[None], None if color is None else color[None]))[0]


def ball(r: int, radius: float) -> np.ndarray:
    axis = (np.arange(r) + 0.5) / r - 0.5
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    return x**2 + y**2 + z**2 < radius**2


@pytest.mark.parametrize("share", [0.02, 0.2, 0.5, 0.8, 1.0])
def test_any_voxels_become_watertight_outward_meshes_within_the_cube(share):
    rng = np.random.default_rng(int(share * 100))
    for _ in range(3):
        mesh = mesh_of(rng.random((12, 12, 12)) <= share)
        assert check(mesh).is_watertight and check(mesh).is_winding_consistent
        assert check(mesh).volume > 0
        assert np.abs(mesh.vertices).max() <= 0.5


def test_a_ball_is_a_ball():
    mesh = mesh_of(ball(32, 0.4))
    distance = np.linalg.norm(mesh.vertices, axis=1)
    assert distance.mean() == pytest.approx(0.4, abs=0.01) and distance.std() < 0.008
    assert check(mesh).volume == pytest.approx(4 / 3 * np.pi * 0.4**3, rel=0.03)


def test_a_box_lies_where_its_voxels_lie():
    occupancy = np.zeros((16, 16, 16), bool)
    occupancy[2:10, 4:12, 0:16] = True
    bounds = check(mesh_of(occupancy)).bounds
    expected = np.array([[2, 4, 0], [10, 12, 16]]) / 16 - 0.5
    np.testing.assert_allclose(bounds, expected, atol=0.15 / 16)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_rods_and_plates_one_voxel_thick_survive(axis):
    rod, plate = np.zeros((16, 16, 16), bool), np.zeros((16, 16, 16), bool)
    rod[2:14, 8, 8] = True
    plate[2:14, 2:14, 8] = True
    for shape, parts, volume in ((rod, 12, 0.3), (plate, 144, 0.7)):
        mesh = check(mesh_of(np.moveaxis(shape, 0, axis)))
        assert mesh.body_count == 1 and mesh.is_watertight
        assert mesh.volume * 16**3 > volume * parts
        assert np.ptp(mesh.vertices[:, axis]) > 11 / 16


def test_a_slanted_rod_stays_in_one_piece():
    occupancy = np.zeros((24, 24, 24), bool)
    for i in range(2, 22):
        occupancy[i, 12, i] = True  # its voxels meet at edges only
    assert check(mesh_of(occupancy)).body_count == 1


def test_a_gap_of_one_voxel_stays_open():
    occupancy = np.ones((12, 12, 12), bool)
    occupancy[:, 6, :] = False
    assert check(mesh_of(occupancy)).body_count == 2


def test_cavities_are_filled_and_tunnels_are_not():
    shell = ball(24, 0.45) & ~ball(24, 0.35)
    assert filled(shell)[12, 12, 12] and check(mesh_of(shell)).body_count == 1
    tunnel = np.ones((8, 8, 8), bool)
    tunnel[3:5, 3:5, :] = False
    assert np.array_equal(filled(tunnel), tunnel)


def test_colours_do_not_bleed():
    occupancy, color = np.zeros((24, 24, 24), bool), np.zeros((24, 24, 24, 3), np.float32)
    occupancy[10:14, 10:14, 2:12], color[10:14, 10:14, 2:12] = True, RED  # a leg
    occupancy[4:20, 4:20, 12:16], color[4:20, 4:20, 12:16] = True, WHITE  # a seat
    mesh = mesh_of(occupancy, color)
    assert mesh.color is not None
    is_red, is_white = (np.abs(mesh.color - c).max(axis=1) < 1e-6 for c in (RED, WHITE))
    assert (is_red | is_white).all() and is_red.any() and is_white.any()
    border = 12 / 24 - 0.5
    assert mesh.vertices[is_red][:, 2].max() < border + 0.6 / 24
    assert mesh.vertices[is_white][:, 2].min() > border - 0.6 / 24


def test_empty_voxels_give_an_empty_mesh():
    nothing = Voxels(np.zeros((2, 8, 8, 8), bool), np.zeros((2, 8, 8, 8, 3), np.float32))
    for mesh in SurfaceMesher().mesh(nothing, ["a chair", "a table"]):
        assert mesh.vertices.shape == (0, 3) and mesh.faces.shape == (0, 3) and mesh.color is not None
    assert mesh_of(np.zeros((8, 8, 8), bool)).color is None


def test_one_voxel_and_a_full_grid():
    one = np.zeros((8, 8, 8), bool)
    one[0, 7, 3] = True
    for occupancy in (one, np.ones((8, 8, 8), bool)):
        assert check(mesh_of(occupancy)).is_watertight


def test_without_smoothing_and_blur_every_vertex_lies_between_two_voxels():
    mesh = mesh_of(ball(16, 0.4), smooth=0, blur=0.0)
    between = (mesh.vertices + 0.5) * 16 - 0.5
    whole = np.isclose(between, np.round(between), atol=1e-4)
    assert (whole.sum(axis=1) >= 2).all()


def test_doubt_moves_the_surface_within_its_voxel_and_no_further():
    occupancy = np.zeros((1, 12, 12, 12), bool)
    occupancy[0, 3:9, 3:9, 3:9] = True
    sure = Voxels(occupancy)
    same = SurfaceMesher().mesh(Voxels(occupancy, density=occupancy.astype(np.float32)))[0]
    assert np.array_equal(same.vertices, SurfaceMesher().mesh(sure)[0].vertices)
    doubtful = occupancy.astype(np.float32)
    doubtful[0, 8, 3:9, 3:9] = 0.6
    moved = SurfaceMesher(smooth=0).mesh(Voxels(occupancy, density=doubtful))[0]
    hard = SurfaceMesher(smooth=0).mesh(sure)[0]
    # the doubtful side stands between the centres of voxels 8 and 9, nearer to 8 than without doubt; the far side has not moved
    assert 8.5 / 12 - 0.5 < moved.vertices[:, 0].max() < hard.vertices[:, 0].max()
    assert moved.vertices[:, 0].min() == hard.vertices[:, 0].min()


def test_rods_are_as_thick_in_doubt_as_without_to_a_tenth_of_a_voxel():
    occupancy = np.zeros((1, 12, 12, 12), bool)
    occupancy[0, 2:10, 5, 5] = True
    doubtful = np.where(occupancy, np.float32(0.6), np.float32(0.0))
    sure, doubted = SurfaceMesher().mesh(Voxels(occupancy)), SurfaceMesher().mesh(Voxels(occupancy, density=doubtful))
    assert np.allclose(sure[0].vertices, doubted[0].vertices, atol=0.1 / 12)
