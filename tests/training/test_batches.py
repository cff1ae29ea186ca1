"""Batches: pure functions of seed and step; no sequence lost, none twice."""

from __future__ import annotations

import pytest
import torch

from maquette.training.batches import (
    batch_at,
    denominators,
    lengths_of,
    micro_batch_rows,
    minibatch_rows,
    rows_of,
    take,
)
from maquette.types import Batch, Prompt, Rollouts

PROMPTS = tuple(Prompt(str(i), f"thing {i}") for i in range(10))


def rollouts_of(lengths: list[int], stages: int = 1) -> Rollouts:
    n, t = len(lengths), max(lengths) + 2
    real = torch.arange(t) < torch.tensor(lengths)[:, None]
    return Rollouts(
        tokens=torch.arange(n * t).view(n, t),
        segment=real.to(torch.int8) * 3,
        sampled=real & (torch.arange(t) > 0),
        logprobs=torch.zeros(n, t),
        answer=torch.arange(n) // stages,
        stage=torch.arange(n) % stages,
    )


def test_an_epoch_shows_each_prompt_once_and_every_step_is_a_function_of_seed_and_step():
    epoch = [batch_at(PROMPTS, step, size=5, seed=3) for step in range(2)]
    assert {prompt.id for batch in epoch for prompt in batch} == {prompt.id for prompt in PROMPTS}
    assert batch_at(PROMPTS, 1, size=5, seed=3) == epoch[1]
    assert batch_at(PROMPTS, 0, size=5, seed=4) != epoch[0]
    assert batch_at(PROMPTS, 2, size=5, seed=3) != epoch[0]


def test_no_batch_holds_a_prompt_twice():
    for step in range(20):
        assert len({prompt.id for prompt in batch_at(PROMPTS, step, size=4, seed=0)}) == 4


def test_too_few_prompts_are_refused_with_both_numbers():
    with pytest.raises(ValueError, match=r"takes 11 prompts, the set has 10"):
        batch_at(PROMPTS, 0, size=11, seed=0)


def test_minibatches_cover_every_row_and_split_no_group():
    answers = torch.arange(12).repeat_interleave(2)
    parts = minibatch_rows(answers, 2, group_size=3, seed=(0, 1, 2))
    assert sorted(torch.cat(parts).tolist()) == list(range(24))
    groups = [set((answers[part] // 3).tolist()) for part in parts]
    assert not groups[0] & groups[1]


def test_micro_batches_cover_every_row_within_the_bound():
    rollouts = rollouts_of([9, 3, 7, 3, 8, 2])
    parts = micro_batch_rows(rollouts, 16)
    assert sorted(torch.cat(parts).tolist()) == list(range(6))
    for part in parts:
        assert len(part) * int(lengths_of(rollouts)[part].max()) <= 16
    assert micro_batch_rows(rollouts, 1)[0].numel() == 1


def test_rows_are_cut_to_the_longest_of_them():
    part = rows_of(rollouts_of([9, 3, 7]), torch.tensor([1, 2]))
    assert part.tokens.shape == (2, 7) and part.answer.tolist() == [1, 2]


def test_a_batch_is_taken_whole():
    rollouts = rollouts_of([5, 3])
    grid = torch.arange(14.0).view(2, 7)
    part = take(Batch(rollouts, torch.tensor([1.0, 2.0]), grid, grid + 1), torch.tensor([1]))
    assert part.old_logprobs.tolist() == [[7, 8, 9]] and part.reference_logprobs.tolist() == [[8, 9, 10]]
    assert part.advantages.tolist() == [2.0]


def test_denominators_by_stage():
    counts = denominators(rollouts_of([5, 3, 4, 2], stages=2), torch.arange(4), 2, longest=9)
    assert counts.tokens.tolist() == [4 + 3, 2 + 1] and counts.sequences.tolist() == [2, 2] and counts.longest == 9
