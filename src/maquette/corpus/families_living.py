"""Object programs of the group "animals and plants": the animals; the plants are in `families_plants`."""

from __future__ import annotations

from maquette.corpus.families_creatures import CREATURES
from maquette.corpus.families_plants import PLANTS
from maquette.corpus.profiles import bent, paired
from maquette.corpus.program import Builder, Family, Pattern
from maquette.corpus.solids import (
    both_sides,
    box,
    capsule,
    cone,
    cylinder,
    ellipsoid,
    four_corners,
    rod,
    side_extrusion,
    sphere,
)


def dog(b: Builder) -> None:
    kind = b.choice(("dachshund", "hound", "poodle", "puppy"))
    length, leg, head = {
        "dachshund": (1.05, 0.2, 0.18),
        "hound": (0.75, 0.5, 0.18),
        "poodle": (0.6, 0.42, 0.21),
        "puppy": (0.5, 0.26, 0.28),
    }[kind]
    length, leg, girth = length * b.uniform(0.9, 1.1), leg * b.uniform(0.85, 1.2), b.uniform(0.17, 0.22)
    back, front, coat, limbs = leg + girth * 0.8, -length / 2, b.color(), b.color()
    y, z = front - 0.14, back + girth + 0.1 + head * 0.4
    b.subtype(kind)
    b.proportion("long" if length > 0.9 else "short" if length < 0.55 else "")
    b.proportion("tall" if leg > 0.5 else "low" if leg < 0.24 else "")
    trunk = [
        capsule(girth, (0, front + 0.05, back), (0, length / 2 - 0.02, back)),
        capsule(0.12, (0, front, back), (0, y, z)),
    ]
    b.part("body", [trunk], coat, b.pattern(coat), "fur", counted=False)
    puffs = 0.1 if kind == "poodle" else 0.0
    foot = [rod(0.085, (0.14, length / 2 - 0.06, 0), (0.14, length / 2 - 0.06, back))]
    foot += [sphere(puffs, (0.15, length / 2 - 0.06, puffs))] if puffs else []
    corners = [four_corners(solid) for solid in foot]
    b.part("leg", list(zip(*corners, strict=True)), limbs, material="fur")
    snout = b.uniform(0.1, 0.22) if kind != "puppy" else 0.1
    b.part(
        "head",
        [[sphere(head, (0, y, z)), capsule(head * 0.55, (0, y, z - 0.04), (0, y - head * 0.6 - snout, z - 0.06))]],
        b.choice((coat, b.color())),
        material="fur",
    )
    hanging = kind != "hound" or b.chance(0.3)
    ear = (
        ellipsoid(0.065, 0.1, 0.17, (head + 0.01, y + 0.04, z - 0.06))
        if hanging
        else cone(0.085, 0.26, (0.12, y + 0.05, z + head + 0.06), top=0.03)
    )
    b.part("ear", both_sides(ear), b.other_color(coat), material="fur")
    tip = (0, length / 2 + girth + 0.14, back + b.choice((0.3, 0.12, -0.12)))
    tail = [capsule(0.055, (0, length / 2 + girth * 0.6, back + 0.05), tip)]
    b.part("tail", [[*tail, sphere(0.11, tip)] if puffs else tail], limbs, material="fur")
    b.layout(
        f"a {'long low' if leg < 0.26 else 'sturdy'} body on four legs, {'hanging' if hanging else 'pointed'} ears"
    )
    b.symmetry("left-right")


