"""The best of several answers of a full-size run, by the judges of its config or by others, from the command's function to the studio."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
import yaml
from PIL import Image

from maquette import maker
from maquette.config import Config, RewardWeights, StageSpec
from maquette.config_file import dump_config
from maquette.making import make
from maquette.policy.export import export_policy
from maquette.policy.model import open_policy
from maquette.runs import source_of
from maquette.studio.makings import Makings, Request
from tests.full.judge_server import judge
from tests.full.layouts import shapellm_folder, small_codec

CHAIN = (StageSpec("fine", "direct", ("prompt",), "colour", 0.0, 4, RewardWeights(unified=1.0)),)
MARK = "Alignment Score (1-5): {0}\nCoherence Score (1-5): 1\nStyle Score (1-5): 1"
SIZE = 112


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that was rewarded by UnifiedReward on views of 112 pixels; its config names no judges file yet."""
    shapellm_folder(tmp_path / "base")
    small_codec().save(tmp_path / "codec")
    open_policy(tmp_path / "base", lora_rank=2).save(tmp_path / "run" / "policy")
    config = Config(model=str(tmp_path / "base"), codec=str(tmp_path / "codec"), stages=CHAIN, render_size=SIZE)
    (tmp_path / "run" / "config.yaml").write_text(dump_config(replace(config, reduce="max")))
    return tmp_path / "run"


def judges_file(folder: Path, address: str) -> Path:
    model = {"addresses": [address], "model": "m", "retries": 0, "timeout": 20.0}
    path = folder / "judges.yaml"
    path.write_text(yaml.safe_dump({"models": {"vlm": model}, "rewards": {"unified": "vlm"}}))
    return path


def name_judges(run: Path, judges: Path) -> None:
    config = yaml.safe_load((run / "config.yaml").read_text())
    (run / "config.yaml").write_text(yaml.safe_dump(config | {"judges": str(judges)}))


def best_of_two(model: Path, out: Path, judges: str = "") -> None:
    make("a red chair", out, model=str(model), count=1, best_of=2, seed=0, picture=None, judges=judges)


def side_of(body: dict) -> int:
    """Of the picture in a request."""
    data = base64.b64decode(body["messages"][-1]["content"][0]["image_url"]["url"].split(",")[1])
    return Image.open(BytesIO(data)).width


@pytest.mark.parametrize("named", ["in the config", "by the option"])
def test_a_full_size_run_chooses_by_its_judges_on_its_views(run: Path, tmp_path: Path, named: str):
    with judge(lambda body, number: MARK.format(5 if number < 6 else 1)) as server:
        judges = judges_file(tmp_path, server.address)
        if named == "in the config":
            name_judges(run, judges)
        best_of_two(run, tmp_path / "out.glb", "" if named == "in the config" else str(judges))
    assert (tmp_path / "out.glb").read_bytes()[:4] == b"glTF"
    assert len(server.requests) == 2 * 6 and {side_of(body) for body in server.requests} == {SIZE}


@pytest.mark.parametrize(("file", "why"), [("", "none is named"), ("gone.yaml", "gone.yaml is not there")])
def test_judges_that_are_missing_are_refused_before_anything_is_loaded(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, why: str
):
    if file:
        name_judges(run, tmp_path / file)
    monkeypatch.setattr(maker, "load_policy", lambda *given: pytest.fail("the policy was loaded"))
    with pytest.raises(
        ValueError, match=rf"judged by unified, which need a judges file, and .*{re.escape(why)}: .*--judges"
    ):
        best_of_two(run, tmp_path / "out.glb")


def test_one_answer_needs_no_judge(run: Path, tmp_path: Path):
    make("a red chair", tmp_path / "out.glb", model=str(run), count=1, best_of=1, seed=0, picture=None)
    assert (tmp_path / "out.glb").exists()


def test_the_studio_judges_as_generate_does(run: Path, tmp_path: Path):
    def made(judges: str):
        makings = Makings(tmp_path / f"studio{len(judges)}", lambda: {"run": str(run)}, judges=judges)
        making = makings.submit(Request("a red chair", "run", 2))
        makings.wait(making.id)
        makings.close()
        return making

    refused = made("")
    assert refused.state == "failed" and "--judges" in refused.error and not refused.stages
    with judge(lambda body, number: MARK.format(4)) as server:
        done = made(str(judges_file(tmp_path, server.address)))
    assert done.state == "done" and [own["fine/unified"] for own in done.rewards] == [6.0, 6.0]


def test_an_exported_folder_keeps_how_it_is_looked_at_and_names_no_file_of_another_machine(run: Path, tmp_path: Path):
    name_judges(run, tmp_path / "judges.yaml")
    kept = source_of(str(export_policy(run, tmp_path / "exported")))
    assert (kept.render_size, kept.reduce, kept.judges) == (SIZE, "max", "")
    assert source_of(str(run)).judges == str(tmp_path / "judges.yaml")
