"""From raw reward parts to one advantage per answer, stage and kind of token: mix → returns → normalise (arXiv 2512.10949, §7).

Pure functions. Everything is computed in float64, so that a group whose answers are all equal gets exactly 0. The last axis k
holds the two kinds of sampled tokens, reasoning and codes; they differ only where a return flows to the reasoning alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Literal

import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from maquette.config import StageSpec
from maquette.types import Rollouts, Scores, SegmentKind

EPSILON = 1e-4
"""Added to the population standard deviation, as in the paper's eq. 10."""

Mixing = Literal["paper", "standardised"]
Normalisation = Callable[[Float64[Tensor, "p g ..."]], Float64[Tensor, "p g ..."]]


def stage_advantages(
    scores: Scores,
    stages: Sequence[StageSpec],
    *,
    group_size: int,
    mixing: Mixing,
    advantage: str,
    informative: Bool[Tensor, "p s k"] | None = None,
) -> Float64[Tensor, "a s k"]:
    """One advantage per answer, stage and kind of token; what is not `informative` in a group gets 0."""
    rewards = mix(scores, stages, group_size=group_size, mixing=mixing)
    flowed = kind_returns(rewards, stages)
    advantages = normalise(flowed, group_size=group_size, kind=advantage)
    if informative is None:
        return advantages
    return advantages * repeat(informative, "p s k -> (p g) s k", g=group_size)


def mix(scores: Scores, stages: Sequence[StageSpec], *, group_size: int, mixing: Mixing) -> Float64[Tensor, "a s"]:
    """R_s: the weighted parts of each stage.

    `paper`: the sum of raw values; `standardised`: of each part's z-scores within its group, so that no judge with a wide
    scale drowns the rest (GDPO, 2601.05242). A missing score stands at its group's mean: it moves no answer up or down. A failed answer's
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
    """R̃_s = R_s + λ_s·R̃_{s+1}, from the last stage to the first; the last keeps its own (Hi-GRPO, 2512.10949: two stages)."""
    flowed = rewards.double().clone()
    for s in range(flowed.shape[1] - 2, -1, -1):
        flowed[:, s] += from_next[s] * flowed[:, s + 1]
    return flowed


def kind_returns(rewards: Float[Tensor, "a s"], stages: Sequence[StageSpec]) -> Float64[Tensor, "a s k"]:
    """The return of a stage's reasoning, which is R̃_s, and of its codes: R̃_s too, or R_s where the flow is `reasoning`."""
    flowed = returns(rewards, [stage.from_next for stage in stages])
    alone = torch.tensor([stage.from_next_on == "reasoning" for stage in stages])
    return torch.stack([flowed, torch.where(alone, rewards.double(), flowed)], -1)


def token_advantages(rollouts: Rollouts, advantages: Float[Tensor, "a s k"]) -> Float[Tensor, "n t"]:
    """Each token's advantage, by its answer, its stage and its kind; what stands at tokens of the prompt counts nowhere."""
    own = advantages[rollouts.answer, rollouts.stage].float()
    return torch.where(rollouts.segment == SegmentKind.REASONING, own[:, :1], own[:, 1:])


def normalise(rewards: Float[Tensor, "a ..."], *, group_size: int, kind: str) -> Float64[Tensor, "a ..."]:
    """Advantages within each group of g answers, by the function of that name in `ADVANTAGES`."""
    groups = rewards.double().unflatten(0, (-1, group_size))
    return ADVANTAGES[kind](groups).flatten(0, 1)


def group_advantage(groups: Float64[Tensor, "p g ..."]) -> Float64[Tensor, "p g ..."]:
    """(R - mean)/(σ + 1e-4), σ of the population (GRPO, arXiv 2402.03300, §4.1.2; Hi-GRPO, 2512.10949 eq. 10)."""
    return mean_advantage(groups) / (groups.std(1, keepdim=True, correction=0) + EPSILON)


def mean_advantage(groups: Float64[Tensor, "p g ..."]) -> Float64[Tensor, "p g ..."]:
    """R - mean (Dr.GRPO, arXiv 2503.20783, §3.2)."""
    from_first = groups - groups[:, :1]  # so that equals give 0 itself, where their mean is off by a rounding
    return from_first - from_first.mean(1, keepdim=True)


def leave_one_out(groups: Float64[Tensor, "p g ..."]) -> Float64[Tensor, "p g ..."]:
    """R - mean of the others (RLOO, arXiv 2402.14740)."""
    size = groups.shape[1]
    return mean_advantage(groups) * size / (size - 1)


def rank_advantage(groups: Float64[Tensor, "p g ..."]) -> Float64[Tensor, "p g ..."]:
    """(answers below - answers above)/(g - 1), in [-1, 1], ties shared: ours, for rewards whose scale says little."""
    below = (groups[:, :, None] > groups[:, None]).sum(2)
    above = (groups[:, :, None] < groups[:, None]).sum(2)
    return (below - above).double() / (groups.shape[1] - 1)


def best_advantage(groups: Float64[Tensor, "p g ..."]) -> Float64[Tensor, "p g ..."]:
    """1 for the best answer (the first of several), 0 for the others and in a group of equals (RAFT, arXiv 2304.06767)."""
    best = torch.zeros_like(groups).scatter_(1, groups.argmax(1, keepdim=True), 1.0)
    return best * (groups.amax(1, keepdim=True) > groups.amin(1, keepdim=True))


ADVANTAGES: dict[str, Normalisation] = {
    "group": group_advantage,
    "mean": mean_advantage,
    "loo": leave_one_out,
    "rank": rank_advantage,
    "best": best_advantage,
}
"""By the name that `algorithm.advantage` uses. All but `best` sum to 0 over a group."""


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
