"""Geometry consistency: one sound object from every side; no floaters, holes, broken parts, second faces or melted sides."""

from __future__ import annotations

from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from maquette.rewards.scorers import SCORERS, QualityScorer, load_quality, stated
from maquette.types import Generation


class GeometryConsistency:
    """In (0, 1), from all views together."""

    name = "geometry_consistency"
    higher_is = "one sound shape from every side"
    worst = 0.0

    def __init__(self, scorer: QualityScorer) -> None:
        self.scorer = scorer

    @classmethod
    def load(cls, folder: Path = SCORERS) -> GeometryConsistency:
        return cls(load_quality(folder))

    def score(self, generation: Generation, stage: int) -> Float[Tensor, " a"]:
        """Failed answers get `worst`."""
        output = generation.stages[stage]
        return stated(self.scorer.judge(output.views).geometry.sigmoid(), output.failed, self.worst)
