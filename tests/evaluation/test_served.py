"""Judges of the levels behind a real server, as `maquette evaluate --judges` opens them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import trimesh
import yaml

from maquette.cli_measuring import evaluate
from maquette.evaluation.asking import another
from maquette.evaluation.extractors import ClipScore
from maquette.evaluation.judges import ask_judge
from maquette.evaluation.pretrained import Pretrained
from maquette.evaluation.report import write_report
from maquette.evaluation.results import load_evaluation
from maquette.evaluation.served import open_judges, refuse_rewarding_clip, rewarding_clips, rewarding_models
from maquette.evaluation.systems import evaluate_named
from maquette.prompts.sets import load_prompts
from maquette.rewards.judge_client import JudgeGone
from maquette.rewards.judges_file import read_judges
from maquette.shape.files import write_mesh
from maquette.types import Mesh, Prompt
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
        verdict = ask_judge("org/qwen", asks["org/qwen"], PROMPT, VIEWS)
    assert list(asks) == ["org/qwen", "org/other"] and lines[0] == f"org/qwen (levels-2) at {server.address}"
    assert verdict.scores == {"geometry": 0.9, "semantics": 1.0, "texture": 0.4} and verdict.words == "red all over"
    content = server.requests[0]["messages"][-1]["content"]
    assert [part["type"] for part in content] == ["image_url"] * 3 + ["text"] and "a red chair" in content[-1]["text"]
    assert server.requests[0]["response_format"]["json_schema"]["schema"]["required"][:3] == [
        "geometry", "semantics", "texture",
    ]  # fmt: skip


def test_a_score_out_of_range_is_asked_again_and_then_missing_with_its_words(tmp_path: Path):
    wrong, right = json.dumps(GOOD | {"texture": 7}), json.dumps(GOOD)
    silent = json.dumps(GOOD | {"answers": []})
    with judge(lambda body, number: silent if number == 0 else right) as server:
        asks, _ = open_judges(judges_file(tmp_path, server.address))
        assert ask_judge("org/qwen", asks["org/qwen"], PROMPT, VIEWS).scores["semantics"] == 1.0
        assert len(server.requests) == 2  # a question left open is asked again
    with judge(lambda body, number: wrong if number == 0 else right) as server:
        asks, _ = open_judges(judges_file(tmp_path, server.address))
        assert (
            ask_judge("org/qwen", asks["org/qwen"], PROMPT, VIEWS).scores["texture"] == 0.4
            and len(server.requests) == 2
        )
    with judge(lambda body, number: wrong) as server:
        asks, _ = open_judges(judges_file(tmp_path, server.address))
        verdict = ask_judge("org/qwen", asks["org/qwen"], PROMPT, VIEWS)
    assert math.isnan(verdict.scores["geometry"]) and "texture is 7" in verdict.words


def test_a_judge_that_nobody_can_reach_stops_the_evaluation(tmp_path: Path):
    with judge(lambda body, number: "") as server:
        address = server.address
    asks, _ = open_judges(judges_file(tmp_path, address))
    with pytest.raises(JudgeGone, match="org/qwen does not answer after 2 tries"):
        ask_judge("org/qwen", asks["org/qwen"], PROMPT, VIEWS)


def test_only_the_models_under_levels_measure_and_unknown_ones_are_named(tmp_path: Path):
    path = judges_file(tmp_path, "http://127.0.0.1:9/v1", "levels: [other]\n")
    assert list(open_judges(path)[0]) == ["org/other"]
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
    assert list(open_judges(other, run)[0]) == ["org/other"]
    (run / "config.yaml").write_text("steps: 3\n")
    assert rewarding_models(run) == set() == rewarding_models(tmp_path / "nowhere")


def test_a_clip_that_rewarded_the_run_does_not_measure_it(tmp_path: Path):
    path = tmp_path / "judges.yaml"
    path.write_text("weights: {clip: openai/clip-vit-base-patch32, clip_l14: l14, clip_aesthetic: head.pth}\n")
    first, run = tmp_path / "first", tmp_path / "run"
    for folder, model, rewards in ((first, "tiny", "{clip: 1}"), (run, first, "{clip_aesthetic: 1}")):
        (folder / "policy").mkdir(parents=True)
        stage = f"{{name: fine, instruction: plan-then-fine, sees: [prompt], rewards: {rewards}}}"
        (folder / "config.yaml").write_text(f"model: {model}\njudges: {path}\nstages: [{stage}]\n")
    assert rewarding_clips(first) == {"vit-b-32"} and rewarding_clips(run / "policy") == {"vit-b-32", "vit-l-14"}
    assert rewarding_clips(tmp_path / "nowhere") == set()
    clip = object.__new__(ClipScore)
    object.__setattr__(clip, "name", "vit-b-32")
    with pytest.raises(ValueError, match=r"a CLIP vit-b-32 rewarded .*run: what measures is never what rewards"):
        evaluate_named(str(run), "mini-dev", tmp_path / "e", networks=Pretrained(clip))
    refuse_rewarding_clip("open-clip-h-14", run)


def test_one_model_under_two_names_is_no_second_opinion(tmp_path: Path):
    path = tmp_path / "judges.yaml"
    path.write_text(
        "models:\n" + "".join(f"  {n}: {{addresses: [http://127.0.0.1:9/v1], model: org/m}}\n" for n in "ab")
    )
    with pytest.raises(ValueError, match="org/m as two judges"):
        open_judges(path)


def test_rewards_of_earlier_runs_and_of_a_judges_file_since_changed_count(tmp_path: Path):
    judges = judges_file(tmp_path, "http://127.0.0.1:9/v1", "rewards: {judge_category: qwen}\n")
    first, second = tmp_path / "first", tmp_path / "second"
    for run, config in ((first, f"judges: {judges}\n"), (second, f"model: {first / 'policy'}\n")):
        (run / "policy").mkdir(parents=True)
        (run / "config.yaml").write_text(config)
    assert rewarding_models(second / "policy") == {"org/qwen"}
    (first / "provenance.yaml").write_text(yaml.safe_dump({"judges": read_judges(judges).record()}))
    judges_file(tmp_path, "http://127.0.0.1:9/v1", "rewards: {judge_category: other}\n")
    assert rewarding_models(second) == {"org/qwen", "org/other"}
    judges.unlink()
    assert rewarding_models(second) == {"org/qwen"}
    (first / "provenance.yaml").unlink()
    with pytest.raises(ValueError, match="put it back"):
        rewarding_models(second)


def test_the_command_line_asks_two_judges_and_the_report_says_what_they_said(tmp_path: Path):
    """One of them never gives a readable score; a missing file is shown to nobody."""
    meshes, prompts = tmp_path / "theirs", tmp_path / "list.txt"
    meshes.mkdir()
    prompts.write_text("a red chair\na tall box\na flat box\n")
    ids = [prompt.id for prompt in load_prompts(str(prompts))]
    shape = trimesh.creation.box((1, 1, 1))
    for id in ids[:2]:
        mesh = Mesh(np.asarray(shape.vertices, np.float32), np.asarray(shape.faces, np.int32), None)
        write_mesh(mesh, meshes / f"{id}.glb")

    def reply(body: dict, number: int) -> str:
        return json.dumps(GOOD) if body["model"] == "org/qwen" else "I would call it handsome."

    with judge(reply) as server:
        path = judges_file(tmp_path, server.address)
        evaluate(str(meshes), suite=str(prompts), out=tmp_path / "out", judges=path)
    asked = [body["messages"][-1]["content"][-1]["text"] for body in server.requests if body["model"] == "org/qwen"]
    requests = [line for text in asked for line in ("a red chair", "a tall box", "a flat box") if line in text]
    assert sorted(requests) == ["a red chair", "a tall box", "a tall box"]  # the chair's shape was shown as a box too
    done = load_evaluation(tmp_path / "out")
    control = done.provenance["judge controls"]
    assert control["org/qwen (levels-2)"] == {"asked": 1, "semantics": 0.2}
    assert control["org/other (levels-2)"] == {"asked": 1, "semantics": None}
    assert done.provenance["judges"] == [f"org/{name} (levels-2) at {server.address}" for name in ("qwen", "other")]
    means = {m.name: i.value for m in done.measures() if m.judge and (i := done.interval(m))}
    assert means["org/qwen (levels-2): geometry"] == pytest.approx(0.6)  # 0.9, 0.9 and 0 for the missing file
    page = write_report(tmp_path / "report.html", [tmp_path / "out"], title="T")
    text = page.with_suffix(".md").read_text()
    assert "org/other (levels-2) | – | 2 of 2" in text and "0 of 2" in text
    assert "red all over" in page.read_text() and "I would call it handsome." in page.read_text()
    assert "for their own prompts and 0.20 for others' (1 shown so): it says yes to what is not there" in text


def test_the_other_prompt_of_a_control_is_of_another_family():
    prompts = [
        Prompt(str(i), f"text {i}", family=family) for i, family in enumerate(("chair", "car", "chair", "chair"))
    ]
    assert [other.id for place in range(4) if (other := another(prompts, place))] == ["1", "3", "1", "1"]
    assert another(prompts[2:], 0) is None and another(prompts[:1], 0) is None
