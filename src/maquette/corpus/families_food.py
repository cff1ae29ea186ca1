"""Object programs of the group "food and figures": food and tableware; figures are in `families_figures`."""

from __future__ import annotations

import numpy as np

from maquette.corpus.families_figures import FIGURES
from maquette.corpus.families_tableware import TABLEWARE
from maquette.corpus.families_toys import TOYS
from maquette.corpus.profiles import bent, dome
from maquette.corpus.program import Builder, Family, count_word
from maquette.corpus.solids import (
    Real,
    Solid,
    around,
    both_sides,
    box,
    capsule,
    cone,
    cylinder,
    ellipsoid,
    extrusion,
    row,
    sphere,
    torus,
)


def cake(b: Builder) -> None:
    kind = b.choice(("layer cake", "wedding cake", "square cake", "cake slice"))
    layers, wide, step = b.integer(1, 4), b.uniform(0.42, 0.55), b.uniform(0.22, 0.28)
    layers = b.integer(2, 4) if kind == "wedding cake" else min(layers, 3)
    dough, candles = b.color(), b.integer(0, 5)
    icing = b.other_color(dough)
    candles = min(candles, 1) if kind == "wedding cake" else candles
    sizes = [wide * (1 - 0.17 * i) if kind == "wedding cake" else wide for i in range(layers)]
    gap = 0.1
    bottoms = [i * (step + gap) for i in range(layers)]
    if kind == "cake slice":
        wedge = [(0.0, -wide), (wide * 0.62, wide * 0.75), (-wide * 0.62, wide * 0.75)]
        slabs = [extrusion(wedge, step, (0, 0, z + step / 2)) for z in bottoms]
        creams = [extrusion(wedge, gap, (0, 0, z + step + gap / 2)) for z in bottoms]
    elif kind == "square cake":
        slabs = [box(wide * 2, wide * 1.6, step, (0, 0, z + step / 2)) for z in bottoms]
        creams = [box(wide * 2, wide * 1.6, gap, (0, 0, z + step + gap / 2)) for z in bottoms]
    else:
        slabs = [cylinder(r, step, (0, 0, z + step / 2)) for r, z in zip(sizes, bottoms, strict=True)]
        creams = [cylinder(r + 0.03, gap, (0, 0, z + step + gap / 2)) for r, z in zip(sizes, bottoms, strict=True)]
    b.subtype(kind)
    top, reach = layers * (step + gap), sizes[-1]
    b.proportion("tall" if top > wide * 1.9 else "low" if top < wide * 0.9 else "")
    b.part("layer", slabs, dough, b.pattern(dough, 0.25), "sponge")
    b.part("icing", [creams], icing, b.pattern(icing, 0.2), "cream", counted=False)
    if kind == "cake slice" or candles == 0:
        b.part("cherry", [sphere(0.12, (0, 0.1 if kind == "cake slice" else 0, top + 0.08))], b.other_color(icing))
    else:
        stick = cylinder(0.05, 0.28, (reach * 0.62, 0, top + 0.12))
        b.part(
            "candle",
            around(stick, candles, 90) if candles > 1 else [cylinder(0.05, 0.28, (0, 0, top + 0.12))],
            b.other_color(icing),
        )
    shape = {"cake slice": "wedge-shaped", "square cake": "square", "wedding cake": "shrinking round"}.get(
        kind, "round"
    )
    b.layout(f"{count_word(layers)} {shape} {'layer' if layers == 1 else 'layers'} topped with icing")
    b.symmetry("left-right" if kind == "cake slice" else "round" if kind != "square cake" else "")


def burger(b: Builder) -> None:
    kind = b.choice(("hamburger", "cheeseburger", "double burger", "sandwich"))
    bread, meat, wide = b.color(), b.color(), b.uniform(0.44, 0.56)
    patties, square = 2 if kind == "double burger" else 1, kind == "sandwich"
    b.subtype(kind)

    def slab(size: Real, height: Real, z: Real) -> Solid:
        at = (0.0, 0.0, z + height / 2)
        return box(size * 1.9, size * 1.9, height, at) if square else cylinder(size, height, at)

    z = 0.2
    lettuce = slab(wide + 0.07, 0.1, z)
    meats, cheeses = [], []
    z += 0.1
    for _ in range(patties):
        meats.append(slab(wide + 0.02, 0.16, z))
        z += 0.16
        if kind != "hamburger":
            cheeses.append(box(wide * 1.72, wide * 1.72, 0.1, (0, 0, z + 0.05)).turned("z", 0 if square else 45))
            z += 0.1
    upper = slab(wide, 0.2, z) if square else dome(wide, b.uniform(0.3, 0.42), (0, 0, z))
    b.part("bun", [slab(wide, 0.2, 0), upper], bread, b.pattern(bread, 0.25), "bread")
    b.part("lettuce", [lettuce], b.other_color(bread), material="leaves", counted=False)
    b.part("patty", meats, b.other_color(bread), b.pattern(meat, 0.15), "meat")
    b.part("cheese", [cheeses] if cheeses else [], b.other_color(bread, b.parts[-1].color), counted=False)
    if kind == "hamburger":
        seeds = b.integer(3, 6)
        seed = ellipsoid(0.085, 0.085, 0.07, (wide * 0.6, 0, z + 0.28))
        b.part("seed", around(seed, seeds, 90), b.other_color(bread))
    b.proportion("wide" if wide > 0.53 else "")
    fill = "double filling" if patties == 2 else "filling"
    b.layout(f"a {fill} stacked between two {'square' if square else 'round'} buns")
    b.symmetry("four-fold" if square else "")


