"""Every loss and every advantage raises a toy reward within seconds; with the sign flipped, or one token off, none does."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from jaxtyping import Bool, Float
from torch import Tensor

from maquette.config import AlgorithmConfig, OptimiserConfig
from maquette.policy.lockstep import LockstepEngine
from maquette.policy.model import Policy
from maquette.protocols import Sampling
from maquette.tracking import Stopwatch
from maquette.training.advantages import ADVANTAGES, normalise
from maquette.training.losses import LOSSES
from maquette.training.update import Learner, make_optimizer, update
from maquette.types import Rollouts, SegmentKind
from tests.tiny import GEOMETRY, tiny_policy

LEARNT, NOT_LEARNT = 0.2, -0.1


Reward = Callable[[Rollouts, Policy], Float[Tensor, " a"]]


class OffByOne(Policy):
    """A trainer that scores each token by the state before the right one; its sampler is right."""

    def hidden(self, tokens: Tensor, positions: Tensor | None = None, mask: Tensor | None = None, images=()) -> Tensor:
        return super().hidden(tokens, positions, mask, images).roll(1, 1)


def low_codes(rollouts: Rollouts, policy: Policy) -> Bool[Tensor, "a c"]:
    """Which codes are of the lower half of the codebook."""
    codes = rollouts.tokens[rollouts.segment == SegmentKind.SHAPE].view(len(rollouts.tokens), -1)[:, :-1]
    return codes < policy.tokenizer.vocabulary.code_ids[GEOMETRY.codebook_size // 2]


def share(rollouts: Rollouts, policy: Policy) -> Float[Tensor, " a"]:
    """Of all codes, the low ones."""
    return low_codes(rollouts, policy).float().mean(1)


def alternating(rollouts: Rollouts, policy: Policy) -> Float[Tensor, " a"]:
    """Of the first two codes, those in place: a low one, then a high one. What is learnt one token early is wrong."""
    low = low_codes(rollouts, policy)
    return (low[:, 0].float() + (~low[:, 1]).float()) / 2


def gain(
    algorithm: AlgorithmConfig,
    *,
    reward: Reward = share,
    size: int = 16,
    steps: int = 8,
    sign: float = 1.0,
    wrong: bool = False,
) -> float:
    """Mean reward of the last two rollouts minus that of the first two."""
    right = tiny_policy(0)
    policy = OffByOne(right.model, right.tokenizer) if wrong else right
    optimiser = OptimiserConfig(lr=1e-2, micro_batch_tokens=10_000)
    learner = Learner(policy, None, make_optimizer(policy, optimiser), algorithm, optimiser, 1.0, (24,))
    engine = LockstepEngine(policy, GEOMETRY.codes_per_shape)
    prompts = [policy.tokenizer.chat(text) for text in ("a red chair", "a blue car")]
    course = []
    for step in range(steps):
        rollouts = engine.decode(prompts, size, Sampling(seed=step, max_reasoning=2))
        rewards = reward(rollouts, policy)
        course.append(float(rewards.mean()))
        advantages = normalise(sign * rewards[:, None], group_size=size, kind=algorithm.advantage)
        both = advantages[..., None].expand(-1, -1, 2)
        update(learner, rollouts, both, group_size=size, seed=(0, step), clock=Stopwatch())
    return sum(course[-2:]) / 2 - sum(course[:2]) / 2


def algorithm_of(loss: str, advantage: str = "group") -> AlgorithmConfig:
    several = 1 if loss == "raft" else 2
    return AlgorithmConfig(
        loss=loss, advantage="best" if loss == "raft" else advantage, kl="none", updates_per_rollout=several
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_each_loss_climbs_and_with_the_sign_flipped_does_not(loss: str):
    algorithm = algorithm_of(loss)
    assert gain(algorithm) > LEARNT
    assert gain(algorithm, sign=-1.0) < NOT_LEARNT


@pytest.mark.parametrize(
    # RAFT, which learns from one answer in 48 here, would need many more steps
    "loss",
    [pytest.param(name, marks=[] if name == "cispo" else pytest.mark.slow) for name in LOSSES if name != "raft"],
)
def test_one_token_off_nothing_is_learnt(loss: str):
    """Of a reward that tells even places from odd ones: log-probs that belong to the token before teach the opposite."""
    algorithm = algorithm_of(loss)
    assert gain(algorithm, reward=alternating, size=48, steps=10) > 0.12
    assert gain(algorithm, reward=alternating, size=48, steps=10, wrong=True) < 0


@pytest.mark.parametrize("advantage", [name for name in ADVANTAGES if name not in ("group", "best")])
def test_each_advantage_climbs_and_with_the_sign_flipped_does_not(advantage: str):
    assert gain(algorithm_of("dapo", advantage)) > LEARNT
    assert gain(algorithm_of("dapo", advantage), sign=-1.0) < NOT_LEARNT


def test_a_new_loss_is_one_function_and_its_line_in_the_table(monkeypatch: pytest.MonkeyPatch):
    from maquette.config import Config
    from maquette.training import losses
    from maquette.training.parts import known_algorithm

    def plain(inputs: losses.LossInputs, counts: losses.Denominators, settings: losses.LossSettings) -> Tensor:
        """REINFORCE, without a ratio."""
        return -(inputs.advantages * inputs.logprobs * inputs.weights * losses.token_mean(inputs, counts)).sum()

    config = Config(algorithm=AlgorithmConfig(loss="plain"))
    with pytest.raises(ValueError, match=r"algorithm.loss is 'plain'; there are grpo, dapo"):
        known_algorithm(config)
    monkeypatch.setitem(losses.LOSSES, "plain", plain)
    known_algorithm(config)
    assert gain(AlgorithmConfig(loss="plain", kl="none")) > LEARNT
    assert gain(AlgorithmConfig(loss="plain", kl="none"), sign=-1.0) < NOT_LEARNT