def elephant(b: Builder) -> None:
    kind = b.choice(("african elephant", "baby elephant", "mammoth"))
    baby, woolly = kind == "baby elephant", kind == "mammoth"
    leg, girth, skin = b.uniform(0.28, 0.36) * (0.7 if baby else 1), b.uniform(0.34, 0.42), b.color()
    z, head = leg + girth * 0.75, 0.3 if baby else 0.25
    y, top, hide = -0.52, leg + girth * 0.75 + b.uniform(0.12, 0.22), "fur" if woolly else "skin"
    b.subtype(kind)
    b.proportion("fat" if girth > 0.39 else "slim" if girth < 0.365 else "")
    bulk = [
        ellipsoid(girth, 0.5, girth, (0, 0, z)),
        ellipsoid(head * 0.9, head, head, (0, y, top)),
        capsule(0.05, (0, 0.45, z + 0.1), (0, 0.62, z - 0.16)),
    ]
    if woolly:
        bulk.append(ellipsoid(0.2, 0.2, 0.24, (0, y + 0.05, top + 0.2)))
    b.part("body", [bulk], skin, b.pattern(skin, 0.25), hide, counted=False)
    b.part("leg", four_corners(cylinder(0.135, z, (0.22, 0.27, z / 2))), b.choice((skin, b.color())), material=hide)
    size = b.uniform(0.24, 0.32) if kind == "african elephant" else b.uniform(0.17, 0.22)
    flap = ellipsoid(size, 0.055, size * 1.15, (head * 0.6 + size * 0.8, y + 0.08, top + 0.03)).turned("z", 25)
    b.part("ear", both_sides(flap), b.other_color(skin), material=hide)
    nose, raised = y - head * 0.8, b.chance(0.4)
    down = [(0, nose, top), (0, nose - 0.18, top - 0.25), (0, nose - 0.18, 0.2), (0, nose - 0.3, 0.1)]
    up = [
        (0, nose, top - 0.05),
        (0, nose - 0.25, top - 0.15),
        (0, nose - 0.36, top + 0.12),
        (0, nose - 0.3, top + 0.42),
    ]
    b.part("trunk", [bent(0.09, *(up if raised else down))], skin, material=hide)
    if not baby:
        reach = 0.42 if woolly else 0.26
        start, middle = (0.15, nose + 0.05, top - 0.12), (0.23, nose - reach * 0.5, top - 0.34)
        b.part(
            "tusk",
            paired(bent(0.055, start, middle, (0.24, nose - reach, top - 0.3))),
            b.color("white", "yellow", "tan"),
        )
    b.layout(f"a heavy body on four pillar legs, trunk {'raised' if raised else 'hanging down'}")
    b.symmetry("left-right")


def giraffe(b: Builder) -> None:
    kind = b.choice(("giraffe", "baby giraffe", "grazing giraffe"))
    leg, neck = b.uniform(0.6, 0.75), b.uniform(0.75, 0.95)
    if kind == "baby giraffe":
        leg, neck = leg * 0.75, neck * 0.5
    hide, limbs, z, grazing = b.color(), b.color(), leg + 0.14, kind == "grazing giraffe"
    tip = (0.0, -0.35 - neck * 0.85, z - neck * 0.35) if grazing else (0.0, -0.38 - neck * 0.3, z + neck * 0.9)
    b.subtype(kind)
    b.proportion("" if grazing else "tall" if leg + neck > 1.5 else "small" if leg + neck < 1.0 else "")
    coat = Pattern("checked", b.other_color(hide), b.uniform(0.1, 0.15)) if b.chance(0.6) else b.pattern(hide)
    b.part("body", [capsule(0.2, (0, -0.2, z), (0, 0.25, z - 0.04))], hide, coat, "fur", counted=False)
    b.part("leg", four_corners(rod(0.075, (0.14, 0.27, 0), (0.13, 0.24, z))), limbs, material="fur")
    b.part("neck", [rod(0.15, (0, -0.25, z), tip, 0.09)], hide, coat, "fur")
    snout = (0, tip[1] - 0.2, tip[2] - 0.12)
    b.part("head", [[sphere(0.13, tip), capsule(0.085, tip, snout)]], b.choice((limbs, b.color())), material="fur")
    horn = capsule(0.045, (0.09, tip[1], tip[2] + 0.08), (0.11, tip[1], tip[2] + 0.25))
    b.part("horn", both_sides(horn), b.other_color(hide))
    b.layout(
        "a long neck reaching down from a high body" if grazing else "a high body and an upright neck on four legs"
    )
    b.symmetry("left-right")


