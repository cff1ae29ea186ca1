"""Furniture that one sits on. Front to -y, ground at z = 0; a seat is about half a unit wide."""

from __future__ import annotations

from maquette.corpus.program import Builder, Family, count_word
from maquette.corpus.solids import (
    Real,
    Solid,
    arc_band,
    around,
    both_sides,
    box,
    capsule,
    cylinder,
    ellipsoid,
    four_corners,
    rod,
    row,
    side_extrusion,
    sphere,
    torus,
)


def upright_bars(width: Real, count: int, depth: Real, bottom: Real, top: Real, y: Real) -> list[Solid]:
    """Flat bars side by side over `width`, as wide as the gaps between them."""
    pitch = width / (2 * count - 1)
    return row(box(pitch, depth, top - bottom, at=(0, y, (top + bottom) / 2)), count, (2 * pitch, 0, 0))


def chair(b: Builder) -> None:
    w, d, h, back = b.uniform(0.46, 0.7), b.uniform(0.44, 0.56), b.uniform(0.4, 0.58), b.uniform(0.4, 0.75)
    kind, t, legs = b.choice(("solid", "slats", "rungs", "round")), 0.09, 4
    round_seat = kind == "round"
    paint, y, top = b.color(), d / 2 - t / 2, h + back
    seat = cylinder(w / 2 + 0.02, t, at=(0, 0, h)) if round_seat else box(w, d, t, at=(0, 0, h))
    b.part("seat", [seat], paint, b.pattern(paint, 0.25), b.choice(("wood", "fabric", "leather")))
    leg_paint = b.color()
    if round_seat:
        legs = b.integer(3, 5)
        leg = rod(0.045, (0, -w / 2, 0), (0, 0.1 - w / 2, h))
        b.part("leg", around(leg, legs, start=180 / legs), leg_paint, material="metal")
        b.part("back", [leaning_back(w * 0.9, h, back, w / 2 - 0.05)], b.color(), material="wood")
    else:
        leg = box(t, t, h, at=(w / 2 - t / 2, d / 2 - t / 2, h / 2 - t / 2))
        b.part("leg", four_corners(leg), leg_paint, material="wood")
    count = b.integer(2, 4) if w < 0.56 else b.integer(3, 5)
    if kind == "solid":
        second = b.color()
        b.part("back", [box(w, t, back, at=(0, y, h + back / 2))], second, b.pattern(second), "wood")
    elif kind == "slats":
        b.part("slat", upright_bars(w, count, t, h, top, y), b.color(), material="wood")
        b.part("rail", [box(w, t + 0.02, 0.1, at=(0, y, top))], b.color(), material="wood")
    elif kind == "rungs":
        count, gap = b.integer(2, 3), back / b.choice((3.2, 3.6))
        b.part("post", both_sides(box(t, t, back, at=(w / 2 - t / 2, y, h + back / 2))), leg_paint, material="wood")
        rung = box(w - t, t * 0.8, gap * 0.45, at=(0, y, top - 0.5 * (count - 0.5) * gap))
        b.part("rung", row(rung, count, (0, 0, gap)), b.color(), material="wood")
    if kind in ("solid", "slats") and b.chance(0.35):
        arm = [
            box(t, d, 0.08, at=(w / 2 + t / 2, 0, h + 0.24)),
            box(t, t, 0.26, at=(w / 2 + t / 2, t - d / 2, h + 0.1)),
        ]
        b.part("armrest", [arm, [s.mirrored() for s in arm]], b.color(), material="wood")
    b.subtype(
        {"solid": "chair", "slats": "slat-back chair", "rungs": "ladder-back chair", "round": "round chair"}[kind]
    )
    b.proportion("tall" if top > 1.15 else "low" if top < 0.9 else "")
    b.proportion("wide" if w > 0.62 else "narrow" if w < 0.51 else "")
    behind = {"solid": "a solid back", "slats": f"{count_word(count)} upright slats", "round": "a curved back"}
    seat_word = "a round seat" if round_seat else "a square seat"
    b.layout(f"{seat_word} on {count_word(legs)} legs before " + behind.get(kind, f"{count_word(count)} rungs"))
    b.symmetry("left-right")


