"""Instruments of music."""

from __future__ import annotations

from maquette.corpus.profiles import bent
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
    revolve,
    rod,
    row,
    sphere,
    torus,
)


def guitar_body(b: Builder, kind: str, deep: float) -> tuple[list[Solid], float]:
    """The body's solids and the height at which the neck begins."""
    if kind == "electric guitar":
        long, short = b.uniform(0.6, 0.72), b.uniform(0.44, 0.54)
        right = [
            (-0.24, 0.06),
            (0.0, 0.0),
            (0.24, 0.06),
            (0.26, 0.24),
            (0.16, 0.36),
            (0.26, short),
            (0.2, short + 0.02),
        ]
        left = [(0.07, 0.42), (-0.07, 0.42), (-0.22, long), (-0.3, long - 0.06), (-0.17, 0.34), (-0.27, 0.22)]
        return [front_extrusion([*right, *left], deep)], 0.4
    if kind == "banjo":
        return [disc(0.28, 0.16, at=(0, 0, 0.28), axis="y")], 0.54
    big = b.uniform(0.25, 0.3)
    bouts = [disc(big, deep, at=(0, 0, big), axis="y"), disc(big * 0.76, deep, at=(0, 0, 0.45), axis="y")]
    return bouts, 0.45 + big * 0.74


