"""Pictures of coloured meshes by a depth-buffered rasteriser in numba, the views shared out among threads.

A view is drawn in two passes: the first leaves the nearest face in every (sub)pixel, the second shades what is seen.
Screen positions are snapped to 1/256 of a pixel, so that edge functions are exact and neighbours leave no cracks.
`reference.py` draws the same picture in plain torch; constants and rules are shared through `lighting.py`.

The threads are Python's, with the lock released, and not numba's own: those abort the process when two Python threads
draw at once or when it forks after drawing, and take longer to compile. NUMBA_NUM_THREADS sets how many.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import config as numba_config

from maquette.rendering.cameras import camera_axes
from maquette.rendering.kernels import draw_every, vertex_normals
from maquette.rendering.lighting import Light, Paint, base_color, light_vector
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
    """Every mesh from every camera; a mesh without faces is background (0.9) with depth, normal and mask 0.

    Both sides of a face are drawn, its normal turned to the viewer. With `antialias` four samples a pixel: colours are
    their mean, normals the mean of those that hit, depth the nearest, mask whether any hit. Faces that reach behind a
    camera are left out. Raises ValueError where a face names a vertex that is not there, or colours are not one a vertex.
    """
    vertices, faces, colors, vertex_start, face_start = pack(meshes, paint)
    normals = vertex_normals(vertices, faces, vertex_start, face_start)
    shape = (len(meshes), len(cameras.eye), size, size)
    rgb = np.zeros((*shape, 3), np.uint8)
    depth = np.zeros(shape, np.float32)
    normal = np.zeros((*shape, 3), np.float32)
    mask = np.zeros(shape, np.bool_)
    axes = camera_axes(cameras.eye)
    focal = 1.0 / np.tan(np.radians(cameras.fov_degrees) / 2)
    eyes, samples = cameras.eye.astype(np.float64), 2 if antialias else 1

    def draw(worker: int) -> None:
        draw_every(
            worker, workers, vertices, faces, colors, normals, vertex_start, face_start,
            eyes, axes, focal, samples, light_vector(light), rgb, depth, normal, mask,
        )  # fmt: skip

    cores: int = numba_config.NUMBA_NUM_THREADS  # pyright: ignore[reportAttributeAccessIssue] (set as it is imported)
    workers = max(1, min(cores, shape[0] * shape[1]))
    if workers == 1:
        draw(0)
    else:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(draw, range(workers)))
    return Views(rgb, depth, normal, mask, cameras)


def pack(meshes: Sequence[Mesh], paint: Paint) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """All meshes end to end: vertices, faces (their own numbering), colours, and where each mesh starts in both."""
    for i, mesh in enumerate(meshes):
        mesh.check(f"Mesh {i}")
    vertices = [np.zeros((0, 3), np.float32), *(m.vertices for m in meshes)]
    faces = [np.zeros((0, 3), np.int32), *(m.faces.astype(np.int32) for m in meshes)]
    colors = [np.zeros((0, 3), np.float32), *(base_color(m, paint) for m in meshes)]
    return (
        np.concatenate(vertices),
        np.concatenate(faces),
        np.concatenate(colors),
        np.cumsum([0, *(len(m.vertices) for m in meshes)]),
        np.cumsum([0, *(len(m.faces) for m in meshes)]),
    )
