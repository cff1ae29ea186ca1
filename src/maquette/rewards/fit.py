"""How every small network is fitted: Muon and AdamW, warm-up and cosine, bfloat16 products, and pictures that vary a little."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from maquette.optimisers import MuonAdamW
from maquette.precision import products
from maquette.rewards.looks import Labels
from maquette.rewards.pixels import unpacked
from maquette.tracking import progress

SMALLEST = 24
"""Rows and columns of the smallest hidden matrix."""


def fit(network: nn.Module, loss_at: Callable[[int], Tensor], *, steps: int, peak: float, name: str) -> float:
    """Minimises `loss_at(step)` in place; returns the mean loss of the last tenth. Ends in evaluation mode.

    Raises ValueError where the loss is not finite, before the weights see it.
    """
    network.train().requires_grad_(True)
    inside = hidden_matrices(network)
    taken = {id(p) for p in inside}
    others = [p for p in network.parameters() if id(p) not in taken]
    optimiser = MuonAdamW(inside, others, peak, weight_decay=(0.03, 0.0))
    warm = max(1, steps // 20)
    last = []
    for step in progress(range(steps), f"training {name}"):
        with products("cpu", True):
            loss = loss_at(step)
        if not torch.isfinite(loss):
            raise ValueError(
                f"the loss of {name} is {float(loss.detach())} at step {step}; lower its learning rate ({peak})"
            )
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step(peak * min((step + 1) / warm, 0.5 + 0.5 * math.cos(math.pi * step / steps)))
        if step >= steps - max(1, steps // 10):
            last.append(float(loss.detach()))
    network.eval().requires_grad_(False)
    return float(np.mean(last))


def hidden_matrices(network: nn.Module) -> list[nn.Parameter]:
    """The weights that Muon is meant for: of convolutions and linear layers from features to features, not from pixels or to answers."""
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    weights: list[Any] = [m.weight for m in layers]  # declared as tensors
    return [weight for weight in weights if min(weight.shape[:2]) >= SMALLEST]


def varied(rgba: UInt8[np.ndarray, "a v 64 64 4"], rng: np.random.Generator) -> Float[Tensor, "a v 4 64 64"]:
    """Network input, shifted by up to two pixels, and a little brighter or darker per object; never mirrored (left is not right)."""
    shift = tuple(int(s) for s in rng.integers(-2, 3, 2))
    images = torch.roll(unpacked(rgba), shift, (-2, -1))
    gain = torch.from_numpy(rng.uniform(0.92, 1.08, (len(rgba), 1, 1, 1, 1))).float()
    images[:, :, :3] = ((images[:, :, :3] + 1.0) * gain - 1.0).clamp(-1.0, 1.0)
    return images


def families_of(labels: Sequence[Labels]) -> dict[str, np.ndarray]:
    """Places of the objects of each family."""
    found: dict[str, list[int]] = {}
    for place, one in enumerate(labels):
        found.setdefault(one.family, []).append(place)
    return {family: np.asarray(places) for family, places in found.items()}


def draw_mixed(by_family: dict[str, np.ndarray], count: int, siblings: int, rng: np.random.Generator) -> list[int]:
    """`count` objects, `siblings` of each drawn family, so that every batch holds hard comparisons within a family."""
    names = list(by_family)
    chosen: list[int] = []
    while len(chosen) < count:
        places = by_family[names[int(rng.integers(len(names)))]]
        chosen.extend(int(p) for p in rng.permutation(places)[:siblings])
    return chosen[:count]
