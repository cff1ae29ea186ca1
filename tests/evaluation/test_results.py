"""Evaluation folders, their figures, and the page made from them."""

import dataclasses
import json
import math
from pathlib import Path

import pytest

from maquette.evaluation.curves import curves, grouped
from maquette.evaluation.entries import entries_of, markdown_table, nested_difference
from maquette.evaluation.metrics import Interval
from maquette.evaluation.panel import panel
from maquette.evaluation.report import write_report
from maquette.evaluation.results import (
    LEVELS,
    MEASURES,
    Evaluation,
    ObjectResult,
    difference,
    load_evaluation,
    save_evaluation,
)

ROW = ObjectResult("p0", "a red chair", "spatial", "chair", False, 0.5, 1.0, math.nan, 0.0, 0.7, 0.01, ("a plan", ""))


def evaluation(system: str, shift: float) -> Evaluation:
    rows = tuple(dataclasses.replace(ROW, id=f"p{i}", alignment=0.1 * i + shift) for i in range(12))
    return Evaluation(system, "mini", 0, rows, Interval(1.0, 0.5, 1.5, 12), {"commit": "abc"})


def test_attributes_average_what_the_prompt_asks_for():
    by_name = {m.name: m.value for m in MEASURES}
    assert by_name["attributes"](ROW) == pytest.approx(0.5)  # category 1, colours 0, counts not asked
    assert math.isnan(by_name["counts"](ROW))


def test_an_evaluation_survives_its_file(tmp_path: Path):
    written = evaluation("base", 0.0)
    save_evaluation(written, tmp_path)
    read = load_evaluation(tmp_path)
    assert json.loads((tmp_path / "evaluation.json").read_text())["objects"][0]["count_accuracy"] is None
    assert repr(read) == repr(written)  # NaN differs from itself, its repr does not
    with pytest.raises(ValueError, match="maquette evaluate"):
        load_evaluation(tmp_path / "nothing")


def test_the_difference_is_paired_by_id():
    after, before = evaluation("tuned", 0.2), evaluation("base", 0.0)
    shuffled = dataclasses.replace(after, objects=after.objects[::-1])
    change = difference(shuffled, before, MEASURES[0])
    assert change is not None and change.p_value < 0.01
    assert change.difference.value == pytest.approx(0.2) and change.difference.low == pytest.approx(0.2)


def test_seeds_are_paired_one_with_one():
    after, before = [evaluation("tuned", 0.2)] * 2, [evaluation("base", 0.0)] * 2
    change = nested_difference(after, before, MEASURES[0])
    assert change is not None and change.value == pytest.approx(0.2) and change.low == pytest.approx(0.2)
    with pytest.raises(ValueError, match="2 evaluations cannot be paired with 1"):
        nested_difference(after, before[:1], MEASURES[0])


def test_the_page_holds_everything_and_asks_the_network_for_nothing(tmp_path: Path):
    for name, shift in (("base", 0.0), ("tuned", 0.2)):
        rows = evaluation(name, shift)
        nasty = dataclasses.replace(rows.objects[0], text="</script><b>bold</b>")
        folder = tmp_path / name
        folder.mkdir()
        save_evaluation(dataclasses.replace(rows, objects=(nasty, *rows.objects[1:])), folder)
    run = tmp_path / "run"
    run.mkdir()
    (run / "metrics.jsonl").write_text('{"step": 0, "reward": 1.0}\n{"step": 1, "reward": NaN}\n{"step": 2, "rew')
    page = write_report(tmp_path / "report.html", [tmp_path / "base", tmp_path / "tuned"], title="T", runs=[run])
    text = page.read_text()
    assert "</script><b>" not in text and "<\\/script><b>" in text
    assert 'src="http' not in text and 'href="http' not in text and "/*DATA*/" not in text
    assert curves(run) == {"reward": [[0.0, 1.0]]}
    assert "| tuned |" in (tmp_path / "report.md").read_text()
    assert markdown_table(entries_of([evaluation("base", 0.0)])).count("\n") == 3


