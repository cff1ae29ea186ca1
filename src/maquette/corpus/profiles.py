"""Shapes that many families share, made of the primitives: domes, gables, vessels, outlines, bent rods."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from maquette.corpus.solids import Plane, Real, Solid, Vec, capsule, front_extrusion, revolve


def dome(radius: Real, height: Real, at: Vec = (0, 0, 0)) -> Solid:
    """The upper half of an ellipsoid; `at` is the middle of its flat underside."""
    arc = [(radius * np.cos(t), height * np.sin(t)) for t in np.linspace(0.0, np.pi / 2, 9)]
    return revolve([(0.0, 0.0), *arc], at)


def vessel(bottom: Real, top: Real, height: Real, wall: Real, at: Vec = (0, 0, 0)) -> Solid:
    """An open pot with outer radii `bottom` and `top`; `at` is the middle of its underside."""
    outside = [(0.0, 0.0), (bottom, 0.0), (top, height)]
    return revolve([*outside, (top - wall, height), (bottom - wall, wall), (0.0, wall)], at)


def gable(width: Real, height: Real, depth: Real, at: Vec = (0, 0, 0)) -> Solid:
    """A roof whose ridge runs along y; `at` is the middle of its underside."""
    return front_extrusion([(-width / 2, 0.0), (width / 2, 0.0), (0.0, height)], depth, at)


def regular(sides: int, radius: Real, start: Real = 0.0) -> list[Plane]:
    """The corners of a regular polygon about the origin, the first at `start` degrees."""
    turns = np.radians(start) + 2 * np.pi * np.arange(sides) / sides
    return [(float(radius * np.cos(t)), float(radius * np.sin(t))) for t in turns]


def leaf_outline(length: Real, width: Real) -> list[Plane]:
    """A leaf from the origin along the outline's second axis."""
    right = [(0.28, 0.1), (0.5, 0.4), (0.42, 0.7), (0.0, 1.0)]
    left = [(-u, v) for u, v in reversed(right[:-1])]
    return [(u * width, v * length) for u, v in (*right, *left)]


def bent(radius: Real, *points: Vec) -> list[Solid]:
    """A bent rod: capsules from each point to the next."""
    return [capsule(radius, start, end) for start, end in pairwise(points)]


def paired(group: Sequence[Solid]) -> list[list[Solid]]:
    """Two instances: the solids and, across the plane x = 0, their mirror images."""
    return [list(group), [solid.mirrored("x") for solid in group]]
