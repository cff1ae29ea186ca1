from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

import maquette.studio.server as server
from maquette.maker import Maker
from maquette.shape.files import read_mesh, write_mesh
from maquette.studio.makings import Makings, Request, request_from
from maquette.studio.offers import models_in
from maquette.studio.serving import listen, serve
from maquette.types import Mesh
from tests.studio.serving import Served, save_run, served

SENTENCE = "a <b>tall</b> red chair with four legs"


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    runs = tmp_path_factory.mktemp("runs")
    save_run(runs)
    with served(runs) as running:
        yield running


@pytest.fixture(scope="module")
def made(studio: Served) -> dict:
    answer = studio.make(text=SENTENCE, model="micro", answers=3, seed=5)
    assert answer.status == 201
    studio.makings.wait(answer.json()["id"])
    return studio.ask(f"/api/makings/{answer.json()['id']}").json()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ([], "mapping with a text"),
        ({"text": " "}, "prompt is empty"),
        ({"text": "a" * 10_001}, "10001 letters; at most 10000"),
        ({"text": "a", "modell": "tiny"}, "no 'modell'; its fields are text, model"),
        ({"text": "a", "answers": 17}, "1 to 16 answers, not 17"),
        ({"text": "a", "answers": True}, "answers is True, which is of the wrong kind"),
        ({"text": "a", "seed": -1}, "seed is -1"),
        ({"text": "a", "seed": 0.5}, "seed is 0.5, which is of the wrong kind"),
        ({"text": "a", "temperature": float("nan")}, "temperature is nan"),
        ({"text": 3}, "text is 3"),
    ],
)
def test_a_wrong_request_is_one_sentence(data: object, says: str):
    with pytest.raises(ValueError, match=says):
        request_from(data)


def test_every_stage_of_every_answer_is_there(studio: Served, made: dict):
    assert made["state"] == "done" and made["request"]["text"] == SENTENCE and not made["error"]
    assert [stage["name"] for stage in made["stages"]] == ["coarse", "fine"]
    again = Maker(str(studio.runs / "micro")).answer(SENTENCE, answers=3, seed=5)
    for stage, truth in zip(made["stages"], again.stages, strict=True):
        assert [a["reasoning"] for a in stage["answers"]] == list(truth.reasoning)
        for answer, mesh in zip(stage["answers"], truth.meshes, strict=True):
            assert not answer["failed"]
            glb = studio.ask(f"/files/{made['id']}/{answer['stem']}.glb")
            assert len(trimesh.load(BytesIO(glb.data), "glb", force="mesh").faces) == len(mesh.faces)
            picture = Image.open(BytesIO(studio.ask(f"/files/{made['id']}/{answer['stem']}.webp").data))
            assert np.ptp(np.asarray(picture)) > 50


def test_the_best_answer_is_first(made: dict):
    assert sorted(made["order"]) == [0, 1, 2]
    assert set(made["rewards"][0]) == {"coarse/preference", "fine/alignment", "fine/aesthetic", "fine/parts"}
    values = np.array([[row[name] for name in sorted(row)] for row in made["rewards"]])
    # by the chain's weights of preference, aesthetic, alignment and parts, each standardised among the answers
    worth = ((values - values.mean(0)) / (values.std(0) + 1e-4)) @ [1, 1, 2, 1]
    assert made["order"] == np.argsort(-worth).tolist()


@pytest.mark.parametrize("suffix", ["obj", "ply", "stl"])
def test_a_shape_is_saved_in_other_formats(studio: Served, made: dict, suffix: str, tmp_path: Path):
    answer = studio.ask(f"/files/{made['id']}/fine-1.{suffix}")
    assert f'filename="fine-1.{suffix}"' in answer.headers["content-disposition"]
    (tmp_path / f"it.{suffix}").write_bytes(answer.data)
    kept = read_mesh(studio.makings.folder / made["id"] / "fine-1.glb")
    mesh = read_mesh(tmp_path / f"it.{suffix}")
    np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), np.ptp(kept.vertices, axis=0), atol=1e-4)


def test_what_was_made_outlives_the_studio(studio: Served, made: dict):
    folder = studio.makings.folder
    (folder / "20260101-000000-00000000").mkdir()
    (folder / "20260101-000000-00000000" / "making.json").write_text("{")
    path = folder / made["id"] / "making.json"
    before = path.read_text()
    path.write_text(before.replace('"done"', '"running"'))
    later = Makings(folder, dict)
    assert [m.id for m in later.newest(9)] == [made["id"]]
    assert later.get(made["id"]).state == "stopped"  # no one works on it any more
    assert later.get(made["id"]).request == Request(SENTENCE, "micro", 3, 5)
    path.write_text(before)
    later.close()


def test_only_what_it_offers_is_served(studio: Served, made: dict):
    (studio.runs / "report.html").write_text("<script>1</script>")
    (studio.runs / "notes.html").write_text("private")
    for path in (
        "/files/../micro/config.yaml",
        f"/files/{made['id']}/making.json",
        f"/files/{made['id']}/fine-9.glb",
        "/files/nothing/fine-1.glb",
        "/runs/notes.html",
        "/runs/../../etc/passwd",
        "/runs/%2e%2e/%2e%2e/etc/passwd",
        "/static/../server.py",
        "/static/%2e%2e%2fserver.py",
        "/api/trainings/..",
        "/samples/micro/..%2fconfig.yaml",
    ):
        assert studio.ask(path).status == 404, path
    report = studio.ask("/runs/report.html")
    assert report.status == 200 and report.headers["content-security-policy"].startswith("sandbox ")
    assert "allow-same-origin" not in report.headers["content-security-policy"]
    page = studio.ask("/")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]


