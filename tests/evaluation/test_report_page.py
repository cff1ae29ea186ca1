"""The report in a real browser: opened as a file, sorted, filtered, turned."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from maquette.evaluation.report import write_report
from maquette.evaluation.results import save_evaluation
from maquette.shape.files import write_mesh
from maquette.types import Mesh
from tests.browser import Tab, browser, needs_browser
from tests.evaluation.test_results import evaluation

pytestmark = [pytest.mark.slow, needs_browser]
NASTY = "</script><img src=x onerror=\"document.title='owned'\">"


def page_of(folder: Path) -> Path:
    """Twelve objects of two systems, some with pictures and shapes, and a training run."""
    box = trimesh.creation.box((1, 1, 1))
    mesh = Mesh(box.vertices.astype(np.float32), box.faces.astype(np.int64), np.full((8, 3), 0.5, np.float32))
    for name, shift in (("base", 0.0), ("tuned", 0.2)):
        rows = [
            dataclasses.replace(row, category="rare" if i % 2 else "spatial", text=NASTY if i == 3 else f"object {i}")
            for i, row in enumerate(evaluation(name, shift).objects)
        ]
        (folder / name / "pictures" / "fine").mkdir(parents=True)
        (folder / name / "meshes").mkdir()
        made = {"evaluators": {"family_accuracy": 0.9451, "color_accuracy": 0.5}}
        save_evaluation(
            dataclasses.replace(evaluation(name, shift), objects=tuple(rows), provenance=made), folder / name
        )
        for i in range(3):
            Image.new("RGB", (32, 32), "red").save(folder / name / "pictures" / "fine" / f"p{i}.webp")
            write_mesh(mesh, folder / name / "meshes" / f"p{i}.glb")
    (folder / "run").mkdir()
    lines = [f'{{"step": {i}, "reward/fine/parts": {i / 20}, "seconds/step": 1.0}}\n' for i in range(20)]
    (folder / "run" / "metrics.jsonl").write_text("".join(lines))
    return write_report(folder / "report.html", [folder / "base", folder / "tuned"], title="T", runs=[folder / "run"])


def choose(tab: Tab, id: str, value: str) -> None:
    field = f"document.getElementById('{id}')"
    tab.run(f"{field}.value = {value!r}; {field}.dispatchEvent(new Event('input'))")


def test_a_reader_sorts_filters_and_turns(tmp_path: Path):
    page = page_of(tmp_path)
    with browser(tmp_path) as tab:
        tab.go(page.as_uri())
        assert tab.run("document.title") == "T"
        own = tab.run("document.getElementById('recognisers').textContent")
        assert own.endswith("right about held-out objects in 0.945 (category), 0.500 (colours)")
        columns = (
            "[...document.querySelectorAll('#summary thead th')].slice(2).map((th) => th.firstChild.nextSibling.data)"
        )
        assert tab.run(columns) == ["base", "tuned"]
        tab.run("document.querySelector('#summary tbody button').click()")
        assert tab.run(columns) == ["tuned", "base"]  # the best of that measure first

        cards = "[...document.querySelectorAll('.card .text')].map((p) => p.textContent)"
        assert len(tab.run(cards)) == 12 and NASTY in tab.run(cards)
        choose(tab, "category", "rare")
        assert len(tab.run(cards)) == 6
        choose(tab, "order", "worst first")
        assert tab.run(cards)[0] == "object 1"
        choose(tab, "search", "object 5")
        assert tab.run(cards) == ["object 5"]
        choose(tab, "search", "object 1")
        assert tab.run("document.querySelectorAll('.card .side > div').length") == 4  # 1 and 11, by both systems

        tab.run("document.querySelector('.card .tag button').click()")
        tab.until("document.getElementById('viewer').open && document.querySelector('canvas').width > 300")
        assert tab.run("document.getElementById('downloads').textContent") == "base.glb tuned.glb "
        tab.run("document.querySelector('dialog button').click()")

        assert tab.run("document.querySelectorAll('#curves svg').length") == 1  # time is folded away
        tab.run("[...document.querySelectorAll('#curves details')].forEach((d) => { d.open = true; })")
        tab.until("document.querySelectorAll('#curves svg').length === 2")
        assert tab.complaints == []