def ice_cream(b: Builder) -> None:
    kind = b.choice(("ice cream cone", "sundae cup", "popsicle"))
    hue, holder, scoops = b.color(), b.color(), b.integer(1, 3)
    b.subtype(kind)
    if kind == "popsicle":
        wide, high = b.uniform(0.5, 0.65), b.uniform(0.75, 1.0)
        bar = [box(wide, 0.28, high - wide / 2, (0, 0, 0.4 + (high - wide / 2) / 2))]
        bar.append(cylinder(wide / 2, 0.28, (0, 0, 0.4 + high - wide / 2)).turned("x", 90))
        b.part("bar", [bar], hue, b.pattern(hue, 0.7), "ice")
        sticks = b.integer(1, 2)
        b.part("stick", row(box(0.12, 0.1, 0.5, (0, 0, 0.25)), sticks, (wide * 0.52, 0, 0)), holder, material="wood")
        b.proportion("slim" if high / wide > 1.7 else "")
        b.layout(f"a rounded bar on {count_word(sticks)} flat {'stick' if sticks == 1 else 'sticks'}")
        b.symmetry("left-right")
        return
    high, wide = b.uniform(0.7, 0.95), b.uniform(0.27, 0.32)
    if kind == "sundae cup":
        high, scoops = 0.5, b.integer(2, 3)
        balls = around(sphere(0.19, (0.26, 0, high + 0.12)), scoops, 90)
        vessel = [cone(0.2, high, (0, 0, high / 2), top=0.42), cylinder(0.32, 0.1, (0, 0, 0.05))]
        peak = high + 0.13
    else:
        balls = [sphere(wide - 0.03 * i, (0, 0, high + 0.12 + 0.44 * i)) for i in range(scoops)]
        vessel = [cone(0.09, high, (0, 0, high / 2), top=wide)]
        peak = high + 0.12 + 0.44 * (scoops - 1) + wide
    first = b.other_color(holder)
    if kind == "sundae cup" or scoops == 1:
        b.part("scoop", balls, first, b.pattern(first, 0.3), "ice cream")
    else:
        b.part("scoop", balls, first, material="ice cream")
        rings = [cylinder(wide * 0.85, 0.11, (0, 0, high + 0.34 + 0.44 * i)) for i in range(scoops - 1)]
        b.part("cream", rings, b.other_color(first), counted=False)
    b.part(
        "cup" if kind == "sundae cup" else "cone",
        [vessel],
        holder,
        b.pattern(holder, 0.5),
        "glass" if kind == "sundae cup" else "wafer",
    )
    if b.chance(0.6):
        b.part("cherry", [sphere(0.13, (0, 0, peak + 0.05))], b.other_color(first))
    b.proportion("tall" if peak > 1.7 else "")
    where = "side by side in a cup" if kind == "sundae cup" else "stacked on a pointed cone"
    b.layout(f"{count_word(scoops)} round {'scoop' if scoops == 1 else 'scoops'} {where}")
    b.symmetry("round" if kind == "ice cream cone" else "")


def fruit(b: Builder) -> None:
    kind = b.choice(("apple", "pear", "pineapple", "pumpkin", "banana"))
    peel, wide = b.color(), b.uniform(0.42, 0.52)
    b.subtype(kind)
    b.proportion("wide" if wide > 0.5 and kind in ("apple", "pear") else "")
    if kind == "banana":
        curve = [(-0.55, 0.0, 0.42), (-0.36, 0.0, 0.18), (0.0, 0.0, 0.1), (0.36, 0.0, 0.18), (0.55, 0.0, 0.42)]
        b.part("body", [bent(b.uniform(0.13, 0.17), *curve)], peel, b.pattern(peel, 0.4), counted=False)
        ends = both_sides(capsule(0.08, (0.56, 0, 0.46), (0.64, 0, 0.62)))
        b.part("tip", ends, b.other_color(peel))
        b.layout("a curved body with a tip at each end")
        b.symmetry("left-right")
    elif kind == "pineapple":
        leaves = b.integer(4, 6)
        b.part(
            "flesh", [ellipsoid(wide * 0.75, wide * 0.75, 0.5, (0, 0, 0.5))], peel, b.pattern(peel, 1.0, ("checked",))
        )
        blade = ellipsoid(0.2, 0.085, 0.055, (0.24, 0, 1.1)).turned("y", -48)
        b.part("leaf", around(blade, leaves, 90), b.other_color(peel), material="leaves")
        b.part("stem", [cone(0.12, 0.4, (0, 0, 1.11), top=0.05)], b.color())
        b.layout(f"{count_word(leaves)} pointed leaves crowning an oval body")
        b.symmetry("round")
    elif kind == "pumpkin":
        ribs = b.integer(5, 7)
        rib = ellipsoid(0.2, 0.35 * float(np.sin(np.pi / ribs)), 0.34, (0.3, 0, 0.34))
        b.part("rib", around(rib, ribs, 90), peel)
        b.part("core", [ellipsoid(0.4, 0.4, 0.28, (0, 0, 0.34))], b.other_color(peel), counted=False)
        b.part("stem", [capsule(0.09, (0, 0, 0.5), (0.03, 0, 0.8))], b.other_color(peel))
        b.layout(f"{count_word(ribs)} bulging ribs around a short stem")
        b.symmetry("round")
    else:
        apple_or_pear(b, kind, peel, wide)


