"""Compiled inner loops of `rasterise`: bounds, least thickness, which instance owns a voxel, how it is painted.

Primitives come as flat arrays (one row per solid): kinds, params [S 3], centers [S 3], rotations [S 3 3], the slice of the
profile points each one owns (starts [S+1], points [P 2]), the instance it belongs to and its inflation (a distance by
which profiles grow, so that thin walls do not break up). `no_type_check` keeps the tests' shape checks out of compiled code.
"""

from __future__ import annotations

import math
from typing import no_type_check

import numpy as np
from numba import njit

from maquette.corpus.primitives import (
    BLOCKY,
    BOX,
    CAPSULE,
    ELLIPSOID,
    EXTRUSION,
    FRUSTUM,
    LATTICE,
    PLAIN,
    ROUND,
    TORUS,
    inside,
)

NO_PATTERN, STRIPED, CHECKED, TWO_TONE, GRADIENT = range(5)


@njit(cache=True)
@no_type_check
def tight_bounds(kinds, params, centers, rotations, starts, points, inflations):
    """Axis-aligned world bounds of each solid, [S 2 3]: exact for every kind turned any way."""
    out = np.zeros((len(kinds), 2, 3))
    for s in range(len(kinds)):
        a, b, c = params[s]
        for i in range(3):
            r = rotations[s, i]
            across = math.sqrt(max(0.0, 1.0 - r[2] * r[2]))
            low, high = 1e30, -1e30
            if kinds[s] == BOX:
                high = abs(r[0]) * a + abs(r[1]) * b + abs(r[2]) * c
                low = -high
            elif kinds[s] == FRUSTUM:
                high = max(r[2] * c + across * b, -r[2] * c + across * a)
                low = min(r[2] * c - across * b, -r[2] * c - across * a)
            elif kinds[s] == ELLIPSOID:
                high = math.sqrt((r[0] * a) ** 2 + (r[1] * b) ** 2 + (r[2] * c) ** 2)
                low = -high
            elif kinds[s] == TORUS:
                high = across * a + b
                low = -high
            elif kinds[s] == CAPSULE:
                high = abs(r[2]) * b + a
                low = -high
            else:
                for k in range(starts[s], starts[s + 1]):
                    u, v = points[k]
                    if kinds[s] == EXTRUSION:
                        middle, reach = r[0] * u + r[1] * v, abs(r[2]) * a + across * inflations[s]
                    else:
                        middle, reach = r[2] * v, across * u + inflations[s]
                    low, high = min(low, middle - reach), max(high, middle + reach)
            out[s, 0, i] = centers[s, i] + low
            out[s, 1, i] = centers[s, i] + high
    return out


@njit(cache=True)
@no_type_check
def thicken(kinds, params, starts, points, plate, rod, puff):
    """Parameters of solids at least `plate` thick and `rod` in radius, round ones fatter by `puff`; each profile's inflation."""
    out = params.copy()
    inflations = np.zeros(len(kinds))
    for s in range(len(kinds)):
        kind = kinds[s]
        if kind == BOX:
            for i in range(3):
                out[s, i] = max(params[s, i], plate / 2)
        elif kind == FRUSTUM:
            # A cone keeps its point: only what is thin all along is made thicker.
            largest = max(params[s, 0], params[s, 1])
            for i in range(2):
                out[s, i] = max(params[s, i] + puff, rod if largest <= rod else rod / 2)
            out[s, 2] = max(params[s, 2], plate / 2)
        elif kind == ELLIPSOID:
            for i in range(3):
                out[s, i] = max(params[s, i] + puff, rod)
        elif kind == TORUS:
            out[s, 1] = max(params[s, 1] + puff, rod)
        elif kind == CAPSULE:
            out[s, 0] = max(params[s, 0] + puff, rod)
        else:
            if kind == EXTRUSION:
                out[s, 0] = max(params[s, 0], plate / 2)
            area, around = 0.0, 0.0
            for i in range(starts[s], starts[s + 1]):
                j = i - 1 if i > starts[s] else starts[s + 1] - 1
                area += points[j, 0] * points[i, 1] - points[i, 0] * points[j, 1]
                around += math.hypot(points[i, 0] - points[j, 0], points[i, 1] - points[j, 1])
            # Twice the area over the perimeter is the thickness of a thin wall.
            inflations[s] = max(puff / 2, (plate - abs(area) / max(around, 1e-12)) / 2)
    # Centres that lie on a face count as inside, whichever way rounding goes: left and right stay alike.
    return out + 1e-7, inflations + 1e-7


