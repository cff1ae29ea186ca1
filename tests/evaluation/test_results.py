"""Evaluation folders, their figures, and the page made from them."""

import dataclasses
import json
import math
from pathlib import Path

import pytest

from maquette.evaluation.metrics import Interval
from maquette.evaluation.report import curves, write_report
from maquette.evaluation.results import (
    MEASURES,
    Evaluation,
    ObjectResult,
    difference,
    load_evaluation,
    markdown_table,
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
    assert markdown_table([evaluation("base", 0.0)]).count("\n") == 3
