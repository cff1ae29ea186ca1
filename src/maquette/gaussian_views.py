"""Reward views of TRELLIS's Gaussians: its own splatting draws them in milliseconds, and no mesh need be extracted for the look.

The second stage (`sample_slat`) costs the same either way; what is saved is its mesh decoder. Shapes, depth, normals and masks are
then those of the plain iso-surface of the same voxels, and only the colours of the picture are the Gaussians'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from maquette.protocols import Mesher
from maquette.rendering.cameras import camera_axes
from maquette.rendering.lighting import BACKGROUND
from maquette.shape.surface import SurfaceMesher
from maquette.shape.trellis import TrellisMesher
from maquette.types import Cameras, Voxels

MARGIN = 0.9
"""The unit cube's corners are at most √3/2 from the point that every camera looks at."""


@dataclass
class GaussianPainter:
    """Pictures of voxels by an installed TRELLIS."""

    trellis: TrellisMesher

    def paint(
        self, voxels: Voxels, texts: Sequence[str] | None, cameras: Cameras, size: int
    ) -> UInt8[np.ndarray, "a v h w 3"]:
        """Texts (one per shape) say how; an empty shape is background."""
        drawing = import_module("trellis.utils.render_utils")
        views = len(cameras.eye)
        pictures = np.full((len(voxels), views, size, size, 3), round(BACKGROUND * 255), np.uint8)
        device = self.trellis.pipeline.device
        seen_from = [matrix.to(device) for matrix in extrinsics(cameras)]
        lens = [intrinsics(cameras).to(device)] * views
        distance = float(np.linalg.norm(cameras.eye, axis=1).max())
        options = {"resolution": size, "bg_color": (BACKGROUND,) * 3, "near": max(0.01, distance - MARGIN)}
        options["far"] = distance + MARGIN
        for row, decoded in enumerate(self.trellis.decoded(voxels, texts, ["gaussian"])):
            if decoded is not None:
                frames = drawing.render_frames(decoded["gaussian"], seen_from, lens, options, verbose=False)
                pictures[row] = np.stack(frames["color"])
        return pictures


Paint = Literal["surface", "trellis"]
"""Who makes the mesh of a file: the iso-surface in the codec's own colours, or an installed TRELLIS."""


def open_mesher(
    name: Paint | Literal["trellis-gaussians"], shapes_at_once: int = 1
) -> tuple[Mesher, GaussianPainter | None]:
    """Who makes the meshes of coloured stages, and who paints where that is not the mesher. ValueError: TRELLIS is not there.

    `shapes_at_once` is TRELLIS's: above 1 the paint of a shape depends on its neighbours.
    """
    if name == "surface":
        return SurfaceMesher(), None
    trellis = TrellisMesher.open(shapes_at_once=shapes_at_once)
    return (trellis, None) if name == "trellis" else (SurfaceMesher(), GaussianPainter(trellis))


def extrinsics(cameras: Cameras) -> list[Float32[Tensor, "4 4"]]:
    """World to camera in OpenCV's axes (x right, y down, z forward), as TRELLIS's renderers take it."""
    found = []
    for eye, (right, up, forward) in zip(cameras.eye, camera_axes(cameras.eye), strict=True):
        matrix = np.eye(4)
        matrix[:3, :3] = right, -up, forward
        matrix[:3, 3] = -matrix[:3, :3] @ eye
        found.append(torch.from_numpy(matrix.astype(np.float32)))
    return found


def intrinsics(cameras: Cameras) -> Float32[Tensor, "3 3"]:
    """In shares of the picture: the focal length, and the middle at ½."""
    focal = 0.5 / np.tan(np.radians(cameras.fov_degrees) / 2)
    return torch.tensor([[focal, 0, 0.5], [0, focal, 0.5], [0, 0, 1]], dtype=torch.float32)
