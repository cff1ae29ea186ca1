"""Furniture that holds things: shelves, cabinets, desks, lamps, clocks."""

from __future__ import annotations

import numpy as np

from maquette.corpus.profiles import bent
from maquette.corpus.program import Builder, Family, Pattern, count_word
from maquette.corpus.solids import (
    around,
    both_sides,
    box,
    capsule,
    cone,
    cylinder,
    disc,
    four_corners,
    front_extrusion,
    rod,
    row,
    sphere,
)


def bookshelf(b: Builder) -> None:
    w, shelves, t, d = b.uniform(0.55, 1.0), b.integer(2, 4), 0.07, b.uniform(0.28, 0.38)
    room = b.uniform(0.25, 0.32)
    h = room * (shelves + 1) + t
    paint, closed = b.color(), b.chance(0.6)
    frame = [
        *both_sides(box(t, d, h, at=(w / 2 - t / 2, 0, h / 2))),
        *(box(w, d, t, at=(0, 0, z)) for z in (t / 2, h - t / 2)),
    ]
    if closed:
        frame.append(box(w, 0.06, h, at=(0, d / 2 - 0.03, h / 2)))
    b.part("frame", [frame], paint, b.pattern(paint, 0.2), "wood", counted=False)
    shelf = box(w - 2 * t, d - 0.02, t, at=(0, 0, h / 2))
    b.part("shelf", row(shelf, shelves, (0, 0, room)), b.other_color(paint), material="wood")
    cover, inner = b.color(), w - 2 * t
    filled = sorted(b.rng.permutation(shelves + 1)[: b.integer(1, shelves + 1)])
    books = []
    for level in filled:
        wide, tall = inner * b.uniform(0.4, 0.8), room * b.uniform(0.5, 0.7)
        x = b.choice((-1, 1)) * (inner - wide) / 2
        books.append(box(wide, d - 0.1, tall, at=(x, 0.02, t + level * room + tall / 2 - 0.01)))
    b.part("books", [books], cover, Pattern("striped", b.other_color(cover), 0.14), "paper", counted=False)
    b.subtype("closed bookshelf" if closed else "open bookshelf")
    b.proportion("tall" if h > 1.2 * w else "low" if h < w else "")
    b.proportion("wide" if w > 0.85 else "narrow" if w < 0.65 else "")
    b.layout(f"{count_word(shelves)} shelves with books between two side walls")
    b.symmetry("none")


def cabinet(b: Builder) -> None:
    kind = b.choice(("wardrobe", "dresser", "cabinet"))
    w = b.uniform(0.6, 0.9) if kind == "wardrobe" else b.uniform(0.7, 1.0)
    h = {"wardrobe": b.uniform(1.1, 1.3), "dresser": b.uniform(0.75, 0.95), "cabinet": b.uniform(0.55, 0.68)}[kind]
    d, foot, paint = b.uniform(0.36, 0.45), b.choice((0.08, 0.16)), b.color()
    front, middle = -d / 2 - 0.02, foot + h / 2
    b.part("body", [box(w, d, h, at=(0, 0, middle))], paint, b.pattern(paint, 0.2), "wood", counted=False)
    second = b.other_color(paint)
    if kind == "dresser":
        name, count, knob = "drawer", b.integer(2, 4), box(0.2, 0.1, 0.07, at=(0, front - 0.06, middle))
        step = (0.0, 0.0, h / count)
        panel = box(w - 0.12, 0.08, h / count - 0.1, at=(0, front, middle))
    else:
        name, count, knob = (
            "door",
            b.integer(1, 3 if w > 0.75 else 2),
            box(0.08, 0.1, 0.18, at=(0.02, front - 0.06, middle)),
        )
        step = (w / count, 0.0, 0.0)
        panel = box(w / count - 0.1, 0.08, h - 0.12, at=(0, front, middle))
    b.part(name, row(panel, count, step), second, b.pattern(second, 0.2), "wood")
    b.part("handle", row(knob, count, step), b.other_color(second), material="metal")
    leg = box(0.1, 0.1, foot + 0.02, at=(w / 2 - 0.05, d / 2 - 0.05, foot / 2))
    b.part("leg", four_corners(leg), b.color(), material="wood")
    b.subtype(kind)
    b.proportion("tall" if h > 1.0 else "low" if h < 0.65 else "")
    b.proportion("wide" if w > h else "")
    b.layout(f"a box with {count_word(count)} {name}{'s' * (count > 1)} in front on four legs")
    b.symmetry("left-right")


