"""Object programs of figures: snowman, robot, toy figure; merged into `families_food.FOOD`."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from maquette.corpus.profiles import bent, dome, paired
from maquette.corpus.program import Builder, Family, count_word
from maquette.corpus.solids import (
    Solid,
    both_sides,
    box,
    capsule,
    cone,
    cylinder,
    disc,
    ellipsoid,
    rod,
    row,
    sphere,
    torus,
)


def snowman(b: Builder) -> None:
    kind = b.choice(("snowman", "small snowman", "snowman with scarf"))
    balls = 2 if kind == "small snowman" else 3
    snow, hat, size = b.color(), b.color(), b.uniform(0.38, 0.46)
    radii = [size * k for k in ((1.0, 0.68) if balls == 2 else (1.0, 0.76, 0.56))]
    heights = [radii[0] * 0.95]
    for low, high in pairwise(radii):
        heights.append(heights[-1] + (low + high) * 0.82)
    b.subtype(kind)
    b.proportion("tall" if balls == 3 and size < 0.41 else "fat" if size > 0.44 else "")
    body = [sphere(r, (0, 0, z)) for r, z in zip(radii, heights, strict=True)]
    b.part("body", [body], snow, b.pattern(snow, 0.25), "snow", counted=False)
    top, face, chest = heights[-1] + radii[-1], heights[-1], heights[-2]
    brim = [cylinder(radii[-1] * 1.15, 0.08, (0, 0, top - 0.06)), cylinder(radii[-1] * 0.75, 0.32, (0, 0, top + 0.1))]
    b.part("hat", [brim], b.other_color(snow), b.pattern(hat, 0.3), "fabric")
    nose = rod(0.08, (0, -radii[-1] + 0.04, face), (0, -radii[-1] - 0.26, face - 0.02), 0.03)
    b.part("nose", [nose], b.color("orange", "red", "yellow", "pink"))
    reach = radii[-2]
    arm = [capsule(0.05, (reach * 0.85, 0, chest + 0.05), (reach + 0.32, 0, chest + b.choice((0.35, 0.1, -0.1))))]
    b.part("arm", paired(arm), b.other_color(snow), material="wood")
    if kind == "snowman with scarf":
        b.part(
            "scarf",
            [torus(radii[-1] * 0.85, 0.09, (0, 0, (face + chest) / 2 + 0.04))],
            b.other_color(snow),
            material="fabric",
        )
    else:
        buttons = b.integer(2, 3)
        tilts = np.linspace(-32, 28, buttons)
        dots = [sphere(0.065, (0, -reach, chest)).turned("x", a, (0, 0, chest)) for a in tilts]
        b.part("button", dots, b.other_color(snow))
    b.layout(f"{count_word(balls)} stacked balls with a brimmed hat, arms spread")
    b.symmetry("left-right")


def robot(b: Builder) -> None:
    kind = b.choice(("robot", "round robot", "wheeled robot", "tall robot"))
    metal, limb, eyes = b.color(), b.color(), b.integer(1, 2 if kind == "round robot" else 3)
    tall, plump, wheels = kind == "tall robot", kind == "round robot", b.choice((2, 4))
    wide, high, leg = b.uniform(0.5, 0.65), b.uniform(0.52, 0.65) * (1.35 if tall else 1), 0.5 if tall else 0.32
    z, face = leg + high / 2, leg + high + 0.24
    b.subtype(kind)
    b.proportion("slim" if tall and wide < 0.57 else "wide" if wide > 0.62 and not tall else "")
    chest = ellipsoid(wide * 0.6, wide * 0.5, high / 2, (0, 0, z)) if plump else box(wide, wide * 0.7, high, (0, 0, z))
    trunk = [chest, cylinder(0.1, 0.2, (0, 0, leg + high))]
    trunk += [box(wide * 0.75, wide * 0.5, leg, (0, 0, leg / 2 + 0.08))] if kind == "wheeled robot" else []
    b.part("body", [trunk], metal, b.pattern(metal), "metal", counted=False)
    aerial = [capsule(0.045, (0, 0, face + 0.1), (0, 0, face + 0.36)), sphere(0.08, (0, 0, face + 0.38))]
    head = sphere(0.28, (0, 0, face)) if plump else box(0.56, 0.38, 0.34, (0, 0, face))
    b.part("head", [[head, *(aerial if b.chance(0.6) else [])]], limb, material="metal")
    lens = sphere(0.065, (0, -0.25 if plump else -0.2, face + 0.03))
    b.part("eye", row(lens, eyes, (0.19, 0, 0)), b.other_color(limb))
    arms, side, swing = b.choice((2, 2, 4)), wide * (0.55 if plump else 0.5), b.choice((-0.3, 0.22))
    if arms == 2:
        joints = [bent(0.075, (side, 0, z + 0.1), (side + 0.16, 0, z + 0.1), (side + 0.2, -0.12, z + 0.1 + swing))]
    else:
        joints = [bent(0.07, (side - 0.06, 0, h), (side + 0.3, -0.08, h)) for h in (z - high * 0.2, z + high * 0.24)]
    b.part("arm", [arm for joint in joints for arm in paired(joint)], b.other_color(metal), material="metal")
    if kind == "wheeled robot":
        size, places = (0.2, [0.0]) if wheels == 2 else (0.16, [-0.22, 0.22])
        tread = [disc(size, 0.15, (wide * 0.46, y, size)) for y in places]
        b.part("wheel", [w for t in tread for w in both_sides(t)], b.other_color(metal), material="rubber")
    else:
        x = wide * 0.27
        foot = [cylinder(0.085, leg + 0.12, (x, 0, leg / 2 + 0.06)), box(0.2, 0.3, 0.12, (x, -0.05, 0.06))]
        b.part("leg", paired(foot), limb, material="metal")
    base = f"{count_word(wheels)} wheels" if kind == "wheeled robot" else "two legs"
    b.layout(f"a {'round' if plump else 'boxy'} body with {count_word(arms)} arms on {base}")
    b.symmetry("left-right")


def toy_figure(b: Builder) -> None:
    kind = b.choice(("toy soldier", "astronaut", "wizard", "cook"))
    cloth, skin, trousers = b.color(), b.color("tan", "pink", "brown", "yellow", "orange"), b.color()
    leg, raised = b.uniform(0.34, 0.46), b.choice(("", "one", "both"))
    z, face = leg + 0.26, leg + 0.68
    b.subtype(kind)
    b.proportion("tall" if leg > 0.43 else "short" if leg < 0.37 else "")
    robe = kind == "wizard"
    trunk: Solid = cone(0.34, z + 0.24, (0, 0, (z + 0.24) / 2), top=0.15) if robe else box(0.42, 0.28, 0.52, (0, 0, z))
    pack = [box(0.36, 0.2, 0.42, (0, 0.2, z + 0.02))] if kind == "astronaut" else []
    b.part("body", [[trunk, *pack]], cloth, b.pattern(cloth, 0.4), "fabric", counted=False)
    if not robe:
        foot = [box(0.15, 0.18, leg + 0.06, (0.125, 0, leg / 2)), box(0.15, 0.28, 0.1, (0.125, -0.05, 0.05))]
        b.part("leg", paired(foot), trousers, material="fabric")
    b.part("head", [sphere(0.2, (0, 0, face))], skin)
    up, low = (0.46, -0.05, z + 0.46), (0.4, -0.04, z - 0.2)
    right, left = (up if raised else low), (up if raised == "both" else low)
    shoulder = 0.16 if robe else 0.22
    arm = bent(0.08, (shoulder, 0, z + 0.17), right)
    other = [s.mirrored("x") for s in bent(0.08, (shoulder, 0, z + 0.17), left)]
    b.part("arm", [arm, other], b.other_color(cloth), material="fabric")
    hat = b.other_color(skin)
    caps: dict[str, list[Solid]] = {
        "toy soldier": [cylinder(0.2, 0.34, (0, 0, face + 0.28)), box(0.3, 0.2, 0.07, (0, -0.16, face + 0.12))],
        "astronaut": [
            torus(0.21, 0.075, (0, 0, face)).turned("x", 90),
            dome(0.27, 0.3, (0, 0.05, face + 0.02)),
            ellipsoid(0.25, 0.16, 0.25, (0, 0.12, face)),
        ],
        "wizard": [cylinder(0.34, 0.08, (0, 0, face + 0.12)), cone(0.21, 0.5, (0, 0, face + 0.38), top=0.03)],
        "cook": [cylinder(0.19, 0.22, (0, 0, face + 0.22)), ellipsoid(0.29, 0.29, 0.16, (0, 0, face + 0.38))],
    }
    b.part("helmet" if kind == "astronaut" else "hat", [caps[kind]], hat, material="fabric")
    pose = {"": "both arms hanging down", "one": "one arm raised", "both": "both arms raised"}[raised]
    b.layout(f"a figure {'in a long robe' if robe else 'standing on two legs'}, {pose}")
    b.symmetry("none" if raised == "one" else "left-right")


FIGURES: dict[str, Family] = {
    "snowman": Family(snowman, "food and figures", ("snow figure",)),
    "robot": Family(robot, "food and figures", ("android", "machine figure"), category="mechanical"),
    "toy figure": Family(toy_figure, "food and figures", ("figurine",), category="rare"),
}
"""Figures by name."""
