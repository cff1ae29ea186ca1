"""Files in and out: round trips, colours in the right light, scene graphs, and every kind of bad file."""

from __future__ import annotations

import base64
import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image

from maquette.shape import files, limits
from maquette.shape.files import read_mesh, read_parts, write_mesh
from maquette.shape.surface import SurfaceMesher
from maquette.shape.textures import to_linear, to_srgb
from maquette.types import Mesh, Voxels

ASSETS = Path(__file__).resolve().parents[3] / "shared" / "assets"
needs_assets = pytest.mark.skipif(not ASSETS.is_dir(), reason="the real meshes of ../shared/assets are not here")


@pytest.fixture(scope="module")
def shape() -> Mesh:
    """A small coloured solid, wider than deep and deeper than high, dark below."""
    occupancy, color = np.zeros((1, 12, 12, 12), bool), np.zeros((1, 12, 12, 12, 3), np.float32)
    occupancy[:, 1:11, 3:9, 4:8] = True
    color[..., :6, :] = (0.09, 0.09, 0.10)
    color[..., 6:, :] = (0.82, 0.12, 0.12)
    return SurfaceMesher().mesh(Voxels(occupancy, color))[0]


@pytest.mark.parametrize(("suffix", "tolerance"), [(".glb", 1e-5), (".obj", 0.003), (".ply", 0.003), (".stl", None)])
def test_what_is_written_is_read_back(tmp_path, shape, suffix, tolerance):
    path = tmp_path / f"shape{suffix}"
    write_mesh(shape, path)
    back = read_mesh(path)
    np.testing.assert_allclose(back.vertices[back.faces], shape.vertices[shape.faces], atol=1e-5)
    if tolerance is None:
        assert back.color is None
    else:
        assert back.color is not None and shape.color is not None
        np.testing.assert_allclose(back.color[back.faces], shape.color[shape.faces], atol=tolerance)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_others_can_open_the_glb(tmp_path, shape):
    write_mesh(shape, tmp_path / "shape.glb")
    opened = trimesh.load(tmp_path / "shape.glb", force="mesh", process=False)
    assert opened.is_watertight and opened.volume > 0
    extent = np.ptp(opened.vertices, axis=0)
    assert extent[0] > extent[2] > extent[1]  # y-up: the file's y is our height, the least
    np.testing.assert_allclose(np.linalg.norm(opened.vertex_normals, axis=1), 1, atol=1e-4)


def test_glb_colours_are_linear_light(tmp_path, shape):
    write_mesh(shape, tmp_path / "shape.glb")
    data = (tmp_path / "shape.glb").read_bytes()
    length = struct.unpack_from("<I", data, 12)[0]
    tree = json.loads(data[20 : 20 + length])
    accessor = tree["accessors"][tree["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"]]
    view = tree["bufferViews"][accessor["bufferView"]]
    start = 28 + length + view["byteOffset"]
    stored = np.frombuffer(data[start : start + view["byteLength"]], "<f4").reshape(-1, 3)
    assert stored.max() == pytest.approx(((0.82 + 0.055) / 1.055) ** 2.4, abs=1e-4)  # sRGB 0.82


def test_srgb_curves_are_inverse_and_meet_known_points():
    values = np.linspace(0, 1, 101)
    np.testing.assert_allclose(to_linear(to_srgb(values)), values, atol=1e-9)
    assert to_srgb(np.array(0.2140)) == pytest.approx(0.5, abs=1e-3)


def test_an_uncoloured_mesh_stays_uncoloured(tmp_path, shape):
    plain = Mesh(shape.vertices, shape.faces)
    for suffix in (".obj", ".ply", ".stl"):
        write_mesh(plain, tmp_path / f"plain{suffix}")
        assert read_mesh(tmp_path / f"plain{suffix}").color is None
    write_mesh(plain, tmp_path / "plain.glb")
    color = read_mesh(tmp_path / "plain.glb").color
    assert color is not None
    np.testing.assert_allclose(color, 0.72, atol=1e-4)


# glTF by hand: one square in the x-y plane, texture or colours, in a scene with transforms.

