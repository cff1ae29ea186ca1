"""What every renderer here agrees on: background, grey, the lights and when an edge is a crease."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float32, Float64

from maquette.types import Mesh

Paint = Literal["colour", "grey"]
Light = Literal["headlight", "studio", "none"]

BACKGROUND = 0.9
GREY = 0.72
"""Base colour of what is unpainted."""
NEAR = 1e-3
SNAP = 256.0
"""Steps per pixel to which screen positions are rounded."""
CREASE = 0.766
"""A corner whose smooth normal leans more than 40° from its face's is drawn with the face's own normal."""

_KEY = np.array([-0.45, 0.65, 0.62]) / np.linalg.norm([-0.45, 0.65, 0.62])

LIGHTS: dict[Light, tuple[float, float, float, float]] = {
    "headlight": (0.40, 0.0, 0.36, 0.28),
    "studio": (0.22, 0.32, 0.20, 0.42),
    "none": (1.0, 0.0, 0.0, 0.0),
}
"""Constant, sky, headlight and key light: shares of brightness. The first is for scoring (it turns with the camera, so
that no side of an object is favoured), the second for looking at, the third shows colours as they are. The sky is 0 below
and 1 above; the headlight stands at the camera, the key light above and to the left of it."""


def light_vector(light: Light) -> Float64[np.ndarray, " 7"]:
    """Constant, sky, head, key direction in (right, up, back) of the camera, key."""
    constant, sky, head, key = LIGHTS[light]
    return np.array([constant, sky, head, *_KEY, key])


def base_color(mesh: Mesh, paint: Paint) -> Float32[np.ndarray, "V 3"]:
    """The vertex colours before shading: the mesh's own, or grey where it has none or `paint` is grey."""
    if paint == "grey" or mesh.color is None:
        return np.full((len(mesh.vertices), 3), GREY, np.float32)
    return mesh.color
