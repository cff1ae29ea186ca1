"""Object programs of chess pieces, rubber ducks and helmets; merged into `families_food.FOOD`."""

from __future__ import annotations

import numpy as np

from maquette.corpus.profiles import bent, dome, paired
from maquette.corpus.program import Builder, Family, count_word
from maquette.corpus.solids import (
    Solid,
    around,
    both_sides,
    box,
    cone,
    cylinder,
    disc,
    ellipsoid,
    rod,
    row,
    side_extrusion,
    sphere,
)


def chess_piece(b: Builder) -> None:
    kind = b.choice(("chess pawn", "chess rook", "chess bishop", "chess queen", "chess king"))
    wood, top, foot = b.color(), b.uniform(0.5, 0.85), b.uniform(0.34, 0.42)
    top *= 0.85 if kind in ("chess pawn", "chess rook") else 1.1
    stuff = b.choice(("wood", "stone", "plastic", "metal"))
    b.subtype(kind)
    b.proportion("slim" if top / foot > 2.1 else "thick" if top / foot < 1.5 else "")
    slim = 0.2 if kind == "chess rook" else 0.15
    b.part(
        "body",
        [[cone(foot * 0.75, top, (0, 0, 0.12 + top / 2), top=slim)]],
        wood,
        b.pattern(wood, 0.3),
        stuff,
        counted=False,
    )
    base = b.choice((wood, b.color()))
    b.part(
        "base", [[cylinder(foot, 0.14, (0, 0, 0.07)), cylinder(foot * 0.82, 0.12, (0, 0, 0.17))]], base, material=stuff
    )
    z = top + 0.14
    head = b.choice((wood, b.color()))
    b.part("collar", [cylinder(slim + 0.12, 0.09, (0, 0, z))], b.other_color(wood), material=stuff)
    if kind == "chess rook":
        b.part("head", [cylinder(0.29, 0.2, (0, 0, z + 0.14))], head, material=stuff)
        count = b.integer(4, 6)
        b.part(
            "tooth",
            around(box(0.15, 0.13, 0.16, (0.22, 0, z + 0.3)), count, 90),
            b.choice((head, b.color())),
            material=stuff,
        )
        crown = f"a toothed round top with {count_word(count)} teeth"
    elif kind == "chess queen":
        b.part("head", [cone(0.17, 0.32, (0, 0, z + 0.18), top=0.3)], head, material=stuff)
        count = b.integer(4, 6)
        b.part("point", around(sphere(0.085, (0.26, 0, z + 0.38)), count, 90), b.other_color(head), material=stuff)
        crown = f"a flared crown with {count_word(count)} points"
    elif kind == "chess king":
        b.part("head", [cone(0.15, 0.32, (0, 0, z + 0.18), top=0.26)], head, material=stuff)
        cross = [box(0.09, 0.09, 0.36, (0, 0, z + 0.48)), box(0.27, 0.09, 0.09, (0, 0, z + 0.52))]
        b.part("cross", [cross], b.other_color(head), material=stuff)
        crown = "a flared crown bearing a cross"
    else:
        bishop = kind == "chess bishop"
        dome_head = (
            [ellipsoid(0.21, 0.21, 0.3, (0, 0, z + 0.28)), sphere(0.075, (0, 0, z + 0.62))]
            if bishop
            else [sphere(0.26, (0, 0, z + 0.26))]
        )
        b.part("head", [dome_head], head, material=stuff)
        crown = "a pointed oval head with a small ball" if bishop else "a round ball head"
    b.layout(f"{crown} on a flared foot")
    b.symmetry("left-right" if kind == "chess king" else "round")


def rubber_duck(b: Builder) -> None:
    kind = b.choice(("rubber duck", "duck with hat", "swan", "baby chick"))
    skin, wing, long = b.color(), b.color(), b.uniform(0.46, 0.56)
    swan, chick = kind == "swan", kind == "baby chick"
    b.subtype(kind)
    b.proportion("long" if long > 0.53 else "short" if long < 0.49 else "")
    body: list[Solid] = [sphere(0.42, (0, 0, 0.4))] if chick else [ellipsoid(0.37, long, 0.3, (0, 0, 0.3))]
    body += [] if chick else [rod(0.16, (0, long * 0.7, 0.36), (0, long + 0.16, 0.62), 0.05)]
    face = (0, -0.3, 1.15) if swan else (0, -0.08, 0.92) if chick else (0, -0.26, 0.74)
    size = 0.17 if swan else 0.29
    body += bent(0.1, (0, -0.35, 0.4), (0, -0.48, 0.75), (0, -0.3, 1.12)) if swan else []
    b.part("body", [body], skin, b.pattern(skin, 0.3), "rubber", counted=False)
    b.part("head", [sphere(size, face)], b.choice((skin, b.color())), material="rubber")
    head = b.parts[-1].color
    bill = ellipsoid(0.13, 0.17, 0.065, (0, face[1] - size - 0.06, face[2] - 0.04))
    b.part("beak", [bill], b.other_color(head), material="rubber")
    x, y = size * 0.62, face[1] - size * 0.68
    b.part(
        "eye",
        both_sides(sphere(0.065, (x, y, face[2] + size * 0.42))),
        b.other_color(head, allowed=("black", "white", "navy", "brown")),
    )
    if kind == "duck with hat":
        hat = [cylinder(0.27, 0.08, (0, face[1], face[2] + 0.22)), cylinder(0.18, 0.24, (0, face[1], face[2] + 0.36))]
        b.part("hat", [hat], b.other_color(head), b.pattern(wing, 0.3), "fabric")
    else:
        flap = ellipsoid(0.085, 0.27, 0.17, (0.4 if chick else 0.35, 0.08, 0.4)).turned("x", -15)
        b.part("wing", both_sides(flap), b.other_color(skin), material="rubber")
    neck = "a long curved neck" if swan else "a big round head"
    b.layout(f"{neck} on a {'ball-shaped' if chick else 'floating oval'} body")
    b.symmetry("left-right")