def test_offers_name_models_pages_and_trainings(studio: Served):
    offers = studio.ask("/api/offers").json()
    assert {"tiny", "micro"} <= set(offers["models"])
    assert offers["trainings"] == [{"name": "micro", "step": 2, "steps": 3}]
    run = studio.ask("/api/trainings/micro").json()
    assert run["curves"]["reward/fine/parts"] == [[0.0, 0.0], [1.0, 0.25]]
    assert [group["names"] for group in run["groups"]] == [["reward/fine/parts"], ["loss"]]


def test_other_sites_are_refused(studio: Served):
    body = json.dumps({"text": "a chair"}).encode()
    asked = {"content_type": "application/json"}
    count = len(studio.makings.newest(99))
    assert studio.ask("/api/makings", "POST", body, **asked, sec_fetch_site="cross-site").status == 403
    assert studio.ask("/api/makings", "POST", body, **asked, sec_fetch_site="same-site").status == 403
    assert studio.ask("/api/makings", "POST", body, content_type="text/plain").status == 415
    assert studio.ask("/api/score?prompt=a", "POST", body, content_type="multipart/form-data").status == 415
    assert studio.ask("/api/offers", host="evil.example").status == 400
    assert len(studio.makings.newest(99)) == count


def test_an_unknown_model_is_one_sentence(studio: Served):
    answer = studio.make(text="a chair", model="/etc")
    assert answer.status == 422 and answer.json()["error"].startswith("There is no model '/etc' here; there are tiny")
    assert studio.ask("/api/makings", "POST", b"{", content_type="application/json").status == 422


def test_a_mesh_is_scored_and_a_wrong_one_named(studio: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    box = trimesh.creation.box((1, 1, 1))
    mesh = Mesh(box.vertices.astype(np.float32), box.faces.astype(np.int64), np.full((8, 3), 0.5, np.float32))
    write_mesh(mesh, tmp_path / "box.ply")
    asked = {"content_type": "application/octet-stream", "x_file_name": "box.ply"}
    data = (tmp_path / "box.ply").read_bytes()
    rewards = studio.ask("/api/score?prompt=a%20grey%20box", "POST", data, **asked).json()
    assert 0 <= rewards["fine/preference"] <= 1 and rewards["fine/parts"] is None  # the prompt names no part
    wrong = studio.ask("/api/score?prompt=a", "POST", b"nothing", **asked)
    assert wrong.status == 422 and wrong.json()["error"].startswith("box.ply")
    assert studio.ask("/api/score?prompt=", "POST", data, **asked).status == 422
    monkeypatch.setattr(server, "UPLOAD_BYTES", 100)
    large = studio.ask("/api/score?prompt=a", "POST", data, **asked)
    assert large.status == 413 and "the most that is read" in large.json()["error"]


class Held(Maker):
    """A maker whose first stage waits until it is let go."""

    def __init__(self, model: str) -> None:
        if model.endswith("broken"):
            raise ValueError("The weights are broken.")
        super().__init__(model)
        self.reached, self.go_on = threading.Event(), threading.Event()
        MAKERS.append(self)

    def answer(self, text, *, drawn, **kwargs):
        def held(so_far):
            self.reached.set()
            assert self.go_on.wait(60)
            drawn(so_far)

        return super().answer(text, drawn=held, **kwargs)


MAKERS: list[Held] = []


def test_one_that_runs_and_one_that_waits_can_be_stopped_and_a_fault_stops_no_other(tmp_path: Path):
    save_run(tmp_path)
    save_run(tmp_path, "broken")
    makings = Makings(tmp_path / "studio", lambda: models_in(tmp_path), Held)
    request = Request("a chair", "micro", 1)
    running, waiting, broken, last = (
        makings.submit(r) for r in (request, request, replace(request, model="broken"), request)
    )
    while not MAKERS:
        threading.Event().wait(0.01)
    assert MAKERS[0].reached.wait(60) and running.state == "running" and waiting.state == "waiting"
    makings.stop(waiting.id)
    makings.stop(running.id)
    assert waiting.state == "stopped"
    MAKERS[0].go_on.set()
    makings.wait(running.id)
    assert running.state == "stopped" and [stage["name"] for stage in running.stages] == ["coarse"]
    assert (makings.folder / running.id / "coarse-1.glb").is_file()
    makings.wait(broken.id)
    assert (broken.state, broken.error) == ("failed", "The weights are broken.")
    while len(MAKERS) < 2:
        threading.Event().wait(0.01)
    MAKERS[1].go_on.set()
    makings.wait(last.id)
    assert last.state == "done" and len(last.stages) == 2
    makings.close()


def test_a_taken_port_is_one_sentence(tmp_path: Path):
    with listen("127.0.0.1", 0) as taken, pytest.raises(ValueError, match=r"Cannot listen on 127.0.0.1:\d+ .*--port"):
        serve(tmp_path, (), host="127.0.0.1", port=taken.getsockname()[1], browser=False)
    with pytest.raises(ValueError, match="There is no model 'tinny'"):
        serve(tmp_path, ("tinny",), host="127.0.0.1", port=0, browser=False)


def test_whoever_waits_is_told_of_every_token(studio: Served):
    told: list[tuple[str, int, int]] = []
    maker = Maker(str(studio.runs / "micro"))
    maker.answer("a chair", answers=2, seed=0, shown=lambda *how_far: told.append(how_far))
    for name in ("coarse", "fine"):
        done = [count for stage, count, most in told if stage == name]
        assert done == list(range(1, len(done) + 1)) and 16 <= len(done) <= 6 + 16
    assert {most for _, _, most in told} == {6 + 16}