def guitar(b: Builder) -> None:
    kind, paint, neck, pegs = (
        b.choice(("acoustic guitar", "electric guitar", "ukulele", "banjo")),
        b.color(),
        b.uniform(0.5, 0.7),
        b.choice((4, 6)),
    )
    neck = b.uniform(0.3, 0.4) if kind == "ukulele" else neck
    pegs = 4 if kind == "ukulele" else pegs
    deep = 0.14 if kind == "electric guitar" else 0.2
    body, low = guitar_body(b, kind, deep)
    b.part("body", [body], paint, b.pattern(paint, 0.35), "wood", counted=False)
    top = low + neck
    b.part(
        "neck",
        [box(0.11, 0.11, neck + 0.08, at=(0, -deep / 2 + 0.02, low + neck / 2))],
        b.other_color(paint),
        material="wood",
    )
    head_long = 0.28 if pegs == 6 else 0.22
    b.part(
        "head", [box(0.18, 0.1, head_long, at=(0, -deep / 2 + 0.02, top + head_long / 2))], b.color(), material="wood"
    )
    peg = box(0.13, 0.08, 0.06, at=(0.12, -deep / 2 + 0.02, top + head_long / 2))
    b.part(
        "peg",
        [p for q in row(peg, pegs // 2, (0, 0, 0.11 if pegs == 6 else 0.13)) for p in both_sides(q)],
        b.color(),
        material="metal",
    )
    front = b.other_color(paint)
    hole = (
        box(0.22, 0.1, 0.09, at=(0, -deep / 2, 0.17))
        if kind == "electric guitar"
        else disc(0.2 if kind == "banjo" else 0.1, 0.09, at=(0, -deep / 2, 0.28 if kind == "banjo" else 0.42), axis="y")
    )
    b.part({"electric guitar": "bridge", "banjo": "skin"}.get(kind, "sound hole"), [hole], front)
    b.subtype(kind)
    b.proportion("long-necked" if neck > 0.6 else "small" if kind == "ukulele" else "")
    what = {"electric guitar": "a two-horned body", "banjo": "a round body"}.get(kind, "a waisted body")
    b.layout(f"{what} under a neck with {count_word(pegs)} pegs")
    b.symmetry("none" if kind == "electric guitar" else "left-right")


def drum(b: Builder) -> None:
    kind, r, h, paint = (
        b.choice(("drum", "standing drum", "bongo pair", "goblet drum")),
        b.uniform(0.28, 0.4),
        b.uniform(0.3, 0.5),
        b.color(),
    )
    drums, low = (2 if kind == "bongo pair" else 1), (0.34 if kind == "standing drum" else 0.0)
    skin, rim = b.other_color(paint), b.color()
    radii = [r, r * 0.75] if drums == 2 else [r]
    x = [-r + 0.03, r * 0.75 + 0.03 + 0.06] if drums == 2 else [0.0]
    if kind == "goblet drum":
        h = b.uniform(0.7, 0.9)
        shells = [
            revolve([(0, 0), (r * 0.75, 0), (r * 0.42, h * 0.4), (r * 0.5, h * 0.55), (r, h * 0.8), (r, h), (0, h)])
        ]
    else:
        shells = [cylinder(v, h, at=(c, 0, low + h / 2)) for v, c in zip(radii, x, strict=True)]
    b.part("shell", shells, paint, b.pattern(paint, 0.5), "wood")
    if drums == 2:
        b.part("bar", [box(0.3, 0.14, 0.12, at=(0.05, 0, h * 0.5))], rim, material="wood")
    else:
        levels = [low + h - 0.03] if kind == "goblet drum" else [low + 0.05, low + h - 0.05]
        b.part("rim", [cylinder(r + 0.045, 0.09, at=(0, 0, z)) for z in levels], rim, material="metal")
    b.part(
        "skin",
        [cylinder(v - 0.03, 0.09, at=(c, 0, low + h + 0.01)) for v, c in zip(radii, x, strict=True)],
        skin,
        material="leather",
    )
    legs = b.integer(3, 4) if kind == "standing drum" else 0
    b.part("leg", around(rod(0.05, (0, -r - 0.08, 0), (0, -r + 0.06, low + 0.06)), legs), b.color(), material="metal")
    sticks = b.integer(0, 2) if kind in ("drum", "standing drum") else 0
    stick = [capsule(0.045, (0, -0.3, 0), (0, 0.3, 0)), sphere(0.075, at=(0, 0.32, 0))]
    offsets = [0.0] if sticks == 1 else [-0.13, 0.13]
    b.part(
        "stick",
        [[s.moved(o, -0.1, low + h + 0.09) for s in stick] for o in offsets[:sticks]],
        b.color(),
        material="wood",
    )
    b.subtype(kind)
    b.proportion("wide" if drums == 1 and 2 * r > h + 0.35 else "tall" if kind == "goblet drum" and h > 0.8 else "")
    said = {"bongo pair": "a large and a small drum joined by a bar", "goblet drum": "a narrow foot under a wide bowl"}
    under = f" on {count_word(legs)} legs" if legs else ""
    over = f" under {count_word(sticks)} stick{'s' * (sticks > 1)}" if sticks else ""
    b.layout(said.get(kind, f"a round shell{under}{over or ' with two rims'}"))
    b.symmetry("round" if kind == "goblet drum" else "left-right" if drums == 1 else "none")


def french_horn(b: Builder, valves: int, bell: float, paint: str, second: str) -> None:
    coil = [torus(0.3, 0.06).turned("x", 90).moved(dz=0.45), rod(0.055, (0.24, 0, 0.22), (0.5, 0, 0.1))]
    b.part("tube", [[*coil, rod(0.055, (-0.24, 0, 0.66), (-0.36, 0, 0.92))]], paint, b.pattern(paint, 0.3), "metal")
    b.part("bell", [rod(0.05, (0.26, 0, 0.24), (0.6, 0, 0.06), bell)], second, material="metal")
    b.part("mouthpiece", [rod(0.05, (-0.34, 0, 0.87), (-0.4, 0, 1.0), 0.09)], b.other_color(paint), material="metal")
    valve = [cylinder(0.05, 0.2, at=(0, 0, 0.79)), cylinder(0.05, 0.16, at=(0, 0, 0.67))]
    b.part(
        "valve",
        [[v.moved(dx=0.05 + 0.15 * (i - (valves - 1) / 2)) for v in valve] for i in range(valves)],
        b.color(),
        material="metal",
    )


def straight_horn(b: Builder, kind: str, valves: int, long: float, bell: float, paint: str, second: str) -> None:
    half, z = long / 2, 0.4
    tubes = [disc(0.055, long, at=(0, 0, z))]
    if kind == "trumpet":
        tubes += [
            disc(0.05, 0.5, at=(0, 0, z - 0.24)),
            *bent(0.05, (0.24, 0, z - 0.24), (0.33, 0, z - 0.12), (0.24, 0, z)),
            *bent(0.05, (-0.24, 0, z - 0.24), (-0.33, 0, z - 0.12), (-0.24, 0, z)),
        ]
    else:
        tubes += [torus(0.17, 0.05).turned("x", 90).moved(-0.1, 0, z - 0.16)]
    b.part("tube", [tubes], paint, b.pattern(paint, 0.35), "metal")
    flare = [(0.05, half - 0.34), (0.08, half - 0.2), (bell, half), (0.0, half), (0.0, half - 0.34)]
    b.part("bell", [revolve(flare).turned("y", 90, about=(0, 0, 0)).moved(dz=z)], second, material="metal")
    b.part(
        "mouthpiece",
        [rod(0.05, (0.05 - half, 0, z), (-half - 0.09, 0, z), 0.1)],
        b.other_color(paint),
        material="metal",
    )
    if kind == "trumpet":
        valve = [cylinder(0.055, 0.34, at=(0, 0, z - 0.08)), cylinder(0.05, 0.2, at=(0, 0, z + 0.13))]
        b.part(
            "valve",
            [[v.moved(dx=0.16 * (i - (valves - 1) / 2)) for v in valve] for i in range(valves)],
            b.color(),
            material="metal",
        )
    else:
        tassel = b.color()
        b.part("tassel", [cone(0.1, 0.3, at=(0.2, 0, z - 0.16), top=0.05)], tassel, b.pattern(tassel, 0.3), "fabric")


def trumpet(b: Builder) -> None:
    kind, paint, long, bell = (
        b.choice(("trumpet", "bugle", "french horn")),
        b.color(),
        b.uniform(0.85, 1.1),
        b.uniform(0.2, 0.26),
    )
    valves, second = b.integer(2, 3), b.other_color(paint)
    if kind == "french horn":
        french_horn(b, valves, bell, paint, second)
    else:
        straight_horn(b, kind, valves, long, bell, paint, second)
    b.subtype(kind)
    b.proportion(
        "long" if kind != "french horn" and long > 1.02 else "short" if kind != "french horn" and long < 0.92 else ""
    )
    b.proportion("wide-belled" if bell > 0.24 else "")
    said = {
        "bugle": "a straight tube with a loop and a tassel",
        "french horn": f"a round coil with {count_word(valves)} valves and a bell",
    }
    b.layout(said.get(kind, f"a tube with {count_word(valves)} valves before a wide bell"))
    b.symmetry("none")


def xylophone(b: Builder) -> None:
    kind, bars, paint = b.choice(("xylophone", "standing xylophone", "toy piano")), b.integer(4, 8), b.color()
    low, long = (0.5 if kind == "standing xylophone" else 0.14), b.uniform(1.0, 1.2)
    pitch, deep = long / bars, b.uniform(0.5, 0.6)
    if kind == "toy piano":
        body = [box(long + 0.16, 0.34, 0.62, at=(0, 0.14, 0.31)), box(long + 0.16, 0.36, 0.12, at=(0, -0.2, 0.28))]
        b.part("body", [body], paint, b.pattern(paint, 0.3), "wood", counted=False)
        bars = min(bars, 7)
        pitch = long / bars
        b.part(
            "key",
            row(box(pitch * 0.62, 0.3, 0.1, at=(0, -0.2, 0.37)), bars, (pitch, 0, 0)),
            b.other_color(paint),
            material="plastic",
        )
        b.part("leg", both_sides(box(0.12, 0.12, 0.26, at=(long / 2, -0.3, 0.12))), b.color(), material="wood")
        b.part("lid", [box(long + 0.22, 0.42, 0.09, at=(0, 0.14, 0.65))], b.color(), material="wood")
    else:
        rails = [
            rod(0.05, (-long / 2 - 0.04, s * deep * 0.36, low), (long / 2 + 0.04, s * deep * 0.2, low)) for s in (-1, 1)
        ]
        lengths = [deep * (1.0 - 0.5 * i / (bars - 1)) for i in range(bars)]
        slats = [
            box(pitch * 0.58, v, 0.1, at=(pitch * (i - (bars - 1) / 2), 0, low + 0.08)) for i, v in enumerate(lengths)
        ]
        b.part("bar", slats, paint, material="wood")
        b.part("rail", rails, b.other_color(paint), material="wood")
        if kind == "standing xylophone":
            ends = [(s * long / 2, t * deep * (0.36 if s < 0 else 0.2)) for s in (-1, 1) for t in (-1, 1)]
            legs = [box(0.09, 0.09, low + 0.04, at=(x, y, low / 2)) for x, y in ends]
            b.part("leg", legs, b.color(), material="metal")
        mallet = [rod(0.042, (0, -0.42, low + 0.18), (0, 0.04, low + 0.18)), sphere(0.08, at=(0, 0.04, low + 0.18))]
        b.part("mallet", [[s.moved(dx=-long * 0.2) for s in mallet]], b.other_color(paint), material="rubber")
    b.subtype(kind)
    b.proportion("low" if kind == "xylophone" else "")
    b.proportion("long" if long > 1.14 else "short" if long < 1.06 else "")
    where = "before an upright case" if kind == "toy piano" else "of falling length on two rails"
    b.layout(f"{count_word(bars)} {'keys' if kind == 'toy piano' else 'bars'} {where}")
    b.symmetry("left-right" if kind == "toy piano" else "none")


INSTRUMENTS: dict[str, Family] = {
    "guitar": Family(guitar, "tools and instruments", ("stringed instrument",), category="mechanical"),
    "drum": Family(drum, "tools and instruments", ("percussion instrument",)),
    "trumpet": Family(trumpet, "tools and instruments", ("horn", "brass instrument"), rare=True, category="rare"),
    "xylophone": Family(xylophone, "tools and instruments", ("bar instrument",), category="spatial"),
}
