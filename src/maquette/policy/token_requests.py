"""An answer as two requests to an engine that draws tokens: the reasoning, then exactly c codes.

What vLLM in this process and vLLM behind an address have in common. Reasoning is asked with text and `<mesh-start>` allowed, the shape
with codes alone; an engine's prefix cache makes the second prompt, and that of the g answers of a prompt, nearly free.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from maquette.policy.model import Policy
from maquette.policy.sampling import check_sampling
from maquette.protocols import Sampling
from maquette.types import Rollouts, SeenImage, SegmentKind


@dataclass(frozen=True)
class TokenRequest:
    """What is to be drawn after `prompt`; every field has vLLM's meaning."""

    prompt: list[int]
    allowed_token_ids: list[int]
    seed: int
    max_tokens: int
    min_tokens: int = 0
    stop_token_ids: tuple[int, ...] = ()
    ignore_eos: bool = False


@dataclass(frozen=True)
class Drawn:
    """Tokens, the stop token with them, and the log-prob of each under what it was drawn from."""

    tokens: list[int]
    logprobs: list[float]


Ask = Callable[[Sequence[TokenRequest]], list[Drawn]]


@dataclass(frozen=True)
class _Row:
    """One answer as it grows."""

    tokens: list[int]
    segment: list[int]
    sampled: list[bool]
    logprobs: list[float]

    def put(self, tokens: Sequence[int], kind: SegmentKind, logprobs: Sequence[float] | None) -> None:
        """Without log-probs the tokens were forced."""
        self.tokens.extend(tokens)
        self.segment.extend([int(kind)] * len(tokens))
        self.sampled.extend([logprobs is not None] * len(tokens))
        self.logprobs.extend(logprobs if logprobs is not None else [0.0] * len(tokens))


def decode_by_requests(
    policy: Policy, codes: int, prompts: Sequence[Sequence[int]], repeats: int, sampling: Sampling, ask: Ask
) -> Rollouts:
    """As `RolloutEngine.decode`; row i's random numbers depend on (seed, first_row + i) alone."""
    check_sampling(sampling)
    if not prompts or repeats < 1 or min(len(p) for p in prompts) < 1:
        raise ValueError(
            f"Decoding needs prompts of at least one token and repeats ≥ 1, not {len(prompts)} × {repeats}."
        )
    kind = int(SegmentKind.PROMPT)
    rows = [_Row(list(p), [kind] * len(p), [False] * len(p), [0.0] * len(p)) for p in prompts for _ in range(repeats)]
    _reason(policy, rows, sampling, ask)
    _shape(policy, rows, sampling, ask, codes)
    return _joined(rows, policy.tokenizer.pad)


def refuse_images(images: Sequence[SeenImage | None]) -> None:
    """ValueError where a prompt carries a picture: these engines are sent tokens alone."""
    if any(images):
        raise ValueError("policy.engine=vllm decodes no image prompts: take policy.engine=lockstep.")


def _reason(policy: Policy, rows: Sequence[_Row], sampling: Sampling, ask: Ask) -> None:
    start, kind = policy.tokenizer.vocabulary.start_id, SegmentKind.REASONING
    budget = max(1, sampling.max_reasoning) - 1
    if budget:
        allowed = policy.supports[kind].ids.tolist()
        asked = [
            TokenRequest(list(row.tokens), allowed, _seed(sampling, 2 * i), budget, stop_token_ids=(start,))
            for i, row in enumerate(rows)
        ]
        for row, drawn in zip(rows, ask(asked), strict=True):
            row.put(drawn.tokens, kind, drawn.logprobs)
    for row in rows:
        if row.tokens[-1] != start or row.segment[-1] != kind:
            row.put([start], kind, None)


def _shape(policy: Policy, rows: Sequence[_Row], sampling: Sampling, ask: Ask, codes: int) -> None:
    kind = SegmentKind.SHAPE
    allowed = policy.supports[kind].ids.tolist()
    asked = [
        TokenRequest(list(row.tokens), allowed, _seed(sampling, 2 * i + 1), codes, codes, ignore_eos=True)
        for i, row in enumerate(rows)
    ]
    for row, drawn in zip(rows, ask(asked), strict=True):
        row.put(drawn.tokens, kind, drawn.logprobs)
        row.put([policy.tokenizer.vocabulary.end_id], kind, None)


def _seed(sampling: Sampling, stream: int) -> int:
    return (sampling.seed * 1_000_003 + 2 * sampling.first_row + stream) % 2**63


def _joined(rows: Sequence[_Row], pad: int) -> Rollouts:
    width = max(len(row.tokens) for row in rows)

    def padded(columns: list[list], fill: float | int, dtype: torch.dtype) -> Tensor:
        return torch.tensor([column + [fill] * (width - len(column)) for column in columns], dtype=dtype)

    return Rollouts(
        padded([row.tokens for row in rows], pad, torch.int64),
        padded([row.segment for row in rows], int(SegmentKind.PAD), torch.int8),
        padded([row.sampled for row in rows], False, torch.bool),
        padded([row.logprobs for row in rows], 0.0, torch.float32),
        torch.arange(len(rows)),
        torch.zeros(len(rows), dtype=torch.int64),
    )