@njit(cache=True)
@no_type_check
def fill(kinds, params, centers, rotations, starts, points, inflations, owners, bounds, style, sides, resolution):
    """int16 [r r r]: the instance that owns each voxel, -1 where empty; later solids win."""
    grid = np.full((resolution, resolution, resolution), -1, np.int16)
    slack = 1.0 / LATTICE if style == BLOCKY else 0.0
    low, high = np.zeros(3, np.int64), np.zeros(3, np.int64)
    for s in range(len(kinds)):
        spread = 0.0 if style in (PLAIN, ROUND) else 0.15 * np.max(bounds[s, 1] - bounds[s, 0])
        for i in range(3):
            low[i] = max(0, math.floor((bounds[s, 0, i] - slack - spread + 0.5) * resolution - 0.5))
            high[i] = min(resolution, math.ceil((bounds[s, 1, i] + slack + spread + 0.5) * resolution + 0.5))
        r, c = rotations[s], centers[s]
        for i in range(low[0], high[0]):
            for j in range(low[1], high[1]):
                for k in range(low[2], high[2]):
                    x, y, z = (i + 0.5) / resolution, (j + 0.5) / resolution, (k + 0.5) / resolution
                    if style == BLOCKY:
                        x, y, z = (
                            (math.floor(x * LATTICE) + 0.5) / LATTICE,
                            (math.floor(y * LATTICE) + 0.5) / LATTICE,
                            (math.floor(z * LATTICE) + 0.5) / LATTICE,
                        )
                    x, y, z = x - 0.5 - c[0], y - 0.5 - c[1], z - 0.5 - c[2]
                    u = r[0, 0] * x + r[1, 0] * y + r[2, 0] * z
                    v = r[0, 1] * x + r[1, 1] * y + r[2, 1] * z
                    w = r[0, 2] * x + r[1, 2] * y + r[2, 2] * z
                    start, stop = starts[s], starts[s + 1]
                    if inside(kinds[s], params[s], points, start, stop, inflations[s], style, sides, u, v, w):
                        grid[i, j, k] = owners[s]
    return grid


@njit(cache=True)
@no_type_check
def paint(grid, kinds, periods, bounds, first, second):
    """Colour [r r r 3] of owned voxels and the weight [r r r] of their part's second colour (0 or 1; between in gradients)."""
    r = grid.shape[0]
    color = np.zeros((r, r, r, 3), np.float32)
    weight = np.zeros((r, r, r), np.float32)
    cells = np.zeros(3, np.int64)
    for i in range(r):
        for j in range(r):
            for k in range(r):
                n = grid[i, j, k]
                if n < 0:
                    continue
                at = ((i + 0.5) / r - 0.5, (j + 0.5) / r - 0.5, (k + 0.5) / r - 0.5)
                size = bounds[n, 1] - bounds[n, 0]
                height = min(1.0, max(0.0, (at[2] - bounds[n, 0, 2]) / max(size[2], 1e-6)))
                mix = 0.0
                if kinds[n] == TWO_TONE:
                    mix = 1.0 if height > 0.5 else 0.0
                elif kinds[n] == GRADIENT:
                    mix = height
                elif kinds[n] == STRIPED or kinds[n] == CHECKED:
                    longest = np.argmax(size)
                    # At least two bands fit, however small the part.
                    band = min(periods[n] / 2, max(size[longest] / 2, 1e-6))
                    for d in range(3):
                        cells[d] = math.floor((at[d] - bounds[n, 0, d]) / band)
                    mix = float((cells[longest] if kinds[n] == STRIPED else cells[0] + cells[1] + cells[2]) % 2)
                weight[i, j, k] = mix
                for d in range(3):
                    color[i, j, k, d] = first[n, d] * (1 - mix) + second[n, d] * mix
    return color, weight


@njit(cache=True)
@no_type_check
def exposed(grid, weight, instances):
    """[n 2]: voxels of each instance that touch the outside, and how much of them bears the second colour."""
    r = grid.shape[0]
    out = np.zeros((instances, 2))
    for i in range(r):
        for j in range(r):
            for k in range(r):
                n = grid[i, j, k]
                if n < 0:
                    continue
                edge = i == 0 or j == 0 or k == 0 or i == r - 1 or j == r - 1 or k == r - 1
                if (
                    edge
                    or grid[i - 1, j, k] < 0
                    or grid[i + 1, j, k] < 0
                    or grid[i, j - 1, k] < 0
                    or grid[i, j + 1, k] < 0
                    or grid[i, j, k - 1] < 0
                    or grid[i, j, k + 1] < 0
                ):
                    out[n, 0] += 1
                    out[n, 1] += weight[i, j, k]
    return out
