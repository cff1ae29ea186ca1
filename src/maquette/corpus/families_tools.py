"""Tools held in the hand, standing upright, and the dictionary of all tools and instruments. Flat sides look to -y."""

from __future__ import annotations

from maquette.corpus.families_household import HOUSEHOLD
from maquette.corpus.families_instruments import INSTRUMENTS
from maquette.corpus.families_yard import YARD
from maquette.corpus.program import Builder, Family, count_word
from maquette.corpus.solids import (
    arc_band,
    around,
    both_sides,
    box,
    capsule,
    cylinder,
    disc,
    front_extrusion,
    row,
    sphere,
    torus,
)


def handle_with_grip(b: Builder, length: float, radius: float, main: str) -> bool:
    """A round handle from the ground up, by chance with a thicker grip at its lower end: whether it has one."""
    b.part("handle", [cylinder(radius, length, at=(0, 0, length / 2))], main, b.pattern(main, 0.3), "wood")
    gripped = b.chance(0.5)
    if gripped:
        reach = length * b.uniform(0.28, 0.4)
        b.part("grip", [cylinder(radius + 0.025, reach, at=(0, 0, reach / 2))], b.other_color(main), material="rubber")
    return gripped


def hammer(b: Builder) -> None:
    kind, long, wide = (
        b.choice(("claw hammer", "sledgehammer", "mallet", "ball hammer")),
        b.uniform(0.75, 1.15),
        b.uniform(0.2, 0.3),
    )
    thick = {"claw hammer": 0.08, "ball hammer": 0.09}.get(kind, b.uniform(0.12, 0.17))
    handle_paint, paint = b.color(), b.color()
    gripped = handle_with_grip(b, long, 0.06, handle_paint)
    metal = "wood" if kind == "mallet" else "metal"
    if kind == "sledgehammer":
        head = [box(2 * wide, 2 * thick, 2 * thick, at=(0, 0, long))]
    elif kind == "mallet":
        head = [disc(thick + 0.03, 2 * wide, at=(0, 0, long))]
    else:
        head = [
            box(0.2, 0.17, 0.17, at=(0, 0, long)),
            disc(0.06, wide, at=(-wide / 2, 0, long)),
            disc(thick + 0.02, 0.12, at=(-wide, 0, long)),
        ]
    b.part("head", [head], paint, b.pattern(paint, 0.2), metal)
    if kind == "claw hammer":
        claw = front_extrusion(
            [
                (0.06, long - 0.08),
                (0.06, long + 0.08),
                (wide, long + 0.02),
                (wide + 0.12, long - 0.14),
                (wide - 0.02, long - 0.08),
            ],
            0.08,
        )
        b.part("claw", both_sides(claw.moved(dy=0.085), "y"), b.other_color(paint), material="metal")
    elif kind == "ball hammer":
        ball = [sphere(0.11, at=(wide, 0, long)), disc(0.06, wide, at=(wide / 2, 0, long))]
        b.part("ball", [ball], b.other_color(paint), material="metal")
    else:
        b.part(
            "band",
            both_sides(box(0.09, 2 * thick + 0.13, 2 * thick + 0.13, at=(wide * 0.7, 0, long))),
            b.other_color(paint),
            material="metal",
        )
    b.subtype(kind)
    b.proportion("long" if long > 1.05 else "short" if long < 0.85 else "")
    b.proportion("heavy" if thick > 0.15 else "")
    what = {"claw hammer": "a head with two claws", "ball hammer": "a head with a ball", "mallet": "a round head"}
    b.layout(what.get(kind, "a square head") + " across a" + (" gripped" if gripped else " straight") + " handle")
    b.symmetry("left-right" if kind in ("sledgehammer", "mallet") else "none")


