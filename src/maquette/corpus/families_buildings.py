"""Object programs of the group "buildings": house, castle, church; others in `families_structures`, `families_towers`."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from maquette.corpus.families_structures import STRUCTURES
from maquette.corpus.families_towers import TOWERS
from maquette.corpus.profiles import dome, gable, regular
from maquette.corpus.program import Builder, Family, count_word
from maquette.corpus.solids import (
    Plane,
    Real,
    Solid,
    both_sides,
    box,
    cone,
    cylinder,
    front_extrusion,
    row,
)


def house(b: Builder) -> None:
    kind = b.choice(("cottage", "townhouse", "bungalow", "flat-roof house"))
    storeys = {"cottage": 1, "townhouse": b.integer(2, 3), "bungalow": 1, "flat-roof house": b.integer(1, 3)}[kind]
    width = {"cottage": 1.0, "townhouse": 0.75, "bungalow": 1.4, "flat-roof house": 1.05}[kind] * b.uniform(0.9, 1.1)
    deep, floor = b.uniform(0.7, 0.95), 0.46
    wall, height, front = b.color(), storeys * floor, -deep / 2
    b.subtype(kind)
    b.proportion("tall" if height > width else "wide" if width > 1.3 else "")
    b.part(
        "wall",
        [box(width, deep, height, (0, 0, height / 2))],
        wall,
        b.pattern(wall),
        b.choice(("brick", "wood", "stone")),
        counted=False,
    )
    tile, pitch = b.other_color(wall), b.uniform(0.35, 0.6)
    if kind == "flat-roof house":
        roof = box(width + 0.14, deep + 0.14, 0.12, (0, 0, height + 0.05))
    elif kind == "bungalow":
        pitch, eave = 0.34, (width + 0.2, deep + 0.2)
        slope = [(-eave[0] / 2, 0), (eave[0] / 2, 0), (eave[0] / 2 - 0.35, pitch), (0.35 - eave[0] / 2, pitch)]
        roof = front_extrusion(slope, eave[1], (0, 0, height - 0.02))
    else:
        roof = gable(width + 0.2, pitch, deep + 0.16, (0, 0, height - 0.02))
    b.part("roof", [roof], tile, b.pattern(tile), b.choice(("tile", "wood")))
    b.part("door", [box(0.22, 0.1, 0.36, (0, front, 0.18))], b.other_color(wall), material="wood")
    places = [(x * width * 0.31, (s + 0.58) * floor) for s in range(storeys) for x in (-1, 1)]
    glass = b.other_color(wall)
    b.part("window", [box(0.19, 0.1, 0.2, (x, front, z)) for x, z in places], glass, material="glass")
    if kind != "flat-roof house" and b.chance(0.6):
        stack = box(0.17, 0.17, 0.5, (width * 0.27, deep * 0.15, height + pitch * 0.45 + 0.18))
        b.part("chimney", [stack], b.other_color(tile), material="brick")
    shape = {"flat-roof house": "a flat", "bungalow": "a low sloping"}.get(kind, "a pointed gable")
    b.layout(f"{count_word(storeys)} {'storey' if storeys == 1 else 'storeys'} under {shape} roof, door in front")
    b.symmetry("left-right")


def castle(b: Builder) -> None:
    kind = b.choice(("castle", "fortress", "fairy castle"))
    towers = b.integer(3, 6) if kind == "fortress" else 4
    spread, high, girth = b.uniform(0.65, 0.78), b.uniform(0.42, 0.6), b.uniform(0.14, 0.18)
    stone, tall, pointed = b.color(), b.uniform(0.75, 1.05), kind == "fairy castle" or b.chance(0.5)
    b.subtype(kind)
    b.proportion("tall" if tall > 0.95 else "low" if tall < 0.82 else "")
    corners = regular(towers, spread, 180.0 / towers - 90.0)
    ground = [cylinder(spread, 0.08, (0, 0, 0.04))] if kind == "fairy castle" else []
    b.part("wall", [[*curtain(corners, high), *ground]], stone, b.pattern(stone), "stone", counted=False)
    hue = b.choice((stone, b.color()))
    b.part("tower", [cylinder(girth, tall, (x, y, tall / 2)) for x, y in corners], hue, b.pattern(hue, 0.2), "stone")
    if pointed:
        b.part("roof", [cone(girth + 0.07, 0.4, (x, y, tall + 0.19)) for x, y in corners], b.other_color(hue))
    else:
        b.part("battlement", [teeth(girth, x, y, tall) for x, y in corners], b.other_color(hue), material="stone")
    if kind == "fairy castle":
        keep = [cylinder(0.27, 1.3, (0, 0, 0.65)), cone(0.34, 0.5, (0, 0, 1.54))]
        b.part("keep", [keep], b.other_color(stone), material="stone")
    gate = box(0.26, 0.22, 0.34, (0, -spread * float(np.cos(np.pi / towers)), 0.17))
    b.part("door", [gate], b.other_color(stone), material="wood")
    b.layout(f"{count_word(towers)} round towers joined by walls, {'pointed roofs' if pointed else 'toothed tops'}")
    b.symmetry("left-right")


def curtain(corners: list[Plane], high: Real) -> list[Solid]:
    """Walls from each corner to the next, closed."""
    walls = []
    for (ax, ay), (bx, by) in pairwise([*corners, corners[0]]):
        length, angle = float(np.hypot(bx - ax, by - ay)), float(np.degrees(np.arctan2(by - ay, bx - ax)))
        walls.append(box(length, 0.14, high).turned("z", angle).moved((ax + bx) / 2, (ay + by) / 2, high / 2))
    return walls


def teeth(girth: Real, x: Real, y: Real, top: Real) -> list[Solid]:
    """A tower's toothed top: a wider ring with four teeth."""
    ring = cylinder(girth + 0.04, 0.1, (x, y, top - 0.05))
    return [ring, *(box(0.1, 0.1, 0.12, (x + u, y + v, top + 0.05)) for u, v in regular(4, 0.15, 45))]


