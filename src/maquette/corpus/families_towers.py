"""Object programs of tall buildings: tower, windmill, lighthouse, skyscraper; merged into `families_buildings.BUILDINGS`."""

from __future__ import annotations

from maquette.corpus.profiles import dome
from maquette.corpus.program import Builder, Family, count_word
from maquette.corpus.solids import (
    Solid,
    around,
    box,
    capsule,
    cone,
    cylinder,
    disc,
    four_corners,
    rod,
)


def tower(b: Builder) -> None:
    kind = b.choice(("clock tower", "water tower", "watchtower", "leaning tower"))
    hue, trim, high, wide = b.color(), b.color(), b.uniform(1.0, 1.4), b.uniform(0.34, 0.44)
    b.subtype(kind)
    b.proportion("slim" if high / wide > 3.3 else "thick" if high / wide < 2.6 else "")
    if kind == "clock tower":
        b.part(
            "wall",
            [box(wide, wide, high, (0, 0, high / 2))],
            hue,
            b.pattern(hue),
            b.choice(("stone", "brick")),
            counted=False,
        )
        b.part("roof", [cone(wide * 0.75, 0.46, (0, 0, high + 0.21))], b.other_color(hue), material="tile")
        faces = b.choice((1, 2, 4))
        clock = disc(wide * 0.3, 0.1, (0, -wide / 2, high - wide * 0.5), "y")
        b.part("clock", around(clock, faces), b.other_color(hue))
        b.part("door", [box(0.17, 0.1, 0.26, (0, -wide / 2, 0.13))], b.other_color(hue), material="wood")
        b.layout(f"a square tower with {count_word(faces)} {'clock' if faces == 1 else 'clocks'} under a pointed roof")
        b.symmetry("left-right")
    elif kind == "leaning tower":
        tiers, lean = b.integer(3, 6), b.uniform(6, 11)
        step = high / tiers
        turn = [cylinder(wide * 0.42, high, (0, 0, high / 2))]
        rings = [cylinder(wide * 0.55, 0.08, (0, 0, 0.04 + step * i)) for i in range(tiers)]
        b.part("wall", [s.turned("y", lean, (0, 0, 0)) for s in turn], hue, b.pattern(hue, 0.3), "stone", counted=False)
        b.part("ring", [s.turned("y", lean, (0, 0, 0)) for s in rings], b.other_color(hue), material="stone")
        top = cylinder(wide * 0.34, 0.24, (0, 0, high + 0.1)).turned("y", lean, (0, 0, 0))
        b.part("top", [top], trim, material="stone")
        b.layout(f"a round tower leaning sideways with {count_word(tiers)} rings")
        b.symmetry("none")
    else:
        legs = b.integer(3, 6) if kind == "water tower" else 4
        tank: list[Solid] = [box(0.62, 0.62, 0.4, (0, 0, high + 0.16))]
        if kind == "water tower":
            tank = [cylinder(0.36, 0.5, (0, 0, high + 0.2))]
        b.part("cabin" if kind == "watchtower" else "tank", [tank], hue, b.pattern(hue), b.choice(("wood", "metal")))
        prop = rod(0.09, (0.34, 0, 0), (0.28, 0, high + 0.12))
        b.part("leg", around(prop, legs, 45), b.other_color(hue), material="wood")
        cover = cone(
            0.42 if kind == "water tower" else 0.52, 0.32, (0, 0, high + (0.59 if kind == "water tower" else 0.5))
        )
        b.part("roof", [cover], b.other_color(hue))
        if kind == "watchtower":
            b.part(
                "window", around(box(0.3, 0.1, 0.17, (0, -0.31, high + 0.2)), 4), b.other_color(hue), material="glass"
            )
        b.layout(f"a {'boxy cabin' if kind == 'watchtower' else 'round tank'} raised on {count_word(legs)} long legs")
        b.symmetry("three-fold" if legs == 3 else "four-fold" if legs == 4 else "round")


