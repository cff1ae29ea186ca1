"""Advantages: numbers worked by hand, and laws."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from maquette.config import RewardWeights, StageSpec
from maquette.training.advantages import (
    ADVANTAGES,
    EPSILON,
    kind_returns,
    mix,
    normalise,
    returns,
    stage_advantages,
    token_advantages,
)
from maquette.types import Rollouts, Scores

NAN = float("nan")


def scores(names: tuple[str, ...], values: list[list[list[float]]], missing=None) -> Scores:
    """`values` [k a s] in lists."""
    table = torch.tensor(values)
    return Scores(
        names,
        table,
        torch.zeros_like(table, dtype=torch.bool) if missing is None else missing,
        torch.zeros(table.shape[1:], dtype=torch.bool),
    )


def stages(*weights: RewardWeights, from_next: float = 1.0) -> list[StageSpec]:
    flow = [from_next] * (len(weights) - 1) + [0.0]
    return [StageSpec(name=f"s{i}", rewards=w, from_next=f) for i, (w, f) in enumerate(zip(weights, flow, strict=True))]


def test_paper_mixing_is_the_weighted_sum():
    one = scores(("preference", "parts"), [[[0.2], [0.4]], [[2.0], [1.0]]])
    mixed = mix(one, stages(RewardWeights(preference=1.0, parts=0.5)), group_size=2, mixing="paper")
    torch.testing.assert_close(mixed.float(), torch.tensor([[1.2], [0.9]]))


def test_standardised_mixing_gives_a_narrow_judge_the_same_say_as_a_wide_one():
    one = scores(("preference", "alignment"), [[[0.20], [0.22]], [[5.0], [1.0]]])
    mixed = mix(one, stages(RewardWeights(preference=1.0, alignment=1.0)), group_size=2, mixing="standardised")
    assert mixed[:, 0].tolist() == pytest.approx([-0.01 / 0.0101 + 2 / 2.0001, 0.01 / 0.0101 - 2 / 2.0001], rel=1e-5)


@pytest.mark.parametrize("mixing", ["paper", "standardised"])
def test_a_missing_score_moves_no_answer(mixing):
    values = [[[1.0], [NAN], [3.0]]]
    one = scores(("preference",), values, missing=torch.tensor([[[False], [True], [False]]]))
    chain = stages(RewardWeights(preference=1.0))
    advantages = stage_advantages(one, chain, group_size=3, mixing=mixing, advantage="mean")
    assert advantages[1, 0].tolist() == pytest.approx([0.0, 0.0], abs=1e-12)
    assert advantages[0, 0].tolist() == pytest.approx((-advantages[2, 0]).tolist())


def test_a_part_that_a_stage_does_not_use_counts_nowhere():
    one = scores(("preference", "parts"), [[[1.0, 1.0], [2.0, 2.0]], [[NAN, 4.0], [NAN, 8.0]]])
    chain = stages(RewardWeights(preference=1.0), RewardWeights(parts=1.0), from_next=0.0)
    assert mix(one, chain, group_size=2, mixing="paper").tolist() == [[1.0, 4.0], [2.0, 8.0]]


def test_returns_flow_from_last_to_first():
    flowed = returns(torch.tensor([[1.0, 10.0, 100.0]]), [0.5, 2.0, 0.0])
    assert flowed.tolist() == [[1 + 0.5 * (10 + 2 * 100), 10 + 2 * 100, 100.0]]


def test_group_normalisation_by_hand():
    rewards = torch.tensor([[1.0], [2.0], [3.0], [6.0]])
    sigma = math.sqrt((4 + 1 + 0 + 9) / 4)
    by_hand = [-2 / (sigma + EPSILON), -1 / (sigma + EPSILON), 0.0, 3 / (sigma + EPSILON)]
    assert normalise(rewards, group_size=4, kind="group")[:, 0].tolist() == pytest.approx(by_hand)
    assert normalise(rewards, group_size=4, kind="mean")[:, 0].tolist() == [-2, -1, 0, 3]
    assert normalise(rewards, group_size=4, kind="loo")[:, 0].tolist() == pytest.approx(
        [1 - 11 / 3, 2 - 10 / 3, 0, 6 - 2]
    )
    assert normalise(rewards, group_size=4, kind="rank")[:, 0].tolist() == pytest.approx([-1, -1 / 3, 1 / 3, 1])


def test_ties_share_their_rank():
    assert normalise(torch.tensor([[1.0], [1.0], [5.0]]), group_size=3, kind="rank")[:, 0].tolist() == [-0.5, -0.5, 1.0]


@pytest.mark.parametrize("kind", ["group", "mean", "loo", "rank"])
def test_advantages_of_a_group_and_stage_sum_to_zero(kind):
    rewards = torch.randn(12, 2, generator=torch.Generator().manual_seed(0))
    sums = normalise(rewards, group_size=4, kind=kind).view(3, 4, 2).sum(1)
    torch.testing.assert_close(sums, torch.zeros_like(sums), atol=1e-9, rtol=0)


@pytest.mark.parametrize("kind", ["group", "mean", "loo", "rank"])
@pytest.mark.parametrize("mixing", ["paper", "standardised"])
def test_a_group_of_equals_learns_nothing(kind, mixing):
    one = scores(("preference", "parts"), [[[0.1], [0.1], [0.1]], [[1 / 3], [1 / 3], [1 / 3]]])
    chain = stages(RewardWeights(preference=1.0, parts=1.0))
    advantages = stage_advantages(one, chain, group_size=3, mixing=mixing, advantage=kind)
    assert advantages.abs().max() < 1e-8


def test_the_order_is_mix_then_flow_then_normalise():
    one = scores(("preference",), [[[0.0, 3.0], [1.0, 0.0]]])
    chain = stages(RewardWeights(preference=1.0), RewardWeights(preference=1.0), from_next=1.0)
    advantages = stage_advantages(one, chain, group_size=2, mixing="paper", advantage="mean")
    assert advantages[..., 0].tolist() == [[1.0, 1.5], [-1.0, -1.5]] == advantages[..., 1].tolist()


def test_what_flows_to_the_reasoning_alone_leaves_the_codes_their_own_reward():
    one = scores(("preference",), [[[0.0, 3.0], [1.0, 0.0]]])
    chain = stages(RewardWeights(preference=1.0), RewardWeights(preference=1.0), from_next=1.0)
    chain[0] = replace(chain[0], from_next_on="reasoning")
    advantages = stage_advantages(one, chain, group_size=2, mixing="paper", advantage="mean")
    assert advantages[:, 0].tolist() == [[1.0, -0.5], [-1.0, 0.5]]  # reasoning: 3 against 1; codes: 0 against 1
    assert advantages[:, 1].tolist() == [[1.5, 1.5], [-1.5, -1.5]]


def test_through_a_chain_of_three_the_flow_goes_on_past_a_stage_whose_codes_it_leaves_out():
    chain = [StageSpec(name=str(i), from_next=f, from_next_on="reasoning") for i, f in enumerate((0.5, 2.0, 0.0))]
    flowed = kind_returns(torch.tensor([[1.0, 10.0, 100.0]]), chain)
    assert flowed[0].tolist() == [[1 + 0.5 * 210, 1.0], [210.0, 10.0], [100.0, 100.0]]


def test_a_stage_that_is_not_informative_gets_nothing():
    one = scores(("preference",), [[[0.0, 3.0], [1.0, 0.0], [5.0, 1.0], [7.0, 2.0]]])
    chain = stages(RewardWeights(preference=1.0), RewardWeights(preference=1.0), from_next=0.0)
    informative = torch.tensor([[True, False], [False, True]])[..., None].expand(2, 2, 2)
    got = stage_advantages(one, chain, group_size=2, mixing="paper", advantage="mean", informative=informative)
    assert got[..., 0].tolist() == [[-0.5, 0.0], [0.5, 0.0], [0.0, -0.5], [0.0, 0.5]]


def test_each_token_has_the_advantage_of_its_answer_stage_and_kind():
    segment = torch.tensor([[1, 2, 2, 3], [1, 2, 3, 0], [1, 2, 3, 3], [1, 3, 3, 0]], dtype=torch.int8)
    nothing = torch.zeros(4, 4)
    rollouts = Rollouts(
        nothing.long(), segment, segment > 1, nothing, torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1])
    )
    advantages = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]])
    rows = token_advantages(rollouts, advantages) * rollouts.sampled
    assert rows.tolist() == [[0, 1, 1, 2], [0, 3, 4, 0], [0, 5, 6, 6], [0, 8, 8, 0]]


def test_the_best_of_each_group_is_chosen_and_none_among_equals():
    rewards = torch.tensor([[1.0, 4.0], [3.0, 4.0], [2.0, 4.0]])
    assert normalise(rewards, group_size=3, kind="best").tolist() == [[0, 0], [1, 0], [0, 0]]
    assert normalise(torch.tensor([[2.0], [2.0], [1.0]]), group_size=3, kind="best")[:, 0].tolist() == [1, 0, 0]


def test_an_infinite_reward_is_refused_by_name():
    one = scores(("preference", "parts"), [[[0.1], [0.2]], [[float("inf")], [1.0]]])
    with pytest.raises(ValueError, match="parts"):
        mix(one, stages(RewardWeights(preference=1.0, parts=1.0)), group_size=2, mixing="paper")


def test_equals_get_exactly_nothing_whatever_their_number():
    """Their mean is off by a rounding, which a deviation of 1e-4 would blow up."""
    for size in (3, 7, 12):
        equal = torch.full((size * 2, 1), 0.1, dtype=torch.float64)
        for kind in ADVANTAGES:
            assert not normalise(equal, group_size=size, kind=kind).any(), kind
