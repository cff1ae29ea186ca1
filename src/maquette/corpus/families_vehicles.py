"""Cars, trucks, buses and trains, and the dictionary of all vehicles. The front looks to -y, x is across."""

from __future__ import annotations

from maquette.corpus.families_aircraft import AIRCRAFT
from maquette.corpus.families_machines import MACHINES
from maquette.corpus.families_vessels import VESSELS
from maquette.corpus.program import Builder, Family, count_word
from maquette.corpus.solids import (
    Solid,
    both_sides,
    box,
    capsule,
    cone,
    disc,
    row,
    side_extrusion,
)


def wheels(axles: list[float], x: float, radius: float, width: float = 0.14) -> list[Solid]:
    """Two wheels on the ground for every axle at a place along y."""
    return [w for y in axles for w in both_sides(disc(radius, width, at=(x, y, radius)))]


def spread(count: int, first: float, last: float) -> list[float]:
    """`count` places evenly from `first` to `last`; a single one at `last`."""
    return [last - (last - first) * i / max(count - 1, 1) for i in reversed(range(count))]


def cabin(b: Builder, kind: str, w: float, half: float, top: float, paint: str) -> None:
    """Windows and roof above a car body whose upper side is at `top`."""
    front, back = {
        "sedan": (-0.2, half - 0.26),
        "hatchback": (-0.16, half),
        "pickup truck": (-0.22, 0.1),
        "van": (0.15 - half, half),
    }[kind]
    tall = b.uniform(0.36, 0.44) if kind == "van" else b.uniform(0.22, 0.3)
    slope = 0.05 if kind == "pickup truck" else 0.1
    roof = [(front, top - 0.02), (back, top - 0.02), (back - slope, top + tall), (front + 0.14, top + tall)]
    glass = [
        (front - 0.04, top),
        (back + 0.04, top),
        (back - slope / 2, top + tall * 0.68),
        (front + 0.05, top + tall * 0.68),
    ]
    b.part(
        "window",
        [side_extrusion(glass, w)],
        b.other_color(paint, allowed=("cyan", "black", "white", "grey", "blue")),
        material="glass",
        counted=False,
    )
    second = b.color()
    cap = [
        box(
            w - 0.02,
            back - front - slope - 0.1,
            tall * 0.34,
            at=(0, (front + back - slope + 0.12) / 2, top + tall * 0.83),
        )
    ]
    b.part("roof", [[*cap, side_extrusion(roof, w - 0.12)]], second, b.pattern(second, 0.15), "metal")


def car(b: Builder) -> None:
    kind = b.choice(("sedan", "hatchback", "pickup truck", "racing car", "van"))
    long, w, r, paint = b.uniform(1.3, 1.6), b.uniform(0.56, 0.66), b.uniform(0.15, 0.19), b.color()
    six = kind in ("van", "pickup truck") and b.chance(0.4)
    if six:
        long, r = long + 0.2, 0.15
    h, half = b.uniform(0.24, 0.3), long / 2
    low, top = r * 0.75, r * 0.75 + h
    racing = kind == "racing car"
    side = [(-half, low), (half, low), (half, top), (-half + 0.1, top), (-half, top - 0.1)]
    if racing:
        side = [(-half, low), (half, low), (half, top), (0.1, top), (-half, low + 0.12)]
    b.part(
        "body", [side_extrusion(side, w * 0.7 if racing else w)], paint, b.pattern(paint, 0.25), "metal", counted=False
    )
    axles = [0.27 - half, half - 0.27]
    if six:
        axles.insert(1, half - 0.27 - 2 * r - 0.11)
    b.part(
        "wheel",
        wheels(axles, w / 2 - 0.02, r * (1.15 if racing else 1)),
        b.color("black", "grey", "navy", "brown"),
        material="rubber",
    )
    if racing:
        driver, y = capsule(0.11, (0, 0.12, top), (0, 0.12, top + 0.1)), half - 0.09
        b.part("driver", [driver], b.other_color(paint), material="plastic")
        wing = [box(w, 0.18, 0.08, at=(0, y, top + 0.2)), box(0.1, 0.1, 0.25, at=(0, y, top + 0.08))]
        b.part("spoiler", [wing], b.color(), material="metal")
    else:
        cabin(b, kind, w, half, top, paint)
        light, shine = (
            disc(0.07, 0.1, at=(w / 2 - 0.12, 0.01 - half, low + h * 0.42), axis="y"),
            ("yellow", "white", "orange"),
        )
        b.part("headlight", both_sides(light), b.other_color(paint, allowed=shine), material="glass")
    b.subtype(kind)
    b.proportion("long" if long > 1.5 else "short" if long < 1.38 else "")
    b.proportion("tall" if kind == "van" else "low" if racing else "")
    rest = {
        "racing car": "a wedge body with a spoiler",
        "pickup truck": "a short cabin before a flat bed",
        "van": "one long high cabin",
    }
    b.layout(rest.get(kind, "a cabin above a long body") + f" on {count_word(2 * len(axles))} wheels")
    b.symmetry("left-right")


