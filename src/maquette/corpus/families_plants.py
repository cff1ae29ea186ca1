"""Object programs of plants; merged into `families_living.LIVING`."""

from __future__ import annotations

import numpy as np

from maquette.corpus.profiles import bent, dome, leaf_outline
from maquette.corpus.program import Builder, Family, count_word
from maquette.corpus.solids import (
    Solid,
    around,
    box,
    capsule,
    cone,
    cylinder,
    ellipsoid,
    extrusion,
    rod,
    sphere,
)


def tree(b: Builder) -> None:
    kind = b.choice(("pine tree", "leafy tree", "palm tree", "fruit tree"))
    trunk, girth, green = b.uniform(0.45, 0.75), b.uniform(0.08, 0.12), b.color()
    top: list[Solid] = []
    b.subtype(kind)
    tall = 0.0
    if kind == "pine tree":
        tiers, step = b.integer(2, 4), 0.36
        crown = [cone(0.5 - 0.07 * i, 0.26, (0, 0, trunk * 0.6 + 0.13 + step * i), top=0.14) for i in range(tiers - 1)]
        crown.append(cone(0.5 - 0.07 * (tiers - 1), 0.5, (0, 0, trunk * 0.6 + 0.25 + step * (tiers - 1))))
        trunk = trunk * 0.6 + step * (tiers - 1) + 0.1
        b.part("layer", crown, green, b.pattern(green), "leaves")
        b.layout(f"{count_word(tiers)} cone-shaped layers stacked on a straight trunk")
    elif kind == "palm tree":
        leaves, trunk, bend = b.integer(4, 6), trunk + 0.6, b.uniform(35, 60)
        frond = [
            ellipsoid(0.25, 0.085, 0.05, (0.35, 0, trunk)).turned("y", -12),
            ellipsoid(0.24, 0.085, 0.05, (0.64, 0, trunk - 0.09)).turned("y", bend),
        ]
        b.part(
            "leaf",
            list(zip(*(around(part, leaves) for part in frond), strict=True)),
            green,
            b.pattern(green, 0.2),
            "leaves",
        )
        b.layout(f"{count_word(leaves)} drooping leaves atop a tall bare trunk")
        top.append(sphere(0.18, (0, 0, trunk)))
    else:
        tall = b.uniform(0.34, 0.6)
        crown = [ellipsoid(0.45, 0.45, tall, (0, 0, trunk + tall * 0.8))]
        if kind == "leafy tree":
            crown += around(sphere(0.24, (0.36, 0, trunk + tall * 0.75)), b.integer(4, 5), b.uniform(0, 90))
        b.part("crown", [crown], green, b.pattern(green), "leaves")
        b.proportion("slim" if tall > 0.5 else "")
        b.layout(f"{'an egg-shaped' if tall > 0.5 else 'a round'} crown on a straight trunk")
        trunk += 0.1
    b.proportion("tall" if trunk > 1.15 else "")
    bark = b.other_color(green)
    log = [rod(girth + 0.03, (0, 0, 0), (0, 0, trunk), girth), *top]
    b.part("trunk", [log], bark, b.pattern(bark, 0.2), "bark", counted=False)
    if kind == "fruit tree":
        count = b.integer(3, 6)
        fruit = sphere(0.1, (0.44, 0, trunk + tall * 0.7 - 0.1))
        b.part("fruit", around(fruit, count, b.uniform(0, 90)), b.other_color(green, bark))
    b.symmetry("round")


def cactus(b: Builder) -> None:
    kind = b.choice(("saguaro cactus", "barrel cactus", "prickly pear"))
    green, height, potted = b.color(), b.uniform(0.9, 1.3), b.chance(0.5)
    floor = 0.26 if potted else 0.0
    b.subtype(kind)
    if kind == "saguaro cactus":
        arms = b.integer(1, 4)
        b.proportion("tall" if height > 1.15 else "")
        b.part(
            "stem", [capsule(0.15, (0, 0, floor + 0.1), (0, 0, floor + height))], green, b.pattern(green), "plant skin"
        )
        lift = b.uniform(0.25, 0.4) * height
        arm = bent(0.09, (0.21, 0, floor + lift), (0.4, 0, floor + lift), (0.4, 0, floor + lift + 0.35))
        hue = b.choice((green, b.color()))
        b.part(
            "arm",
            list(zip(*(around(p, arms, 0 if arms < 3 else 20) for p in arm), strict=True)),
            hue,
            material="plant skin",
        )
        b.layout(f"a thick upright stem with {count_word(arms)} bent {'arm' if arms == 1 else 'arms'}")
    elif kind == "barrel cactus":
        spikes, wide = b.integer(5, 8), b.uniform(0.36, 0.42)
        b.proportion("fat")
        b.part("stem", [ellipsoid(wide, wide, 0.42, (0, 0, floor + 0.36))], green, b.pattern(green), "plant skin")
        spine = rod(0.06, (wide - 0.04, 0, floor + 0.45), (wide + 0.16, 0, floor + 0.5), 0.025)
        b.part("spike", around(spine, spikes), b.other_color(green))
        b.layout(f"a ball-shaped stem ringed by {count_word(spikes)} spikes")
    else:
        pads = b.integer(1, 3)
        tips = (
            [(0.0, 0.0, 0.88), (0.4, 0.0, 0.55), (-0.4, 0.0, 0.55)][:pads]
            if pads != 2
            else [(0.38, 0, 0.58), (-0.38, 0, 0.58)]
        )
        b.part("stem", [ellipsoid(0.3, 0.1, 0.36, (0, 0, floor + 0.3))], green, b.pattern(green), "plant skin")
        leaf = [ellipsoid(0.15, 0.08, 0.27, (x, 0, floor + z)).turned("y", np.sign(x) * 50) for x, _, z in tips]
        b.part("pad", leaf, b.other_color(green), material="plant skin")
        b.layout(f"{count_word(pads)} flat {'pad' if pads == 1 else 'pads'} growing from a flat stem")
    if potted:
        b.part("pot", [cone(0.22, 0.3, (0, 0, 0.15), top=0.32)], b.other_color(green), material="clay")
    elif kind != "prickly pear":
        b.part(
            "flower",
            [sphere(0.14, (0, 0, floor + (height + 0.17 if kind == "saguaro cactus" else 0.8)))],
            b.other_color(green),
        )
    b.symmetry("left-right" if kind == "prickly pear" else "round" if kind == "barrel cactus" else "none")


