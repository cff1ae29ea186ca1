"""Designs to voxels: where things are, that they never vanish, patterns, styles, coarse shapes."""

import dataclasses

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, binary_erosion, label

from maquette.corpus.catalog import FAMILIES, compose
from maquette.corpus.program import COLORS, STYLES, Design, Part, Pattern, build
from maquette.corpus.rasterise import voxelise_design
from maquette.corpus.solids import (
    Kind,
    Solid,
    around,
    box,
    capsule,
    cone,
    cylinder,
    ellipsoid,
    extrusion,
    revolve,
    rod,
    torus,
)

ANY = np.ones((3, 3, 3), bool)
SQUARE = [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)]
SOLIDS = {
    "box": (box(2, 2, 2), 8.0),
    "cylinder": (cylinder(1, 2), 2 * np.pi),
    "cone": (cone(1, 2), 2 * np.pi / 3),
    "ellipsoid": (ellipsoid(1, 1, 0.6), 4 / 3 * np.pi * 0.6),
    "torus": (torus(0.7, 0.3), 2 * np.pi**2 * 0.7 * 0.09),
    "capsule": (capsule(0.5, (0, 0, -0.5), (0, 0, 0.5)), np.pi * 0.25 + 4 / 3 * np.pi * 0.125),
    "extrusion": (extrusion(SQUARE, 2), 8.0),
    "revolve": (revolve([(0, -1), (1, -1), (1, 1), (0, 1)]), 2 * np.pi),
}


def one_part(*solids: Solid, color: str = "red", pattern: Pattern = Pattern(), style: str = "") -> Design:  # noqa: B008
    return Design("thing", "test", "thing", style, (Part("body", tuple((s,) for s in solids), color, pattern),))


@pytest.mark.parametrize("name", SOLIDS)
def test_volumes_are_those_of_geometry(name):
    solid, volume = SOLIDS[name]
    voxels, _ = voxelise_design(one_part(solid), 64)
    scale = (1 - 1.4 / 32) / (solid.bounds()[1] - solid.bounds()[0]).max()
    measured = voxels.occupancy.sum() / 64**3 / scale**3
    assert measured == pytest.approx(volume, rel=0.06)


@pytest.mark.parametrize("name", SOLIDS)
def test_turning_by_a_right_angle_turns_the_voxels(name):
    solid, _ = SOLIDS[name]
    straight, _ = voxelise_design(one_part(solid), 32)
    turned, _ = voxelise_design(one_part(solid.turned("x", 90)), 32)
    # +90° about x takes (x, y, z) to (x, -z, y).
    expected = np.rot90(straight.occupancy[0], k=1, axes=(1, 2))
    differing = (expected != turned.occupancy[0]).sum()
    assert differing <= 0.02 * expected.sum()


@pytest.mark.parametrize("name", SOLIDS)
def test_mirrored_solids_are_mirrored_voxels(name):
    solid = SOLIDS[name][0].turned("y", 30).turned("z", 20)
    frame = box(0.1, 0.1, 0.1, at=(2, 2, 2)), box(0.1, 0.1, 0.1, at=(-2, -2, -2))
    straight, _ = voxelise_design(one_part(solid, *frame), 32)
    mirrored, _ = voxelise_design(one_part(solid.mirrored("x"), *(f.mirrored("x") for f in frame)), 32)
    assert (straight.occupancy[0][::-1] != mirrored.occupancy[0]).mean() < 1e-3


@pytest.mark.parametrize("direction", [(1, 0, 0), (0, 0, 1), (1, 1, 0), (1, 0.3, 0.2), (0.4, 0.7, 1)])
@pytest.mark.parametrize("shift", [0.0, 0.011, 0.017])
def test_the_thinnest_rod_neither_vanishes_nor_breaks(direction, shift):
    end = np.array(direction) / np.linalg.norm(direction)
    thin = rod(0.001, tuple(-end + shift), tuple(end + shift))
    occupancy = voxelise_design(one_part(thin), 32)[0].occupancy[0]
    assert label(occupancy, ANY)[1] == 1 and occupancy.sum() >= 25


