"""Aesthetic: the look alone, without the text; clean, sound and balanced is high."""

from __future__ import annotations

from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from maquette.rewards.scorers import SCORERS, QualityScorer, Reduce, load_quality, reduced, stated
from maquette.types import Generation


class Aesthetic:
    """In (0, 1): the graded look of each view (1: undamaged and symmetric); views reduced."""

    name = "aesthetic"
    higher_is = "cleaner and better balanced to look at"
    worst = 0.0

    def __init__(self, scorer: QualityScorer, reduce: Reduce = "mean") -> None:
        self.scorer = scorer
        self.reduce: Reduce = reduce

    @classmethod
    def load(cls, folder: Path = SCORERS, reduce: Reduce = "mean") -> Aesthetic:
        return cls(load_quality(folder), reduce)

    def score(self, generation: Generation, stage: int) -> Float[Tensor, " a"]:
        """Reduced over the stage's views; failed answers get `worst`."""
        output = generation.stages[stage]
        return stated(reduced(self.scorer.judge(output.views).aesthetic, self.reduce), output.failed, self.worst)
