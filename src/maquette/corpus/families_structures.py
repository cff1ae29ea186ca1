"""Object programs of bridges, temples, tents and wells; merged into `families_buildings.BUILDINGS`."""

from __future__ import annotations

import numpy as np

from maquette.corpus.profiles import bent, dome, gable
from maquette.corpus.program import Builder, Family, count_word
from maquette.corpus.solids import (
    Plane,
    Real,
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
)


def bridge(b: Builder) -> None:
    kind = b.choice(("arch bridge", "suspension bridge", "beam bridge", "covered bridge"))
    wide, high, hue = b.uniform(0.3, 0.42), b.uniform(0.34, 0.5), b.color()
    b.subtype(kind)
    b.proportion("wide" if wide > 0.38 else "narrow" if wide < 0.34 else "")
    b.symmetry("left-right")
    if kind == "arch bridge":
        arches(b, wide, high, hue)
        return
    deck = box(1.6, wide, 0.11, (0, 0, high))
    b.part("deck", [deck], hue, b.pattern(hue), b.choice(("wood", "metal", "stone")), counted=False)
    if kind == "suspension bridge":
        cables(b, wide, high, hue)
        return
    piers = b.integer(2, 5) if kind == "beam bridge" else 2
    pier = box(0.13, wide * 0.8, high, (0, 0, high / 2))
    b.part("column", row(pier, piers, (1.36 / (piers - 1), 0, 0)), b.other_color(hue), material="stone")
    if kind == "beam bridge":
        b.part("railing", railings(wide, high), b.other_color(hue))
        b.layout(f"a straight deck on {count_word(piers)} columns")
        return
    timber = b.color()
    walls = both_sides(box(1.2, 0.08, 0.34, (0, wide / 2 - 0.03, high + 0.2)), "y")
    b.part("wall", walls, timber, b.pattern(timber), "wood")
    roof = gable(wide + 0.2, 0.26, 1.3, (0, 0, high + 0.36)).turned("z", 90, (0, 0, 0))
    b.part("roof", [roof], b.other_color(timber), material="wood")
    b.layout("a walled tunnel under a gable roof on a deck")


def arches(b: Builder, wide: Real, high: Real, hue: str) -> None:
    """A bridge whose walls are pierced by round openings."""
    count, other = b.integer(1, 3), b.color()
    span = 1.6 / count - 0.12
    rise = min(high - 0.06, span / 2)
    outline: list[Plane] = [(-0.8, high), (-0.8, 0.0)]
    for i in range(count):
        middle = (i - (count - 1) / 2) * 1.6 / count
        outline += [(middle - span / 2 * np.cos(t), rise * np.sin(t)) for t in np.linspace(0, np.pi, 13)]
    outline += [(0.8, 0.0), (0.8, high)]
    b.part("arch", [front_extrusion(outline, wide)], hue, b.pattern(hue), "stone", counted=False)
    b.part("deck", [box(1.6, wide + 0.06, 0.1, (0, 0, high))], other, counted=False)
    b.part("railing", railings(wide, high), b.other_color(hue, other))
    b.layout(f"a straight deck over {count_word(count)} round {'opening' if count == 1 else 'openings'}")


def cables(b: Builder, wide: Real, high: Real, hue: str) -> None:
    """A bridge's two towers and the cables that run over them."""
    top, x = high + b.uniform(0.5, 0.65), 0.46
    posts = [box(0.1, 0.1, top, (0, y, top / 2)) for y in (-wide / 2, wide / 2)]
    posts.append(box(0.1, wide, 0.1, (0, 0, top - 0.05)))
    b.part("tower", [[p.moved(dx) for p in posts] for dx in (-x, x)], b.other_color(hue), material="metal")
    sag = [(-0.78, high), (-x, top), (-0.16, high + 0.12), (0.16, high + 0.12), (x, top), (0.78, high)]
    lines = [bent(0.05, *((u, y, v) for u, v in sag)) for y in (-wide / 2, wide / 2)]
    b.part("cable", lines, b.color(), material="metal")
    b.layout("a long deck hung from sagging cables between two towers")


def railings(wide: Real, high: Real) -> list[Solid]:
    return both_sides(box(1.6, 0.08, 0.14, (0, wide / 2 + 0.005, high + 0.1)), "y")


def temple(b: Builder) -> None:
    kind = b.choice(("greek temple", "round temple", "pagoda"))
    stone, trim, high = b.color(), b.color(), b.uniform(0.5, 0.75)
    b.subtype(kind)
    if kind == "pagoda":
        pagoda(b, stone, trim)
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


