"""Text as the scorers read it: a small vocabulary of words, independent of the policy's tokenizer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Int64
from torch import Tensor

PAD, UNKNOWN = 0, 1
LONGEST = 64
"""Words beyond these are not read."""

_WORD = re.compile(r"[a-z]+|[0-9]+")


def split_words(text: str) -> list[str]:
    """Lower-case runs of letters and of digits, the first 64 of them; whatever else is written separates words."""
    # A prompt may be megabytes long; 64 words never need more than its first few thousand characters.
    return _WORD.findall(text[:4096].lower())[:LONGEST]


@dataclass(frozen=True)
class Words:
    """A fixed list of words; id of `listed[i]` is i + 2. A plural that is not listed reads as its singular, all else as unknown."""

    listed: tuple[str, ...]

    @staticmethod
    def gather(texts: Iterable[str], least: int = 3, most: int = 2000) -> Words:
        """The words that occur at least `least` times, commonest first, ties by alphabet, at most `most` of them."""
        counts = Counter(word for text in texts for word in split_words(text))
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return Words(tuple(word for word, n in ranked[:most] if n >= least))

    def __len__(self) -> int:
        return len(self.listed) + 2

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: i + 2 for i, word in enumerate(self.listed)}

    def id(self, word: str) -> int:
        """Its id, its singular's id, or UNKNOWN."""
        ids = self._ids
        if word in ids:
            return ids[word]
        return ids.get(word.removesuffix("s"), ids.get(word.removesuffix("es"), UNKNOWN))

    def encode(self, texts: Sequence[str]) -> Int64[Tensor, "n t"]:
        """Right-padded ids, t = the longest text (1..64 words); a text without any word reads as one unknown word."""
        rows = [[self.id(word) for word in split_words(text)] or [UNKNOWN] for text in texts]
        ids = torch.full((len(rows), max(map(len, rows), default=1)), PAD)
        for row, found in zip(ids, rows, strict=True):
            row[: len(found)] = torch.tensor(found)
        return ids
