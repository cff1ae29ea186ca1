"""The paper's experimental rows: every config loads, says what its row is about, and takes a step on a micro model."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from maquette.config import AlgorithmConfig, Config, RewardWeights
from maquette.config_file import load_config
from maquette.rewards.ensemble import Ensemble
from maquette.tracking import read_metrics
from maquette.training.loop import run
from maquette.training.parts import known_algorithm
from tests.training.toys import LowCodes, micro_config, micro_parts

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
ROWS = sorted((CONFIGS / "paper-rows").glob("*.yaml"))
TRAINED = [*ROWS, CONFIGS / "raft.yaml", CONFIGS / "best-of-n.yaml", CONFIGS / "paper.yaml"]


def row(name: str) -> Config:
    (path,) = (path for path in ROWS if path.stem.startswith(name))
    return load_config(path)


def micro(config: Config) -> Config:
    """The same experiment with other numbers: one step, two prompts of two answers, six tokens of reasoning."""
    small = micro_config()
    return replace(
        config,
        steps=1,
        prompts_per_step=2,
        group_size=2,
        stages=tuple(replace(stage, max_reasoning=min(6, stage.max_reasoning)) for stage in config.stages),
        optimiser=replace(small.optimiser, precision=config.optimiser.precision),
        render_size=small.render_size,
        sample_every=0,
        checkpoint_every=1,
    )


@cache
def shared_parts():
    return micro_parts(micro_config(), LowCodes())


def judges(config: Config) -> Ensemble:
    """Toy judges under the names of each stage's own rewards."""
    return Ensemble(
        tuple(
            tuple(LowCodes(name=name) for name, weight in vars(stage.rewards).items() if weight)
            for stage in config.stages
        )
    )


@pytest.mark.parametrize("path", TRAINED, ids=lambda path: path.stem)
def test_each_takes_a_step(path: Path, tmp_path: Path):
    config = load_config(path)
    known_algorithm(config)
    config = micro(config)
    parts = replace(shared_parts(), ensemble=judges(config))
    run(config, parts, tmp_path)
    (line,) = read_metrics(tmp_path / "metrics.jsonl")
    wanted = {f"reward/{s.name}/{name}" for s in config.stages for name, w in vars(s.rewards).items() if w}
    assert {key for key in line if key.startswith("reward/")} == wanted
    assert ("dynamic/rounds" in line) == config.dynamic.enabled and ("loss" in line) == (
        config.algorithm.loss != "none"
    )
    assert ("kl" in line) == (config.algorithm.kl != "none")


def test_there_is_a_file_for_every_row_that_was_trained():
    counted = {table: sum(path.stem.startswith(f"table{table}-") for path in ROWS) for table in (1, 2, 3, 5, 6)}
    assert counted == {
        1: 6,
        2: 6,
        3: 2,
        5: 6,
        6: 5,
    }  # the first row of tables 1, 3 and 6 is the base, which is not trained
    assert sorted(path.stem for path in ROWS if path.stem.startswith("scaling")) == [
        *(f"scaling-data-x{x}" for x in ("1", "1.5", "2", "3")),
        *(f"scaling-iterations-x{x}" for x in ("1", "2", "3")),
    ]


def test_the_algorithm_rows_differ_by_what_the_table_ticks():
    plain = row("table2-row1").algorithm
    assert plain == AlgorithmConfig("grpo", mixing="paper", clip_high=0.2)
    assert [row(f"table2-row{i}").dynamic.enabled for i in range(1, 7)] == [False] + [True] * 5
    assert row("table2-row2").algorithm == plain and row("table2-row3").algorithm == replace(plain, loss="gspo")
    assert row("table2-row4").algorithm == replace(plain, loss="dapo")
    assert row("table2-row5").algorithm == replace(plain, loss="dapo", kl="none", kl_beta=0.0)
    assert row("table2-row6").algorithm == replace(plain, loss="dapo", clip_high=0.28)


def test_the_last_reward_row_is_the_papers_hi_grpo():
    paper = load_config(CONFIGS / "paper.yaml")
    last = row("table5-row6")
    assert (last.stages, last.algorithm, last.reduce) == (paper.stages, paper.algorithm, paper.reduce)
    assert row("table5-row1").stages[0].rewards == RewardWeights()
    assert row("table6-row6").algorithm.loss == "grpo" and row("table6-row6").stages == paper.stages


def test_the_scaling_rows_scale_one_thing():
    base = row("table2-row6")
    for factor, name in ((1, "x1"), (1.5, "x1.5"), (2, "x2"), (3, "x3")):
        assert load_config(CONFIGS / "paper-rows" / f"scaling-data-{name}.yaml") == replace(
            base, prompt_count=int(8400 * factor)
        )
    for factor in (1, 2, 3):
        assert row(f"scaling-iterations-x{factor}") == replace(base, steps=1200 * factor)


@pytest.mark.parametrize("path", ROWS, ids=lambda path: path.stem)
def test_each_names_its_row_and_the_papers_figure(path: Path):
    first = path.read_text().splitlines()[0]
    assert re.match(r"# (Table \d, row \d|Figure 3)", first) and "The paper: CLIP" in first
