"""`maquette score` of a mesh file: every full-size reward alone, by the judges file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml

from maquette.cli import score
from maquette.making import as_generation, centred, score_mesh
from maquette.rewards.judges_file import FULL_SIZE, IN_PROCESS, SERVED, read_judges
from maquette.shape.files import read_mesh, write_mesh
from tests.full.clip_layouts import aesthetic_file, clip_folder, clip_tokenizer, hps_file
from tests.full.judge_server import judge
from tests.full.test_judge_rewards import STAGE, acs, judges_file, tetrahedron

LISTED = {"parts": [{"name": "leg", "count": 4}]}
FOUND = {"parts": [{"name": "leg", "exists": 1, "completeness": 0.5}]}
SAID: dict[str, tuple[list[object], float]] = {
    "unified": ([acs(3, 4, 5)], 12.0),
    "unified_think": (["<think>round legs</think>\nGeometric Alignment Score (1-5): 4"], 4.0),
    "judge_category": ([{"shown": "chair", "asked": "chair", "match": 1}], 1.0),
    "judge_alignment": ([{"reasons": "red", "alignment": 0.75}], 0.75),
    "judge_geometry": ([{"outline": 0.5, "appearance": 0.25, "parts": 1}], 1.75),
    "judge_appearance": ([{"colour": 1, "material": 0.5, "texture": 0}], 1.5),
    "judge_parts": ([LISTED, FOUND], 1.5),
    "point_parts": ([LISTED, FOUND], 1.5),
}
"""What the model says, the last again and again, and what the reward makes of it."""


@pytest.fixture(autouse=True)
def no_progress_bars():
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()


@pytest.fixture
def chair(tmp_path: Path) -> Path:
    write_mesh(tetrahedron(), tmp_path / "chair.glb")
    return tmp_path / "chair.glb"


def weights(folder: Path) -> dict[str, str]:
    words = len(clip_tokenizer(folder / "words"))
    hps_file(folder / "hps.pt", words)
    clip_folder(folder / "clip")
    aesthetic_file(folder / "head.pth")
    return {
        "hps": "hps.pt",
        "clip_tokenizer": "words",
        "clip": "clip",
        "clip_l14": "clip",
        "clip_aesthetic": "head.pth",
    }


def test_every_full_size_reward_is_tried_here():
    assert set(SAID) == set(SERVED) and set(SAID) | set(IN_PROCESS) == set(FULL_SIZE)


@pytest.mark.parametrize("name", SERVED)
def test_a_served_reward_scores_a_mesh_file_alone(
    tmp_path: Path, chair: Path, name: str, capsys: pytest.CaptureFixture
):
    said, expected = SAID[name]

    def reply(body: dict, number: int) -> str:
        one = said[min(number, len(said) - 1)]
        return one if isinstance(one, str) else json.dumps(one)

    with judge(reply) as server:
        path = judges_file(tmp_path, server.address, points={"density": 50.0})
        score(chair, "a red chair", judges=str(path), rewards=(name,))
    assert capsys.readouterr().out.split() == [f"fine/{name}", f"{expected:.4f}"]


@pytest.mark.parametrize("name", IN_PROCESS)
def test_a_reward_in_process_scores_a_mesh_file_alone(tmp_path: Path, chair: Path, name: str):
    path = tmp_path / "judges.yaml"
    path.write_text(yaml.safe_dump({"weights": weights(tmp_path)}))
    value = score_mesh(chair, "a red chair", tmp_path / "seen.png", str(path), (name,))
    shown = as_generation(centred(read_mesh(chair)), "a red chair", (STAGE,), size=224)
    expected = float(read_judges(path).reward(name, "mean").score(shown, 0)[0])
    assert value == {f"fine/{name}": pytest.approx(expected, abs=1e-6)} and (tmp_path / "seen.png").is_file()
    # it reads the text where it should, and the aesthetic does not
    other = score_mesh(chair, "nine blue whales", None, str(path), (name,))
    assert (other == value) is (name == "clip_aesthetic")


def test_several_at_once_and_one_without_a_server(tmp_path: Path, chair: Path):
    path = tmp_path / "judges.yaml"
    path.write_text(yaml.safe_dump({"weights": weights(tmp_path)}))
    assert set(score_mesh(chair, "a chair", None, str(path), IN_PROCESS)) == {f"fine/{name}" for name in IN_PROCESS}
    with pytest.raises(ValueError, match="says nothing of unified: add it under `rewards:`"):
        score_mesh(chair, "a chair", None, str(path), ("unified",))
    with pytest.raises(ValueError, match="needs a judges file"):
        score_mesh(chair, "a chair", None, "", ("hps",))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_device_that_is_not_there_is_named(tmp_path: Path, chair: Path):
    path = tmp_path / "judges.yaml"
    path.write_text(yaml.safe_dump({"weights": weights(tmp_path), "device": "cuda"}))
    with pytest.raises(ValueError, match="device: cuda and this machine shows none; set device: cpu"):
        score_mesh(chair, "a chair", None, str(path), ("clip",))
