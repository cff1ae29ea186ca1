"""From raw reward parts to one advantage per answer and stage: mix → returns → normalise (FACTS §4, DESIGN §1). Pure functions.

Everything is computed in float64, so that a group whose answers are all equal gets exactly 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Literal

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from maquette.config import StageSpec
from maquette.types import Scores

EPSILON = 1e-4
"""Added to the population standard deviation, as in the paper's eq. 10."""

Mixing = Literal["paper", "standardised"]
Normalisation = Literal["group", "mean", "loo", "rank"]


def stage_advantages(
    scores: Scores, stages: Sequence[StageSpec], *, group_size: int, mixing: Mixing, advantage: Normalisation
) -> Float64[Tensor, "a s"]:
    """One advantage per answer and stage; it weighs all of that stage's sampled tokens, reasoning and codes alike."""
    rewards = mix(scores, stages, group_size=group_size, mixing=mixing)
    flowed = returns(rewards, [stage.from_next for stage in stages])
    return normalise(flowed, group_size=group_size, kind=advantage)


def mix(scores: Scores, stages: Sequence[StageSpec], *, group_size: int, mixing: Mixing) -> Float64[Tensor, "a s"]:
    """R_s: the weighted parts of each stage.

    `paper`: the sum of raw values; `standardised`: of each part's z-scores within its group, so that no judge with a wide
    scale drowns the rest. A missing score stands at its group's mean: it moves no answer up or down. A failed answer's
    parts hold their stated worst values and count in the statistics. Raises ValueError for an infinite score, by its name.
    """
    _refuse_infinite(scores)
    weights = torch.tensor([[asdict(stage.rewards)[name] for stage in stages] for name in scores.names])
    values = rearrange(scores.values.double(), "k (p g) s -> k p g s", g=group_size)
    seen = rearrange(~scores.missing & ~scores.values.isnan(), "k (p g) s -> k p g s", g=group_size)
    mean, std = _statistics(values, seen)
    filled = torch.where(seen, values, mean)
    part = filled if mixing == "paper" else (filled - mean) / (std + EPSILON)
    return rearrange((part * weights.double()[:, None, None, :]).sum(0), "p g s -> (p g) s")


def returns(rewards: Float[Tensor, "a s"], from_next: Sequence[float]) -> Float64[Tensor, "a s"]:
    """R̃_s = R_s + λ_s·R̃_{s+1}, from the last stage to the first; the last stage keeps its own."""
    flowed = rewards.double().clone()
    for s in range(flowed.shape[1] - 2, -1, -1):
        flowed[:, s] += from_next[s] * flowed[:, s + 1]
    return flowed


def normalise(rewards: Float[Tensor, "a s"], *, group_size: int, kind: Normalisation) -> Float64[Tensor, "a s"]:
    """Advantages within each group of g answers and each stage; their sum over a group is 0.

    `group`: (R - mean)/(σ + 1e-4), σ of the population (GRPO, arXiv 2402.03300) · `mean`: R - mean (Dr.GRPO, 2503.20783)
    · `loo`: R - mean of the others (RLOO, 2402.14740) · `rank`: ranks spread over [-1, 1], ties shared.
    """
    groups = rearrange(rewards.double(), "(p g) s -> p g s", g=group_size)
    centred = groups - groups.mean(1, keepdim=True)
    if kind == "group":
        advantages = centred / (groups.std(1, keepdim=True, correction=0) + EPSILON)
    elif kind == "mean":
        advantages = centred
    elif kind == "loo":
        advantages = centred * group_size / (group_size - 1)
    else:
        below = (groups[:, :, None] > groups[:, None]).sum(2)
        above = (groups[:, :, None] < groups[:, None]).sum(2)
        advantages = (below - above).double() / (group_size - 1)
    return rearrange(advantages, "p g s -> (p g) s")


def _statistics(
    values: Float64[Tensor, "k p g s"], seen: Bool[Tensor, "k p g s"]
) -> tuple[Float64[Tensor, "k p 1 s"], Float64[Tensor, "k p 1 s"]]:
    """Mean and population standard deviation over the group's seen scores; 0 where none was seen."""
    count = seen.sum(2, keepdim=True).clamp(min=1)
    mean = torch.where(seen, values, 0.0).sum(2, keepdim=True) / count
    variance = torch.where(seen, values - mean, 0.0).square().sum(2, keepdim=True) / count
    return mean, variance.sqrt()


def _refuse_infinite(scores: Scores) -> None:
    for name, values, missing in zip(scores.names, scores.values, scores.missing, strict=True):
        bad = values[~missing].isinf()
        if bad.any():
            raise ValueError(
                f"The reward {name} gave {int(bad.sum())} infinite scores; the step was stopped before any update."
            )
