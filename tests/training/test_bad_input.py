"""What cannot be run is one sentence before any time is spent; what the model or a judge does badly is data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from maquette.codec.voxel_codec import VoxelCodec
from maquette.config import AlgorithmConfig, Config, DynamicConfig, RewardWeights, StageSpec
from maquette.config_file import load_config
from maquette.tracking import read_metrics
from maquette.training.loop import prepare_folder, run
from maquette.training.parts import known_algorithm, load_parts
from tests.tiny import tiny_codec
from tests.training.toys import LowCodes, Redness, micro_config, micro_parts


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["group_size=1"], "group_size is 1; it must be at least 2"),
        (["stages.0.from_next=-0.5"], "Stage coarse has from_next = -0.5; it must be at least 0"),
        (["stages.0.from_next=nan"], "Stage coarse has from_next = nan"),
        (["stages.0.rewards.preference=nan"], "weighs the reward preference by nan"),
        (["prompt_count=3", "prompts_per_step=4"], "prompt_count 3 is less than prompts_per_step 4"),
        (["algorithm.kl_beta=-1"], "algorithm.kl_beta is -1.0"),
        (["optimiser.lr=-1"], "optimiser.lr is -1.0; it must be at least 0"),
        (["optimiser.lr=nan"], "optimiser.lr is nan"),
        (["optimiser.max_grad_norm=0"], "optimiser.max_grad_norm is 0.0; it must be above 0 and finite"),
        (["optimiser.max_grad_norm=nan"], "optimiser.max_grad_norm is nan"),
        (["optimiser.beta2=1.5"], "optimiser.beta2 is 1.5"),
        (["optimiser.average=1"], "optimiser.average is 1.0"),
        (["optimiser.weight_decay=-1"], "optimiser.weight_decay is -1.0"),
        (["optimiser.warmup_steps=-2"], "optimiser.warmup_steps is -2"),
        (["optimiser.micro_batch_tokens=0"], "optimiser.micro_batch_tokens is 0; it must be at least 1"),
        (["temperature=nan"], "temperature is nan"),
        (["stages.0.max_reasoning=-3"], "Stage coarse has max_reasoning = -3"),
        (["render_size=0"], "render_size is 0; it must be at least 16"),
        (["policy.lora_rank=-2"], "policy.lora_rank is -2"),
        (["algorithm.clip_low=nan"], "algorithm.clip_low is nan"),
        (["dynamic.budget=inf"], "dynamic.budget is inf"),
        (["dynamic.least_spread=nan"], "dynamic.least_spread is nan"),
    ],
)
def test_a_config_that_cannot_be_run_is_refused_when_read(tmp_path: Path, overrides: list[str], sentence: str):
    path = tmp_path / "run.yaml"
    path.write_text("")
    with pytest.raises(ValueError, match=sentence):
        load_config(path, overrides)


def test_a_stage_without_rewards_to_which_nothing_flows_is_refused(tmp_path: Path):
    path = tmp_path / "run.yaml"
    path.write_text("stages: [{name: a}, {name: b, rewards: {parts: 1}}]")
    with pytest.raises(ValueError, match="Stage a has no reward and nothing flows back to it"):
        load_config(path)
    path.write_text("stages: [{name: a, from_next: 1}, {name: b, rewards: {parts: 1}}]")
    assert load_config(path).stages[0] == StageSpec(name="a", from_next=1.0)


def test_fewer_prompts_than_a_step_takes_are_counted_before_any_model_is_loaded(tmp_path: Path):
    prompts = tmp_path / "few.txt"
    prompts.write_text("a chair\na car\n")
    with pytest.raises(ValueError, match=r"A step takes 4 prompts, the set .*few.txt has 2"):
        load_parts(Config(model=str(tmp_path / "absent"), prompts=str(prompts)))


@pytest.mark.parametrize(
    ("algorithm", "sentence"),
    [
        (AlgorithmConfig(loss="ppo"), "algorithm.loss is 'ppo'; there are grpo, dapo"),
        (AlgorithmConfig(advantage="gae"), "algorithm.advantage is 'gae'; there are group, mean"),
    ],
)
def test_an_unknown_algorithm_is_named_with_those_that_are_known(algorithm: AlgorithmConfig, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        load_parts(Config(algorithm=algorithm))


def test_a_resume_into_another_config_names_what_changed(tmp_path: Path):
    prepare_folder(Config(), tmp_path, resume=False)
    changed = Config(dynamic=DynamicConfig(enabled=True))
    with pytest.raises(ValueError, match=r"has dynamic = .*'enabled': False.* the config says .*'enabled': True"):
        prepare_folder(changed, tmp_path, resume=True)


def empty_codec() -> VoxelCodec:
    """A codec to which every shape is empty."""
    codec = tiny_codec()
    for module in codec.model.Decoder.out_layer.modules():
        if isinstance(module, torch.nn.Conv3d):
            module.weight.data.zero_()
            module.bias.data.fill_(-9.0)
    return codec


@pytest.mark.parametrize("on", [False, True])
def test_a_step_in_which_every_answer_fails_is_data(tmp_path: Path, on: bool):
    config = micro_config(
        steps=1, dynamic=DynamicConfig(enabled=on, budget=2.0), algorithm=AlgorithmConfig(kl="none", kl_beta=0.0)
    )
    parts = replace(micro_parts(config, LowCodes(), Redness()), codec=empty_codec())
    before = {name: value.clone() for name, value in parts.policy.state_dict().items()}
    run(config, parts, tmp_path)
    (line,) = read_metrics(tmp_path / "metrics.jsonl")
    assert line["failed/coarse"] == line["failed/fine"] == 1.0
    assert line["reward/fine/preference"] == 0.0 and line["reward/fine/aesthetic"] == -1.0  # the stated worst
    assert line["grad_norm"] == 0.0 and line["loss"] == 0.0
    assert all(torch.equal(value, before[name]) for name, value in parts.policy.state_dict().items())
    if on:
        assert line["dynamic/filled"] == 2 and line["dynamic/dropped"] == 4


def test_nothing_flows_to_reasoning_that_nobody_asks_for():
    stages = (
        StageSpec("plan", "direct", from_next=1.0, from_next_on="reasoning"),
        StageSpec("fine", rewards=RewardWeights(parts=1.0)),
    )
    with pytest.raises(ValueError, match=r"Stage plan does not reason \(instruction direct\)"):
        known_algorithm(Config(stages=stages))
