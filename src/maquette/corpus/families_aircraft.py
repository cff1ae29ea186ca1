"""Vehicles of air and space. The front looks to -y, x is across."""

from __future__ import annotations

from maquette.corpus.profiles import dome
from maquette.corpus.program import Builder, Family, count_word
from maquette.corpus.solids import (
    around,
    both_sides,
    box,
    capsule,
    cone,
    cylinder,
    disc,
    ellipsoid,
    extrusion,
    revolve,
    rod,
    row,
    side_extrusion,
    sphere,
)


def airplane(b: Builder) -> None:
    kind = b.choice(("jet airliner", "propeller plane", "biplane", "delta jet"))
    paint, half, r, span = b.color(), b.uniform(0.6, 0.75), b.uniform(0.12, 0.15), b.uniform(0.6, 0.75)
    t, wing_paint, z = 0.07, b.color(), 0.4
    nose = [
        capsule(r, (0, r - half, z), (0, half * 0.3, z)),
        rod(r, (0, half * 0.25, z), (0, half, z + 0.06), r * 0.45),
    ]
    if kind in ("propeller plane", "biplane"):
        nose.append(sphere(0.14, at=(0, 0.04 - half, z)))
    b.part("body", [nose], paint, b.pattern(paint, 0.35), "metal", counted=False)
    sweep = {"jet airliner": 0.35, "delta jet": 0.75}.get(kind, 0.0)
    root, tip = {"delta jet": (0.8, 0.1)}.get(kind, (0.34, 0.2))
    outline = [(0.04, -0.2), (span, sweep - 0.2), (span, sweep - 0.2 + tip), (0.04, root - 0.2)]
    levels = [z - r, z + r + 0.12] if kind == "biplane" else [z - 0.03]
    if kind == "biplane":
        wing = box(2 * span, 0.3, t, at=(0, -0.15, 0))
        b.part("wing", [wing.moved(dz=v) for v in levels], wing_paint, b.pattern(wing_paint), "fabric")
        struts = both_sides(box(0.07, 0.1, 2 * r + 0.12, at=(span * 0.6, -0.15, z + 0.06)))
        b.part("strut", [*struts], b.color(), material="wood")
    else:
        b.part(
            "wing", both_sides(extrusion(outline, t, at=(0, 0, z - 0.03))), wing_paint, b.pattern(wing_paint), "metal"
        )
    fin = side_extrusion([(half - 0.26, z), (half, z), (half + 0.06, z + 0.4), (half - 0.08, z + 0.4)], t)
    flat = [box(0.5, 0.17, t, at=(0, half - 0.08, z + 0.06))] if kind != "delta jet" else []
    b.part("tail", [[fin, *flat]], b.color(), material="metal")
    if kind in ("jet airliner", "delta jet"):
        count = b.choice((2, 4)) if kind == "jet airliner" else 2
        places = [0.24, 0.48] if count == 4 else [0.32 if kind == "jet airliner" else 0.2]
        back = 0.5 if kind == "delta jet" else 0.0
        pod = disc(0.075, 0.26, at=(0, back * 0.7 - 0.14, z - 0.1), axis="y")
        engines = [e for x in places for e in both_sides(pod.moved(x, sweep * x / span, 0))]
        b.part("engine", engines, b.color(), material="metal")
        said = f"two swept wings with {count_word(count)} engines"
    else:
        blades = b.integer(2, 4)
        blade = box(0.1, 0.08, 0.28, at=(0, -half - 0.02, z + 0.24))
        b.part("blade", around(blade, blades, about=(0, 0, z), axis="y"), b.other_color(paint), material="metal")
        said = "two stacked wings" if kind == "biplane" else "two straight wings"
        said += f" and a propeller of {count_word(blades)} blades"
    b.subtype(kind)
    b.proportion("long" if half > 0.7 and span < 0.68 else "wide" if span > half + 0.05 else "")
    b.layout(said)
    b.symmetry("left-right")


