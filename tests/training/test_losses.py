"""Losses: worked by hand, and laws that every one of them keeps."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import pytest
import torch

from maquette.training.losses import LOSSES, Denominators, LossInputs, LossSettings, clipped_tokens, divergence

PLAIN = LossSettings(clip_low=0.2, clip_high=0.28, kl="none", kl_beta=0.0)


def value_of(name: str, inputs: LossInputs, counts: Denominators, settings: LossSettings) -> float:
    return float(LOSSES[name](inputs, counts, settings).detach())


def two_sequences() -> LossInputs:
    """Sequence 0: two sampled tokens with ratios 2 and 1, advantage 1; sequence 1: one with ratio 1/2, advantage -2."""
    old = torch.zeros(2, 3)
    new = torch.tensor([[0.0, math.log(2), 0.0], [0.0, math.log(0.5), 7.0]])
    sampled = torch.tensor([[False, True, True], [False, True, False]])
    return LossInputs(
        logprobs=new.requires_grad_(),
        old_logprobs=old,
        reference_logprobs=None,
        entropy=torch.tensor([[9.0, 1.0, 2.0], [9.0, 3.0, 9.0]]),
        advantages=torch.tensor([[1.0], [-2.0]]).expand(2, 3),
        sampled=sampled,
        weights=sampled.float(),
        stage=torch.tensor([0, 0]),
    )


def counts_of(inputs: LossInputs, stages: int = 1, longest: int = 4) -> Denominators:
    summed = inputs.weights.sum(1)
    tokens = torch.zeros(stages).index_add(0, inputs.stage, summed)
    return Denominators(
        tokens,
        torch.zeros(stages).index_add(0, inputs.stage, (summed > 0).float()),
        torch.full((stages,), float(longest)),
    )


def rows(inputs: LossInputs, which: list[int], stage: int | None = None) -> LossInputs:
    """Some of the sequences, with the gradient's path kept."""
    cut = {f.name: getattr(inputs, f.name) for f in fields(inputs)}
    part = LossInputs(**{name: None if value is None else value[which] for name, value in cut.items()})
    return part if stage is None else replace(part, stage=torch.full((len(which),), stage))


BY_HAND = {
    # Clipped token objectives: min(2·1, 1.28·1) = 1.28, 1; min(0.5·-2, 0.8·-2) = -1.6.
    "grpo": -((1.28 + 1) / 2 - 1.6) / 2,
    "dapo": -(1.28 + 1 - 1.6) / 3,
    "dr-grpo": -(1.28 + 1 - 1.6) / (2 * 4),
    # Sequence ratios: √2 → min(√2, 1.28) = 1.28; 1/2 → -1.6.
    "gspo": -(1.28 - 1.6) / 2,
    "gspo-token": -(1.28 - 1.6) / 2,
    # The cut ratio weighs the log-prob: 1.28·1·log 2 + 1·1·0 + 0.5·-2·log ½.
    "cispo": -(1.28 * math.log(2) - math.log(0.5)) / 3,
    # No ratio: 1·log 2 + 1·0 - 2·log ½.
    "raft": -(math.log(2) - 2 * math.log(0.5)) / 3,
}