SQUARE = np.float32([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
CORNERS = np.uint16([0, 1, 2, 0, 2, 3])
UV = np.float32([[0, 1], [1, 1], [1, 0], [0, 0]])


def gltf(tmp_path: Path, name: str = "scene.gltf", **changes: Any) -> Path:
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[:, :2], picture[:, 2:] = (255, 0, 0), (0, 0, 255)
    png = io.BytesIO()
    Image.fromarray(picture).save(png, "PNG")
    parts = [SQUARE.tobytes(), CORNERS.tobytes(), UV.tobytes()]
    offsets = np.cumsum([0, *(len(p) for p in parts)])
    tree: dict[str, Any] = {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": [0]}],
        "nodes": [{"name": "square", "mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "TEXCOORD_0": 2}, "indices": 1, "material": 0}]}],
        "materials": [{"name": "red", "pbrMetallicRoughness": {"baseColorFactor": [1, 0, 0, 1]}}],
        "textures": [{"source": 0}],
        "images": [{"uri": "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3"},
            {"bufferView": 1, "componentType": 5123, "count": 6, "type": "SCALAR"},
            {"bufferView": 2, "componentType": 5126, "count": 4, "type": "VEC2"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteOffset": int(o), "byteLength": len(p)} for o, p in zip(offsets, parts, strict=False)
        ],
        "buffers": [
            {"uri": "data:;base64," + base64.b64encode(b"".join(parts)).decode(), "byteLength": int(offsets[-1])}
        ],
    }
    path = tmp_path / name
    path.write_text(json.dumps(tree | changes))
    return path


def test_y_up_becomes_z_up_and_material_colours_arrive(tmp_path):
    mesh = read_mesh(gltf(tmp_path))
    np.testing.assert_allclose(mesh.vertices, [[0, 0, 0], [1, 0, 0], [1, 0, 1], [0, 0, 1]])  # x-y plane → x-z plane
    assert mesh.color is not None
    np.testing.assert_allclose(mesh.color, np.tile([1, 0, 0], (4, 1)), atol=1e-6)


def test_scene_graph_transforms_and_names(tmp_path):
    nodes = [
        {"name": "root", "children": [1, 2], "translation": [0, 10, 0]},
        {"name": "big", "mesh": 0, "scale": [2, 2, 2]},
        {"name": "mirrored", "mesh": 0, "scale": [-1, 1, 1], "rotation": [0, 0, 0.7071068, 0.7071068]},
    ]
    (name, big), (other, mirrored) = read_parts(gltf(tmp_path, nodes=nodes))
    assert (name, other) == ("big", "mirrored")
    np.testing.assert_allclose(big.vertices[2], [2, 0, 12], atol=1e-5)
    # Mirrored in x, then turned by 90° about z (file axes): (1, 1, 0) → (-1, 1, 0) → (-1, -1, 0).
    np.testing.assert_allclose(mirrored.vertices[2], [-1, 0, 9], atol=1e-5)
    facing = [np.cross(*(m.vertices[m.faces[0, 1:]] - m.vertices[m.faces[0, 0]])) for m in (big, mirrored)]
    assert facing[0][1] * facing[1][1] > 0  # a mirror keeps outside outside
    assert len(read_mesh(tmp_path / "scene.gltf").faces) == 4


def test_a_texture_is_kept_where_it_changes_within_a_triangle(tmp_path):
    material = {"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}
    mesh = read_mesh(gltf(tmp_path, materials=[material]))
    assert mesh.color is not None and len(mesh.faces) > 2
    middles, colors = mesh.vertices[mesh.faces].mean(axis=1), mesh.color[mesh.faces].mean(axis=1)
    clear = np.abs(middles[:, 0] - 0.5) > 0.1
    left = middles[:, 0] < 0.5
    np.testing.assert_allclose(colors[clear & left] - [1, 0, 0], 0, atol=1e-5)
    np.testing.assert_allclose(colors[clear & ~left] - [0, 0, 1], 0, atol=1e-5)
    corners = mesh.vertices[mesh.faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2
    assert area == pytest.approx(1.0, abs=1e-5)  # cut, not changed


def test_texture_and_factor_multiply_in_linear_light(tmp_path):
    material = {"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}, "baseColorFactor": [0.5, 0.5, 0.5, 1]}}
    mesh = read_mesh(gltf(tmp_path, materials=[material]))
    assert mesh.color is not None
    assert mesh.color.max() == pytest.approx(to_srgb(np.array(0.5)), abs=1e-4)


def test_obj_with_material_file(tmp_path):
    (tmp_path / "a.mtl").write_text("newmtl blue\nKd 0.1 0.2 0.8\n")
    (tmp_path / "a.obj").write_text("mtllib a.mtl\nusemtl blue\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    mesh = read_mesh(tmp_path / "a.obj")
    assert mesh.color is not None
    np.testing.assert_allclose(mesh.color[0], [0.1, 0.2, 0.8], atol=0.005)
    np.testing.assert_allclose(mesh.vertices.max(axis=0), [1, 0, 1])


@needs_assets
def test_real_files_are_read_with_their_colours():
    for path in sorted(ASSETS.glob("*/*.glb"))[::29]:
        mesh = read_mesh(path)
        assert mesh.color is not None and mesh.color.min() >= 0 and mesh.color.max() <= 1
    parts = read_parts(ASSETS / "restaurant" / "fridge_A.glb")
    assert sorted(name for name, _ in parts) == ["fridge_A", "fridge_A_door_bottom", "fridge_A_door_top"]


# Bad files: one clear sentence each.


def refuses(path: Path, *words: str) -> None:
    with pytest.raises(ValueError) as caught:
        read_mesh(path)
    text = str(caught.value)
    assert path.name in text and "\n" not in text and len(text) < 400
    for word in words:
        assert word in text, text


def test_absent_empty_and_unknown_files(tmp_path):
    refuses(tmp_path / "none.glb", "is not there")
    refuses(tmp_path / "none.fbx", "'.fbx'", ".glb, .gltf, .obj, .ply, .stl")
    for suffix in files.SUFFIXES:
        (tmp_path / f"empty{suffix}").write_bytes(b"")
        refuses(tmp_path / f"empty{suffix}", "empty (0 bytes)")
    (tmp_path / "folder.glb").mkdir()
    refuses(tmp_path / "folder.glb", "not a file")


def test_misnamed_files_are_named_for_what_they_are(tmp_path, shape):
    for real in (".glb", ".obj", ".ply", ".stl"):
        write_mesh(shape, tmp_path / f"real{real}")
        for claimed in {".glb", ".gltf", ".obj", ".ply", ".stl"} - {real}:
            path = tmp_path / f"wrong{claimed}"
            path.write_bytes((tmp_path / f"real{real}").read_bytes())
            refuses(path, f"not a {claimed[1:].upper()} file", real)
    (tmp_path / "zip.glb").write_bytes(b"PK\x03\x04" + bytes(100))
    refuses(tmp_path / "zip.glb", "ZIP archive")
    (tmp_path / "noise.stl").write_bytes(np.random.default_rng(0).bytes(500))
    refuses(tmp_path / "noise.stl", "none of the known kinds")


@pytest.mark.parametrize("suffix", [".glb", ".ply", ".stl"])
def test_files_cut_anywhere_never_crash(tmp_path, shape, suffix):
    write_mesh(shape, tmp_path / f"whole{suffix}")
    data = (tmp_path / f"whole{suffix}").read_bytes()
    path = tmp_path / f"cut{suffix}"
    for length in [5, 13, 50, 90, *np.linspace(100, len(data) - 1, 12).astype(int)]:
        path.write_bytes(data[:length])
        refuses(path)


@pytest.mark.parametrize("suffix", [".glb", ".gltf", ".obj", ".ply", ".stl"])
def test_files_with_flipped_bytes_are_read_or_refused(tmp_path, shape, suffix):
    source = gltf(tmp_path, "whole.gltf") if suffix == ".gltf" else tmp_path / f"whole{suffix}"
    if suffix != ".gltf":
        write_mesh(shape, source)
    data, rng, path = source.read_bytes(), np.random.default_rng(1), tmp_path / f"bad{suffix}"
    for _ in range(40):
        noisy = bytearray(data)
        for place in rng.integers(0, min(len(data), 3000), 4):
            noisy[place] = rng.integers(0, 256)
        path.write_bytes(bytes(noisy))
        try:
            mesh = read_mesh(path)
        except ValueError as error:
            assert path.name in str(error)
        else:
            assert np.isfinite(mesh.vertices).all() and mesh.faces.max() < len(mesh.vertices)


def test_no_triangles_and_not_finite(tmp_path):
    (tmp_path / "points.ply").write_text(
        "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\nend_header\n0 0 0\n"
    )
    refuses(tmp_path / "points.ply", "no triangles")
    (tmp_path / "nan.obj").write_text("v 0 0 0\nv nan 0 0\nv 0 inf 0\nf 1 2 3\n")
    refuses(tmp_path / "nan.obj", "2 of 3 vertices are not finite")
    refuses(gltf(tmp_path, nodes=[{"name": "light"}]), "no triangles")


def test_a_single_triangle_is_a_mesh(tmp_path):
    (tmp_path / "one.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    assert len(read_mesh(tmp_path / "one.obj").faces) == 1


def test_too_many_faces_are_refused_before_they_are_loaded(tmp_path, monkeypatch):
    header = b"ply\nformat binary_little_endian 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
    (tmp_path / "huge.ply").write_bytes(
        header + b"element face 5000000\nproperty list uchar int vertex_indices\nend_header\n"
    )
    refuses(tmp_path / "huge.ply", "5,000,000 faces", "limit is 2,000,000")
    accessors = [
        {"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3"},
        {"bufferView": 1, "componentType": 5123, "count": 30_000_000, "type": "SCALAR"},
    ]
    refuses(gltf(tmp_path, accessors=accessors), "10,000,000 faces", "limit is 2,000,000")
    monkeypatch.setattr(limits, "MAX_FACES", 7)
    nodes = [{"name": "root", "children": list(range(1, 6))}, *({"name": f"n{i}", "mesh": 0} for i in range(5))]
    refuses(gltf(tmp_path, nodes=nodes), "8 faces, the limit is 7")  # one square, five times in the scene
    (tmp_path / "grid.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\n" + "f 1 2 3\n" * 8)
    refuses(tmp_path / "grid.obj", "8 faces", "limit is 7")
    monkeypatch.setattr(limits, "MAX_BYTES", 2**20)
    (tmp_path / "large.stl").write_bytes(bytes(2**20 + 1))
    refuses(tmp_path / "large.stl", "1 MiB, the limit is 1")


def test_hostile_gltf(tmp_path):
    compressed = gltf(tmp_path, extensionsRequired=["KHR_draco_mesh_compression"])
    refuses(compressed, "Draco", "without compression")
    refuses(gltf(tmp_path, nodes=[{"children": [0]}]), "form a circle")
    refuses(gltf(tmp_path, buffers=[{"uri": "../secret.bin", "byteLength": 96}]), "only files in its own folder")
    refuses(gltf(tmp_path, buffers=[{"uri": "gone.bin", "byteLength": 96}]), "'gone.bin'", "not there")
    textured = [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}]
    refuses(gltf(tmp_path, materials=textured, images=[{"uri": "data:;base64,AAAA"}]), "texture", "cannot be read")
    refuses(gltf(tmp_path, accessors=[]), "damaged")
    (tmp_path / "deep.gltf").write_text('{"asset": ' + "[" * 100_000)
    refuses(tmp_path / "deep.gltf", "no readable glTF")


def accessor(index: int, **changes: Any) -> list[dict[str, Any]]:
    """The square's accessors, one of them changed; a fourth holds one vertex colour."""
    accessors = [
        {"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3"},
        {"bufferView": 1, "componentType": 5123, "count": 6, "type": "SCALAR"},
        {"bufferView": 2, "componentType": 5126, "count": 4, "type": "VEC2"},
        {"bufferView": 0, "componentType": 5126, "count": 1, "type": "VEC3"},
    ]
    accessors[index] |= changes
    return accessors


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"componentType": 5120, "count": 12}, "unsigned whole numbers"),
        ({"componentType": 5122}, "unsigned whole numbers"),
        ({"componentType": 5126, "count": 3}, "unsigned whole numbers"),
        ({"normalized": True}, "unsigned whole numbers"),
        ({"type": "VEC2", "count": 3}, "unsigned whole numbers"),
        ({"bufferView": 2}, "a face names vertex"),
    ],
)
def test_gltf_indices_are_unsigned_and_within_the_vertices(tmp_path, changes, words):
    refuses(gltf(tmp_path, accessors=accessor(1, **changes)), words)


def test_gltf_sparse_indices_are_unsigned(tmp_path):
    sparse = {"count": 1, "indices": {"bufferView": 1, "componentType": 5122}, "values": {"bufferView": 0}}
    refuses(gltf(tmp_path, accessors=accessor(0, sparse=sparse)), "sparse indices")


def test_gltf_colours_and_texture_coordinates_are_one_a_vertex(tmp_path):
    colored = [{"primitives": [{"attributes": {"POSITION": 0, "COLOR_0": 3}, "indices": 1}]}]
    refuses(gltf(tmp_path, meshes=colored, accessors=accessor(0)), "4 vertices but colours of shape [1, 3]")
    scalar = accessor(3, type="SCALAR", count=4)
    refuses(gltf(tmp_path, meshes=colored, accessors=scalar), "4 vertices but colours of shape [4, 1]")
    textured = [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}]
    short = accessor(2, count=3)
    refuses(gltf(tmp_path, materials=textured, accessors=short), "4 vertices but texture coordinates of shape [3, 2]")


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        ([1, 0], "2 numbers"),
        ([], "0 numbers"),
        ([None, 1, 1, 1], "finite"),
        ([1e999, 1, 1], "finite"),
        (None, "damaged"),
    ],
)
def test_gltf_base_colours_are_three_finite_numbers(tmp_path, factor, words):
    refuses(gltf(tmp_path, materials=[{"pbrMetallicRoughness": {"baseColorFactor": factor}}]), words)
    gloss = {"KHR_materials_pbrSpecularGlossiness": {"diffuseFactor": factor}}
    refuses(gltf(tmp_path, materials=[{"extensions": gloss}]), words)


ASCII_STL = "solid it\n{}endsolid it\n"
FACET = "facet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\nvertex 0 1 0\nendloop\nendfacet\n"


def test_an_ascii_stl_may_begin_with_white_space(tmp_path, monkeypatch):
    path = tmp_path / "a.stl"
    path.write_text("\n \t" + ASCII_STL.format(FACET))
    assert len(read_mesh(path).faces) == 1
    path.write_text("\n" + ASCII_STL.format("facet\n"))  # shorter than a binary file's header
    refuses(path)
    monkeypatch.setattr(limits, "MAX_FACES", 7)
    path.write_text("\n" + ASCII_STL.format(FACET * 8))
    refuses(path, "8 faces, the limit is 7")


def test_a_binary_stl_whose_header_says_solid_is_counted_by_its_header(tmp_path, shape, monkeypatch):
    path = tmp_path / "a.stl"
    write_mesh(shape, path)
    path.write_bytes(b"solid by some exporter".ljust(80, b"\0") + path.read_bytes()[80:])
    assert len(read_mesh(path).faces) == len(shape.faces)
    monkeypatch.setattr(limits, "MAX_FACES", 7)
    monkeypatch.setattr(files, "_by_trimesh", lambda *_: pytest.fail("it was read before it was counted"))
    refuses(path, f"{len(shape.faces)} faces, the limit is 7")


def test_what_cannot_be_written_says_why(tmp_path, shape):
    with pytest.raises(ValueError, match=r"'\.fbx'; meshes are written as \.glb, \.obj, \.ply, \.stl"):
        write_mesh(shape, tmp_path / "a.fbx")
    with pytest.raises(ValueError, match=r"no faces: a\.glb is not written"):
        write_mesh(Mesh(shape.vertices, np.zeros((0, 3), np.int32)), tmp_path / "a.glb")
    (tmp_path / "occupied").write_text("")
    with pytest.raises(ValueError, match="cannot be written"):
        write_mesh(shape, tmp_path / "occupied" / "a.glb")
    assert [p.name for p in tmp_path.iterdir()] == ["occupied"]


def test_texture_coordinates_alone_are_no_colour(tmp_path: Path):
    """trimesh gives such files a dark grey of its own; unpainted things are drawn lighter."""
    plain = "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\n"
    (tmp_path / "bare.obj").write_text(plain + "f 1/1 2/2 3/3\n")
    (tmp_path / "red.mtl").write_text("newmtl red\nKd 1 0 0\n")
    (tmp_path / "red.obj").write_text("mtllib red.mtl\n" + plain + "usemtl red\nf 1/1 2/2 3/3\n")
    floats = "".join(f"property float {name}\n" for name in "xyzst")
    head = f"ply\nformat ascii 1.0\nelement vertex 3\n{floats}"
    body = (
        "element face 1\nproperty list uchar int vertex_indices\nend_header\n0 0 0 0 0\n1 0 0 1 0\n0 1 0 0 1\n3 0 1 2\n"
    )
    (tmp_path / "bare.ply").write_text(head + body)
    assert read_mesh(tmp_path / "bare.obj").color is None and read_mesh(tmp_path / "bare.ply").color is None
    red = read_mesh(tmp_path / "red.obj").color
    assert red is not None and np.allclose(red, [1, 0, 0], atol=0.01)