def desk(b: Builder) -> None:
    w, d, h, paint, drawers = (
        b.uniform(1.0, 1.4),
        b.uniform(0.5, 0.65),
        b.uniform(0.6, 0.75),
        b.color(),
        b.integer(2, 3),
    )
    kind, side = b.choice(("desk", "writing desk", "double desk")), b.choice((-1, 1))
    b.part("top", [box(w, d, 0.09, at=(0, 0, h))], paint, b.pattern(paint), b.choice(("wood", "glass")))
    x, body = side * (w / 2 - 0.17), b.color()
    chests = [x, -x] if kind == "double desk" else [x]
    b.part("cabinet", [box(0.32, d - 0.06, h - 0.02, at=(c, 0, h / 2)) for c in chests], body, material="wood")
    pitch = (h - 0.06) / drawers
    drawer = box(0.24, 0.1, pitch - 0.09, at=(0, -d / 2 + 0.01, h / 2 - 0.04))
    panels = [p.moved(dx=c) for c in chests for p in row(drawer, drawers, (0, 0, pitch))]
    b.part("drawer", panels, b.other_color(body), material="wood")
    if kind != "double desk":
        b.part(
            "leg",
            both_sides(box(0.09, 0.09, h, at=(-x - side * 0.1, d / 2 - 0.05, h / 2)), "y"),
            b.color(),
            material="wood",
        )
    if kind == "writing desk":
        shelf = b.color()
        hutch = [box(0.08, 0.2, 0.42, at=(s * (w / 2 - 0.05), d / 2 - 0.1, h + 0.2)) for s in (-1, 1)]
        hutch.append(box(w, 0.2, 0.08, at=(0, d / 2 - 0.1, h + 0.42)))
        b.part("shelf", [hutch], shelf, b.pattern(shelf, 0.2), "wood")
    b.subtype(kind)
    b.proportion("wide" if w > 1.25 else "narrow" if w < 1.1 else "")
    many = count_word(drawers)
    stands = f"between two stacks of {many} drawers" if kind == "double desk" else f"on two legs and {many} drawers"
    b.layout(f"a top {stands}")
    b.symmetry("left-right" if kind == "double desk" else "none")


def lamp(b: Builder) -> None:
    kind = b.choice(("floor lamp", "table lamp", "arc lamp", "desk lamp"))
    paint, height = b.color(), b.uniform(0.95, 1.3) if kind in ("floor lamp", "arc lamp") else b.uniform(0.5, 0.7)
    radius, top, deep = b.uniform(0.2, 0.3), b.uniform(0.08, 0.17), b.uniform(0.24, 0.36)
    x = b.uniform(0.35, 0.5) if kind in ("arc lamp", "desk lamp") else 0.0
    ball = kind == "table lamp" and b.chance(0.4)
    low = height - deep / 2
    shade = sphere(radius, at=(x, 0, height)) if ball else cone(radius, deep, at=(x, 0, height), top=top)
    b.part("shade", [shade], paint, b.pattern(paint, 0.45), b.choice(("fabric", "glass", "metal")))
    thick = 0.045 if x or kind == "floor lamp" else b.uniform(0.05, 0.13)
    if kind == "arc lamp":
        points = [
            (x * (1 - np.cos(t)) / 2, 0.0, height + deep / 3 + 0.18 * np.sin(t)) for t in np.linspace(0, np.pi, 7)
        ]
        pole = [rod(thick, (0, 0, 0.05), points[0]), *bent(thick, *points), rod(thick, points[-1], (x, 0, height))]
    elif kind == "desk lamp":
        pole = bent(thick, (0, 0, 0.05), (-0.18, 0, height * 0.6), (x, 0, height + deep / 2 - 0.03))
    else:
        pole = [cylinder(thick, height, at=(0, 0, height / 2))]
    b.part("pole", [pole], b.color(), material="metal")
    if not ball:
        b.part("bulb", [sphere(0.1, at=(x, 0, low - 0.045))], b.color("yellow", "white", "orange"), material="glass")
    feet = b.integer(3, 5) if kind == "floor lamp" and b.chance(0.6) else 0
    if feet:
        b.part("foot", around(rod(0.045, (0, 0, 0.3), (0, -0.3, 0.03)), feet), b.color(), material="wood")
    else:
        base = b.color()
        b.part("base", [cylinder(b.uniform(0.18, 0.26), 0.09, at=(0, 0, 0.045))], base, b.pattern(base, 0.15), "metal")
    b.subtype(kind)
    b.proportion("tall" if height > 1.1 else "short" if height < 0.6 else "")
    b.proportion("slim" if thick < 0.06 and not x else "")
    under = f"{count_word(feet)} feet" if feet else "a base"
    pole_word = "bent" if x else "straight"
    b.layout(f"a {'ball' if ball else 'cone'} shade on a {pole_word} pole over {under}")
    b.symmetry("none" if x else "round" if feet in (0, 5) else {3: "three-fold", 4: "four-fold"}[feet])


