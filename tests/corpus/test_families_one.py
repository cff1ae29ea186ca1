"""Object programs of furniture, vehicles, tools and instruments: they build, and what they say is well-formed and true."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from maquette.corpus.families_furniture import FURNITURE
from maquette.corpus.families_tools import TOOLS
from maquette.corpus.families_vehicles import VEHICLES
from maquette.corpus.program import COLORS, COUNT_WORDS, Design, build
from maquette.corpus.rasterise import voxelise_design

FAMILIES = {**FURNITURE, **VEHICLES, **TOOLS}
GROUPS = {"furniture": FURNITURE, "vehicles": VEHICLES, "tools and instruments": TOOLS}


@cache
def designs(name: str) -> list[Design]:
    return [build(name, FAMILIES[name], seed) for seed in range(50)]


@pytest.mark.parametrize("group", GROUPS)
def test_each_group_has_many_families_and_some_rare_ones(group: str) -> None:
    families = GROUPS[group]
    assert len(families) >= 9
    assert all(family.group == group and family.synonyms for family in families.values())
    assert any(family.rare for family in families.values())


@pytest.mark.parametrize("name", FAMILIES)
def test_each_object_has_few_named_parts_that_can_be_counted(name: str) -> None:
    built = designs(name)
    assert np.mean([len(design.parts) for design in built]) >= 3
    for design in built:
        names = [part.name for part in design.parts]
        assert 2 <= len(set(names)) == len(names) <= 5
        for part in design.parts:
            assert part.color in COLORS and len(part.name.split()) <= 2
            assert 1 <= part.count <= 12
            bounds = np.array([solid.bounds() for group in part.instances for solid in group])
            assert np.isfinite(bounds).all() and (bounds[:, 1] > bounds[:, 0]).all()


@pytest.mark.parametrize("name", FAMILIES)
def test_words_are_short_and_without_colors(name: str) -> None:
    for design in designs(name):
        layout = " ".join(design.layout)
        assert 1 <= len(design.subtype.split()) <= 3
        assert 3 <= len(layout.split()) <= 10
        assert not set(re.findall(r"[a-z]+", layout)) & set(COLORS)
        assert design.symmetry in ("left-right", "round", "three-fold", "four-fold", "none")


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_varies(name: str) -> None:
    built = designs(name)
    assert 2 <= len({design.subtype for design in built}) <= 5
    assert len({tuple((part.name, part.count) for part in design.parts) for design in built}) >= 2
    assert len({design.parts[0].color for design in built}) >= 8


@pytest.mark.parametrize("name", FAMILIES)
def test_numbers_in_the_layout_are_counts_of_the_named_part(name: str) -> None:
    plurals = {"teeth": "tooth", "feet": "foot", "shelves": "shelf", "trestles": "trestle"}
    for design in designs(name):
        counts = {part.name: part.count for part in design.parts if part.counted}
        for number, noun in re.findall(rf"\b({'|'.join(COUNT_WORDS[1:])}) (?:round |upright )?(\w+)", design.layout[0]):
            singular = plurals.get(noun, noun.removesuffix("s"))
            if singular in counts and name not in ("cabinet", "desk", "bed"):
                assert COUNT_WORDS[counts[singular]] == number


@pytest.mark.parametrize("name", FAMILIES)
def test_each_object_is_one_piece_of_voxels(name: str) -> None:
    whole = np.ones((3, 3, 3), int)
    pieces = [ndimage.label(voxelise_design(d, 32)[0].occupancy[0], whole)[1] for d in designs(name)[:8]]
    assert pieces == [1] * 8


@pytest.mark.parametrize(
    "name, part",
    [("chair", "leg"), ("car", "wheel"), ("helicopter", "blade"), ("key", "tooth"), ("bookshelf", "shelf")],
)
def test_counted_instances_stand_apart(name: str, part: str) -> None:
    whole = np.ones((3, 3, 3), int)
    for design in designs(name)[:10]:
        index = voxelise_design(design, 32)[1]
        place = [p.name for p in design.parts].index(part)
        assert ndimage.label(index == place, whole)[1] == design.parts[place].count
