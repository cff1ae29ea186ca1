"""The fast rasteriser against the readable one, and the laws that any renderer keeps."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from maquette.rendering import reference
from maquette.rendering.cameras import CAMERAS, camera_axes, pick, ring
from maquette.rendering.rasterise import render
from maquette.types import Cameras, Mesh, Views

EMPTY = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))


def soup(seed: int, faces: int = 40, colored: bool = True) -> Mesh:
    """Random triangles that share vertices, pierce one another and may be degenerate."""
    rng = np.random.default_rng(seed)
    vertices = rng.uniform(-0.5, 0.5, (30, 3)).astype(np.float32)
    color = rng.random((30, 3)).astype(np.float32) if colored else None
    return Mesh(vertices, rng.integers(0, 30, (faces, 3)).astype(np.int32), color)


def cuboid(x: float, y: float, z: float, color: tuple[float, float, float] = (0.9, 0.9, 0.9)) -> Mesh:
    corners = np.array([[i, j, k] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)], np.float32)
    corners *= np.array([x, y, z], np.float32) / 2
    faces = [
        (0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1),
        (2, 3, 7), (2, 7, 6), (0, 2, 6), (0, 6, 4), (1, 5, 7), (1, 7, 3),
    ]  # fmt: skip
    return Mesh(corners, np.array(faces, np.int32), np.tile(np.float32(color), (8, 1)))


def assert_same(one: Views, other: Views) -> None:
    assert np.array_equal(one.mask, other.mask)
    assert np.abs(one.rgb.astype(int) - other.rgb).max() <= 1
    np.testing.assert_allclose(one.depth, other.depth, atol=1e-5)
    np.testing.assert_allclose(one.normal, other.normal, atol=1e-4)


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("paint", ["colour", "grey"])
def test_draws_what_the_reference_draws(antialias, paint):
    meshes = [soup(0), EMPTY, soup(1, colored=False), cuboid(0.8, 0.5, 0.3, (0.9, 0.2, 0.1))]
    cameras = ring(3, (35.0, -20.0), radius=2.0, fov_degrees=40.0, start=11.0)
    for light in ("headlight", "studio"):
        options = {"size": 33, "antialias": antialias, "paint": paint, "light": light}
        assert_same(render(meshes, cameras, **options), reference.render(meshes, cameras, **options))


def test_draws_what_the_reference_draws_from_inside_the_object():
    cameras = Cameras(np.float32([[0.1, -0.2, 0.05], [0, 0, 0.4]]), 70.0)
    assert_same(render([soup(2)], cameras, size=32), reference.render([soup(2)], cameras, size=32))


def test_an_empty_mesh_is_background():
    views = render([EMPTY], CAMERAS["maquette-6"], size=16)
    assert (views.rgb == round(0.9 * 255)).all()
    assert not views.mask.any() and not views.depth.any() and not views.normal.any()
    assert render([], CAMERAS["maquette-6"], size=16).rgb.shape == (0, 6, 16, 16, 3)


@pytest.mark.parametrize("degrees", [60.0, 137.0])
def test_a_turned_camera_is_a_turned_mesh(degrees):
    turn = np.radians(degrees)
    about_z = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    mesh = cuboid(0.7, 0.5, 0.3, (0.2, 0.6, 0.9))
    turned_mesh = replace(mesh, vertices=(mesh.vertices @ about_z.T).astype(np.float32))
    still = ring(1, 20.0, 3.0, 30.0, start=15.0)
    moved = ring(1, 20.0, 3.0, 30.0, start=15.0 - degrees)
    one, other = render([turned_mesh], still, size=96), render([mesh], moved, size=96)
    same = one.mask & other.mask
    assert (one.mask != other.mask).sum() <= 12  # roundings at the outline
    assert (np.abs(one.rgb.astype(int) - other.rgb)[same].max(axis=-1) > 2).sum() <= 12
    inside = np.abs(one.depth - other.depth)[same] < 1e-3
    assert inside.mean() > 0.98
    np.testing.assert_allclose((other.normal @ about_z.T)[same][inside], one.normal[same][inside], atol=0.02)


def test_depth_normal_and_size_of_a_box_seen_from_the_front():
    views = render([cuboid(1.0, 0.5, 0.5)], ring(1, 0.0, 3.0, 30.0), size=100)
    middle = views.depth[0, 0, 50, 50]
    assert middle == pytest.approx(2.75, abs=1e-4)  # from y = -3 to the front at y = -0.25
    np.testing.assert_allclose(views.normal[0, 0, 50, 50], [0, -1, 0], atol=1e-5)
    # Width on the picture: 1 / 2.75 of the distance, over 2 tan 15°, of 100 pixels.
    expected = 100 / (2.75 * 2 * np.tan(np.radians(15)))
    assert views.mask[0, 0, 50].sum() == pytest.approx(expected, abs=1)


def test_left_is_left_and_up_is_up():
    red_right = replace(cuboid(1.0, 0.2, 1.0), color=None)
    color = np.where(red_right.vertices[:, :1] > 0, np.float32([1, 0, 0]), np.float32([0, 0, 1]))
    color[red_right.vertices[:, 2] > 0] *= np.float32(0.3)
    views = render([replace(red_right, color=color.astype(np.float32))], ring(1, 0.0, 3.0, 30.0), size=64)
    lower_left, lower_right = views.rgb[0, 0, 42, 20], views.rgb[0, 0, 42, 43]
    assert lower_right[0] > lower_right[2] and lower_left[2] > lower_left[0]
    assert views.rgb[0, 0, 20].sum() < views.rgb[0, 0, 42].sum()  # the dark half is above


def test_perspective_correct_colour():
    # A floor going away from the camera, dark near and bright far: its middle in space is nearer to the far end in the picture.
    floor = Mesh(
        np.float32([[-0.5, -0.5, 0], [0.5, -0.5, 0], [0.5, 0.5, 0], [-0.5, 0.5, 0]]),
        np.int32([[0, 1, 2], [0, 2, 3]]),
        np.float32([[0, 0, 0], [0, 0, 0], [1, 1, 1], [1, 1, 1]]),
    )
    cameras = Cameras(np.float32([[0, -1.2, 0.3]]), 50.0)
    views = render([floor], cameras, size=128)
    right, up, forward = camera_axes(cameras.eye)[0]
    offset = -cameras.eye[0].astype(float)  # to the origin, the floor's middle
    focal = 1 / np.tan(np.radians(25))
    row = int(64 - 64 * focal * (offset @ up) / (offset @ forward))
    assert offset @ right == pytest.approx(0)
    brightest = views.rgb[0, 0, :, 64, 0][views.mask[0, 0, :, 64]].max()
    assert views.rgb[0, 0, row, 64, 0] / brightest == pytest.approx(0.5, abs=0.05)


def test_closed_surfaces_have_no_cracks():
    views = render([cuboid(0.9, 0.9, 0.9)], CAMERAS["maquette-8"], size=101)
    for mask in views.mask[0]:
        for row in mask:
            where = np.flatnonzero(row)
            assert not len(where) or len(where) == where[-1] - where[0] + 1


def test_grey_paint_hides_colours():
    cameras = CAMERAS["front-3q"]
    red, blue = cuboid(0.5, 0.5, 0.5, (0.9, 0.1, 0.1)), cuboid(0.5, 0.5, 0.5, (0.1, 0.1, 0.9))
    views = render([red, blue], cameras, size=32, paint="grey")
    assert np.array_equal(views.rgb[0], views.rgb[1])
    assert not np.array_equal(*render([red, blue], cameras, size=32).rgb)


def test_shading_shows_form_and_keeps_colours_readable():
    views = render([cuboid(0.7, 0.7, 0.7, (0.8, 0.4, 0.2))], CAMERAS["front-3q"], size=64)
    seen = views.rgb[0, 0][views.mask[0, 0]].astype(float)
    brightness = np.unique(np.round(seen[:, 0]))
    assert len(brightness) >= 3 and brightness.min() >= 0.35 * 0.8 * 255
    np.testing.assert_allclose(seen[:, 1] / seen[:, 0], 0.5, atol=0.02)


def test_many_threads_and_callers_draw_the_same(monkeypatch):
    meshes = [soup(seed) for seed in range(4)]
    alone = render(meshes, CAMERAS["maquette-6"], size=48, antialias=True)
    monkeypatch.setattr("maquette.rendering.rasterise.numba_config.NUMBA_NUM_THREADS", 3)
    with ThreadPoolExecutor(3) as pool:
        for views in pool.map(lambda _: render(meshes, CAMERAS["maquette-6"], size=48, antialias=True), range(6)):
            assert np.array_equal(views.rgb, alone.rgb) and np.array_equal(views.depth, alone.depth)


def test_broken_meshes_do_not_break_the_renderer():
    nan = soup(3)
    nan.vertices[:10] = np.nan
    huge = replace(soup(4), vertices=soup(4).vertices * np.float32(1e30))
    views = render([nan, huge], CAMERAS["trellis-4"], size=32, antialias=True)
    assert np.isfinite(views.depth).all() and np.isfinite(views.normal).all()
    pale = soup(0)
    object.__setattr__(pale, "color", np.zeros((1, 3), np.float32))  # beartype would refuse it as it is made
    with pytest.raises(ValueError, match=r"Mesh 1 has 30 vertices but colours of shape \[1, 3\]"):
        render([EMPTY, pale], CAMERAS["maquette-6"], size=8)
    with pytest.raises(ValueError, match="has 30 vertices but a face names vertex 30"):
        render([replace(soup(5), faces=np.int32([[0, 1, 30]]))], CAMERAS["front-3q"], size=8)


def test_rings_stand_where_their_names_say():
    eye = ring(4, 0.0, 2.0, 40.0).eye
    np.testing.assert_allclose(eye, [[0, -2, 0], [2, 0, 0], [0, 2, 0], [-2, 0, 0]], atol=1e-6)
    for name, cameras in CAMERAS.items():
        assert cameras.name == name
    assert [len(CAMERAS[n].eye) for n in ("maquette-6", "maquette-8", "trellis-8", "trellis-4", "front-3q")] == [
        6,
        8,
        8,
        4,
        1,
    ]
    trellis = CAMERAS["trellis-8"]
    np.testing.assert_allclose(np.linalg.norm(trellis.eye, axis=1), 2, rtol=1e-6)
    np.testing.assert_allclose(np.arcsin(trellis.eye[:, 2] / 2), np.radians(30), rtol=1e-6)
    assert trellis.fov_degrees == 40
    assert len(pick(CAMERAS["maquette-6"], 2, 4).eye) == 2
    with pytest.raises(ValueError, match="at least 1 view, not 0"):
        ring(0, 0.0, 2.0, 40.0)


def test_an_ordinary_object_fits_into_the_reward_cameras():
    for name in ("maquette-6", "maquette-8", "front-3q"):
        views = render([cuboid(1.0, 0.7, 1.0)], CAMERAS[name], size=64)
        for edge in (views.mask[..., 0, :], views.mask[..., -1, :], views.mask[..., :, 0], views.mask[..., :, -1]):
            assert not edge.any()
