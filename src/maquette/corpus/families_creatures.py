"""Object programs of small animals: frog, butterfly, snail, turtle, spider; merged into `families_living.LIVING`."""

from __future__ import annotations

import numpy as np

from maquette.corpus.profiles import bent, dome, paired
from maquette.corpus.program import Builder, Family, count_word
from maquette.corpus.solids import (
    both_sides,
    capsule,
    cone,
    cylinder,
    ellipsoid,
    extrusion,
    four_corners,
    rod,
    sphere,
    torus,
)


def frog(b: Builder) -> None:
    kind = b.choice(("tree frog", "toad", "leaping frog"))
    wide = b.uniform(0.38, 0.44) if kind == "toad" else b.uniform(0.28, 0.34)
    skin, leaping, eyes = b.color(), kind == "leaping frog", b.chance(0.85)
    b.subtype(kind)
    b.proportion("fat" if wide > 0.37 else "slim")
    b.part(
        "body",
        [ellipsoid(wide, 0.44, 0.27, (0, 0, 0.34)).turned("x", -22)],
        skin,
        b.pattern(skin),
        "skin",
        counted=False,
    )
    thigh = ellipsoid(0.13, 0.26, 0.18, (wide + 0.07, 0.2, 0.24))
    if leaping:
        back = bent(0.09, (wide - 0.02, 0.25, 0.24), (wide + 0.2, 0.6, 0.2), (wide + 0.14, 0.95, 0.08))
        front = bent(0.075, (wide - 0.06, -0.2, 0.3), (wide + 0.1, -0.5, 0.2), (wide + 0.1, -0.66, 0.3))
    else:
        back = [thigh, ellipsoid(0.13, 0.2, 0.06, (wide + 0.14, -0.02, 0.06))]
        front = [capsule(0.075, (wide * 0.75, -0.28, 0.34), (wide + 0.06, -0.44, 0.07))]
    b.part("leg", [*paired(back), *paired(front)], b.choice((skin, b.color())), material="skin")
    if eyes:
        b.part("eye", both_sides(sphere(0.12, (wide * 0.55, -0.26, 0.66))), b.other_color(skin))
    if kind == "toad":
        count, hue = b.integer(2, 5), b.other_color(skin)
        places = np.linspace(-0.26, 0.26, count) if count > 1 else [0.0]
        b.part(
            "spot", [sphere(0.085, (x, 0.1 - 0.16 * (i % 2), 0.585 - 0.3 * x * x)) for i, x in enumerate(places)], hue
        )
    else:
        mouth = ellipsoid(wide * 0.7, 0.1, 0.05, (0, -0.36, 0.42))
        b.part("mouth", [mouth], b.other_color(skin))
    pose = "a leaping body with legs stretched out" if leaping else "a squat body with folded back legs"
    b.layout(pose + ("" if eyes else " and no eyes"))
    b.symmetry("left-right")


def butterfly(b: Builder) -> None:
    kind = b.choice(("butterfly", "swallowtail", "moth", "dragonfly"))
    span, tilt, count = b.uniform(0.55, 0.75), b.uniform(20, 50), 2 if kind == "moth" else 4
    hue, thin = b.color(), kind == "dragonfly"
    fore = [(0.03, 0.0), (0.3, -0.42), (span, -0.52), (span + 0.08, -0.3), (span * 0.8, -0.06), (0.06, 0.06)]
    hind = [(0.05, 0.14), (span * 0.85, 0.1), (span * 0.85, 0.34), (0.36, 0.52), (0.05, 0.24)]
    if kind == "swallowtail":
        hind[3:4] = [(0.5, 0.42), (0.46, 0.78), (0.32, 0.78), (0.3, 0.42)]
    if kind == "moth":
        fore = [(0.03, -0.2), (span + 0.1, 0.2), (span * 0.7, 0.42), (0.05, 0.24)]
    shapes = [extrusion(fore, 0.075)] + ([extrusion(hind, 0.075)] if count == 4 else [])
    if thin:
        tilt = b.uniform(5, 15)
        shapes = [
            ellipsoid(span / 2 + 0.06, 0.1, 0.045, (span / 2 + 0.06, y, 0)).turned("z", a)
            for y, a in ((-0.26, -8), (0.06, 8))
        ]
    wings = [solid.turned("y", -tilt, (0, 0, 0)) for solid in shapes]
    b.subtype(kind)
    b.proportion("wide" if span > 0.68 else "narrow" if span < 0.6 else "")
    b.part(
        "wing",
        [w for pair in zip(*(both_sides(w) for w in wings), strict=True) for w in pair],
        hue,
        b.pattern(hue, 0.5),
    )
    trunk, girth = b.other_color(hue), 0.13 if kind == "moth" else 0.085
    body = capsule(girth, (0, -0.3, 0), (0, 0.85 if thin else 0.3, 0))
    b.part("body", [body], trunk, b.pattern(trunk), counted=False)
    b.part("head", [sphere(0.13, (0, -0.42, 0.03))], b.color())
    if not thin:
        feeler = [capsule(0.035, (0.06, -0.48, 0.08), (0.2, -0.75, 0.25)), sphere(0.06, (0.2, -0.75, 0.25))]
        b.part("antenna", paired(feeler), trunk)
    b.layout(f"{count_word(count)} {'narrow' if thin else 'broad'} wings spread beside a slender body")
    b.symmetry("left-right")


