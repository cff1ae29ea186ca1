"""Object programs of tableware: cup, teapot, bottle; merged into `families_food.FOOD`."""

from __future__ import annotations

from maquette.corpus.profiles import bent, dome, vessel
from maquette.corpus.program import Builder, Family, count_word
from maquette.corpus.solids import (
    Solid,
    box,
    cone,
    cylinder,
    ellipsoid,
    sphere,
)


def cup(b: Builder) -> None:
    kind = b.choice(("mug", "teacup", "goblet", "beer mug"))
    clay, handles, wide = b.color(), b.integer(1, 2), b.uniform(0.32, 0.42)
    high = {"mug": 0.75, "teacup": 0.48, "goblet": 0.55, "beer mug": 0.95}[kind] * b.uniform(0.9, 1.12)
    foot = 0.6 if kind == "goblet" else 0.08 if kind == "teacup" else 0.0
    b.subtype(kind)
    b.proportion("tall" if high > 2.2 * wide else "wide" if high < 1.4 * wide else "")
    stuff = "glass" if kind in ("goblet", "beer mug") else b.choice(("ceramic", "metal", "plastic"))
    low = wide * {"teacup": 0.6, "goblet": 0.55}.get(kind, 0.95)
    b.part("body", [vessel(low, wide, high, 0.1, (0, 0, foot))], clay, b.pattern(clay, 0.5), stuff, counted=False)
    level = foot + high * 0.72
    b.part("drink", [cylinder(wide - 0.09, 0.12, (0, 0, level))], b.other_color(clay), counted=False)
    if kind == "goblet":
        stem = [cylinder(0.075, foot + 0.06, (0, 0, foot / 2 + 0.03))]
        b.part("stem", [stem], b.color(), material=stuff)
        b.part("base", [cone(wide * 0.85, 0.12, (0, 0, 0.06), top=wide * 0.6)], clay, material=stuff)
        b.layout("an open bowl on a slim stem with base")
        b.symmetry("round")
        return
    x, z, reach = wide * 0.98, foot + high * 0.5, high * 0.28
    out = x + 0.24
    grip = bent(0.06, (x - 0.02, 0, z + reach), (out, 0, z + reach), (out, 0, z - reach), (x - 0.06, 0, z - reach))
    loops = [grip, [solid.turned("z", 180, (0, 0, 0)) for solid in grip]]
    b.part("handle", loops[:handles], b.color(), material=stuff)
    if kind == "teacup":
        b.part("saucer", [cone(wide * 0.9, 0.1, (0, 0, 0.05), top=wide * 1.55)], b.other_color(clay), material=stuff)
    b.layout(
        f"an open {'bowl' if kind == 'teacup' else 'cylinder'} with {count_word(handles)} {'handle' if handles == 1 else 'handles'}"
    )
    b.symmetry("left-right" if handles == 2 else "none")


def teapot(b: Builder) -> None:
    kind = b.choice(("round teapot", "coffee pot", "kettle", "oil can"))
    clay, wide, accent = b.color(), b.uniform(0.36, 0.44), b.color()
    stuff = "metal" if kind in ("kettle", "oil can") else "ceramic"
    b.subtype(kind)
    if kind == "round teapot":
        body: list[Solid] = [
            ellipsoid(wide, wide, wide * 0.85, (0, 0, wide * 0.82)),
            cylinder(wide * 0.6, 0.1, (0, 0, 0.05)),
        ]
        top, middle = wide * 1.6, wide * 0.8
    else:
        top = {"coffee pot": 0.95, "kettle": 0.5, "oil can": 0.65}[kind] * b.uniform(0.9, 1.1)
        rim = {"coffee pot": 0.7, "kettle": 0.6, "oil can": 1.0}[kind]
        wide *= 0.85 if kind == "coffee pot" else 1.0
        body, middle = [cone(wide, top, (0, 0, top / 2), top=wide * rim)], top * 0.45
    b.proportion("tall" if top > 2.2 * wide else "low" if top < 1.35 * wide else "")
    b.part("body", [body], clay, b.pattern(clay, 0.5), stuff, counted=False)
    start, end = (wide * 0.7, 0, middle * 0.7), (wide + 0.34, 0, top + 0.02)
    spout: list[Solid] = bent(0.08, start, (wide + 0.16, 0, middle), end)
    if kind == "oil can":
        spout = [*bent(0.07, start, (wide + 0.5, 0, top + 0.1)), sphere(0.15, (wide + 0.52, 0, top + 0.12))]
    b.part("spout", [spout], b.choice((clay, b.color())), material=stuff)
    if kind == "kettle":
        grip: list[Solid] = bent(
            0.06,
            (-wide * 0.6, 0, top - 0.1),
            (-wide * 0.5, 0, top + 0.38),
            (wide * 0.5, 0, top + 0.38),
            (wide * 0.6, 0, top - 0.1),
        )
    else:
        x = -wide * 0.85
        grip = bent(0.06, (x, 0, top * 0.85), (x - 0.3, 0, top * 0.82), (x - 0.3, 0, top * 0.35), (x, 0, top * 0.28))
    b.part("handle", [grip], b.other_color(clay), material=stuff)
    if kind != "oil can":
        lid: list[Solid] = [dome(wide * 0.62, 0.14, (0, 0, top - 0.05)), sphere(0.09, (0, 0, top + 0.15))]
        b.part("lid", [lid], accent, material=stuff)
    place = "over the top" if kind == "kettle" else "opposite the spout"
    shape = {"round teapot": "round", "oil can": "straight"}.get(kind, "tapered")
    b.layout(f"a {shape} pot with a handle {place}")
    b.symmetry("none")


