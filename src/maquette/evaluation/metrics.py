"""Distances and intervals, as short functions on arrays. Every mean is over objects, failures included."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import cKDTree


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % bootstrap interval over `n` objects."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def bootstrap_mean(values: Float[np.ndarray, " n"], *, seed: int = 0, rounds: int = 2000) -> Interval:
    """The mean with its percentile interval; objects are drawn with replacement."""
    draws = np.random.default_rng(seed).integers(len(values), size=(rounds, len(values)))
    low, high = np.percentile(values[draws].mean(1), [2.5, 97.5])
    return Interval(float(values.mean()), float(low), float(high), len(values))


def paired_difference(after: Float[np.ndarray, " n"], before: Float[np.ndarray, " m"], *, seed: int = 0) -> Interval:
    """Mean of after − before for the same objects, with its interval; it excludes 0 where the two systems differ."""
    if len(after) != len(before):
        raise ValueError(f"a paired test needs the same objects on both sides, not {len(after)} and {len(before)}")
    return bootstrap_mean(np.asarray(after) - np.asarray(before), seed=seed)


def polynomial_kernel(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "n m"]:
    """(x·y / d + 1)³, the kernel of KID (Bińkowski et al. 2018, arXiv 1801.01401)."""
    return (x.astype(np.float64) @ y.astype(np.float64).T / x.shape[1] + 1.0) ** 3


def kernel_distance(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "m d"]) -> float:
    """Unbiased squared MMD with `polynomial_kernel`: 0 on average for two samples of one distribution, at any size.

    May be slightly negative. Multiply by 100 to compare with tables that print KD×100.
    """
    xx, yy, xy = polynomial_kernel(x, x), polynomial_kernel(y, y), polynomial_kernel(x, y)
    return _mmd(xx, yy, xy, np.arange(len(x)), np.arange(len(y)))


def _mmd(xx: np.ndarray, yy: np.ndarray, xy: np.ndarray, i: np.ndarray, j: np.ndarray) -> float:
    """The U-statistic over the drawn rows; pairs of one and the same object are left out, so repeats do not bias it."""
    different_x, different_y = i[:, None] != i[None], j[:, None] != j[None]
    within_x = (xx[np.ix_(i, i)] * different_x).sum() / different_x.sum()
    within_y = (yy[np.ix_(j, j)] * different_y).sum() / different_y.sum()
    return float(within_x + within_y - 2.0 * xy[np.ix_(i, j)].mean())


def kernel_distance_interval(
    x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "m d"], *, seed: int = 0, rounds: int = 300
) -> Interval:
    """`kernel_distance` ×100 with its bootstrap interval. Rows are objects: average an object's views first, they are not independent."""
    xx, yy, xy = polynomial_kernel(x, x), polynomial_kernel(y, y), polynomial_kernel(x, y)
    value = _mmd(xx, yy, xy, np.arange(len(x)), np.arange(len(y)))
    rng = np.random.default_rng(seed)
    draws = [
        _mmd(xx, yy, xy, rng.integers(len(x), size=len(x)), rng.integers(len(y), size=len(y))) for _ in range(rounds)
    ]
    low, high = np.percentile(draws, [2.5, 97.5])
    return Interval(100 * value, 100 * float(low), 100 * float(high), len(x))


def voxel_iou(a: Bool[np.ndarray, "r r r"], b: Bool[np.ndarray, "r r r"]) -> float:
    """Intersection over union of solid occupancies; 0 where both are empty, since an empty answer is a failure."""
    union = np.logical_or(a, b).sum()
    return float(np.logical_and(a, b).sum() / union) if union else 0.0


def chamfer_distance(a: Bool[np.ndarray, "r r r"], b: Bool[np.ndarray, "r r r"]) -> float:
    """Symmetric mean nearest distance between the surface voxels of two solids, in units of the unit cube.

    An empty shape gets the cube's diagonal √3, the worst there is.
    """
    points = [surface_points(a), surface_points(b)]
    if not len(points[0]) or not len(points[1]):
        return float(np.sqrt(3.0))
    trees = [cKDTree(p) for p in points]
    return float(trees[1].query(points[0])[0].mean() + trees[0].query(points[1])[0].mean()) / 2


def surface_points(occupancy: Bool[np.ndarray, "r r r"]) -> Float[np.ndarray, "n 3"]:
    """Centres of the voxels that have an empty neighbour across a face."""
    padded = np.pad(occupancy, 1)
    inner = padded.copy()
    for axis in range(3):
        for step in (-1, 1):
            inner &= np.roll(padded, step, axis)
    surface = (padded & ~inner)[1:-1, 1:-1, 1:-1]
    return (np.argwhere(surface) + 0.5) / len(occupancy) - 0.5