def truck(b: Builder) -> None:
    kind, axles = b.choice(("box truck", "dump truck", "tanker truck", "fire truck")), b.integer(2, 4)
    long, w, r, paint = 1.1 + 0.15 * axles, 0.56, b.uniform(0.13, 0.16), b.color()
    half, load, cab_h = long / 2, b.uniform(0.4, 0.58), b.uniform(0.42, 0.55)
    floor = 2 * r - 0.02
    mid, length = 0.21, long - 0.5
    if kind == "dump truck":
        bed = [
            (mid - length / 2, floor + 0.05),
            (half, floor + 0.05),
            (half, floor + 0.3),
            (mid - length / 2 - 0.04, floor + load),
        ]
        cargo, name = [side_extrusion(bed, w)], "bed"
    elif kind == "tanker truck":
        cargo, name = [capsule(0.27, (0, mid - length / 2 + 0.2, floor + 0.32), (0, half - 0.26, floor + 0.32))], "tank"
    else:
        cargo, name = [box(w, length, load, at=(0, mid + 0.02, floor + 0.06 + load / 2))], "cargo box"
    b.part(name, [cargo], paint, b.pattern(paint, 0.35), "metal")
    cab = b.other_color(paint)
    b.part("cab", [box(w, 0.4, cab_h, at=(0, 0.2 - half, floor + cab_h / 2 - 0.02))], cab, material="metal")
    b.part(
        "body",
        [box(w - 0.1, long - 0.04, 0.14, at=(0, 0, floor + 0.01))],
        b.color("black", "grey", "white", "navy"),
        material="metal",
        counted=False,
    )
    rear = spread(axles - 1, half - 0.2 - (axles - 2) * (2 * r + 0.1), half - 0.2)
    b.part(
        "wheel",
        wheels([0.2 - half, *rear], w / 2 - 0.03, r),
        b.color("black", "grey", "brown", "white"),
        material="rubber",
    )
    if kind == "fire truck":
        rung, z = box(0.36, 0.08, 0.08, at=(0, mid, floor + load + 0.13)), floor + load + 0.1
        ladder = [*both_sides(box(0.08, length, 0.1, at=(0.16, mid, z))), *row(rung, 4, (0, length / 4, 0))]
        b.part("ladder", [ladder], b.other_color(paint), material="metal")
    else:
        glass = box(w + 0.03, 0.26, cab_h * 0.36, at=(0, 0.1 - half, floor + cab_h * 0.68))
        b.part("window", [glass], b.other_color(cab), material="glass", counted=False)
    b.subtype(kind)
    b.proportion("long" if axles == 4 else "short" if axles == 2 else "")
    b.layout(
        f"a cab before a {name}"
        + (" under a ladder" if kind == "fire truck" else f" over {count_word(2 * axles)} wheels")
    )
    b.symmetry("left-right")


def bus(b: Builder) -> None:
    kind, long, w = (
        b.choice(("city bus", "double-decker bus", "school bus")),
        b.uniform(1.2, 1.6),
        b.uniform(0.46, 0.54),
    )
    decks = 2 if kind == "double-decker bus" else 1
    r, paint, h, axles = (
        0.13,
        b.color(),
        b.uniform(0.46, 0.54) if decks == 1 else b.uniform(0.74, 0.84),
        b.integer(2, 3),
    )
    low, half, glass = 0.1, long / 2, b.other_color(paint)
    b.part("body", [box(w, long, h, at=(0, 0, low + h / 2))], paint, b.pattern(paint, 0.25), "metal", counted=False)
    nose = 0.22 if kind == "school bus" else 0.0
    if nose:
        b.part(
            "hood",
            [box(w - 0.04, nose + 0.04, 0.26, at=(0, -half - nose / 2 + 0.02, low + 0.13))],
            b.color(),
            material="metal",
        )
    z = [low + h * 0.68] if decks == 1 else [low + h * 0.4, low + h * 0.8]
    panes = [
        box(w + 0.05, 0.15, 0.16, at=(0, y, level))
        for level in z
        for y in spread(5 if long > 1.4 else 4, 0.34 - half, half - 0.16)
    ]
    panes += [box(w - 0.1, 0.1, 0.18, at=(0, 0.03 - half, level)) for level in z]
    b.part("window", [panes], glass, material="glass", counted=False)
    places = [0.25 - half, half - 0.25] if axles == 2 else [0.25 - half, half - 0.55, half - 0.2]
    b.part("wheel", wheels(places, w / 2, r, 0.12), b.color("black", "grey", "brown", "navy"), material="rubber")
    light = disc(0.055, 0.1, at=(w / 2 - 0.1, -half - nose, low + 0.12), axis="y")
    b.part(
        "headlight", both_sides(light), b.other_color(paint, allowed=("yellow", "white", "orange")), material="glass"
    )
    b.subtype(kind)
    b.proportion("long" if long > 1.45 else "short" if long < 1.3 else "")
    b.proportion("tall" if decks == 2 else "")
    rows = "two window rows" if decks == 2 else "one window row"
    b.layout(f"a box with {rows} and {count_word(2 * axles)} wheels")
    b.symmetry("left-right")


