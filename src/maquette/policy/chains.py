"""The five chains that the base policy is taught, and lessons written as token sequences of them.

Every kind of run that will be compared starts from the same base: one-stage chains end in `fine` as two-stage chains do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Int8, Int64
from torch import Tensor

from maquette.policy.lessons import Lessons
from maquette.policy.tokenizer import PolicyTokenizer
from maquette.prompts.instructions import SYSTEM, Wording, user_turn
from maquette.types import SegmentKind


@dataclass(frozen=True)
class Chain:
    """One way from a user turn to codes, and its share of the training sequences."""

    name: str
    instruction: str
    says: Literal["", "plan", "description"]
    shape: Literal["coarse", "fine"]
    share: float
    sees_plan: bool = False
    sees_codes: bool = False


CHAINS = (
    Chain("plan", "semantic-plan", "plan", "coarse", 0.26),
    Chain("detail", "visual-detail", "description", "fine", 0.28, sees_plan=True),
    Chain("direct", "direct", "", "fine", 0.16),
    Chain("plan-fine", "plan-then-fine", "plan", "fine", 0.20),
    Chain("detail-codes", "visual-detail", "description", "fine", 0.10, sees_plan=True, sees_codes=True),
)


@dataclass(frozen=True)
class Told:
    """One supervised sequence; `learnt` marks the tokens whose log-prob is the loss."""

    tokens: list[int]
    segment: list[int]
    learnt: list[bool]


@dataclass(frozen=True)
class LessonBatch:
    """Right-padded sequences of like length."""

    tokens: Int64[Tensor, "n t"]
    segment: Int8[Tensor, "n t"]
    learnt: Bool[Tensor, "n t"]


def write_sequence(
    lessons: Lessons, index: int, chain: Chain, caption: int, tokenizer: PolicyTokenizer, wording: Wording = "tiny"
) -> Told:
    """One object told by one chain, its prompt the caption of that number (modulo their count)."""
    texts = lessons.texts[index]
    coarse, fine = lessons.coarse[index].tolist(), lessons.fine[index].tolist()
    plan, seen = (texts.plan if chain.sees_plan else ""), (coarse if chain.sees_codes else ())
    turn = user_turn(texts.captions[caption % len(texts.captions)], chain.instruction, plan, seen, wording)
    prompt = tokenizer.chat(turn, SYSTEM[wording])
    said = {"": "", "plan": texts.plan, "description": texts.description}[chain.says]
    reasoning = tokenizer.encode(said)
    shape = tokenizer.vocabulary.encode(torch.tensor(coarse if chain.shape == "coarse" else fine))
    p, q, c = len(prompt), len(reasoning), len(shape) - 2
    kinds = [SegmentKind.PROMPT] * p + [SegmentKind.REASONING] * (q + 1) + [SegmentKind.SHAPE] * (c + 1)
    # the terminator of an empty reasoning is forced, and so is every <mesh-end>
    learnt = [False] * p + [True] * q + [bool(said)] + [True] * c + [False]
    return Told(prompt + reasoning + shape, [int(kind) for kind in kinds], learnt)


def collate(sequences: Sequence[Told], pad: int, multiple: int = 16) -> LessonBatch:
    """Right-padded to the longest, rounded up so that few shapes occur."""
    width = -(-max(len(s.tokens) for s in sequences) // multiple) * multiple

    def padded(rows: list[list[int]], fill: int) -> Tensor:
        return torch.tensor([row + [fill] * (width - len(row)) for row in rows])

    return LessonBatch(
        padded([s.tokens for s in sequences], pad),
        padded([s.segment for s in sequences], int(SegmentKind.PAD)).to(torch.int8),
        padded([[int(x) for x in s.learnt] for s in sequences], 0).bool(),
    )


@dataclass(frozen=True)
class LessonPlan:
    """Which sequences stand in which step: a function of (seed, step), so that a resumed run sees what it would have seen.

    `pool` steps are drawn together, sorted by length and cut into batches of like length, in random order: about 2 % padding.
    """

    lessons: Lessons
    tokenizer: PolicyTokenizer
    batch_size: int
    seed: int
    pool: int = 16
    wording: Wording = "tiny"

    def batches(self, first: int) -> list[LessonBatch]:
        """The batches of steps `first` … `first + pool - 1`; `first` must be a multiple of `pool`."""
        rng = np.random.default_rng([self.seed, first])
        count = self.pool * self.batch_size
        # objects in turn through a permutation per epoch: every one is used equally often
        chosen = [self._object(first * self.batch_size + i) for i in range(count)]
        chains = rng.choice(len(CHAINS), count, p=[chain.share for chain in CHAINS])
        captions = rng.integers(0, 1 << 16, count)
        drawn = [
            write_sequence(self.lessons, o, CHAINS[c], int(n), self.tokenizer, self.wording)
            for o, c, n in zip(chosen, chains, captions, strict=True)
        ]
        drawn.sort(key=lambda s: len(s.tokens))
        groups = [drawn[i : i + self.batch_size] for i in range(0, count, self.batch_size)]
        return [collate(groups[i], self.tokenizer.pad) for i in rng.permutation(len(groups))]

    def _object(self, position: int) -> int:
        epoch, place = divmod(position, len(self.lessons))
        return int(_order(len(self.lessons), self.seed, epoch)[place])


@lru_cache(maxsize=2)
def _order(count: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch, 1]).permutation(count)


def heldout_batches(
    lessons: Lessons, tokenizer: PolicyTokenizer, batch_size: int, wording: Wording = "tiny"
) -> dict[str, list[LessonBatch]]:
    """Every object told by every chain, caption lengths in turn: what the loss is measured on, by the chain's name."""
    found: dict[str, list[LessonBatch]] = {}
    for chain in CHAINS:
        rows = [write_sequence(lessons, i, chain, i, tokenizer, wording) for i in range(len(lessons))]
        rows.sort(key=lambda s: len(s.tokens))
        found[chain.name] = [collate(rows[i : i + batch_size], tokenizer.pad) for i in range(0, len(rows), batch_size)]
    return found
