"""Which prompts, which minibatch, which micro-batch: pure functions of seed and step, so that a resumed run sees the same."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from maquette.training.losses import Denominators
from maquette.types import Batch, Prompt, Rollouts, SegmentKind


def draw_prompts(
    prompts: Sequence[Prompt], cursor: int, count: int, *, seed: int, taken: Collection[str] = ()
) -> tuple[tuple[Prompt, ...], int]:
    """The next `count` prompts of an endless stream and where it then stands; `cursor` is how many it has given or passed over.

    Each epoch is a permutation of the set, a function of (seed, epoch) alone. What is in `taken` (ids) or was drawn in this very
    call is passed over, so that no batch holds a prompt twice. ValueError where the set has too few.
    """
    needed = count + len(taken)
    if len(prompts) < needed:
        raise ValueError(
            f"A step takes {needed} prompts, the set has {len(prompts)}: lower prompts_per_step or add prompts."
        )
    drawn: dict[str, Prompt] = {}
    while len(drawn) < count:
        epoch, place = divmod(cursor, len(prompts))
        order = np.random.default_rng([seed, epoch]).permutation(len(prompts))
        for index in order[place:]:
            cursor += 1
            if prompts[index].id not in drawn and prompts[index].id not in taken:
                drawn[prompts[index].id] = prompts[index]
            if len(drawn) == count:
                break
    return tuple(drawn.values()), cursor


def minibatch_rows(
    answers: Int64[Tensor, " n"], count: int, *, group_size: int, seed: Sequence[int], first_group: int = 0
) -> list[Int64[Tensor, " m"]]:
    """Rows of each of `count` minibatches; whole groups, dealt by a function of `seed` and of their place among all groups.

    Of every `count` consecutive groups each minibatch gets one: a process that holds some of the groups (from `first_group` on)
    has its even share of every minibatch, and who holds what changes no minibatch.
    """
    place = first_group + answers // group_size
    blocks = int(place.max()) // count + 1
    rng = np.random.default_rng(list(seed))
    dealt = torch.from_numpy(np.concatenate([rng.permutation(count) for _ in range(blocks)]))
    return [(dealt[place] == index).nonzero()[:, 0] for index in range(count)]


def micro_batch_rows(rollouts: Rollouts, most_tokens: int) -> list[Int64[Tensor, " m"]]:
    """Rows of each forward pass: alike in length, so that little is padded, and at most `most_tokens` with the padding."""
    lengths = lengths_of(rollouts)
    parts: list[list[int]] = [[]]
    for row in lengths.argsort(stable=True).tolist():
        if parts[-1] and (len(parts[-1]) + 1) * int(lengths[row]) > most_tokens:
            parts.append([])
        parts[-1].append(row)
    return [torch.tensor(part) for part in parts]


def lengths_of(rollouts: Rollouts) -> Int64[Tensor, " n"]:
    """Tokens of each sequence, padding not counted (segment kind 0)."""
    places = torch.arange(1, rollouts.tokens.shape[1] + 1)
    return ((rollouts.segment != 0) * places).amax(1)


def rows_of(rollouts: Rollouts, rows: Int64[Tensor, " m"]) -> Rollouts:
    """Some of the sequences, cut to the longest of them."""
    longest = int(lengths_of(rollouts)[rows].max())
    return Rollouts(
        tokens=rollouts.tokens[rows, :longest],
        segment=rollouts.segment[rows, :longest],
        sampled=rollouts.sampled[rows, :longest],
        logprobs=rollouts.logprobs[rows, :longest],
        answer=rollouts.answer[rows],
        stage=rollouts.stage[rows],
        images=tuple(rollouts.images[row] for row in rows.tolist()) if rollouts.images else (),
    )


def take(batch: Batch, rows: Int64[Tensor, " m"]) -> Batch:
    """The same of a whole batch."""
    rollouts = rows_of(batch.rollouts, rows)
    width = rollouts.tokens.shape[1]
    old, reference = batch.old_logprobs, batch.reference_logprobs
    return replace(
        batch,
        rollouts=rollouts,
        advantages=batch.advantages[rows, :width],
        weights=batch.weights[rows, :width],
        old_logprobs=None if old is None else old[rows, :width],
        reference_logprobs=None if reference is None else reference[rows, :width],
    )


def token_weights(rollouts: Rollouts, reasoning: Sequence[float]) -> Float[Tensor, "n t"]:
    """1 for a sampled code, the stage's own of `reasoning` for a sampled reasoning token, 0 where not sampled."""
    own = torch.tensor(reasoning, dtype=torch.float32)[rollouts.stage][:, None]
    return torch.where(rollouts.segment == SegmentKind.REASONING, own, 1.0) * rollouts.sampled


def denominators(batch: Batch, rows: Int64[Tensor, " m"], longest: Float[Tensor, " s"]) -> Denominators:
    """Weights of sampled tokens, and sequences with a token that counts, of each stage among `rows`."""
    stage, weights = batch.rollouts.stage[rows], batch.weights[rows].sum(1)
    tokens = torch.zeros(len(longest)).index_add(0, stage, weights)
    sequences = torch.zeros(len(longest)).index_add(0, stage, (weights > 0).float())
    return Denominators(tokens, sequences, longest)