def church(b: Builder) -> None:
    kind = b.choice(("chapel", "village church", "cathedral", "domed church"))
    length, width, high = b.uniform(1.0, 1.3), b.uniform(0.55, 0.7), b.uniform(0.5, 0.65)
    wall, tile, front = b.color(), b.color(), -length / 2
    b.subtype(kind)
    b.proportion("long" if length > 1.2 else "short" if length < 1.07 else "")
    stone = b.choice(("stone", "brick", "wood"))
    b.part("wall", [box(width, length, high, (0, 0, high / 2))], wall, b.pattern(wall), stone, counted=False)
    roofs: list[Solid] = [gable(width + 0.14, 0.4, length + 0.06, (0, 0, high - 0.02))]
    towers, tops = [], []
    rise = b.uniform(0.95, 1.2)
    if kind == "chapel":
        towers = [box(0.24, 0.24, 0.42, (0, front + 0.16, high + 0.38))]
        tops = [cone(0.2, 0.26, (0, front + 0.16, high + 0.7))]
    elif kind == "village church":
        towers, tops = (
            [box(0.36, 0.36, rise, (0, front - 0.1, rise / 2))],
            [cone(0.29, 0.6, (0, front - 0.1, rise + 0.28))],
        )
    elif kind == "cathedral":
        side = box(0.27, 0.27, rise, (width / 2 + 0.04, front, rise / 2))
        towers, tops = both_sides(side), both_sides(cone(0.21, 0.45, (width / 2 + 0.04, front, rise + 0.2)))
    else:
        towers, tops = [cylinder(0.3, 0.5, (0, 0, high + 0.3))], [dome(0.36, 0.36, (0, 0, high + 0.52))]
    mason = b.choice((wall, b.color()))
    b.part("tower", towers, mason, material=stone)
    b.part("roof", [[*roofs, *tops]], tile, b.pattern(tile, 0.2), counted=False)
    step = front - 0.29 if kind == "village church" else front
    b.part("door", [box(0.2, 0.1, 0.34, (0, step, 0.17))], b.other_color(wall, mason), material="wood")
    panes = b.integer(2, 4)
    pane = box(0.08, length * 0.45 / panes, 0.26, (width / 2, 0.08, high * 0.55))
    glass = [w for p in row(pane, panes, (0, length * 0.76 / panes, 0)) for w in both_sides(p)]
    b.part("window", glass, b.other_color(wall), material="glass")
    form = {
        "chapel": "a small bell tower on the roof",
        "village church": "one pointed tower before a long hall",
        "cathedral": "two pointed front towers before a long hall",
        "domed church": "a round dome over a long hall",
    }[kind]
    b.layout(form)
    b.symmetry("left-right")


BUILDINGS: dict[str, Family] = {
    "house": Family(house, "buildings", ("home", "dwelling"), category="spatial"),
    "castle": Family(castle, "buildings", ("stronghold",), category="spatial"),
    "church": Family(church, "buildings", ("place of worship",), category="spatial"),
    **STRUCTURES,
    **TOWERS,
}
"""Buildings by name."""
