"""Full-size rewards that run in process: HPS v2.1, CLIP score, aesthetic. Single views, reduced; all batched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.rewards.clip_models import AestheticHead, ClipScorer
from maquette.rewards.scorers import Reduce, reduced, stated
from maquette.types import Generation


@dataclass
class TextAndView:
    """Cosine of the prompt's text and each view: `hps` by HPS v2.1's ViT-H/14, `clip` by any CLIP."""

    name: Literal["hps", "clip"]
    scorer: ClipScorer
    reduce: Reduce = "max"
    worst: float = 0.0

    @property
    def higher_is(self) -> str:
        return "preferred by people, given the text" if self.name == "hps" else "closer to the prompt's text"

    def score(self, generation: Generation, stage: int) -> Float[Tensor, " a"]:
        """In [-1, 1], in practice 0.15 to 0.35; failed answers get 0."""
        output = generation.stages[stage]
        texts = self.scorer.read([prompt.text for prompt in generation.prompts])
        each = texts.repeat_interleave(generation.group_size, 0)
        cosines = torch.einsum("avd,ad->av", self.scorer.see(output.views.rgb), each)
        return stated(reduced(cosines, self.reduce), output.failed, self.worst)


@dataclass
class ClipAesthetic:
    """LAION's aesthetic predictor, about 1 to 10, of each view, without the text."""

    scorer: ClipScorer
    head: AestheticHead
    reduce: Reduce = "mean"
    name: str = "clip_aesthetic"
    higher_is: str = "better looking, whatever it is"
    worst: float = 1.0

    @torch.inference_mode()
    def score(self, generation: Generation, stage: int) -> Float[Tensor, " a"]:
        """Failed answers get 1, the lowest mark."""
        output = generation.stages[stage]
        marks = self.head(self.scorer.see(output.views.rgb))
        return stated(reduced(marks, self.reduce), output.failed, self.worst)