def windmill(b: Builder) -> None:
    kind = b.choice(("dutch windmill", "post mill", "wind turbine"))
    blades, high, hue = b.integer(3, 6), b.uniform(0.9, 1.15), b.color()
    reach, size = b.uniform(0.6, 0.7), {3: 0.22, 4: 0.2, 5: 0.14, 6: 0.12}[blades]
    b.subtype(kind)
    if kind == "wind turbine":
        blades, high = b.integer(3, 4), high + 0.1
        b.part("tower", [cone(0.12, high, (0, 0, high / 2), top=0.075)], hue, b.pattern(hue, 0.3), "metal")
        b.part("head", [capsule(0.11, (0, -0.1, high), (0, 0.2, high))], b.color(), material="metal")
        front, size = -0.2, 0.12
    elif kind == "post mill":
        b.part("tower", [box(0.5, 0.55, 0.6, (0, 0, high - 0.1))], hue, b.pattern(hue), "wood")
        b.part(
            "leg",
            four_corners(rod(0.06, (0.3, 0.3, 0), (0.14, 0.14, high - 0.35))),
            b.other_color(hue),
            material="wood",
        )
        front = -0.36
    else:
        wall = b.choice(("stone", "brick", "wood"))
        b.part("tower", [cone(0.38, high, (0, 0, high / 2), top=0.25)], hue, b.pattern(hue), wall)
        b.part("roof", [dome(0.3, 0.3, (0, 0, high - 0.02))], b.other_color(hue))
        b.part("door", [box(0.18, 0.16, 0.28, (0, -0.33, 0.14))], b.other_color(hue), material="wood")
        front = -0.36
    b.proportion("tall" if high > 1.12 else "low" if high < 0.97 else "")
    axis = (0, front, high)
    sail = box(size, 0.085, reach - 0.18, (0, front, high + 0.18 + (reach - 0.18) / 2))
    b.part("blade", around(sail, blades, b.uniform(0, 40), axis, "y"), b.other_color(hue), material="wood")
    hub = disc(0.2 if blades > 4 else 0.19, 0.2, (0, front + 0.03, high), "y")
    b.part("hub", [hub], b.color(), counted=False)
    b.layout(f"{count_word(blades)} blades turning in front of a {'slim pole' if kind == 'wind turbine' else 'tower'}")
    b.symmetry("none")


def lighthouse(b: Builder) -> None:
    kind = b.choice(("round lighthouse", "square lighthouse", "stepped lighthouse"))
    hue, high, foot = b.color(), b.uniform(0.9, 1.3), b.uniform(0.24, 0.32)
    b.subtype(kind)
    b.proportion("tall" if high > 1.15 else "short" if high < 1.0 else "")
    top = foot * 0.68
    if kind == "round lighthouse":
        shaft: list[Solid] = [cone(foot, high, (0, 0, high / 2 + 0.1), top=top)]
    elif kind == "square lighthouse":
        shaft = [box(foot * 1.6, foot * 1.6, high, (0, 0, high / 2 + 0.1))]
        top, foot = foot * 0.8, foot * 0.8
    else:
        shaft = [
            cylinder(r * foot, high / 3 + 0.02, (0, 0, 0.1 + high * (i + 0.5) / 3))
            for i, r in enumerate((1.1, 0.88, 0.66))
        ]
        foot *= 1.1
    b.part(
        "tower",
        [shaft],
        hue,
        b.pattern(hue, 0.7, ("striped", "striped", "two-tone", "gradient")),
        b.choice(("stone", "brick")),
    )
    roof, z = b.other_color(hue), high + 0.1
    b.part("balcony", [cylinder(top + 0.12, 0.09, (0, 0, z + 0.02))], roof, material="metal")
    b.part(
        "lamp",
        [cylinder(top * 0.75, 0.24, (0, 0, z + 0.17))],
        b.color("yellow", "white", "orange", "cyan", "lime"),
        material="glass",
    )
    cap = b.choice((dome(top + 0.05, 0.2, (0, 0, z + 0.28)), cone(top + 0.06, 0.28, (0, 0, z + 0.41))))
    b.part("roof", [cap], b.choice((roof, b.other_color(hue))))
    base = b.other_color(hue)
    b.part("base", [cylinder(foot + 0.18, 0.14, (0, 0, 0.07))], base, material="stone")
    b.layout("a lamp room with a balcony on a shaft")
    b.symmetry("round" if kind != "square lighthouse" else "four-fold")


