"""Mesh files in and out: GLB, glTF, OBJ, PLY, STL, whatever carries their colour, as z-up meshes with vertex colours.

glTF and OBJ files are y-up (the front looks to +z) and are turned: (x, y, z) → (x, -z, y); PLY and STL are taken as z-up.
Sizes are checked before memory is taken; every fault of a file is one ValueError that names it.
"""

from __future__ import annotations

import io
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from maquette.outputs import written
from maquette.shape.gltf import Primitive, read_gltf
from maquette.shape.limits import check_bytes, check_faces
from maquette.shape.textures import painted, to_linear
from maquette.shape.writing import UNPAINTED, WRITERS
from maquette.types import Mesh

if TYPE_CHECKING:
    import trimesh

SUFFIXES = (".glb", ".gltf", ".obj", ".ply", ".stl")
Y_UP = (".glb", ".gltf", ".obj")
MALFORMED = (
    ValueError, KeyError, IndexError, TypeError, AttributeError, AssertionError, NotImplementedError,
    OSError, EOFError, OverflowError, struct.error, UnicodeError, RecursionError, MemoryError,
)  # fmt: skip
"""What parsers raise on files that are not what they say."""


def read_mesh(path: str | Path) -> Mesh:
    """The whole file as one mesh in its own units, z-up; `color` is None where the file states none at all."""
    return joined([mesh for _, mesh in read_parts(path)])


def read_parts(path: str | Path) -> list[tuple[str, Mesh]]:
    """(name, mesh) of each node of the file's scene, or of each material where a node has several; z-up."""
    path = Path(path)
    # What is not finite is found below, by its vertices; numpy need not warn of it on the way there.
    with np.errstate(invalid="ignore", over="ignore"):
        primitives = [p for p in _primitives(path) if len(p.faces)]
    if not primitives:
        raise ValueError(f"{path.name} holds no triangles: there is nothing to read.")
    check_faces(sum(len(p.faces) for p in primitives), path)
    everything = np.concatenate([p.vertices for p in primitives])
    broken = int((~(np.abs(everything) < np.finfo(np.float32).max).all(axis=1)).sum())
    if broken:
        raise ValueError(f"{path.name}: {broken} of {len(everything)} vertices are not finite numbers.")
    extent = float(np.ptp(everything, axis=0).max())
    return [(p.name, _mesh(p, extent, path.suffix.lower() in Y_UP)) for p in primitives]


def write_mesh(mesh: Mesh, path: str | Path) -> None:
    """Writes .glb, .obj (both y-up), .ply or .stl (z-up; STL has no colours), beside first and renamed when complete.

    Raises ValueError for another suffix, for a mesh without faces, and where the folder cannot be written to.
    """
    path = Path(path)
    check_writable_kind(path)
    if not len(mesh.faces):
        raise ValueError(f"The mesh has no faces: {path.name} is not written.")
    data = WRITERS[path.suffix.lower()](mesh)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written(path) as beside:
            beside.write_bytes(data)
    except OSError as error:
        raise ValueError(f"{path} cannot be written ({error.strerror}): choose another folder or make room.") from error


def check_writable_kind(path: Path) -> None:
    """ValueError for a suffix that no writer knows."""
    if path.suffix.lower() not in WRITERS:
        raise ValueError(f"{path.name} ends in {path.suffix!r}; meshes are written as {', '.join(WRITERS)}.")


def joined(meshes: list[Mesh]) -> Mesh:
    """Several meshes as one; those without colours become grey where others have some."""
    starts = np.cumsum([0, *(len(m.vertices) for m in meshes)])
    vertices = np.concatenate([m.vertices for m in meshes])
    faces = np.concatenate([m.faces + start for m, start in zip(meshes, starts[:-1], strict=True)]).astype(np.int32)
    if all(m.color is None for m in meshes):
        return Mesh(vertices, faces)
    colors = [np.full((len(m.vertices), 3), UNPAINTED, np.float32) if m.color is None else m.color for m in meshes]
    return Mesh(vertices, faces, np.concatenate(colors))


def _mesh(primitive: Primitive, extent: float, y_up: bool) -> Mesh:
    vertices, faces, color = painted(primitive, extent)
    if y_up:
        vertices = np.stack([vertices[:, 0], -vertices[:, 2], vertices[:, 1]], axis=1)
    paint = None if color is None else color.astype(np.float32)
    return Mesh(np.ascontiguousarray(vertices, np.float32), np.ascontiguousarray(faces, np.int32), paint)