def leaning_back(width: Real, bottom: Real, height: Real, y: Real) -> Solid:
    """A back that leans a little and is round at the top."""
    return ellipsoid(width / 2, 0.07, height / 2 + 0.05, at=(0, y, bottom + height / 2)).turned("x", -6)


def stool(b: Builder) -> None:
    legs, height, radius = b.integer(3, 5), b.uniform(0.42, 1.15), b.uniform(0.26, 0.36)
    square, spread = b.chance(0.4), b.uniform(1.0, 1.3)
    if square:
        legs = 4
    paint, leg_paint = b.color(), b.color()
    thick = b.choice((0.09, 0.16))
    seat = (
        box(2 * radius, 2 * radius, thick, at=(0, 0, height)) if square else cylinder(radius, thick, at=(0, 0, height))
    )
    b.part("seat", [seat], paint, b.pattern(paint), b.choice(("wood", "leather", "fabric")))
    foot, top = (radius - 0.05) * spread, radius - 0.09
    foot, top = (foot * 1.3, top * 1.3) if square else (foot, top)
    ring = height > 0.75 and b.chance(0.7)
    if ring:
        at = 0.34
        b.part("ring", [torus(foot + (top - foot) * at / height, 0.04, at=(0, 0, at))], b.color(), material="metal")
    legs_of = around(rod(0.048, (foot, 0, 0), (top, 0, height)), legs, start=45 if square else 90)
    b.part("leg", legs_of, leg_paint, material=b.choice(("wood", "metal")))
    if not ring:
        pad = box(1.7 * radius, 1.7 * radius, 0.1, at=(0, 0, height + thick / 2 + 0.02))
        pad = pad if square else cylinder(radius * 0.85, 0.1, at=(0, 0, height + thick / 2 + 0.02))
        b.part("cushion", [pad], b.other_color(paint), material="fabric")
    b.subtype("bar stool" if height > 0.85 else "footstool" if height < 0.55 else "stool")
    b.proportion("tall" if height > 0.85 else "low" if height < 0.55 else "")
    b.proportion("thick" if thick > 0.1 else "thin")
    shape = "square" if square else "round"
    b.layout(
        f"a {shape} seat on {count_word(legs)} "
        + ("splayed legs" if spread > 1.12 else "straight legs")
        + (" with a ring" if ring else " and a cushion")
    )
    b.symmetry({3: "three-fold", 4: "four-fold"}.get(legs, "round"))


def sofa(b: Builder) -> None:
    seats, w, d, h = b.integer(1, 4), b.uniform(0.4, 0.5), b.uniform(0.5, 0.65), b.uniform(0.3, 0.4)
    arm, back, width = b.uniform(0.13, 0.2), b.uniform(0.3, 0.6), 0.0
    width = seats * w
    paint, rounded = b.color(), b.chance(0.5)
    body = [
        box(width + 0.02, d, h - 0.12, at=(0, 0, h / 2 + 0.06)),
        box(width + 0.02, 0.18, back + h, at=(0, d / 2, (back + h) / 2 + 0.1)),
    ]
    b.part("body", [body], paint, b.pattern(paint), b.choice(("fabric", "leather")), counted=False)
    side = [box(arm, d + 0.16, h + 0.06, at=(width / 2 + arm / 2, 0.02, h / 2 + 0.13))]
    if rounded:
        side.append(
            capsule(arm * 0.62, (width / 2 + arm / 2, -d / 2, h + 0.16), (width / 2 + arm / 2, d / 2, h + 0.16))
        )
    arm_paint = b.color()
    b.part("armrest", [side, [s.mirrored() for s in side]], arm_paint, b.pattern(arm_paint, 0.2), "fabric")
    cushion = box(w - 0.1, d - 0.06, 0.14, at=(0, -0.08, h + 0.06))
    b.part("cushion", row(cushion, seats, (w, 0, 0)), b.other_color(paint), material="fabric")
    leg = cylinder(0.06, 0.14, at=(width / 2, d / 2 - 0.06, 0.07))
    b.part("leg", four_corners(leg), b.color(), material="wood")
    b.subtype(("armchair", "loveseat", "sofa", "long sofa")[seats - 1])
    b.proportion("high-backed" if back > 0.48 else "low" if back < 0.38 else "")
    b.layout(
        f"{count_word(seats)} seat cushion{'s' * (seats > 1)} between two {'rounded' if rounded else 'square'} armrests"
    )
    b.symmetry("left-right")


