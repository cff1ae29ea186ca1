"""Alignment: do text and views say the same? A dual encoder; stands where CLIP and UnifiedReward stand at full size."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.rewards.scorers import SCORERS, Reduce, SemanticScorer, load_semantic, reduced, stated
from maquette.types import Generation


class Alignment:
    """In [0, 1]: the cosine of the prompt's text and each view, nothing below 0; views reduced."""

    name = "alignment"
    higher_is = "closer to the prompt's text"
    worst = 0.0

    def __init__(self, scorer: SemanticScorer, reduce: Reduce = "mean") -> None:
        self.scorer = scorer
        self.reduce: Reduce = reduce

    @classmethod
    def load(cls, folder: Path = SCORERS, reduce: Reduce = "mean") -> Alignment:
        return cls(load_semantic(folder), reduce)

    def score(self, generation: Generation, stage: int) -> Float[Tensor, " a"]:
        """Reduced over the stage's views; failed answers get `worst`."""
        output = generation.stages[stage]
        texts = self.scorer.read([prompt.text for prompt in generation.prompts])
        each = texts.repeat_interleave(generation.group_size, 0)
        cosines = torch.einsum("avd,ad->av", self.scorer.see(output.views).views, each)
        return stated(reduced(cosines, self.reduce).clamp_min(0.0), output.failed, self.worst)
