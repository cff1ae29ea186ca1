"""The loop: resumes bit for bit, saves when asked to stop, says what is wrong before it is too late."""

from __future__ import annotations

import json
import math
import os
import signal
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor

from maquette.config import AlgorithmConfig, Config, DynamicConfig, OptimiserConfig, RewardWeights
from maquette.tracking import Stopwatch, read_metrics
from maquette.training.advantages import stage_advantages
from maquette.training.checkpoint import list_checkpoints
from maquette.training.dynamic import RunState
from maquette.training.loop import make_learner, prepare_folder, run, train
from maquette.training.plan import plan
from maquette.training.rollout import collect_groups
from maquette.training.update import update
from maquette.types import Generation, Prompt
from tests.training.toys import LowCodes, Redness, micro_config, micro_parts

ROOT = Path(__file__).resolve().parents[2]


def numbers(folder: Path) -> list[dict[str, float | int | None]]:
    """All that was logged but times and memory, which no two runs share."""
    own = ("seconds/", "memory")
    return [{k: v for k, v in line.items() if not k.startswith(own)} for line in read_metrics(folder / "metrics.jsonl")]


def weights(folder: Path) -> dict[str, Tensor]:
    """Of the trained policy, or of its adapters."""
    return load_file(next((folder / "policy").glob("*model.safetensors")))


def assert_same_run(one: Path, other: Path) -> None:
    assert numbers(one) == numbers(other)
    for name, value in weights(one).items():
        assert torch.equal(value, weights(other)[name]), name


@dataclass
class BreaksAt:
    """A judge that interrupts at its n-th call, as Ctrl-C twice would."""

    calls: int
    name: str = "preference"
    higher_is: str = "n/a"
    worst: float = 0.0

    def score(self, generation: Generation, stage: int) -> Float[Tensor, " a"]:
        self.calls -= 1
        if not self.calls:
            raise KeyboardInterrupt
        return LowCodes().score(generation, stage)


@pytest.mark.parametrize("mu", [1, 2])
def test_a_run_broken_off_inside_a_step_resumes_bit_for_bit(tmp_path: Path, mu: int):
    config = micro_config(steps=5, algorithm=AlgorithmConfig(updates_per_rollout=mu, minibatches=mu))
    run(config, micro_parts(config, LowCodes()), tmp_path / "whole")
    broken = tmp_path / "broken"
    with pytest.raises(KeyboardInterrupt):
        run(config, micro_parts(config, BreaksAt(8)), broken)
    assert [path.name for path in list_checkpoints(broken / "checkpoints")] == ["step-000002"]
    run(config, micro_parts(config, LowCodes()), broken)
    assert_same_run(tmp_path / "whole", broken)


@dataclass
class AsksToStop:
    """A judge that sends the process a signal once."""

    number: int
    sent: bool = False
    name: str = "preference"
    higher_is: str = "n/a"
    worst: float = 0.0

    def score(self, generation: Generation, stage: int) -> Float[Tensor, " a"]:
        if not self.sent:
            self.sent = True
            os.kill(os.getpid(), self.number)
        return LowCodes().score(generation, stage)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_to_stop_finishes_the_step_and_saves(tmp_path: Path, number: int):
    config = micro_config(steps=5, checkpoint_every=100)
    before = signal.getsignal(number)
    run(config, micro_parts(config, AsksToStop(number)), tmp_path)
    assert [path.name for path in list_checkpoints(tmp_path / "checkpoints")] == ["step-000001"]
    assert signal.getsignal(number) == before and len(read_metrics(tmp_path / "metrics.jsonl")) == 1


@dataclass(frozen=True)
class Says:
    """A judge that gives everything one value."""

    value: float
    name: str = "preference"
    higher_is: str = "n/a"
    worst: float = 0.0

    def score(self, generation: Generation, stage: int) -> Float[Tensor, " a"]:
        return torch.full((len(generation.prompts) * generation.group_size,), self.value)

    def has_words_for(self, prompt: Prompt) -> bool:
        return not math.isnan(self.value)


def test_an_infinite_reward_stops_before_the_optimiser_with_its_name(tmp_path: Path):
    config = micro_config()
    parts = micro_parts(config, Says(float("inf")))
    before = {name: value.clone() for name, value in parts.policy.state_dict().items()}
    with pytest.raises(ValueError, match="reward preference gave 16 infinite"):
        run(config, parts, tmp_path)
    assert all(torch.equal(value, before[name]) for name, value in parts.policy.state_dict().items())


