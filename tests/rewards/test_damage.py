"""Damage damages, says so, and keeps its labels true."""

import numpy as np
import pytest

from maquette.corpus.catalog import FAMILIES, compose
from maquette.rewards.damage import GEOMETRY, Grid, drop_instance, drop_part, severity, swap_codes
from maquette.rewards.dataset import Variant, grid_of, labels_of
from maquette.rewards.repaint import APPEARANCE

CHAIRS = [grid_of(compose("chair", seed), 32) for seed in range(4)]
KINDS = {**GEOMETRY, **APPEARANCE}


@pytest.mark.parametrize("kind", KINDS)
def test_damage_changes_the_shape_or_the_paint_and_leaves_the_input_alone(kind: str) -> None:
    before = [(g.occupancy.copy(), g.color.copy()) for g in CHAIRS]
    changed = 0
    for grid in CHAIRS:
        geometry, paint = severity(grid, KINDS[kind](grid, np.random.default_rng(0), 0.8))
        assert 0.0 <= geometry <= 1.0 and 0.0 <= paint <= 1.0
        if kind in APPEARANCE:
            assert geometry == 0.0
        changed += geometry + paint > 0
    assert changed >= 2
    for grid, (occupancy, color) in zip(CHAIRS, before, strict=True):
        assert np.array_equal(grid.occupancy, occupancy) and np.array_equal(grid.color, color)


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_the_same_for_the_same_generator(kind: str) -> None:
    one, two = (KINDS[kind](CHAIRS[0], np.random.default_rng(7), 0.6) for _ in range(2))
    assert np.array_equal(one.occupancy, two.occupancy) and np.array_equal(one.color, two.color)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_stays_nothing_or_is_left_alone(kind: str) -> None:
    nothing = Grid(
        np.zeros((32, 32, 32), bool), np.zeros((32, 32, 32, 3), np.float32), np.full((32, 32, 32), -1, np.int8), (1,)
    )
    assert not KINDS[kind](nothing, np.random.default_rng(0), 0.5).occupancy.any()


def test_a_dropped_part_is_gone_and_counted_as_gone() -> None:
    grid = drop_part(CHAIRS[0], np.random.default_rng(1), 1.0)
    (part,) = [i for i, n in enumerate(grid.counts) if n == 0]
    assert CHAIRS[0].counts[part] > 0
    assert not (grid.part == part).any()


def test_dropped_instances_are_counted() -> None:
    design = compose("chair", 0)
    grid = drop_instance(CHAIRS[0], np.random.default_rng(1), 0.5)
    names = [part.name for part in design.parts]
    before, after = CHAIRS[0].counts[names.index("leg")], grid.counts[names.index("leg")]
    assert 0 < after < before
    look = labels_of(design, [CHAIRS[0]], [Variant(grid, grey=False)]).looks[0]
    assert look.counts[names.index("leg")] == after


def test_no_difference_is_no_severity() -> None:
    assert severity(CHAIRS[0], CHAIRS[0]) == (0.0, 0.0)


def test_swapped_codes_are_as_many_as_asked() -> None:
    codes = np.arange(100)
    swapped = swap_codes(codes, np.full(5, -7), 0.25, np.random.default_rng(0))
    assert (swapped == -7).sum() == 25 and np.array_equal(codes, np.arange(100))


def test_labels_of_an_undamaged_object_are_its_program() -> None:
    for family in list(FAMILIES)[::9]:
        design = compose(family, 3)
        grid = grid_of(design, 32)
        labels = labels_of(design, [grid], [Variant(grid, grey=False)])
        assert labels.looks[0].geometry == labels.looks[0].paint == 0.0
        assert len(labels.parts) == len(labels.looks[0].counts) == len(labels.looks[0].colors)
        assert min(labels.looks[0].counts) >= 1