def apple_or_pear(b: Builder, kind: str, peel: str, wide: Real) -> None:
    """Fruits of one smooth body with a stem and leaves on top."""
    leaves = b.integer(1, 3)
    if kind == "apple":
        flesh = [torus(0.18, wide * 0.62, (0, 0, 0.32)), ellipsoid(0.36, 0.36, 0.25, (0, 0, 0.3))]
        top = 0.56
    else:
        top = wide * 0.95 + 0.66
        flesh = [sphere(wide * 0.8, (0, 0, wide * 0.8)), sphere(0.21, (0, 0, top - 0.18))]
        flesh.append(cone(wide * 0.74, 0.5, (0, 0, top - 0.41), top=0.19))
    b.part("body", [flesh], peel, b.pattern(peel), counted=False)
    b.part("stem", [bent(0.06, (0, 0, top - 0.12), (0, 0, top + 0.1), (0.06, 0, top + 0.24))], b.other_color(peel))
    blade = ellipsoid(0.19, 0.1, 0.05, (0.24, 0, top + 0.12)).turned("y", -15)
    b.part("leaf", around(blade, leaves), b.other_color(peel), material="leaves")
    b.layout(f"a {'round' if kind == 'apple' else 'pear-shaped'} body with a stem on top")
    b.symmetry("none")


def cupcake(b: Builder) -> None:
    kind = b.choice(("frosted cupcake", "muffin", "birthday cupcake"))
    paper, cream, wide, high = b.color(), b.color(), b.uniform(0.36, 0.44), b.uniform(0.36, 0.5)
    b.subtype(kind)
    b.proportion("tall" if high > 0.46 else "low" if high < 0.39 else "")
    if kind == "muffin":
        top: list[Solid] = [dome(wide + 0.12, 0.38, (0, 0, high))]
        peak = high + 0.36
    else:
        swirls = b.integer(2, 3)
        top = [
            torus((wide + 0.02) * (0.6 - 0.2 * i), 0.17 - 0.02 * i, (0, 0, high + 0.09 + 0.2 * i))
            for i in range(swirls)
        ]
        top.append(cone(wide * 0.7, 0.25 + 0.2 * swirls, (0, 0, high + 0.1 + 0.1 * swirls), top=0.06))
        peak = high + 0.2 + 0.2 * swirls
    b.part("cream", [top], cream, b.pattern(cream, 0.4), counted=False)
    b.part("base", [cone(wide * 0.75, high, (0, 0, high / 2), top=wide)], paper, b.pattern(paper, 0.5), "paper")
    if kind == "muffin":
        dots = b.integer(3, 6)
        b.part("berry", around(sphere(0.1, (wide * 0.85, 0, high + 0.24)), dots, 90), b.other_color(cream))
        b.layout(f"a domed top with {count_word(dots)} berries on a paper cup")
    elif kind == "birthday cupcake":
        b.part("candle", [cylinder(0.06, 0.4, (0, 0, peak + 0.14))], b.other_color(cream))
        b.part("flame", [ellipsoid(0.08, 0.08, 0.12, (0, 0, peak + 0.42))], b.color("yellow", "orange", "red"))
        b.layout("one candle on swirled cream above a paper cup")
    else:
        b.part("cherry", [sphere(0.13, (0, 0, peak + 0.06))], b.other_color(cream))
        b.layout("a cherry on swirled cream above a paper cup")
    b.symmetry("round")


FOOD: dict[str, Family] = {
    "cake": Family(cake, "food and figures", ("gateau",)),
    "burger": Family(burger, "food and figures", ("filled bun",)),
    "ice cream": Family(ice_cream, "food and figures", ("frozen treat",)),
    "fruit": Family(fruit, "food and figures", ("piece of fruit",), category="biological"),
    "cupcake": Family(cupcake, "food and figures", ("small cake",)),
    **TABLEWARE,
    **FIGURES,
    **TOYS,
}
"""Food, tableware and figures by name."""
