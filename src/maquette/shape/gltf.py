"""glTF 2.0 files (.glb, .gltf) in and out: geometry in world space, colours in linear light, axes as in the file (y-up)."""

from __future__ import annotations

import base64
import io
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from PIL import Image

from maquette.shape.limits import MAX_PIXELS, check_faces
from maquette.types import check_rows

Tree = dict[str, Any]

COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
TRIANGLES, STRIP, FAN = 4, 5, 6
MAX_NODES = 100_000


@dataclass(frozen=True)
class Primitive:
    """One run of triangles with one material, before its colours are brought to the vertices."""

    name: str
    vertices: np.ndarray
    """[V 3], in world space"""
    faces: np.ndarray
    """[F 3]"""
    uv: np.ndarray | None = None
    """[V 2], v downwards from the picture's top; repeats outside [0, 1]"""
    image: np.ndarray | None = None
    """The base colour's texture, uint8 [h w 3] in sRGB"""
    factor: np.ndarray | None = None
    """The material's base colour [3] in linear light; None where there is no material"""
    color: np.ndarray | None = None
    """Vertex colours [V 3] in linear light"""

    def __post_init__(self) -> None:
        """ValueError where the arrays do not fit together, or a colour is not finite."""
        check_rows("it", len(self.vertices), self.faces, self.color)
        if self.uv is not None and self.uv.shape != (len(self.vertices), 2):
            raise ValueError(
                f"it has {len(self.vertices)} vertices but texture coordinates of shape {list(self.uv.shape)}."
            )
        if self.factor is not None and self.factor.shape != (3,):
            raise ValueError(f"a material's base colour has {self.factor.size} numbers, not 3.")
        if not all(np.isfinite(paint).all() for paint in (self.factor, self.color) if paint is not None):
            raise ValueError("a colour of it is not finite numbers.")


def read_gltf(data: bytes, path: Path) -> list[Primitive]:
    """Every triangle primitive of the default scene, node by node; `data` is the file's content.

    Raises ValueError for what is truncated, compressed (Draco, meshopt) or over the limits. Skins and morphs rest.
    """
    tree, binary = _container(data, path)
    required = set(tree.get("extensionsRequired", ())) | set(tree.get("extensionsUsed", ()))
    for extension, what in (("KHR_draco_mesh_compression", "Draco"), ("EXT_meshopt_compression", "meshopt")):
        if extension in required:
            raise ValueError(
                f"{path.name} is compressed with {what}, which is not decoded here: export it without compression."
            )
    reader = _Reader(tree, path, binary)
    return reader.primitives()


def _container(data: bytes, path: Path) -> tuple[Tree, bytes]:
    """The JSON tree and the embedded buffer of a .glb or .gltf file."""
    binary = b""
    if data[:4] == b"glTF":
        if len(data) < 20 or (length := struct.unpack_from("<I", data, 8)[0]) > len(data):
            stated = struct.unpack_from("<I", data, 8)[0] if len(data) >= 12 else 20
            raise ValueError(f"{path.name} is truncated: it states {stated} bytes and has {len(data)}.")
        chunks, at = {}, 12
        while at + 8 <= length:
            size, kind = struct.unpack_from("<I4s", data, at)
            chunks.setdefault(kind, data[at + 8 : at + 8 + size])
            at += 8 + size
        data, binary = chunks.get(b"JSON", b""), chunks.get(b"BIN\0", b"")
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path.name} holds no readable glTF description: {error}.") from error
    if not isinstance(tree, dict) or "asset" not in tree:
        raise ValueError(f"{path.name} is JSON, but not glTF: it has no `asset`.")
    return tree, binary