@pytest.mark.parametrize("name", LOSSES)
def test_values_by_hand(name):
    inputs = two_sequences()
    assert value_of(name, inputs, counts_of(inputs), PLAIN) == pytest.approx(BY_HAND[name], rel=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_sign_a_step_downhill_makes_good_answers_likelier(name):
    inputs = replace(two_sequences(), logprobs=torch.zeros(2, 3, requires_grad=True))
    LOSSES[name](inputs, counts_of(inputs), PLAIN).backward()
    gradient = inputs.logprobs.grad
    assert (gradient[0][inputs.sampled[0]] < 0).all() and (gradient[1][inputs.sampled[1]] > 0).all()
    assert (gradient[~inputs.sampled] == 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_stages_have_their_own_means_which_are_summed(name):
    inputs = two_sequences()
    apart = [rows(inputs, [i], stage=0) for i in range(2)]
    together = replace(inputs, stage=torch.tensor([0, 1]))
    summed = sum(value_of(name, one, counts_of(one), PLAIN) for one in apart)
    assert value_of(name, together, counts_of(together, 2), PLAIN) == pytest.approx(summed, rel=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_micro_batches_add_up(name):
    inputs = two_sequences()
    counts = counts_of(inputs)
    settings = LossSettings(kl="k3", kl_beta=0.1, entropy_bonus=0.01)
    inputs = replace(inputs, reference_logprobs=torch.full((2, 3), -0.3))
    parts = [rows(inputs, [i]) for i in range(2)]
    summed = sum(value_of(name, part, counts, settings) for part in parts)
    assert value_of(name, inputs, counts, settings) == pytest.approx(summed, rel=1e-6)


def test_gspo_token_has_a_gradient_per_token():
    inputs = two_sequences()
    LOSSES["gspo-token"](replace(inputs, advantages=-inputs.advantages), counts_of(inputs), PLAIN).backward()
    # Sequence 0, ratio √2, advantage -1, not clipped: each of two tokens √2 · 1 / (2 tokens · 2 sequences).
    assert inputs.logprobs.grad[0].tolist() == pytest.approx([0, math.sqrt(2) / 4, math.sqrt(2) / 4])


@pytest.mark.parametrize(
    ("kind", "by_hand"), [("k1", -math.log(2)), ("k2", math.log(2) ** 2 / 2), ("k3", 2 - math.log(2) - 1)]
)
def test_divergence_by_hand(kind, by_hand):
    value = divergence(torch.tensor([[0.0]]), torch.tensor([[math.log(2)]]), kind)
    assert float(value) == pytest.approx(by_hand)


def test_kl_and_entropy_enter_the_loss_with_their_signs():
    inputs = replace(two_sequences(), reference_logprobs=torch.full((2, 3), -1.0))
    counts = counts_of(inputs)
    plain = value_of("dapo", inputs, counts, PLAIN)
    penalised = value_of("dapo", inputs, counts, replace(PLAIN, kl="k3", kl_beta=0.5))
    expected = divergence(inputs.logprobs, inputs.reference_logprobs, "k3")[inputs.sampled].mean()
    assert penalised == pytest.approx(plain + 0.5 * float(expected.detach()), rel=1e-5)
    rewarded = value_of("dapo", inputs, counts, replace(PLAIN, entropy_bonus=0.5))
    assert rewarded == pytest.approx(plain - 0.5 * (1 + 2 + 3) / 3, rel=1e-5)


@pytest.mark.parametrize("kind", ["k1", "k2", "k3"])
def test_every_estimator_pulls_towards_the_reference(kind):
    inputs = replace(two_sequences(), advantages=torch.zeros(2, 3), reference_logprobs=torch.full((2, 3), -1.0))
    LOSSES["dapo"](inputs, counts_of(inputs), LossSettings(kl=kind, kl_beta=1.0)).backward()
    assert (inputs.logprobs.grad[inputs.sampled] > 0).all()


@pytest.mark.parametrize("kind", ["k1", "k2"])
def test_the_mean_gradient_of_an_estimator_is_that_of_the_divergence(kind):
    """Over all tokens that can come, each as often as it does; k3's is that of the divergence the other way round."""
    logits = torch.tensor([0.3, -0.2, 1.0, 0.1], dtype=torch.float64, requires_grad=True)
    reference = torch.tensor([-0.5, 0.4, 0.2, 0.9], dtype=torch.float64).log_softmax(0)
    logprobs = logits.log_softmax(0)
    (truth,) = torch.autograd.grad((logprobs.exp() * (logprobs - reference)).sum(), logits, retain_graph=True)
    often = logprobs.exp().detach()
    inputs = LossInputs(
        logprobs=logprobs[:, None],
        old_logprobs=logprobs.detach()[:, None],
        reference_logprobs=reference[:, None],
        entropy=torch.zeros(4, 1, dtype=torch.float64),
        advantages=torch.zeros(4, 1, dtype=torch.float64),
        sampled=torch.ones(4, 1, dtype=torch.bool),
        weights=often[:, None],
        stage=torch.zeros(4, dtype=torch.int64),
    )
    counts = Denominators(torch.ones(1), torch.ones(1), torch.ones(1))
    loss = LOSSES["dapo"](inputs, counts, LossSettings(kl=kind, kl_beta=1.0))
    (slope,) = torch.autograd.grad(loss, logits)
    torch.testing.assert_close(slope, truth)


@pytest.mark.parametrize(
    ("name", "by_hand"),
    # token ratios 2 and 1 pushed up, ½ pushed down; the first sequence's ratio is √2
    [("grpo", 2), ("dapo", 2), ("dr-grpo", 2), ("gspo", 3), ("gspo-token", 3), ("cispo", 1), ("raft", 0)],
)
def test_clipped_tokens_are_those_that_the_loss_clips(name, by_hand):
    assert float(clipped_tokens(name, two_sequences(), PLAIN)) == by_hand
    turned = replace(two_sequences(), advantages=-two_sequences().advantages)
    assert float(clipped_tokens(name, turned, PLAIN)) == (1 if name == "cispo" else 0)


WEIGHTED_BY_HAND = {
    # The token with ratio 2 weighs a half: its sequence's weights sum to 1.5, all to 2.5.
    "grpo": -((0.5 * 1.28 + 1) / 1.5 - 1.6) / 2,
    "dapo": -(0.5 * 1.28 + 1 - 1.6) / 2.5,
    "dr-grpo": -(0.5 * 1.28 + 1 - 1.6) / (2 * 4),
    # the half token counts by half in its sequence's ratio: 2^(½/1.5), below the bound
    "gspo": -(2 ** (1 / 3) - 1.6) / 2,
    "gspo-token": -(2 ** (1 / 3) - 1.6) / 2,
    "cispo": -(0.5 * 1.28 * math.log(2) - math.log(0.5)) / 2.5,
    "raft": -(0.5 * math.log(2) - 2 * math.log(0.5)) / 2.5,
}


@pytest.mark.parametrize("name", LOSSES)
def test_weights_count_in_the_sum_and_in_the_mean(name):
    inputs = two_sequences()
    half = replace(inputs, weights=torch.tensor([[0.0, 0.5, 1.0], [0.0, 1.0, 0.0]]))
    assert value_of(name, half, counts_of(half), PLAIN) == pytest.approx(WEIGHTED_BY_HAND[name], rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_a_sequence_without_weight_is_as_if_it_were_not_there(name):
    inputs = two_sequences()
    muted = replace(inputs, weights=inputs.weights * torch.tensor([[1.0], [0.0]]))
    alone = rows(inputs, [0])
    assert value_of(name, muted, counts_of(muted), PLAIN) == pytest.approx(
        value_of(name, alone, counts_of(alone), PLAIN)
    )
    nothing = replace(inputs, weights=torch.zeros(2, 3))
    assert value_of(name, nothing, counts_of(nothing), PLAIN) == 0.0


def test_the_penalty_asks_for_mass_inside_the_support():
    inputs = replace(two_sequences(), kept=torch.full((2, 3), -0.5, requires_grad=True))
    counts, settings = counts_of(inputs), replace(PLAIN, outside_penalty=0.2)
    plain, penalised = value_of("dapo", inputs, counts, PLAIN), value_of("dapo", inputs, counts, settings)
    assert penalised == pytest.approx(plain + 0.2 * 0.5)
    LOSSES["dapo"](inputs, counts, settings).backward()
    assert (inputs.kept.grad[inputs.sampled] < 0).all() and (inputs.kept.grad[~inputs.sampled] == 0).all()
