"""The compiled loops of `rasterise`: smooth normals, projection, depth test, shading.

Arrays are packed (all meshes end to end). `no_type_check` keeps the tests' shape checks out of compiled code. All of it
stands in one file, with constants from `lighting.py`: numba's cache notices changes only in the file of a function.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from numba import njit

from maquette.rendering.lighting import BACKGROUND, CREASE, NEAR, SNAP


@njit(cache=True, nogil=True)
@no_type_check
def vertex_normals(vertices, faces, vertex_start, face_start):
    """Unit normals of all vertices, by the weights of Max (1999): how a flat side is cut has no effect."""
    normals = np.zeros((len(vertices), 3), np.float32)
    for a in range(len(vertex_start) - 1):
        first = vertex_start[a]
        for f in range(face_start[a], face_start[a + 1]):
            nx, ny, nz = _face_normal(vertices, faces, f, first)
            ab = _square(vertices, first + faces[f, 0], first + faces[f, 1])
            bc = _square(vertices, first + faces[f, 1], first + faces[f, 2])
            ca = _square(vertices, first + faces[f, 2], first + faces[f, 0])
            if not (ab > 0 and bc > 0 and ca > 0):
                continue
            for corner, around in ((0, ab * ca), (1, ab * bc), (2, bc * ca)):
                i = first + faces[f, corner]
                normals[i, 0] += nx / around
                normals[i, 1] += ny / around
                normals[i, 2] += nz / around
    for i in range(len(normals)):
        length = np.sqrt(normals[i, 0] ** 2 + normals[i, 1] ** 2 + normals[i, 2] ** 2)
        if length > 0:
            normals[i] /= length
    return normals


@njit(cache=True, inline="always")
@no_type_check
def _between(vertices, i, j):
    """The way from vertex i to vertex j, in double precision: products of huge coordinates overflow in single."""
    x, y, z = np.float64(vertices[j, 0]), np.float64(vertices[j, 1]), np.float64(vertices[j, 2])
    return x - vertices[i, 0], y - vertices[i, 1], z - vertices[i, 2]


@njit(cache=True, inline="always")
@no_type_check
def _square(vertices, i, j):
    """The squared distance of two vertices."""
    x, y, z = _between(vertices, i, j)
    return x * x + y * y + z * z


@njit(cache=True, inline="always")
@no_type_check
def _face_normal(vertices, faces, f, first):
    """The face's normal with twice its area as length."""
    a, b, c = first + faces[f, 0], first + faces[f, 1], first + faces[f, 2]
    ux, uy, uz = _between(vertices, a, b)
    vx, vy, vz = _between(vertices, a, c)
    return uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx


@njit(cache=True, nogil=True)
@no_type_check
def draw_every(
    worker, workers, vertices, faces, colors, normals, vertex_start, face_start,
    eyes, axes, focal, samples, light, rgb, depth, normal, mask,
):  # fmt: skip
    """The share of one of `workers` threads: views `worker`, `worker + workers`, …, counted over all meshes."""
    answers, views, size = rgb.shape[0], rgb.shape[1], rgb.shape[2]
    for task in range(worker, answers * views, workers):
        a, v = task // views, task % views
        first, last = vertex_start[a], vertex_start[a + 1]
        screen = _project(vertices[first:last], eyes[v], axes[v], focal, size * samples)
        mine = faces[face_start[a] : face_start[a + 1]]
        nearest = _nearest_faces(screen, mine, size * samples)
        _shade(
            vertices[first:last], mine, colors[first:last], normals[first:last], screen, nearest,
            axes[v], samples, light, rgb[a, v], depth[a, v], normal[a, v], mask[a, v],
        )  # fmt: skip


