"""Knobs of the trainings that RL stands on: codec, base policy, scorers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CodecConfig:
    """`maquette train-codec CONFIG`: see codec/train.py."""

    train_shapes: int = 24000
    """Objects of train compositions, fine and coarse."""
    heldout_shapes: int = 512
    """Objects of held-out compositions that measure it."""
    steps: int = 4500
    """Optimiser steps."""
    batch: int = 16
    """Objects per step."""
    learning_rate: float = 4e-3
    """Peak learning rate."""
    seed: int = 0
    """Of weights, data and order."""


@dataclass(frozen=True)
class WarmStartConfig:
    """`maquette warm-start CONFIG`: see policy/warm_start.py."""

    steps: int = 2500
    """Optimiser steps."""
    batch_size: int = 32
    """Sequences per step, drawn from every chain that will be compared."""
    lr: float = 3e-3
    """Peak learning rate."""
    cooldown: int = 1200
    """Last steps, in which the rate falls to zero."""
    objects: int = 20000
    """Train compositions in the pool."""
    start: str = ""
    """A policy to go on from (tiny, or a folder); empty: from nothing."""
    keep_every: int = 0
    """Steps between policies kept on the way, under `kept/`; 0: none."""
    codec: str = "tiny"
    """Whose codes are learnt."""
    seed: int = 0
    """Of weights, data and order."""


@dataclass(frozen=True)
class ScorersConfig:
    """`maquette train-scorers CONFIG`: see rewards/train.py."""

    steps: int = 3200
    """Optimiser steps."""
    objects: int = 7000
    """Train compositions rendered for it."""
    held_out: int = 400
    """Held-out compositions that measure it."""
    peak: float = 3e-3
    """Peak learning rate."""
    start: str = ""
    """Scorers to go on from (tiny: the shipped ones, or a folder); empty: from nothing."""
    answers: str = ""
    """A tiny policy (tiny, or a folder) whose answers are judged as well; empty: none."""
    codec: str = "tiny"
    """Scorers judge what went through codec, mesher and renderer; empty: shapes as they are."""
    seed: int = 0
    """Of weights, data and order."""
