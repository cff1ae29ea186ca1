"""Meshes to 64³ surface voxels: ours beside open3d's, time and sameness; and voxels back to meshes.

    python benchmarks/voxelising.py [--peer PYTHON]    # writes benchmarks/results/voxelising.json

`--peer` names an interpreter with open3d. Times are milliseconds of CPU, the best of three.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from rendering import seconds, surroundings

RESULTS = Path(__file__).parent / "results" / "voxelising.json"
SHARED = Path(__file__).resolve().parents[2] / "shared" / "assets"
REAL = ("furniture/couch_pillows", "halloween/crypt", "restaurant/stove_multi_decorated", "furniture/chair_A")
RESOLUTION = 64


def shapes() -> dict[str, Any]:
    """A 50 k-face blob, and some real meshes where they are at hand."""
    from skimage.measure import marching_cubes

    from maquette.shape.files import read_mesh
    from maquette.types import Mesh

    axis = np.linspace(-1, 1, 110)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    field = 0.75 - np.sqrt(x**2 + y**2 + z**2) + 0.08 * np.sin(11 * x) * np.sin(9 * y) * np.sin(10 * z)
    vertices, faces, _, _ = marching_cubes(field.astype(np.float32), 0.0)
    found = {"blob": Mesh(vertices.astype(np.float32), faces.astype(np.int32))}
    real = {name: SHARED / f"{name}.glb" for name in REAL}
    return found | {name: read_mesh(path) for name, path in real.items() if path.exists()}


def milliseconds(call: Any) -> float:
    return round(1000 * seconds(call, 3)["cpu_s"], 1)


def peer(folder: Path) -> None:
    """Runs under the peer's interpreter: open3d's voxels (written beside) and its times (one JSON line)."""
    import open3d

    times: dict[str, Any] = {"version": open3d.__version__}
    for path in sorted(folder.glob("*.in.npz")):
        mesh = np.load(path)
        triangles = open3d.geometry.TriangleMesh(
            open3d.utility.Vector3dVector(mesh["vertices"]), open3d.utility.Vector3iVector(mesh["faces"])
        )

        def voxelise(triangles: Any = triangles) -> Any:
            return open3d.geometry.VoxelGrid.create_from_triangle_mesh_within_bounds(
                triangles, voxel_size=1 / RESOLUTION, min_bound=(-0.5,) * 3, max_bound=(0.5,) * 3
            )

        times[path.name[:-7]] = milliseconds(voxelise)
        np.save(folder / f"{path.name[:-7]}.out.npy", [voxel.grid_index for voxel in voxelise().get_voxels()])
    print(json.dumps(times))


def compare(python: str, meshes: dict[str, Any], rows: dict[str, Any]) -> str:
    """Adds open3d's time and the overlap of the voxels to every row; returns its version."""
    from maquette.shape.voxelise import placed, voxelise_surface

    with tempfile.TemporaryDirectory() as name:
        for i, mesh in enumerate(meshes.values()):
            vertices = placed(mesh, "centred")
            np.savez(Path(name) / f"{i}.in.npz", vertices=vertices, faces=mesh.faces.astype(np.int32))
        run = subprocess.run([python, __file__, "--run-peer", name], capture_output=True, text=True, check=False)
        if run.returncode:
            return "not run: " + (run.stderr.strip().splitlines() or ["no reason given"])[-1]
        times = json.loads(run.stdout.splitlines()[-1])
        for i, (label, mesh) in enumerate(meshes.items()):
            theirs = np.zeros((RESOLUTION,) * 3, bool)
            theirs[tuple(np.load(Path(name) / f"{i}.out.npy").T)] = True
            mine = voxelise_surface(mesh, RESOLUTION).occupancy[0]
            rows[label]["open3d_ms"] = times[str(i)]
            rows[label]["times_open3d"] = round(times[str(i)] / max(rows[label]["surface_ms"], 0.01), 1)
            rows[label]["iou"] = float((mine & theirs).sum() / (mine | theirs).sum())
    return times["version"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", default="", help="an interpreter with open3d")
    parser.add_argument("--run-peer", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run_peer:
        peer(options.run_peer)
        sys.exit()
    from maquette.shape.surface import SurfaceMesher
    from maquette.shape.voxelise import voxelise_solid, voxelise_surface
    from maquette.types import Mesh

    meshes, rows, mesher = shapes(), {}, SurfaceMesher()
    for name, mesh in meshes.items():
        bare = Mesh(mesh.vertices, mesh.faces)
        solids = {r: voxelise_solid(mesh, r) for r in (32, RESOLUTION)}
        voxelise_surface(bare, RESOLUTION)
        mesher.mesh(solids[32])
        rows[name] = {
            "faces": len(mesh.faces),
            "surface_ms": milliseconds(lambda m=bare: voxelise_surface(m, RESOLUTION)),
            "solid_with_colour_ms": milliseconds(lambda m=mesh: voxelise_solid(m, RESOLUTION)),
            "meshed_32_ms": milliseconds(lambda s=solids: mesher.mesh(s[32])),
            "meshed_64_ms": milliseconds(lambda s=solids: mesher.mesh(s[RESOLUTION])),
        }
    version = compare(options.peer, meshes, rows) if options.peer else "not run: no --peer given"
    result = {
        "what": f"surface voxels at {RESOLUTION} cubed, milliseconds of CPU on one thread; meshed: voxels to coloured meshes",
        "meshes": rows,
        "open3d": version,
        "budget": {"blob_surface_ms": 25, "times_open3d": 2, "iou": 1.0, "meshed_32_ms": 8},
        **surroundings(),
    }
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
