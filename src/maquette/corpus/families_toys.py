"""Object programs of chess pieces, rubber ducks and helmets; merged into `families_food.FOOD`."""

from __future__ import annotations

import numpy as np

from maquette.corpus.profiles import bent, dome, paired
from maquette.corpus.program import Builder, Family, count_word
from maquette.corpus.solids import (
    Real,
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
    stuff, slim, z = b.choice(("wood", "stone", "plastic", "metal")), 0.2 if kind == "chess rook" else 0.15, top + 0.14
    b.subtype(kind)
    b.proportion("slim" if top / foot > 2.1 else "thick" if top / foot < 1.5 else "")
    body = cone(foot * 0.75, top, (0, 0, 0.12 + top / 2), top=slim)
    b.part("body", [body], wood, b.pattern(wood, 0.3), stuff, counted=False)
    base = [cylinder(foot, 0.14, (0, 0, 0.07)), cylinder(foot * 0.82, 0.12, (0, 0, 0.17))]
    b.part("base", [base], b.choice((wood, b.color())), material=stuff)
    b.part("ring", [cylinder(slim + 0.12, 0.09, (0, 0, z))], b.other_color(wood), material=stuff)
    points, hue = b.integer(4, 6), b.choice((wood, b.color()))
    heads: dict[str, tuple[Solid, str]] = {
        "chess rook": (cylinder(0.29, 0.2, (0, 0, z + 0.14)), f"{count_word(points)} teeth on a round top"),
        "chess queen": (
            cone(0.17, 0.32, (0, 0, z + 0.18), top=0.3),
            f"a flared crown with {count_word(points)} spikes",
        ),
        "chess king": (cone(0.15, 0.32, (0, 0, z + 0.18), top=0.26), "a flared crown bearing a cross"),
        "chess bishop": (ellipsoid(0.21, 0.21, 0.3, (0, 0, z + 0.28)), "an oval head with a ball"),
        "chess pawn": (sphere(0.26, (0, 0, z + 0.26)), "a round ball head"),
    }
    head, crown = heads[kind]
    b.part("head", [head], hue, material=stuff)
    if kind == "chess rook":
        tooth = box(0.15, 0.13, 0.16, (0.22, 0, z + 0.3))
        b.part("tooth", around(tooth, points, 90), b.choice((hue, b.color())), material=stuff)
    elif kind == "chess queen":
        b.part("spike", around(sphere(0.085, (0.26, 0, z + 0.38)), points, 90), b.other_color(hue), material=stuff)
    elif kind == "chess king":
        cross = [box(0.09, 0.09, 0.36, (0, 0, z + 0.48)), box(0.27, 0.09, 0.09, (0, 0, z + 0.52))]
        b.part("cross", [cross], b.other_color(hue), material=stuff)
    elif kind == "chess bishop":
        b.part("ball", [sphere(0.085, (0, 0, z + 0.62))], b.other_color(hue), material=stuff)
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
    shell, wide, high = b.color(), b.uniform(0.42, 0.5), b.uniform(0.4, 0.52)
    b.subtype(kind)
    b.proportion("tall" if high > 0.49 else "low" if high < 0.43 else "")
    stuff = "plastic" if kind in ("football helmet", "pilot helmet") else "metal"
    drop = 0.5 if kind == "knight helmet" else 0.22
    crown = [dome(wide, high, (0, 0, drop)), cylinder(wide, drop, (0, 0, drop / 2))]
    b.part("shell", [crown], shell, b.pattern(shell), stuff)
    b.symmetry("left-right")
    if kind == "knight helmet":
        visor(b, wide, high, shell)
        return
    if kind == "viking helmet":
        b.part("ring", [cylinder(wide + 0.06, 0.14, (0, 0, 0.07))], b.other_color(shell), material="metal")
        horn = bent(0.1, (wide * 0.9, 0, drop + 0.1), (wide + 0.24, 0, drop + 0.16))
        horn.append(rod(0.1, (wide + 0.24, 0, drop + 0.14), (wide + 0.34, 0, drop + 0.56), 0.035))
        b.part("horn", paired(horn), b.other_color(shell))
        b.layout("a rimmed dome with two horns at the sides")
        return
    b.part("disc", both_sides(disc(0.2, 0.16, (wide - 0.01, 0, drop + 0.02))), b.other_color(shell), material=stuff)
    if kind == "football helmet":
        bars, x, y = b.integer(2, 3), wide * 0.75, -wide - 0.2
        outline = [(x, -wide * 0.55), (0.2, y), (-0.2, y), (-x, -wide * 0.55)]
        bar = [bent(0.05, *((u, v, 0.06 + 0.17 * i) for u, v in outline)) for i in range(bars)]
        b.part("bar", bar, b.other_color(shell), material="metal")
        b.layout(f"a dome with side discs and {count_word(bars)} face bars")
    else:
        near, far = -wide - 0.1, -wide * 0.5
        outline = [(near, drop - 0.18), (near, drop + 0.1), (far, drop + 0.2), (far, drop - 0.18)]
        b.part("visor", [side_extrusion(outline, wide * 1.5)], b.other_color(shell), material="glass")
        b.layout("a smooth dome with side discs and a front visor")


def visor(b: Builder, wide: Real, high: Real, shell: str) -> None:
    """A knight's helmet's face: a plate with slits, and a crest over the top."""
    slits, hue = b.integer(2, 4), b.other_color(shell)
    b.part("visor", [box(wide * 1.3, 0.14, 0.36, (0, -wide + 0.02, 0.32))], hue, material="metal")
    slit = box(0.08, 0.1, 0.28, (0, -wide - 0.04, 0.32))
    b.part("slit", row(slit, slits, (wide * 1.2 / slits, 0, 0)), b.other_color(hue))
    arch = [(0.45 * np.cos(t), high * 0.75 + 0.3 * np.sin(t)) for t in np.linspace(0, np.pi, 9)]
    b.part("crest", [side_extrusion(arch, 0.12, (0, 0.05, 0.55))], b.other_color(shell))
    b.layout(f"a crested dome with a visor of {count_word(slits)} slits")


TOYS: dict[str, Family] = {
    "chess piece": Family(chess_piece, "food and figures", ("chessman",), rare=True, category="rare"),
    "rubber duck": Family(rubber_duck, "food and figures", ("bath toy",)),
    "helmet": Family(helmet, "food and figures", ("headgear",), rare=True, category="spatial"),
}
"""Chess pieces, rubber ducks and helmets."""
