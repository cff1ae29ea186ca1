"""The evaluators' look: it says what they see, changes no number of the run, and is the same after a resume."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from maquette.config import Config
from maquette.evaluation.networks import load_evaluators
from maquette.generate import generate
from maquette.protocols import Sampling
from maquette.rendering.cameras import CAMERAS
from maquette.tracking import Stopwatch
from maquette.training.loop import probe, run
from maquette.training.parts import Parts
from maquette.training.probe import MEASURES, Probe, judged, open_probe
from tests.tiny import PROMPTS
from tests.training.test_loop import BreaksAt, assert_same_run, numbers, weights
from tests.training.toys import LowCodes, micro_config, micro_parts

CONFIG = micro_config(steps=4, checkpoint_every=1, probe_every=2, probe_prompts=2)


def looking(config: Config = CONFIG, judge: object | None = None) -> Parts:
    return replace(micro_parts(config, judge or LowCodes()), probe=Probe(PROMPTS[:2], load_evaluators()))


def test_a_look_changes_nothing_but_what_it_says(tmp_path: Path):
    run(CONFIG, looking(), tmp_path / "with")
    run(CONFIG, micro_parts(CONFIG, LowCodes()), tmp_path / "without")
    ours, theirs = numbers(tmp_path / "with"), numbers(tmp_path / "without")
    said = [{key: value for key, value in line.items() if key.startswith("evaluator/")} for line in ours]
    assert [bool(line) for line in said] == [True, False, True, False]
    assert set(said[0]) <= {f"evaluator/{name}" for name in MEASURES} and -1 <= said[0]["evaluator/alignment"] <= 1
    assert said[0] != said[2]  # the policy has moved
    assert [{k: v for k, v in line.items() if not k.startswith("evaluator/")} for line in ours] == theirs
    for name, value in weights(tmp_path / "with").items():
        assert torch.equal(value, weights(tmp_path / "without")[name]), name


def test_a_run_broken_off_looks_as_the_whole_one_does(tmp_path: Path):
    run(CONFIG, looking(), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(CONFIG, looking(judge=BreaksAt(4)), tmp_path / "broken")
    run(CONFIG, looking(), tmp_path / "broken")
    assert_same_run(tmp_path / "whole", tmp_path / "broken")


def test_two_looks_at_one_policy_are_the_same():
    parts, clock = looking(), Stopwatch()
    assert probe(CONFIG, parts, 0, clock) == probe(CONFIG, parts, 2, clock) and clock.seconds["probe"] > 0
    assert probe(CONFIG, parts, 1, clock) == {} == probe(CONFIG, micro_parts(CONFIG, LowCodes()), 0, clock)


def test_a_failed_answer_has_the_worst_of_each_that_its_prompt_asks_for():
    parts = looking()
    made = generate(
        PROMPTS[:2],
        CONFIG.stages[:1],
        engine=parts.engine,
        codec=parts.codec,
        mesher=parts.mesher,
        cameras=CAMERAS["maquette-6"],
        group_size=1,
        sampling=Sampling(),
    )
    last = replace(made.stages[-1], failed=np.array([True, False]))
    evaluators = load_evaluators()
    failed, right = judged(replace(made, stages=(last,)), evaluators)
    assert failed[0] == -1 and failed[2:] == (0.0, 0.0)  # four red legs; PROMPTS[1] asks for wheels of no colour
    assert right[0] > -1 and np.isnan(right[3])
    assert right == pytest.approx(judged(made, evaluators)[1], nan_ok=True)


def test_a_probe_is_opened_by_the_config_or_not_at_all():
    assert open_probe(Config(probe_every=0)) is None
    opened = open_probe(Config(probe_prompts=5))
    assert opened is not None and len(opened.prompts) == 5
    with pytest.raises(ValueError, match=r"probe_prompts is 100000; mini-dev has \d+, so take 1 to"):
        open_probe(Config(probe_prompts=100_000))
