"""Things of house, castle and study: umbrellas, keys, swords, anvils, telescopes."""

from __future__ import annotations

from maquette.corpus.profiles import dome
from maquette.corpus.program import Builder, Family, count_word
from maquette.corpus.solids import (
    arc_band,
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


def umbrella(b: Builder) -> None:
    kind, r, tall = (
        b.choice(("umbrella", "closed umbrella", "beach umbrella")),
        b.uniform(0.45, 0.58),
        b.uniform(0.85, 1.1),
    )
    paint, rod_paint, tiers = b.color(), b.color(), 1
    if kind == "closed umbrella":
        r = b.uniform(0.12, 0.17)
        b.part(
            "canopy",
            [revolve([(0, 0.4), (0.07, 0.4), (r, 0.52), (0.05, tall), (0, tall)])],
            paint,
            b.pattern(paint, 0.6),
            "fabric",
        )
    else:
        deep, tiers, domed = b.uniform(0.22, 0.32), b.integer(1, 2), b.chance(0.6)
        sizes = [(r * (1 - 0.4 * i), deep * (1 - 0.3 * i), tall + (deep + 0.14) * i) for i in range(tiers)]
        shells = [dome(v, h, at=(0, 0, z)) if domed else cone(v, h, at=(0, 0, z + h / 2)) for v, h, z in sizes]
        b.part("canopy", shells, paint, b.pattern(paint, 0.6), "fabric")
        tall = sizes[-1][2] + sizes[-1][1]
    foot = 0.03 if kind == "beach umbrella" else 0.2
    b.part("pole", [cylinder(0.045, tall - foot, at=(0, 0, (tall + foot) / 2))], rod_paint, material="metal")
    b.part("tip", [cone(0.06, 0.14, at=(0, 0, tall + 0.05), top=0.03)], b.other_color(paint), material="metal")
    hooked = False
    if kind == "beach umbrella":
        b.part("base", [cylinder(b.uniform(0.2, 0.28), 0.1, at=(0, 0, 0.05))], b.color(), material="stone")
    else:
        hook = [(x + 0.11, z + 0.2) for x, z in arc_band(0.11, 0.1, 180, 360)]
        hooked = b.chance(0.6)
        b.part(
            "handle",
            [front_extrusion(hook, 0.1) if hooked else capsule(0.075, (0, 0, 0.09), (0, 0, 0.26))],
            b.other_color(rod_paint),
            material="wood",
        )
    b.subtype(kind)
    b.proportion(
        "wide" if kind != "closed umbrella" and r > 0.54 else "slim" if kind == "closed umbrella" and r < 0.14 else ""
    )
    end = "a flat base" if kind == "beach umbrella" else "a hook handle" if hooked else "a straight handle"
    look = "one folded canopy" if kind == "closed umbrella" else "one canopy" if tiers == 1 else "two stacked canopies"
    b.layout(f"{look} on a pole over {end}")
    b.symmetry("round" if kind == "beach umbrella" or not hooked else "none")


def key(b: Builder) -> None:
    kind, teeth, long, paint = (
        b.choice(("round key", "square key", "three-lobed key")),
        b.integer(1, 4),
        b.uniform(0.6, 0.8),
        b.color(),
    )
    r, t, z = b.uniform(0.18, 0.23), 0.13, 0.0
    z = long + r
    bows = {
        "round key": [torus(r, t / 2).turned("x", 90).moved(dz=z)],
        "square key": [
            box(2 * r + t, t, t, at=(0, 0, z - r)),
            box(2 * r + t, t, t, at=(0, 0, z + r)),
            *both_sides(box(t, t, 2 * r, at=(r, 0, z))),
        ],
        "three-lobed key": [
            torus(0.12, t / 2).turned("x", 90).moved(x, 0, z + dz)
            for x, dz in ((0, 0.16), (-0.17, -0.08), (0.17, -0.08))
        ],
    }
    b.part("bow", [bows[kind]], paint, b.pattern(paint, 0.3), "metal")
    steel = b.color()
    b.part("shaft", [cylinder(0.065, long, at=(0, 0, long / 2))], steel, b.pattern(steel, 0.25), "metal")
    deep = b.uniform(0.16, 0.24)
    tooth = box(deep + 0.05, 0.11, 0.08, at=(deep / 2 + 0.06, 0, 0.06))
    b.part("tooth", [tooth.moved(dz=0.155 * i) for i in range(teeth)], b.other_color(steel), material="metal")
    collars = b.integer(0, 1)
    if collars:
        b.part("collar", [cylinder(0.12, 0.1, at=(0, 0, long - 0.06))], b.other_color(paint, steel), material="metal")
    b.subtype(kind)
    b.proportion("long" if long > 0.73 else "short" if long < 0.66 else "")
    what = "one tooth" if teeth == 1 else f"{count_word(teeth)} teeth"
    b.layout(f"a {kind.split()[0]} bow on a shaft with {what}")
    b.symmetry("none")


def sword(b: Builder) -> None:
    kind, long, w = (
        b.choice(("broadsword", "dagger", "sabre", "greatsword")),
        b.uniform(0.75, 0.9),
        b.uniform(0.07, 0.1),
    )
    long = {"dagger": b.uniform(0.4, 0.5), "greatsword": b.uniform(0.95, 1.1)}.get(kind, long)
    w, blade, t, z = (w + 0.03 if kind == "greatsword" else w), b.color(), 0.09, 0.34
    outline = [(-w, z), (w, z), (w * 0.85, z + long * 0.82), (0, z + long), (-w * 0.85, z + long * 0.82)]
    if kind == "sabre":
        outline = [(x + 0.75, y + z) for x, y in arc_band(0.75, 2 * w, 180, 180 - 68 * long / 0.82)]
    b.part("blade", [front_extrusion(outline, t)], blade, b.pattern(blade, 0.35), "metal")
    guard, grip = b.uniform(0.18, 0.28), b.other_color(blade)
    round_guard = b.chance(0.35)
    plate = cylinder(guard * 0.75, 0.08, at=(0, 0, z)) if round_guard else box(2 * guard, 0.12, 0.09, at=(0, 0, z))
    b.part("guard", [plate], b.other_color(blade), material="metal")
    b.part("grip", [cylinder(0.06, z - 0.05, at=(0, 0, z / 2 + 0.02))], grip, b.pattern(grip, 0.4), "leather")
    b.part(
        "pommel",
        [sphere(0.1, at=(0, 0, 0.08)) if b.chance(0.6) else box(0.18, 0.14, 0.12, at=(0, 0, 0.06))],
        b.other_color(grip),
        material="metal",
    )
    gems = b.integer(0, 2)
    gem = sphere(0.075, at=(0, -guard * 0.75 if round_guard else -0.07, z))
    spots = row(gem, gems, (0.26, 0, 0)) if not round_guard else around(gem, gems, start=0 if gems == 1 else 90)
    b.part("gem", spots if gems else [], b.other_color(blade), material="glass")
    b.subtype(kind)
    b.proportion("broad" if w > 0.11 else "slim" if w < 0.08 else "")
    b.proportion("long" if long > 0.92 else "short" if long < 0.6 else "")
    b.layout(
        f"a {'curved' if kind == 'sabre' else 'straight'} blade above a {'round' if round_guard else 'cross'} guard and a grip"
    )
    b.symmetry("none" if kind == "sabre" else "left-right")


def anvil(b: Builder) -> None:
    kind, w, paint = b.choice(("anvil", "double-horn anvil", "anvil on block")), b.uniform(0.26, 0.36), b.color()
    half, low = b.uniform(0.28, 0.36), b.uniform(0.3, 0.5) if kind == "anvil on block" else 0.1
    waist = half * b.uniform(0.4, 0.6)
    side = [
        (-half, 0),
        (half, 0),
        (waist, 0.18),
        (waist, 0.28),
        (half, 0.36),
        (half, 0.54),
        (-half, 0.54),
        (-half, 0.36),
        (-waist, 0.28),
        (-waist, 0.18),
    ]
    b.part(
        "body",
        [front_extrusion([(x, z + low - 0.01) for x, z in side], w)],
        paint,
        b.pattern(paint, 0.25),
        "metal",
        counted=False,
    )
    z, horn_paint = low + 0.44, b.other_color(paint)
    horn = rod(w * 0.36, (half - 0.02, 0, z), (half + b.uniform(0.24, 0.38), 0, z + 0.03), 0.04)
    b.part("horn", both_sides(horn) if kind == "double-horn anvil" else [horn], horn_paint, material="metal")
    if kind == "anvil on block":
        stump = b.color()
        b.part("block", [cylinder(half + 0.08, low, at=(0, 0, low / 2))], stump, b.pattern(stump, 0.3), "wood")
    else:
        b.part("base", [box(2 * half + 0.12, w + 0.14, 0.12, at=(0, 0, 0.06))], b.color(), material="stone")
    if b.chance(0.5):
        hammer = [disc(0.05, 0.36, at=(-0.06, 0, low + 0.58)), box(0.14, 0.24, 0.15, at=(0.14, 0, low + 0.6))]
        b.part("hammer", [hammer], b.other_color(paint), material="metal")
    b.subtype(kind)
    b.proportion("wide" if w > 0.33 else "narrow" if w < 0.29 else "")
    horns = "two horns" if kind == "double-horn anvil" else "one horn"
    b.layout(f"a waisted body with {horns} on a " + ("round block" if kind == "anvil on block" else "flat base"))
    b.symmetry("left-right" if kind == "double-horn anvil" else "none")


def telescope(b: Builder) -> None:
    kind, long, r, tilt = (
        b.choice(("telescope", "finder telescope", "spyglass on stand")),
        b.uniform(0.8, 1.0),
        b.uniform(0.09, 0.13),
        b.uniform(15, 35),
    )
    legs, top, paint = b.integer(3, 4), b.uniform(0.55, 0.75), b.color()
    z = top + r + 0.08
    aim = {"axis": "y", "degrees": tilt, "about": (0.0, 0.0, z)}
    tube = [disc(r, long, at=(0, 0, z))]
    if kind == "spyglass on stand":
        tube = [disc(r * (1.2 - 0.22 * i), long / 3 + 0.02, at=((i - 1) * long / 3, 0, z)) for i in range(3)]
    b.part("tube", [[s.turned(**aim) for s in tube]], paint, b.pattern(paint, 0.45), "metal")
    lens = disc(r * (1.2 if kind == "spyglass on stand" else 1.0) + 0.045, 0.12, at=(-long / 2, 0, z))
    b.part("lens", [lens.turned(**aim)], b.other_color(paint), material="glass")
    eye = disc(0.055, 0.24, at=(long / 2 + 0.07, 0, z))
    b.part("eyepiece", [eye.turned(**aim)], b.other_color(paint), material="plastic")
    if kind == "finder telescope":
        finder = [disc(0.055, 0.34, at=(0.1, 0, z + r + 0.1)), box(0.09, 0.09, 0.14, at=(0.1, 0, z + r + 0.02))]
        b.part("finder", [[s.turned(**aim) for s in finder]], b.color(), material="metal")
    b.part(
        "leg",
        around(rod(0.048, (0, -b.uniform(0.36, 0.46), 0), (0, -0.04, top + 0.08)), legs, start=0),
        b.color(),
        material="wood",
    )
    b.subtype(kind)
    b.proportion("thick" if r > 0.12 else "slim" if r < 0.1 else "")
    b.proportion("tall" if top > 0.68 else "low" if top < 0.6 else "")
    b.layout(f"a slanted tube{' and finder' if kind == 'finder telescope' else ''} on {count_word(legs)} legs")
    b.symmetry("none")


HOUSEHOLD: dict[str, Family] = {
    "umbrella": Family(umbrella, "tools and instruments", ("parasol", "sunshade"), category="mechanical"),
    "key": Family(key, "tools and instruments", ("door opener",), category="mechanical"),
    "sword": Family(sword, "tools and instruments", ("blade weapon",), rare=True, category="rare"),
    "anvil": Family(anvil, "tools and instruments", ("forging block",), rare=True, category="rare"),
    "telescope": Family(telescope, "tools and instruments", ("spyglass",), rare=True, category="rare"),
}
