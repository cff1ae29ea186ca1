"""Primitives that object programs are written in, and the moves (turn, shift, mirror, repeat) that place them.

Object space is z-up with the ground at z = 0 and the front looking to -y; units are free, the whole object is scaled to the
unit cube afterwards. Every constructor takes `at`, the primitive's centre, except `capsule` (two ends), `extrusion` and
`revolve` (the origin of their profile).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np

Real = float | int
"""A length or an angle; type checkers at run time do not take an int for a float."""
Vec = tuple[Real, Real, Real]
Plane = tuple[Real, Real]


class Kind(IntEnum):
    BOX = 0
    """params: half sizes x, y, z"""
    FRUSTUM = 1
    """params: bottom radius, top radius, half height; axis z (cylinder and cone)"""
    ELLIPSOID = 2
    """params: radii x, y, z"""
    TORUS = 3
    """params: major radius, minor radius; axis z"""
    CAPSULE = 4
    """params: radius, half length; axis z"""
    EXTRUSION = 5
    """params: half height; profile: polygon (x, y)"""
    REVOLVE = 6
    """profile: polygon (radius, z), turned about z"""


@dataclass(frozen=True)
class Solid:
    """One primitive: a point is inside where `rotation.T @ (point - center)` is inside the canonical shape."""

    kind: Kind
    params: Vec
    center: np.ndarray
    rotation: np.ndarray
    profile: tuple[Plane, ...] = ()

    def moved(self, dx: Real = 0.0, dy: Real = 0.0, dz: Real = 0.0) -> Solid:
        return replace(self, center=self.center + np.array([dx, dy, dz]))

    def turned(self, axis: str, degrees: Real, about: Vec | None = None) -> Solid:
        """Turned about a line through `about` (default: its own centre) along `axis`, counter-clockwise from its tip."""
        turn = rotation_matrix(axis, degrees)
        pivot = self.center if about is None else np.asarray(about, float)
        return replace(self, center=pivot + turn @ (self.center - pivot), rotation=turn @ self.rotation)

    def mirrored(self, axis: str = "x") -> Solid:
        """Mirrored in the plane through the origin normal to `axis`."""
        flip = np.ones(3)
        flip["xyz".index(axis)] = -1.0
        # A mirror is not a rotation: flip the canonical x too. All kinds but EXTRUSION are symmetric in their own x.
        rotation = np.diag(flip) @ self.rotation @ np.diag([-1.0, 1.0, 1.0])
        profile = tuple((-x, y) for x, y in self.profile) if self.kind == Kind.EXTRUSION else self.profile
        return replace(self, center=self.center * flip, rotation=rotation, profile=profile)

    def scaled(self, factor: Real) -> Solid:
        """Scaled uniformly about the origin."""
        return replace(
            self,
            params=tuple(p * factor for p in self.params),
            center=self.center * factor,
            profile=tuple((u * factor, v * factor) for u, v in self.profile),
        )

    def extent(self) -> np.ndarray:
        """Half sizes of the canonical shape's bounding box and its centre offset: [[hx, hy, hz], [ox, oy, oz]]."""
        a, b, c = self.params
        if self.kind in (Kind.BOX, Kind.ELLIPSOID):
            return np.array([[a, b, c], [0, 0, 0]])
        if self.kind == Kind.FRUSTUM:
            return np.array([[max(a, b), max(a, b), c], [0, 0, 0]])
        if self.kind == Kind.TORUS:
            return np.array([[a + b, a + b, b], [0, 0, 0]])
        if self.kind == Kind.CAPSULE:
            return np.array([[a, a, a + b], [0, 0, 0]])
        low, high = np.min(self.profile, axis=0), np.max(self.profile, axis=0)
        if self.kind == Kind.EXTRUSION:
            half, mid = (high - low) / 2, (high + low) / 2
            return np.array([[half[0], half[1], a], [mid[0], mid[1], 0]])
        return np.array([[high[0], high[0], (high[1] - low[1]) / 2], [0, 0, (high[1] + low[1]) / 2]])

    def bounds(self) -> np.ndarray:
        """Axis-aligned world bounds [2 3] of the canonical bounding box (an upper bound for turned shapes)."""
        half, offset = self.extent()
        middle = self.center + self.rotation @ offset
        reach = np.abs(self.rotation) @ half
        return np.stack([middle - reach, middle + reach])