def screwdriver(b: Builder) -> None:
    kind, shaft, grip, r = (
        b.choice(("flat screwdriver", "cross screwdriver", "stubby screwdriver")),
        b.uniform(0.5, 0.75),
        b.uniform(0.32, 0.45),
        b.uniform(0.09, 0.13),
    )
    shaft = b.uniform(0.26, 0.32) if kind == "stubby screwdriver" else shaft
    paint, tip = b.color(), b.uniform(0.1, 0.16)
    z = shaft + tip
    ridges = b.integer(4, 6)
    side = around(cylinder(0.05, grip - 0.06, at=(r, 0, z + grip / 2)), ridges) if b.chance(0.5) else []
    b.part("handle", [[cylinder(r, grip, at=(0, 0, z + grip / 2)), *side]], paint, b.pattern(paint, 0.5), "plastic")
    b.part("cap", [sphere(r, at=(0, 0, z + grip))], b.other_color(paint), material="rubber")
    collar = cylinder(r + 0.05, 0.08, at=(0, 0, z + 0.03))
    b.part(
        "collar", [collar.moved(dz=0.17 * i) for i in range(b.integer(0, 2))], b.other_color(paint), material="plastic"
    )
    steel = b.color()
    b.part("shaft", [cylinder(0.05, shaft + 0.06, at=(0, 0, tip + shaft / 2 - 0.02))], steel, material="metal")
    flat = front_extrusion(
        [(-0.05, 0.02 + tip), (0.05, 0.02 + tip), (0.11, 0.04), (0.11, 0), (-0.11, 0), (-0.11, 0.04)], 0.06
    )
    point = [box(0.17, 0.06, tip, at=(0, 0, tip / 2)), box(0.06, 0.17, tip, at=(0, 0, tip / 2))]
    b.part("tip", [point if kind == "cross screwdriver" else flat], b.other_color(steel), material="metal")
    b.subtype(kind)
    b.proportion("long" if shaft > 0.65 else "short" if shaft < 0.4 else "")
    b.proportion("thick" if r > 0.115 else "slim" if r < 0.1 and not side else "")
    shape = "ridged" if side else "round"
    b.layout(f"a {shape} handle on a shaft with a " + ("cross" if kind == "cross screwdriver" else "flat") + " tip")
    b.symmetry("four-fold" if kind == "cross screwdriver" and not side else "left-right" if not side else "none")


def axe(b: Builder) -> None:
    kind, long, deep = b.choice(("axe", "double axe", "pickaxe")), b.uniform(0.8, 1.2), b.uniform(0.28, 0.36)
    handle_paint, paint, tall = b.color(), b.color(), b.uniform(0.16, 0.24)
    gripped = handle_with_grip(b, long, 0.055, handle_paint)
    z = long - 0.16
    if kind == "pickaxe":
        arc = [(x, y + z - 0.45) for x, y in arc_band(0.55, 0.11, 55 - 8 * deep, 89)]
        blade, name = front_extrusion(arc, 0.1), "spike"
        blades = both_sides(blade.moved(dx=0.06))
    else:
        edge = [
            (0.07, z - 0.08),
            (deep * 0.5, z - 0.1),
            (deep, z - tall),
            (deep + 0.05, z),
            (deep, z + tall),
            (deep * 0.5, z + 0.1),
            (0.07, z + 0.08),
        ]
        blade, name = front_extrusion(edge, 0.08), "blade"
        blades = both_sides(blade) if kind == "double axe" else [blade]
    b.part(name, blades, paint, b.pattern(paint, 0.25), "metal")
    b.part("socket", [box(0.18, 0.16, 0.2, at=(0, 0, z))], b.other_color(paint), material="metal")
    b.subtype(kind)
    b.proportion("long" if long > 1.08 else "short" if long < 0.9 else "")
    b.proportion("broad" if kind != "pickaxe" and tall > 0.215 else "")
    where = {
        "axe": "one blade beside",
        "double axe": "two blades on both sides of",
        "pickaxe": "two bent spikes across",
    }[kind]
    b.layout(where + (" a gripped handle" if gripped else " a straight handle"))
    b.symmetry("none" if kind == "axe" else "left-right")


def straight_saw(b: Builder, kind: str, long: float, tall: float, teeth: int, paint: str, blade: str) -> None:
    """A blade along x with its teeth downwards, and a loop handle or a bow."""
    low = 0.18
    side = [(-long / 2, low), (long / 2, low), (long / 2, low + tall), (-long / 2, low + tall * 0.5)]
    b.part(
        "blade",
        [front_extrusion(side if kind == "hand saw" else [(x, min(z, low + 0.1)) for x, z in side], 0.08)],
        blade,
        b.pattern(blade, 0.3),
        "metal",
    )
    pitch = long / (teeth + 0.2)
    tooth = front_extrusion([(-pitch * 0.3, low + 0.02), (pitch * 0.3, low + 0.02), (0, low - 0.16)], 0.08)
    b.part("tooth", row(tooth, teeth, (pitch, 0, 0)), b.other_color(blade), material="metal")
    if kind == "hand saw":
        loop = torus(0.16, 0.055).turned("x", 90).moved(long / 2 + 0.12, 0, low + tall / 2 + 0.04)
        b.part(
            "handle",
            [[loop, box(0.12, 0.12, tall + 0.08, at=(long / 2 - 0.02, 0, low + tall / 2))]],
            paint,
            material="wood",
        )
    else:
        bow = [(x, z * 0.8 + low + 0.05) for x, z in arc_band(long / 2, 0.11, 0, 180, 14)]
        b.part("bow", [front_extrusion(bow, 0.1)], paint, b.pattern(paint, 0.3), "wood")
        b.part(
            "handle",
            [capsule(0.07, (long / 2 + 0.02, 0, low - 0.12), (long / 2 + 0.02, 0, low + 0.26))],
            b.other_color(paint),
            material="rubber",
        )


