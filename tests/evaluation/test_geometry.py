"""Shapes against each other and meshes on their own: numbers worked by hand, laws, planted faults."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from maquette.evaluation.geometry import (
    chamfer_distance,
    color_error,
    f_score,
    mesh_quality,
    points_chamfer,
    sampled_points,
    surface_points,
    voxel_iou,
)
from maquette.types import Mesh, Voxels


def solid(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(np.asarray(shape.vertices, np.float32), np.asarray(shape.faces, np.int32))


def both(a: Mesh, b: Mesh) -> Mesh:
    return Mesh(np.concatenate([a.vertices, b.vertices]), np.concatenate([a.faces, b.faces + len(a.vertices)]))


BOX = solid(trimesh.creation.box())
BALL = solid(trimesh.creation.icosphere(subdivisions=2, radius=0.4))


def test_iou_and_chamfer_by_hand():
    a, b = np.zeros((4, 4, 4), bool), np.zeros((4, 4, 4), bool)
    a[0, 0, 0] = a[0, 0, 1] = True
    b[0, 0, 1] = True
    assert voxel_iou(a, b) == pytest.approx(0.5)
    assert chamfer_distance(a, a) == 0.0
    # a's two voxels are 0.25 and 0 from b's one; b's one is 0 from a: ((0.25 + 0) / 2 + 0) / 2.
    assert chamfer_distance(a, b) == pytest.approx(0.0625)
    empty = np.zeros((4, 4, 4), bool)
    assert voxel_iou(empty, empty) == 0.0 and chamfer_distance(a, empty) == pytest.approx(3**0.5)


def test_colour_error_by_hand():
    occupancy = np.zeros((4, 4, 4), bool)
    occupancy[0, 0, :2] = True
    meant_color = np.zeros((1, 4, 4, 4, 3), np.float32)
    meant_color[0, 0, 0, 1] = meant_color[0, 0, 0, 2] = (1.0, 0.0, 0.5)
    meant = Voxels(np.roll(occupancy, 1, -1)[None], meant_color)
    color = np.zeros((4, 4, 4, 3), np.float32)
    color[0, 0, 1] = (0.7, 0.0, 0.5)
    assert color_error(color, occupancy, meant) == pytest.approx(0.1)  # one voxel in common, one channel 0.3 off
    assert color_error(None, occupancy, meant) == pytest.approx((0.28 + 0.72 + 0.22) / 3)  # drawn in grey 0.72
    assert color_error(color, np.roll(occupancy, 2, 0), meant) == 1.0
    assert np.isnan(color_error(color, occupancy, Voxels(meant.occupancy)))


def test_surface_points_leave_out_the_inside_and_keep_the_border():
    full = np.ones((4, 4, 4), bool)
    points = surface_points(full)
    assert len(points) == 64 - 8 and np.abs(points).max() == pytest.approx(0.375)


def test_more_damage_is_never_nearer():
    rng = np.random.default_rng(5)
    solid = np.zeros((16, 16, 16), bool)
    solid[3:13, 3:13, 3:13] = True
    noise = rng.random(solid.shape)
    damaged = [solid ^ (noise < level) for level in (0.0, 0.05, 0.15, 0.4)]
    ious = [voxel_iou(solid, d) for d in damaged]
    assert ious == sorted(ious, reverse=True) and ious[0] == 1.0


def test_chamfer_and_f_score_of_points_by_hand():
    a, b = np.array([[0.0, 0, 0], [1, 0, 0]]), np.array([[0.0, 0, 0.01]])
    # a → b: 0.01 and √(1 + 0.0001); b → a: 0.01.
    assert points_chamfer(a, b) == pytest.approx(((0.01 + 1.0001**0.5) / 2 + 0.01) / 2)
    # Half of a is near b, all of b is near a: 2 · ½ · 1 / 1½.
    assert f_score(a, b) == pytest.approx(2 / 3)
    assert f_score(a, b, threshold=0.005) == 0.0 and f_score(a, a) == 1.0
    assert f_score(a, b[:0]) == 0.0 and points_chamfer(a, b[:0]) == pytest.approx(3**0.5)


def test_sampled_points_lie_evenly_on_the_surface():
    points = sampled_points(BOX, 6000)
    assert np.abs(np.abs(points).max(1) - 0.5).max() < 1e-6
    faces = np.abs(points).argmax(1) * 2 + (points[np.arange(6000), np.abs(points).argmax(1)] > 0)
    assert np.abs(np.bincount(faces, minlength=6) - 1000).max() <= 2
    assert len(sampled_points(Mesh(np.zeros((3, 3), np.float32), np.array([[0, 1, 2]])))) == 0


def test_a_sound_mesh():
    quality = mesh_quality(BALL)
    assert quality.triangles == len(BALL.faces)
    assert quality.watertight and quality.components == 1 and quality.largest_share == 1.0 and quality.intersecting == 0


def test_a_mesh_whose_corners_are_split_is_judged_by_place():
    corners = Mesh(
        BALL.vertices[BALL.faces].reshape(-1, 3), np.arange(3 * len(BALL.faces), dtype=np.int32).reshape(-1, 3)
    )
    assert mesh_quality(corners) == mesh_quality(BALL)


def test_planted_faults_are_found():
    assert not mesh_quality(Mesh(BALL.vertices, BALL.faces[1:])).watertight
    apart = both(BOX, Mesh(BALL.vertices + np.float32(3), BALL.faces))
    found = mesh_quality(apart)
    assert found.components == 2 and found.intersecting == 0
    area = trimesh.Trimesh(BALL.vertices, BALL.faces).area
    assert found.largest_share == pytest.approx(6 / (6 + area), rel=1e-4)
    through = both(BOX, Mesh(BALL.vertices + np.float32([0.5, 0.1, 0.07]), BALL.faces))
    assert mesh_quality(through).intersecting > 10
    inside = both(BOX, BALL)  # a ball of radius 0.4 within a box of half side 0.5 touches nothing
    assert mesh_quality(inside).intersecting == 0
    assert mesh_quality(Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))).largest_share == 0.0


def test_self_intersections_equal_a_plain_search_over_all_pairs():
    rng = np.random.default_rng(0)
    corners = rng.random((40, 1, 3)) + 0.35 * (rng.random((40, 3, 3)) - 0.5)
    mesh = Mesh(corners.reshape(-1, 3).astype(np.float32), np.arange(120, dtype=np.int32).reshape(-1, 3))
    corners = mesh.vertices.astype(np.float64)[mesh.faces]

    def pierced(a: np.ndarray, b: np.ndarray, t: np.ndarray) -> bool:
        """Solves a + s (b − a) = t0 + u e1 + v e2 for (s, u, v)."""
        s, u, v = np.linalg.solve(np.stack([a - b, t[1] - t[0], t[2] - t[0]], axis=1), a - t[0])
        return 0 < s < 1 and u > 0 and v > 0 and u + v < 1

    hit = [
        any(
            pierced(p[e], p[(e + 1) % 3], q) or pierced(q[e], q[(e + 1) % 3], p)
            for j, q in enumerate(corners) if j != i for e in range(3)
        )
        for i, p in enumerate(corners)
    ]  # fmt: skip
    assert mesh_quality(mesh).intersecting == sum(hit) and 0 < sum(hit) < 40


def test_the_damage_ladder_never_climbs():
    rng = np.random.default_rng(1)
    clean = sampled_points(BALL, 1500)
    noise = rng.normal(size=clean.shape)
    damaged = [clean + scale * noise for scale in (0.0, 0.01, 0.03, 0.09)]
    distances = [points_chamfer(clean, d) for d in damaged]
    scores = [f_score(clean, d) for d in damaged]
    assert distances == sorted(distances) and scores == sorted(scores, reverse=True)
    assert distances[0] == 0 and scores[0] == 1 and scores[-1] < 0.5


def test_more_damage_to_mesh_and_colour_never_scores_better():
    """By measure: colours turned voxel by voxel, splinters beside the ball, a ball pushed into the box, triangles taken away."""
    rng = np.random.default_rng(2)
    order, paint = rng.random((8, 8, 8)), rng.random((8, 8, 8, 3)).astype(np.float32)
    whole = np.ones((8, 8, 8), bool)
    turned = [np.where((order < share)[..., None], paint[..., [1, 2, 0]], paint) for share in (0.0, 0.2, 0.5, 1.0)]
    errors = [color_error(color, whole, Voxels(whole[None], paint[None])) for color in turned]
    assert errors[0] == 0 and errors == sorted(errors) and len(set(errors)) == 4
    splintered = [BALL]
    for i in range(3):
        chip = Mesh(0.2 * BALL.vertices + np.float32([2 + i, 0, 0]), BALL.faces)
        splintered.append(both(splintered[-1], chip))
    shares = [mesh_quality(mesh).largest_share for mesh in splintered]
    assert shares == sorted(shares, reverse=True) and len(set(shares)) == 4
    pushed = [both(BOX, Mesh(BALL.vertices + np.float32([x, 0.03, 0.07]), BALL.faces)) for x in (1.0, 0.85, 0.7)]
    crossing = [mesh_quality(mesh).intersecting for mesh in pushed]
    assert crossing[0] == 0 and crossing == sorted(crossing) and len(set(crossing)) == 3
    tight = [mesh_quality(Mesh(BALL.vertices, BALL.faces[n:])).watertight for n in (0, 1, 20)]
    assert tight == [True, False, False]
