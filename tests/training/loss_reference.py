"""Every loss once more, in plain Python and float64: loops over sequences and tokens, no tensors, nothing shared with the trainer.

What an algorithm holds fixed (stop-gradient) is read from `fixed`, so that central differences of `value` are its gradient.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

Grid = list[list[float]]


@dataclass(frozen=True)
class Case:
    """A batch as lists: [sequence][token]; `weight` is 0 where a token was not sampled."""

    old: Grid
    reference: Grid | None
    entropy: Grid
    advantage: Grid
    sampled: list[list[bool]]
    weight: Grid
    stage: list[int]
    longest: list[int]
    low: float
    high: float
    kl: str
    beta: float
    bonus: float


def value(name: str, logps: Grid, fixed: Grid, case: Case) -> float:
    """The loss at `logps`; every stop-gradient is taken at `fixed`."""
    total = 0.0
    for stage in sorted(set(case.stage)):
        rows = [i for i, own in enumerate(case.stage) if own == stage]
        counted = [i for i in rows if sum(case.weight[i]) > 0]
        everything = sum(sum(case.weight[i]) for i in rows)
        for i in counted:
            for t, weight in enumerate(case.weight[i]):
                if not weight:
                    continue
                if name in ("grpo", "gspo", "gspo-token"):
                    mean = 1 / len(counted) / sum(case.weight[i])
                elif name == "dr-grpo":
                    mean = 1 / len(counted) / case.longest[stage]
                else:
                    mean = 1 / everything
                total -= weight * mean * objective(name, i, t, logps, fixed, case)
    return total


def objective(name: str, i: int, t: int, logps: Grid, fixed: Grid, case: Case) -> float:
    """What one token adds to the objective before weights and means."""
    gained = surrogate(name, i, t, logps, fixed, case) + case.bonus * case.entropy[i][t]
    if case.reference is None or case.kl == "none":
        return gained
    gap = case.reference[i][t] - logps[i][t]
    # k1 is a cost of the token, weighed by its ratio; k2 and k3 have a gradient of their own
    cost = (fixed[i][t] - case.reference[i][t]) * math.exp(logps[i][t] - case.old[i][t])
    estimate = {"k1": cost, "k2": gap * gap / 2, "k3": math.exp(gap) - gap - 1}[case.kl]
    return gained - case.beta * estimate


def surrogate(name: str, i: int, t: int, logps: Grid, fixed: Grid, case: Case) -> float:
    advantage, here = case.advantage[i][t], logps[i][t]
    if name == "raft":
        return advantage * here
    if name == "cispo":
        return min(math.exp(fixed[i][t] - case.old[i][t]), 1 + case.high) * advantage * here
    if name == "gspo":
        ratio = sequence_ratio(i, logps, case)
    elif name == "gspo-token":
        ratio = sequence_ratio(i, fixed, case) * math.exp(here - fixed[i][t])
    else:
        ratio = math.exp(here - case.old[i][t])
    bounded = max(1 - case.low, min(ratio, 1 + case.high))
    return min(ratio * advantage, bounded * advantage)


def sequence_ratio(i: int, logps: Grid, case: Case) -> float:
    gaps = [w * (logps[i][t] - case.old[i][t]) for t, w in enumerate(case.weight[i]) if case.sampled[i][t]]
    return math.exp(sum(gaps) / sum(case.weight[i]))


def gradient(name: str, logps: Grid, case: Case, step: float = 1e-6) -> Grid:
    """By central differences; exact to about 1e-9 away from the clip's corners."""
    result = []
    for i, row in enumerate(logps):
        result.append([])
        for t in range(len(row)):
            moved = [[list(r) for r in logps] for _ in range(2)]
            moved[0][i][t] += step
            moved[1][i][t] -= step
            up, down = (value(name, one, logps, case) for one in moved)
            result[-1].append((up - down) / (2 * step))
    return result