def test_later_parts_paint_over_earlier_ones_and_masks_agree_with_colours():
    design = Design(
        "thing", "test", "thing", "", (Part("a", ((box(2, 2, 2),),), "red"), Part("b", ((box(1, 1, 1),),), "blue"))
    )
    voxels, index = voxelise_design(design, 32)
    assert voxels.color is not None
    np.testing.assert_allclose(voxels.color[0][index == 0], np.tile(COLORS["red"], ((index == 0).sum(), 1)), atol=0.021)
    np.testing.assert_allclose(voxels.color[0][16, 16, 16], COLORS["blue"], atol=0.021)
    assert ((index >= 0) == voxels.occupancy[0]).all()


@pytest.mark.parametrize("kind", ["striped", "checked", "two-tone", "gradient"])
def test_patterns_show_both_colours(kind):
    design = one_part(box(1, 1, 2), color="white", pattern=Pattern(kind, "black", 0.16))
    voxels, _ = voxelise_design(design, 32)
    assert voxels.color is not None
    brightness = voxels.color[0][voxels.occupancy[0]].mean(1)
    assert (brightness > 0.8).mean() > 0.1 and (brightness < 0.25).mean() > 0.1
    if kind in ("two-tone", "gradient"):
        assert voxels.color[0][16, 16, 2].mean() > voxels.color[0][16, 16, 29].mean()


@pytest.mark.parametrize("style", STYLES[1:])
def test_a_style_changes_the_shape_but_not_what_it_is(style):
    ball, cube = around(ellipsoid(1, 1, 1, at=(1.2, 0, 0)), 3), box(1, 1, 1)
    plain = voxelise_design(one_part(*ball, cube), 32)[0].occupancy
    styled = voxelise_design(one_part(*ball, cube, style=style), 32)[0].occupancy
    iou = (plain & styled).sum() / (plain | styled).sum()
    assert 0.6 < iou < 0.98


def test_coarse_shapes_have_no_colour_and_cover_the_fine_ones():
    for name in ("chair", "dog"):
        design = build(name, FAMILIES[name], 1)
        fine, coarse = voxelise_design(design, 32)[0], voxelise_design(design, 32, coarse=True)[0]
        assert coarse.color is None
        assert (fine.occupancy & coarse.occupancy).sum() / fine.occupancy.sum() > 0.9


@pytest.mark.parametrize("name", FAMILIES)
def test_every_part_shows_in_every_style(name):
    written = shown = 0
    for seed, style in enumerate(STYLES * 2):
        design = compose(name, seed, style)
        voxels, index = voxelise_design(design, 32)
        assert 40 < voxels.occupancy.sum() < 0.9 * 32**3
        assert set(np.unique(index)) - {-1} == set(range(len(design.parts)))
        written += len(build(name, FAMILIES[name], seed, style).parts)
        shown += len(design.parts)
    # What is taken out because it cannot be seen is the exception.
    assert shown >= 0.9 * written


@pytest.mark.parametrize("name", FAMILIES)
def test_objects_are_in_one_piece(name):
    pieces = [
        label(voxelise_design(compose(name, seed, style), 32)[0].occupancy[0], ANY)[1]
        for seed, style in enumerate(STYLES * 2)
    ]
    assert np.mean([n == 1 for n in pieces]) >= 0.75 and max(pieces) <= 3


def test_both_resolutions_show_one_object():
    ious = []
    for name in FAMILIES:
        design = build(name, FAMILIES[name], 3)
        small, large = (voxelise_design(design, r)[0].occupancy[0] for r in (32, 64))
        pooled = large.reshape(32, 2, 32, 2, 32, 2).mean((1, 3, 5))
        assert (pooled[binary_erosion(small)] >= 0.5).all() and not (pooled[~binary_dilation(small, ANY)] > 0.5).any()
        ious.append((small & (pooled >= 0.5)).sum() / (small | (pooled >= 0.5)).sum())
    assert np.mean(ious) > 0.85


def test_the_same_seed_is_the_same_object():
    design = build("chair", FAMILIES["chair"], 9)
    again = build("chair", FAMILIES["chair"], 9)
    a, b = voxelise_design(design, 32)[0], voxelise_design(again, 32)[0]
    assert (a.occupancy == b.occupancy).all() and a.color is not None and b.color is not None
    assert (a.color == b.color).all()
    assert dataclasses.replace(design, parts=()) == dataclasses.replace(again, parts=())


def test_kinds_are_stable_numbers():
    assert [k.name for k in Kind] == ["BOX", "FRUSTUM", "ELLIPSOID", "TORUS", "CAPSULE", "EXTRUSION", "REVOLVE"]
