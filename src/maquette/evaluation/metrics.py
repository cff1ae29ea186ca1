"""Means with intervals, paired tests, and distances between sets of features. Every mean is over objects, failures included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

KERNEL = {"kernel": "polynomial", "degree": 3, "gamma": "1/d", "coef0": 1.0, "estimator": "unbiased squared MMD, x100"}
"""Bińkowski et al. 2018, arXiv 1801.01401. This goes into every record that holds a kernel distance."""
SUBSET = 2000
"""Larger sets are cut into disjoint subsets of at most so many rows, whose distances are averaged: as unbiased, and quick."""
FEWEST_FOR_FRECHET = 5000
"""Below, a Fréchet distance is mostly the bias of its sample size (`benchmarks/sight.py`: two samples of one normal distribution)."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % bootstrap interval over `n` objects."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class PairedTest:
    """Two systems on the same objects."""

    difference: Interval
    """Mean of after − before."""
    p_value: float
    """Two-sided sign-flip permutation test of no difference; never below 1 / (rounds + 1)."""


def bootstrap_mean(values: Float[np.ndarray, " n"], *, seed: int = 0, rounds: int = 2000) -> Interval:
    """The mean with its percentile interval; objects are drawn with replacement. One object has no interval (NaN).

    ValueError for none, or for NaN.
    """
    if not len(values) or not np.isfinite(values).all():
        raise ValueError(
            f"a mean needs finite values, got {int((~np.isfinite(values)).sum())} that are not, of {len(values)}"
        )
    if len(values) == 1:
        return Interval(float(values[0]), float("nan"), float("nan"), 1)
    draws = np.random.default_rng(seed).integers(len(values), size=(rounds, len(values)))
    low, high = np.percentile(values[draws].mean(1), [2.5, 97.5])
    return Interval(float(values.mean()), float(low), float(high), len(values))


def bootstrap_nested(values: Float[np.ndarray, "s n"], *, seed: int = 0, rounds: int = 2000) -> Interval:
    """The mean over s seeds × n objects; both are drawn with replacement, so that the interval speaks of another training too.

    One object has no interval (NaN).
    """
    if values.shape[1] == 1:
        return Interval(float(values.mean()), float("nan"), float("nan"), 1)
    rng = np.random.default_rng(seed)
    runs, objects = values.shape
    rows = rng.integers(runs, size=(rounds, runs))
    columns = rng.integers(objects, size=(rounds, objects))
    means = np.stack([values[r][:, c].mean() for r, c in zip(rows, columns, strict=True)])
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(values.mean()), float(low), float(high), objects)


def paired_difference(after: Float[np.ndarray, " n"], before: Float[np.ndarray, " m"], *, seed: int = 0) -> Interval:
    """Mean of after − before for the same objects, with its interval; it excludes 0 where the two systems differ."""
    if len(after) != len(before):
        raise ValueError(f"a paired test needs the same objects on both sides, not {len(after)} and {len(before)}")
    return bootstrap_mean(np.asarray(after) - np.asarray(before), seed=seed)


def paired_test(
    after: Float[np.ndarray, " n"], before: Float[np.ndarray, " m"], *, seed: int = 0, rounds: int = 4000
) -> PairedTest:
    """`paired_difference` with a p-value: how often random signs of the differences give as large a mean."""
    interval = paired_difference(after, before, seed=seed)
    differences = np.asarray(after, float) - np.asarray(before, float)
    signs = np.random.default_rng(seed).integers(2, size=(rounds, len(differences))) * 2 - 1
    flipped = np.abs((signs * differences).mean(1))
    # What differs from the observed mean by rounding alone counts as equal to it.
    extreme = int((flipped >= abs(interval.value) * (1 - 1e-12)).sum())
    return PairedTest(interval, (extreme + 1) / (rounds + 1))


def polynomial_kernel(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "n m"]:
    """(x·y / d + 1)³ in float64, the kernel of KID."""
    left = np.asarray(x, np.float64)
    right = left if y is x else np.asarray(y, np.float64)
    return (left @ right.T / x.shape[1] + 1.0) ** 3


Partners = Int[np.ndarray, " m"] | None
"""For each row of the second set the row of the first that has the same prompt, -1 where none has; None: nobody has a partner."""


def kernel_distance(
    x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "m d"], *, partners: Partners = None, subset: int = SUBSET
) -> float:
    """Unbiased squared MMD with `polynomial_kernel`: 0 on average for two samples of one distribution, at any size.

    May be slightly negative. Multiply by 100 to compare with tables that print KD×100. An answer and the object meant by its own prompt
    are not independent, and counting how alike they are would draw the distance below 0: such `partners` are left out, as in the
    statistic for paired samples of Gretton et al. 2012, eq. 4. Sets of more than `subset` rows are cut into disjoint subsets, and the
    mean of their distances is what comes out. ValueError: fewer than 2 rows, NaN, widths that differ.
    """
    check_features(x, y)
    return float(np.mean([block.distance() for block in _blocks(x, y, partners, subset)]))


def kernel_distance_interval(
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, "m d"],
    *,
    partners: Partners = None,
    seed: int = 0,
    rounds: int = 300,
    subset: int = SUBSET,
) -> Interval:
    """`kernel_distance` ×100 with its bootstrap interval. Rows are objects: average an object's views first, they are not independent."""
    check_features(x, y)
    rng = np.random.default_rng(seed)
    found = [(block.distance(), block.drawn(rng, rounds)) for block in _blocks(x, y, partners, subset)]
    value = float(np.mean([distance for distance, _ in found]))
    low, high = np.nanpercentile(np.mean([draws for _, draws in found], axis=0), [2.5, 97.5])
    return Interval(100 * value, 100 * float(low), 100 * float(high), len(x))


