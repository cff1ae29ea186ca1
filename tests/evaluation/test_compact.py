"""Packed meshes come back, by an independent reader and by the page's own."""

from __future__ import annotations

import base64
import json
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest

from maquette.evaluation import report
from maquette.evaluation.compact import STEPS, pack_mesh
from maquette.evaluation.report import PAGE
from maquette.shape.files import read_mesh
from maquette.types import Mesh

RNG = np.random.default_rng(0)
PAINTED = Mesh(
    (RNG.random((300, 3)) * [1, 0.4, 0.2] - 0.5).astype(np.float32),
    RNG.integers(300, size=(500, 3)).astype(np.int32),
    RNG.random((300, 3)).astype(np.float32),
)
BARE = Mesh(PAINTED.vertices, PAINTED.faces)


def unpack(packed: bytes) -> Mesh:
    """By running sums over numpy's own little-endian types, not by the writer's functions."""
    raw = zlib.decompress(packed)
    count, faces, *low, step, painted = struct.unpack("<II4fI", raw[:28])
    at = 28
    planes = np.frombuffer(raw, np.uint8, 6 * count, at).reshape(2, 3, count).astype(np.uint16)
    places = np.cumsum(planes[0] + 256 * planes[1], 1, dtype=np.uint16)
    at += 6 * count
    color = None
    if painted:
        color = np.cumsum(
            np.frombuffer(raw, np.uint8, 3 * count, at).reshape(3, count), 1, dtype=np.uint8
        ).T / np.float32(255)
        at += 3 * count
    zigzag = np.frombuffer(raw, np.uint8, 9 * faces, at).reshape(3, -1).astype(np.int64)
    zigzag = zigzag[0] + 256 * zigzag[1] + 65536 * zigzag[2]
    assert at + 9 * faces == len(raw)
    change = np.where(zigzag % 2, -(zigzag + 1) // 2, zigzag // 2)
    return Mesh(np.float32(low) + np.float32(step) * places.T, np.cumsum(change).reshape(-1, 3), color)


def close(found: Mesh, meant: Mesh) -> None:
    half = np.ptp(meant.vertices, 0).max() / STEPS / 2
    assert np.abs(found.vertices - meant.vertices).max() <= half * 1.01
    assert (found.faces == meant.faces).all()
    assert (found.color is None) == (meant.color is None)
    if meant.color is not None:
        assert np.abs(found.color - meant.color).max() <= 0.5 / 255 + 1e-3


@pytest.mark.parametrize(
    "mesh", [PAINTED, BARE, Mesh(PAINTED.vertices[:1], PAINTED.faces[:0])], ids=["painted", "bare", "a point"]
)
def test_a_mesh_comes_back_within_half_a_step(mesh: Mesh):
    close(unpack(pack_mesh(mesh)), mesh)


def test_a_mesh_without_vertices_is_refused():
    with pytest.raises(ValueError, match="a mesh of 0 vertices cannot be packed"):
        pack_mesh(Mesh(PAINTED.vertices[:0], PAINTED.faces[:0]))


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@pytest.mark.parametrize("mesh", [PAINTED, BARE], ids=["painted", "bare"])
def test_the_page_makes_the_same_mesh_a_glb(mesh: Mesh, tmp_path: Path):
    packed = base64.b64encode(pack_mesh(mesh)).decode()
    script = f"{(PAGE / 'meshes.js').read_text()}\nglbBase64({json.dumps(packed)}).then((text) => console.log(text));"
    (tmp_path / "run.js").write_text(script)
    done = subprocess.run(["node", str(tmp_path / "run.js")], capture_output=True, text=True, timeout=60, check=True)
    (tmp_path / "mesh.glb").write_bytes(base64.b64decode(done.stdout))
    found = read_mesh(tmp_path / "mesh.glb")
    half = np.ptp(mesh.vertices, 0).max() / STEPS / 2
    # Reading joins vertices that fell together; what every corner of every face is stays.
    corners, meant = found.vertices[found.faces], mesh.vertices[mesh.faces]
    assert corners.shape == meant.shape and np.abs(corners - meant).max() <= half * 1.01
    if mesh.color is not None:
        assert np.abs(found.color[found.faces] - mesh.color[mesh.faces]).max() <= 0.5 / 255 + 2e-3


def objects(count: int) -> list[dict]:
    return [{"id": f"p{i}", "answers": [{"pictures": {}, "mesh": ""} for _ in range(2)]} for i in range(count)]


def test_an_object_gets_all_its_answers_or_none_and_never_more_than_there_is_room():
    one, two, three = objects(3)
    left = report._spend(one, "mesh", ["aaaa", "bb"], [4, 2], 10.0)
    left = report._spend(two, "mesh", ["cccc", "d"], [4, 1], left)
    left = report._spend(three, "mesh", ["e", "f"], [1, 1], left)
    assert left == 2 and [a["mesh"] for item in (one, two, three) for a in item["answers"]] == [
        "aaaa", "bb", "", "", "e", "f",
    ]  # fmt: skip
