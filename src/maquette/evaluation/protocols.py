"""Camera protocols by name: which views a score is computed on. Numbers under different protocols are not comparable.

maquette    six views for everything (`maquette-6`): 25° and -5° in turn, radius 3, 30°
trellis     eight views every 45° for CLIP, four every 90° for set distances; pitch 30°, radius 2, 40° (arXiv 2412.01506, C.1)
3dgen-r1    the 24 cameras that lie beside each reference object (its transforms.json), for CLIP and distances alike
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maquette.rendering.cameras import CAMERAS
from maquette.types import Cameras


@dataclass(frozen=True)
class Protocol:
    """Cameras for scores of text and for features of distances; None: each reference object brings its own."""

    name: str
    text: Cameras | None
    features: Cameras | None
    picture_size: int
    """Pixels a side at which views are drawn for pretrained networks (they resize); small networks see their own 64."""


PROTOCOLS = {
    "maquette": Protocol("maquette", CAMERAS["maquette-6"], CAMERAS["maquette-6"], 224),
    "trellis": Protocol("trellis", CAMERAS["trellis-8"], CAMERAS["trellis-4"], 512),
    "3dgen-r1": Protocol("3dgen-r1", None, None, 512),
}


def protocol(name: str) -> Protocol:
    """The protocol of that name; ValueError names those there are."""
    if name not in PROTOCOLS:
        raise ValueError(f"There is no camera protocol {name!r}; known are {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]


def reference_cameras(path: Path) -> Cameras:
    """The cameras of a transforms.json (NeRF's Blender layout: camera to world, looking along -z), which must look at the origin.

    Its `camera_angle_x` is the *horizontal* field of view; pictures here are square, so that both are one.
    """
    try:
        frames = json.loads(path.read_text())["frames"]
        poses = np.array([frame["transform_matrix"] for frame in frames], np.float64)
        angles = np.array([frame["camera_angle_x"] for frame in frames], np.float64)
        eyes, back = poses[:, :3, 3], poses[:, :3, 2]
    except (OSError, KeyError, TypeError, ValueError, IndexError) as error:
        raise ValueError(
            f"{path} holds no cameras: it needs frames with a transform_matrix and a camera_angle_x"
        ) from error
    distance = np.linalg.norm(eyes, axis=1)
    astray = np.abs((eyes * back).sum(1) - distance) > 1e-3 * distance
    if astray.any():
        raise ValueError(f"{path}: {int(astray.sum())} of {len(eyes)} cameras do not look at the origin")
    if np.ptp(angles) > 1e-6:
        raise ValueError(
            f"{path}: the cameras have several fields of view, {angles.min():.4f} to {angles.max():.4f} radians"
        )
    return Cameras(eyes.astype(np.float32), float(np.degrees(angles[0])), f"3dgen-r1-{len(eyes)}")


def cameras_for(use: Cameras | None, reference: Path | None) -> Cameras:
    """The protocol's cameras, or those beside a reference mesh where the protocol has none of its own."""
    if use is not None:
        return use
    if reference is None:
        raise ValueError(
            "The protocol 3dgen-r1 takes the cameras beside each reference object; these prompts have none. "
            "Use a toys4k:FOLDER suite, or --protocol trellis."
        )
    return reference_cameras(reference.with_name("transforms.json"))
