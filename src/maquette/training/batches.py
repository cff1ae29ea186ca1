"""Which prompts, which minibatch, which micro-batch: pure functions of seed and step, so that a resumed run sees the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from maquette.training.losses import Denominators
from maquette.types import Batch, Prompt, Rollouts


def batch_at(prompts: Sequence[Prompt], step: int, *, size: int, seed: int) -> tuple[Prompt, ...]:
    """The prompts of one step: without replacement through each epoch, whose order is a function of (seed, epoch) alone.

    What is left at the end of an epoch and fills no batch is not shown in that epoch, so no batch holds a prompt twice.
    """
    if len(prompts) < size:
        raise ValueError(
            f"A step takes {size} prompts, the set has {len(prompts)}: lower prompts_per_step or add prompts."
        )
    per_epoch = len(prompts) // size
    epoch, place = divmod(step, per_epoch)
    order = np.random.default_rng([seed, epoch]).permutation(len(prompts))
    return tuple(prompts[i] for i in order[place * size : (place + 1) * size])


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
    )


def take(batch: Batch, rows: Int64[Tensor, " m"]) -> Batch:
    """The same of a whole batch."""
    rollouts = rows_of(batch.rollouts, rows)
    width = rollouts.tokens.shape[1]
    old, reference = batch.old_logprobs, batch.reference_logprobs
    return replace(
        batch,
        rollouts=rollouts,
        advantages=batch.advantages[rows],
        old_logprobs=None if old is None else old[rows, :width],
        reference_logprobs=None if reference is None else reference[rows, :width],
    )


def denominators(rollouts: Rollouts, rows: Int64[Tensor, " m"], stages: int, longest: int) -> Denominators:
    """Sampled tokens and sequences of each stage among `rows`."""
    stage, sampled = rollouts.stage[rows], rollouts.sampled[rows].sum(1).float()
    tokens = torch.zeros(stages).index_add(0, stage, sampled)
    return Denominators(tokens, torch.bincount(stage, minlength=stages).float(), longest)