def helicopter(b: Builder) -> None:
    kind, blades, paint, r = (
        b.choice(("helicopter", "long helicopter", "cargo helicopter")),
        b.integer(2, 5),
        b.color(),
        b.uniform(0.22, 0.28),
    )
    long, z = (0.46 if kind == "long helicopter" else 0.34), 0.42
    cabin = (
        box(2 * r, 0.8, 2 * r, at=(0, 0.05, z))
        if kind == "cargo helicopter"
        else ellipsoid(r, long, r * 1.05, at=(0, 0, z))
    )
    tail_end = b.uniform(0.8, 0.95)
    boom = rod(0.11, (0, 0.15, z + 0.04), (0, tail_end, z + 0.1), 0.06)
    b.part(
        "body",
        [[cabin, boom, box(0.08, 0.12, 0.42, at=(0, tail_end, z + 0.14))]],
        paint,
        b.pattern(paint, 0.3),
        "metal",
        counted=False,
    )
    reach, top = b.uniform(0.62, 0.78), z + r + 0.2
    glass = b.other_color(paint)
    if kind == "cargo helicopter":
        pane = box(2 * r - 0.08, 0.12, 0.2, at=(0, -0.33, z + 0.08))
    else:
        pane = ellipsoid(r * 0.9, 0.2, r * 0.72, at=(0, -0.22 if kind != "long helicopter" else -0.32, z + 0.05))
    b.part("window", [pane], glass, material="glass")
    blade = box(0.1, reach - 0.06, 0.07, at=(0, -reach / 2 - 0.06, top))
    b.part("blade", around(blade, blades, start=20), b.color(), material="metal")
    hub = [cylinder(0.09, r + 0.16, at=(0, 0, z + r / 2 + 0.17)), cylinder(0.13, 0.1, at=(0, 0, top))]
    b.part("rotor", [hub], b.other_color(b.parts[-1].color), material="metal")
    skid = [
        capsule(0.05, (r, -0.32, 0.06), (r, 0.32, 0.06)),
        *(rod(0.045, (r, y, 0.06), (r * 0.5, y, z - r * 0.7)) for y in (-0.16, 0.16)),
    ]
    b.part("skid", [skid, [s.mirrored() for s in skid]], b.color(), material="metal")
    b.subtype(kind)
    b.proportion("long" if kind == "long helicopter" else "")
    b.layout(f"a rotor with {count_word(blades)} blades above two skids")
    b.symmetry("none")


def boosters(b: Builder, r: float, h: float) -> int:
    """Side rockets around a body of radius `r`; how many."""
    fins = b.choice((2, 4))
    tank, tall = r * 0.62, h * 0.55
    side = [
        cylinder(tank, tall, at=(0, -r - tank + 0.03, 0.08 + tall / 2)),
        cone(tank, 0.2, at=(0, -r - tank + 0.03, 0.17 + tall)),
    ]
    b.part(
        "booster",
        [
            [s.turned("z", a, about=(0, 0, 0)) for s in side]
            for a in [(45 if fins == 4 else 90) + 360 * i / fins for i in range(fins)]
        ],
        b.color(),
        material="metal",
    )
    return fins


def tail_fins(b: Builder, fins: int, r: float, z: float) -> int:
    """Fins that reach from the body down to the ground; how many."""
    low, out = 0.0, r + b.uniform(0.2, 0.3)
    fin = side_extrusion([(-r * 0.6, z + 0.08), (-out, low), (-out, 0.2), (-r * 0.6, z + 0.42)], 0.08)
    b.part("fin", around(fin, fins), b.color(), material="metal")
    return fins


def rocket(b: Builder) -> None:
    kind, fins, r, h = (
        b.choice(("rocket", "finned rocket", "booster rocket")),
        b.integer(3, 5),
        b.uniform(0.14, 0.2),
        b.uniform(0.75, 1.05),
    )
    paint, z, legs = b.color(), 0.16, kind == "rocket"
    bulge = [(0, 0), (r * 0.7, 0), (r * 1.15, h * 0.35), (r * 1.1, h * 0.6), (r * 0.8, h), (0, h)]
    b.part(
        "body",
        [revolve(bulge, at=(0, 0, z)) if legs else cylinder(r, h, at=(0, 0, z + h / 2))],
        paint,
        b.pattern(paint, 0.4),
        "metal",
        counted=False,
    )
    tip = r * 0.8 if legs else r
    b.part(
        "nose",
        [
            cone(tip, b.uniform(0.24, 0.4), at=(0, 0, z + h + 0.13))
            if b.chance(0.6)
            else dome(tip, 0.28, at=(0, 0, z + h - 0.01))
        ],
        b.other_color(paint),
        material="metal",
    )
    fins = boosters(b, r, h) if kind == "booster rocket" else tail_fins(b, fins, r, z)
    b.part(
        "nozzle",
        [cone(r * 0.8, 0.2, at=(0, 0, 0.09), top=r * 0.5)],
        b.color("grey", "black", "orange", "yellow"),
        material="metal",
    )
    panes = b.integer(1, 3)
    window = disc(r * 0.42, 0.2, at=(0, -r * 0.86, z + h * 0.66), axis="y")
    b.part(
        "window", row(window, panes, (0, 0, r + 0.06)) if h > 0.85 else [window], b.other_color(paint), material="glass"
    )
    panes = b.parts[-1].count
    b.subtype(kind)
    b.proportion("slim" if h > 5.5 * r else "thick" if h < 4.7 * r else "")
    b.proportion("tall" if h > 0.98 else "short" if h < 0.82 else "")
    around_it = f"{count_word(fins)} " + ("boosters" if kind == "booster rocket" else "fins")
    b.layout(f"{around_it} around a body with {count_word(panes)} round window{'s' * (panes > 1)}")
    b.symmetry("left-right")


AIRCRAFT: dict[str, Family] = {
    "airplane": Family(airplane, "vehicles", ("plane", "aircraft"), category="mechanical"),
    "helicopter": Family(helicopter, "vehicles", ("chopper",), category="mechanical"),
    "rocket": Family(rocket, "vehicles", ("spaceship", "spacecraft"), category="mechanical"),
}
