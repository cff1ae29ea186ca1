"""Lockstep decoding: reasoning until each row's terminator, then every row's codes in step, exactly `c` of them.

Rows with one and the same prompt (the g answers of a stage that sees nothing else) share one prefill. A row that has ended its
reasoning waits for the others; `<mesh-start>` is forced where the length limit is reached, and marked as not sampled. Row i's random
numbers depend on (seed, first_row + i, step) alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from maquette.policy.cached_decoder import Cache, CachedDecoder, snapshot
from maquette.policy.graphed_step import Step, stepper
from maquette.policy.model import Policy
from maquette.policy.sampling import check_sampling, draw, row_uniforms
from maquette.protocols import Sampling
from maquette.types import Rollouts, SeenImage, SegmentKind


@dataclass(frozen=True)
class _Written:
    """What has been written so far; row r's next token goes to column `slots[r]` of the cache it grows with."""

    tokens: Tensor
    segment: Tensor
    sampled: Tensor
    logprobs: Tensor

    def put(self, rows: Tensor, slots: Tensor, tokens: Tensor, kind: SegmentKind, logprobs: Tensor | None) -> None:
        """One token for each of `rows`; without log-probs it was forced."""
        columns = slots[rows]
        self.tokens[rows, columns] = tokens[rows]
        self.segment[rows, columns] = int(kind)
        if logprobs is not None:
            self.sampled[rows, columns] = True
            self.logprobs[rows, columns] = logprobs[rows]