def test_the_text_says_how_often_the_evaluators_themselves_are_right(tmp_path: Path):
    known = {"family_accuracy": 0.9451, "color_accuracy": 0.5, "something_else": 0.25}
    for name in ("base", "tuned"):
        (tmp_path / name).mkdir()
        save_evaluation(dataclasses.replace(evaluation(name, 0.0), provenance={"evaluators": known}), tmp_path / name)
    write_report(tmp_path / "report.html", [tmp_path / "base", tmp_path / "tuned"], title="T")
    said = "The evaluators themselves, on held-out objects: category right 0.945, colours right 0.500."
    assert (tmp_path / "report.md").read_text().count(said) == 1


def test_every_measure_stands_in_a_level_of_the_report():
    assert {m.level for m in MEASURES} <= set(LEVELS)


def test_curves_are_grouped_each_once_and_bookkeeping_is_folded():
    names = ["seconds/step", "reward/fine/parts", "kl", "best_of_4/fine", "judge/qwen/asked", "entropy/shape", "luck"]
    groups = grouped(names)
    assert sorted(n for g in groups for n in g["names"]) == sorted(names)
    assert groups[0]["names"] == ["reward/fine/parts"] and groups[-1]["names"] == ["luck"]
    assert [n for g in groups if g["open"] for n in g["names"]] == ["reward/fine/parts", "kl", "entropy/shape"]


def judged_evaluation() -> Evaluation:
    """Twelve objects by two judges who rank alike; one judge left one out, one answer failed."""
    rows = []
    for i in range(12):
        a = dict.fromkeys(("geometry", "semantics", "texture"), i / 12)
        b = dict.fromkeys(a, math.nan if i == 3 else i / 24)
        if i == 7:
            a, b = dict.fromkeys(a, 0.0), dict.fromkeys(a, 0.0)
        words = {"a": f"said of {i}", "b": ""}
        rows.append(dataclasses.replace(ROW, id=f"p{i}", failed=i == 7, judged={"a (v1)": a, "b (v1)": b}, words=words))
    return Evaluation("judged", "mini", 0, tuple(rows), Interval(1.0, 0.5, 1.5, 12), {})


def test_judges_stand_beside_each_other_with_what_they_left_out():
    levels = panel(judged_evaluation())
    assert [level["title"] for level in levels] == [
        "multi-view geometric consistency", "semantic detail alignment", "texture realism",
    ]  # fmt: skip
    first, second = levels[0]["judges"]
    assert (first["missing"], second["missing"], first["asked"]) == (0, 1, 11)  # the failed answer was shown to nobody
    (pair,) = levels[0]["pairs"]
    assert pair["spearman"]["value"] == pytest.approx(1) and pair["left_out"] == 1
    assert 0 < levels[0]["alpha"] < 1
    assert panel(evaluation("base", 0.0)) == []


def test_what_the_published_script_computes_stands_in_the_text_too(tmp_path: Path):
    save_evaluation(
        dataclasses.replace(evaluation("base", 0.0), compat={"compat-3dgen-r1: a similarity": 0.25}), tmp_path
    )
    text = write_report(tmp_path / "report.html", [tmp_path], title="T").with_suffix(".md").read_text()
    assert "What the published script computes of base" in text and "- compat-3dgen-r1: a similarity: 0.2500" in text


def test_the_page_and_its_twins_hold_failures_and_the_judges_words(tmp_path: Path):
    save_evaluation(judged_evaluation(), tmp_path)
    page = write_report(tmp_path / "report.html", [tmp_path], title="T")
    data, text = json.loads(page.with_suffix(".json").read_text()), page.with_suffix(".md").read_text()
    assert [f["id"] for f in data["failures"][0]] == ["p7"] and "judged failed on 1 of 12 prompts" in text
    assert data["panels"][0]["levels"][0]["judges"][1]["missing"] == 1 and "1 of 11" in text
    (row,) = [o for o in data["objects"] if o["id"] == "p2"]
    assert row["words"] == {"a": "said of 2", "b": ""} and row["values"]["a (v1): texture"] == pytest.approx(
        2 / 12, abs=1e-4
    )
    assert "said of 2" in page.read_text() and "said of 1" in text