def bottle(b: Builder) -> None:
    kind = b.choice(("wine bottle", "flask", "square bottle", "milk jug"))
    glass, wide, high = b.color(), b.uniform(0.22, 0.3), b.uniform(0.6, 0.8)
    neck = {"wine bottle": 0.42, "flask": 0.3, "square bottle": 0.18, "milk jug": 0.24}[kind] * b.uniform(0.9, 1.1)
    thin, top = (0.16 if kind == "milk jug" else 0.095), high + neck
    b.subtype(kind)
    stuff = b.choice(("glass", "plastic"))
    if kind == "flask":
        wide, high = wide * 1.4, wide * 2.4
        top = high + neck
        body: list[Solid] = [
            sphere(wide * 1.05, (0, 0, wide * 0.95)),
            cone(wide * 0.9, high - wide, (0, 0, (high + wide) / 2), top=thin),
        ]
        label: Solid = cylinder(wide * 1.08, 0.2, (0, 0, wide * 0.9))
    elif kind == "square bottle":
        body = [box(wide * 1.9, wide * 1.4, high, (0, 0, high / 2))]
        label = box(wide * 1.9 + 0.07, wide * 1.4 + 0.07, high * 0.35, (0, 0, high * 0.45))
    else:
        shoulder = cone(wide, 0.2, (0, 0, high - 0.1), top=thin)
        body = [cylinder(wide, high - 0.18, (0, 0, (high - 0.18) / 2)), shoulder]
        label = cylinder(wide + 0.04, high * 0.36, (0, 0, high * 0.4))
    body.append(cylinder(thin, neck + 0.06, (0, 0, high + neck / 2 - 0.03)))
    b.proportion("slim" if top > 4.3 * wide else "wide" if top < 3 * wide else "")
    b.part("body", [body], glass, b.pattern(glass, 0.35, ("gradient", "two-tone")), stuff, counted=False)
    tag = b.other_color(glass)
    b.part("label", [label], tag, b.pattern(tag, 0.5, ("striped", "checked")), "paper")
    b.part("cap", [cylinder(thin + 0.04, 0.16, (0, 0, top + 0.02))], b.other_color(glass))
    handles = b.integer(1, 2) if kind == "milk jug" else 0
    loop = bent(
        0.055,
        (wide * 0.8, 0, high * 0.72),
        (wide + 0.2, 0, high * 0.72),
        (wide + 0.2, 0, high + 0.1),
        (0.1, 0, high + 0.1),
    )
    b.part("handle", [loop, [s.turned("z", 180, (0, 0, 0)) for s in loop]][:handles], b.other_color(glass))
    grips = f" and {count_word(handles)} {'handle' if handles == 1 else 'handles'}" if handles else ""
    b.layout(f"a {'boxy' if kind == 'square bottle' else 'round'} body with a narrow neck{grips}")
    b.symmetry("none" if handles == 1 else "left-right" if handles or kind == "square bottle" else "round")


TABLEWARE: dict[str, Family] = {
    "cup": Family(cup, "food and figures", ("drinking vessel",)),
    "teapot": Family(teapot, "food and figures", ("pouring pot",)),
    "bottle": Family(bottle, "food and figures", ("flagon",)),
}
"""Tableware by name."""