class LockstepEngine:
    """The in-process `RolloutEngine`: it reads the trainer's own weights, so there is nothing to send.

    `dtype` is that of weights and cache; log-probs are made in float32 either way. bfloat16 is faster and drifts by about 1e-2.
    """

    def __init__(
        self,
        policy: Policy,
        codes_per_shape: int,
        dtype: torch.dtype = torch.float32,
        rows_at_once: int = 64,
    ) -> None:
        self.policy = policy
        self.tokenizer = policy.tokenizer
        self.codes_per_shape = codes_per_shape
        self.dtype = dtype
        self.rows_at_once = rows_at_once
        self.stepped: Callable[[], None] | None = None
        """Called after every token, which all rows of a batch write at once: for those who wait and watch."""

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Copy other weights into the policy that this engine reads; names as in `Policy.state_dict`. Its own are there already."""
        own = self.policy.named_parameters()
        if not all(name in weights and weights[name].data_ptr() == value.data_ptr() for name, value in own):
            self.policy.load_state_dict(dict(weights))

    def look_at(self, image: str) -> SeenImage:
        """As the policy sees it."""
        return self.policy.look_at(image)

    @torch.no_grad()
    def decode(
        self,
        prompts: Sequence[Sequence[int]],
        repeats: int,
        sampling: Sampling,
        images: Sequence[SeenImage | None] = (),
    ) -> Rollouts:
        """len(prompts)·repeats rows, prompt-major. ValueError where a prompt is empty or leaves no room for the answer."""
        check_sampling(sampling)
        decoder, head = CachedDecoder(self.policy.decoder, self.dtype), snapshot(self.policy.head_weight, self.dtype)
        longest = max((len(p) for p in prompts), default=0) + max(1, sampling.max_reasoning) + self.codes_per_shape + 1
        if not prompts or repeats < 1 or min(len(p) for p in prompts) < 1:
            raise ValueError(
                f"Decoding needs prompts of at least one token and repeats ≥ 1, not {len(prompts)} × {repeats}."
            )
        if longest > decoder.limit:
            raise ValueError(
                f"Prompt, reasoning and codes may need {longest} tokens; this model reads {decoder.limit}."
            )
        whole = max(1, self.rows_at_once // repeats)
        parts = []
        for first in range(0, len(prompts), whole):
            group = prompts[first : first + whole]
            row = sampling.first_row + first * repeats
            seen = images[first : first + whole]
            parts.append(self._decode_rows(decoder, head, group, repeats, sampling, row, seen))
        shown = tuple(image for image in images for _ in range(repeats)) if any(images) else ()
        return _joined(parts, self.policy.tokenizer.pad, shown)

    def _decode_rows(
        self,
        decoder: CachedDecoder,
        head: Tensor,
        prompts: Sequence[Sequence[int]],
        repeats: int,
        sampling: Sampling,
        first: int,
        images: Sequence[SeenImage | None],
    ) -> _Written:
        device, n = head.device, len(prompts) * repeats
        whole = [(tuple(p), id(image)) for p, image in zip(prompts, images or [None] * len(prompts), strict=True)]
        unlike = list(dict.fromkeys(whole))
        different, seen = [p for p, _ in unlike], [images[whole.index(one)] for one in unlike] if images else []
        lengths = torch.tensor([len(p) for p in different])
        owner = torch.tensor([unlike.index(one) for one in whole]).repeat_interleave(repeats)
        budget = max(1, sampling.max_reasoning)
        capacity = int(lengths.max()) + budget + self.codes_per_shape + 1
        padded = torch.full((len(different), int(lengths.max())), self.policy.tokenizer.pad)
        for row, prompt in enumerate(different):
            padded[row, : len(prompt)] = torch.tensor(prompt)
        image_token = self.policy.tokenizer.image_frame[1] if any(seen) else -1
        hidden, cache = decoder.prefill(
            padded.to(device), lengths.to(device), owner.to(device), capacity, seen, image_token
        )
        written = _Written(
            torch.full((n, capacity), self.policy.tokenizer.pad, device=device),
            torch.zeros(n, capacity, dtype=torch.int8, device=device),
            torch.zeros(n, capacity, dtype=torch.bool, device=device),
            torch.zeros(n, capacity, device=device),
        )
        written.tokens[:, : padded.shape[1]] = padded[owner].to(device)
        written.segment[torch.arange(capacity, device=device) < cache.slots[:, None]] = int(SegmentKind.PROMPT)
        uniforms = row_uniforms(sampling.seed, range(first, first + n), budget + self.codes_per_shape).to(device)
        step = stepper(decoder, cache)
        if self.stepped is not None:
            step = _told(step, self.stepped)
        hidden = self._reason(step, head, hidden, cache, written, uniforms[:, :budget], sampling)
        self._shape(step, head, hidden, cache, written, uniforms[:, budget:], sampling)
        return written

    def _reason(
        self,
        step: Step,
        whole_head: Tensor,
        hidden: Tensor,
        cache: Cache,
        written: _Written,
        uniforms: Tensor,
        sampling: Sampling,
    ) -> Tensor:
        """Write every row's reasoning and its `<mesh-start>`; returns the hidden states after that."""
        kind, start = SegmentKind.REASONING, self.policy.tokenizer.vocabulary.start_id
        support = self.policy.supports[kind]
        ids, head = support.ids.to(hidden.device), support.weight_views(whole_head)
        active = torch.ones(len(hidden), dtype=torch.bool, device=hidden.device)
        last = uniforms.shape[1] - 1
        for index in range(last + 1):
            if index == last:
                tokens, logprobs = torch.full_like(cache.slots, start), None
            else:
                column, logprobs = draw(_logits(hidden, head), uniforms[:, index], sampling)
                tokens = ids[column]
            written.put(active.nonzero()[:, 0], cache.slots, tokens, kind, logprobs)
            fed = step(tokens, int(cache.slots.max()) + 1)
            hidden = torch.where(active[:, None], fed, hidden)
            cache.slots[active] += 1
            active &= tokens != start
            if not active.any():
                break
        return hidden

    def _shape(
        self,
        step: Step,
        whole_head: Tensor,
        hidden: Tensor,
        cache: Cache,
        written: _Written,
        uniforms: Tensor,
        sampling: Sampling,
    ) -> None:
        """Write every row's codes and its `<mesh-end>`."""
        kind = SegmentKind.SHAPE
        support = self.policy.supports[kind]
        ids, head = support.ids.to(hidden.device), support.weight_views(whole_head)
        rows = torch.arange(len(hidden), device=hidden.device)
        filled = int(cache.slots.max()) + 1
        for index in range(self.codes_per_shape):
            column, logprobs = draw(_logits(hidden, head), uniforms[:, index], sampling)
            tokens = ids[column]
            written.put(rows, cache.slots, tokens, kind, logprobs)
            if index < self.codes_per_shape - 1:
                hidden = step(tokens, filled + index)
            cache.slots.add_(1)
        ends = torch.full_like(cache.slots, self.policy.tokenizer.vocabulary.end_id)
        written.put(rows, cache.slots, ends, kind, None)


def _told(step: Step, stepped: Callable[[], None]) -> Step:
    def both(tokens: Int64[Tensor, " n"], filled: int) -> Float[Tensor, "n d"]:
        hidden = step(tokens, filled)
        stepped()
        return hidden

    return both


def _logits(hidden: Tensor, head: Sequence[Tensor]) -> Tensor:
    parts = [torch.nn.functional.linear(hidden, rows) for rows in head]
    return torch.cat(parts, -1) if len(parts) > 1 else parts[0]


def _joined(parts: list[_Written], pad: int, images: tuple[SeenImage | None, ...]) -> Rollouts:
    """All rows in one batch on the CPU, cut to the longest."""
    width = max(int((part.segment != 0).sum(1).max()) for part in parts)

    def fitted(columns: list[Tensor], fill: int = 0) -> Tensor:
        grown = [torch.nn.functional.pad(x, (0, max(0, width - x.shape[1])), value=fill) for x in columns]
        return torch.cat([x[:, :width] for x in grown]).cpu()  # what follows indexes and parses

    tokens = fitted([part.tokens for part in parts], pad)
    rows = torch.arange(len(tokens))
    return Rollouts(
        tokens,
        fitted([part.segment for part in parts]),
        fitted([part.sampled for part in parts]),
        fitted([part.logprobs for part in parts]),
        rows,
        torch.zeros_like(rows),
        images,
    )