def kernel_record(
    x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "m d"], subset: int = SUBSET, *, partners: Partners = None
) -> Mapping[str, object]:
    """What a kernel distance was computed with: for the record beside it."""
    return KERNEL | {
        "d": x.shape[1],
        "rows": [len(x), len(y)],
        "pairs of one prompt left out": 0 if partners is None else int((partners >= 0).sum()),
        "subset": subset,
        "subsets": len(subsets_of(len(x), len(y), subset)),
    }


@dataclass(frozen=True)
class _Kernels:
    """Kernel values within and between two sets."""

    xx: np.ndarray
    yy: np.ndarray
    xy: np.ndarray
    partners: np.ndarray
    """[m], -1: none."""

    @property
    def couples(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the first and of the second set that have the same prompt."""
        paired = np.flatnonzero(self.partners >= 0)
        return self.partners[paired], paired

    def distance(self) -> float:
        """The U-statistic over all rows."""
        n, m = self.xy.shape
        own, others = self.couples
        within = (self.xx.sum() - np.trace(self.xx)) / (n * (n - 1)) + (self.yy.sum() - np.trace(self.yy)) / (
            m * (m - 1)
        )
        between = (self.xy.sum() - self.xy[own, others].sum()) / (n * m - len(own))
        return float(within - 2 * between)

    def drawn(self, rng: np.random.Generator, rounds: int) -> np.ndarray:
        """The statistic of `rounds` resamples. Pairs of one and the same object are left out, so repeats do not bias it.

        Where every row of the second set has a partner, both are drawn together.
        """
        n, m = self.xy.shape
        own, others = self.couples
        a = rng.multinomial(n, np.full(n, 1 / n), size=rounds).astype(np.float64)
        together = len(own) == m
        b = a[:, self.partners] if together else rng.multinomial(m, np.full(m, 1 / m), size=rounds).astype(np.float64)
        couples = a[:, own] * b[:, others]
        total = ((a @ self.xy) * b).sum(1) - couples @ self.xy[own, others]
        pairs = a.sum(1) * b.sum(1) - couples.sum(1)
        between = np.where(pairs > 0, total / np.maximum(pairs, 1), np.nan)
        return _within(self.xx, a) + _within(self.yy, b) - 2 * between


def _within(kernel: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean kernel value over drawn pairs of different objects; row r of `counts` says how often each object was drawn.

    NaN for a draw of one object alone, which tiny sets can have: it has no pair.
    """
    squares = counts**2
    total = ((counts @ kernel) * counts).sum(1) - squares @ np.diagonal(kernel)
    pairs = counts.shape[1] ** 2 - squares.sum(1)
    return np.where(pairs > 0, total / np.maximum(pairs, 1), np.nan)


def _blocks(x: np.ndarray, y: np.ndarray, partners: np.ndarray | None, subset: int) -> Iterator[_Kernels]:
    """One after another: only one block's matrices are in memory."""
    partners = np.full(len(y), -1) if partners is None else partners
    for own, others in subsets_of(len(x), len(y), subset):
        place = np.full(len(x) + 1, -1)  # its last entry serves those without a partner
        place[own] = np.arange(len(own))
        a, b = x[own], y[others]
        kernels = polynomial_kernel(a, a), polynomial_kernel(b, b), polynomial_kernel(a, b)
        yield _Kernels(*kernels, place[partners[others]])


def subsets_of(n: int, m: int, subset: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The rows of both sets cut into equally many disjoint blocks; which rows share one is fixed, and independent of their order."""
    count = -(-max(n, m) // subset)
    count = max(1, min(count, n // 2, m // 2))
    if count == 1:
        return [(np.arange(n), np.arange(m))]
    rng = np.random.default_rng(0)
    left, right = rng.permutation(n), rng.permutation(m)
    return list(zip(np.array_split(left, count), np.array_split(right, count), strict=True))


def frechet_distance(
    x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "m d"], *, fewest: int = FEWEST_FOR_FRECHET
) -> float:
    """|μx − μy|² + tr(Σx + Σy − 2 (Σx Σy)^½), the Fréchet distance of two Gaussians (FID, arXiv 1706.08500).

    Only for two sets of equal size, `fewest` rows or more: it is biased by the size, so that unequal or small sets compare sizes, not
    shapes. ValueError otherwise, and for NaN.
    """
    check_features(x, y)
    if len(x) != len(y) or len(x) < fewest:
        raise ValueError(
            f"a Fréchet distance needs two sets of one size, at least {fewest} rows each, not {len(x)} and {len(y)}; "
            "use the kernel distance, which has no such bias"
        )
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    sx, sy = np.atleast_2d(np.cov(x, rowvar=False)), np.atleast_2d(np.cov(y, rowvar=False))
    # tr (Σx Σy)^½ by the symmetric product Σx^½ Σy Σx^½, which has the same eigenvalues and only real ones.
    values, vectors = np.linalg.eigh(sx)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root @ sy @ root), 0, None)).sum()
    return float(((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(sx) + np.trace(sy) - 2 * cross)


def check_features(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "m e"]) -> None:
    """ValueError for sets of features that no distance can be computed on."""
    for name, features in (("first", x), ("second", y)):
        broken = int((~np.isfinite(features).all(axis=1)).sum())
        if broken:
            raise ValueError(
                f"{broken} of the {len(features)} rows of the {name} set hold NaN or infinity; find what made them"
            )
        if len(features) < 2:
            raise ValueError(
                f"a distance between sets needs at least 2 objects in each, the {name} set has {len(features)}"
            )
    if x.shape[1] != y.shape[1]:
        raise ValueError(
            f"features of {x.shape[1]} and {y.shape[1]} numbers: the two sets come from different networks"
        )