def test_a_loss_that_is_not_finite_stops_before_the_optimiser(tmp_path: Path):
    config = micro_config()
    parts = micro_parts(config, LowCodes())
    parts.reference.model.get_input_embeddings().weight.data.fill_(float("nan"))
    before = {name: value.clone() for name, value in parts.policy.state_dict().items()}
    with pytest.raises(ValueError, match="loss is nan"):
        run(config, parts, tmp_path)
    assert all(torch.equal(value, before[name]) for name, value in parts.policy.state_dict().items())


@pytest.mark.parametrize("value", [0.5, float("nan")])
def test_equal_or_missing_scores_move_nothing(tmp_path: Path, value: float):
    config = micro_config(steps=1, algorithm=AlgorithmConfig(kl="none"))
    parts = micro_parts(config, Says(value))
    before = {name: weight.clone() for name, weight in parts.policy.state_dict().items()}
    run(config, parts, tmp_path)
    line = read_metrics(tmp_path / "metrics.jsonl")[0]
    assert line["grad_norm"] < 1e-7 and line["missing/fine"] == (value != value)
    # AdamW's first step is lr·g/(|g| + 1e-8): what is left of rounding moves weights by next to nothing.
    for name, weight in parts.policy.state_dict().items():
        torch.testing.assert_close(weight, before[name], atol=5e-3, rtol=0)


def test_micro_batches_change_no_result(tmp_path: Path):
    for tokens in (40, 100_000):
        optimiser = OptimiserConfig(lr=5e-3, warmup_steps=1, micro_batch_tokens=tokens)
        config = micro_config(steps=2, optimiser=optimiser)
        run(config, micro_parts(config, LowCodes()), tmp_path / str(tokens))
    few, many = numbers(tmp_path / "100000"), numbers(tmp_path / "40")
    for key in ("loss", "grad_norm", "kl"):
        assert few[1][key] == pytest.approx(many[1][key], rel=1e-3, abs=1e-5)


def test_ratios_are_1_until_the_weights_move(tmp_path: Path):
    frozen = OptimiserConfig(lr=0.0, micro_batch_tokens=128)
    algorithm = AlgorithmConfig(updates_per_rollout=2, minibatches=2, kl="none")
    config = micro_config(steps=1, optimiser=frozen, algorithm=algorithm)
    run(config, micro_parts(config, LowCodes()), tmp_path)
    line = read_metrics(tmp_path / "metrics.jsonl")[0]
    assert line["ratio_max"] == pytest.approx(1.0, abs=1e-5) and line["sampler_drift"] < 1e-5


def test_samples_hold_reasoning_pictures_and_each_part(tmp_path: Path):
    config = micro_config(steps=1, sample_every=1)
    run(config, micro_parts(config, LowCodes(), Redness()), tmp_path)
    names = {path.name for path in (tmp_path / "samples").iterdir()}
    assert names == {"best-000000.json", "best-000000.png", "worst-000000.json", "worst-000000.png"}
    best = json.loads((tmp_path / "samples" / "best-000000.json").read_text())
    assert [stage["name"] for stage in best["stages"]] == ["coarse", "fine"]
    assert set(best["stages"][1]["scores"]) == {"preference", "aesthetic"}


def test_a_folder_with_a_run_is_not_overwritten_and_a_changed_config_not_resumed(tmp_path: Path):
    prepare_folder(Config(), tmp_path, resume=False)
    with pytest.raises(ValueError, match="holds a run already"):
        prepare_folder(Config(), tmp_path, resume=False)
    prepare_folder(Config(steps=200), tmp_path, resume=True)
    with pytest.raises(ValueError, match="group_size = 8, the config says 4"):
        prepare_folder(Config(group_size=4), tmp_path, resume=True)
    with pytest.raises(ValueError, match="no run to resume"):
        prepare_folder(Config(), tmp_path / "absent", resume=True)


def test_prompts_that_have_changed_are_not_gone_on_with(tmp_path: Path):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a chair\na car\n")
    config = Config(prompts=str(prompts))
    prepare_folder(config, tmp_path / "run", resume=False)
    prepare_folder(config, tmp_path / "run", resume=True)
    prompts.write_text("a chair\na table\n")
    with pytest.raises(ValueError, match=r"the run in .* read as its prompts was .*prompts.txt, SHA-256 \w+, and is "):
        prepare_folder(config, tmp_path / "run", resume=True)


def test_a_start_that_was_trained_on_in_its_place_is_not_gone_on_with(tmp_path: Path):
    """The divergence is from the start: it is read again when a run is resumed."""
    start = tmp_path / "start"
    start.mkdir()
    (start / "model.safetensors").write_bytes(bytes(2**21))
    config = Config(model=str(start))
    prepare_folder(config, tmp_path / "run", resume=False)
    prepare_folder(config, tmp_path / "run", resume=True)
    (start / "model.safetensors").write_bytes(bytes(2**20) + b"1" * 2**20)
    with pytest.raises(
        ValueError, match=r"the run in .* read as its model was .*start, \w{16}, and is .* Put the file back"
    ):
        prepare_folder(config, tmp_path / "run", resume=True)


