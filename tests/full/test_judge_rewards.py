"""Judged rewards: what is asked, how answers become numbers, and what failed shapes and silent judges get."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from maquette.config import RewardWeights, StageSpec
from maquette.making import as_generation, score_mesh
from maquette.rewards.ensemble import build_ensemble
from maquette.rewards.judge_parts import PointCloud, part_score, read_list, spoken
from maquette.rewards.judge_prompts import PROMPTS, load_prompt
from maquette.rewards.judge_rewards import JudgedReward
from maquette.rewards.judges_file import SERVED, read_judges
from maquette.shape.files import write_mesh
from maquette.training.loop import write_refusals
from maquette.types import Generation, Mesh, PartSpec, Prompt, StageOutput
from tests.full.judge_server import judge
from tests.training.toys import LowCodes, micro_config, micro_parts

STAGE = StageSpec("fine", "direct", rewards=RewardWeights(unified=1.0))
VIEWS = 6
CHAIR = Prompt("p", "a red chair")


def tetrahedron() -> Mesh:
    vertices = np.float32([[0, 0, 0.4], [0.4, 0, -0.3], [-0.3, 0.3, -0.3], [-0.3, -0.3, -0.3]])
    return Mesh(vertices, np.int32([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]]), np.full((4, 3), 0.5, np.float32))


def two_answers(prompt: Prompt = CHAIR, failed: tuple[bool, bool] = (False, False)) -> Generation:
    one = as_generation(tetrahedron(), prompt.text, (STAGE,))
    stage = one.stages[0]
    views = stage.views
    doubled = {k: np.concatenate([getattr(views, k)] * 2) for k in ("rgb", "depth", "normal", "mask")}
    doubled["rgb"] = doubled["rgb"].copy()
    doubled["rgb"][1, ..., 0] += 1  # the second answer's pictures differ
    both = StageOutput(
        "fine",
        ("", ""),
        stage.codes.repeat(2, 1),
        np.array(failed),
        stage.voxels,
        stage.meshes * 2,
        type(views)(**doubled, cameras=views.cameras),
    )
    return Generation((prompt,), 2, one.rollouts, (both,))


def judges_file(folder: Path, address: str, **extra: object) -> Path:
    model = {"addresses": [address], "model": "m", "retries": 1, "backoff": 0.01, "timeout": 5.0, "concurrency": 1}
    tree = {"models": {"vlm": model}, "rewards": dict.fromkeys((*SERVED, "list_parts"), "vlm")} | extra
    path = folder / "judges.yaml"
    path.write_text(json.dumps(tree))
    return path


def acs(alignment: float, coherence: float = 1, style: float = 1) -> str:
    return f"Alignment Score (1-5): {alignment}\nCoherence Score (1-5): {coherence}\nStyle Score (1-5): {style}"


def test_unified_reward_is_the_best_views_sum_of_three(tmp_path: Path):
    def reply(body: dict, number: int) -> str:
        return acs(2.6947, 2.3715, 2.8025) if number == 3 else acs(1, 1, 2)

    with judge(reply) as server:
        reward = read_judges(judges_file(tmp_path, server.address)).reward("unified", "max")
        values = reward.score(two_answers(), 0)
    assert values.tolist() == pytest.approx([2.6947 + 2.3715 + 2.8025, 4.0])
    assert len(server.requests) == 2 * VIEWS and reward.worst == 3.0
    content = server.requests[0]["messages"][-1]["content"]
    assert len(content) == 2 and "Text Caption: [a red chair]" in content[1]["text"]
    assert "response_format" not in server.requests[0]


@pytest.mark.parametrize(
    ("name", "said", "expected"),
    [
        ("judge_category", {"shown": "chair", "asked": "chair", "match": 1}, 1.0),
        ("judge_alignment", {"reasons": "red, a chair", "alignment": 0.75}, 0.75),
        ("judge_geometry", {"outline": 0.5, "appearance": 0.25, "parts": 1}, 1.75),
        ("judge_appearance", {"colour": 1, "material": 0.5, "texture": 0}, 1.5),
    ],
)
def test_joint_judgements_see_all_views_in_one_question(tmp_path: Path, name: str, said: dict, expected: float):
    with judge(lambda body, number: "Sure:\n```json\n" + json.dumps(said) + "\n```") as server:
        values = read_judges(judges_file(tmp_path, server.address)).reward(name, "max").score(two_answers(), 0)
    assert values.tolist() == [expected, expected] and len(server.requests) == 2
    content = server.requests[0]["messages"][-1]["content"]
    assert [part["type"] for part in content] == ["image_url"] * VIEWS + ["text"]
    form = server.requests[0]["response_format"]["json_schema"]["schema"]
    assert form["required"] == list(said) and form["additionalProperties"] is False


def test_a_mesh_file_is_scored_by_named_rewards_alone(tmp_path: Path):
    write_mesh(tetrahedron(), tmp_path / "t.glb")
    with judge(lambda body, number: acs(3, 4, 5)) as server:
        path = str(judges_file(tmp_path, server.address))
        assert score_mesh(tmp_path / "t.glb", "a red chair", None, path, ("unified",)) == {"fine/unified": 12.0}
    with pytest.raises(ValueError, match="no reward 'unifed'"):
        score_mesh(tmp_path / "t.glb", "a red chair", None, path, ("unifed",))


def test_failed_shapes_get_the_worst_and_are_not_shown_and_silence_is_missing(tmp_path: Path):
    with judge(lambda body, number: "I cannot say.") as server:
        ensemble = build_ensemble((STAGE,), judges=str(judges_file(tmp_path, server.address)))
        scores = ensemble.score(two_answers(failed=(True, False)))
    assert scores.values[0, 0, 0] == 3.0 and scores.values[0, 1, 0].isnan()
    assert scores.missing[0, :, 0].tolist() == [False, True] and scores.failed[:, 0].tolist() == [True, False]
    assert len(server.requests) == 2 * VIEWS  # one answer's views, each tried twice
    assert ensemble.costs()["judge/vlm/missing"] == VIEWS


def test_the_judges_of_a_stage_are_asked_at_the_same_time_and_say_the_same(tmp_path: Path):
    names = ("unified", "judge_category", "judge_geometry")
    meeting = threading.Barrier(len(names), timeout=10)  # passes only where all are asked at once
    met: set[str] = set()
    said = {
        "unified": acs(2, 3, 4),
        "judge_category": json.dumps({"shown": "chair", "asked": "chair", "match": 1}),
        "judge_geometry": json.dumps({"outline": 0.5, "appearance": 0.25, "parts": 1}),
    }

    def reply(body: dict, number: int) -> str:
        if body["model"] not in met:
            met.add(body["model"])
            meeting.wait()
        return said[body["model"]]

    with judge(reply) as server:
        own = {"addresses": [server.address], "retries": 0, "timeout": 20.0, "concurrency": 1}
        tree = {"models": {name: own | {"model": name} for name in names}, "rewards": {name: name for name in names}}
        (tmp_path / "judges.yaml").write_text(json.dumps(tree))
        stage = StageSpec("fine", "direct", rewards=RewardWeights(aesthetic=1.0, **dict.fromkeys(names, 1.0)))
        ensemble = build_ensemble((stage,), judges=str(tmp_path / "judges.yaml"))
        scores = ensemble.score(two_answers())
        alone = {reward.name: reward.score(two_answers(), 0) for reward in ensemble.stages[0]}
    assert scores.names == ("aesthetic", *names) == tuple(alone)
    assert torch.equal(scores.values[:, :, 0], torch.stack(list(alone.values())))


def test_what_a_judge_does_not_answer_is_written_into_the_runs_folder(tmp_path: Path):
    with judge(lambda body, number: "I cannot say.") as server:
        ensemble = build_ensemble((STAGE,), judges=str(judges_file(tmp_path, server.address)))
        ensemble.score(two_answers(failed=(True, False)))
    parts = replace(micro_parts(micro_config(), LowCodes()), ensemble=ensemble)
    for step in (3, 4):  # nothing new in the second step
        write_refusals(tmp_path, step, parts)
    lines = [json.loads(line) for line in (tmp_path / "judge-refusals.jsonl").read_text().splitlines()]
    assert len(lines) == VIEWS and {line["text"] for line in lines} == {"I cannot say."}
    assert all((line["step"], line["judge"]) == (3, "vlm") and server.address in line["why"] for line in lines)


def test_parts_are_listed_once_per_prompt_and_scored_one_by_one(tmp_path: Path):
    def reply(body: dict, number: int) -> str:
        if "List the physical parts" in body["messages"][-1]["content"][-1]["text"]:
            return json.dumps({"parts": [{"name": "Leg", "count": 4}, {"name": "seat", "count": 0}]})
        leg = {"name": "leg", "exists": 1, "completeness": 0.5}
        return json.dumps({"parts": [leg, {"name": "seat", "exists": 0, "completeness": 0.9}]})

    with judge(reply) as server:
        reward = read_judges(judges_file(tmp_path, server.address)).reward("judge_parts", "max")
        assert reward.score(two_answers(), 0).tolist() == [
            0.75,
            0.75,
        ]  # (1 + 0.5 + 0) / 2: what is not there is not complete
        reward.score(two_answers(), 0)
    listed = [r for r in server.requests if "List the physical" in r["messages"][-1]["content"][-1]["text"]]
    assert len(listed) == 1 and "4 x leg, seat" in server.requests[1]["messages"][-1]["content"][-1]["text"]


def test_the_prompt_files_own_parts_are_not_asked_for(tmp_path: Path):
    prompt = Prompt("p", "a stool", parts=(PartSpec("leg", 3, "red"),))
    said = json.dumps({"parts": [{"name": "red leg", "exists": 1, "completeness": 1}]})
    with judge(lambda body, number: said) as server:
        reward = read_judges(judges_file(tmp_path, server.address)).reward("judge_parts", "max")
        assert reward.score(two_answers(prompt), 0).tolist() == [2.0, 2.0]
    assert len(server.requests) == 2 and "3 x red leg" in server.requests[0]["messages"][-1]["content"][-1]["text"]


def test_a_point_cloud_model_is_shown_points(tmp_path: Path):
    prompt = Prompt("p", "a stool", parts=(PartSpec("leg", 3),))
    said = json.dumps({"parts": [{"name": "leg", "exists": 1, "completeness": 0}]})
    with judge(lambda body, number: said) as server:
        path = judges_file(tmp_path, server.address, points={"density": 100.0})
        assert read_judges(path).reward("point_parts", "max").score(two_answers(prompt), 0).tolist() == [1.0, 1.0]
    url = server.requests[0]["messages"][-1]["content"][0]["image_url"]["url"]
    assert url.startswith("data:application/x-npy;base64,")


def test_the_points_that_are_documented_are_the_points_that_are_drawn(tmp_path: Path):
    shipped = Path(__file__).parents[2] / "configs" / "full" / "judges.yaml"
    (line,) = (line for line in shipped.read_text().splitlines() if line.startswith("# points:"))
    stated = yaml.safe_load(line.removeprefix("# ").split("   #")[0])
    path = judges_file(tmp_path, "http://localhost:1/v1", **stated)
    reward = read_judges(path).reward("point_parts", "max")
    assert isinstance(reward, JudgedReward) and reward.points == PointCloud()
    assert "points: {density: 4000, most: 10000}" in (shipped.parents[2] / "docs" / "full-size.md").read_text()
    asked = Prompt("p", "a stool", parts=(PartSpec("leg", 3),))
    with pytest.raises(ValueError, match="`points:`, a key of its own at the top of the judges file"):
        replace(reward, points=None).score(two_answers(asked), 0)


def test_points_are_weighted_by_area_and_take_the_corners_colours():
    vertices = np.float32([[0, 0, 0], [1, 0, 0], [0, 1, 0], [5, 5, 5], [5, 5.5, 5], [5, 5, 5.5]])
    mesh = Mesh(vertices, np.int32([[0, 1, 2], [3, 4, 5]]), np.float32([[1, 0, 0]] * 3 + [[0, 0, 1]] * 3))
    points = PointCloud(density=1000.0, most=10**6).sample(mesh)
    big = points[:, 0] < 4
    assert (big.sum(), (~big).sum()) == (500, 125)  # ceil(ρ · area)
    assert (points[big, 3:] == [1, 0, 0]).all() and (points[~big, 3:] == [0, 0, 1]).all()
    assert points[big, :2].mean(0) == pytest.approx([1 / 3, 1 / 3], abs=0.03)  # uniform: its mean is the centroid
    assert len(PointCloud(density=1000.0, most=50).sample(mesh)) == 50


def test_part_scores_by_hand():
    asked = (PartSpec("leg", 4), PartSpec("back"))
    whole = [{"name": "front leg", "exists": 1, "completeness": 1.0}]
    assert part_score({"parts": whole}, asked) == 1.0  # the back that the judge left out is not there
    assert spoken(asked) == "4 x leg, back"
    assert read_list({"parts": [{"name": " Wheel ", "count": 2}, {"name": "wheel", "count": 4}]}) == (
        PartSpec("wheel", 4),
    )


def test_a_judge_that_always_says_the_same_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with judge(lambda body, number: acs(5, 5, 5)) as server:
        path = judges_file(tmp_path, server.address, cache=str(tmp_path / "cache"))
        reward = read_judges(path).reward("unified", "max")
        for _ in range(40):
            reward.score(two_answers(), 0)
    told = capsys.readouterr().err
    assert told.count("carries no signal") == 1 and "unified (m) gave 15 to all of the last 64" in told


@pytest.mark.parametrize("name", [path.stem for path in PROMPTS.glob("*.yaml")])
def test_every_shipped_prompt_loads_and_refuses_nonsense(name: str):
    prompt = load_prompt(name)
    assert prompt.label.startswith(f"{name} v{prompt.version} ") and len(prompt.label.split()[-1]) == 8
    for nonsense in ("", "no", "{}", "[1]", '{"match": 7, "score": 1}', "Alignment Score (1-5): 9"):
        with pytest.raises(ValueError):
            prompt.parse(nonsense)


def test_numbers_out_of_range_and_booleans_are_no_answers():
    prompt = load_prompt("judge_geometry")
    for wrong in (1.5, -0.1, True, "1", None, float("nan")):
        with pytest.raises(ValueError, match="outline"):
            prompt.parse(json.dumps({"outline": wrong, "appearance": 1, "parts": 1}))
    with pytest.raises(ValueError, match="whole"):
        load_prompt("judge_category").parse('{"shown": "", "asked": "", "match": 0.5}')


def test_true_and_false_are_whole_marks():
    category, parts = load_prompt("judge_category"), load_prompt("judge_parts")
    for said, mark in ((True, 1.0), (False, 0.0)):
        assert category.parse(json.dumps({"shown": "", "asked": "", "match": said}))["score"] == mark
        found = parts.parse(json.dumps({"parts": [{"name": "leg", "exists": said, "completeness": 0.5}]}))["parts"]
        assert isinstance(found, list) and found[0]["exists"] == mark
    with pytest.raises(ValueError, match="count"):
        load_prompt("list_parts").parse('{"parts": [{"name": "leg", "count": true}]}')


@pytest.mark.parametrize(("written", "mark"), [(0.98, 1.0), (5.003, 5.0), (4.98, 4.98), (5.06, None), (0.94, None)])
def test_marks_a_hair_outside_their_range_are_its_end(written: float, mark: float | None):
    prompt = load_prompt("unified")
    if mark is None:
        with pytest.raises(ValueError, match="1 to 5"):
            prompt.parse(acs(written, 2, 3))
    else:
        assert prompt.parse(acs(written, 2, 3))["score"] == pytest.approx(mark + 5)


@pytest.mark.parametrize("line", ["**{}**: 4", "**{}:** 4", "**{}** : **4**", "{}: 4", "* {}: 4.0"])
def test_a_mark_is_read_in_whatever_bold(line: str):
    prompt = load_prompt("unified_think")
    (rule,) = (rule for rule in prompt.fields.values() if "line" in rule)
    assert prompt.parse("I see a chair.\n" + line.format(rule["line"]))["score"] == 4.0


def test_braces_in_a_request_stay_text():
    assert "[a {views} cube]" in load_prompt("unified").say(prompt="a {views} cube", views=6)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("modles: {}", "did you mean 'models'"),
        ("rewards: {unifed: vlm}", "did you mean 'unified'"),
        ("weights: {hpss: x}", "did you mean 'hps'"),
        ("- a list", "holds a list"),
        ("a: [", "is not YAML"),
    ],
)
def test_faults_of_a_judges_file_are_named(tmp_path: Path, text: str, complaint: str):
    (tmp_path / "judges.yaml").write_text(text)
    with pytest.raises(ValueError, match=complaint):
        read_judges(tmp_path / "judges.yaml")


def test_rewards_without_their_judge_are_named(tmp_path: Path):
    with pytest.raises(ValueError, match="unified needs a judges file"):
        build_ensemble((STAGE,))
    (tmp_path / "judges.yaml").write_text("rewards: {judge_category: vlm}\nmodels: {vlm: {adresses: [x]}}")
    judges = read_judges(tmp_path / "judges.yaml")
    with pytest.raises(ValueError, match="says nothing of unified"):
        judges.reward("unified", "max")
    with pytest.raises(ValueError, match="did you mean 'addresses'"):
        judges.reward("judge_category", "max")
    with pytest.raises(ValueError, match="no weights for hps"):
        judges.reward("hps", "max")
