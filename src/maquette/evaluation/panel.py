"""The judges of one evaluation side by side: what each gave, what it left out, and how far they agree, level by level."""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np

from maquette.evaluation.judges import agreement, krippendorff_alpha
from maquette.evaluation.metrics import Interval, bootstrap_mean
from maquette.evaluation.results import LEVEL_TITLES, Evaluation


def panel(evaluation: Evaluation) -> list[dict[str, object]]:
    """One entry per level that a judge scored; empty without judges.

    Failed answers are left out: they have the worst score without being shown to anybody, on which all judges would agree.
    """
    rows = [r for r in evaluation.objects if not r.failed]
    names = list(dict.fromkeys(name for r in evaluation.objects for name in r.judged))
    found = []
    for level in LEVEL_TITLES:
        scores = {n: np.array([r.judged.get(n, {}).get(level, math.nan) for r in rows], float) for n in names}
        if not scores:
            continue
        pairs = [asdict(pair) for pair in agreement(scores)] if rows else []
        alpha = krippendorff_alpha(np.stack(list(scores.values()))) if rows and len(scores) > 1 else math.nan
        judges = [_judge(name, values) for name, values in scores.items()]
        found.append({"title": LEVEL_TITLES[level], "judges": judges, "pairs": pairs, "alpha": alpha})
    return found


def _judge(name: str, values: np.ndarray) -> dict[str, object]:
    given = values[~np.isnan(values)]
    mean = bootstrap_mean(given) if len(given) else Interval(math.nan, math.nan, math.nan, 0)
    return {"name": name, "mean": asdict(mean), "asked": len(values), "missing": len(values) - len(given)}