def skyscraper(b: Builder) -> None:
    kind = b.choice(("skyscraper", "stepped skyscraper", "twin skyscraper", "round skyscraper"))
    hue, glass, high = b.color(), b.color(), b.uniform(1.2, 1.6)
    wide = b.uniform(0.4, 0.52)
    b.subtype(kind)
    b.proportion("tall" if high > 1.45 else "")
    bands, count = b.integer(3, 6), 1
    z0, step = 0.2, (high - 0.3) / bands
    if kind == "twin skyscraper":
        shaft: list[list[Solid]] = [[box(wide * 0.8, wide, high, (x, 0, high / 2))] for x in (-0.36, 0.36)]
        panes = [
            [box(wide * 0.8 + 0.06, wide + 0.06, step * 0.45, (x, 0, z0 + step * (i + 0.5))) for x in (-0.36, 0.36)]
            for i in range(bands)
        ]
        roof: list[Solid] = [box(0.4, 0.2, 0.12, (0, 0, high * 0.6))]
        count = 2
    elif kind == "round skyscraper":
        shaft = [[cylinder(wide / 2, high, (0, 0, high / 2))]]
        panes = [[cylinder(wide / 2 + 0.035, step * 0.45, (0, 0, z0 + step * (i + 0.5)))] for i in range(bands)]
        roof = [dome(wide / 2 + 0.02, 0.22, (0, 0, high - 0.02))]
    elif kind == "stepped skyscraper":
        bands = b.integer(2, 4)
        rise = high / bands
        sizes = [wide * (1.35 - 0.26 * i) for i in range(bands)]
        shaft = [[box(w, w, rise + 0.01, (0, 0, rise * (i + 0.5))) for i, w in enumerate(sizes)]]
        panes = [[box(w + 0.06, w + 0.06, rise * 0.4, (0, 0, rise * (i + 0.5)))] for i, w in enumerate(sizes)]
        roof = [cone(sizes[-1] * 0.5, 0.3, (0, 0, high + 0.13))]
    else:
        shaft = [[box(wide, wide, high, (0, 0, high / 2))]]
        panes = [[box(wide + 0.06, wide + 0.06, step * 0.45, (0, 0, z0 + step * (i + 0.5)))] for i in range(bands)]
        roof = [
            box(wide * 0.5, wide * 0.5, 0.14, (0, 0, high + 0.06)),
            capsule(0.045, (0, 0, high), (0, 0, high + 0.45)),
        ]
    b.part("tower", shaft, hue, b.pattern(hue, 0.2, ("gradient", "two-tone")), b.choice(("metal", "stone", "concrete")))
    b.part("band", panes, b.other_color(hue), material="glass", counted=count == 1)
    b.part("bridge" if count == 2 else "roof", [roof], glass)
    plinth = box(1.3 if count == 2 else wide * 1.6, wide * 1.6, 0.12, (0, 0, 0.06))
    b.part("base", [plinth], b.other_color(hue), material="stone")
    shape = {"twin skyscraper": "two equal blocks", "stepped skyscraper": "blocks narrowing step by step"}
    number = "even" if count == 2 else count_word(bands)
    b.layout(f"{shape.get(kind, 'one upright block')} with {number} bands of windows")
    b.symmetry("left-right" if count == 2 else "round" if kind == "round skyscraper" else "four-fold")


TOWERS: dict[str, Family] = {
    "tower": Family(tower, "buildings", ("spire",), category="spatial"),
    "windmill": Family(windmill, "buildings", ("mill",), rare=True, category="mechanical"),
    "lighthouse": Family(lighthouse, "buildings", ("beacon",), category="spatial"),
    "skyscraper": Family(skyscraper, "buildings", ("high-rise", "office tower"), category="spatial"),
}
"""Tall buildings by name."""
