"""Category: is it the kind of object that was asked for? Six views jointly, as the paper's binary match."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.corpus.catalog import FAMILIES
from maquette.rewards.scorers import SCORERS, SemanticScorer, load_semantic, stated
from maquette.rewards.text import split_words
from maquette.types import Generation, Prompt


def named_family(prompt: Prompt) -> str:
    """The family that a prompt asks for: as stated, else the longest family name or synonym in its text, else ""."""
    if prompt.family:
        return prompt.family
    text = f" {' '.join(split_words(prompt.text))} "
    found = [
        (len(name), family)
        for family, entry in FAMILIES.items()
        for name in (family, *entry.synonyms)
        if f" {' '.join(split_words(name))} " in text or f" {' '.join(split_words(name))}s " in text
    ]
    return max(found)[1] if found else ""


class Category:
    """In [0, 1]: the probability of the prompt's family, or with `binary` 1 where it is the likeliest. NaN where the prompt names none."""

    name = "category"
    higher_is = "more surely the kind of object that was asked for"
    worst = 0.0

    def __init__(self, scorer: SemanticScorer, binary: bool = False) -> None:
        self.scorer = scorer
        self.binary = binary

    @classmethod
    def load(cls, folder: Path = SCORERS, binary: bool = False) -> Category:
        return cls(load_semantic(folder), binary)

    def has_words_for(self, prompt: Prompt) -> bool:
        """Whether the prompt names a family that it knows."""
        return named_family(prompt) in self.scorer.families

    @torch.inference_mode()
    def score(self, generation: Generation, stage: int) -> Float[Tensor, " a"]:
        """Failed answers get `worst`."""
        output = generation.stages[stage]
        probability = self.scorer.network.family(self.scorer.see(output.views).joint).softmax(-1)
        if self.binary:
            probability = (probability >= probability.amax(-1, keepdim=True)).float()
        column = {family: i for i, family in enumerate(self.scorer.families)}
        asked = [column.get(named_family(prompt), -1) for prompt in generation.prompts]
        wanted = torch.tensor(asked).repeat_interleave(generation.group_size)
        values = probability.gather(1, wanted.clamp_min(0).unsqueeze(1)).squeeze(1)
        return stated(torch.where(wanted < 0, torch.nan, values), output.failed, self.worst)
