"""Parts: is each part that the prompt asks for there, in the right number and colour? Stands where ShapeLLM stands at full size."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from maquette.rewards.networks import COUNTS
from maquette.rewards.scorers import SCORERS, SemanticScorer, load_semantic, stated
from maquette.rewards.text import UNKNOWN
from maquette.types import Generation, PartSpec, Prompt


def nearness(counts: Float[Tensor, "a 13"], wanted: int) -> Float[Tensor, " a"]:
    """Expected nearness in [0, 1] of a count distribution to the wanted count n: 1 at n, falling by 1/n a piece, 0 at none.

    n = 0 is 'not counted': any number is right.
    """
    if wanted < 1:
        return 1.0 - counts[:, 0]
    count = min(wanted, COUNTS - 1)
    near = (1.0 - (torch.arange(COUNTS) - count).abs() / count).clamp_min(0.0)
    return counts @ near


class Parts:
    """In [0, 2]: the mean over the prompt's parts of existence + completeness, as the paper sums them (arXiv 2512.10949, App. B.2).

    Existence is the probability that the part is there at all; completeness the nearness of its count, averaged with the
    probability of its colour where one is asked for. NaN where the prompt asks for no part that the scorer has words for.
    """

    name = "parts"
    higher_is = "more of the asked parts there, in the right number and colour"
    worst = 0.0

    def __init__(self, scorer: SemanticScorer) -> None:
        self.scorer = scorer

    @classmethod
    def load(cls, folder: Path = SCORERS) -> Parts:
        return cls(load_semantic(folder))

    @torch.inference_mode()
    def score(self, generation: Generation, stage: int) -> Float[Tensor, " a"]:
        """Failed answers get `worst`."""
        output, group = generation.stages[stage], generation.group_size
        asked = [self._readable(prompt) for prompt in generation.prompts]
        names = self._names(asked).repeat_interleave(group, 0)
        seen = self.scorer.see(output.views)
        counts, colors = self.scorer.network.parts(seen.fine, seen.joint, names)
        counts, colors = counts.softmax(-1), colors.softmax(-1)
        values = torch.full((len(names),), torch.nan)
        for i, specs in enumerate(asked):
            rows = slice(i * group, (i + 1) * group)
            each = [self._one(counts[rows, q], colors[rows, q], spec) for q, spec in enumerate(specs)]
            if each:
                values[rows] = torch.stack(each).mean(0)
        return stated(values, output.failed, self.worst)

    def has_words_for(self, prompt: Prompt) -> bool:
        """Whether it knows a part that is asked for."""
        return bool(self._readable(prompt))

    def _readable(self, prompt: Prompt) -> list[PartSpec]:
        ids = self.scorer.words.encode([spec.name for spec in prompt.parts])
        return [spec for spec, row in zip(prompt.parts, ids, strict=True) if (row > UNKNOWN).any()]

    def _names(self, asked: list[list[PartSpec]]) -> Int64[Tensor, "p q t"]:
        """Ids of the asked names, padded to the most parts and the longest name."""
        most = max(1, *map(len, asked), 1)
        flat = [spec.name for specs in asked for spec in specs] or [""]
        encoded = iter(self.scorer.words.encode(flat))
        width = self.scorer.words.encode(flat).shape[1]
        names = torch.zeros(len(asked), most, width, dtype=torch.int64)
        for i, specs in enumerate(asked):
            for q in range(len(specs)):
                names[i, q] = next(encoded)
        return names

    def _one(self, counts: Tensor, colors: Tensor, spec: PartSpec) -> Tensor:
        """Existence + completeness of one part in a group of answers."""
        existence = 1.0 - counts[:, 0]
        complete = nearness(counts, spec.count)
        if spec.color in self.scorer.colors:
            right = existence * colors[:, self.scorer.colors.index(spec.color)]
            complete = (complete + right) / 2
        return existence + complete