def steam_engine(b: Builder, toy: bool, long: float, floor: float, w: float, paint: str, second: str) -> str:
    """Boiler, cab and chimneys, and a wagon behind a toy's; the layout in words."""
    half = long / 2
    boiler = [disc(0.19, long - 0.3, at=(0, -0.15, floor + 0.22), axis="y")]
    stacks, back = b.integer(1, 2), half - 0.17
    if toy:
        # The frame is the engine's and the cab stands before a wagon.
        back, boiler = (
            0.02,
            [
                disc(0.19, half + 0.1, at=(0, -half / 2 - 0.1, floor + 0.22), axis="y"),
                box(w - 0.08, long, 0.1, at=(0, 0, floor - 0.02)),
            ],
        )
        b.part("boiler", [boiler], paint, b.pattern(paint, 0.4), "metal")
        wagon = b.color()
        b.part(
            "wagon",
            [box(w, half - 0.3, 0.26, at=(0, half / 2 + 0.15, floor + 0.13))],
            wagon,
            b.pattern(wagon, 0.4),
            "wood",
        )
    else:
        b.part("boiler", boiler, paint, b.pattern(paint, 0.4), "metal")
    cab = [box(w, 0.3, 0.5, at=(0, back, floor + 0.27)), box(w + 0.1, 0.4, 0.08, at=(0, back, floor + 0.54))]
    b.part("cab", [cab], second, material="wood")
    stack = cone(0.06, 0.3, at=(0, 0.4 - half, floor + 0.5), top=b.uniform(0.07, 0.13))
    stacks = 1 if toy else stacks
    b.part("chimney", [stack.moved(dy=0.34 * i) for i in range(stacks)], b.color(), material="metal")
    rest = "a cab and wagon" if toy else "a cab"
    return f"a boiler with {count_word(stacks)} chimney{'s' * (stacks > 1)} before {rest}"


def train(b: Builder) -> None:
    kind, axles, paint = b.choice(("steam locomotive", "diesel locomotive", "toy train")), b.integer(2, 4), b.color()
    long, r, w = 0.75 + 0.19 * axles, b.uniform(0.115, 0.135), 0.44
    half, floor, second = long / 2, 2 * r - 0.04, b.other_color(paint)
    frame = box(w - 0.08, long, 0.1, at=(0, 0, floor - 0.02))
    if kind == "diesel locomotive":
        side = [(-half, floor), (half, floor), (half, floor + 0.5), (-half + 0.22, floor + 0.5), (-half, floor + 0.28)]
        b.part("body", [side_extrusion(side, w)], paint, b.pattern(paint, 0.4), "metal", counted=False)
        glass = box(w + 0.04, 0.2, 0.14, at=(0, 0.28 - half, floor + 0.36))
        b.part("window", [[glass, glass.moved(dy=long - 0.5)]], second, material="glass", counted=False)
        vents = b.integer(2, 3)
        b.part(
            "vent", row(disc(0.1, w - 0.1, at=(0, 0.1, floor + 0.5)), vents, (0, 0.3, 0)), b.color(), material="metal"
        )
        said = f"a long slanted body with {count_word(vents)} roof vents"
    else:
        said = steam_engine(b, kind == "toy train", long, floor, w, paint, second)
    if kind != "toy train":
        b.part("frame", [frame], b.color(), material="metal", counted=False)
    b.part(
        "wheel",
        wheels(spread(axles, 0.18 - half, half - 0.18), w / 2 - 0.04, r, 0.12),
        b.other_color(paint),
        material="metal",
    )
    b.subtype(kind)
    b.proportion("long" if axles == 4 else "short" if axles == 2 else "")
    b.layout(said)
    b.symmetry("left-right")


VEHICLES: dict[str, Family] = {
    "car": Family(car, "vehicles", ("automobile", "motorcar"), category="mechanical"),
    "truck": Family(truck, "vehicles", ("lorry", "goods vehicle"), category="mechanical"),
    "bus": Family(bus, "vehicles", ("coach",), category="mechanical"),
    "train": Family(train, "vehicles", ("locomotive", "railway engine"), category="mechanical"),
    **MACHINES,
    **AIRCRAFT,
    **VESSELS,
}
