"""Vehicles of the water. The front looks to -y, x is across."""

from __future__ import annotations

from maquette.corpus.program import Builder, Family, count_word
from maquette.corpus.solids import (
    around,
    both_sides,
    box,
    capsule,
    cylinder,
    disc,
    ellipsoid,
    extrusion,
    rod,
    row,
    side_extrusion,
)


def sails(b: Builder, half: float, deep: float, second: str) -> str:
    """Sails and, painted over them, their mast; the layout in words."""
    tall, count = b.uniform(0.95, 1.25), b.integer(1, 2)
    main = [(-0.06, deep + 0.14), (half - 0.05, deep + 0.14), (-0.06, deep + tall)]
    jib = [(-0.1, deep + 0.14), (0.06 - half, deep + 0.14), (-0.1, deep + tall * 0.8)]
    b.part("sail", [side_extrusion(s, 0.08) for s in (main, jib)[:count]], second, b.pattern(second, 0.5), "fabric")
    b.part("mast", [cylinder(0.055, tall, at=(0, -0.08, deep + tall / 2 - 0.03))], b.color(), material="wood")
    return f"a mast with {count_word(count)} sail{'s' * (count > 1)} on a pointed hull"


def motor(b: Builder, half: float, w: float, deep: float, second: str, third: str) -> str:
    """A cabin with windows and an engine behind; the layout in words."""
    cab = side_extrusion(
        [(-0.3, deep - 0.02), (0.32, deep - 0.02), (0.32, deep + 0.3), (-0.14, deep + 0.3)], 2 * w - 0.14
    )
    b.part("cabin", [cab], second, material="plastic")
    b.part(
        "window",
        [box(2 * w - 0.1, 0.34, 0.11, at=(0, 0.08, deep + 0.16))],
        b.other_color(second),
        material="glass",
        counted=False,
    )
    b.part("engine", [box(0.16, 0.16, 0.3, at=(0, half + 0.06, deep - 0.02))], third, material="metal")
    return "a low cabin on a pointed hull before an engine"


def oars(b: Builder, w: float, deep: float, second: str, third: str) -> str:
    """Benches and a pair of oars; the layout in words."""
    seats = b.integer(1, 3)
    b.part(
        "seat",
        row(box(2 * w * 0.9, 0.13, 0.08, at=(0, 0.12, deep + 0.03)), seats, (0, 0.34, 0)),
        second,
        material="wood",
    )
    oar = [
        rod(0.045, (w * 0.7, 0.1, deep + 0.12), (0.66, -0.1, 0.08)),
        ellipsoid(0.15, 0.1, 0.06, at=(0.68, -0.1, 0.08)).turned("y", 25),
    ]
    b.part("oar", [oar, [s.mirrored() for s in oar]], third, material="wood")
    return f"an open hull with {count_word(seats)} seat{'s' * (seats > 1)} and two oars"


def decks(b: Builder, half: float, w: float, deep: float, second: str, third: str) -> str:
    """Decks and their chimneys; the layout in words."""
    stacks, levels = b.integer(1, 4), b.integer(1, 2)
    deck = [
        box(2 * w - 0.12 - 0.1 * i, half * (1.3 - 0.2 * i), 0.15, at=(0, 0.12, deep + 0.06 + 0.13 * i))
        for i in range(levels)
    ]
    b.part("deck", [deck], second, b.pattern(second, 0.3), "metal", counted=False)
    stack = cylinder(0.075, 0.34, at=(0, 0.12, deep + 0.13 * levels + 0.14))
    b.part("chimney", row(stack, stacks, (0, 0.24, 0)), third, b.pattern(third, 0.3, ("two-tone",)), "metal")
    return f"{count_word(stacks)} chimney{'s' * (stacks > 1)} in a row above the deck"


