"""Tables and beds, and the dictionary of all furniture. Front to -y, ground at z = 0; sizes in free units."""

from __future__ import annotations

from maquette.corpus.families_furniture_more import FURNITURE_MORE
from maquette.corpus.families_seats import SEATS
from maquette.corpus.program import Builder, Family, count_word
from maquette.corpus.solids import (
    around,
    both_sides,
    box,
    cone,
    cylinder,
    ellipsoid,
    four_corners,
    rod,
    row,
)


def table(b: Builder) -> None:
    kind = b.choice(("dining table", "coffee table", "round table", "trestle table"))
    long, deep = b.uniform(0.9, 1.5), b.uniform(0.6, 0.8)
    height = b.uniform(0.32, 0.42) if kind == "coffee table" else b.uniform(0.6, 0.85)
    paint, leg_paint, t = b.color(), b.color(), 0.1
    top = box(long, deep, 0.09, at=(0, 0, height))
    if kind == "round table":
        top = cylinder(b.uniform(0.45, 0.6), 0.09, at=(0, 0, height))
    b.part("top", [top], paint, b.pattern(paint), b.choice(("wood", "stone", "glass")))
    if kind == "round table":
        feet = b.integer(3, 5)
        b.part("column", [cylinder(b.uniform(0.06, 0.1), height, at=(0, 0, height / 2))], leg_paint, material="wood")
        b.part("foot", around(rod(0.05, (0.05, 0, 0.14), (0.38, 0, 0.05)), feet, start=90), b.color(), material="metal")
        b.layout(f"a round top on a column with {count_word(feet)} feet")
        b.symmetry({3: "three-fold", 4: "four-fold"}.get(feet, "round"))
    elif kind == "trestle table":
        at, foot = long / 2 - 0.2, deep / 2 - 0.05
        leg = [
            rod(0.05, (at, -foot, 0), (at, 0.12 - foot * 0.4, height)),
            rod(0.05, (at, foot, 0), (at, foot * 0.4 - 0.12, height)),
        ]
        b.part("trestle", [leg, [s.mirrored() for s in leg]], leg_paint, material="wood")
        b.part("rail", [box(2 * at, 0.07, 0.08, at=(0, 0, height * 0.78))], b.color(), material="wood")
        b.layout("a rectangular top on two trestles joined by a rail")
        b.symmetry("left-right")
    else:
        legs = 6 if long > 1.25 and b.chance(0.5) else 4
        leg = cylinder(t * 0.55, height, at=(long / 2 - t, deep / 2 - t, height / 2))
        middle = both_sides(leg.moved(dx=t - long / 2), "y") if legs == 6 else []
        b.part("leg", four_corners(leg) + middle, leg_paint, material=b.choice(("wood", "metal")))
        if kind == "coffee table":
            b.part("shelf", [box(long - 2 * t, deep - 2 * t, 0.06, at=(0, 0, 0.12))], b.color(), material="wood")
        elif legs == 6 or b.chance(0.5):
            cloth = b.other_color(paint)
            runner = box(long * b.uniform(0.3, 0.5), deep + 0.06, 0.12, at=(0, 0, height))
            b.part("cloth", [runner], cloth, b.pattern(cloth, 0.4), "fabric")
        else:
            b.part(
                "vase", [cone(0.07, 0.2, at=(0, 0, height + 0.14), top=0.11)], b.other_color(paint), material="glass"
            )
        b.layout(f"a rectangular top on {count_word(legs)} legs" + (" above a shelf" if kind == "coffee table" else ""))
        b.symmetry("left-right")
    b.subtype(kind)
    b.proportion("low" if height < 0.45 else "high" if height > 0.75 else "")
    b.proportion("long" if kind != "round table" and long > 1.25 else "")


def bed(b: Builder) -> None:
    kind = b.choice(("single bed", "double bed", "canopy bed", "bunk bed"))
    w, long, h, t = b.uniform(0.55, 0.65), b.uniform(1.2, 1.35), b.uniform(0.2, 0.32), 0.09
    w = w + 0.4 if kind in ("double bed", "canopy bed") else w
    frame, blanket = b.color(), b.color()
    tall = b.uniform(0.9, 1.1) if kind in ("canopy bed", "bunk bed") else h + b.uniform(0.25, 0.6)
    levels = [h, h + 0.55] if kind == "bunk bed" else [h]
    b.part(
        "mattress",
        [box(w - 0.06, long - 0.04, 0.14, at=(0, 0, z + 0.1)) for z in levels],
        blanket,
        b.pattern(blanket, 0.5),
        "fabric",
    )
    b.part("frame", [[box(w, long, 0.1, at=(0, 0, z)) for z in levels]], frame, material="wood", counted=False)
    leg_top = tall if len(levels) == 2 or kind == "canopy bed" else h
    posts = four_corners(box(t, t, leg_top, at=(w / 2 - t / 2, long / 2 - t / 2, leg_top / 2)))
    b.part("post" if leg_top > h else "leg", posts, b.color(), material="wood")
    pillows = 2 if w > 0.9 else 1
    pillow = ellipsoid(0.19 if pillows == 2 else 0.21, 0.14, 0.09, at=(0, long / 2 - 0.24, 0.2))
    b.part(
        "pillow",
        [p.moved(dz=z) for z in levels for p in row(pillow, pillows, (0.48, 0, 0))],
        b.other_color(blanket),
        material="fabric",
    )
    if kind == "canopy bed":
        b.part("roof", [box(w, long, 0.08, at=(0, 0, tall))], b.color(), material="fabric")
    elif kind != "bunk bed":
        board, paint = tall - 0.1, b.color()
        b.part("headboard", [box(w, t, board, at=(0, long / 2, 0.1 + board / 2))], paint, b.pattern(paint, 0.3), "wood")
    b.subtype(kind)
    b.proportion("wide" if w > 1.0 else "narrow" if w < 0.66 else "")
    b.proportion("tall" if leg_top > 0.9 else "")
    on = f"{count_word(pillows)} pillow" + "s" * (pillows > 1)
    b.layout(
        {
            "canopy bed": "a roof on four posts above the mattress",
            "bunk bed": "two mattresses one above the other between four posts",
        }.get(kind, f"a mattress with {on} before a headboard")
    )
    b.symmetry("left-right")


FURNITURE: dict[str, Family] = {
    **SEATS,
    "table": Family(table, "furniture", ("board on legs",), category="spatial"),
    "bed": Family(bed, "furniture", ("bedstead", "place to sleep"), category="spatial"),
    **FURNITURE_MORE,
}
