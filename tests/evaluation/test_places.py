"""Parts by their places: shares worked by hand, and what an evaluation makes of them."""

from __future__ import annotations

import math

import numpy as np

from maquette.corpus.program import COLORS
from maquette.evaluation.answers import Answers
from maquette.evaluation.places import Places, parts_in_place
from maquette.evaluation.references import Reference, references_of
from maquette.evaluation.run import shape_errors
from maquette.prompts.sets import load_prompts
from maquette.rendering.cameras import CAMERAS
from maquette.rendering.rasterise import render
from maquette.types import PartSpec, Prompt, Voxels

R = 8


def table() -> tuple[Places, Voxels]:
    """A seat of 16 voxels, red with 4 of blue, on two legs of 4 voxels, green."""
    part = np.full((R, R, R), -1, np.int8)
    part[2:6, 2:6, 4] = 0
    part[2, 2, :4] = 1
    part[5, 5, :4] = 1
    color = np.zeros((1, R, R, R, 3), np.float32)
    color[0, 2:6, 2:6, 4] = COLORS["red"]
    color[0, 2, 2:6, 4] = COLORS["blue"]
    color[0, part == 1] = COLORS["green"]
    return Places(("seat", "leg"), part), Voxels((part >= 0)[None], color)


ASKED = Prompt("0", "", parts=(PartSpec("seat", 0, "red"), PartSpec("leg", 2, "green"), PartSpec("wheel", 4, "black")))


def test_the_object_itself_has_all_of_it_whatever_its_second_colour():
    places, meant = table()
    assert meant.color is not None
    assert parts_in_place(ASKED, places, meant, meant.occupancy[0], meant.color[0]) == (1.0, 1.0)


def test_every_part_has_one_voice():
    places, meant = table()
    assert meant.color is not None
    lame, color = meant.occupancy[0].copy(), meant.color[0].copy()
    lame[5, 5, :4] = False  # one of two legs: half of what "leg" asks for
    assert parts_in_place(ASKED, places, meant, lame, color) == (0.75, 0.75)
    color[3, 2:6, 4] = COLORS["green"]  # 4 of the 12 voxels that are meant to be red
    placed, painted = parts_in_place(ASKED, places, meant, lame, color)
    assert placed == 0.75 and math.isclose(painted, (8 / 12 + 0.5) / 2)
    # What is filled elsewhere takes nothing away, and what has no paint is grey.
    assert parts_in_place(ASKED, places, meant, np.ones((R, R, R), bool), None) == (1.0, 0.0)


def test_what_is_not_asked_is_not_measured():
    places, meant = table()
    assert meant.color is not None
    nothing = parts_in_place(Prompt("0", ""), places, meant, meant.occupancy[0], meant.color[0])
    plain = parts_in_place(Prompt("0", "", parts=(PartSpec("leg", 2),)), places, meant, meant.occupancy[0], None)
    assert math.isnan(nothing[0]) and math.isnan(nothing[1]) and plain[0] == 1.0 and math.isnan(plain[1])


def test_an_evaluation_gives_a_failed_answer_the_worst_and_knows_the_suite_s_objects():
    prompts = load_prompts("mini-dev", count=8)
    known = references_of("mini-dev", prompts)
    prompt = next(p for p in prompts if known[p.id].determined and any(part.color for part in p.parts))
    own = known[prompt.id]
    meshes = (own.mesh(),)
    views = render(list(meshes), CAMERAS["front-3q"], size=16)
    rows = []
    for failed in (False, True):
        answers = Answers({"fine": meshes}, views, own.voxels(32), np.array([failed]), ("",), (("",),))
        rows.append(shape_errors(prompt, answers, 0, own))
    assert (rows[0]["parts_placed"], rows[0]["parts_painted"], rows[0]["iou"]) == (1.0, 1.0, 1.0)
    assert (rows[1]["parts_placed"], rows[1]["parts_painted"], rows[1]["iou"]) == (0.0, 0.0, 0.0)
    answers = Answers({"fine": meshes}, views, own.voxels(32), np.array([False]), ("",), (("",),))
    bare = shape_errors(prompt, answers, 0, Reference(True, own.voxels, own.mesh))
    assert math.isnan(bare["parts_placed"]) and bare["iou"] == 1.0