def bench(b: Builder) -> None:
    kind, long, h = (
        b.choice(("park bench", "backless bench", "panel bench")),
        b.uniform(1.0, 1.5),
        b.uniform(0.38, 0.48),
    )
    paint, d, supports = b.color(), b.uniform(0.4, 0.5), b.integer(2, 3)
    stone = kind == "backless bench"
    b.part(
        "seat",
        [box(long, d, 0.12 if stone else 0.08, at=(0, 0, h))],
        paint,
        b.pattern(paint),
        "stone" if stone else "wood",
    )
    leg = box(0.12, d - 0.06, h, at=(0, 0, h / 2 - 0.03))
    b.part(
        "leg",
        row(leg, supports, ((long - 0.3) / (supports - 1), 0, 0)),
        b.color(),
        material="stone" if stone else "metal",
    )
    slats, y = b.integer(2, 3), d / 2 - 0.05
    if stone:
        b.part("rail", [box(long - 0.24, 0.12, 0.1, at=(0, 0, h * 0.4))], b.color(), material="stone")
    if kind == "park bench":
        slat = box(long, 0.08, 0.11, at=(0, y, h + 0.12 + 0.11 * slats))
        post = box(0.1, 0.08, 0.22 * slats + 0.05, at=(0, y + 0.07, h + 0.11 * slats))
        b.part("slat", row(slat, slats, (0, 0, 0.22)), b.color(), material="wood")
        b.part("post", row(post, 2, (long - 0.3, 0, 0)), b.color(), material="metal")
    elif kind == "panel bench":
        back = b.color()
        b.part("back", [box(long, 0.09, b.uniform(0.35, 0.55), at=(0, y, h + 0.24))], back, b.pattern(back), "wood")
        arm = [
            box(0.1, d, 0.09, at=(long / 2 - 0.05, 0, h + 0.26)),
            box(0.1, 0.1, 0.26, at=(long / 2 - 0.05, 0.05 - d / 2, h + 0.12)),
        ]
        b.part("armrest", [arm, [s.mirrored() for s in arm]], b.color(), material="wood")
    b.subtype(kind)
    b.proportion("long" if long > 1.3 else "short" if long < 1.12 else "")
    behind = {"park bench": f" before {count_word(slats)} slats", "panel bench": " before a solid back"}
    b.layout(f"a long seat on {count_word(supports)} legs" + behind.get(kind, ""))
    b.symmetry("left-right")


