"""Appearance consistency: colours and patterns that agree from every side; no noise, blotches, smears or odd sides."""

from __future__ import annotations

from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from maquette.rewards.scorers import SCORERS, QualityScorer, load_quality, stated
from maquette.types import Generation


class AppearanceConsistency:
    """In (0, 1), from all views together."""

    name = "appearance"
    higher_is = "one coherent paint from every side"
    worst = 0.0

    def __init__(self, scorer: QualityScorer) -> None:
        self.scorer = scorer

    @classmethod
    def load(cls, folder: Path = SCORERS) -> AppearanceConsistency:
        return cls(load_quality(folder))

    def score(self, generation: Generation, stage: int) -> Float[Tensor, " a"]:
        """Failed answers get `worst`."""
        output = generation.stages[stage]
        return stated(self.scorer.judge(output.views).appearance.sigmoid(), output.failed, self.worst)
