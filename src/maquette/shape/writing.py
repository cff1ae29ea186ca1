"""The bytes of mesh files: GLB, OBJ, PLY, STL. The counterpart of the readers, written beside and renamed by `files.py`."""

from __future__ import annotations

import json
import struct

import numpy as np

from maquette.shape.textures import to_linear
from maquette.types import Mesh

UNPAINTED = 0.72
"""The sRGB grey of what has no colour."""


def smooth_normals(mesh: Mesh) -> np.ndarray:
    """Unit normals of the vertices [V 3], faces weighted by area; +z where no face says better."""
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    index = mesh.faces.reshape(-1)
    total = np.stack([np.bincount(index, np.repeat(across[:, i], 3), len(mesh.vertices)) for i in range(3)], axis=1)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.where(length > 0, total / np.maximum(length, 1e-300), np.array([0.0, 0.0, 1.0]))


def glb_bytes(mesh: Mesh) -> bytes:
    """glTF 2.0: y-up, smooth normals, vertex colours in linear light as the format wants them."""
    arrays = {"POSITION": _y_up(mesh.vertices), "NORMAL": _y_up(smooth_normals(mesh))}
    if mesh.color is not None:
        arrays["COLOR_0"] = to_linear(mesh.color)
    payload = [np.ascontiguousarray(a, "<f4").tobytes() for a in arrays.values()]
    payload.append(np.ascontiguousarray(mesh.faces, "<u4").tobytes())
    views, accessors, at = [], [], 0
    for part in payload:
        views.append({"buffer": 0, "byteOffset": at, "byteLength": len(part), "target": 34962})
        at += len(part)
    views[-1]["target"] = 34963
    for view in range(len(arrays)):
        accessors.append({"bufferView": view, "componentType": 5126, "count": len(mesh.vertices), "type": "VEC3"})
    position = arrays["POSITION"].astype("<f4")
    accessors[0] |= {"min": position.min(axis=0).tolist(), "max": position.max(axis=0).tolist()}
    accessors.append({"bufferView": len(arrays), "componentType": 5125, "count": mesh.faces.size, "type": "SCALAR"})
    grey = 1.0 if mesh.color is not None else float(to_linear(np.array(UNPAINTED)))
    surface = {"baseColorFactor": [grey, grey, grey, 1.0], "metallicFactor": 0.0, "roughnessFactor": 0.85}
    primitive = {"attributes": {name: i for i, name in enumerate(arrays)}, "indices": len(arrays), "material": 0}
    tree = {
        "asset": {"version": "2.0", "generator": "maquette"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "shape"}],
        "meshes": [{"name": "shape", "primitives": [primitive]}],
        "materials": [{"name": "paint", "pbrMetallicRoughness": surface, "doubleSided": True}],
        "buffers": [{"byteLength": at}],
        "bufferViews": views,
        "accessors": accessors,
    }
    text = json.dumps(tree, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", at, b"BIN\0") + b"".join(payload)
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def obj_bytes(mesh: Mesh) -> bytes:
    """Wavefront OBJ: y-up, colours behind the positions (sRGB, as most readers take them)."""
    rows = _y_up(mesh.vertices)
    if mesh.color is not None:
        rows = np.concatenate([rows, mesh.color], axis=1)
    form = "v" + " %.6g" * rows.shape[1]
    lines = [form % tuple(row) for row in rows.tolist()] + [f"f {a} {b} {c}" for a, b, c in (mesh.faces + 1).tolist()]
    return ("# maquette, y-up\n" + "\n".join(lines) + "\n").encode()


def ply_bytes(mesh: Mesh) -> bytes:
    """Binary PLY: z-up, colours as 8 bits of sRGB."""
    fields = [(axis, "<f4") for axis in "xyz"]
    if mesh.color is not None:
        fields += [(channel, "u1") for channel in ("red", "green", "blue")]
    vertices = np.zeros(len(mesh.vertices), fields)
    for i, axis in enumerate("xyz"):
        vertices[axis] = mesh.vertices[:, i]
    if mesh.color is not None:
        for i, channel in enumerate(("red", "green", "blue")):
            vertices[channel] = np.round(np.clip(mesh.color[:, i], 0, 1) * 255)
    faces = np.zeros(len(mesh.faces), [("count", "u1"), ("corners", "<i4", 3)])
    faces["count"], faces["corners"] = 3, mesh.faces
    kinds = {"<f4": "float", "u1": "uchar"}
    header = ["ply", "format binary_little_endian 1.0", "comment maquette, z-up", f"element vertex {len(vertices)}"]
    header += [f"property {kinds[kind]} {name}" for name, kind in fields]
    header += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header", ""]
    return "\n".join(header).encode() + vertices.tobytes() + faces.tobytes()


def stl_bytes(mesh: Mesh) -> bytes:
    """Binary STL: z-up, no colours (the format has none)."""
    corners = mesh.vertices[mesh.faces].astype(np.float32)
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    facets = np.zeros(len(corners), [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("more", "<u2")])
    facets["normal"] = across / np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-30)
    facets["corners"] = corners
    return b"maquette, z-up".ljust(80) + struct.pack("<I", len(facets)) + facets.tobytes()


def _y_up(vectors: np.ndarray) -> np.ndarray:
    return np.stack([vectors[:, 0], vectors[:, 2], -vectors[:, 1]], axis=1)


WRITERS = {".glb": glb_bytes, ".obj": obj_bytes, ".ply": ply_bytes, ".stl": stl_bytes}