def _primitives(path: Path) -> list[Primitive]:
    """The file's triangles by its own kind of reader, after all checks that need no parsing."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{path.name} ends in {suffix!r}; meshes are read from {', '.join(SUFFIXES)}.")
    if not path.is_file():
        raise ValueError(f"{path} is not there." if not path.exists() else f"{path} is not a file.")
    check_bytes(path.stat().st_size, path)
    data = path.read_bytes()
    kind = _kind(data)
    if kind != suffix:
        raise ValueError(
            f"{path.name} is empty (0 bytes)."
            if not data
            else f"{path.name} is not a {suffix[1:].upper()} file: its content looks like {kind or 'none of the known kinds'}."
        )
    if suffix not in (".glb", ".gltf"):
        check_faces(_stated_faces(data, suffix), path)
    try:
        return read_gltf(data, path) if suffix in (".glb", ".gltf") else _by_trimesh(data, path, suffix)
    except MALFORMED as error:
        if isinstance(error, ValueError) and str(error).startswith((path.name, "A texture of")):
            raise
        why = " ".join(str(error).split())[:120].rstrip(".") or "no reason given"
        raise ValueError(f"{path.name} is damaged or truncated: {type(error).__name__}: {why}.") from error


def _kind(data: bytes) -> str:
    """The suffix that the content deserves, "" where it is none of them."""
    start = data[:4096].lstrip()
    if data[:4] == b"glTF":
        return ".glb"
    if start[:3] == b"ply":
        return ".ply"
    if start[:1] == b"{":
        return ".gltf"
    if _is_binary_stl(data):
        return ".stl"
    if start[:5] == b"solid" and b"facet" in data[:4096]:
        return ".stl"
    if data[:4] == b"PK\x03\x04":
        return "a ZIP archive (unpack it first)"
    if b"\0" not in data[:4096] and re.search(rb"(?m)^\s*v\s+[-+.\dnNiI]", data):
        return ".obj"
    return ".stl" if len(data) >= 84 and b"\0" in data[:4096] and start[:5] == b"solid" else ""


def _is_binary_stl(data: bytes) -> bool:
    """Whether the length is what the count in the header asks for; the header's text may be "solid" as well."""
    return len(data) >= 84 and len(data) == 84 + 50 * struct.unpack_from("<I", data, 80)[0]


def _stated_faces(data: bytes, suffix: str) -> int:
    """How many faces the file says or seems to hold."""
    if suffix == ".ply":
        stated = re.search(rb"element\s+face\s+(\d+)", data[:65536])
        return int(stated.group(1)) if stated else 0
    if suffix == ".stl":
        return struct.unpack_from("<I", data, 80)[0] if _is_binary_stl(data) else data.count(b"endfacet")
    return data.count(b"\nf ")


def _by_trimesh(data: bytes, path: Path, suffix: str) -> list[Primitive]:
    """OBJ, PLY and STL through trimesh, nothing merged or dropped (but STL's corners, which it repeats for each face)."""
    if suffix == ".obj":
        data = data.decode("utf-8", errors="replace").encode()
    import trimesh  # about 7 % of the imports of `generate`, which writing and glTF do without
    from trimesh.resolvers import FilePathResolver

    resolver = FilePathResolver(str(path))
    scene = trimesh.load_scene(io.BytesIO(data), file_type=suffix[1:], resolver=resolver, process=False)
    found = []
    for node in scene.graph.nodes_geometry:
        world, key = scene.graph[node]
        geometry = scene.geometry[key]
        if not isinstance(geometry, trimesh.Trimesh):
            continue
        if suffix == ".stl":
            geometry.merge_vertices()
        name = str(key) if key != path.name else path.stem
        found.append(_from_trimesh(geometry, world, name))
    return found


def _from_trimesh(geometry: trimesh.Trimesh, world: np.ndarray, name: str) -> Primitive:
    from trimesh.visual import ColorVisuals
    from trimesh.visual.material import SimpleMaterial, empty_material

    vertices = np.asarray(geometry.vertices) @ world[:3, :3].T + world[:3, 3]
    faces = np.asarray(geometry.faces)
    plain, visual = Primitive(name, vertices, faces), cast(Any, geometry.visual)
    if isinstance(visual, ColorVisuals):
        if visual.kind == "face":
            vertices, faces = vertices[faces.reshape(-1)], np.arange(3 * len(faces)).reshape(-1, 3)
            colors = np.repeat(visual.face_colors[:, :3], 3, axis=0)
        else:
            colors = visual.vertex_colors[:, :3] if visual.kind == "vertex" else None
        return Primitive(name, vertices, faces, color=None if colors is None else to_linear(colors / 255.0))
    material: Any = visual.material.to_pbr() if isinstance(visual.material, SimpleMaterial) else None
    if material is None:
        return plain
    picture = material.baseColorTexture
    if picture is not None and np.array_equal(picture, np.asarray(empty_material().image)):
        return plain  # trimesh's own grey, for texture coordinates without a picture
    # OBJ's diffuse colour is on the screen's scale, not the light's; under a picture exporters leave it at grey.
    factor = np.ones(3) if picture is not None else to_linear(np.asarray(material.baseColorFactor[:3]) / 255.0)
    uv = None if visual.uv is None else np.stack([visual.uv[:, 0], 1 - visual.uv[:, 1]], axis=1)
    image = None if picture is None else np.asarray(picture.convert("RGB"))
    return Primitive(name, vertices, faces, uv, image, factor)
