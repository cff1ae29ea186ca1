"""Fixed camera rings. Azimuth 0 is the object's front (the eye on -y) and grows counter-clockwise seen from above."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float32, Float64

from maquette.types import Cameras


def ring(
    views: int,
    elevation_degrees: float | Sequence[float],
    radius: float,
    fov_degrees: float,
    start: float = 0.0,
    name: str = "",
) -> Cameras:
    """`views` cameras evenly around the z axis, the first at azimuth `start` degrees; several elevations take turns."""
    if views < 1:
        raise ValueError(f"A camera ring needs at least 1 view, not {views}.")
    elevations = (elevation_degrees,) if isinstance(elevation_degrees, (int, float)) else tuple(elevation_degrees)
    azimuth = np.radians(start + 360.0 * np.arange(views) / views)
    elevation = np.radians([elevations[i % len(elevations)] for i in range(views)])
    eye = np.stack(
        [np.cos(elevation) * np.sin(azimuth), -np.cos(elevation) * np.cos(azimuth), np.sin(elevation)], axis=1
    )
    return Cameras((radius * eye).astype(np.float32), float(fov_degrees), name)


def camera_axes(eye: Float32[np.ndarray, "v 3"]) -> Float64[np.ndarray, "v 3 3"]:
    """Rows right, up, forward of every camera, orthonormal; a camera straight above or below takes +y as up."""
    eye = eye.astype(np.float64)
    distance = np.linalg.norm(eye, axis=1, keepdims=True)
    if np.any(distance < 1e-6):
        raise ValueError("A camera stands on the origin, which it should look at: move it away.")
    forward = -eye / distance
    steep = np.abs(forward[:, 2:]) > 1 - 1e-9
    up = np.where(steep, np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0]))
    right = np.cross(forward, up)
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    return np.stack([right, np.cross(right, forward), forward], axis=1)


def pick(cameras: Cameras, *indices: int) -> Cameras:
    """Some of the cameras, in the order asked for, e.g. `pick(CAMERAS["maquette-6"], 0)`."""
    return replace(cameras, eye=cameras.eye[list(indices)])


CAMERAS: dict[str, Cameras] = {
    # From above and slightly below in turn: tops and undersides, and no two opposite views are mirror images.
    "maquette-6": ring(6, (25.0, -5.0), radius=3.0, fov_degrees=30.0, start=30.0, name="maquette-6"),
    "maquette-8": ring(8, (25.0, -5.0), radius=3.0, fov_degrees=30.0, start=22.5, name="maquette-8"),
    # The evaluation rings of TRELLIS: yaw every 45° (90°), pitch 30°, radius 2, field of view 40°.
    "trellis-8": ring(8, 30.0, radius=2.0, fov_degrees=40.0, name="trellis-8"),
    "trellis-4": ring(4, 30.0, radius=2.0, fov_degrees=40.0, name="trellis-4"),
    "front-3q": ring(1, 20.0, radius=3.0, fov_degrees=30.0, start=30.0, name="front-3q"),
}
"""Named protocols. A full cube's corners may leave the frame a little; a 1 x 0.7 x 1 box fits into `maquette-*`."""
