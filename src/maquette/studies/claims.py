"""What the evidence says of a claim: paired over seeds and objects, or over seeds alone for what the policy was paid.

An interval from three seeds drawn with replacement is too narrow: it excludes 0 whenever all three have one sign, one time in four by
chance. So that of Student's t over the seeds is held in it too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from maquette.evaluation.entries import matrix, shared_ids
from maquette.evaluation.metrics import Interval, bootstrap_nested
from maquette.evaluation.results import MEASURES, Evaluation
from maquette.evaluation.seeds import seeds_interval, widened
from maquette.studies.grid import CLAIMANTS, FEWEST_SEEDS, REWARDS_PAID, Claim

Found = Mapping[str, Mapping[int, Evaluation]]
"""Evaluations by row and seed."""
Paid = Mapping[str, Mapping[int, float]]
"""The mean of all rewards at the end of a training, by row and seed."""


def verdict(claim: Claim, found: Found, paid: Paid | None = None) -> tuple[str, Interval | None]:
    """Whether the interval of the difference that the claim speaks of excludes 0, and that interval."""
    sides: Paid | Found = (paid or {}) if claim.measure == REWARDS_PAID else found
    better, worse = sides.get(claim.better, {}), sides.get(claim.worse, {})
    seeds = sorted(set(better) & set(worse))
    if not seeds:
        return "not run", None
    if claim.measure == REWARDS_PAID:
        # A training has one such number and no objects.
        gains = np.array([[float(better[s]) - float(worse[s])] for s in seeds])  # type: ignore[arg-type]
    else:
        gains = _gains(claim, [found[claim.better][s] for s in seeds], [found[claim.worse][s] for s in seeds])
    if not gains.size:
        return "not measured on the same objects", None
    gain = widened(bootstrap_nested(gains), seeds_interval(gains.mean(1)))
    if len(seeds) < FEWEST_SEEDS:
        return f"cannot be decided with {len(seeds)} of {FEWEST_SEEDS} seeds", gain
    return ("agrees" if gain.low > 0 else "disagrees" if gain.high < 0 else "cannot be decided"), gain


def _gains(claim: Claim, better: Sequence[Evaluation], worse: Sequence[Evaluation]) -> Float[np.ndarray, "s n"]:
    """Better − worse by seed and object, whose mean is what the claim speaks of; empty where they share nothing."""
    measure = next(m for m in MEASURES if m.name == claim.measure)
    sign = 1.0 if measure.higher_is_better else -1.0
    everything = [*better, *worse]
    inside = "" if claim.more_than_others else claim.category
    both = matrix(everything, measure, inside)  # of objects that all have: what either side lacks is left out of both
    gains = sign * (both[: len(better)] - both[len(better) :])
    if not claim.more_than_others or not gains.size:
        return gains
    categories = {r.id: r.category for r in everything[0].objects}
    chosen = np.array([categories[id] == claim.category for id in shared_ids(everything, measure)])
    if chosen.all() or not chosen.any():
        return gains[:, :0]
    # Weighted so that the mean over all objects is the mean inside the category minus the mean outside.
    return gains * np.where(chosen, len(chosen) / chosen.sum(), -len(chosen) / (~chosen).sum())


def claim_line(claim: Claim, found: Found, paid: Paid) -> str:
    """The claim, its verdict and the difference, as a line of Markdown."""
    said, gain = verdict(claim, found, paid)
    where = f" ({'more on' if claim.more_than_others else 'only'} {claim.category})" if claim.category else ""
    numbers = f": {claim.measure} {claim.better} − {claim.worse}{where} {gain}" if gain else ""
    return f"- {claim.says} → **{said}**{numbers}"


def tally(said: Sequence[tuple[str, str]]) -> str:
    """What a reader wants first: verdicts by whose claims they are."""
    parts = [_counted(of, [word for whose, word in said if whose == of]) for of in CLAIMANTS]
    return f"Of {'; of '.join(part for part in parts if part)}." if said else "The study makes no claim."


def _counted(of: str, said: Sequence[str]) -> str:
    kinds = ("agrees", "disagrees", "cannot be decided", "not run", "not measured")
    counts = [sum(word.startswith(kind) for word in said) for kind in kinds]
    words = (
        "agree with this evidence",
        "disagree with it",
        "cannot be decided by this evidence",
        "were not run",
        "share no objects",
    )
    found = [f"{count} {text}" for count, text in zip(counts, words, strict=True) if count]
    return f"{len(said)} claims of {of} {', '.join(found)}" if said else ""
