from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh

from maquette.shape.files import write_mesh
from maquette.types import Mesh
from tests.browser import browser, needs_browser
from tests.studio.serving import save_run, served

pytestmark = [pytest.mark.slow, needs_browser]
EVIL = "a chair <img src=x onerror=\"document.title='owned'\">"


def test_a_visitor_makes_turns_scores_and_watches(tmp_path: Path):
    save_run(tmp_path / "runs")
    box = trimesh.creation.box((1, 1, 1))
    write_mesh(Mesh(box.vertices.astype(np.float32), box.faces.astype(np.int64), None), tmp_path / "box.glb")
    with served(tmp_path / "runs") as studio, browser(tmp_path) as tab:
        tab.go(studio.address)
        tab.until("[...document.getElementById('model').options].some((o) => o.value === 'micro')")
        tab.run("document.getElementById('text').value = " + repr(EVIL))
        tab.run("document.getElementById('model').value = 'micro'; document.getElementById('ask').requestSubmit()")
        tab.until("document.querySelectorAll('.card .links').length === 4")
        assert tab.run("document.querySelector('#current .text').textContent") == EVIL
        assert tab.run("document.title") == "Maquette studio" and not tab.run(
            "document.querySelectorAll('#current .text img').length"
        )
        tab.until("[...document.querySelectorAll('.card img')].every((i) => i.complete && i.naturalWidth === 288)")
        assert tab.run("document.querySelectorAll('.card img').length") == 8
        tab.run("document.querySelector('.card button').click()")
        tab.until("document.getElementById('viewer').open && document.querySelector('canvas').width > 300")
        assert tab.run("document.getElementById('names').textContent") == "coarsefine"
        tab.run("document.querySelector('dialog button').click()")
        tab.until("document.querySelector('#before img').complete")

        tab.run("location.hash = '#score'")
        tab.choose_file("#mesh", tmp_path / "box.glb")
        tab.run("document.getElementById('meant').value = 'a box'; document.getElementById('judge').requestSubmit()")
        tab.until("document.querySelectorAll('#verdict dd').length === 9")

        tab.run("location.hash = '#trainings'")
        tab.until("document.querySelectorAll('#run svg').length === 2")
        assert tab.complaints == []


def test_a_refusal_is_shown(tmp_path: Path):
    with served(tmp_path) as studio, browser(tmp_path) as tab:
        tab.go(studio.address)
        tab.until("document.getElementById('model').options.length")
        tab.run("document.getElementById('text').value = '  '; document.getElementById('ask').noValidate = true")
        tab.run("document.getElementById('ask').requestSubmit()")
        said = tab.until("document.getElementById('refused').textContent")
        assert said == "The prompt is empty: say what to make." and studio.makings.newest(9) == []
