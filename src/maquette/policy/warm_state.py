"""The warm start's optimiser, its schedule, and its state on disk: resumed bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from maquette.optimisers import MuonAdamW
from maquette.policy.model import Policy
from maquette.tensor_files import load_progress, progress_metadata, save_tensors


@dataclass
class WarmState:
    """All that the next step depends on beside lessons, recipe and seed. Batches are a function of the step, so no generator is kept."""

    policy: Policy
    optimiser: MuonAdamW
    averaged: dict[str, Tensor]
    """Exponential moving average of the weights, by name."""
    step: int = 0
    seconds: float = 0.0


def new_state(policy: Policy, lr: float, weight_decay: float) -> WarmState:
    """Muon for the layers' matrices, AdamW for the rest; `weight_decay` is that of the matrices."""
    inside = [p for p in policy.decoder.layers.parameters() if p.dim() == 2]
    taken = {id(p) for p in inside}
    rest = [p for p in policy.parameters() if id(p) not in taken]
    optimiser = MuonAdamW(inside, rest, lr, weight_decay=(weight_decay, 0.0))
    averaged = {name: value.detach().clone() for name, value in policy.named_parameters()}
    return WarmState(policy, optimiser, averaged)


def schedule(step: int, steps: int, warmup: int, cooldown: int) -> float:
    """Warm-up, plateau, linear cool-down to zero (WSD): the plateau can be extended later from the checkpoint at its end.

    >>> [schedule(s, 10, 2, 4) for s in (0, 1, 5, 6, 8, 9)]
    [0.5, 1.0, 1.0, 1.0, 0.5, 0.25]
    """
    return min(1.0, (step + 1) / max(1, warmup), (steps - step) / max(1, cooldown))


@torch.no_grad()
def average(state: WarmState, decay: float) -> None:
    """One step of the moving average; early on it forgets faster, so that the start does not linger."""
    share = 1 - min(decay, (1 + state.step) / (10 + state.step))
    names, values = zip(*state.policy.named_parameters(), strict=True)
    averages = [state.averaged[name] for name in names]
    torch._foreach_lerp_(averages, list(values), share)  # pyright: ignore[reportPrivateImportUsage]


def save_state(state: WarmState, path: Path) -> None:
    """Write `path` whole or not at all."""
    save_tensors(dict(_tensors(state)), path, progress_metadata(state.step, state.seconds))


def load_state(state: WarmState, path: Path) -> None:
    """Bring a new state to where `path` was written. ValueError: cut short, or the first weight of another shape."""
    tensors, step, seconds = load_progress(path)
    for name, value in state.policy.named_parameters():
        if not {f"weights.{name}", f"averaged.{name}"} <= tensors.keys():
            raise ValueError(f"{path} has no {name}: it is the state of another model.")
        found = tensors[f"weights.{name}"]
        if found.shape != value.shape:
            raise ValueError(f"{path}: {name} has shape {tuple(found.shape)}, expected {tuple(value.shape)}.")
        value.data.copy_(found)
        state.averaged[name].copy_(tensors[f"averaged.{name}"])
    state.optimiser.load(tensors)
    state.step, state.seconds = step, seconds


def _tensors(state: WarmState) -> Iterator[tuple[str, Tensor]]:
    for name, value in state.policy.named_parameters():
        yield f"weights.{name}", value.detach()
        yield f"averaged.{name}", state.averaged[name]
    yield from state.optimiser.tensors()