def snail(b: Builder) -> None:
    kind = b.choice(("garden snail", "cone snail", "spiky snail"))
    skin, hue, size = b.color(), b.color(), b.uniform(0.3, 0.4)
    z = size + 0.12
    b.subtype(kind)
    b.proportion("large" if size > 0.37 else "small" if size < 0.33 else "")
    if kind == "cone snail":
        shell = [
            cone(size * 0.9, size * 2.4, (0, 0.18, z + 0.14)).turned("x", -40),
            sphere(size * 0.85, (0, 0.0, z - 0.1)),
        ]
    else:
        shell = [ellipsoid(size * 0.62, size, size, (0, 0.1, z))]
    b.part("shell", [shell], hue, b.pattern(hue, 0.5), "shell")
    if kind != "cone snail":
        swirl = both_sides(torus(size * 0.52, 0.06, (size * 0.5, 0.1, z)).turned("y", 90))
        b.part("spiral", swirl, b.other_color(hue), counted=False)
    foot = [
        ellipsoid(0.2, 0.68, 0.11, (0, 0, 0.11)),
        capsule(0.12, (0, -0.45, 0.14), (0, -0.62, 0.42)),
        sphere(0.15, (0, -0.64, 0.45)),
    ]
    b.part("body", [foot], skin, b.pattern(skin, 0.2), "skin", counted=False)
    feeler = [capsule(0.04, (0.1, -0.66, 0.52), (0.18, -0.74, 0.78)), sphere(0.065, (0.18, -0.74, 0.8))]
    b.part("antenna", paired(feeler), b.other_color(skin))
    spikes = b.integer(3, 5) if kind == "spiky snail" else 0
    turns = np.linspace(-75, 75, spikes) if spikes else []
    spine = rod(0.08, (0, 0.1, z + size - 0.05), (0, 0.1, z + size + 0.2), 0.025)
    b.part("spike", [spine.turned("x", a, (0, 0.1, z)) for a in turns], b.other_color(hue))
    b.layout(f"a {'pointed' if kind == 'cone snail' else 'round'} shell on a long flat body, head raised")
    b.symmetry("left-right")