@njit(cache=True)
@no_type_check
def _project(vertices, eye, axes, focal, size):
    """Column, row (in pixels, snapped) and 1 / depth of every vertex; 1 / depth is 0 at or behind the near plane."""
    screen = np.zeros((len(vertices), 3), np.float64)
    half = size / 2
    for i in range(len(vertices)):
        x, y, z = vertices[i, 0] - eye[0], vertices[i, 1] - eye[1], vertices[i, 2] - eye[2]
        far = axes[2, 0] * x + axes[2, 1] * y + axes[2, 2] * z
        if far > NEAR:
            scale = focal * half / far
            right = axes[0, 0] * x + axes[0, 1] * y + axes[0, 2] * z
            up = axes[1, 0] * x + axes[1, 1] * y + axes[1, 2] * z
            screen[i, 0] = np.floor((half + right * scale) * SNAP + 0.5) / SNAP
            screen[i, 1] = np.floor((half - up * scale) * SNAP + 0.5) / SNAP
            screen[i, 2] = 1 / far
    return screen


@njit(cache=True)
@no_type_check
def _nearest_faces(screen, faces, size):
    """The nearest face at each pixel centre, -1 where none; the earlier face wins a tie."""
    nearest = np.full((size, size), np.int32(-1))
    inverse = np.zeros((size, size), np.float64)
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        if not (screen[a, 2] > 0 and screen[b, 2] > 0 and screen[c, 2] > 0):
            continue
        ax, ay, bx, by, cx, cy = screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1], screen[c, 0], screen[c, 1]
        left = max(0, int(np.ceil(max(min(ax, bx, cx), -1.0) - 0.5)))
        right = min(size - 1, int(np.floor(min(max(ax, bx, cx), size + 1.0) - 0.5)))
        top = max(0, int(np.ceil(max(min(ay, by, cy), -1.0) - 0.5)))
        bottom = min(size - 1, int(np.floor(min(max(ay, by, cy), size + 1.0) - 0.5)))
        if left > right or top > bottom:
            continue
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if not abs(area) > 0:
            continue
        sign = 1.0 if area > 0 else -1.0
        # Weights of the three corners at pixel (left, top), and their steps to the right and down; inside: all >= 0.
        wa_x, wa_y = -(cy - by) * sign, (cx - bx) * sign
        wb_x, wb_y = -(ay - cy) * sign, (ax - cx) * sign
        wc_x, wc_y = -(by - ay) * sign, (bx - ax) * sign
        px, py = left + 0.5, top + 0.5
        wa = wa_x * (px - bx) + wa_y * (py - by)
        wb = wb_x * (px - cx) + wb_y * (py - cy)
        wc = wc_x * (px - ax) + wc_y * (py - ay)
        za, zb, zc = screen[a, 2] / abs(area), screen[b, 2] / abs(area), screen[c, 2] / abs(area)
        for row in range(top, bottom + 1):
            ea, eb, ec = wa, wb, wc
            for column in range(left, right + 1):
                if ea >= 0 and eb >= 0 and ec >= 0:
                    near = ea * za + eb * zb + ec * zc
                    if near > inverse[row, column]:
                        inverse[row, column] = near
                        nearest[row, column] = f
                ea += wa_x
                eb += wb_x
                ec += wc_x
            wa += wa_y
            wb += wb_y
            wc += wc_y
    return nearest


@njit(cache=True)
@no_type_check
def _shade(
    vertices, faces, colors, normals, screen, nearest, axes, samples, light, rgb, depth, normal, mask
):  # fmt: skip
    """Fills one view from the nearest faces of its (sub)pixels."""
    size, share = len(rgb), 255.0 / (samples * samples)
    sample = np.zeros(7, np.float64)
    for row in range(size):
        for column in range(size):
            red, green, blue = 0.0, 0.0, 0.0
            nx, ny, nz, near = 0.0, 0.0, 0.0, 0.0
            for y in range(row * samples, (row + 1) * samples):
                for x in range(column * samples, (column + 1) * samples):
                    f = nearest[y, x]
                    if f < 0:
                        red, green, blue = red + BACKGROUND, green + BACKGROUND, blue + BACKGROUND
                        continue
                    _shade_sample(vertices, faces, f, colors, normals, screen, axes, light, x + 0.5, y + 0.5, sample)
                    red, green, blue = red + sample[0], green + sample[1], blue + sample[2]
                    nx, ny, nz = nx + sample[3], ny + sample[4], nz + sample[5]
                    near = max(near, sample[6])
            rgb[row, column, 0] = np.uint8(red * share + 0.5)
            rgb[row, column, 1] = np.uint8(green * share + 0.5)
            rgb[row, column, 2] = np.uint8(blue * share + 0.5)
            if near > 0:
                length = max(np.sqrt(nx * nx + ny * ny + nz * nz), 1e-12)
                normal[row, column, 0], normal[row, column, 1] = nx / length, ny / length
                normal[row, column, 2] = nz / length
                depth[row, column] = 1 / near
                mask[row, column] = True


