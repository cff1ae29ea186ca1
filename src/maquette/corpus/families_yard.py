"""Things of yard and garden: shovels and rakes, cans, buckets, ladders."""

from __future__ import annotations

from maquette.corpus.profiles import vessel
from maquette.corpus.program import Builder, Family, count_word
from maquette.corpus.solids import (
    Solid,
    arc_band,
    both_sides,
    box,
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


def shovel(b: Builder) -> None:
    kind, long, w = (
        b.choice(("spade", "pointed shovel", "rake", "pitchfork")),
        b.uniform(0.7, 0.95),
        b.uniform(0.22, 0.3),
    )
    paint, metal, tall, teeth = b.color(), b.color(), b.uniform(0.34, 0.44), b.integer(3, 5)
    stick = cylinder(0.055, long + 0.1, at=(0, 0, tall + long / 2 - 0.05))
    b.part("handle", [stick], paint, b.pattern(paint, 0.35), "wood")
    if kind in ("spade", "pointed shovel"):
        point = [(-w, 0.0), (w, 0.0)] if kind == "spade" else [(-w, 0.16), (0, 0), (w, 0.16)]
        outline = [*point, (w, tall - 0.04), (0.07, tall + 0.05), (-0.07, tall + 0.05), (-w, tall - 0.04)]
        b.part("blade", [front_extrusion(outline, 0.09)], metal, b.pattern(metal, 0.3), "metal")
        said = "a square blade" if kind == "spade" else "a pointed blade"
    else:
        teeth = teeth + 2 if kind == "rake" else min(teeth, 4)
        half = 0.09 * teeth if kind == "rake" else 0.1 * (teeth - 1)
        b.part("bar", [box(2 * half, 0.1, 0.1, at=(0, 0, tall))], metal, material="metal")
        step = (2 * half - 0.08) / (teeth - 1)
        tine = box(
            0.075,
            0.09,
            tall * (0.5 if kind == "rake" else 0.95),
            at=(0, 0, tall - tall * (0.25 if kind == "rake" else 0.475)),
        )
        b.part("tooth", row(tine, teeth, (step, 0, 0)), b.other_color(metal), material="metal")
        said = f"a bar with {count_word(teeth)} teeth"
    top, end = tall + long, b.choice(("bar", "loop", "ball"))
    ends = {
        "bar": disc(0.06, 0.34, at=(0, 0, top)),
        "loop": torus(0.12, 0.05).turned("x", 90).moved(dz=top + 0.1),
        "ball": sphere(0.1, at=(0, 0, top)),
    }
    b.part("grip", [ends[end]], b.other_color(paint), material="rubber")
    b.subtype(kind)
    b.proportion("long" if long > 0.88 else "short" if long < 0.77 else "")
    b.proportion("wide" if w > 0.27 and kind in ("spade", "pointed shovel") else "")
    b.layout(f"{said} under a {end}-ended handle")
    b.symmetry("left-right")


def watering_can(b: Builder) -> None:
    r, h, taper, paint = b.uniform(0.22, 0.3), b.uniform(0.34, 0.56), b.uniform(0.75, 1.0), b.color()
    kind = b.choice(("watering can", "tall watering can", "square watering can"))
    h = b.uniform(0.58, 0.7) if kind == "tall watering can" else h
    body = (
        box(2 * r * 0.95, 2 * r * 0.95, h, at=(0, 0, h / 2))
        if kind == "square watering can"
        else cone(r, h, at=(0, 0, h / 2), top=r * taper)
    )
    b.part("body", [body], paint, b.pattern(paint, 0.45), b.choice(("metal", "plastic")), counted=False)
    reach, up = r + b.uniform(0.3, 0.42), h + b.uniform(0.02, 0.14)
    b.part("spout", [rod(0.075, (-r * 0.7, 0, 0.12), (-reach, 0, up), 0.05)], b.color(), material="metal")
    b.part(
        "rose",
        [rod(0.05, (-reach + 0.02, 0, up - 0.03), (-reach - 0.11, 0, up + 0.12), 0.13)],
        b.other_color(paint),
        material="metal",
    )
    side = [(x + r * 0.75, z + h * 0.52) for x, z in arc_band(h * 0.42, 0.09, -90, 90)]
    over = [(x, z + h - 0.04) for x, z in arc_band(r * 0.62, 0.09, 0, 180)]
    where = b.choice(("behind", "on top", "on top and behind"))
    handles = {"behind": [side], "on top": [over]}.get(where, [side, over])
    b.part("handle", [front_extrusion(outline, 0.1) for outline in handles], b.color(), material="metal")
    b.subtype(kind)
    b.proportion("wide" if r > 0.275 else "narrow" if r < 0.24 else "")
    b.layout(f"a long spout and {'handles' if len(handles) > 1 else 'a handle'} {where}")
    b.symmetry("none")


def bucket(b: Builder) -> None:
    kind, top, h, paint = (
        b.choice(("bucket", "wooden pail", "barrel")),
        b.uniform(0.28, 0.36),
        b.uniform(0.48, 0.7),
        b.color(),
    )
    low, bands = top * b.uniform(0.65, 0.9), b.integer(1, 3)
    if kind == "barrel":
        bands, h = b.integer(2, 3), h + 0.15
        body = revolve([(0, 0), (low, 0), (top + 0.02, h / 2), (low, h), (0, h)])
        radii = [low + (top + 0.02 - low) * (1 - abs(2 * (i + 1) / (bands + 1) - 1)) for i in range(bands)]
    else:
        body = vessel(low, top, h, 0.08)
        radii = [low + (top - low) * (i + 1) / (bands + 1) for i in range(bands)]
    b.part("body", [body], paint, b.pattern(paint, 0.35), "metal" if kind == "bucket" else "wood", counted=False)
    hoop = b.other_color(paint)
    places = [h * (i + 1) / (bands + 1) for i in range(bands)]
    b.part(
        "band",
        [
            cylinder(r + 0.035, 0.08, at=(0, 0, z)) if kind == "barrel" else ring(r, 0.08, z)
            for r, z in zip(radii, places, strict=True)
        ],
        hoop,
        material="metal",
    )
    if kind == "barrel":
        b.part("lid", [cylinder(low * 0.8, 0.08, at=(0, 0, h + 0.02))], b.other_color(paint), material="wood")
        b.part(
            "tap",
            [
                [
                    disc(0.055, 0.24, at=(0, -top - 0.04, 0.22), axis="y"),
                    box(0.07, 0.08, 0.14, at=(0, -top - 0.12, 0.26)),
                ]
            ],
            b.color(),
            material="metal",
        )
    else:
        arch = [(x, z + h - 0.05) for x, z in arc_band(top - 0.02, 0.08, 0, 180)]
        b.part("handle", [front_extrusion(arch, 0.09)], b.color(), material="metal")
        b.part("grip", [disc(0.075, 0.26, at=(0, 0, h + top - 0.06))], b.other_color(paint), material="wood")
    b.subtype(kind)
    b.proportion("wide" if 2 * top > h + 0.06 else "tall" if h > 2.2 * top else "")
    many = f"{count_word(bands)} band{'s' * (bands > 1)}"
    b.layout(f"a round tub with {many} " + ("under a flat lid" if kind == "barrel" else "under an arched handle"))
    b.symmetry("left-right")


def ring(radius: float, height: float, z: float, thickness: float = 0.07) -> Solid:
    """A hoop around a pot whose outer radius is `radius`, open in the middle."""
    inner, outer = radius - thickness / 2, radius + 0.035
    return revolve([(inner, -height / 2), (outer, -height / 2), (outer, height / 2), (inner, height / 2)], at=(0, 0, z))


def ladder(b: Builder) -> None:
    kind, rungs, w = b.choice(("ladder", "stepladder", "wide ladder")), b.integer(3, 7), b.uniform(0.4, 0.58)
    w = w + 0.2 if kind == "wide ladder" else w
    pitch = b.uniform(0.17, 0.24)
    rungs = min(rungs, 5) if kind != "ladder" else rungs
    h, paint = pitch * (rungs + 0.6), b.color()
    tilt = 18 if kind == "stepladder" else 0
    rail = box(0.09, 0.09, h, at=(w / 2 - 0.045, 0, h / 2)).turned("x", -tilt, about=(0, 0, h))
    b.part("rail", both_sides(rail), paint, b.pattern(paint, 0.35), b.choice(("wood", "metal")))
    deep = 0.09 if kind == "ladder" else 0.12
    rung = [
        box(w - 0.14, deep, 0.08, at=(0, 0, pitch * (i + 0.8))).turned("x", -tilt, about=(0, 0, h))
        for i in range(rungs)
    ]
    b.part("rung", rung, b.other_color(paint), material="wood")
    if kind == "stepladder":
        leg = box(0.08, 0.08, h, at=(w / 2 - 0.04, 0, h / 2)).turned("x", tilt, about=(0, 0, h))
        b.part("leg", both_sides(leg), b.color(), material="metal")
        b.part("top", [box(w + 0.06, 0.26, 0.09, at=(0, 0, h))], b.color(), material="plastic")
    else:
        b.part(
            "foot",
            both_sides(box(0.15, 0.18, 0.1, at=(w / 2 - 0.045, 0, 0.02))),
            b.other_color(paint),
            material="rubber",
        )
    b.subtype(kind)
    b.proportion("tall" if h > 2.2 * w else "low" if h < 1.5 * w else "")
    b.layout(f"{count_word(rungs)} rungs between two rails" + (" before two legs" if kind == "stepladder" else ""))
    b.symmetry("left-right")


YARD: dict[str, Family] = {
    "shovel": Family(shovel, "tools and instruments", ("garden tool",), category="mechanical"),
    "watering can": Family(watering_can, "tools and instruments", ("sprinkling can",), category="mechanical"),
    "bucket": Family(bucket, "tools and instruments", ("pail", "tub")),
    "ladder": Family(ladder, "tools and instruments", ("climbing frame",), category="spatial"),
}
