"""The same pictures as `rasterise.py` in plain torch, slowly: every pixel against every face, nothing clever.

This is the description of what the renderer draws; the tests hold the fast one to it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from maquette.rendering.cameras import camera_axes
from maquette.rendering.lighting import BACKGROUND, CREASE, NEAR, SNAP, Light, Paint, base_color, light_vector
from maquette.types import Cameras, Mesh, Views


def render(
    meshes: Sequence[Mesh],
    cameras: Cameras,
    *,
    size: int = 224,
    antialias: bool = False,
    paint: Paint = "colour",
    light: Light = "headlight",
) -> Views:
    """Every mesh from every camera, as `rasterise.render` draws it."""
    shape = (len(meshes), len(cameras.eye), size, size)
    rgb, depth = np.zeros((*shape, 3), np.uint8), np.zeros(shape, np.float32)
    normal, mask = np.zeros((*shape, 3), np.float32), np.zeros(shape, np.bool_)
    samples = 2 if antialias else 1
    lamps = torch.from_numpy(light_vector(light))
    focal = 1.0 / np.tan(np.radians(cameras.fov_degrees) / 2)
    for a, mesh in enumerate(meshes):
        vertices = torch.from_numpy(mesh.vertices).double()
        faces = torch.from_numpy(mesh.faces.astype(np.int64))
        color = torch.from_numpy(base_color(mesh, paint)).double()
        for v, axes in enumerate(torch.from_numpy(camera_axes(cameras.eye))):
            eye = torch.from_numpy(cameras.eye[v]).double()
            screen = project(vertices, eye, axes, focal, size * samples)
            nearest = nearest_faces(screen, faces, size * samples)
            shaded = shade(vertices, faces, color, screen, nearest, axes, lamps)
            rgb[a, v], depth[a, v], normal[a, v], mask[a, v] = gather_samples(*shaded, nearest >= 0, samples)
    return Views(rgb, depth, normal, mask, cameras)


def project(
    vertices: Float64[Tensor, "V 3"], eye: Float64[Tensor, 3], axes: Float64[Tensor, "3 3"], focal: float, size: int
) -> Float64[Tensor, "V 3"]:
    """Column and row in pixels, snapped to 1/256, and 1 / depth, which is 0 for what is not in front of the camera."""
    right, up, far = ((vertices - eye) @ axes.T).unbind(dim=1)
    ahead = far > NEAR
    far = torch.where(ahead, far, 1.0)
    scale = focal * size / 2 / far
    column = ((size / 2 + right * scale) * SNAP + 0.5).floor() / SNAP
    row = ((size / 2 - up * scale) * SNAP + 0.5).floor() / SNAP
    return torch.stack([column, row, 1 / far], dim=1) * ahead[:, None]


def edge(start: Tensor, end: Tensor, point: Tensor) -> Tensor:
    """Twice the signed area of (start, end, point) on the screen; rows grow downwards."""
    along, to = end - start, point - start
    return along[..., 0] * to[..., 1] - along[..., 1] * to[..., 0]


def nearest_faces(screen: Float64[Tensor, "V 3"], faces: Int64[Tensor, "F 3"], size: int) -> Int64[Tensor, "size size"]:
    """The nearest face at each pixel centre, -1 where none; borders belong to a face, the earlier face wins a tie."""
    middle = torch.arange(size, dtype=torch.float64) + 0.5
    pixels = torch.stack(torch.meshgrid(middle, middle, indexing="xy"), dim=-1)
    nearest, inverse = torch.full((size, size), -1), torch.zeros(size, size, dtype=torch.float64)
    for f, (a, b, c) in enumerate(screen[faces]):
        area = edge(a[:2], b[:2], c[:2])
        if area == 0 or min(a[2], b[2], c[2]) <= 0:
            continue
        weights = [edge(p[:2], q[:2], pixels) * area.sign() for p, q in ((b, c), (c, a), (a, b))]
        parts = [weight * (corner[2] / area.abs()) for weight, corner in zip(weights, (a, b, c), strict=True)]
        near = parts[0] + parts[1] + parts[2]
        nearer = (torch.stack(weights) >= 0).all(dim=0) & (near > inverse)
        nearest[nearer], inverse[nearer] = f, near[nearer]
    return nearest


def vertex_normals(vertices: Float64[Tensor, "V 3"], faces: Int64[Tensor, "F 3"]) -> Float64[Tensor, "V 3"]:
    """Smooth normals: each face's normal weighted by sine over the two edges' lengths (Max 1999)."""
    total = torch.zeros_like(vertices)
    for i in range(3):
        here, after, before = faces[:, i], faces[:, (i + 1) % 3], faces[:, (i + 2) % 3]
        forth, back = vertices[after] - vertices[here], vertices[before] - vertices[here]
        weight = (forth * forth).sum(dim=1, keepdim=True) * (back * back).sum(dim=1, keepdim=True)
        across = torch.linalg.cross(forth, back)
        total.index_add_(0, here, torch.where(weight > 0, across / weight, 0.0))
    return torch.nn.functional.normalize(total, dim=1, eps=1e-30)


def shade(
    vertices: Float64[Tensor, "V 3"],
    faces: Int64[Tensor, "F 3"],
    color: Float64[Tensor, "V 3"],
    screen: Float64[Tensor, "V 3"],
    nearest: Int64[Tensor, "size size"],
    axes: Float64[Tensor, "3 3"],
    lamps: Float64[Tensor, 7],
) -> tuple[Float64[Tensor, "size size 3"], Float64[Tensor, "size size 3"], Float64[Tensor, "size size"]]:
    """Colours, normals towards the viewer and 1 / depth of every sample; background colour and 0 where nothing is."""
    size = len(nearest)
    rgb = torch.full((size, size, 3), BACKGROUND, dtype=torch.float64)
    normal, inverse = torch.zeros_like(rgb), torch.zeros(size, size, dtype=torch.float64)
    rows, columns = torch.nonzero(nearest >= 0, as_tuple=True)
    if not len(rows):
        return rgb, normal, inverse
    face = faces[nearest[rows, columns]]
    point = torch.stack([columns, rows], dim=1).double() + 0.5
    a, b, c = screen[face].unbind(dim=1)
    area = edge(a[:, :2], b[:, :2], c[:, :2])
    flat = torch.stack([edge(p[:, :2], q[:, :2], point) / area for p, q in ((b, c), (c, a), (a, b))], dim=1)
    weights = flat * screen[face][..., 2]
    near = weights.sum(dim=1)
    weights = weights / near[:, None]
    corners = vertices[face]
    own = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    own = torch.nn.functional.normalize(own, dim=1, eps=1e-30)[:, None]
    smooth = vertex_normals(vertices, faces)[face]
    smooth = torch.where((smooth * own).sum(dim=2, keepdim=True) < CREASE, own, smooth)
    across = torch.nn.functional.normalize((weights[..., None] * smooth).sum(dim=1), dim=1, eps=1e-30)
    across = torch.where(area[:, None] > 0, -across, across)
    lit = (weights[..., None] * color[face]).sum(dim=1) * brightness(across, axes, lamps)[:, None]
    rgb[rows, columns], normal[rows, columns], inverse[rows, columns] = lit.clamp(0, 1), across, near
    return rgb, normal, inverse


def brightness(
    normal: Float64[Tensor, "n 3"], axes: Float64[Tensor, "3 3"], lamps: Float64[Tensor, 7]
) -> Float64[Tensor, " n"]:
    """Constant light, the sky's, the headlight's and the key light's share for each normal."""
    constant, sky, head, *key_direction, key = lamps
    seen = normal @ (axes * torch.tensor([[1.0], [1.0], [-1.0]], dtype=torch.float64)).T
    towards_key = (seen * torch.stack(key_direction)).sum(dim=1)
    return constant + sky * 0.5 * (1 + normal[:, 2]) + head * seen[:, 2].clamp(min=0) + key * towards_key.clamp(min=0)


def gather_samples(
    rgb: Tensor, normal: Tensor, inverse: Tensor, hit: Tensor, samples: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pixels from their samples: mean colour, nearest depth, mean normal of those that hit, whether any hit."""

    def boxes(values: Tensor) -> Tensor:
        size = len(values) // samples
        split = values.reshape(size, samples, size, samples, -1).transpose(1, 2)
        return split.reshape(size, size, samples * samples, -1)

    colors = (boxes(rgb).mean(dim=2) * 255 + 0.5).floor().to(torch.uint8)
    normals = torch.nn.functional.normalize(boxes(normal).sum(dim=2), dim=2, eps=1e-12)
    near, mask = boxes(inverse).amax(dim=2)[..., 0], boxes(hit).any(dim=2)[..., 0]
    depth = torch.where(mask, 1 / near.clamp(min=1e-30), 0.0)
    return colors.numpy(), depth.float().numpy(), normals.float().numpy(), mask.numpy()