@njit(cache=True)
@no_type_check
def _shade_sample(vertices, faces, f, colors, normals, screen, axes, light, px, py, out):
    """Colour (0..1), unit normal towards the viewer and 1 / depth of one face at one screen point, into `out` [7]."""
    a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
    ax, ay, bx, by, cx, cy = screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1], screen[c, 0], screen[c, 1]
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    wa = ((bx - px) * (cy - py) - (by - py) * (cx - px)) / area * screen[a, 2]
    wb = ((cx - px) * (ay - py) - (cy - py) * (ax - px)) / area * screen[b, 2]
    wc = ((ax - px) * (by - py) - (ay - py) * (bx - px)) / area * screen[c, 2]
    near = wa + wb + wc
    wa, wb, wc = wa / near, wb / near, wc / near
    nx, ny, nz = _normal_at(vertices, faces, f, normals, wa, wb, wc)
    # Rows grow downwards, so a face whose corners run counter-clockwise seen from outside has a negative screen area.
    if area > 0:
        nx, ny, nz = -nx, -ny, -nz
    shade = _shading(nx, ny, nz, axes, light)
    out[0] = min(max((wa * colors[a, 0] + wb * colors[b, 0] + wc * colors[c, 0]) * shade, 0.0), 1.0)
    out[1] = min(max((wa * colors[a, 1] + wb * colors[b, 1] + wc * colors[c, 1]) * shade, 0.0), 1.0)
    out[2] = min(max((wa * colors[a, 2] + wb * colors[b, 2] + wc * colors[c, 2]) * shade, 0.0), 1.0)
    out[3], out[4], out[5], out[6] = nx, ny, nz, near


@njit(cache=True)
@no_type_check
def _normal_at(vertices, faces, f, normals, wa, wb, wc):
    """The unit normal inside a face: its corners' smooth normals, but the face's own at a corner on a crease."""
    fx, fy, fz = _face_normal(vertices, faces, f, 0)
    length = max(np.sqrt(fx * fx + fy * fy + fz * fz), 1e-30)
    fx, fy, fz = fx / length, fy / length, fz / length
    nx, ny, nz = 0.0, 0.0, 0.0
    for corner, weight in ((faces[f, 0], wa), (faces[f, 1], wb), (faces[f, 2], wc)):
        sx, sy, sz = normals[corner, 0], normals[corner, 1], normals[corner, 2]
        if sx * fx + sy * fy + sz * fz < CREASE:
            sx, sy, sz = fx, fy, fz
        nx, ny, nz = nx + weight * sx, ny + weight * sy, nz + weight * sz
    length = max(np.sqrt(nx * nx + ny * ny + nz * nz), 1e-30)
    return nx / length, ny / length, nz / length


@njit(cache=True)
@no_type_check
def _shading(nx, ny, nz, axes, light):
    """Brightness of a normal: constant, from the sky, from the headlight and from the key light (see `lighting.py`)."""
    right = nx * axes[0, 0] + ny * axes[0, 1] + nz * axes[0, 2]
    up = nx * axes[1, 0] + ny * axes[1, 1] + nz * axes[1, 2]
    back = -(nx * axes[2, 0] + ny * axes[2, 1] + nz * axes[2, 2])
    key = right * light[3] + up * light[4] + back * light[5]
    return light[0] + light[1] * 0.5 * (1 + nz) + light[2] * max(back, 0.0) + light[6] * max(key, 0.0)
