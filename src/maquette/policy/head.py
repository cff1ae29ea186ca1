"""The restricted head: one distribution for sampling and training.

In a reasoning segment only text and the terminator `<mesh-start>` can come, in a shape segment only the K codes. Logits are made
for those rows of the head alone; at 8192 of 160 k rows
that is also the speed: forward and backward cost a tenth (benchmarks/head_memory.py).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import linear

from maquette.policy.tokenizer import PolicyTokenizer
from maquette.types import SegmentKind

MOST_RUNS = 8
"""Of more runs than these the rows are gathered instead: a product per run would cost more than the copy."""


@dataclass(frozen=True)
class Support:
    """The tokens that one kind of segment allows, in row order."""

    ids: Int64[Tensor, " k"]
    """Token id of each row."""
    rows: Int64[Tensor, " vocabulary"]
    """Row of each token id; -1 outside the support."""
    runs: tuple[tuple[int, int], ...]
    """The same ids as half-open ranges, so that rows are views of the head and never copies."""

    @classmethod
    def of(cls, ids: Sequence[int], vocabulary: int) -> Support:
        """>>> Support.of([3, 4, 9], 10).runs
        ((3, 5), (9, 10))
        """
        table = torch.tensor(list(ids), dtype=torch.int64)
        rows = torch.full((vocabulary,), -1, dtype=torch.int64)
        rows[table] = torch.arange(len(table))
        cuts = [0, *(i for i in range(1, len(ids)) if ids[i] != ids[i - 1] + 1), len(ids)]
        runs = tuple((ids[a], ids[b - 1] + 1) for a, b in itertools.pairwise(cuts))
        return cls(table, rows, runs)

    def weight_views(self, weight: Float[Tensor, "vocabulary d"]) -> tuple[Float[Tensor, "_ d"], ...]:
        """The head's rows of this support, run by run; one copy of them where they lie scattered."""
        if len(self.runs) > MOST_RUNS:
            return (weight[self.ids.to(weight.device)],)
        return tuple(weight[start:stop] for start, stop in self.runs)

    def logits(self, hidden: Float[Tensor, "m d"], weight: Float[Tensor, "vocabulary d"]) -> Float[Tensor, "m k"]:
        """Logits of the support's rows alone."""
        parts = [linear(hidden, rows) for rows in self.weight_views(weight)]
        return parts[0] if len(parts) == 1 else torch.cat(parts, -1)


def supports(tokenizer: PolicyTokenizer, vocabulary: int) -> dict[SegmentKind, Support]:
    """The support of each kind of segment; `vocabulary` is the head's row count (it may exceed the tokenizer's)."""
    words = tokenizer.vocabulary
    reasoning = [*tokenizer.text_ids, words.start_id]
    return {
        SegmentKind.REASONING: Support.of(reasoning, vocabulary),
        # in id order, not code order: where a tokenizer added its codes in another order, rows still are one run
        SegmentKind.SHAPE: Support.of(sorted(words.code_ids.tolist()), vocabulary),
    }
