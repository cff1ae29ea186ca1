"""Named colours: does an answer's surface show the colours that its prompt names? Measured on pixels, by no network, for any system."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from skimage.color import rgb2lab

from maquette.corpus.program import COLORS
from maquette.rendering.cameras import CAMERAS
from maquette.rendering.rasterise import render
from maquette.types import Mesh, Prompt

SHOWN = 0.01
"""Share of the visible surface from which on a colour counts as shown: a small part of an object."""
SIZE = 64
NAMES = tuple(COLORS)
PALETTE = rgb2lab(np.array(list(COLORS.values())))
SPELLED = {"gray": "grey"}
_WORD = "|".join([*NAMES, *SPELLED])
_RUNS = re.compile(rf"\b(?:{_WORD})(?:[ -](?:{_WORD}))*\b")
"""Colour words, with those that follow at once."""


def named_colors(prompt: Prompt) -> tuple[str, ...]:
    """The sixteen named colours that a prompt asks for, in its text or of its parts, each once.

    Colour words joined by a space or a hyphen ("navy blue", "blue-grey") are one colour, for which the sixteen have no name: left
    out, as metals are.
    """
    alone = [run.group() for run in _RUNS.finditer(prompt.text.lower())]
    found = [SPELLED.get(word, word) for word in alone if not re.search(r"[ -]", word)]
    return tuple(dict.fromkeys([*found, *(part.color for part in prompt.parts if part.color in COLORS)]))


def surface_colors(meshes: Sequence[Mesh]) -> Float[np.ndarray, "a 16"]:
    """Share of each mesh's visible surface whose own, unlit colour is nearest to each of the sixteen in CIELAB; zeros where nothing is."""
    views = render(meshes, CAMERAS["maquette-6"], size=SIZE, light="none")
    shares = np.zeros((len(meshes), len(NAMES)))
    for i, (rgb, mask) in enumerate(zip(views.rgb, views.mask, strict=True)):
        if mask.any():
            shares[i] = np.bincount(nearest_named(rgb[mask] / 255.0), minlength=len(NAMES)) / mask.sum()
    return shares


def nearest_named(rgb: Float[np.ndarray, "p 3"]) -> Int[np.ndarray, " p"]:
    """Index into `NAMES` of the colour that is nearest in CIELAB; sRGB in [0, 1]."""
    return ((rgb2lab(rgb)[:, None] - PALETTE) ** 2).sum(-1).argmin(1)


def colors_shown(prompt: Prompt, shares: Float[np.ndarray, " 16"]) -> float:
    """Share of the prompt's named colours that cover at least `SHOWN` of the surface; NaN where it names none.

    What the colour is on is not asked: that is the judges' and the recogniser's. An unpainted mesh shows the grey that it is drawn in.
    """
    asked = named_colors(prompt)
    return float(np.mean([shares[NAMES.index(name)] >= SHOWN for name in asked])) if asked else math.nan
