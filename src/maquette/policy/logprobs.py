"""Log-probs of answers under the distribution that they were sampled from: the restricted head, with temperature."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from maquette.types import Rollouts


@dataclass(frozen=True)
class LogProbs:
    """Per token, 0 where `sampled` is False."""

    logprobs: Float[Tensor, "n t"]
    """Differentiable."""
    entropy: Float[Tensor, "n t"]
    """Of the restricted distribution, in nats; differentiable."""
    outside: Float[Tensor, "n t"]
    """log of the probability that the unrestricted head gives to tokens outside the support; zeros unless asked for."""


def sequence_logprobs(
    policy: nn.Module, rollouts: Rollouts, temperature: float = 1.0, outside: bool = False
) -> LogProbs:
    """What `policy` (a `Policy`, bare or wrapped by DDP or FSDP) gives to the sampled tokens of `rollouts`.

    Token t is scored given tokens < t. `outside` costs the whole head once more, without gradient.
    """
    device = next(policy.parameters()).device
    parts = policy(
        rollouts.tokens.to(device), rollouts.segment.to(device), rollouts.sampled.to(device), temperature, outside
    )
    return LogProbs(*parts)


@torch.no_grad()
def frozen_logprobs(policy: nn.Module, rollouts: Rollouts, temperature: float = 1.0, rows: int = 32) -> LogProbs:
    """The same without gradient, `rows` sequences at a time: for old and reference log-probs."""
    width = rollouts.tokens.shape[1]
    parts = []
    for start in range(0, len(rollouts.tokens), rows):
        cut = slice(start, start + rows)
        longest = int((rollouts.segment[cut] != 0).sum(1).max())
        part = Rollouts(
            rollouts.tokens[cut, :longest],
            rollouts.segment[cut, :longest],
            rollouts.sampled[cut, :longest],
            rollouts.logprobs[cut, :longest],
            rollouts.answer[cut],
            rollouts.stage[cut],
        )
        scored = sequence_logprobs(policy, part, temperature)
        parts.append(
            [nn.functional.pad(x, (0, width - longest)) for x in (scored.logprobs, scored.entropy, scored.outside)]
        )
    return LogProbs(*(torch.cat(column) for column in zip(*parts, strict=True)))
