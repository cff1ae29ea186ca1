"""What an update says of itself: sums over sampled tokens, added up over micro-batches, processes and minibatches, then means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from maquette.policy.logprobs import LogProbs
from maquette.training.distributed import Processes
from maquette.training.losses import LossInputs, LossSettings, clipped_tokens, divergence
from maquette.types import Rollouts, SegmentKind

SUMS = (
    "loss",
    "tokens",
    "drift",
    "clip",
    "ratio_max",
    "kl",
    "kl_tokens",
    "reasoning_tokens",
    "reasoning_entropy",
    "shape_tokens",
    "shape_entropy",
    "outside",
    "outside_tokens",
)
"""What is added up over micro-batches and processes; of `ratio_max`, which is max(ρ, 1/ρ), the largest."""


@torch.no_grad()
def measure(
    loss: str, rollouts: Rollouts, inputs: LossInputs, scored: LogProbs, settings: LossSettings, *, watched: bool
) -> dict[str, float]:
    """Sums over sampled tokens (and their counts), to be added up over micro-batches."""
    sampled = inputs.sampled
    sums = {
        "tokens": sampled.sum(),
        "drift": ((inputs.old_logprobs - rollouts.logprobs.to(sampled.device)).abs() * sampled).sum(),
        "clip": clipped_tokens(loss, inputs, settings),
        "ratio_max": torch.where(sampled, inputs.logprobs - inputs.old_logprobs, 0.0).abs().max().exp(),
    }
    if inputs.reference_logprobs is not None:
        sums["kl"] = (divergence(inputs.logprobs, inputs.reference_logprobs, "k3") * sampled).sum()
        sums["kl_tokens"] = sampled.sum()
    for kind in (SegmentKind.REASONING, SegmentKind.SHAPE):
        here = sampled & (rollouts.segment.to(sampled.device) == kind)
        name = kind.name.lower()
        sums |= {f"{name}_tokens": here.sum(), f"{name}_entropy": (scored.entropy * here).sum()}
    if watched:
        sums |= {"outside": -(torch.expm1(scored.kept) * sampled).sum(), "outside_tokens": sampled.sum()}
    return {name: float(value) for name, value in sums.items()}


def summarise(sums: Mapping[str, float]) -> dict[str, float]:
    """Sums → means per token."""
    tokens = max(1.0, sums["tokens"])
    means = {
        "sampler_drift": sums["drift"] / tokens,
        "clip_fraction": sums["clip"] / tokens,
        "ratio_max": sums["ratio_max"],
        "outside_mass": sums["outside"] / max(1.0, sums["outside_tokens"]),
        "sampled_tokens": sums["tokens"],
    }
    if sums["kl_tokens"]:
        means["kl"] = sums["kl"] / sums["kl_tokens"]
    for name in ("reasoning", "shape"):
        if sums[f"{name}_tokens"]:
            means[f"entropy/{name}"] = sums[f"{name}_entropy"] / sums[f"{name}_tokens"]
    return means


def over_all(sums: Mapping[str, float], processes: Processes) -> dict[str, float]:
    """One process's sums → everybody's, and the largest of the ratios."""
    own = torch.tensor([sums[name] for name in SUMS], dtype=torch.float64)
    total = dict(zip(SUMS, processes.total(own).tolist(), strict=True))
    return total | {"ratio_max": float(processes.largest(own)[SUMS.index("ratio_max")])}


def add(sums: dict[str, float], more: Mapping[str, float]) -> None:
    for name, number in more.items():
        sums[name] = max(sums[name], number) if name == "ratio_max" else sums[name] + number


def of_pass(minibatches: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Everything that was measured in the minibatches of one pass, as means per token; loss and gradient norm are means per minibatch."""
    sums: dict[str, float] = dict.fromkeys(SUMS, 0.0)
    for one in minibatches:
        add(sums, {name: one[name] for name in SUMS})
    means = {name: sum(one[name] for one in minibatches) / len(minibatches) for name in ("loss", "grad_norm")}
    return summarise(sums) | means