def boat(b: Builder) -> None:
    kind = b.choice(("sailboat", "motorboat", "rowing boat", "steamship"))
    half, w, paint, deep = b.uniform(0.62, 0.75), b.uniform(0.22, 0.28), b.color(), b.uniform(0.2, 0.26)
    port = [(-w, half), (-w, -0.15), (-w * 0.6, -half * 0.65)]
    outline = [*port, (0, -half), *((-x, y) for x, y in reversed(port))]
    hull = [
        extrusion([(0.8 * x, 0.94 * y) for x, y in outline], deep / 2 + 0.02, at=(0, 0, deep / 4)),
        extrusion(outline, deep / 2, at=(0, 0, deep * 0.75)),
    ]
    second, third = b.other_color(paint), b.color()
    if kind == "rowing boat":
        inner = [(0.62 * x, 0.8 * y) for x, y in reversed(outline)]
        hull = [
            hull[0],
            extrusion(
                outline + [(-w, half), (-w * 0.62, half)][1:] + [(x, min(y, half * 0.8)) for x, y in reversed(inner)],
                0.2,
                at=(0, 0, deep * 0.75 + 0.04),
            ),
            box(2 * w, 0.1, 0.2, at=(0, half - 0.05, deep * 0.75 + 0.04)),
        ]
    b.part(
        "hull", [hull], paint, b.pattern(paint, 0.3), "wood" if kind == "rowing boat" else b.choice(("wood", "metal"))
    )
    if kind == "sailboat":
        said = sails(b, half, deep, second)
    elif kind == "motorboat":
        said = motor(b, half, w, deep, second, third)
    elif kind == "rowing boat":
        said = oars(b, w, deep, second, third)
    else:
        said = decks(b, half, w, deep, second, third)
    b.subtype(kind)
    b.proportion("wide" if w > 0.26 else "narrow" if w < 0.235 else "")
    b.proportion("long" if half > 0.71 else "short" if half < 0.66 else "")
    b.layout(said)
    b.symmetry("left-right")


def submarine(b: Builder) -> None:
    kind, half, r, paint = (
        b.choice(("submarine", "research submarine")),
        b.uniform(0.55, 0.75),
        b.uniform(0.2, 0.26),
        b.color(),
    )
    r, half = (r + 0.06, half * 0.8) if kind == "research submarine" else (r, half)
    hull = [
        capsule(r, (0, r - half, 0.35), (0, half * 0.35, 0.35)),
        rod(r, (0, half * 0.3, 0.35), (0, half, 0.35), r * 0.3),
    ]
    b.part("body", [hull], paint, b.pattern(paint, 0.35), "metal", counted=False)
    tower = b.color()
    b.part(
        "tower",
        [[cylinder(0.13, 0.26, at=(0, -0.05, 0.35 + r + 0.08)), box(0.18, 0.24, 0.26, at=(0, 0.03, 0.35 + r + 0.08))]],
        tower,
        material="metal",
    )
    if kind == "submarine":
        b.part(
            "periscope",
            [[rod(0.045, (0, -0.02, 0.5 + r), (0, -0.02, 0.8 + r)), box(0.09, 0.2, 0.09, at=(0, -0.06, 0.82 + r))]],
            b.color(),
            material="metal",
        )
    panes = b.integer(1, 3)
    if kind == "submarine":
        panes, places = 2 * panes, [0.28 * (i - (panes - 1) / 2) - 0.15 for i in range(panes)]
        window = [s for y in places for s in both_sides(disc(0.085, 0.12, at=(r - 0.03, y, 0.36)))]
    else:
        panes, window = 1, [disc(r * 0.62, 0.16, at=(0, 0.04 - half, 0.36), axis="y")]
    b.part("window", window, b.other_color(paint), material="glass")
    b.part(
        "fin",
        around(
            box(0.3, 0.22, 0.08, at=(0.25, half - 0.14, 0.35)), 4, start=b.choice((0, 45)), about=(0, 0, 0.35), axis="y"
        ),
        b.other_color(paint),
        material="metal",
    )
    b.subtype(kind)
    b.proportion("long" if half > 0.68 else "short" if half < 0.55 else "")
    look = "a front window" if kind != "submarine" else f"{count_word(panes)} round windows"
    b.layout(f"a tower on a round hull with {look}")
    b.symmetry("left-right")


VESSELS: dict[str, Family] = {
    "boat": Family(boat, "vehicles", ("ship", "vessel"), category="mechanical"),
    "submarine": Family(submarine, "vehicles", ("underwater ship",), rare=True, category="rare"),
}
