"""Intervals that speak of another training too: over several seeds, of which there are few, as well as over objects."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from scipy.stats import t as student

from maquette.evaluation.metrics import Interval, PairedTest, paired_test


def seeds_interval(values: Float[np.ndarray, " s"]) -> Interval:
    """The mean over s trainings with Student's 95 % interval, which is right for three of them too; one has none (NaN)."""
    if len(values) < 2:
        return Interval(float(values.mean()), math.nan, math.nan, len(values))
    half = float(student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values)))
    return Interval(float(values.mean()), float(values.mean()) - half, float(values.mean()) + half, len(values))


def widened(interval: Interval, other: Interval) -> Interval:
    """The first, so wide that it holds the second's bounds too; bounds that are NaN hold nothing."""
    low, high = np.fmin(interval.low, other.low), np.fmax(interval.high, other.high)
    return Interval(interval.value, float(low), float(high), interval.n)


def compared(after: Float[np.ndarray, "s n"], before: Float[np.ndarray, "t n"], *, seed: int = 0) -> PairedTest:
    """Two systems on the same n objects, s and t trainings of each, whose seeds have nothing in common.

    With one training each it is `paired_test`. With more there is an interval and no p-value (NaN): objects are drawn together and the
    trainings of each side apart, and Welch's interval over the trainings is held in it where both sides have several.
    """
    if len(after) == len(before) == 1:
        return paired_test(after[0], before[0], seed=seed)
    interval = _drawn(after, before, seed)
    if min(len(after), len(before)) > 1:
        interval = widened(interval, welch(after.mean(1), before.mean(1)))
    return PairedTest(interval, math.nan)


def _drawn(after: np.ndarray, before: np.ndarray, seed: int, rounds: int = 2000) -> Interval:
    rng = np.random.default_rng(seed)
    objects = rng.integers(after.shape[1], size=(rounds, after.shape[1]))
    sides = []
    for side in (after, before):
        means = np.stack([row[objects].mean(1) for row in side])  # by training and round
        runs = rng.integers(len(side), size=(len(side), rounds))
        sides.append(np.take_along_axis(means, runs, axis=0).mean(0))
    low, high = np.percentile(sides[0] - sides[1], [2.5, 97.5])
    return Interval(float(after.mean() - before.mean()), float(low), float(high), after.shape[1])


def welch(after: Float[np.ndarray, " s"], before: Float[np.ndarray, " t"], level: float = 0.95) -> Interval:
    """Of the difference of two means of a few numbers each, at least two, that need not vary alike (Welch 1947)."""
    parts = [side.var(ddof=1) / len(side) for side in (after, before)]
    value, total = float(after.mean() - before.mean()), float(sum(parts))
    if not total:
        return Interval(value, value, value, len(after) + len(before))
    freedom = total**2 / sum(p**2 / (len(s) - 1) for p, s in zip(parts, (after, before), strict=True))
    half = float(student.ppf((1 + level) / 2, freedom) * math.sqrt(total))
    return Interval(value, value - half, value + half, len(after) + len(before))
