"""Judges beside the decoding, and a step's prompts answered in parts: other times, the same run."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from maquette.config import OptimiserConfig
from maquette.config_file import load_config
from maquette.policy.lockstep import LockstepEngine
from maquette.tracking import Stopwatch
from maquette.training.loop import run
from maquette.training.rollout import answered, divided
from maquette.types import Generation, Rollouts
from tests.tiny import PROMPTS
from tests.training.test_loop import assert_same_run, weights
from tests.training.toys import LowCodes, Redness, micro_config, micro_parts

PATIENCE = 20.0


@dataclass
class Gate:
    """A judge of the first stage that is not done before the second is being decoded."""

    decoding: threading.Event = field(default_factory=threading.Event)
    name: str = "preference"
    higher_is: str = "n/a"
    worst: float = 0.0
    waited: list[bool] = field(default_factory=list)

    def score(self, generation: Generation, stage: int) -> Float[Tensor, " a"]:
        if stage == 0:
            self.waited.append(self.decoding.wait(PATIENCE))
        return LowCodes().score(generation, stage)


class Knocking(LockstepEngine):
    """Says at the gate when its second decoding begins."""

    gate: Gate
    calls = 0

    def decode(self, *asked: object, **settings: object) -> Rollouts:
        self.calls += 1
        if self.calls == 2:
            self.gate.decoding.set()
        return super().decode(*asked, **settings)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Breaks:
    """A judge that fails."""

    name: str = "preference"
    higher_is: str = "n/a"
    worst: float = 0.0

    def score(self, generation: Generation, stage: int) -> Float[Tensor, " a"]:
        raise ValueError("this judge is gone")


@pytest.mark.parametrize("parts", [1, 2])
def test_judges_beside_the_decoding_make_the_same_run(tmp_path: Path, parts: int):
    after = micro_config(answered_in=parts, sample_every=2)
    beside = replace(after, judged_beside=True)
    for name, config in (("after", after), ("beside", beside)):
        run(config, micro_parts(config, LowCodes(), Redness()), tmp_path / name)
    assert_same_run(tmp_path / "after", tmp_path / "beside")


def test_the_first_stage_is_judged_while_the_second_is_decoded():
    gate, config = Gate(), micro_config(judged_beside=True)
    parts = micro_parts(config, gate)
    knocking = Knocking(parts.policy, parts.codec.codes_per_shape)
    knocking.gate = gate
    found = answered(config, replace(parts, engine=knocking), parts.prompts[:2], 0, Stopwatch())
    assert gate.waited == [True] and knocking.calls == 2
    assert found.scores.values.shape == (1, 8, 2) and not found.scores.values.isnan().any()


def test_answers_in_parts_are_the_answers_at_once(tmp_path: Path):
    whole = micro_config(prompts_per_step=3)
    parts = micro_parts(whole, LowCodes(), Redness())
    one = answered(whole, parts, parts.prompts[:3], 5, Stopwatch(), number=1, first_row=4)
    clock = Stopwatch()
    two = answered(whole, parts, parts.prompts[:3], 5, clock, pieces=2, number=1, first_row=4)
    for a, s in zip(one.generation.stages, two.generation.stages, strict=True):
        assert torch.equal(a.codes, s.codes) and a.reasoning == s.reasoning
    torch.testing.assert_close(one.scores.values, two.scores.values, atol=1e-6, rtol=0)
    assert two.generation.prompts == one.generation.prompts and set(clock.seconds) >= {"decode", "score"}


def test_weights_after_answers_in_parts_are_those_of_answers_at_once(tmp_path: Path):
    optimiser = OptimiserConfig(lr=1e-3, warmup_steps=1, micro_batch_tokens=512)
    for parts in (1, 2):
        config = micro_config(answered_in=parts, steps=2, optimiser=optimiser)
        run(config, micro_parts(config, LowCodes()), tmp_path / str(parts))
    for name, value in weights(tmp_path / "1").items():
        torch.testing.assert_close(value, weights(tmp_path / "2")[name], atol=1e-5, rtol=0, msg=name)


@pytest.mark.parametrize("beside", [False, True])
def test_what_a_judge_says_is_wrong_reaches_the_run(tmp_path: Path, beside: bool):
    config = micro_config(judged_beside=beside)
    with pytest.raises(ValueError, match="this judge is gone"):
        run(config, micro_parts(config, Breaks()), tmp_path)


def test_pieces_are_even(tmp_path: Path):
    assert [(a, len(some)) for a, some in divided([*PROMPTS, *PROMPTS][:5], 2)] == [(0, 2), (2, 3)]
    path = tmp_path / "none.yaml"
    path.write_text("answered_in: 0\n")
    with pytest.raises(ValueError, match="answered_in"):
        load_config(path)
