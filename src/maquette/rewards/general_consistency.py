"""Geometry consistency by the general network: the one that was trained to say what is seen, asked whether it is sound.

It stands for a general vision-language model as judge of consistency, beside the network that was built for that (`geometry_consistency`):
the study `judges` compares the two. Both learnt from the same pictures, labels and loss; here only a small head did, on frozen features.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from maquette.rewards.networks import FINE_CHANNELS, WIDTH, Seen
from maquette.rewards.scorers import SCORERS, SemanticScorer, load_semantic, stated
from maquette.rewards.weights import load_network
from maquette.types import Generation, Views

FEATURES = 2 * FINE_CHANNELS + 3 * WIDTH


def described(seen: Seen) -> Float[Tensor, "a 610"]:
    """All that the semantic network keeps of an object's views, without which view was which: means and maxima, and its joint vector."""
    fine = seen.fine.flatten(1, 2).float()
    views = seen.views.float()
    return torch.cat([fine.mean(1), fine.amax(1), views.mean(1), views.amax(1), seen.joint.float()], -1)


class ConsistencyHead(nn.Module):
    """From the semantic network's features to the logit of 'one sound object from every side': 0.04 M weights."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.LayerNorm(FEATURES), nn.Linear(FEATURES, 64), nn.SiLU(), nn.Linear(64, 1))

    def forward(self, seen: Seen) -> Float[Tensor, " a"]:
        return self.layers(described(seen)).squeeze(-1)


@dataclass
class GeneralScorer:
    """The semantic network with its head; what it sees is shared with the rewards that use the same network."""

    semantic: SemanticScorer
    head: ConsistencyHead

    @torch.inference_mode()
    def judge(self, views: Views) -> Float[Tensor, " a"]:
        """Logit of 'one sound object from every side', of all views together."""
        return self.head(self.semantic.see(views))


@lru_cache(maxsize=4)
def load_general(folder: Path = SCORERS) -> GeneralScorer:
    """Loaded once per folder."""
    return GeneralScorer(load_semantic(folder), load_network(ConsistencyHead(), folder / "general.safetensors"))


class GeneralConsistency:
    """In (0, 1), from all views together."""

    name = "general_consistency"
    higher_is = "one sound shape from every side, in the general network's eyes"
    worst = 0.0

    def __init__(self, scorer: GeneralScorer) -> None:
        self.scorer = scorer

    @classmethod
    def load(cls, folder: Path = SCORERS) -> GeneralConsistency:
        return cls(load_general(folder))

    def score(self, generation: Generation, stage: int) -> Float[Tensor, " a"]:
        """Failed answers get `worst`."""
        output = generation.stages[stage]
        return stated(self.scorer.judge(output.views).sigmoid(), output.failed, self.worst)
