"""Ways in which the paint of a shape can go wrong: noise, blotches, smears, odd sides, and code cells of the wrong colour."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from maquette.corpus.program import COLORS
from maquette.rewards.damage import Damage, Grid, ball, field, half, some_part, surface


def _painted(grid: Grid, color: np.ndarray) -> Grid:
    """The grid in other colours."""
    return replace(grid, color=np.where(grid.occupancy[..., None], np.clip(color, 0.0, 1.0), 0.0).astype(np.float32))


def _any_color(rng: np.random.Generator) -> np.ndarray:
    return np.asarray(list(COLORS.values())[int(rng.integers(len(COLORS)))])


def color_noise(grid: Grid, rng: np.random.Generator, strength: float) -> Grid:
    """Every voxel's (or small clump's) colour is off by chance."""
    r = len(grid.occupancy)
    sigma = rng.uniform(0.0, 1.2)
    noise = np.stack([field(rng, r, sigma) for _ in range(3)], -1)
    return _painted(grid, grid.color + (0.1 + 0.2 * strength) * noise)


def patches(grid: Grid, rng: np.random.Generator, strength: float) -> Grid:
    """Blotches of colours that do not belong."""
    outside = surface(grid)
    if not len(outside):
        return grid
    color = grid.color.copy()
    for _ in range(round(1 + 7 * strength)):
        blotch = ball(len(color), outside[rng.integers(len(outside))], rng.uniform(2.0, 5.0))
        color[blotch] = _any_color(rng)
    return _painted(grid, color)


def side_colors(grid: Grid, rng: np.random.Generator, strength: float) -> Grid:
    """One side is painted differently from the other."""
    side = half(rng, len(grid.occupancy))[..., None]
    other = _any_color(rng) if rng.random() < 0.7 else np.roll(grid.color, int(rng.integers(1, 3)), -1)
    return _painted(grid, np.where(side, grid.color + (0.5 + 0.5 * strength) * (other - grid.color), grid.color))


def smear(grid: Grid, rng: np.random.Generator, strength: float) -> Grid:
    """The colours of neighbouring parts run together."""
    weight = grid.occupancy.astype(np.float32)
    sigma = 1.5 + 3.0 * strength
    total = ndimage.gaussian_filter(weight, sigma) + 1e-4
    runny = [ndimage.gaussian_filter(grid.color[..., i] * weight, sigma) / total for i in range(3)]
    return _painted(grid, np.stack(runny, -1) + 0.1 * strength * field(rng, len(weight), 2.0)[..., None])


def color_bars(grid: Grid, rng: np.random.Generator, strength: float) -> Grid:
    """Some bars, as large as what one code paints, have the colour of another."""
    r = len(grid.occupancy)
    side, tall = r // 8, r // 2
    palette = grid.color[grid.occupancy]
    color = grid.color.copy()
    if not len(palette):
        return grid
    for _ in range(round(4 + 20 * strength)):
        x, y, z = rng.integers(8) * side, rng.integers(8) * side, rng.integers(2) * tall
        tint = palette[rng.integers(len(palette))] if rng.random() < 0.5 else _any_color(rng)
        bar = color[x : x + side, y : y + side, z : z + tall]
        bar += rng.uniform(0.5, 1.0) * (tint - bar)
    return _painted(grid, color)


def recolor_part(grid: Grid, rng: np.random.Generator, strength: float) -> Grid:
    """One part has another named colour, evenly: a sound object that is not what the text says."""
    part = some_part(grid, rng, 1.0)
    if part < 0:
        return grid
    return _painted(grid, np.where((grid.part == part)[..., None], _any_color(rng), grid.color))


APPEARANCE: dict[str, Damage] = {
    "color_noise": color_noise,
    "patches": patches,
    "side_colors": side_colors,
    "smear": smear,
    "color_bars": color_bars,
}
"""Damage to the paint alone; occupancy is untouched."""
