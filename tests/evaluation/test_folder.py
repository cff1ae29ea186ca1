"""A folder of someone else's meshes, measured end to end by evaluators of random weights: nothing here depends on their accuracy."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from maquette.evaluation import report, systems
from maquette.evaluation.answers import folder_system, in_unit_cube, mesh_files
from maquette.evaluation.leaderboard import build_boards, find_evaluations, write_leaderboard
from maquette.evaluation.networks import DualEncoder, Evaluators, Recogniser
from maquette.evaluation.references import Reference, of_file
from maquette.evaluation.report import write_report
from maquette.evaluation.results import Evaluation, load_evaluation
from maquette.evaluation.run import evaluate
from maquette.evaluation.systems import evaluate_named, is_mesh_folder
from maquette.rewards.text import Words
from maquette.shape.files import write_mesh
from maquette.shape.voxelise import voxelise_solid
from maquette.types import Mesh, PartSpec, Prompt

PROMPTS = tuple(
    Prompt(f"p{i}", text, "spatial" if i < 3 else "rare", "box", (PartSpec("lid", 1, "red"),))
    for i, text in enumerate(("a red box", "a tall box", "a flat box", "a ball", "a cone", "a broken file"))
)
ASSETS = Path(__file__).resolve().parents[3] / "shared" / "assets"
SHAPES = (
    trimesh.creation.box((1, 1, 1)),
    trimesh.creation.box((0.4, 0.4, 1)),
    trimesh.creation.box((1, 1, 0.2)),
    trimesh.creation.icosphere(subdivisions=2),
    trimesh.creation.cone(0.5, 1.0),
)


def mesh_of(shape: trimesh.Trimesh, scale: float = 1.0) -> Mesh:
    color = np.full((len(shape.vertices), 3), [0.8, 0.1, 0.1], np.float32)
    return Mesh(np.asarray(shape.vertices * scale, np.float32), np.asarray(shape.faces, np.int32), color)


@pytest.fixture(scope="module")
def evaluators() -> Evaluators:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        words = Words(("a", "red", "tall", "flat", "box", "ball"))
        dual, recogniser = DualEncoder(len(words)).eval(), Recogniser(2, 2, 3).eval()
    return Evaluators(
        dual, recogniser, words, ("box", "ball"), ("lid", "leg"), ("red", "blue", "grey"), {"family": 0.5}
    )


@pytest.fixture(scope="module")
def meshes(tmp_path_factory) -> Path:
    """Five shapes in files of several kinds and sizes, one unreadable file, one file of no prompt."""
    folder = tmp_path_factory.mktemp("theirs")
    for i, (shape, suffix) in enumerate(zip(SHAPES, (".glb", ".ply", ".obj", ".glb", ".stl"), strict=True)):
        write_mesh(mesh_of(shape, 10.0 ** (i - 2)), folder / f"p{i}{suffix}")
    (folder / "p5.glb").write_bytes(b"glTF\x02\0\0\0 not really")
    (folder / "extra.glb").write_bytes((folder / "p0.glb").read_bytes())
    return folder


def references() -> dict[str, Reference]:
    meant = {f"p{i}": mesh_of(shape) for i, shape in enumerate(SHAPES)}
    return {
        id: Reference(True, lambda r, m=mesh: voxelise_solid(m, r), lambda m=mesh: in_unit_cube(m))
        for id, mesh in meant.items()
    }


@pytest.fixture(scope="module")
def measured(meshes: Path, evaluators: Evaluators, tmp_path_factory) -> tuple[Evaluation, Path]:
    out = tmp_path_factory.mktemp("evaluation")
    system = folder_system(meshes, PROMPTS)
    done = evaluate(
        system, PROMPTS, name="theirs", suite="boxes", references=references(), evaluators=evaluators, out=out, chunk=4
    )
    return done, out


def test_every_prompt_has_a_row_and_a_broken_file_is_a_counted_failure(measured):
    evaluation, out = measured
    assert [r.id for r in evaluation.objects] == [p.id for p in PROMPTS]
    assert [r.failed for r in evaluation.objects] == [False] * 5 + [True]
    worst = evaluation.objects[5]
    assert "p5.glb" in worst.fault and worst.alignment == -1.0 and worst.quality["largest_share"] == 0.0
    assert not (out / "meshes" / "p5.glb").exists() and (out / "meshes" / "p4.glb").is_file()
    assert repr(load_evaluation(out)) == repr(evaluation)


def test_a_mesh_whose_faces_name_no_vertices_is_a_failed_answer_too(evaluators, tmp_path: Path):
    write_mesh(mesh_of(SHAPES[0]), tmp_path / "p0.glb")
    data = (tmp_path / "p0.glb").read_bytes()
    assert data.count(b'"componentType":5125') == 1
    (tmp_path / "p1.glb").write_bytes(data.replace(b'"componentType":5125', b'"componentType":5122'))
    done = evaluate(
        folder_system(tmp_path, PROMPTS[:2]), PROMPTS[:2], name="signed", suite="two", references=references(),
        evaluators=evaluators, out=tmp_path / "e",
    )  # fmt: skip
    assert [r.failed for r in done.objects] == [False, True]
    assert "p1.glb has vertex indices that are not unsigned" in done.objects[1].fault


def test_shapes_are_compared_at_one_size_whatever_their_file_s(measured):
    evaluation, _ = measured
    for row in evaluation.objects[:5]:
        assert row.quality["watertight"] and row.quality["intersecting"] == 0
        assert row.iou > 0.9 and row.chamfer < 0.03 and row.f_score > 0.9, row


def test_a_system_without_its_answers_never_scores_better(meshes, measured, evaluators, tmp_path: Path):
    evaluation, _ = measured
    fewer = tmp_path / "fewer"
    fewer.mkdir()
    for name in ("p0.glb", "p3.glb"):
        (fewer / name).write_bytes((meshes / name).read_bytes())
    half = evaluate(
        folder_system(fewer, PROMPTS), PROMPTS, name="fewer", suite="boxes", references=references(),
        evaluators=evaluators, out=tmp_path,
    )  # fmt: skip
    assert sum(r.failed for r in half.objects) == 4 and "missing" in half.objects[1].fault
    for measure in evaluation.measures():
        if measure.name in (
            "iou",
            "f_score",
            "watertight",
            "largest_share",
            "alignment",
            "chamfer",
            "color_error",
            "failed",
        ):
            whole, part = evaluation.interval(measure), half.interval(measure)
            assert whole is not None and part is not None and whole.n == part.n
            assert (part.value < whole.value) is measure.higher_is_better, measure.name
    assert half.kernel_distance.value > evaluation.kernel_distance.value


def test_one_prompt_has_no_intervals_and_no_distance(meshes, evaluators, tmp_path: Path):
    single = PROMPTS[:1]
    done = evaluate(
        folder_system(meshes, single), single, name="one", suite="one", references=references(), evaluators=evaluators,
        out=tmp_path,
    )  # fmt: skip
    data = json.loads((tmp_path / "evaluation.json").read_text())
    assert math.isnan(done.kernel_distance.value) and data["summary"]["kernel_distance"]["value"] is None
    assert "at least 2 objects" in data["provenance"]["distances"]["kernel distance"]
    assert data["summary"]["alignment"]["low"] is None
    page = write_report(tmp_path / "r.html", [tmp_path], title="T")
    assert "measured on one prompt" in page.with_suffix(".md").read_text()


def test_folders_that_answer_nothing_or_twice_are_refused(meshes, tmp_path: Path):
    with pytest.raises(ValueError, match="it holds no mesh at all"):
        folder_system(tmp_path, PROMPTS)
    with pytest.raises(ValueError, match="not a folder"):
        mesh_files(tmp_path / "nowhere")
    for name in ("p0.glb", "p0.ply"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ValueError, match="two answers to p0"):
        folder_system(tmp_path, PROMPTS)
    assert is_mesh_folder(str(meshes)) and not is_mesh_folder("tiny") and not is_mesh_folder(str(tmp_path / "nowhere"))
    (tmp_path / "config.json").write_text("{}")
    assert not is_mesh_folder(str(tmp_path))


@pytest.mark.skipif(not ASSETS.is_dir(), reason="the real meshes of ../shared/assets are not here")
def test_a_folder_of_real_meshes_and_a_table_of_their_words_is_enough(evaluators, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(systems, "load_evaluators", lambda: evaluators)
    rows = [json.loads(line) for line in (ASSETS / "index.jsonl").read_text().splitlines()][::20]
    (tmp_path / "theirs").mkdir()
    for row in rows:
        (tmp_path / "theirs" / f"{row['name']}.glb").write_bytes((ASSETS / row["file"]).read_bytes())
    table = "".join(f"{row['name']},{row['words']},{row['file'].split('/')[0]}\n" for row in rows)
    (tmp_path / "assets.csv").write_text("id,text,category\n" + table)
    done = evaluate_named(str(tmp_path / "theirs"), str(tmp_path / "assets.csv"), tmp_path / "e")
    assert len(rows) > 5 and not any(r.failed for r in done.objects)
    assert [(r.id, r.text) for r in done.objects] == [(row["name"], row["words"]) for row in rows]
    assert all(r.quality["triangles"] > 0 and -1 <= r.alignment <= 1 for r in done.objects)
    assert write_report(tmp_path / "r.html", [tmp_path / "e"], title="Assets").read_text().count('"mesh":"e') == len(
        rows
    )


def suite_file(folder: Path, ids: tuple[str, ...]) -> str:
    path = folder / "suite.csv"
    path.write_text("id,text\n" + "".join(f"{id},a thing called {id}\n" for id in ids))
    return str(path)


def test_a_system_that_makes_nothing_has_the_worst_colours_and_one_without_paint_none(
    evaluators, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(systems, "load_evaluators", lambda: evaluators)
    (tmp_path / "suite.csv").write_text("id,text\np1,a red box\np2,a blue box\n")
    for name in ("broken", "bare"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "p2.glb").write_bytes(b"no mesh")
    (tmp_path / "broken" / "p1.glb").write_bytes(b"no mesh")
    plain = mesh_of(SHAPES[0])
    write_mesh(Mesh(plain.vertices, plain.faces), tmp_path / "bare" / "p1.ply")
    done = {
        name: evaluate_named(str(tmp_path / name), str(tmp_path / "suite.csv"), tmp_path / f"e-{name}")
        for name in ("broken", "bare")
    }
    assert [r.colors_shown for r in done["broken"].objects] == [0.0, 0.0] and "paint" not in done["broken"].provenance
    assert all(np.isnan(r.colors_shown) for r in done["bare"].objects) and "paint" in done["bare"].provenance


def test_draws_of_another_s_system_are_seeds_of_one_row(evaluators, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(systems, "load_evaluators", lambda: evaluators)
    suite = suite_file(tmp_path, ("p1", "p2"))
    for seed in (3, 4):
        folder = tmp_path / f"draw-{seed}"
        folder.mkdir()
        for id in ("p1", "p2"):
            write_mesh(mesh_of(SHAPES[seed - 3]), folder / f"{id}.glb")
        done = evaluate_named(str(folder), suite, tmp_path / f"e{seed}", seed=seed, system="theirs")
        assert done.seed == seed and load_evaluation(tmp_path / f"e{seed}").seed == seed
    (board,) = build_boards(find_evaluations([tmp_path / "e3", tmp_path / "e4"]))
    assert [(e.system, [r.seed for r in e.runs]) for e in board.systems] == [("theirs", [3, 4])]


def test_several_answers_of_another_s_system_say_how_much_they_vary(evaluators, tmp_path: Path, monkeypatch):
    """The ids end in digits: `p/1.glb` is an answer to p, `p1.glb` one to p1, and `p1/2.glb` its second."""
    monkeypatch.setattr(systems, "load_evaluators", lambda: evaluators)
    suite, folder = suite_file(tmp_path, ("p", "p1", "p12")), tmp_path / "theirs"
    ball, cone = SHAPES[3], SHAPES[4]
    for name, shape in {"p/1": ball, "p/2": cone, "p1": ball, "p1/2": ball, "p12": ball, "p12/3": ball}.items():
        write_mesh(mesh_of(shape), folder / f"{name}.glb")
    done = evaluate_named(str(folder), suite, tmp_path / "e", answers=2)
    assert [r.failed for r in done.objects] == [False] * 3 and done.provenance["answers per prompt"] == 2
    differ, same, lacking = (r.variety for r in done.objects)
    assert differ > 1e-4 and same == pytest.approx(0, abs=1e-6) and lacking == 0  # no pair without a second answer
    assert math.isnan(evaluate_named(str(folder), suite, tmp_path / "f").objects[0].variety)
    with pytest.raises(ValueError, match=r"no answer 4 to this suite: further answers are named as p/4\.glb"):
        evaluate_named(str(folder), suite, tmp_path / "g", answers=4)
    write_mesh(mesh_of(ball), folder / "p1" / "1.ply")
    with pytest.raises(ValueError, match=r"two answers to p1: p1/1\.ply and p1\.glb"):
        mesh_files(folder)


def test_colours_are_not_held_against_an_answer_where_the_object_meant_has_none(evaluators, tmp_path: Path):
    """References of bare shapes: were they drawn grey beside coloured answers, a system without colours would be the nearest."""
    meant = {}
    for i, shape in enumerate(SHAPES):
        bare = mesh_of(shape)
        write_mesh(Mesh(bare.vertices, bare.faces), tmp_path / f"meant-{i}.ply")
        meant[f"p{i}"] = of_file(tmp_path / f"meant-{i}.ply")
    assert not meant["p0"].painted() and references()["p0"].painted()
    found = []
    for name, color in (("red", (0.8, 0.1, 0.1)), ("grey", None)):
        (tmp_path / name).mkdir()
        for i, shape in enumerate(SHAPES):
            one = mesh_of(shape)
            paint = None if color is None else np.tile(np.array(color, np.float32), (len(one.vertices), 1))
            write_mesh(Mesh(one.vertices * np.float32([1, 1, 1.3]), one.faces, paint), tmp_path / name / f"p{i}.ply")
        done = evaluate(
            folder_system(tmp_path / name, PROMPTS[:5]), PROMPTS[:5], name=name, suite="boxes", references=meant,
            evaluators=evaluators, out=tmp_path / f"e-{name}",
        )  # fmt: skip
        found.append(done.kernel_distance)
    assert found[0] == found[1] and math.isfinite(found[0].value)
    record = done.provenance["distances"]["kernel distance"]
    assert record["references without paint"].startswith("5,") and record["pairs of one prompt left out"] == 5


def test_measures_that_cannot_read_a_suite_are_named_and_rank_nothing(measured, tmp_path: Path):
    _, out = measured
    data = json.loads((out / "evaluation.json").read_text())
    assert data["provenance"]["known to the evaluators"]["words"] == pytest.approx(13 / 16)

    def board(folder: str, shares: dict, **change: float) -> dict:
        for name, shift in (("zeta", 0.3), ("alpha", 0.0)):
            place = tmp_path / folder / name
            place.mkdir(parents=True)
            rows = [row | {"alignment": row["alignment"] + shift} | change for row in data["objects"]]
            rows = [row | {"clip": row["clip"] + shift} if "clip" in change else row for row in rows]
            notes = data["provenance"] | {
                "known to the evaluators": data["provenance"]["known to the evaluators"] | shares
            }
            (place / "evaluation.json").write_text(
                json.dumps(data | {"system": name, "objects": rows, "provenance": notes})
            )
        path = write_leaderboard(tmp_path / folder / "board.md", [tmp_path / folder])
        (found,) = json.loads(path.with_suffix(".json").read_text())
        return found | {"text": path.read_text(), "order": [system["system"] for system in found["systems"]]}

    read = board("read", {})
    assert read["ranked by"] == "alignment" and read["order"] == ["zeta", "alpha"] and read["notes"] == []
    unread = board("unread", {"words": 0.65, "part names": 0.42})
    warning = (
        "On boxes the small evaluators know 65% of the words, 42% of the part names: text alignment, attribute accuracy"
    )
    assert unread["ranked by"] is None and unread["order"] == ["alpha", "zeta"] and warning in unread["text"]
    assert "Not ranked, in order of name" in unread["text"] and "zeta −" not in unread["text"]
    clip = board("clip", {"words": 0.65}, clip=20.0)
    assert (
        clip["ranked by"] == "clip" and clip["order"] == ["zeta", "alpha"] and "Ranked by CLIP score." in clip["text"]
    )
    asked = build_boards([tmp_path / "unread" / name for name in ("alpha", "zeta")], rank_by="alignment")
    assert [entry.system for entry in asked[0].systems] == ["zeta", "alpha"] and warning in asked[0].notes[0]
    page = write_report(tmp_path / "r.html", [tmp_path / "unread" / "zeta"], title="T")
    assert all(warning in path.read_text() for path in (page, page.with_suffix(".md"), page.with_suffix(".json")))


def test_systems_of_several_seeds_differ_only_where_another_training_would(measured, tmp_path: Path):
    """Two systems of three seeds whose means differ by less than their seeds do: over objects alone they would be told apart."""
    _, out = measured
    data = json.loads((out / "evaluation.json").read_text())
    for name, shifts in (("one", (0.0, 0.3, 0.6)), ("other", (-0.2, 0.1, 0.4))):
        for seed, shift in enumerate(shifts):
            place = tmp_path / f"{name}-{seed}"
            place.mkdir()
            rows = [row | {"alignment": row["alignment"] + shift} for row in data["objects"]]
            (place / "evaluation.json").write_text(json.dumps(data | {"system": name, "seed": seed, "objects": rows}))
    text = write_leaderboard(tmp_path / "board.md", [tmp_path]).read_text()
    assert "one − other: 0.200" in text and "they cannot be told apart." in text and "p = " not in text


def test_prompts_that_would_share_a_file_are_refused(meshes, evaluators, tmp_path: Path):
    twins = (PROMPTS[0], Prompt("p/0", "a red box"), Prompt("p_0", "a ball"))
    with pytest.raises(ValueError, match="'p/0' and 'p_0' would both have the file name p_0"):
        evaluate(
            folder_system(meshes, twins), twins, name="twins", suite="boxes", references={}, evaluators=evaluators,
            out=tmp_path,
        )  # fmt: skip


def test_two_systems_side_by_side_offline_with_tables_for_machines(measured, tmp_path: Path):
    _, out = measured
    page = write_report(tmp_path / "report.html", [out, out, out], title="Three")
    text, data = page.read_text(), json.loads(page.with_suffix(".json").read_text())
    assert 'src="http' not in text and "/*DATA*/" not in text and len(text) < 25_000_000
    assert [s["name"] for s in data["systems"]] == ["theirs"] * 3
    assert data["systems"][1]["changes"]["iou"]["value"] == 0 and data["systems"][1]["changes"]["iou"]["p"] == 1
    assert set(data["systems"][0]["categories"]) == {"spatial", "rare"}
    assert data["systems"][0]["categories"]["rare"]["objects"] == 3
    assert "## rare" in page.with_suffix(".md").read_text()
    assert text.count('"mesh":"e') >= 3  # packed meshes begin so: base64 of zlib's header


def test_a_page_is_never_larger_than_it_may_be(measured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    _, out = measured
    whole = len(write_report(tmp_path / "whole.html", [out, out], title="Two").read_bytes())
    monkeypatch.setattr(report, "PAGE_BYTES", 0)
    bare = write_report(tmp_path / "bare.html", [out, out], title="Two").read_bytes()
    assert b'"mesh":"e' not in bare
    monkeypatch.setattr(report, "PAGE_BYTES", limit := (len(bare) + whole) // 2)
    half = write_report(tmp_path / "half.html", [out, out], title="Two").read_bytes()
    assert len(bare) < len(half) <= limit < whole and half.count(b'"mesh":""') >= 2


def test_the_leaderboard_keeps_apart_what_cannot_be_compared(measured, evaluators, meshes, tmp_path: Path):
    evaluation, out = measured
    better = tmp_path / "b"
    better.mkdir()
    data = json.loads((out / "evaluation.json").read_text())
    for row in data["objects"]:
        row["alignment"] += 0.5
    (better / "evaluation.json").write_text(json.dumps(data | {"system": "shifted"}))
    other = tmp_path / "c"
    other.mkdir()
    notes = data["provenance"] | {"protocol": "trellis"}
    (other / "evaluation.json").write_text(json.dumps(data | {"provenance": notes}))
    board = write_leaderboard(tmp_path / "board.md", [out, tmp_path])
    boards = json.loads(board.with_suffix(".json").read_text())
    assert [[s["system"] for s in b["systems"]] for b in boards] == [["shifted", "theirs"], ["theirs"]]
    assert "shifted − theirs: 0.500" in board.read_text() and boards[0]["systems"][0]["failures"] == 1
    again = tmp_path / "d"
    again.mkdir()
    moved = [
        row | {"alignment": row["alignment"] + 0.1 * (row["id"] != "p5")}
        for row in json.loads((out / "evaluation.json").read_text())["objects"]
    ]
    (again / "evaluation.json").write_text(json.dumps(data | {"objects": moved, "seed": 1}))
    (both,) = build_boards([out, better, again])
    assert [(e.system, [r.seed for r in e.runs]) for e in both.systems] == [("shifted", [0]), ("theirs", [0, 1])]
    own = {r.id: r.alignment for r in evaluation.objects}
    assert both.systems[1].means(both.rank_by)["p1"] == pytest.approx(own["p1"] + 0.05)
    nested = both.systems[1].interval(both.rank_by)
    assert nested is not None and nested.value == pytest.approx(np.mean(list(own.values())) + 0.05 * 5 / 6)
    text = write_leaderboard(tmp_path / "seeds.md", [out, better, again]).read_text()
    assert "| theirs (2 seeds) |" in text and text.count("\n- ") == 1  # a system is not compared with itself
    listed = data["provenance"] | {"prompts": "of another list"}
    (again / "evaluation.json").write_text(json.dumps(data | {"provenance": listed, "seed": 1}))
    assert len(build_boards([out, again])) == 2  # one name, other prompts
    with pytest.raises(ValueError, match="stands twice"):
        build_boards([out, out])
    with pytest.raises(ValueError, match="no measure 'beauty'"):
        build_boards([out], rank_by="beauty")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no evaluation"):
        find_evaluations([tmp_path / "empty"])
    assert evaluation.system == "theirs"


def test_reports_of_two_suites_and_files_of_another_kind_are_refused(measured, tmp_path: Path):
    _, out = measured
    data = json.loads((out / "evaluation.json").read_text())
    for name, change in (("other", data | {"suite": "balls"}), ("broken", {"objects": 3})):
        (tmp_path / name).mkdir()
        (tmp_path / name / "evaluation.json").write_text(json.dumps(change))
    with pytest.raises(ValueError, match="one suite, not on balls, boxes"):
        write_report(tmp_path / "r.html", [out, tmp_path / "other"], title="T")
    with pytest.raises(ValueError, match="not what `maquette evaluate` writes"):
        load_evaluation(tmp_path / "broken")
