"""Judges of the levels behind a real server, as `maquette evaluate --judges` opens them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from maquette.evaluation.judges import ask_judge
from maquette.evaluation.served import open_judges, rewarding_models
from maquette.rewards.judge_client import JudgeGone
from maquette.types import Prompt
from tests.full.judge_server import judge

PROMPT = Prompt("a", "a red chair", questions=("Is it red?",))
VIEWS = np.full((3, 8, 8, 3), 200, np.uint8)
GOOD = {"geometry": 0.9, "semantics": 0.2, "texture": 0.4, "answers": ["yes"], "reason": "red all over"}


def judges_file(folder: Path, address: str, extra: str = "") -> Path:
    path = folder / "judges.yaml"
    quick = "timeout: 2, retries: 1, backoff: 0.01"
    models = "".join(
        f"  {name}: {{addresses: [{address}], model: org/{name}, {quick}}}\n" for name in ("qwen", "other")
    )
    path.write_text(f"models:\n{models}{extra}")
    return path


def test_every_listed_model_scores_the_levels_and_stands_in_the_record(tmp_path: Path):
    with judge(lambda body, number: json.dumps(GOOD)) as server:
        asks, lines = open_judges(judges_file(tmp_path, server.address))
        verdict = ask_judge("qwen", asks["qwen"], PROMPT, VIEWS)
    assert list(asks) == ["qwen", "other"] and lines[0] == f"qwen (levels-1): org/qwen at {server.address}"
    assert verdict.scores == {"geometry": 0.9, "semantics": 1.0, "texture": 0.4} and verdict.words == "red all over"
    content = server.requests[0]["messages"][-1]["content"]
    assert [part["type"] for part in content] == ["image_url"] * 3 + ["text"] and "a red chair" in content[-1]["text"]
    assert server.requests[0]["response_format"]["json_schema"]["schema"]["required"][:3] == [
        "geometry", "semantics", "texture",
    ]  # fmt: skip


def test_a_score_out_of_range_is_asked_again_and_then_missing_with_its_words(tmp_path: Path):
    wrong, right = json.dumps(GOOD | {"texture": 7}), json.dumps(GOOD)
    with judge(lambda body, number: wrong if number == 0 else right) as server:
        asks, _ = open_judges(judges_file(tmp_path, server.address))
        assert ask_judge("qwen", asks["qwen"], PROMPT, VIEWS).scores["texture"] == 0.4 and len(server.requests) == 2
    with judge(lambda body, number: wrong) as server:
        asks, _ = open_judges(judges_file(tmp_path, server.address))
        verdict = ask_judge("qwen", asks["qwen"], PROMPT, VIEWS)
    assert math.isnan(verdict.scores["geometry"]) and "texture is 7" in verdict.words


def test_a_judge_that_nobody_can_reach_stops_the_evaluation(tmp_path: Path):
    with judge(lambda body, number: "") as server:
        address = server.address
    asks, _ = open_judges(judges_file(tmp_path, address))
    with pytest.raises(JudgeGone, match="org/qwen does not answer after 2 tries"):
        ask_judge("qwen", asks["qwen"], PROMPT, VIEWS)


def test_only_the_models_under_levels_measure_and_unknown_ones_are_named(tmp_path: Path):
    path = judges_file(tmp_path, "http://127.0.0.1:9/v1", "levels: [other]\n")
    assert list(open_judges(path)[0]) == ["other"]
    path = judges_file(tmp_path, "http://127.0.0.1:9/v1", "levels: [gpt]\n")
    with pytest.raises(ValueError, match="'gpt' under `levels:`, which is not under `models:`"):
        open_judges(path)


def test_a_model_that_rewarded_the_run_does_not_measure_it(tmp_path: Path):
    path = judges_file(tmp_path, "http://127.0.0.1:9/v1", "rewards: {judge_category: qwen}\n")
    run = tmp_path / "run"
    (run / "policy").mkdir(parents=True)
    (run / "config.yaml").write_text(f"judges: {path}\n")
    assert rewarding_models(run / "policy") == {"org/qwen"} == rewarding_models(run)
    with pytest.raises(ValueError, match=r"org/qwen rewarded .*never what rewards"):
        open_judges(path, run)
    other = judges_file(tmp_path / "run", "http://127.0.0.1:9/v1", "levels: [other]\n")
    assert list(open_judges(other, run)[0]) == ["other"]
    (run / "config.yaml").write_text("steps: 3\n")
    assert rewarding_models(run) == set() == rewarding_models(tmp_path / "nowhere")