def rotation_matrix(axis: str, degrees: Real) -> np.ndarray:
    """Right-handed rotation [3 3] about x, y or z."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    i = "xyz".index(axis)
    j, k = (i + 1) % 3, (i + 2) % 3
    matrix = np.eye(3)
    matrix[j, j] = matrix[k, k] = c
    matrix[j, k], matrix[k, j] = -s, s
    return matrix


def _solid(kind: Kind, params: Vec, at: Vec, profile: Sequence[Plane] = ()) -> Solid:
    return Solid(kind, params, np.asarray(at, float), np.eye(3), tuple((float(u), float(v)) for u, v in profile))


def box(x: Real, y: Real, z: Real, at: Vec = (0, 0, 0)) -> Solid:
    """Full sizes along x, y, z."""
    return _solid(Kind.BOX, (x / 2, y / 2, z / 2), at)


def cylinder(radius: Real, height: Real, at: Vec = (0, 0, 0)) -> Solid:
    """Upright (axis z)."""
    return _solid(Kind.FRUSTUM, (radius, radius, height / 2), at)


def cone(radius: Real, height: Real, at: Vec = (0, 0, 0), top: Real = 0.0) -> Solid:
    """Upright, `radius` below and `top` above; `at` is the middle of its height."""
    return _solid(Kind.FRUSTUM, (radius, top, height / 2), at)


def ellipsoid(rx: Real, ry: Real, rz: Real, at: Vec = (0, 0, 0)) -> Solid:
    return _solid(Kind.ELLIPSOID, (rx, ry, rz), at)


def sphere(radius: Real, at: Vec = (0, 0, 0)) -> Solid:
    return ellipsoid(radius, radius, radius, at)


def torus(major: Real, minor: Real, at: Vec = (0, 0, 0)) -> Solid:
    """A ring lying flat (axis z)."""
    return _solid(Kind.TORUS, (major, minor, 0.0), at)


def capsule(radius: Real, start: Vec, end: Vec) -> Solid:
    """A rod with round ends between two points."""
    a, b = np.asarray(start, float), np.asarray(end, float)
    length = float(np.linalg.norm(b - a))
    solid = _solid(Kind.CAPSULE, (radius, length / 2, 0.0), tuple((a + b) / 2))
    return replace(solid, rotation=_z_to((b - a) / length if length > 1e-9 else np.array([0.0, 0.0, 1.0])))


def rod(radius: Real, start: Vec, end: Vec, end_radius: Real | None = None) -> Solid:
    """A cylinder (or, with `end_radius`, a cone frustum) between two points, with flat ends."""
    a, b = np.asarray(start, float), np.asarray(end, float)
    length = float(np.linalg.norm(b - a))
    solid = _solid(Kind.FRUSTUM, (radius, radius if end_radius is None else end_radius, length / 2), tuple((a + b) / 2))
    return replace(solid, rotation=_z_to((b - a) / length if length > 1e-9 else np.array([0.0, 0.0, 1.0])))


def extrusion(polygon: Sequence[Plane], height: Real, at: Vec = (0, 0, 0)) -> Solid:
    """A polygon in (x, y), any winding, may be concave, made `height` thick along z, centred on `at`'s z."""
    return _solid(Kind.EXTRUSION, (height / 2, 0.0, 0.0), at, polygon)


def side_extrusion(polygon: Sequence[Plane], width: Real, at: Vec = (0, 0, 0)) -> Solid:
    """A polygon in (y, z), as seen from the side, made `width` wide along x, centred on `at`'s x."""
    return extrusion(polygon, width, at).turned("x", 90).turned("z", 90)


def front_extrusion(polygon: Sequence[Plane], depth: Real, at: Vec = (0, 0, 0)) -> Solid:
    """A polygon in (x, z), as seen from the front, made `depth` deep along y, centred on `at`'s y."""
    return extrusion(polygon, depth, at).turned("x", 90)


def disc(radius: Real, width: Real, at: Vec = (0, 0, 0), axis: str = "x") -> Solid:
    """A cylinder that lies along x or y, like a wheel on its axle."""
    upright = cylinder(radius, width, at)
    return upright.turned("y", 90) if axis == "x" else upright.turned("x", 90)


def arc_band(radius: Real, thickness: Real, start: Real, end: Real, steps: int = 12) -> tuple[Plane, ...]:
    """The polygon of a bent strip about the origin: `radius` to its middle line, from `start` to `end` in degrees."""
    angles = np.radians(np.linspace(start, end, steps))
    outer = [((radius + thickness / 2) * np.cos(a), (radius + thickness / 2) * np.sin(a)) for a in angles]
    inner = [((radius - thickness / 2) * np.cos(a), (radius - thickness / 2) * np.sin(a)) for a in reversed(angles)]
    return tuple((float(u), float(v)) for u, v in outer + inner)


def revolve(profile: Sequence[Plane], at: Vec = (0, 0, 0)) -> Solid:
    """A closed polygon in (radius ≥ 0, z), turned about the z axis through `at`."""
    return _solid(Kind.REVOLVE, (0.0, 0.0, 0.0), at, profile)


def _z_to(direction: np.ndarray) -> np.ndarray:
    """A rotation that takes +z to the unit vector `direction`."""
    helper = np.array([1.0, 0, 0]) if abs(direction[0]) < 0.9 else np.array([0, 1.0, 0])
    x = np.cross(helper, direction)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(direction, x), direction], axis=1)


def both_sides(solid: Solid, axis: str = "x") -> list[Solid]:
    """The solid and its mirror image."""
    return [solid, solid.mirrored(axis)]


def four_corners(solid: Solid) -> list[Solid]:
    """The solid and its images mirrored in x, in y and in both."""
    return [solid, solid.mirrored("x"), solid.mirrored("y"), solid.mirrored("x").mirrored("y")]


def around(solid: Solid, count: int, start: Real = 0.0, about: Vec = (0, 0, 0), axis: str = "z") -> list[Solid]:
    """`count` copies turned evenly about an axis, the first by `start` degrees."""
    return [solid.turned(axis, start + 360.0 * i / count, about=about) for i in range(count)]


def row(solid: Solid, count: int, step: Vec) -> list[Solid]:
    """`count` copies, each `step` from the last, centred on the solid's place."""
    middle = (count - 1) / 2
    return [solid.moved(*(s * (i - middle) for s in step)) for i in range(count)]
