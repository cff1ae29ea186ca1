"""Policy-gradient losses over token sequences. Pure functions; means are taken within each stage, then summed over stages.

A new algorithm is one function here and its line in `LOSSES`; a config names it in `algorithm.loss`.

Every loss is a sum of token terms times weights that already hold the denominators, so that micro-batches, accumulation and
several processes add up to the whole batch's loss exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


@dataclass(frozen=True)
class LossInputs:
    """What one micro-batch knows. Entries that are not sampled hold any finite number and count nowhere."""

    logprobs: Float[Tensor, "n t"]
    """Of the policy that is being trained, with gradient."""
    old_logprobs: Float[Tensor, "n t"]
    """The trainer's own, before the first update on these answers."""
    reference_logprobs: Float[Tensor, "n t"] | None
    entropy: Float[Tensor, "n t"]
    advantages: Float[Tensor, "n t"]
    sampled: Bool[Tensor, "n t"]
    weights: Float[Tensor, "n t"]
    """What each token counts in the means; 1, or the stage's own for its reasoning; 0 where not sampled or not chosen."""
    stage: Int64[Tensor, " n"]
    kept: Float[Tensor, "n t"] | None = None
    """log of the probability that the unrestricted head gives to the support, with gradient; only with `outside_penalty`."""


@dataclass(frozen=True)
class Denominators:
    """Counted over the whole minibatch: all micro-batches, all processes."""

    tokens: Float[Tensor, " s"]
    """Weights of the sampled tokens of each stage, summed: their number where each weighs 1."""
    sequences: Float[Tensor, " s"]
    """Sequences of each stage with a token that counts."""
    longest: Float[Tensor, " s"]
    """The constants of Dr.GRPO: the most tokens that a sequence of each stage can sample, whatever it did sample."""


@dataclass(frozen=True)
class LossSettings:
    """The numbers of `AlgorithmConfig` that a loss reads."""

    clip_low: float = 0.2
    clip_high: float = 0.28
    kl: Literal["none", "k1", "k2", "k3"] = "k3"
    kl_beta: float = 0.01
    entropy_bonus: float = 0.0
    outside_penalty: float = 0.0


Loss = Callable[[LossInputs, Denominators, LossSettings], Float[Tensor, ""]]


def grpo_loss(inputs: LossInputs, counts: Denominators, settings: LossSettings) -> Float[Tensor, ""]:
    """Each sequence's mean, then the mean of sequences (GRPO, arXiv 2402.03300 eq. 3)."""
    return _total(inputs, settings, _clipped(inputs, token_ratio(inputs), settings), sequence_mean(inputs, counts))


def dapo_loss(inputs: LossInputs, counts: Denominators, settings: LossSettings) -> Float[Tensor, ""]:
    """The mean over all tokens of a stage, clipped apart below and above (DAPO, 2503.14476 eq. 8; Hi-GRPO, 2512.10949 eq. 11)."""
    return _total(inputs, settings, _clipped(inputs, token_ratio(inputs), settings), token_mean(inputs, counts))


def dr_grpo_loss(inputs: LossInputs, counts: Denominators, settings: LossSettings) -> Float[Tensor, ""]:
    """Sums over tokens by a constant: no bonus for short right and long wrong answers (Dr.GRPO, arXiv 2503.20783, §3.2)."""
    mean = _inverse(counts.sequences * counts.longest)[inputs.stage][:, None]
    return _total(inputs, settings, _clipped(inputs, token_ratio(inputs), settings), mean)


def gspo_loss(inputs: LossInputs, counts: Denominators, settings: LossSettings) -> Float[Tensor, ""]:
    """One ratio per sequence, the geometric mean of its tokens' (GSPO, 2507.18071 eq. 5)."""
    ratio = sequence_log_ratio(inputs).exp().expand_as(inputs.logprobs)
    return _total(inputs, settings, _clipped(inputs, ratio, settings), sequence_mean(inputs, counts))


def gspo_token_loss(inputs: LossInputs, counts: Denominators, settings: LossSettings) -> Float[Tensor, ""]:
    """GSPO's value with a gradient through each token's own log-prob (2507.18071 eq. 13)."""
    own = inputs.logprobs - inputs.logprobs.detach()
    ratio = (sequence_log_ratio(inputs).detach() + own).exp()
    return _total(inputs, settings, _clipped(inputs, ratio, settings), sequence_mean(inputs, counts))


def cispo_loss(inputs: LossInputs, counts: Denominators, settings: LossSettings) -> Float[Tensor, ""]:
    """The ratio, cut above, only weighs: no token loses its gradient (CISPO, 2506.13585 eq. 4)."""
    weight = token_ratio(inputs).clamp(max=1 + settings.clip_high).detach()
    return _total(inputs, settings, weight * inputs.advantages * inputs.logprobs, token_mean(inputs, counts))


def raft_loss(inputs: LossInputs, counts: Denominators, settings: LossSettings) -> Float[Tensor, ""]:
    """Σ A·log π, the likelihood of the chosen answers (RAFT, 2304.06767), for the advantage `best`: tuning on one's own best."""
    return _total(inputs, settings, inputs.advantages * inputs.logprobs, token_mean(inputs, counts))


