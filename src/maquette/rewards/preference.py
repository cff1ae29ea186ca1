"""Preference: would one take this object rather than a damaged one? Stands where HPS v2.1 stands at full size."""

from __future__ import annotations

from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from maquette.rewards.scorers import SCORERS, QualityScorer, Reduce, load_quality, reduced, stated
from maquette.types import Generation


class Preference:
    """In (0, 1): the probability, per view, that the object is preferred to its damaged version; views reduced."""

    name = "preference"
    higher_is = "better made, as seen in single views"
    worst = 0.0

    def __init__(self, scorer: QualityScorer, reduce: Reduce = "mean") -> None:
        self.scorer = scorer
        self.reduce: Reduce = reduce

    @classmethod
    def load(cls, folder: Path = SCORERS, reduce: Reduce = "mean") -> Preference:
        return cls(load_quality(folder), reduce)

    def score(self, generation: Generation, stage: int) -> Float[Tensor, " a"]:
        """Reduced over the stage's views; failed answers get `worst`."""
        output = generation.stages[stage]
        logits = reduced(self.scorer.judge(output.views).preference, self.reduce)
        return stated(logits.sigmoid(), output.failed, self.worst)
