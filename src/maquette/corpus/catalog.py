"""All families by name, and one object of any of them."""

from __future__ import annotations

from maquette.corpus.families_buildings import BUILDINGS
from maquette.corpus.families_food import FOOD
from maquette.corpus.families_furniture import FURNITURE
from maquette.corpus.families_living import LIVING
from maquette.corpus.families_tools import TOOLS
from maquette.corpus.families_vehicles import VEHICLES
from maquette.corpus.program import Design, Family, build
from maquette.corpus.sight import look, reduce_to

FAMILIES: dict[str, Family] = {**FURNITURE, **LIVING, **BUILDINGS, **FOOD, **VEHICLES, **TOOLS}
"""Every kind of object, in a fixed order."""


def compose(name: str, seed: int, style: str = "") -> Design:
    """One object of a family as it shows in voxels: the same on every machine; ValueError names the families if unknown."""
    if name not in FAMILIES:
        raise ValueError(f"no family {name!r} among the {len(FAMILIES)}: {', '.join(FAMILIES)}")
    design = build(name, FAMILIES[name], seed, style)
    return reduce_to(design, look(design))


def category_of(design: Design) -> str:
    """The MME-3DR category: a styled object is `stylised` whatever it is, a long-tail one `rare`."""
    family = FAMILIES[design.family]
    return "stylised" if design.style else "rare" if family.rare else family.category
