"""Whole runs raise a toy reward within seconds: through codec, mesher, renderer, judges. Each algorithm by itself: test_climbing.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from maquette.config import AlgorithmConfig, Config, RewardWeights, StageSpec
from maquette.tracking import read_metrics
from maquette.training import loop
from maquette.training.loop import run
from tests.training.toys import LowCodes, Redness, micro_config, micro_parts


def gain(config: Config, out: Path, *judges: object, part: str) -> float:
    """Mean of a reward part in the last two steps minus that in the first two."""
    run(config, micro_parts(config, *judges), out)
    values = [line[part] for line in read_metrics(out / "metrics.jsonl")]
    return sum(values[-2:]) / 2 - sum(values[:2]) / 2


def learning(**changes: object) -> Config:
    return micro_config(steps=10, prompts_per_step=4, group_size=8, checkpoint_every=100, **changes)


@pytest.mark.parametrize("stage", ["coarse", "fine"])
def test_hi_grpo_raises_the_reward_of_each_stage(tmp_path: Path, stage: str):
    assert gain(learning(), tmp_path, LowCodes(), part=f"reward/{stage}/preference") > 0.15


def test_what_is_liked_less_is_learnt_as_well(tmp_path: Path):
    assert gain(learning(), tmp_path, LowCodes(sign=-1.0), part="reward/fine/preference") > 0.15


def test_with_the_sign_of_the_advantages_flipped_it_falls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    right = loop.stage_advantages
    monkeypatch.setattr(loop, "stage_advantages", lambda *args, **kwargs: -right(*args, **kwargs))
    assert gain(learning(), tmp_path, LowCodes(), part="reward/fine/preference") < -0.1


def test_it_learns_in_bfloat16(tmp_path: Path):
    optimiser = replace(learning().optimiser, precision="bfloat16")
    assert gain(learning(optimiser=optimiser), tmp_path, LowCodes(), part="reward/fine/preference") > 0.15


def test_a_stage_without_judges_learns_from_what_flows_back(tmp_path: Path):
    config = learning()
    coarse = replace(config.stages[0], rewards=RewardWeights())
    plain = micro_parts(config, LowCodes())
    run(replace(config, stages=(coarse, config.stages[1])), plain, tmp_path)
    lines = read_metrics(tmp_path / "metrics.jsonl")
    assert all(line["grad_norm"] > 0 for line in lines)


def test_a_picture_of_the_shape_can_be_the_judge(tmp_path: Path):
    chain = (StageSpec("fine", "direct", ("prompt",), "colour", 0.0, 0, RewardWeights(aesthetic=1.0)),)
    config = learning(stages=chain, algorithm=AlgorithmConfig(loss="grpo", kl="none"))
    assert gain(config, tmp_path, Redness(), part="reward/fine/aesthetic") > 0


def test_the_kl_penalty_holds_the_policy_back(tmp_path: Path):
    reached = {}
    for beta in (0.001, 3.0):
        config = learning(algorithm=AlgorithmConfig(kl_beta=beta))
        run(config, micro_parts(config, LowCodes()), tmp_path / str(beta))
        reached[beta] = read_metrics(tmp_path / str(beta) / "metrics.jsonl")[-1]["kl"]
    assert reached[3.0] < reached[0.001] / 2
