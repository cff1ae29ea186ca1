"""What a training was paid and what it spent, read from its metrics.jsonl: by quarter of its steps, and by tokens sampled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from maquette.tracking import read_metrics

Points = Sequence[Sequence[float]]
"""By step: tokens sampled so far, and the mean of all rewards."""


def quarter_rewards(run: Path, last: bool = True) -> dict[str, float]:
    """Means of every reward over the last quarter of a training, or the first; none for the base."""
    lines = read_metrics(run / "metrics.jsonl")
    size = max(1, math.ceil(len(lines) / 4))
    part = lines[-size:] if last else lines[:size]
    names = [key for key in (part[-1] if part else {}) if key.startswith("reward/")]
    values = {name: [float(line[name]) for line in part if line.get(name) is not None] for name in names}  # type: ignore[arg-type]
    return {name: sum(v) / len(v) for name, v in values.items() if v}


def last_tokens(run: Path) -> float:
    """Sampled in all; 0 where nothing was trained."""
    counts = [line["tokens/total"] for line in read_metrics(run / "metrics.jsonl") if line.get("tokens/total")]
    return float(counts[-1] or 0) if counts else 0.0


def paid_by_tokens(run: Path) -> list[list[float]]:
    """`Points` of a training; none for the base. A step that lacks either number is left out."""
    lines = read_metrics(run / "metrics.jsonl")
    return [
        [float(line["tokens/total"] or 0), _mean(line)] for line in lines if line.get("tokens/total") and _paid(line)
    ]


def _paid(line: Mapping[str, object]) -> list[float]:
    return [float(v) for k, v in line.items() if k.startswith("reward/") and v is not None]  # type: ignore[arg-type]


def _mean(line: Mapping[str, object]) -> float:
    values = _paid(line)
    return round(sum(values) / len(values), 5)


def paid_at(points: Points, tokens: float) -> float | None:
    """Mean reward over the last quarter of the steps up to so many tokens; None where its first step had spent more."""
    reached = [reward for spent, reward in points if spent <= tokens]
    size = math.ceil(len(reached) / 4)
    return sum(reached[-size:]) / size if reached else None
