"""The update: whose log-probs the ratios compare, the sampler's drift and its correction, and the mass outside the support."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from maquette.config import AlgorithmConfig, OptimiserConfig
from maquette.policy.lockstep import LockstepEngine
from maquette.protocols import Sampling
from maquette.tracking import Stopwatch
from maquette.training.update import (
    Learner,
    loss_inputs,
    make_batch,
    make_optimizer,
    sampler_correction,
    update,
    watched,
)
from maquette.types import Rollouts, SegmentKind
from tests.tiny import GEOMETRY, tiny_policy

OPTIMISER = OptimiserConfig(lr=1e-2, micro_batch_tokens=400)


def learner_of(algorithm: AlgorithmConfig, optimiser: OptimiserConfig = OPTIMISER, reasoning: float = 1.0) -> Learner:
    policy = tiny_policy(0)
    return Learner(policy, None, make_optimizer(policy, optimiser), algorithm, optimiser, 1.0, (19,), (reasoning,))


def rolled(learner: Learner, dtype: torch.dtype = torch.float32, seed: int = 0) -> Rollouts:
    engine = LockstepEngine(learner.policy, GEOMETRY.codes_per_shape, dtype)
    return engine.decode([learner.policy.tokenizer.chat("a red chair")], 8, Sampling(seed=seed, max_reasoning=4))


def advantages(value: float = 1.0) -> torch.Tensor:
    return torch.tensor([value, -value] * 4, dtype=torch.float64)[:, None, None].expand(8, 1, 2)


def step(learner: Learner, rollouts: Rollouts, value: float = 1.0) -> dict[str, float]:
    return update(learner, rollouts, advantages(value), group_size=8, seed=(0, 0), clock=Stopwatch())


def test_the_correction_by_hand():
    old = torch.log(torch.tensor([[0.5, 0.2, 0.9]]))
    sampler = torch.log(torch.tensor([[0.25, 0.4, 0.1]]))
    sampled = torch.tensor([[True, True, False]])
    assert sampler_correction(old, sampler, sampled, 1.5)[0].tolist() == pytest.approx([1.5, 0.5, 1.0])


def test_the_correction_weighs_each_tokens_advantage_and_is_off_by_default():
    learner = learner_of(AlgorithmConfig(kl="none"))
    rollouts = rolled(learner)
    rollouts = replace(rollouts, logprobs=rollouts.logprobs - 0.5 * rollouts.sampled)
    batch = make_batch(learner, rollouts, advantages(), Stopwatch())
    scored = learner.score(learner.policy, rollouts)
    plain, mended = loss_inputs(batch, scored), loss_inputs(batch, scored, 1.2)
    share = (mended.advantages / plain.advantages)[rollouts.sampled]
    torch.testing.assert_close(share, torch.full_like(share, 1.2))
    less = loss_inputs(batch, scored, 2.0).advantages[rollouts.sampled] / plain.advantages[rollouts.sampled]
    torch.testing.assert_close(less, torch.full_like(less, 0.5).exp(), atol=1e-3, rtol=0)


def test_a_sampler_that_drifts_is_measured_and_moves_no_ratio():
    learner = learner_of(AlgorithmConfig(kl="none", updates_per_rollout=2), replace(OPTIMISER, lr=0.0))
    exact = step(learner, rolled(learner))
    coarse = step(learner, rolled(learner, torch.bfloat16))
    assert exact["sampler_drift"] < 1e-5 < 10 * exact["sampler_drift"] + 1e-5 < coarse["sampler_drift"]
    assert coarse["ratio_max"] == pytest.approx(1.0, abs=1e-5)


def test_the_penalty_draws_mass_into_the_support():
    course = {}
    for penalty in (0.0, 1.0):
        learner = learner_of(AlgorithmConfig(kl="none", outside_penalty=penalty))
        course[penalty] = [step(learner, rolled(learner, seed=i), value=0.0)["outside_mass"] for i in range(6)]
    assert course[1.0][0] == pytest.approx(course[0.0][0]) and course[0.0][0] > 0.1
    assert course[0.0][-1] == pytest.approx(course[0.0][0], abs=0.1) and course[1.0][-1] < course[1.0][0] / 2


@pytest.mark.parametrize("loss", ["dapo", "gspo"])
def test_a_reasoning_weight_of_0_is_as_if_reasoning_were_not_sampled(loss: str):
    moved = []
    for reasoning in (0.0, 1.0):
        learner = learner_of(AlgorithmConfig(loss=loss, kl="none", updates_per_rollout=2), reasoning=reasoning)
        rollouts = rolled(learner)
        if reasoning:
            rollouts = replace(rollouts, sampled=rollouts.sampled & (rollouts.segment == SegmentKind.SHAPE))
        step(learner, rollouts)
        moved.append(learner.policy.state_dict())
    for name, value in moved[0].items():
        torch.testing.assert_close(value, moved[1][name], atol=1e-6, rtol=0)


def test_metrics_are_of_the_whole_first_pass():
    rollouts = rolled(learner_of(AlgorithmConfig(kl="none")))
    standing = replace(OPTIMISER, lr=0.0)
    whole = step(learner_of(AlgorithmConfig(kl="none"), standing), rollouts)
    # two groups of four, so that a minibatch holds half of the answers
    parts = update(
        learner_of(AlgorithmConfig(kl="none", minibatches=2), standing), rollouts, advantages(), group_size=4, seed=(0, 0),
        clock=Stopwatch(),
    )  # fmt: skip
    assert parts["sampled_tokens"] == whole["sampled_tokens"] == int(rollouts.sampled.sum())
    for name in ("entropy/shape", "entropy/reasoning", "sampler_drift"):
        assert parts[name] == pytest.approx(whole[name], rel=1e-5, abs=1e-7), name


def test_dr_grpo_divides_by_what_could_be_sampled_not_by_what_was():
    learner = learner_of(AlgorithmConfig(loss="dr-grpo", kl="none"), replace(OPTIMISER, lr=0.0))
    rollouts = rolled(learner)
    own = advantages()[rollouts.answer, 0, 0][:, None] * rollouts.sampled
    for kept in (rollouts, replace(rollouts, sampled=rollouts.sampled & (rollouts.segment == SegmentKind.SHAPE))):
        # on-policy every ratio is 1: the loss is the sum of advantages over 8 sequences of at most 19 sampled tokens
        assert step(learner, kept)["loss"] == pytest.approx(-float((own * kept.sampled).sum()) / 8 / 19, abs=1e-6)


def test_raft_counts_the_chosen_answers_alone():
    learner = learner_of(AlgorithmConfig(loss="raft", advantage="best", kl="none"))
    rollouts = rolled(learner)
    chosen = torch.zeros(8, 1, 2, dtype=torch.float64)
    chosen[3] = 1.0
    batch = make_batch(learner, rollouts, chosen, Stopwatch())
    assert (batch.weights.sum(1) > 0).nonzero().flatten().tolist() == [3]
    assert batch.weights[3].sum() == rollouts.sampled[3].sum()


def test_each_stages_middle_sequence_is_looked_at():
    # four micro-batches by length: the short stage 0 first, then the long stage 1
    parts = [torch.tensor(rows) for rows in ([0, 2], [4, 6, 1], [3], [5, 7])]
    stage = torch.tensor([0, 1] * 4)
    assert watched(parts, stage) == {1, 3}  # stage 0: rows 0 2 4 6, the third of them; stage 1: 1 3 5 7
    assert watched([part[:0] for part in parts], stage) == watched([], stage) == set()