def pagoda(b: Builder, timber: str, trim: str) -> None:
    """The temple's subtype with stacked roofs."""
    tiers = b.integer(2, 5)
    shrink = [1.0 - 0.12 * i for i in range(tiers)]
    walls = [box(0.6 * k, 0.6 * k, 0.42, (0, 0, 0.19 + 0.34 * i)) for i, k in enumerate(shrink)]
    b.part("wall", [walls], timber, b.pattern(timber, 0.3), "wood", counted=False)
    roofs = [cone(0.62 * k, 0.15, (0, 0, 0.36 + 0.34 * i), top=0.34 * k) for i, k in enumerate(shrink)]
    b.part("roof", roofs, b.other_color(timber), material="tile")
    b.part("spire", [cone(0.1, 0.34, (0, 0, 0.55 + 0.34 * (tiers - 1)), top=0.03)], trim)
    b.part("door", [box(0.2, 0.1, 0.24, (0, -0.3, 0.12))], b.other_color(timber), material="wood")
    b.proportion("tall" if tiers > 3 else "low" if tiers == 2 else "")
    b.layout(f"{count_word(tiers)} stacked roofs, each smaller than the one below")
    b.symmetry("left-right")


def tent(b: Builder) -> None:
    kind = b.choice(("ridge tent", "teepee", "dome tent", "circus tent"))
    hue, trim, wide, high = b.color(), b.color(), b.uniform(0.85, 1.1), b.uniform(0.6, 0.8)
    flap, deep, poles = b.other_color(hue), b.uniform(1.0, 1.3), b.integer(3, 4)
    extras: dict[str, Solid] = {}
    b.subtype(kind)
    b.proportion("wide" if wide > 1.02 else "narrow" if wide < 0.92 else "")
    if kind == "ridge tent":
        cover, door = gable(wide, high, deep), gable(wide * 0.42, high * 0.66, 0.1, (0, -deep / 2, 0))
        sticks = both_sides(capsule(0.045, (0, deep / 2 + 0.05, 0.05), (0, deep / 2 + 0.05, high + 0.16)), "y")
        b.layout("two sloping sides meeting at a ridge between poles")
    elif kind == "teepee":
        high *= 1.6
        cover, door = cone(wide / 2, high, (0, 0, high / 2), top=0.1), gable(wide * 0.36, high * 0.42, wide * 0.5)
        door = door.moved(0, -wide * 0.22)
        sticks = around(capsule(0.045, (0.13, 0, high - 0.12), (0.34, 0, high + 0.24)), poles, 90)
        b.layout(f"a tall cone with {count_word(poles)} poles sticking out on top")
    elif kind == "dome tent":
        cover, door = dome(wide / 2, high * 0.7), disc(0.2, 0.3, (0, -wide / 2 + 0.12, 0.14), "y")
        extras["base"] = cylinder(wide / 2 + 0.06, 0.1, (0, 0, 0.05))
        sticks = []
        b.layout("a half ball standing on the ground, door in front")
    else:
        high *= 0.7
        cover, door = cylinder(wide / 2, high, (0, 0, high / 2)), box(0.26, 0.16, 0.3, (0, -wide / 2 + 0.03, 0.15))
        sticks = [capsule(0.045, (0, 0, high + 0.4), (0, 0, high + 0.75))]
        extras["roof"] = cone(wide / 2 + 0.07, 0.45, (0, 0, high + 0.22), top=0.06)
        extras["flag"] = box(0.26, 0.07, 0.16, (0.15, 0, high + 0.7))
        b.layout("a round hall under a pointed roof with a flag")
    b.part("cover", [cover], hue, b.pattern(hue, 0.5), "fabric")
    for name, solid in extras.items():
        b.part(name, [solid], b.other_color(hue), material="fabric")
    b.part("door", [door], flap, material="fabric")
    b.part("pole", sticks, trim, material="wood")
    b.symmetry("none" if kind == "circus tent" else "left-right")


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
    b.part("pole", both_sides(box(0.1, 0.1, top, (wide, 0, top / 2))), timber, material="wood")
    if kind == "open well":
        beam: list[Solid] = [rod(0.055, (-wide, 0, top - 0.06), (wide, 0, top - 0.06))]
        b.layout("a ring of stones with two poles and a beam")
    else:
        beam = [gable(wide * 1.5, 0.34, wide * 2 + 0.36, (0, 0, top - 0.04)).turned("z", 90, (0, 0, 0))]
        b.layout(f"a {'square' if kind == 'square well' else 'round'} wall under a gable roof on two poles")
    b.part("beam" if kind == "open well" else "roof", [beam], b.other_color(timber), material="wood")
    pail = [cone(0.11, 0.22, (0, 0, high + 0.1), top=0.14), capsule(0.05, (0, 0, high + 0.2), (0, 0, top + 0.04))]
    b.part("bucket", [pail], b.other_color(stone, timber), material="wood")
    b.symmetry("left-right")


STRUCTURES: dict[str, Family] = {
    "bridge": Family(bridge, "buildings", ("crossing",), category="spatial"),
    "temple": Family(temple, "buildings", ("shrine",), category="rare"),
    "tent": Family(tent, "buildings", ("shelter",)),
    "well": Family(well, "buildings", ("water well",), rare=True, category="rare"),
}
"""Open and light buildings by name."""
