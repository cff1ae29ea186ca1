"""Polyak averaging: the policy that is kept is a running mean of the weights, training goes on from the weights themselves.

Near the end of a run most of what a step does is noise (few answers, one number each), and under a KL penalty the weights wander about a
middle. Their mean is nearer to it than any of them (Polyak and Juditsky, 1992). The means lie in the optimiser's state, so that they are
sharded, written into checkpoints and resumed as its moments are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

KEY = "average"


@torch.no_grad()
def remember(optimizer: torch.optim.Optimizer, decay: float) -> None:
    """After an update: w̄ ← decay · w̄ + (1 - decay) · w for every weight that learns; the first w̄ is the first w. 0: nothing is kept."""
    if not decay:
        return
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is None:
                continue
            state = optimizer.state[parameter]
            if KEY in state:
                state[KEY].lerp_(parameter, 1 - decay)
            else:
                state[KEY] = parameter.detach().clone()


@contextmanager
def averaged(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Inside it the weights are their means, where these are kept."""
    means = [
        (parameter, optimizer.state[parameter][KEY])
        for group in optimizer.param_groups
        for parameter in group["params"]
        if KEY in optimizer.state.get(parameter, {})
    ]
    own = [parameter.detach().clone() for parameter, _ in means]
    with torch.no_grad():
        for parameter, mean in means:
            parameter.copy_(mean)
    try:
        yield
    finally:
        with torch.no_grad():
            for (parameter, _), before in zip(means, own, strict=True):
                parameter.copy_(before)
