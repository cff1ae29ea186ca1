"""Object programs of the group "buildings"; the towers are in `families_towers`."""

from __future__ import annotations

import numpy as np

from maquette.corpus.families_towers import TOWERS
from maquette.corpus.profiles import bent, dome, gable
from maquette.corpus.program import Builder, Family, count_word
from maquette.corpus.solids import (
    Solid,
    around,
    both_sides,
    box,
    capsule,
    cone,
    cylinder,
    disc,
    front_extrusion,
    rod,
    row,
    torus,
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


def battlement(ring: float, z: float, count: int, size: float) -> list[Solid]:
    """Square teeth around a round wall top."""
    return around(box(size, size, size, (ring, 0, z)), count, 0.0)


def castle(b: Builder) -> None:
    kind = b.choice(("castle", "fortress", "fairy castle"))
    towers = b.integer(3, 6) if kind == "fortress" else 4
    reach, high, girth = b.uniform(0.5, 0.6), b.uniform(0.42, 0.6), b.uniform(0.14, 0.18)
    stone, tall = b.color(), b.uniform(0.75, 1.05)
    b.subtype(kind)
    b.proportion("tall" if tall > 0.95 else "low" if tall < 0.82 else "")
    start = 45.0 if towers == 4 else -90.0 + 180.0 / towers
    spots = [np.radians(start + 360 * i / towers) for i in range(towers)]
    spread = reach * 1.3
    corners = [(float(spread * np.cos(t)), float(spread * np.sin(t))) for t in spots]
    walls = [
        box(float(np.hypot(u[0] - v[0], u[1] - v[1])), 0.14, high, (0, 0, 0))
        for u, v in zip(corners, corners[1:] + corners[:1], strict=True)
    ]
    placed = []
    for solid, u, v in zip(walls, corners, corners[1:] + corners[:1], strict=True):
        angle = float(np.degrees(np.arctan2(v[1] - u[1], v[0] - u[0])))
        placed.append(solid.turned("z", angle).moved((u[0] + v[0]) / 2, (u[1] + v[1]) / 2, high / 2))
    b.part("wall", [placed], stone, b.pattern(stone), "stone", counted=False)
    hue = b.choice((stone, b.color()))
    b.part("tower", [cylinder(girth, tall, (x, y, tall / 2)) for x, y in corners], hue, b.pattern(hue, 0.2), "stone")
    tile = b.other_color(hue)
    if kind == "fairy castle" or b.chance(0.5):
        caps = [cone(girth + 0.07, 0.4, (x, y, tall + 0.19)) for x, y in corners]
        top = "pointed roofs"
    else:
        caps = [
            [box(0.1, 0.1, 0.1, (x + dx, y + dy, tall + 0.04)) for dx in (-0.1, 0.1) for dy in (-0.1, 0.1)]
            + [cylinder(girth + 0.04, 0.08, (x, y, tall - 0.04))]
            for x, y in corners
        ]
        top = "toothed tops"
    b.part("roof", caps, tile)
    if kind == "fairy castle":
        b.part(
            "keep",
            [[cylinder(0.27, 1.3, (0, 0, 0.65)), cone(0.34, 0.5, (0, 0, 1.54))]],
            b.other_color(stone),
            material="stone",
        )
        b.part("ground", [cylinder(spread, 0.08, (0, 0, 0.04))], stone, counted=False)
    b.part(
        "gate",
        [
            box(
                0.26,
                0.22,
                0.34,
                (
                    0,
                    float(spread * np.sin(spots[0] if towers == 4 else np.pi / 2)) * -1
                    if towers == 4
                    else -spread * np.cos(np.pi / towers),
                    0.17,
                ),
            )
        ],
        b.other_color(stone),
        material="wood",
    )
    b.layout(f"{count_word(towers)} round towers joined by walls, {top}")
    b.symmetry("four-fold" if towers == 4 else "three-fold" if towers == 3 else "left-right")


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


def bridge(b: Builder) -> None:
    kind = b.choice(("arch bridge", "suspension bridge", "beam bridge", "covered bridge"))
    length, wide, high = 1.6, b.uniform(0.3, 0.42), b.uniform(0.34, 0.5)
    hue, other = b.color(), b.color()
    b.subtype(kind)
    b.proportion("wide" if wide > 0.38 else "narrow" if wide < 0.34 else "")
    if kind == "arch bridge":
        arches = b.integer(1, 3)
        span = length / arches - 0.12
        rise = min(high - 0.06, span / 2)
        outline: list[tuple[float, float]] = [(-length / 2, high), (-length / 2, 0.0)]
        for i in range(arches):
            middle = (i - (arches - 1) / 2) * length / arches
            outline += [(middle - span / 2 * np.cos(t), rise * np.sin(t)) for t in np.linspace(0, np.pi, 13)]
        outline += [(length / 2, 0.0), (length / 2, high)]
        b.part("arch", [front_extrusion(outline, wide)], hue, b.pattern(hue), "stone", counted=False)
        b.part("deck", [box(length, wide + 0.06, 0.1, (0, 0, high))], other, counted=False)
        b.layout(f"a straight deck over {count_word(arches)} round {'opening' if arches == 1 else 'openings'}")
    else:
        b.part(
            "deck",
            [box(length, wide, 0.11, (0, 0, high))],
            hue,
            b.pattern(hue),
            b.choice(("wood", "metal", "stone")),
            counted=False,
        )
    if kind == "suspension bridge":
        top, x = high + b.uniform(0.45, 0.6), 0.46
        posts = [box(0.1, 0.1, top, (0, y, top / 2)) for y in (-wide / 2, wide / 2)] + [
            box(0.1, wide, 0.1, (0, 0, top - 0.05))
        ]
        b.part("tower", [[p.moved(dx) for p in posts] for dx in (-x, x)], b.other_color(hue), material="metal")
        sag = [
            (-0.78, high),
            (-x, top),
            (-x / 2, high + 0.2),
            (0, high + 0.1),
            (x / 2, high + 0.2),
            (x, top),
            (0.78, high),
        ]
        b.part(
            "cable", [bent(0.04, *((u, y, v) for u, v in sag)) for y in (-wide / 2, wide / 2)], other, material="metal"
        )
        b.layout("a long deck hung from sagging cables between two towers")
    if kind in ("beam bridge", "covered bridge"):
        piers = b.integer(2, 5) if kind == "beam bridge" else 2
        pier = box(0.13, wide * 0.8, high, (0, 0, high / 2))
        b.part("pillar", row(pier, piers, (1.36 / (piers - 1), 0, 0)), b.other_color(hue), material="stone")
        b.layout(f"a straight deck on {count_word(piers)} pillars")
    if kind == "covered bridge":
        b.part(
            "wall",
            both_sides(box(1.2, 0.07, 0.34, (0, wide / 2 - 0.03, high + 0.2)), "y"),
            other,
            b.pattern(other),
            "wood",
        )
        roof = gable(wide + 0.2, 0.26, 1.3, (0, 0, high + 0.36)).turned("z", 90, (0, 0, 0))
        b.part("roof", [roof], b.other_color(other), material="wood")
        b.layout("a walled tunnel under a gable roof on a deck")
    elif kind != "suspension bridge":
        rail = box(length, 0.07, 0.14, (0, wide / 2 + 0.005, high + 0.1))
        b.part("railing", both_sides(rail, "y"), b.other_color(hue, other))
    b.symmetry("left-right")


def temple(b: Builder) -> None:
    kind = b.choice(("greek temple", "round temple", "pagoda"))
    stone, trim, high = b.color(), b.color(), b.uniform(0.5, 0.75)
    b.subtype(kind)
    if kind == "pagoda":
        tiers = b.integer(2, 5)
        shrink = [1.0 - 0.12 * i for i in range(tiers)]
        walls = [box(0.6 * k, 0.6 * k, 0.42, (0, 0, 0.19 + 0.34 * i)) for i, k in enumerate(shrink)]
        b.part("wall", [walls], stone, b.pattern(stone, 0.3), "wood", counted=False)
        roofs = [cone(0.62 * k, 0.15, (0, 0, 0.36 + 0.34 * i), top=0.34 * k) for i, k in enumerate(shrink)]
        b.part("roof", roofs, b.other_color(stone), material="tile")
        top = 0.43 + 0.34 * (tiers - 1)
        b.part("spire", [cone(0.1, 0.34, (0, 0, top + 0.12), top=0.03)], trim)
        b.part("door", [box(0.2, 0.1, 0.24, (0, -0.3, 0.12))], b.other_color(stone), material="wood")
        b.proportion("tall" if tiers > 3 else "low" if tiers == 2 else "")
        b.layout(f"{count_word(tiers)} stacked roofs, each smaller than the one below")
        b.symmetry("four-fold")
        return
    b.proportion("tall" if high > 0.68 else "low" if high < 0.57 else "")
    columns = b.integer(3, 6) if kind == "greek temple" else b.integer(5, 8)
    if kind == "greek temple":
        width, deep = 1.25, b.uniform(0.9, 1.2)
        steps = [box(width + 0.2, deep + 0.2, 0.1, (0, 0, 0.05)), box(width + 0.06, deep + 0.06, 0.1, (0, 0, 0.14))]
        hall = [box(width - 0.12, deep - 0.4, high, (0, 0.18, 0.18 + high / 2))]
        thick = 0.075 if columns < 6 else 0.062
        shaft = row(
            cylinder(thick, high, (0, -deep / 2 + 0.09, 0.18 + high / 2)),
            columns,
            ((width - 0.2) / (columns - 1), 0, 0),
        )
        cover = gable(width + 0.1, 0.36, deep + 0.06, (0, 0, 0.26 + high))
        beam: Solid = box(width, deep, 0.11, (0, 0, 0.22 + high))
        b.layout(f"a front row of {count_word(columns)} columns under a gable roof")
        b.symmetry("left-right")
    else:
        steps = [cylinder(0.66, 0.1, (0, 0, 0.05)), cylinder(0.58, 0.1, (0, 0, 0.14))]
        hall = [cylinder(0.24, high, (0, 0, 0.18 + high / 2))]
        shaft = around(cylinder(0.075, high, (0.46, 0, 0.18 + high / 2)), columns, 90)
        cover, beam = dome(0.56, b.uniform(0.3, 0.45), (0, 0, 0.26 + high)), cylinder(0.58, 0.11, (0, 0, 0.22 + high))
        b.layout(f"a ring of {count_word(columns)} columns under a dome")
        b.symmetry("round")
    b.part("base", [steps], stone, b.pattern(stone, 0.2), "stone")
    b.part("wall", [hall], b.other_color(trim), material="stone", counted=False)
    b.part("column", shaft, trim, b.pattern(trim, 0.2), "stone")
    tile = b.other_color(trim)
    b.part("roof", [[cover, beam]], tile, b.pattern(tile, 0.2))


def tent(b: Builder) -> None:
    kind = b.choice(("ridge tent", "teepee", "dome tent", "circus tent"))
    hue, trim, wide = b.color(), b.color(), b.uniform(0.85, 1.1)
    b.subtype(kind)
    b.proportion("wide" if wide > 1.02 else "narrow" if wide < 0.92 else "")
    if kind == "ridge tent":
        deep, high = b.uniform(1.0, 1.3), b.uniform(0.6, 0.8)
        b.part("cover", [gable(wide, high, deep)], hue, b.pattern(hue, 0.5), "fabric")
        b.part("door", [gable(wide * 0.42, high * 0.66, 0.1, (0, -deep / 2, 0))], b.other_color(hue), material="fabric")
        b.part(
            "pole",
            [capsule(0.045, (0, y, 0.05), (0, y, high + 0.16)) for y in (-deep / 2 - 0.05, deep / 2 + 0.05)],
            trim,
            material="wood",
        )
        b.layout("two sloping sides meeting at a ridge between poles")
        b.symmetry("left-right")
    elif kind == "teepee":
        high, poles = b.uniform(1.0, 1.3), b.integer(3, 5)
        b.part("cover", [cone(wide / 2, high, (0, 0, high / 2), top=0.09)], hue, b.pattern(hue, 0.5), "fabric")
        b.part(
            "door",
            [gable(wide * 0.36, high * 0.42, wide * 0.4, (0, -wide * 0.26, 0))],
            b.other_color(hue),
            material="fabric",
        )
        stick = capsule(0.045, (0.06, 0, high - 0.1), (0.27, 0, high + 0.28))
        b.part("pole", around(stick, poles, 90), trim, material="wood")
        b.layout(f"a tall cone with {count_word(poles)} poles sticking out on top")
        b.symmetry("round")
    elif kind == "dome tent":
        b.part("cover", [dome(wide / 2, b.uniform(0.42, 0.55))], hue, b.pattern(hue, 0.5), "fabric")
        b.part("door", [disc(0.2, 0.3, (0, -wide / 2 + 0.12, 0.14), "y")], b.other_color(hue), material="fabric")
        b.part("pole", [torus(wide / 2 - 0.02, 0.045).turned("x", 90).turned("z", a) for a in ()], trim)
        b.layout("a half ball standing on the ground, door in front")
        b.symmetry("left-right")
    else:
        high, flags = b.uniform(0.4, 0.55), b.integer(1, 1)
        b.part("cover", [cylinder(wide / 2, high, (0, 0, high / 2))], hue, b.pattern(hue, 0.7), "fabric")
        b.part(
            "roof", [cone(wide / 2 + 0.07, 0.45, (0, 0, high + 0.22), top=0.06)], b.other_color(hue), material="fabric"
        )
        b.part("door", [box(0.26, 0.16, 0.3, (0, -wide / 2 + 0.03, 0.15))], b.other_color(hue), material="fabric")
        b.part("pole", [capsule(0.045, (0, 0, high + 0.4), (0, 0, high + 0.75))], trim, material="wood")
        b.part("flag", [box(0.26, 0.06, 0.16, (0.15, 0, high + 0.7))] * flags, b.other_color(trim), material="fabric")
        b.layout("a round hall under a pointed roof with a flag")
        b.symmetry("round")


def well(b: Builder) -> None:
    kind = b.choice(("roofed well", "open well", "square well"))
    wide, high, stone = b.uniform(0.4, 0.5), b.uniform(0.34, 0.5), b.color()
    b.subtype(kind)
    b.proportion("tall" if high > 0.45 else "low" if high < 0.38 else "")
    if kind == "square well":
        ring: list[Solid] = [box(wide * 2, 0.14, high, (0, y, high / 2)) for y in (0.07 - wide, wide - 0.07)]
        ring += [box(0.14, wide * 2, high, (x, 0, high / 2)) for x in (0.07 - wide, wide - 0.07)]
    else:
        ring = around(box(0.14, wide * 0.86, high, (wide - 0.07, 0, high / 2)), 8)
    b.part("wall", [ring], stone, b.pattern(stone, 0.5), b.choice(("stone", "brick")), counted=False)
    b.part(
        "water",
        [cylinder(wide - 0.1, high * 0.5, (0, 0, high * 0.25))],
        b.color("blue", "cyan", "teal", "navy"),
        counted=False,
    )
    timber, top = b.other_color(stone), high + 0.6
    b.part("post", both_sides(box(0.1, 0.1, top, (wide, 0, top / 2))), timber, material="wood")
    if kind == "open well":
        beam: list[Solid] = [rod(0.055, (-wide, 0, top - 0.06), (wide, 0, top - 0.06))]
        b.layout("a ring of stones with two posts and a beam")
    else:
        beam = [gable(wide * 1.5, 0.34, wide * 2 + 0.36, (0, 0, top - 0.04)).turned("z", 90, (0, 0, 0))]
        b.layout(f"a {'square' if kind == 'square well' else 'round'} wall under a gable roof on two posts")
    b.part("beam" if kind == "open well" else "roof", [beam], b.other_color(timber), material="wood")
    pail = [cone(0.11, 0.22, (0, 0, high + 0.1), top=0.14), capsule(0.03, (0, 0, high + 0.2), (0, 0, top))]
    b.part("bucket", [pail], b.other_color(stone, timber), material="wood")
    b.symmetry("left-right")


BUILDINGS: dict[str, Family] = {
    "house": Family(house, "buildings", ("home", "dwelling"), category="spatial"),
    "castle": Family(castle, "buildings", ("stronghold",), category="spatial"),
    "church": Family(church, "buildings", ("place of worship",), category="spatial"),
    "bridge": Family(bridge, "buildings", ("crossing",), category="spatial"),
    "temple": Family(temple, "buildings", ("shrine",), category="rare"),
    "tent": Family(tent, "buildings", ("shelter",)),
    "well": Family(well, "buildings", ("water well",), rare=True, category="rare"),
    **TOWERS,
}
"""Buildings by name."""