def saw(b: Builder) -> None:
    kind, long, tall, teeth = (
        b.choice(("hand saw", "bow saw", "circular saw")),
        b.uniform(0.8, 1.05),
        b.uniform(0.2, 0.28),
        b.integer(4, 7),
    )
    paint, blade = b.color(), b.color()
    if kind == "circular saw":
        teeth = b.integer(6, 8)
        b.part("blade", [disc(0.36, 0.09, at=(0, 0, 0.5), axis="y")], blade, b.pattern(blade, 0.3), "metal")
        tooth = front_extrusion([(-0.08, 0.82), (0.08, 0.82), (0.08, 1.0)], 0.09)
        b.part("tooth", around(tooth, teeth, about=(0, 0, 0.5), axis="y"), b.other_color(blade), material="metal")
        b.part(
            "handle",
            [[disc(0.13, 0.24, at=(0, 0.12, 0.5), axis="y"), box(0.13, 0.13, 0.5, at=(0, 0.26, 0.6))]],
            paint,
            material="plastic",
        )
    else:
        straight_saw(b, kind, long, tall, teeth, paint, blade)
    b.subtype(kind)
    b.proportion(
        "long" if kind != "circular saw" and long > 0.98 else "short" if kind != "circular saw" and long < 0.87 else ""
    )
    what = {
        "hand saw": "a loop handle beside a blade",
        "bow saw": "a bow over a straight blade",
        "circular saw": "a round blade",
    }[kind]
    b.layout(f"{what} with {count_word(teeth)} teeth")
    b.symmetry("none")


def wrench(b: Builder) -> None:
    kind, long, r, paint = (
        b.choice(("open wrench", "ring wrench", "double wrench", "combination wrench")),
        b.uniform(0.6, 0.85),
        b.uniform(0.17, 0.21),
        b.color(),
    )
    head = b.other_color(paint)
    z = r + 0.06
    fork = arc_band(r, 0.12, 130, 410, 16)
    upper = front_extrusion([(x, z + long + y) for x, y in fork], 0.13)
    lower = front_extrusion([(x, z - y) for x, y in fork], 0.13)
    ring_up, ring_down = (torus(r, 0.075).turned("x", 90).moved(dz=z + v) for v in (long, 0.0))
    ends = {
        "open wrench": [upper],
        "ring wrench": [ring_up, ring_down],
        "double wrench": [upper, lower],
        "combination wrench": [upper, ring_down],
    }[kind]
    low = 0.0 if kind == "open wrench" else r + z - 0.02
    b.part(
        "handle",
        [box(0.14, 0.11, long + z - r - low + 0.02, at=(0, 0, (long + z - r + low) / 2))],
        paint,
        b.pattern(paint, 0.4),
        "metal",
    )
    b.part("head", ends, head, material="metal")
    if kind == "open wrench":
        grip = b.uniform(0.3, 0.4)
        b.part("grip", [box(0.2, 0.17, grip, at=(0, 0, grip / 2))], b.other_color(paint, head), material="rubber")
    nut = b.chance(0.5)
    if nut:
        b.part("nut", [disc(r - 0.03, 0.11, at=(0, 0, z + long), axis="y")], b.other_color(head), material="metal")
    else:
        b.part(
            "panel", [box(0.08, 0.17, 0.24, at=(0, 0, z + long / 2 + 0.05))], b.other_color(paint), material="plastic"
        )
    b.subtype(kind)
    b.proportion("long" if long > 0.78 else "short" if long < 0.67 else "")
    said = {
        "open wrench": "one open head on a gripped handle",
        "ring wrench": "two ring heads joined by a handle",
        "double wrench": "two open heads joined by a handle",
    }
    b.layout(said.get(kind, "an open head above a ring head") + (", with a nut" if nut else ""))
    b.symmetry("left-right")


TOOLS: dict[str, Family] = {
    "hammer": Family(hammer, "tools and instruments", ("mallet tool",), category="mechanical"),
    "screwdriver": Family(screwdriver, "tools and instruments", ("screw turner",), category="mechanical"),
    "axe": Family(axe, "tools and instruments", ("hatchet", "chopper"), category="mechanical"),
    "saw": Family(saw, "tools and instruments", ("cutting tool",), category="mechanical"),
    "wrench": Family(wrench, "tools and instruments", ("spanner",), category="mechanical"),
    **YARD,
    **HOUSEHOLD,
    **INSTRUMENTS,
}