def flower(b: Builder) -> None:
    kind = b.choice(("daisy", "sunflower", "tulip", "rose"))
    hue, stem, petals, leaves = b.color(), b.uniform(0.7, 1.1), b.integer(4, 8), b.integer(0, 2)
    b.subtype(kind)
    b.proportion("tall" if stem > 1.0 else "short" if stem < 0.8 else "")
    top, heart = (0, 0, stem), b.other_color(hue)
    if kind in ("daisy", "sunflower"):
        core = 0.1 + 0.012 * petals if kind == "daisy" else 0.25
        width = min(0.24, 2 * np.pi * (core + 0.12) / petals * 0.55)
        blade = extrusion([(v, u) for u, v in leaf_outline(0.4, width / 0.9)], 0.09, (core - 0.07, 0, stem))
        tilt = b.uniform(45, 75)
        solids = [p.turned("x", tilt, top) for p in around(blade, petals, 90, top)]
        core_solid = [ellipsoid(core, core, 0.12, top).turned("x", tilt)]
        b.layout(f"{count_word(petals)} petals around a round center, facing forward")
    elif kind == "tulip":
        petals = b.integer(3, 4)
        petal = ellipsoid(0.075, 0.11 if petals == 4 else 0.14, 0.3, (0.2, 0, stem + 0.26)).turned("y", 8)
        solids, core_solid = around(petal, petals, 90), [ellipsoid(0.17, 0.17, 0.2, (0, 0, stem + 0.1))]
        b.layout(f"an upright cup of {count_word(petals)} petals on a stem")
    else:
        petals = b.integer(4, 6)
        petal = ellipsoid(0.15, 0.14, 0.055, (0.28, 0, stem + 0.11)).turned("y", -35)
        solids = around(petal, petals, 90)
        core_solid = [ellipsoid(0.2, 0.2, 0.22, (0, 0, stem + 0.2))]
        b.layout(f"{count_word(petals)} open petals around a round bud")
    b.part("petal", solids, hue, b.pattern(hue, 0.25, ("two-tone", "gradient")), "petals")
    b.part("center", [core_solid], heart, b.pattern(heart, 0.2), counted=False)
    green = b.choice(("green", "lime", "teal", b.other_color(hue)))
    back = 0.1 if kind in ("daisy", "sunflower") else 0.0
    blades = [
        ellipsoid(0.21, 0.1, 0.05, (0.2, back * 0.5, stem * 0.3))
        .turned("y", -30)
        .turned("z", 180 * i, (0, back * 0.5, 0))
        for i in range(leaves)
    ]
    b.part("leaf", blades, b.choice((green, b.color())), material="leaves")
    b.part("stem", [bent(0.05, (0, 0, 0.04), (0, back, stem * 0.6), (0, back * 0.4, stem))], green)
    b.symmetry("none" if leaves == 1 else "left-right" if kind in ("daisy", "sunflower") or leaves else "round")