def turtle(b: Builder) -> None:
    kind = b.choice(("tortoise", "sea turtle", "pond turtle"))
    sea, high = kind == "sea turtle", kind == "tortoise"
    hue, skin, wide = b.color(), b.color(), b.uniform(0.42, 0.5)
    rise = b.uniform(0.42, 0.52) if high else b.uniform(0.2, 0.28)
    leg = 0.2 if high else 0.1
    b.subtype(kind)
    b.proportion("tall" if high else "flat")
    b.part(
        "shell",
        [dome(wide, rise, (0, 0, leg + 0.06))],
        hue,
        b.pattern(hue, 0.6, ("checked", "striped", "two-tone")),
        "shell",
    )
    rim = b.other_color(hue)
    b.part("ring", [cylinder(wide + 0.06, 0.09, (0, 0, leg + 0.06))], rim, material="shell")
    if sea:
        front = ellipsoid(0.32, 0.12, 0.06, (wide + 0.14, -0.34, leg)).turned("z", -25)
        back = ellipsoid(0.2, 0.1, 0.06, (wide * 0.8, wide * 0.95, leg)).turned("z", 45)
        limbs, name = [*both_sides(front), *both_sides(back)], "flipper"
    else:
        limbs, name = (
            four_corners(rod(0.12, (wide * 0.85, wide * 0.75, 0), (wide * 0.6, wide * 0.55, leg + 0.08))),
            "leg",
        )
    b.part(name, limbs, skin, b.pattern(skin, 0.2), "skin")
    face = (0, -wide - 0.26, leg + (0.22 if high else 0.12))
    head = [capsule(0.1, (0, -wide + 0.1, leg + 0.06), face), ellipsoid(0.13, 0.17, 0.13, face)]
    b.part("head", [head], b.choice((skin, b.color())), material="skin")
    b.part("tail", [rod(0.08, (0, wide - 0.1, leg + 0.06), (0, wide + 0.26, leg), 0.03)], skin, material="skin")
    b.layout(f"a {'high' if high else 'low'} domed shell on four {'flippers' if sea else 'stubby legs'}, head forward")
    b.symmetry("left-right")


def spider(b: Builder) -> None:
    kind = b.choice(("spider", "tarantula", "ant", "beetle"))
    legs = 8 if kind in ("spider", "tarantula") else 6
    thick = b.uniform(0.056, 0.065) if kind == "tarantula" else b.uniform(0.045, 0.052)
    hue, limbs, rise = b.color(), b.color(), b.uniform(0.45, 0.7) if kind == "spider" else b.uniform(0.35, 0.45)
    b.subtype(kind)
    b.proportion("tall" if rise > 0.6 else "low" if rise < 0.4 else "")
    rear = {
        "spider": (0.3, 0.36, 0.28),
        "tarantula": (0.3, 0.36, 0.24),
        "ant": (0.2, 0.3, 0.2),
        "beetle": (0.38, 0.48, 0.26),
    }[kind]
    z, y = 0.36, 0.12 + rear[1]
    b.part("body", [ellipsoid(*rear, (0, y, z + 0.06))], hue, b.pattern(hue, 0.5), counted=False)
    b.part("thorax", [ellipsoid(0.25, 0.29, 0.15, (0, -0.02, z))], b.choice((limbs, b.color())), counted=False)
    spread = np.linspace(-62, 62, legs // 2) if legs == 8 else np.linspace(-48, 48, 3)
    side = []
    for angle in spread:
        c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        hip, knee, foot = (0.26 * c, 0.28 * s, z), (0.5 * c, 0.5 * s, rise + 0.1), (0.85 * c, 0.85 * s, thick)
        side.append(bent(thick, hip, knee, foot))
    b.part("leg", [leg for group in side for leg in paired(group)], limbs)
    b.part("head", [sphere(0.16, (0, -0.32, z + 0.03))], b.choice((hue, b.color())))
    eyes = b.choice((2, 4)) if kind == "spider" else 2
    places = [(0.11, 0.1)] + ([(0.12, -0.07)] if eyes == 4 else [])
    b.part(
        "eye", [e for x, dz in places for e in both_sides(sphere(0.065, (x, -0.43, z + dz)))], b.other_color(hue, limbs)
    )
    b.layout(f"a round rear body amid {count_word(legs)} bent legs spread outward")
    b.symmetry("left-right")


CREATURES: dict[str, Family] = {
    "frog": Family(frog, "animals and plants", ("amphibian",), category="biological"),
    "butterfly": Family(butterfly, "animals and plants", ("winged insect",), category="biological"),
    "snail": Family(snail, "animals and plants", ("mollusc",), rare=True, category="biological"),
    "turtle": Family(turtle, "animals and plants", ("shelled reptile",), category="biological"),
    "spider": Family(spider, "animals and plants", ("creepy-crawly", "bug"), rare=True, category="biological"),
}
"""Small animals by name."""