LOSSES: dict[str, Loss] = {
    "grpo": grpo_loss,
    "dapo": dapo_loss,
    "dr-grpo": dr_grpo_loss,
    "gspo": gspo_loss,
    "gspo-token": gspo_token_loss,
    "cispo": cispo_loss,
    "raft": raft_loss,
}
"""By the name that `algorithm.loss` uses. Hi-GRPO is `dapo` over a chain of two stages."""
CLIPS: dict[str, Literal["token", "sequence", "above", "none"]] = {
    "gspo": "sequence",
    "gspo-token": "sequence",
    "cispo": "above",
    "raft": "none",
}
"""What the log's `clip_fraction` counts, by loss: tokens whose own ratio (not named here), or whose sequence's, is beyond a bound that
their advantage pushes to; every ratio that is too large; nothing."""


def token_ratio(inputs: LossInputs) -> Float[Tensor, "n t"]:
    """ρ = π_θ/π_old of every token; 1 where not sampled."""
    return torch.where(inputs.sampled, inputs.logprobs - inputs.old_logprobs, 0.0).exp()


def sequence_log_ratio(inputs: LossInputs) -> Float[Tensor, "n 1"]:
    """The mean of log ρ over each sequence's sampled tokens, by their weights; 0 for a sequence without any."""
    ratios = torch.where(inputs.sampled, inputs.logprobs - inputs.old_logprobs, 0.0)
    return (ratios * inputs.weights).sum(1, keepdim=True) * _inverse(inputs.weights.sum(1, keepdim=True))


def divergence(
    logprobs: Float[Tensor, "n t"], reference: Float[Tensor, "n t"], kind: Literal["k1", "k2", "k3"]
) -> Float[Tensor, "n t"]:
    """Per-token estimate of KL(π_θ ‖ π_ref) from tokens of π_θ: k1 = -log ρ, k2 = (log ρ)²/2, k3 = ρ - log ρ - 1, with ρ = π_ref/π_θ.

    Source: J. Schulman, "Approximating KL Divergence", joschu.net/blog/kl-approx.html.
    """
    log_ratio = reference - logprobs
    if kind == "k1":
        return -log_ratio
    if kind == "k2":
        return log_ratio.square() / 2
    return log_ratio.exp() - log_ratio - 1


def token_mean(inputs: LossInputs, counts: Denominators) -> Float[Tensor, "n 1"]:
    """1 / (weights of the stage's sampled tokens)."""
    return _inverse(counts.tokens)[inputs.stage][:, None]


def sequence_mean(inputs: LossInputs, counts: Denominators) -> Float[Tensor, "n 1"]:
    """1 / (weights of the sequence's sampled tokens · the stage's sequences)."""
    return _inverse(counts.sequences)[inputs.stage][:, None] * _inverse(inputs.weights.sum(1, keepdim=True))


def clipped_tokens(name: str, inputs: LossInputs, settings: LossSettings) -> Float[Tensor, ""]:
    """How many sampled tokens (a count) that loss clips, as `CLIPS` says."""
    kind = CLIPS.get(name, "token")
    if kind == "none":
        return torch.zeros(())
    ratio = (sequence_log_ratio(inputs).exp() if kind == "sequence" else token_ratio(inputs)).detach()
    high, low = ratio > 1 + settings.clip_high, ratio < 1 - settings.clip_low
    push = inputs.advantages
    out = high if kind == "above" else (high & (push > 0)) | (low & (push < 0))
    return (out & inputs.sampled).sum().float()


def _clipped(inputs: LossInputs, ratio: Float[Tensor, "n t"], settings: LossSettings) -> Float[Tensor, "n t"]:
    """min(ρA, clip(ρ, 1 - ε_low, 1 + ε_high)·A)."""
    clipped = ratio.clamp(1 - settings.clip_low, 1 + settings.clip_high)
    return torch.minimum(ratio * inputs.advantages, clipped * inputs.advantages)


def _pulling(inputs: LossInputs, reference: Float[Tensor, "n t"], settings: LossSettings) -> Float[Tensor, "n t"]:
    """The divergence as a term of the loss.

    k1's own gradient, ∇log π, knows nothing of the reference and is 0 in the mean; k1 as a cost of each token, ρ·k1 with ρ = π/π_old and
    k1 held fixed, has the divergence's gradient.
    """
    assert settings.kl != "none"
    value = divergence(inputs.logprobs, reference, settings.kl)
    return token_ratio(inputs) * value.detach() if settings.kl == "k1" else value


def _inverse(counts: Float[Tensor, " ..."]) -> Float[Tensor, " ..."]:
    """1 / counts, and 0 where there is nothing to count."""
    return torch.where(counts > 0, 1 / counts.clamp(min=1e-30), 0.0)


def _total(
    inputs: LossInputs, settings: LossSettings, surrogate: Float[Tensor, "n t"], mean: Float[Tensor, "n 1"]
) -> Float[Tensor, ""]:
    """-(surrogate - β·KL + bonus·entropy + penalty·log kept), times each token's weight and its mean's, summed."""
    terms = surrogate
    if settings.kl != "none" and settings.kl_beta and inputs.reference_logprobs is not None:
        terms = terms - settings.kl_beta * _pulling(inputs, inputs.reference_logprobs, settings)
    if settings.entropy_bonus:
        terms = terms + settings.entropy_bonus * inputs.entropy
    if settings.outside_penalty and inputs.kept is not None:
        terms = terms + settings.outside_penalty * inputs.kept
    return -(torch.where(inputs.sampled, terms, 0.0) * inputs.weights * mean).sum()