def bird(b: Builder) -> None:
    kind = b.choice(("songbird", "stork", "owl", "seagull"))
    plumage, feather = b.color(), b.color()
    leg = {"songbird": 0.24, "stork": 0.75, "owl": 0.16, "seagull": 0.0}[kind] * b.uniform(0.85, 1.15)
    girth, z, flying = b.uniform(0.24, 0.29), leg + 0.25, kind == "seagull" or b.chance(0.25)
    b.subtype(kind)
    b.proportion("plump" if girth > 0.275 else "slim" if girth < 0.25 else "")
    if kind == "owl":
        body, face, crown = [ellipsoid(girth * 1.1, girth, 0.4, (0, 0, leg + 0.36))], (0, -0.06, leg + 0.78), 0.26
        body += [cone(0.08, 0.2, (x, -0.02, leg + 1.04), top=0.02) for x in (-0.17, 0.17)]
        z = leg + 0.42
    else:
        body = [ellipsoid(girth, 0.42, girth, (0, 0, z)).turned("x", -20)]
        body.append(box(0.22, 0.36, 0.07, (0, 0.48, z - 0.1)).turned("x", -20))
        face, crown = ((0, -0.5, z + 0.62), 0.15) if kind == "stork" else ((0, -0.36, z + 0.3), 0.2)
        body += [capsule(0.085, (0, -0.3, z + 0.1), face)] if kind == "stork" else []
    b.part("body", [body], plumage, b.pattern(plumage), "feathers", counted=False)
    if flying:
        wing = ellipsoid(0.46, 0.17, 0.055, (girth + 0.3, 0, z + 0.2)).turned("y", -b.uniform(10, 30))
    else:
        wing = ellipsoid(0.085, 0.3, 0.17, (girth + 0.01, 0.08, z)).turned("x", -65 if kind == "owl" else -20)
    b.part("wing", both_sides(wing), b.other_color(plumage), b.pattern(feather), "feathers")
    b.part("head", [sphere(crown, face)], feather, material="feathers")
    reach = crown + {"songbird": 0.16, "stork": 0.42, "owl": 0.1, "seagull": 0.2}[kind]
    beak = rod(0.075, (0, face[1] - crown * 0.7, face[2]), (0, face[1] - reach, face[2] - 0.05), 0.02)
    b.part("beak", [beak], b.other_color(feather))
    if leg:
        foot = [rod(0.045, (0.13, 0.02, 0.03), (0.13, 0.02, z - 0.1)), box(0.13, 0.22, 0.06, (0.13, -0.04, 0.03))]
        b.part("leg", paired(foot), b.color("orange", "yellow", "black", "red", "grey"))
    b.layout(f"{'spread' if flying else 'folded'} wings on {'an upright' if kind == 'owl' else 'a rounded'} body")
    b.symmetry("left-right")


def fish(b: Builder) -> None:
    kind = b.choice(("parrot fish", "shark", "angelfish", "pufferfish"))
    width, length, height = {
        "parrot fish": (0.2, 0.5, 0.32),
        "shark": (0.2, 0.75, 0.22),
        "angelfish": (0.13, 0.38, 0.45),
        "pufferfish": (0.36, 0.42, 0.36),
    }[kind]
    length, height = length * b.uniform(0.9, 1.1), height * b.uniform(0.9, 1.1)
    scales, trim, tail = b.color(), b.color(), b.uniform(0.24, 0.34)
    b.subtype(kind)
    b.proportion("long" if length > 0.6 else "tall" if height > length else "round" if width > 0.3 else "")
    body = [ellipsoid(width, length, height)]
    body += [rod(0.16, (0, -length * 0.8, 0), (0, -length - 0.12, -0.03), 0.06)] if kind == "parrot fish" else []
    b.part("body", [body], scales, b.pattern(scales, 0.5), "scales", counted=False)
    root, end = length - 0.12, length + tail
    notch = [(root, 0.08), (end, tail + 0.04), (end - tail * 0.4, 0.0), (end, -tail - 0.04), (root, -0.08)]
    b.part("tail", [side_extrusion(notch, 0.08)], trim, b.pattern(trim))
    rise = {"shark": 0.34, "angelfish": 0.45}.get(kind, 0.18)
    sail = [(-0.2, height * 0.75), (0.12, height + rise), (0.24, height + rise), (0.22, height * 0.7)]
    below = b.chance(0.5) or kind == "angelfish"
    fins = [side_extrusion(sail, 0.08)]
    fins += [side_extrusion([(y, -z) for y, z in sail], 0.08)] if below else []
    side = ellipsoid(0.2, 0.12, 0.05, (width + 0.1, -length * 0.2, -height * 0.3)).turned("y", 25)
    b.part("fin", [*fins, *both_sides(side)], b.other_color(scales))
    eye = b.other_color(scales, allowed=("black", "white", "yellow"))
    b.part("eye", both_sides(sphere(0.07, (max(width * 0.75, 0.12), -length * 0.68, height * 0.25))), eye)
    if kind == "pufferfish":
        spine = rod(0.06, (0, 0, height - 0.04), (0, 0, height + 0.18), 0.02)
        b.part(
            "spike", [spine.turned("y", a, (0, 0, 0)).turned("x", 28, (0, 0, 0)) for a in (-100, -50, 50, 100)], trim
        )
    build = "ball-shaped" if width > 0.3 else "flat high" if kind == "angelfish" else "streamlined"
    b.layout(f"a {build} body with a forked tail fin")
    b.symmetry("left-right")


LIVING: dict[str, Family] = {
    "dog": Family(dog, "animals and plants", ("canine", "pet dog"), category="biological"),
    "elephant": Family(elephant, "animals and plants", ("tusker",), category="biological"),
    "giraffe": Family(giraffe, "animals and plants", ("long-necked animal",), category="biological"),
    "bird": Family(bird, "animals and plants", ("feathered animal",), category="biological"),
    "fish": Family(fish, "animals and plants", ("sea animal",), category="biological"),
    **CREATURES,
    **PLANTS,
}
"""Animals and plants by name."""