def rocking_chair(b: Builder) -> None:
    w, d, h, back = b.uniform(0.5, 0.64), 0.5, 0.42, b.uniform(0.5, 0.75)
    spindles, paint, t = b.integer(3, 5), b.color(), 0.08
    b.part("seat", [box(w, d, 0.09, at=(0, 0, h))], paint, b.pattern(paint, 0.25), b.choice(("wood", "fabric")))
    radius = b.uniform(0.8, 1.1)
    reach = 30 if radius > 0.95 else 36
    arc = [(y, z + radius) for y, z in arc_band(radius, t, 270 - reach, 270 + reach)]
    rocker = side_extrusion(arc, t + 0.01, at=(w / 2 - t / 2, 0, 0.04))
    b.part("rocker", both_sides(rocker), b.color(), material="wood")
    b.part(
        "leg",
        four_corners(box(t, t, h - 0.06, at=(w / 2 - t / 2, d / 2 - t, h / 2 + 0.05))),
        b.color(),
        material="wood",
    )
    y = d / 2 - t / 2
    kind = b.choice(("spindle", "solid"))
    if kind == "spindle":
        b.part("spindle", upright_bars(w, spindles, t, h, h + back, y), b.color(), material="wood")
        b.part("rail", [box(w, t, 0.11, at=(0, y, h + back))], b.color(), material="wood")
    else:
        b.part("back", [box(w, t, back, at=(0, y, h + back / 2)).turned("x", -4)], b.color(), material="wood")
    b.subtype("spindle-back rocking chair" if kind == "spindle" else "rocking chair")
    b.proportion("high-backed" if back > 0.64 else "")
    b.proportion("wide" if w > 0.6 else "narrow" if w < 0.54 else "")
    b.layout(
        "four legs on two curved rockers"
        + (f" and {count_word(spindles)} spindles" if kind == "spindle" else " and a solid back")
    )
    b.symmetry("left-right")


def office_chair(b: Builder) -> None:
    w, h, back, legs = b.uniform(0.44, 0.56), b.uniform(0.5, 0.64), b.uniform(0.4, 0.62), b.integer(4, 6)
    paint, reach, rounded, arms = b.color(), 0.38, b.chance(0.5), b.chance(0.5)
    seat = cylinder(w / 2 + 0.03, 0.13, at=(0, 0, h)) if rounded else box(w, w, 0.13, at=(0, 0, h))
    column = cylinder(0.07, h - 0.1, at=(0, 0, h / 2 + 0.04))
    # With armrests the column is the seat's: five names are enough for one object.
    b.part("seat", [[seat, column] if arms else seat], paint, material=b.choice(("fabric", "leather", "plastic")))
    second = b.color()
    y, z = w / 2 + 0.02, h + back / 2 + 0.1
    rest = ellipsoid(w / 2, 0.08, back / 2 + 0.06, at=(0, y, z)) if rounded else box(w, 0.1, back, at=(0, y, z))
    b.part("back", [[rest, box(0.12, 0.08, 0.25, at=(0, w / 2, h + 0.08))]], second, b.pattern(second), "fabric")
    if not arms:
        b.part("column", [column], b.color(), material="metal")
    b.part("leg", around(rod(0.04, (0, 0, 0.14), (0, -reach, 0.1)), legs), b.color(), material="metal")
    b.part("wheel", around(sphere(0.06, at=(0, -reach, 0.06)), legs), b.color(), material="plastic")
    if arms:
        x = w / 2 + 0.03
        arm = [box(0.09, 0.34, 0.08, at=(x, 0, h + 0.26)), box(0.09, 0.12, 0.3, at=(x, 0, h + 0.1))]
        b.part("armrest", [arm, [s.mirrored() for s in arm]], b.color(), material="plastic")
    b.subtype("armless office chair" if not arms else "round office chair" if rounded else "office chair")
    b.proportion("high-backed" if back > 0.54 else "")
    b.layout(f"a seat on a column over {count_word(legs)} legs with wheels")
    b.symmetry("left-right")


SEATS: dict[str, Family] = {
    "chair": Family(chair, "furniture", ("seat", "side chair", "dining chair"), category="spatial"),
    "stool": Family(stool, "furniture", ("backless seat", "small seat"), category="spatial"),
    "sofa": Family(sofa, "furniture", ("couch", "settee")),
    "bench": Family(bench, "furniture", ("long seat",), category="spatial"),
    "rocking chair": Family(rocking_chair, "furniture", ("rocker",), rare=True, category="spatial"),
    "office chair": Family(office_chair, "furniture", ("swivel chair", "desk chair"), category="mechanical"),
}