def test_a_run_of_a_version_with_another_knob_is_refused_in_a_sentence(tmp_path: Path):
    prepare_folder(Config(), tmp_path / "run", resume=False)
    path = tmp_path / "run" / "config.yaml"
    path.write_text(path.read_text() + "temper: 3\n")
    with pytest.raises(ValueError, match="has temper = 3, the config says nothing of it"):
        prepare_folder(Config(), tmp_path / "run", resume=True)


def test_a_judge_may_move_and_not_become_another(tmp_path: Path):
    judges = tmp_path / "judges.yaml"
    text = (
        "models: {m: {addresses: [http://a:1/v1], model: one}}\nrewards: {judge_category: m}\nweights: {clip: here}\n"
    )
    judges.write_text(text)
    config = Config(judges=str(judges))
    prepare_folder(config, tmp_path / "run", resume=False)
    judges.write_text(text.replace("http://a:1", "http://b:2").replace("here", "there"))
    prepare_folder(config, tmp_path / "run", resume=True)
    judges.write_text(text.replace("model: one", "model: two"))
    with pytest.raises(ValueError, match=r"the run in .* read as its judges was .* a resumed run keeps it"):
        prepare_folder(config, tmp_path / "run", resume=True)


def test_a_folder_that_cannot_be_used_is_said_before_anything_is_loaded(tmp_path: Path):
    prepare_folder(Config(model="nowhere"), tmp_path, resume=False)
    with pytest.raises(ValueError, match="holds a run already"):
        train(Config(model="nowhere"), tmp_path)
    with pytest.raises(ValueError, match="nowhere"):
        train(Config(model="nowhere"), tmp_path / "fresh")
    assert not (tmp_path / "fresh" / "config.yaml").exists()  # so that it can be begun when the model is there


def test_a_read_only_folder_is_one_clear_sentence(tmp_path: Path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(ValueError, match="Cannot write to the output folder"):
        prepare_folder(Config(), blocked / "run", resume=False)


def test_the_plan_counts_tokens_calls_and_memory():
    config = micro_config()
    text = plan(config, micro_parts(config, LowCodes()))
    # 8 answers; 5 + 16 tokens sampled at most in each of two stages: the end of six is the limit's.
    assert "up to 336 sampled a step, 1,344 in 4 steps" in text
    assert "decoding       up to 44 steps" in text and "1 by the frozen reference, over 16 sequences" in text
    assert plan(replace(config, algorithm=AlgorithmConfig(minibatches=2)), micro_parts(config)).count("1 for old") == 1
    dynamic = replace(config, dynamic=DynamicConfig(enabled=True, budget=2.5))
    assert "by band: up to 5 prompts" in plan(dynamic, micro_parts(config))


def test_a_chain_of_three_stages_runs_and_the_last_ones_reward_reaches_the_first(tmp_path: Path):
    first, last = micro_config().stages
    silent = replace(first, name="rough", rewards=RewardWeights())
    middle = replace(first, sees=("prompt", "rough.reasoning"), rewards=RewardWeights())
    config = micro_config(steps=2, stages=(silent, middle, last), algorithm=AlgorithmConfig(kl="none"))
    parts = micro_parts(config, LowCodes())
    # only the last stage is judged, so that what the first learns has flowed back through both
    judge = replace(parts.ensemble, stages=((), (), parts.ensemble.stages[2]))
    parts = replace(parts, ensemble=judge)
    learner = make_learner(config, parts)
    collected = collect_groups(config, parts, 0, RunState(), Stopwatch())
    rollouts = collected.answered.generation.rollouts
    assert rollouts.stage.tolist() == [0, 1, 2] * 8
    own = stage_advantages(
        collected.scores, config.stages, group_size=4, mixing="standardised", advantage="group",
        informative=collected.informative,
    )  # fmt: skip
    torch.testing.assert_close(own[:, 0], own[:, 2])
    assert own[:, 0].abs().max() > 0.1
    measured = update(learner, rollouts, own, group_size=4, seed=(0, 0), clock=Stopwatch())
    assert measured["grad_norm"] > 0 and measured["sampled_tokens"] == int(rollouts.sampled.sum())
    run(config, micro_parts(config, LowCodes()), tmp_path)
    assert len(read_metrics(tmp_path / "metrics.jsonl")) == 2