def helmet(b: Builder) -> None:
    kind = b.choice(("viking helmet", "knight helmet", "football helmet", "pilot helmet"))
    shell, trim, wide, high = b.color(), b.color(), b.uniform(0.42, 0.5), b.uniform(0.4, 0.52)
    b.subtype(kind)
    b.proportion("tall" if high > 0.49 else "low" if high < 0.43 else "")
    stuff = "plastic" if kind in ("football helmet", "pilot helmet") else "metal"
    drop = 0.5 if kind == "knight helmet" else 0.22
    crown: list[Solid] = [dome(wide, high, (0, 0, drop)), cylinder(wide, drop, (0, 0, drop / 2))]
    b.part("shell", [crown], shell, b.pattern(shell), stuff)
    if kind == "viking helmet":
        b.part("rim", [cylinder(wide + 0.06, 0.14, (0, 0, 0.07))], b.other_color(shell), material="metal")
        horn = bent(0.1, (wide * 0.9, 0, drop + 0.1), (wide + 0.24, 0, drop + 0.16))
        horn.append(rod(0.1, (wide + 0.24, 0, drop + 0.14), (wide + 0.34, 0, drop + 0.56), 0.035))
        b.part("horn", paired(horn), b.other_color(shell))
        b.layout("a dome with a rim and two horns at the sides")
    elif kind == "knight helmet":
        visor = box(wide * 1.3, 0.14, 0.36, (0, -wide + 0.02, drop - 0.18))
        b.part("visor", [visor], b.other_color(shell), material="metal")
        slots = b.integer(2, 4)
        slit = box(0.08, 0.1, 0.28, (0, -wide - 0.04, drop - 0.18))
        b.part("slit", row(slit, slots, (wide * 1.2 / slots, 0, 0)), b.other_color(b.parts[-1].color))
        fringe = [
            side_extrusion(
                [
                    (0.45 * np.cos(t) * s, 0.05 + high * 0.75 + 0.3 * np.sin(t) * s)
                    for s, ts in ((1.0, np.linspace(0, np.pi, 9)),)
                    for t in ts
                ],
                0.12,
                (0, 0.05, drop),
            )
        ]
        b.part("crest", [fringe], trim)
        b.layout(f"a tall dome with a visor of {count_word(slots)} slits, crest on top")
    else:
        disks = both_sides(disc(0.2, 0.16, (wide - 0.01, 0, drop + 0.02)))
        b.part("disc", disks, b.other_color(shell), material=stuff)
        if kind == "football helmet":
            bars = b.integer(2, 3)
            bar = [
                bent(
                    0.05,
                    (wide * 0.75, -wide * 0.55, h),
                    (0.2, -wide - 0.2, h),
                    (-0.2, -wide - 0.2, h),
                    (-wide * 0.75, -wide * 0.55, h),
                )
                for h in np.linspace(0.06, 0.06 + 0.17 * (bars - 1), bars)
            ]
            b.part("bar", bar, b.other_color(shell), material="metal")
            b.layout(f"a dome with side discs and {count_word(bars)} face bars")
        else:
            shade = side_extrusion(
                [
                    (-wide - 0.1, drop - 0.18),
                    (-wide - 0.1, drop + 0.1),
                    (-wide * 0.5, drop + 0.2),
                    (-wide * 0.5, drop - 0.18),
                ],
                wide * 1.5,
            )
            b.part("visor", [shade], b.other_color(shell), material="glass")
            b.layout("a smooth dome with side discs and a front visor")
    b.symmetry("left-right")


TOYS: dict[str, Family] = {
    "chess piece": Family(chess_piece, "food and figures", ("chessman",), rare=True, category="rare"),
    "rubber duck": Family(rubber_duck, "food and figures", ("bath toy",)),
    "helmet": Family(helmet, "food and figures", ("headgear",), rare=True, category="spatial"),
}
"""Chess pieces, rubber ducks and helmets."""
