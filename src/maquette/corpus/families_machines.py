"""Cycles and heavy machines. The front looks to -y, x is across."""

from __future__ import annotations

from maquette.corpus.profiles import bent, dome
from maquette.corpus.program import Builder, Family, count_word
from maquette.corpus.solids import (
    both_sides,
    box,
    cylinder,
    disc,
    front_extrusion,
    rod,
    row,
    side_extrusion,
    torus,
)


def bicycle(b: Builder) -> None:
    kind, r, paint, t = b.choice(("bicycle", "tricycle", "penny-farthing")), b.uniform(0.3, 0.36), b.color(), 0.05
    tire = b.other_color(paint)
    front_r = 0.52 if kind == "penny-farthing" else r
    back_r = 0.2 if kind == "penny-farthing" else r * (0.7 if kind == "tricycle" else 1.0)
    f, k = -front_r - 0.03, back_r + 0.18
    x = 0.26 if kind == "tricycle" else 0.0
    ring = torus(back_r, t + 0.005).turned("y", 90).moved(x, k, back_r + t)
    axle, hub = back_r + t, front_r + t
    front = torus(front_r, t + 0.005).turned("y", 90).moved(0, f, hub)
    bar, seat_z = hub + front_r + 0.12, (1.25 if kind == "penny-farthing" else axle + 0.42)
    seat = (0, -0.12 if kind == "penny-farthing" else 0.12, seat_z)
    tubes = [
        rod(t, (0, f, hub), (0, f + 0.1, bar)),
        rod(t, (0, f + 0.08, bar - 0.14), (0, k, axle)),
        rod(t, (0, f + 0.08, bar - 0.14), seat),
    ]
    tubes += [rod(t, seat, (0, k, axle)), *(both_sides(rod(t, (0, k, axle), (x, k, axle))) if x else [])]
    tubes += [
        rod(t, (0, f, hub - front_r), (0, f, hub + front_r)),
        *(rod(t, (s, k, axle - back_r), (s, k, axle + back_r)) for s in ((x, -x) if x else (0,))),
    ]
    b.part("frame", [tubes], paint, b.pattern(paint, 0.2), "metal", counted=False)
    b.part("wheel", [front, *(both_sides(ring) if x else [ring])], tire, material="rubber")
    b.part("seat", [[box(0.16, 0.28, 0.1, at=seat)]], b.color(), material="leather")
    grip = bent(t, (-0.24, f + 0.16, bar), (0, f + 0.1, bar), (0.24, f + 0.16, bar))
    b.part("handlebar", [grip], b.color(), material="metal")
    if b.chance(0.5):
        b.part("basket", [box(0.26, 0.2, 0.18, at=(0, f - 0.06, bar))], b.color(), material="wood")
    b.subtype(kind)
    b.proportion("tall" if kind == "penny-farthing" else "")
    said = {"bicycle": "a frame between two equal wheels", "tricycle": "one front wheel and two smaller rear wheels"}
    b.layout(said.get(kind, "a large front wheel and a small rear wheel"))
    b.symmetry("left-right")


