"""A training run's numbers as curves, in groups: what is asked first stands open, bookkeeping is folded away."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Group:
    """Curves that belong together, by the word before the first slash of their names."""

    title: str
    heads: tuple[str, ...]
    open: bool = False


GROUPS = (
    Group("Rewards: what the policy is paid for", ("reward",), open=True),
    Group("Evaluators, which never reward", ("evaluator",), open=True),
    Group("Learning", ("loss", "kl", "entropy", "grad_norm", "clip_fraction", "ratio_max", "penalty", "lr"), open=True),
    Group("Variety, failures and length", ("variety", "best_of", "failed", "missing", "reasoning_tokens", "dynamic")),
    Group("Sampling", ("sampler_drift", "outside_mass", "sampled_tokens", "tokens")),
    Group("Time, memory and cost", ("seconds", "memory_gib", "judge")),
)
OTHERS = Group("Everything else", ())


def curves(run: Path) -> dict[str, list[list[float]]]:
    """Each number of a run's metrics.jsonl as [step, value] pairs; a line cut short by a kill is left out."""
    path = run / "metrics.jsonl"
    series: dict[str, list[list[float]]] = {}
    for line in path.read_text().splitlines() if path.is_file() else ():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        for key, value in row.items():
            if key != "step" and isinstance(value, (int, float)) and math.isfinite(value):
                series.setdefault(key, []).append([float(row["step"]), float(value)])
    return series


def grouped(names: Iterable[str]) -> list[dict[str, object]]:
    """Every name once, in its group; groups without a name are left out. A head stands for its numbered kin too (`best_of_4`)."""
    found: dict[Group, list[str]] = {group: [] for group in (*GROUPS, OTHERS)}
    for name in dict.fromkeys(names):
        found[_group_of(name.split("/")[0])].append(name)
    return [{"title": g.title, "open": g.open, "names": names} for g, names in found.items() if names]


def _group_of(head: str) -> Group:
    known = (g for g in GROUPS if head in g.heads or any(head.startswith(f"{own}_") for own in g.heads))
    return next(known, OTHERS)
