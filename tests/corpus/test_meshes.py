"""Real meshes as records: all shared assets, scene graphs, one-sentence errors."""

import json
from pathlib import Path

import numpy as np
import pytest
import trimesh

from maquette.corpus.meshes import color_name, import_mesh, kind_of
from maquette.corpus.program import COLORS
from maquette.shape.files import write_mesh
from maquette.types import Mesh

ASSETS = Path(__file__).resolve().parents[3] / "shared" / "assets"
INDEX = ASSETS / "index.jsonl"
ROWS = [json.loads(line) for line in INDEX.read_text().splitlines()] if INDEX.exists() else []
needs_assets = pytest.mark.skipif(
    not ROWS, reason=f"{ASSETS} is not there: the real meshes are not part of the project"
)


def painted_box(size, at, color):
    shape = trimesh.creation.box(size)
    shape.apply_translation(at)
    shape.visual.vertex_colors = np.tile([*color, 255], (len(shape.vertices), 1)).astype(np.uint8)
    return shape


def table_file(path: Path) -> Path:
    """Four blue legs under a red top, y-up, as a scene graph with a node for each."""
    scene = trimesh.Scene()
    scene.add_geometry(painted_box((2, 0.2, 2), (0, 1.0, 0), (210, 30, 30)), node_name="top", geom_name="top")
    for i, (x, z) in enumerate([(-0.8, -0.8), (0.8, -0.8), (-0.8, 0.8), (0.8, 0.8)]):
        leg = painted_box((0.2, 1, 0.2), (x, 0.45, z), (35, 75, 205))
        scene.add_geometry(leg, node_name=f"leg_{i}", geom_name=f"leg_{i}")
    scene.export(path)
    return path


@needs_assets
@pytest.mark.slow
def test_every_shared_asset_is_read():
    for row in ROWS:
        record = import_mesh(ASSETS / row["file"], 32)
        assert record.design.family == row["words"] and record.voxels.color is not None
        assert record.voxels.occupancy.sum() > 20 and record.design.colors[0] in COLORS
        assert (record.part_index >= 0).sum() == record.voxels.occupancy.sum()
        assert row["words"] in record.captions[0]


@needs_assets
@pytest.mark.parametrize("row", ROWS[::40], ids=lambda row: row["name"])
def test_a_sample_of_shared_assets_is_read(row):
    record = import_mesh(ASSETS / row["file"], 32)
    assert record.voxels.occupancy.sum() <= 1.15 * record.coarse.occupancy.sum()
    assert all(text and "  " not in text for text in (*record.captions, record.plan, record.description))


def test_nodes_become_counted_parts_with_their_colours(tmp_path):
    record = import_mesh(table_file(tmp_path / "LowTable_01.glb"), 32)
    assert record.design.family == "low table"
    assert [(p.name, p.count, p.color) for p in record.design.parts] == [("top", 1, "red"), ("leg", 4, "blue")]
    assert "four blue legs" in record.description and record.design.symmetry == "left-right"
    # The file is y-up, the record z-up: the top is above.
    heights = [np.argwhere(record.part_index == part)[:, 2].mean() for part in (0, 1)]
    assert heights[0] > heights[1] + 4


def test_both_conventions_show_the_same_parts(tmp_path):
    path = table_file(tmp_path / "table.glb")
    centred, shapellm = import_mesh(path, 32), import_mesh(path, 32, "shapellm")
    shares = [[(r.part_index == part).sum() for part in (0, 1)] for r in (centred, shapellm)]
    assert abs(shares[0][0] / sum(shares[0]) - shares[1][0] / sum(shares[1])) < 0.15


def test_a_mesh_without_colours_is_grey(tmp_path):
    shape = trimesh.creation.icosphere()
    write_mesh(Mesh(shape.vertices.astype(np.float32), shape.faces.astype(np.int32)), tmp_path / "ball.stl")
    record = import_mesh(tmp_path / "ball.stl", 32)
    assert record.voxels.color is None and record.captions[0].endswith(("grey ball", "ball in grey"))


def test_one_triangle_is_a_thin_object(tmp_path):
    (tmp_path / "flag.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    record = import_mesh(tmp_path / "flag.obj", 32)
    assert 300 < record.voxels.occupancy.sum() < 1500 and len(record.design.parts) == 1


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.obj", b"", "is empty"),
        ("nan.obj", b"v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "not finite"),
        ("no-faces.obj", b"v 0 0 0\nv 1 0 0\n", "no triangles"),
        ("misnamed.glb", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "is not a GLB file"),
        ("cut.glb", b"glTF\x02\x00\x00\x00\x00\x10\x00\x00", "cut.glb"),
        ("point.obj", b"v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n", "no extent"),
    ],
)
def test_bad_files_give_one_sentence(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=said) as caught:
        import_mesh(tmp_path / name, 32)
    assert "\n" not in str(caught.value)


def test_names():
    assert kind_of("bed_double_A") == "bed double" and kind_of("OfficeChair-02") == "office chair"
    assert kind_of("007") == "object"
    assert color_name(np.array(list(COLORS.values()))) == list(COLORS)
