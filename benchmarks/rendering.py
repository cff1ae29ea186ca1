"""32 coloured meshes × 6 views × 224², plain and anti-aliased; and pyrender on the same meshes where it is installed.

    python benchmarks/rendering.py [--peer PYTHON]     # writes benchmarks/results/rendering.json

`--peer` names an interpreter with pyrender and numpy; it draws the same meshes by OSMesa and by EGL, whichever it has. Seconds
are given by the wall clock and as CPU time of all threads, which other work on the machine disturbs less.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results" / "rendering.json"
SIZE, MESHES, PEER_MESHES = 224, 32, 4
EYE_DISTANCE, FOV = 3.0, 30.0


def seconds(call: Callable[[], Any], repeats: int) -> dict[str, float]:
    """The best of several runs, by the wall clock and by the CPU."""
    walls, cpus = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return {"wall_s": round(min(walls), 3), "cpu_s": round(min(cpus), 3)}


def surroundings() -> dict[str, str]:
    """Machine, commit and date of a result."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    model = next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.processor())
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "machine": f"{model}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "commit": commit.stdout.strip(),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
    }


def scenes(grid: int) -> list[Any]:
    """32 coloured solids of 20 to 60 thousand faces at grid 64, smooth and rough."""
    from maquette.shape.surface import SurfaceMesher
    from maquette.types import Voxels

    axis = (np.arange(grid) + 0.5) / grid - 0.5
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    rng, meshes = np.random.default_rng(0), []
    for _ in range(MESHES):
        a, b, c = rng.uniform(4, 14, 3)
        field = np.sin(a * x + 1) * np.cos(b * y) + np.sin(c * z) * 0.8
        occupancy = (field > 0.1) & (x**2 + y**2 + z**2 < 0.23)
        color = np.stack([x + 0.5, y + 0.5, z + 0.5], axis=-1).astype(np.float32)
        meshes += SurfaceMesher().mesh(Voxels(occupancy[None], color[None]))
    return meshes


def ours(meshes: list[Any]) -> dict[str, Any]:
    """Seconds for all views, and the largest memory."""
    from numba import config

    from maquette.rendering.cameras import CAMERAS
    from maquette.rendering.rasterise import render

    cameras, result = CAMERAS["maquette-6"], {"threads": config.NUMBA_NUM_THREADS}
    for name, antialias in (("plain", False), ("antialiased", True)):
        render(meshes[:1], cameras, size=SIZE, antialias=antialias)
        result[name] = seconds(lambda aa=antialias: render(meshes, cameras, size=SIZE, antialias=aa), 3)
        result[name]["cpu_ms_per_view"] = round(1000 * result[name]["cpu_s"] / (len(meshes) * 6), 2)
    result["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return result


def peer(folder: Path, platform_name: str) -> None:
    """Runs under the peer's interpreter: the first meshes by pyrender, one JSON line."""
    os.environ["PYOPENGL_PLATFORM"] = platform_name
    import pyrender

    renderer = pyrender.OffscreenRenderer(SIZE, SIZE)
    camera = pyrender.PerspectiveCamera(yfov=np.radians(FOV), aspectRatio=1.0)
    poses = np.load(folder / "poses.npy")

    def draw() -> None:
        for path in sorted(folder.glob("mesh*.npz")):
            mesh = np.load(path)
            primitive = pyrender.Primitive(
                positions=mesh["vertices"], indices=mesh["faces"], color_0=mesh["color"], normals=mesh["normals"]
            )
            scene = pyrender.Scene(bg_color=[0.9, 0.9, 0.9], ambient_light=[0.4, 0.4, 0.4])
            scene.add(pyrender.Mesh([primitive]))
            moving = [scene.add(camera), scene.add(pyrender.DirectionalLight(intensity=3.0))]
            for pose in poses:
                for node in moving:
                    scene.set_pose(node, pose)
                renderer.render(scene)

    draw()
    print(json.dumps(seconds(draw, 2) | {"meshes": len(list(folder.glob("mesh*.npz")))}))


def measure_peer(python: str, meshes: list[Any]) -> dict[str, Any]:
    """pyrender's figures by each of its platforms; the reason where one does not run."""
    from maquette.rendering.cameras import CAMERAS, camera_axes
    from maquette.shape.writing import smooth_normals

    eyes = CAMERAS["maquette-6"].eye
    poses = np.tile(np.eye(4), (len(eyes), 1, 1))
    axes = camera_axes(eyes)
    poses[:, :3, 0], poses[:, :3, 1], poses[:, :3, 2], poses[:, :3, 3] = axes[:, 0], axes[:, 1], -axes[:, 2], eyes
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        np.save(Path(name) / "poses.npy", poses)
        for i, m in enumerate(meshes[:PEER_MESHES]):
            normals = smooth_normals(m).astype(np.float32)
            np.savez(Path(name) / f"mesh{i}.npz", vertices=m.vertices, faces=m.faces, color=m.color, normals=normals)
        for platform_name in ("osmesa", "egl"):
            command = [python, __file__, "--run-peer", name, "--platform", platform_name]
            run = subprocess.run(command, capture_output=True, text=True, check=False)
            if run.returncode:
                result[platform_name] = "not run: " + (run.stderr.strip().splitlines() or ["no reason given"])[-1]
                continue
            result[platform_name] = json.loads(run.stdout.splitlines()[-1])
            views = result[platform_name]["meshes"] * len(eyes)
            result[platform_name]["cpu_ms_per_view"] = round(1000 * result[platform_name]["cpu_s"] / views, 2)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", default="", help="an interpreter with pyrender")
    parser.add_argument("--run-peer", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--platform", default="osmesa", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run_peer:
        peer(options.run_peer, options.platform)
        sys.exit()
    meshes = scenes(64)
    result: dict[str, Any] = {
        "what": f"{MESHES} meshes x 6 views x {SIZE} squared: rgb, depth, normal, mask",
        "faces": [min(len(m.faces) for m in meshes), max(len(m.faces) for m in meshes)],
        "maquette": ours(meshes),
        "pyrender": measure_peer(options.peer, meshes) if options.peer else "not run: no --peer given",
        "budget": {"plain_wall_s": 0.5, "antialiased_wall_s": 1.5, "times_osmesa": 14, "times_egl": 28},
        **surroundings(),
    }
    for name, figures in result["pyrender"].items() if options.peer else ():
        if isinstance(figures, dict):
            ratio = figures["cpu_ms_per_view"] / result["maquette"]["plain"]["cpu_ms_per_view"]
            result[f"times_{name}_by_cpu"] = round(ratio, 1)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