class _Reader:
    """One file's tree with its buffers and pictures, each loaded once."""

    def __init__(self, tree: Tree, path: Path, binary: bytes) -> None:
        self.tree, self.path, self.binary = tree, path, binary
        self.buffers: dict[int, bytes] = {}
        self.images: dict[int, np.ndarray] = {}
        self.faces = 0

    def primitives(self) -> list[Primitive]:
        found: list[Primitive] = []
        scenes = self.tree.get("scenes", [])
        roots = scenes[self.tree.get("scene", 0)].get("nodes", []) if scenes else range(len(self.tree.get("nodes", [])))
        waiting = [(node, np.eye(4)) for node in reversed(roots)]
        visited = 0
        while waiting:
            index, parent = waiting.pop()
            visited += 1
            if visited > MAX_NODES:
                raise ValueError(f"{self.path.name} has more than {MAX_NODES} nodes, or its nodes form a circle.")
            node = self.tree["nodes"][index]
            world = parent @ _local(node)
            if "mesh" in node:
                found += self._mesh(node, self.tree["meshes"][node["mesh"]], world)
            waiting += [(child, world) for child in reversed(node.get("children", ()))]
        return found

    def _mesh(self, node: Tree, mesh: Tree, world: np.ndarray) -> list[Primitive]:
        name = node.get("name") or mesh.get("name") or "mesh"
        parts = [p for p in mesh["primitives"] if p.get("mode", TRIANGLES) in (TRIANGLES, STRIP, FAN)]
        found = []
        for k, part in enumerate(parts):
            material = self.tree["materials"][part["material"]] if "material" in part else None
            own = (material or {}).get("name") or f"{name} {k + 1}"
            found.append(self._primitive(part, material, name if len(parts) == 1 else own, world))
        return found

    def _primitive(self, part: Tree, material: Tree | None, name: str, world: np.ndarray) -> Primitive:
        attributes = part["attributes"]
        count = self.tree["accessors"][part.get("indices", attributes["POSITION"])]["count"]
        self.faces += count // 3 if part.get("mode", TRIANGLES) == TRIANGLES else max(count - 2, 0)
        check_faces(self.faces, self.path)
        vertices = self.accessor(attributes["POSITION"]).astype(np.float64) @ world[:3, :3].T + world[:3, 3]
        order = self._indices(part["indices"]) if "indices" in part else np.arange(len(vertices))
        faces = _triangles(order, part.get("mode", TRIANGLES))
        if np.linalg.det(world[:3, :3]) < 0:
            faces = faces[:, ::-1]
        color = self.accessor(attributes["COLOR_0"])[:, :3] if "COLOR_0" in attributes else None
        factor, uv, image = self._material(material, attributes)
        return Primitive(name, vertices, faces, uv, image, factor, color)

    def _indices(self, accessor: int) -> np.ndarray:
        """Vertex numbers [n]; what is signed, or a fraction, is none."""
        values = self.accessor(accessor)
        if values.dtype.kind != "u" or values.shape[1] != 1:
            raise ValueError(
                f"{self.path.name} has vertex indices that are not unsigned whole numbers: accessor {accessor}."
            )
        return values[:, 0].astype(np.int64)

    def _material(
        self, material: Tree | None, attributes: Tree
    ) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
        """Base colour, texture coordinates and picture of a primitive."""
        if material is None:
            return None, None, None
        pbr = material.get("pbrMetallicRoughness", {})
        gloss = material.get("extensions", {}).get("KHR_materials_pbrSpecularGlossiness")
        if gloss is None:
            factor, texture = pbr.get("baseColorFactor", (1, 1, 1)), pbr.get("baseColorTexture")
        else:
            factor, texture = gloss.get("diffuseFactor", (1, 1, 1)), gloss.get("diffuseTexture")
        factor = np.asarray(factor[:3], float)
        if texture is None:
            return factor, None, None
        moved = texture.get("extensions", {}).get("KHR_texture_transform", {})
        channel = f"TEXCOORD_{moved.get('texCoord', texture.get('texCoord', 0))}"
        if channel not in attributes:
            return factor, None, None
        return factor, _moved(self.accessor(attributes[channel])[:, :2], moved), self._image(texture["index"])

    def _image(self, texture: int) -> np.ndarray:
        """A texture's picture, decoded once."""
        entry = self.tree["textures"][texture]
        source = entry.get("source", entry.get("extensions", {}).get("EXT_texture_webp", {}).get("source"))
        if source is None:
            raise ValueError(f"{self.path.name} has textures in a format that is not read here: use PNG, JPEG or WebP.")
        if source not in self.images:
            entry = self.tree["images"][source]
            data = self.view(entry["bufferView"]) if "bufferView" in entry else self._uri(entry["uri"])
            self.images[source] = decode_image(data, self.path)
        return self.images[source]

    def _uri(self, uri: str) -> bytes:
        """The bytes of a data URI or of a file beside this one."""
        if uri.startswith("data:"):
            return base64.b64decode(uri.partition(",")[2])
        beside = (self.path.parent / unquote(uri)).resolve()
        if "://" in uri or not beside.is_relative_to(self.path.parent.resolve()):
            raise ValueError(f"{self.path.name} refers to {uri!r}: only files in its own folder are read.")
        if not beside.is_file():
            raise ValueError(f"{self.path.name} needs the file {uri!r} beside it, which is not there.")
        return beside.read_bytes()

    def view(self, index: int) -> bytes:
        """The bytes of a buffer view."""
        view = self.tree["bufferViews"][index]
        number = view["buffer"]
        if number not in self.buffers:
            entry = self.tree["buffers"][number]
            self.buffers[number] = self._uri(entry["uri"]) if "uri" in entry else self.binary
        start = view.get("byteOffset", 0)
        data = self.buffers[number][start : start + view["byteLength"]]
        if len(data) < view["byteLength"]:
            raise ValueError(
                f"{self.path.name} is truncated: a buffer should reach byte {start + view['byteLength']} "
                f"and ends at {len(self.buffers[number])}."
            )
        return data

    def accessor(self, index: int) -> np.ndarray:
        """The values [count width] of an accessor, normalised integers as floats, sparse ones filled in."""
        entry = self.tree["accessors"][index]
        width, dtype = WIDTHS[entry["type"]], np.dtype(COMPONENTS[entry["componentType"]])
        check_faces(entry["count"] // 3, self.path)
        values = np.zeros((entry["count"], width), dtype)
        if "bufferView" in entry:
            stride = self.tree["bufferViews"][entry["bufferView"]].get("byteStride", width * dtype.itemsize)
            data, at = self.view(entry["bufferView"]), entry.get("byteOffset", 0)
            values = np.ndarray(values.shape, dtype, data, at, (stride, dtype.itemsize))
        if "sparse" in entry:
            values, sparse = values.copy(), entry["sparse"]
            where = np.dtype(COMPONENTS[sparse["indices"]["componentType"]])
            if where.kind != "u":
                raise ValueError(f"{self.path.name} has sparse indices that are not unsigned whole numbers.")
            places = self.view(sparse["indices"]["bufferView"])[sparse["indices"].get("byteOffset", 0) :]
            news = self.view(sparse["values"]["bufferView"])[sparse["values"].get("byteOffset", 0) :]
            chosen = np.frombuffer(places, where, sparse["count"])
            values[chosen] = np.frombuffer(news, dtype, sparse["count"] * width).reshape(-1, width)
        if entry.get("normalized") and dtype.kind in "iu":
            return np.maximum(values / float(np.iinfo(dtype).max), -1.0)
        return values


def decode_image(data: bytes, path: Path) -> np.ndarray:
    """A picture's pixels, uint8 [h w 3]; ValueError where it is no picture or a decompression bomb."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError(f"{image.width * image.height} pixels, the limit is {MAX_PIXELS}")
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"A texture of {path.name} cannot be read: {error}.") from error


def _local(node: Tree) -> np.ndarray:
    """A node's own transform [4 4]."""
    if "matrix" in node:
        return np.asarray(node["matrix"], float).reshape(4, 4).T
    x, y, z, w = node.get("rotation", (0.0, 0.0, 0.0, 1.0))
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = turn * np.asarray(node.get("scale", (1.0, 1.0, 1.0)), float)
    matrix[:3, 3] = node.get("translation", (0.0, 0.0, 0.0))
    return matrix


def _triangles(order: np.ndarray, mode: int) -> np.ndarray:
    """Vertex numbers as triangles [F 3]."""
    if mode == TRIANGLES:
        return order[: len(order) // 3 * 3].reshape(-1, 3)
    k = np.arange(max(len(order) - 2, 0))
    if mode == FAN:
        return np.stack([order[np.zeros_like(k)], order[k + 1], order[k + 2]], axis=1)
    odd = k % 2
    return np.stack([order[k], order[k + 1 + odd], order[k + 2 - odd]], axis=1)


def _moved(uv: np.ndarray, transform: Tree) -> np.ndarray:
    """Texture coordinates after KHR_texture_transform: scaled, turned, shifted."""
    turn = transform.get("rotation", 0.0)
    u, v = (uv.astype(float) * transform.get("scale", (1.0, 1.0))).T
    turned = np.stack([np.cos(turn) * u + np.sin(turn) * v, np.cos(turn) * v - np.sin(turn) * u], axis=1)
    return turned + transform.get("offset", (0.0, 0.0))