def mushroom(b: Builder) -> None:
    kind = b.choice(("toadstool", "button mushroom", "tall mushroom", "mushroom cluster"))
    hue, stalk, spots = b.color(), b.color(), b.integer(3, 6)
    number = b.integer(2, 3) if kind == "mushroom cluster" else 1
    stem = {"button mushroom": 0.3, "toadstool": 0.5, "tall mushroom": 0.85, "mushroom cluster": 0.5}[kind] * b.uniform(
        0.9, 1.15
    )
    wide = {"tall mushroom": 0.3, "mushroom cluster": 0.27}.get(kind, b.uniform(0.42, 0.52))
    b.subtype(kind)
    b.proportion("tall" if stem > 0.7 else "low" if stem < 0.36 else "")
    places = [(0.0, 0.0, 1.0)] if number == 1 else [(-0.34, 0.0, 1.1), (0.34, 0.0, 0.8), (0.0, -0.5, 0.5)][:number]
    rise = wide * (1.5 if kind == "tall mushroom" else 0.8)
    caps = [dome(wide, rise, (x, y, stem * k)) for x, y, k in places]
    b.part("cap", caps, hue, b.pattern(hue, 0.3))
    width = 0.17 if kind == "button mushroom" else 0.11
    b.part(
        "stem",
        [rod(width + 0.03, (x, y, 0), (x, y, stem * k + 0.04), width) for x, y, k in places],
        stalk,
        b.pattern(stalk, 0.2),
    )
    if number == 1 and b.chance(0.7):
        spot = ellipsoid(0.1, 0.1, 0.1, (wide * 0.72, 0, stem + rise * 0.66))
        b.part("spot", around(spot, spots, 30), b.other_color(hue))
        b.layout(f"a domed cap with {count_word(spots)} round spots on a stem")
    elif number == 1:
        b.layout("a plain domed cap on a thick stem")
    else:
        ground = box(1.1, 0.95 if number == 3 else 0.5, 0.1, (0, -0.22 if number == 3 else 0, 0.05))
        b.part("base", [ground], b.other_color(stalk), counted=False)
        b.layout(f"{count_word(number)} mushrooms of different height side by side")
    b.symmetry("round" if number == 1 else "none")


def potted_plant(b: Builder) -> None:
    kind = b.choice(("snake plant", "bonsai", "succulent", "potted fern"))
    clay, green, wide, deep = b.color(), b.color(), b.uniform(0.28, 0.38), b.uniform(0.3, 0.5)
    square = b.chance(0.4)
    b.subtype(kind)
    b.proportion("wide" if wide > deep else "narrow")
    pot = (
        box(wide * 1.7, wide * 1.7, deep, (0, 0, deep / 2))
        if square
        else cone(wide * 0.75, deep, (0, 0, deep / 2), top=wide)
    )
    rim = [] if square else [cylinder(wide + 0.05, 0.1, (0, 0, deep - 0.05))]
    b.part("pot", [[pot, *rim]], clay, b.pattern(clay, 0.5), b.choice(("clay", "plastic", "stone")))
    leaves = b.integer(3, 6)
    if kind == "bonsai":
        number = b.integer(2, 3)
        spots = [(0.25, 0.0, deep + 0.4), (-0.25, 0.05, deep + 0.62), (0.22, 0, deep + 0.9)][:number]
        b.part("crown", [ellipsoid(0.3, 0.26, 0.12, at) for at in spots], green, b.pattern(green, 0.3), "leaves")
        b.part(
            "trunk",
            [bent(0.065, (0, 0, deep), (0.12, 0, deep + 0.3), (-0.12, 0.03, deep + 0.55), (0.04, 0, spots[-1][2]))],
            b.other_color(green),
            material="bark",
            counted=False,
        )
        b.layout(f"{count_word(number)} flat crowns on a crooked trunk in a pot")
    elif kind == "snake plant":
        leaves = b.integer(3, 5)
        blade = ellipsoid(0.06, 0.085, 0.4, (0.2, 0, deep + 0.34)).turned("y", 14)
        b.part("leaf", around(blade, leaves, 20), green, b.pattern(green, 0.4), "leaves")
        b.layout(f"{count_word(leaves)} upright leaves rising from a pot")
    else:
        tilt = b.uniform(-50, -35) if kind == "succulent" else -15
        blade = [ellipsoid(0.28, 0.085, 0.07, (0.36, 0, deep + 0.2)).turned("y", tilt)]
        blade += [ellipsoid(0.2, 0.09, 0.06, (0.66, 0, deep + 0.14)).turned("y", 50)] if kind == "potted fern" else []
        b.part(
            "leaf", list(zip(*(around(p, leaves) for p in blade), strict=True)), green, b.pattern(green, 0.3), "leaves"
        )
        b.part("center", [dome(0.17, 0.34, (0, 0, deep))], b.choice((green, b.other_color(green))), counted=False)
        b.layout(
            f"{count_word(leaves)} {'drooping' if kind == 'potted fern' else 'pointed'} leaves spreading from a pot"
        )
    earth = b.other_color(clay)
    b.part("soil", [cylinder(wide * 0.7, 0.1, (0, 0, deep))], earth, counted=False)
    b.symmetry("none" if kind == "bonsai" else "" if square else "round")


PLANTS: dict[str, Family] = {
    "tree": Family(tree, "animals and plants", ("woody plant",), category="biological"),
    "cactus": Family(cactus, "animals and plants", ("desert plant",), rare=True, category="biological"),
    "flower": Family(flower, "animals and plants", ("blossom", "bloom"), category="biological"),
    "mushroom": Family(mushroom, "animals and plants", ("fungus",), category="biological"),
    "potted plant": Family(potted_plant, "animals and plants", ("houseplant", "indoor plant"), category="biological"),
}
"""Plants by name."""
