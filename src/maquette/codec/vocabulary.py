"""Codes ↔ token ids: the mesh tokens are found by name, and what a policy writes is parsed strictly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Int64
from torch import Tensor

MESH_START, MESH_END = "<mesh-start>", "<mesh-end>"


def mesh_token(code: int) -> str:
    """ShapeLLM-Omni's spelling: 7 -> '<mesh7>'."""
    return f"<mesh{code}>"


@runtime_checkable
class NamedTokens(Protocol):
    """Any tokenizer of transformers or tokenizers."""

    def get_vocab(self) -> dict[str, int]: ...


@dataclass(frozen=True)
class Parsed:
    """The codes of a well-formed shape, or None and the reason why it is none."""

    codes: Int64[Tensor, " c"] | None
    reason: str = ""


@dataclass(frozen=True)
class Vocabulary:
    """Which token stands for which code."""

    start_id: int
    end_id: int
    code_ids: Int64[Tensor, " k"]
    """Token id of code k; the ids may lie anywhere, in any order."""

    @classmethod
    def from_tokenizer(cls, tokenizer: NamedTokens, codebook_size: int) -> Vocabulary:
        """Raises ValueError naming the first mesh token that the tokenizer lacks, or one beyond the codebook."""
        ids = tokenizer.get_vocab()
        wanted = [MESH_START, MESH_END, *map(mesh_token, range(codebook_size))]
        for name in wanted:
            if name not in ids:
                raise ValueError(
                    f"The tokenizer has no {name}; a codebook of {codebook_size} codes needs {mesh_token(0)} to {wanted[-1]}."
                )
        if mesh_token(codebook_size) in ids:
            raise ValueError(
                f"The tokenizer has {mesh_token(codebook_size)}, but the codebook ends at {wanted[-1]}: take the codec it was made for."
            )
        return cls(ids[MESH_START], ids[MESH_END], torch.tensor([ids[name] for name in wanted[2:]]))

    @property
    def codebook_size(self) -> int:
        return len(self.code_ids)

    def encode(self, codes: Int64[Tensor, " c"]) -> list[int]:
        """`<mesh-start>`, the codes, `<mesh-end>`. Raises IndexError for a code outside the codebook."""
        if len(codes) and int(codes.min()) < 0:
            raise IndexError(f"code {int(codes.min())} is outside the codebook of {self.codebook_size} codes")
        return [self.start_id, *self.code_ids[codes].tolist(), self.end_id]

    def parse(self, ids: Sequence[int], codes_per_shape: int) -> Parsed:
        """The codes of exactly `<mesh-start>`, `codes_per_shape` code tokens, `<mesh-end>`; nothing is padded, cut or guessed."""
        if not ids or ids[0] != self.start_id:
            return Parsed(None, f"does not begin with {MESH_START}")
        if ids[-1] != self.end_id:
            return Parsed(None, f"does not end with {MESH_END}")
        inner = torch.tensor(ids[1:-1], dtype=torch.int64)
        codes = self.codes_of(inner)
        foreign = (codes < 0).nonzero().flatten()
        if len(foreign):
            return Parsed(None, f"token {int(inner[foreign[0]])} at place {int(foreign[0])} is not a code")
        if len(codes) != codes_per_shape:
            return Parsed(None, f"has {len(codes)} codes instead of {codes_per_shape}")
        return Parsed(codes)

    def codes_of(self, ids: Int64[Tensor, "*any"]) -> Int64[Tensor, "*any"]:
        """The code of every token id, -1 for tokens that are no code."""
        ordered, order = self.code_ids.sort()
        place = torch.searchsorted(ordered, ids).clamp(max=self.codebook_size - 1)
        return torch.where(ordered[place] == ids, order[place], -1)
