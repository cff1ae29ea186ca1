"""How every small network is fitted: AdamW, warm-up and cosine, bfloat16 products, and pictures that vary a little."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from maquette.rewards.looks import Labels
from maquette.rewards.pixels import unpacked
from maquette.tracking import progress


def fit(network: nn.Module, loss_at: Callable[[int], Tensor], *, steps: int, peak: float, name: str) -> float:
    """Minimises `loss_at(step)` in place; returns the mean loss of the last tenth. Ends in evaluation mode.

    Raises ValueError where the loss is not finite, before the weights see it.
    """
    network.train().requires_grad_(True)
    decayed = [p for p in network.parameters() if p.ndim > 1]
    rest = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.03}, {"params": rest, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=peak, betas=(0.9, 0.98))
    warm = max(1, steps // 20)
    rate = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda s: min((s + 1) / warm, 0.5 + 0.5 * float(np.cos(np.pi * min(1.0, s / steps))))
    )
    last = []
    for step in progress(range(steps), f"training {name}"):
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_at(step)
        if not torch.isfinite(loss):
            raise ValueError(
                f"the loss of {name} is {float(loss.detach())} at step {step}; lower its learning rate ({peak})"
            )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        rate.step()
        if step >= steps - max(1, steps // 10):
            last.append(float(loss.detach()))
    network.eval().requires_grad_(False)
    return float(np.mean(last))


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
