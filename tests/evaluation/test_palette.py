"""Named colours on a surface: which are asked for, which are shown, and that damage to paint never scores better."""

import math

import numpy as np
import pytest

from maquette.corpus.program import COLORS
from maquette.evaluation.palette import NAMES, colors_shown, named_colors, surface_colors
from maquette.types import Mesh, PartSpec, Prompt


def _cube(*colors: tuple[float, float, float]) -> Mesh:
    """A cube of side 1; its faces, in the order −x +x −y +y −z +z, have the colours in turn."""
    vertices, faces, paint = [], [], []
    for axis in range(3):
        for side in (-0.5, 0.5):
            corners = np.full((4, 3), side)
            corners[:, [i for i in range(3) if i != axis]] = [[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]
            first = 4 * (2 * axis + (side > 0))
            vertices.append(corners)
            faces += [[first, first + 1, first + 2], [first, first + 2, first + 3]]
            paint.append(np.tile(colors[(2 * axis + (side > 0)) % len(colors)], (4, 1)))
    return Mesh(np.concatenate(vertices).astype(np.float32), np.array(faces), np.concatenate(paint).astype(np.float32))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a red chair with four blue legs", ("red", "blue")),
        ("a red, white and blue boat", ("red", "white", "blue")),
        ("a navy blue car with a black-and-white roof", ("black", "white")),
        ("a Gray kettle; a redwood lid, gold-rimmed", ("grey",)),
        ("a lamp", ()),
    ],
)
def test_colours_that_a_text_names(text: str, expected: tuple[str, ...]) -> None:
    assert named_colors(Prompt("0", text)) == expected


def test_colours_of_stated_parts_count_once() -> None:
    prompt = Prompt("0", "a red chair", parts=(PartSpec("leg", 4, "red"), PartSpec("seat", 1, "tan")))
    assert named_colors(prompt) == ("red", "tan")


def test_every_named_colour_is_seen_as_itself_whatever_side_it_is_on() -> None:
    shares = surface_colors([_cube(COLORS[name]) for name in NAMES])
    np.testing.assert_array_equal(shares, np.eye(len(NAMES)))


def test_the_share_of_a_prompts_colours_that_is_shown() -> None:
    prompt = Prompt("0", "a red cube with yellow sides")
    cubes = [_cube(COLORS["red"], COLORS["yellow"]), _cube(COLORS["red"]), _cube(COLORS["blue"])]
    bare = Mesh(cubes[0].vertices, cubes[0].faces)
    nothing = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    shown = [colors_shown(prompt, row) for row in surface_colors([*cubes, bare, nothing])]
    assert shown == [1.0, 0.5, 0.0, 0.0, 0.0]
    assert math.isnan(colors_shown(Prompt("0", "a cube"), surface_colors(cubes)[0]))
