"""Batches: pure functions of seed and step; no sequence lost, none twice."""

from __future__ import annotations

import pytest
import torch

from maquette.training.batches import (
    denominators,
    draw_prompts,
    lengths_of,
    micro_batch_rows,
    minibatch_rows,
    rows_of,
    take,
    token_weights,
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


def test_an_epoch_shows_each_prompt_once_and_the_stream_is_a_function_of_seed_and_cursor():
    first, cursor = draw_prompts(PROMPTS, 0, 5, seed=3)
    second, end = draw_prompts(PROMPTS, cursor, 5, seed=3)
    assert cursor == 5 and end == 10
    assert {prompt.id for prompt in first + second} == {prompt.id for prompt in PROMPTS}
    assert draw_prompts(PROMPTS, 5, 5, seed=3) == (second, 10)
    assert draw_prompts(PROMPTS, 0, 5, seed=4)[0] != first
    assert draw_prompts(PROMPTS, 10, 5, seed=3)[0] != first  # the next epoch has another order


def test_no_batch_holds_a_prompt_twice_even_across_epochs():
    cursor = 0
    for _ in range(20):
        drawn, cursor = draw_prompts(PROMPTS, cursor, 4, seed=0)
        assert len({prompt.id for prompt in drawn}) == 4


def test_what_is_taken_is_passed_over():
    taken = [prompt.id for prompt in PROMPTS[:8]]
    drawn, cursor = draw_prompts(PROMPTS, 7, 2, seed=0, taken=taken)
    assert {prompt.id for prompt in drawn} == {"8", "9"} and cursor > 8


def test_too_few_prompts_are_refused_with_both_numbers():
    with pytest.raises(ValueError, match=r"takes 11 prompts, the set has 10"):
        draw_prompts(PROMPTS, 0, 11, seed=0)
    with pytest.raises(ValueError, match=r"takes 11 prompts, the set has 10"):
        draw_prompts(PROMPTS, 0, 10, seed=0, taken=["3"])


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
    part = take(Batch(rollouts, grid + 2, grid + 3, grid, grid + 1), torch.tensor([1]))
    assert part.old_logprobs.tolist() == [[7, 8, 9]] and part.reference_logprobs.tolist() == [[8, 9, 10]]
    assert part.advantages.tolist() == [[9, 10, 11]] and part.weights.tolist() == [[10, 11, 12]]


def test_denominators_by_stage_count_weights_and_the_sequences_that_have_any():
    rollouts = rollouts_of([5, 3, 4, 2], stages=2)
    grid = torch.zeros(4, 7)
    counts = denominators(
        Batch(rollouts, grid, token_weights(rollouts, (1.0, 1.0)), None, None),
        torch.arange(4),
        torch.tensor([9.0, 7.0]),
    )
    assert (
        counts.tokens.tolist() == [4 + 3, 2 + 1]
        and counts.sequences.tolist() == [2, 2]
        and counts.longest.tolist() == [9, 7]
    )
    muted = token_weights(rollouts, (0.5, 1.0)) * torch.tensor([[1.0], [1.0], [1.0], [0.0]])
    counts = denominators(Batch(rollouts, grid, muted, None, None), torch.arange(4), torch.tensor([9.0, 7.0]))
    assert counts.tokens.tolist() == [4 + 3, 2] and counts.sequences.tolist() == [2, 1]


def test_reasoning_weighs_what_its_stage_says():
    rollouts = rollouts_of([5, 3], stages=2)
    rollouts.segment[:, 1] = 2
    assert token_weights(rollouts, (0.25, 2.0)).tolist() == [[0, 0.25, 1, 1, 1, 0, 0], [0, 2, 1, 0, 0, 0, 0]]
