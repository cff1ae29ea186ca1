"""Configs: every file loads, wrong keys and values are named, and what is written is read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from maquette.config import Config
from maquette.config_file import dump_config, leaves, load_config
from maquette.config_supervised import CodecConfig, ScorersConfig, WarmStartConfig

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
KINDS = {
    "codec": CodecConfig,
    "warm-start": WarmStartConfig,
    "warm-start-more": WarmStartConfig,
    "warm-start-further": WarmStartConfig,
    "warm-start-control": WarmStartConfig,
    "scorers": ScorersConfig,
    "scorers-more": ScorersConfig,
    "evaluators": ScorersConfig,
}


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_config_loads_and_comes_back(path: Path, tmp_path: Path):
    kind = KINDS.get(path.stem, Config)
    config = load_config(path, kind=kind)
    again = tmp_path / "again.yaml"
    again.write_text(dump_config(config))
    assert load_config(again, kind=kind) == config


def test_the_default_is_hi_grpo():
    config, default = load_config(CONFIGS / "hi-grpo.yaml"), Config()
    assert config.stages == default.stages
    assert config.algorithm == replace(default.algorithm, kl_beta=config.algorithm.kl_beta)


def test_the_tree_stays_small():
    assert len(leaves(Config)) <= 95


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    return path


def test_a_stage_list_replaces_the_default_chain(tmp_path: Path):
    config = load_config(written(tmp_path, "stages: [{name: only, rewards: {parts: 1}}]"))
    assert [stage.name for stage in config.stages] == ["only"]


def test_overrides_reach_into_the_tree(tmp_path: Path):
    path = written(tmp_path, "optimiser: {lr: 1e-5}\nsteps: 3")
    config = load_config(path, ["steps=9", "stages.1.rewards.parts=0.5", "stages.1.sees=prompt,coarse.codes"])
    assert (config.optimiser.lr, config.steps, config.stages[1].rewards.parts) == (1e-5, 9, 0.5)
    assert config.stages[1].sees == ("prompt", "coarse.codes") and config.stages[0].name == "coarse"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("group_siez: 3", "'group_siez'.*did you mean 'group_size'"),
        ("optimiser: {lrr: 1}", "did you mean 'optimiser.lr'"),
        ("stages: [{name: a, rewards: {preferense: 1}}]", "did you mean 'stages.N.rewards.preference'"),
        ("kl_beta: 1", "did you mean 'algorithm.kl_beta'"),
        ("steps: many", "--steps.*'many'"),
        ("algorithm: {kl: k4}", "'k4'.*'k3'"),
        ("algorithm: {clip_low: -0.1}", r"algorithm.clip_low is -0.1; it must be at least 0"),
        ("algorithm: {loss: raft}", "raft imitates chosen answers, so take best"),
        ("dynamic: {low: 0.8, high: 0.2}", "0.8 and 0.2; quantiles need"),
        ("dynamic: {budget: 0.5}", "dynamic.budget is 0.5"),
        ("dynamic: {least_spread: -1}", "a standard deviation is at least 0"),
        ("stages: [{name: a, rewards: {parts: .nan}}]", "weighs the reward parts by nan"),
        ("stages: [{name: a, reasoning_weight: -1, rewards: {parts: 1}}]", "reasoning_weight = -1.0"),
        (
            "stages: [{name: a, max_reasoning: 0, from_next: 1, from_next_on: reasoning}, {name: b, rewards: {parts: 1}}]",
            "from_next_on must be answer",
        ),
        ("group_size: 1", "group_size is 1; it must be at least 2"),
        ("stages: [{name: a}]", "no reward"),
        ("stages: [{name: a, from_next: 1, rewards: {parts: 1}}]", "the last"),
        ("stages: [{name: a, from_next: -1, rewards: {parts: 1}}]", "at least 0"),
        ("stages: [{name: a, sees: [b.reasoning], rewards: {parts: 1}}]", "it can see prompt"),
        ("prompt_count: 2", "prompt_count 2 is less than prompts_per_step 4"),
        ("- a list", "holds a list"),
        ("steps: [", "is not YAML"),
    ],
)
def test_what_is_wrong_is_said_before_any_time_is_spent(tmp_path: Path, text: str, complaint: str):
    with pytest.raises(ValueError, match=complaint):
        load_config(written(tmp_path, text))


def test_an_override_without_a_value_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="key=value"):
        load_config(written(tmp_path, ""), ["steps"])


def test_overrides_say_true_as_yaml_does(tmp_path: Path):
    (tmp_path / "run.yaml").write_text("dynamic: {enabled: false}")
    for word in ("true", "True"):
        assert load_config(tmp_path / "run.yaml", (f"dynamic.enabled={word}",)).dynamic.enabled
    assert not load_config(tmp_path / "run.yaml", ("dynamic.enabled=false",)).dynamic.enabled