def clock(b: Builder) -> None:
    kind, paint, h, w = (
        b.choice(("grandfather clock", "mantel clock", "alarm clock")),
        b.color(),
        b.uniform(1.05, 1.3),
        0.34,
    )
    second, face = b.color(), b.other_color(paint)
    if kind == "grandfather clock":
        case = [box(w, 0.28, h, at=(0, 0, h / 2)), box(w + 0.14, 0.36, 0.16, at=(0, 0, 0.08))]
        case += [
            box(w + 0.12, 0.34, 0.4, at=(0, 0, h)),
            front_extrusion([(-0.25, h + 0.18), (0.25, h + 0.18), (0, h + 0.36)], 0.32),
        ]
        at, r, front = h, 0.17, -0.17
        b.part("body", [case], paint, b.pattern(paint, 0.2), "wood", counted=False)
        b.part("door", [box(0.2, 0.1, h - 0.5, at=(0, -0.13, h / 2 - 0.02))], second, material="glass")
    elif kind == "mantel clock":
        wide, at, r, front = b.uniform(0.4, 0.6), 0.42, 0.22, -0.13
        case = [box(wide, 0.26, 0.42, at=(0, 0, 0.27)), disc(wide / 2, 0.26, at=(0, 0, 0.46), axis="y")]
        b.part("body", [case], paint, b.pattern(paint, 0.3), "wood", counted=False)
        b.part("base", [box(wide + 0.22, 0.36, 0.1, at=(0, 0, 0.05))], second, material="stone")
    else:
        at, r, front = 0.46, 0.3, -0.12
        b.part(
            "body", [disc(0.38, 0.26, at=(0, 0, at), axis="y")], paint, b.pattern(paint, 0.3), "metal", counted=False
        )
        b.part("bell", both_sides(sphere(0.15, at=(0.26, 0, 0.86))), second, material="metal")
        b.part("leg", both_sides(capsule(0.06, (0.22, 0, 0.2), (0.34, 0, 0.06))), b.color(), material="metal")
    b.part("face", [disc(r, 0.08, at=(0, front, at), axis="y")], face, material="glass")
    tip = front - 0.05
    hands = [rod(0.035, (0, tip, at), (0, tip, at + r * 0.85)), rod(0.035, (0, tip, at), (r * 0.6, tip, at - 0.02))]
    b.part("hand", [hands], b.other_color(face), material="metal", counted=False)
    b.subtype(kind)
    b.proportion("tall" if kind == "grandfather clock" else "")
    where = {"grandfather clock": "above a door in a high case", "mantel clock": "in an arched case on a base"}
    b.layout("a round face " + where.get(kind, "under two bells on two legs"))
    b.symmetry("none")


FURNITURE_MORE: dict[str, Family] = {
    "bookshelf": Family(bookshelf, "furniture", ("bookcase", "shelving"), category="spatial"),
    "cabinet": Family(cabinet, "furniture", ("cupboard", "storage box"), category="spatial"),
    "desk": Family(desk, "furniture", ("writing table", "work table"), category="spatial"),
    "lamp": Family(lamp, "furniture", ("light",)),
    "clock": Family(clock, "furniture", ("timepiece",), rare=True, category="rare"),
}