def tractor(b: Builder) -> None:
    kind, paint, r, w = b.choice(("tractor", "open tractor", "steamroller")), b.color(), b.uniform(0.3, 0.38), 0.4
    long = b.uniform(0.72, 0.88)
    body = [box(w - 0.06, long, 0.3, at=(0, -long / 2, 0.42)), box(w, 0.5, 0.24, at=(0, 0.12, 0.42))]
    b.part("body", [body], paint, b.pattern(paint, 0.25), "metal", counted=False)
    hub = b.other_color(paint)
    if kind == "steamroller":
        b.part("roller", [disc(0.27, 0.5, at=(0, -long, 0.27))], hub, b.pattern(hub, 0.3), "metal")
        b.part("wheel", both_sides(disc(r, 0.18, at=(w / 2 + 0.07, 0.14, r))), b.color(), material="metal")
    else:
        tires = [
            *both_sides(disc(r, 0.18, at=(w / 2 + 0.07, 0.14, r))),
            *both_sides(disc(0.19, 0.13, at=(w / 2 + 0.02, 0.12 - long, 0.19))),
        ]
        b.part("wheel", tires, hub, material="rubber")
    if kind != "open tractor":
        posts = [box(0.08, 0.08, 0.5, at=(s * (w / 2 - 0.04), y, 0.75)) for s in (-1, 1) for y in (-0.08, 0.32)]
        b.part("post", posts, b.color(), material="metal")
        b.part("roof", [box(w + 0.08, 0.54, 0.09, at=(0, 0.13, 1.02))], b.color(), material="metal")
    else:
        b.part(
            "seat",
            [[box(0.26, 0.26, 0.12, at=(0, 0.16, 0.58)), box(0.26, 0.09, 0.3, at=(0, 0.3, 0.7))]],
            b.color(),
            material="leather",
        )
        wheel = [
            disc(0.15, 0.08, at=(0, -0.12, 0.76), axis="y").turned("x", 35),
            rod(0.045, (0, -0.2, 0.5), (0, -0.12, 0.76)),
        ]
        b.part("steering wheel", [wheel], b.color(), material="metal")
    if kind != "steamroller":
        b.part("chimney", [cylinder(0.055, 0.36, at=(0, 0.22 - long, 0.72))], b.color(), material="metal")
    b.subtype(kind)
    b.proportion("long" if long > 0.82 else "short" if long < 0.77 else "")
    top = "an open seat" if kind == "open tractor" else "a roof on four posts"
    b.layout(f"{top} behind a " + ("large roller" if kind == "steamroller" else "long hood"))
    b.symmetry("left-right")


def tank(b: Builder) -> None:
    kind, long, w, paint = b.choice(("tank", "rocket tank", "round tank")), b.uniform(1.0, 1.25), 0.66, b.color()
    half, r = long / 2, 0.17
    b.part(
        "body",
        [
            side_extrusion(
                [(-half + 0.12, 0.14), (half - 0.1, 0.14), (half, 0.44), (-half + 0.22, 0.44), (-half, 0.32)], w - 0.14
            )
        ],
        paint,
        b.pattern(paint, 0.35),
        "metal",
        counted=False,
    )
    belt = [
        box(0.18, long - 0.36, 2 * r, at=(w / 2, 0, r)),
        *(disc(r, 0.18, at=(w / 2, y, r)) for y in (0.18 - half, half - 0.18)),
    ]
    b.part("track", [belt, [s.mirrored() for s in belt]], b.other_color(paint), material="rubber")
    top = b.color()
    turret = (
        dome(0.27, 0.3, at=(0, 0.08, 0.43))
        if kind == "round tank"
        else box(0.56, 0.46, 0.26, at=(0, 0.08, 0.55))
        if kind == "rocket tank"
        else front_extrusion([(-0.26, 0.43), (0.26, 0.43), (0.18, 0.68), (-0.18, 0.68)], 0.46, at=(0, 0.08, 0))
    )
    b.part("turret", [turret], top, b.pattern(top, 0.2), "metal")
    guns = b.integer(2, 3) if kind == "rocket tank" else b.integer(1, 2)
    reach = b.uniform(0.35, 0.65)
    barrel = rod(0.055, (0, -0.05, 0.58), (0, -0.05 - reach - 0.15, 0.58 + 0.2 * reach))
    barrels = row(barrel, guns, (0.19, 0, 0))
    if kind == "rocket tank":
        barrels = row(rod(0.06, (0, 0.32, 0.68), (0, -0.05 - reach, 0.76 + 0.3 * reach)), guns, (0.19, 0, 0))
    b.part("barrel", barrels, b.other_color(top), material="metal")
    b.subtype(kind)
    b.proportion("long" if long > 1.18 else "short" if long < 1.08 else "")
    b.layout(f"a turret with {count_word(guns)} barrel{'s' * (guns > 1)} above two tracks")
    b.symmetry("left-right")


MACHINES: dict[str, Family] = {
    "bicycle": Family(bicycle, "vehicles", ("cycle", "bike"), category="mechanical"),
    "tractor": Family(tractor, "vehicles", ("farm vehicle",), rare=True, category="mechanical"),
    "tank": Family(tank, "vehicles", ("armoured vehicle",), category="mechanical"),
}
