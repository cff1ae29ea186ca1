"""What the texts say of symmetry and proportion is true of the voxels."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from jaxtyping import Bool
from scipy.ndimage import binary_dilation

from maquette.corpus.program import Design
from maquette.corpus.rasterise import voxelise_design
from maquette.corpus.splits import designs
from maquette.corpus.words import caption, captions, description, plan

NEAR = np.ones((3, 3, 3), bool)
"""A voxel's neighbourhood: grids of even size put a middle between voxels, so that images are met to within one."""


@pytest.fixture(scope="module")
def drawn() -> list[tuple[Design, Bool[np.ndarray, "x x z"]]]:
    """Objects, and their voxels in a square about the middle of their extent."""
    return [(d, squared(voxelise_design(d, 32)[0].occupancy[0])) for d in designs("train", 500, seed=11)]


def squared(voxels: Bool[np.ndarray, "x y z"]) -> Bool[np.ndarray, "s s z"]:
    places = np.argwhere(voxels)
    own = voxels[tuple(slice(a, b + 1) for a, b in zip(places.min(0), places.max(0), strict=True))]
    side = max(own.shape[:2])
    return np.pad(own, [*(((side - n) // 2, side - n - (side - n) // 2) for n in own.shape[:2]), (0, 0)])


def share_near(image: Bool[np.ndarray, "x y z"], voxels: Bool[np.ndarray, "x y z"]) -> float:
    """Of the image's voxels, how many lie within one voxel of the object."""
    return float((image & binary_dilation(voxels, NEAR)).sum() / image.sum())


@pytest.mark.parametrize(("symmetry", "turns"), [("left-right", 0), ("four-fold", 1), ("three-fold", 0)])
def test_what_is_called_symmetric_is_its_own_image(drawn: list, symmetry: str, turns: int):
    shown = [(d, v) for d, v in drawn if d.symmetry == symmetry]
    assert len(shown) >= 3
    for design, voxels in shown:
        assert share_near(np.rot90(voxels, turns) if turns else np.flip(voxels, 0), voxels) > 0.97, design.subtype
        assert "symmetry" not in description(design) or f"{symmetry} symmetry" in description(design)


def test_what_is_called_round_mostly_stays_when_it_is_turned(drawn: list):
    """Leaves and legs of a round object need not be a multiple of four: the palm and the fern are the worst."""
    met = [share_near(np.rot90(v), v) for d, v in drawn if d.symmetry == "round"]
    assert len(met) >= 20 and np.mean(met) > 0.95 and np.mean(np.array(met) > 0.9) > 0.8


def test_what_has_no_symmetry_is_not_all_mirrored(drawn: list):
    met = [share_near(np.flip(v, 0), v) for d, v in drawn if d.symmetry == "none"]
    assert np.mean(np.array(met) < 0.97) > 0.7


@pytest.mark.parametrize(("more", "less"), [("tall", ("short", "low")), ("wide", ("narrow",))])
def test_proportions_order_the_objects_of_a_kind(more: str, less: tuple[str, ...]):
    """Mostly: one proportion of several is named, a tall bus may be a long one too, and a bridge's width is its deck's."""
    across = defaultdict(lambda: defaultdict(list))
    for design in designs("train", 1000, seed=12):
        for word in {more, *less} & set(design.proportions):
            x, y, z = np.ptp(np.argwhere(voxelise_design(design, 32)[0].occupancy[0]), axis=0) + 1
            across[design.subtype][word == more].append(z / max(x, y) if more == "tall" else x / z)
    both = [np.mean(own[True]) > np.mean(own[False]) for own in across.values() if len(own) == 2]
    assert len(both) >= 10 and np.mean(both) > 0.7, both


def test_plans_and_the_longest_captions_say_what_the_design_has(drawn: list):
    for design, _ in drawn[:200]:
        said = plan(design)
        assert design.subtype in said and all(word in said for word in design.proportions)
        assert all(line in design.layout for line in said.rstrip(".").partition(": ")[2].split("; ") if line)
        longest = captions(design)[3]
        for spec in caption(design, 3).parts:
            assert spec.color in longest and spec.pattern in longest
        assert {spec.name for spec in caption(design, 3).parts} == {part.name for part in design.parts}
