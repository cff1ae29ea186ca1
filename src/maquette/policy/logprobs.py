"""Log-probs of answers under the distribution that they were sampled from: the restricted head, with temperature."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from maquette.policy.model import Outside
from maquette.types import Rollouts


@dataclass(frozen=True)
class LogProbs:
    """Per token, 0 where `sampled` is False."""

    logprobs: Float[Tensor, "n t"]
    """Differentiable."""
    entropy: Float[Tensor, "n t"]
    """Of the restricted distribution, in nats; differentiable."""
    kept: Float[Tensor, "n t"]
    """log of the probability that the unrestricted head gives to the support; zeros unless asked for."""


def sequence_logprobs(
    policy: nn.Module, rollouts: Rollouts, temperature: float = 1.0, outside: Outside = "skip"
) -> LogProbs:
    """What `policy` (a `Policy`, bare or wrapped by DDP or FSDP) gives to the sampled tokens of `rollouts`.

    Token t is scored given tokens < t. `outside` (`measure`, or `learn` with gradient) costs the whole head once more.
    """
    device = next(policy.parameters()).device
    parts = policy(
        rollouts.tokens.to(device),
        rollouts.segment.to(device),
        rollouts.sampled.to(device),
        temperature,
        outside,
        rollouts.images,
    )
    return LogProbs(*parts)
