"""Object programs of living things, buildings, food and figures: they build, and what they say is well-formed."""

from __future__ import annotations

import re

import numpy as np
import pytest

from maquette.corpus.families_buildings import BUILDINGS
from maquette.corpus.families_food import FOOD
from maquette.corpus.families_living import LIVING
from maquette.corpus.program import COLORS, Design, build

GROUPS = {"animals and plants": LIVING, "buildings": BUILDINGS, "food and figures": FOOD}
FAMILIES = {**LIVING, **BUILDINGS, **FOOD}
SEEDS = range(50)


def designs(name: str) -> list[Design]:
    return [build(name, FAMILIES[name], seed) for seed in SEEDS]


@pytest.mark.parametrize("group", GROUPS)
def test_groups_are_large_and_rightly_labelled(group: str) -> None:
    assert len(GROUPS[group]) >= 8
    assert {family.group for family in GROUPS[group].values()} == {group}
    assert all(family.synonyms for family in GROUPS[group].values())


def test_some_families_are_long_tail() -> None:
    rare = sum(family.rare for family in FAMILIES.values())
    assert len(FAMILIES) / 9 <= rare <= len(FAMILIES) / 4


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_builds_sound_parts(name: str) -> None:
    for design in designs(name):
        assert 2 <= len({part.name for part in design.parts}) <= 5
        for part in design.parts:
            assert part.name and len(part.name.split()) <= 2
            assert part.color in COLORS
            assert not part.counted or 1 <= part.count <= 12
            bounds = np.array([solid.bounds() for group in part.instances for solid in group])
            assert np.isfinite(bounds).all()
            assert (bounds[:, 1] > bounds[:, 0]).all()


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_says_short_words_without_colors(name: str) -> None:
    for design in designs(name):
        layout = " ".join(design.layout)
        assert design.subtype and len(design.subtype.split()) <= 3
        assert layout and len(layout.split()) <= 10
        assert not set(re.findall(r"[a-z]+", layout)) & set(COLORS)
        assert all(word and " " not in word for word in design.proportions)
        assert design.symmetry in ("", "left-right", "round", "three-fold", "four-fold", "none")


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_varies(name: str) -> None:
    made = designs(name)
    assert len({design.subtype for design in made}) >= 2
    assert len({design.parts[0].color for design in made}) >= 8
    counts = {(design.subtype, part.name, part.count) for design in made for part in design.parts}
    assert len(counts) >= 6
