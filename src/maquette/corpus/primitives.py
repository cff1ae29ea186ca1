"""Compiled inside tests of the primitives, in their own frame, as each style draws them.

`no_type_check` keeps the tests' shape checks out of compiled code.
"""

from __future__ import annotations

import math
from typing import no_type_check

import numpy as np
from numba import njit

BOX, FRUSTUM, ELLIPSOID, TORUS, CAPSULE, EXTRUSION, REVOLVE = range(7)
PLAIN, LOW_POLY, BLOCKY, ROUND = range(4)

LATTICE = 16
"""Cells per side of the unit cube that blocky objects are made of."""
SQUARE = 0.89
"""Half side of the square that has a round section's area, over its radius: √π / 2."""
GOLDEN = (1 + 5**0.5) / 2
FACET = 0.88
"""Distance of low-poly facets from the middle, over the radius of the round thing that they stand for: of about its size."""
TRUNCATION = 2.25
"""A low-poly box loses its corners: the sum of its normalised coordinates stays below this (3 at a corner)."""
ROUNDING = 0.08
"""Largest radius of a rounded edge, in unit cubes."""

EXACT = 1e-5
"""Profiles that grow by less need no distance, only the even-odd rule."""
FACINGS = np.array(
    [
        [(math.sin(2 * math.pi * k / max(n, 1)), -math.cos(2 * math.pi * k / max(n, 1))) for k in range(8)]
        for n in range(9)
    ]
)
"""FACINGS[n, k]: where side k of an n-sided prism faces, the first to the front."""


@njit(cache=True, inline="always")
@no_type_check
def _rho(x, y, style, sides):
    """Distance from the axis, measured so that the section is a circle, a polygon inside it or a square of its area."""
    if style == LOW_POLY:
        largest = 0.0
        for k in range(sides):
            largest = max(largest, x * FACINGS[sides, k, 0] + y * FACINGS[sides, k, 1])
        return largest / FACET
    if style == BLOCKY:
        return max(abs(x), abs(y)) / SQUARE
    return math.sqrt(x * x + y * y)


@njit(cache=True)
@no_type_check
def _in_profile(points, start, stop, u, v):
    """Even-odd rule."""
    inside = False
    j = stop - 1
    for i in range(start, stop):
        if (points[i, 1] > v) != (points[j, 1] > v):
            slope = (points[j, 0] - points[i, 0]) / (points[j, 1] - points[i, 1])
            if u < slope * (v - points[i, 1]) + points[i, 0]:
                inside = not inside
        j = i
    return inside


@njit(cache=True)
@no_type_check
def _profile_distance(points, start, stop, u, v):
    """Signed distance to a closed polygon: negative inside."""
    nearest = 1e30
    inside = False
    for i in range(start, stop):
        j = i - 1 if i > start else stop - 1
        ax, ay, bx, by = points[i, 0], points[i, 1], points[j, 0], points[j, 1]
        if (ay > v) != (by > v) and u < (bx - ax) * (v - ay) / (by - ay) + ax:
            inside = not inside
        ex, ey = bx - ax, by - ay
        length2 = ex * ex + ey * ey
        t = 0.0 if length2 == 0.0 else min(1.0, max(0.0, ((u - ax) * ex + (v - ay) * ey) / length2))
        dx, dy = u - ax - t * ex, v - ay - t * ey
        nearest = min(nearest, dx * dx + dy * dy)
    return -math.sqrt(nearest) if inside else math.sqrt(nearest)


@njit(cache=True)
@no_type_check
def _ball(x, y, z, style):
    """Size of a point as a multiple of the unit ball, cube or dodecahedron that passes through it."""
    if style == BLOCKY:
        return max(abs(x), abs(y), abs(z)) / SQUARE
    if style == LOW_POLY:
        x, y, z = abs(x), abs(y), abs(z)
        largest = max(x + GOLDEN * y, y + GOLDEN * z, z + GOLDEN * x)
        return largest / math.sqrt(1 + GOLDEN * GOLDEN) / FACET
    return math.sqrt(x * x + y * y + z * z)


@njit(cache=True)
@no_type_check
def _in_box(p, style, x, y, z):
    if style == ROUND:
        edge = min(p[0], p[1], p[2], ROUNDING)
        u, v, w = max(x - p[0] + edge, 0.0), max(y - p[1] + edge, 0.0), max(z - p[2] + edge, 0.0)
        return u * u + v * v + w * w <= edge * edge
    if style == LOW_POLY and x / p[0] + y / p[1] + z / p[2] > TRUNCATION:
        return False
    return x <= p[0] and y <= p[1] and z <= p[2]


@njit(cache=True)
@no_type_check
def _in_frustum(p, style, rho, z):
    if abs(z) > p[2]:
        return False
    radius = p[0] + (p[1] - p[0]) * (z / p[2] + 1) / 2
    if style == ROUND:
        edge = min(radius, p[2], ROUNDING)
        u, w = max(rho - radius + edge, 0.0), max(abs(z) - p[2] + edge, 0.0)
        return u * u + w * w <= edge * edge
    return rho <= radius


@njit(cache=True)
@no_type_check
def _in_torus(p, style, rho, z):
    q = abs(rho - p[0])
    if style == LOW_POLY:
        return q + abs(z) <= 1.2 * p[1]
    if style == BLOCKY:
        return max(q, abs(z)) <= SQUARE * p[1]
    return q * q + z * z <= p[1] * p[1]


@njit(cache=True)
@no_type_check
def _in_capsule(p, style, rho, z):
    beyond = max(abs(z) - p[1], 0.0)
    if style == LOW_POLY:
        return rho + beyond <= p[0]
    if style == BLOCKY:
        return rho <= p[0] and beyond <= SQUARE * p[0]
    return rho * rho + beyond * beyond <= p[0] * p[0]


@njit(cache=True)
@no_type_check
def _in_extrusion(p, points, start, stop, inflation, style, x, y, z):
    if abs(z) > p[0]:
        return False
    if inflation < EXACT and style != ROUND:
        return _in_profile(points, start, stop, x, y)
    distance = _profile_distance(points, start, stop, x, y) - inflation
    if style == ROUND:
        edge = min(p[0], ROUNDING)
        return distance <= 0 and max(0.0, edge + distance) ** 2 + max(0.0, abs(z) - p[0] + edge) ** 2 <= edge**2
    return distance <= 0


@njit(cache=True)
@no_type_check
def inside(kind, p, points, start, stop, inflation, style, sides, x, y, z):
    """True where the point, in the solid's own frame, lies in the solid as the style draws it."""
    if kind == BOX:
        return _in_box(p, style, abs(x), abs(y), abs(z))
    if kind == ELLIPSOID:
        return _ball(x / p[0], y / p[1], z / p[2], style) <= 1.0
    if kind == EXTRUSION:
        return _in_extrusion(p, points, start, stop, inflation, style, x, y, z)
    rho = _rho(x, y, style, sides)
    if kind == FRUSTUM:
        return _in_frustum(p, style, rho, z)
    if kind == TORUS:
        return _in_torus(p, style, rho, z)
    if kind == CAPSULE:
        return _in_capsule(p, style, rho, z)
    if _in_profile(points, start, stop, rho, z):
        return True
    return inflation >= EXACT and _profile_distance(points, start, stop, rho, z) <= inflation
