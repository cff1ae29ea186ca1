"""How well the shipped codec reconstructs what it never saw, and how fast.

    python benchmarks/codec.py [--codec tiny|FOLDER] [--assets FOLDER]      # writes benchmarks/results/codec.json

Held-out compositions of the corpus, fine and coarse, and, where the folder is there, 260 real CC0 meshes (`index.jsonl` lists
them), voxelised solid and centred, in their own colours and unpainted; fine and coloured ones also by codes that were searched for.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import tyro
from jaxtyping import Int64
from torch import Tensor

from maquette.codec.figures import Figures, measure
from maquette.codec.voxel_codec import COARSE_GREY, VoxelCodec
from maquette.corpus.rasterise import voxelise_design
from maquette.corpus.splits import designs
from maquette.shape.files import read_mesh
from maquette.shape.voxelise import voxelise_solid
from maquette.tracking import progress, provenance
from maquette.types import Voxels

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "codec.json"


def joined(shapes: list[Voxels]) -> Voxels:
    colored = all(shape.color is not None for shape in shapes)
    return Voxels(
        np.concatenate([shape.occupancy for shape in shapes]),
        np.concatenate([shape.color for shape in shapes]) if colored else None,
    )


def heldout(count: int, seed: int, resolution: int, coarse: bool) -> Voxels:
    return joined([voxelise_design(d, resolution, coarse=coarse)[0] for d in designs("heldout", count, seed)])


def real_assets(folder: Path, resolution: int) -> Voxels:
    """Unpainted meshes get the codec's grey by being without colour, so only painted ones are joined here."""
    files = [json.loads(line)["file"] for line in (folder / "index.jsonl").read_text().splitlines()]
    shapes = [
        voxelise_solid(read_mesh(folder / name), resolution) for name in progress(files, "real meshes", len(files))
    ]
    return joined([shape for shape in shapes if shape.color is not None])


def searched(codec: VoxelCodec, voxels: Voxels, steps: int) -> Int64[Tensor, "a c"]:
    """Refined codes; searched in bfloat16, which is twice as fast: what is measured is decoded in float32."""
    return VoxelCodec(codec.model, bfloat16=True).encode(voxels, refine=steps)


def shapes_per_second(codec: VoxelCodec, voxels: Voxels) -> dict[str, float]:
    began = time.perf_counter()
    codes = codec.encode(voxels)
    encoded = time.perf_counter()
    codec.decode(codes)
    return {
        "encode": round(len(voxels) / (encoded - began), 1),
        "decode": round(len(voxels) / (time.perf_counter() - encoded), 1),
    }


def rounded(figures: Figures) -> dict[str, float]:
    return {name: round(value, 4) for name, value in asdict(figures).items()}


def main(
    codec: str = "tiny",
    assets: Path = ROOT.parent / "shared" / "assets",
    count: int = 512,
    seed: int = 1,
    refine: int = 40,
    threads: int = 1,
) -> None:
    """Figures of a codec on held-out compositions and real meshes.

    Args:
        codec: `tiny` (the shipped one) or a folder.
        assets: A folder of real meshes with `index.jsonl`; left out where it is absent.
        count: Held-out compositions.
        seed: Of the held-out draw; 0 is what training's log measures.
        refine: Steps of the search for codes.
        threads: Of torch.
    """
    torch.set_num_threads(threads)
    subject = VoxelCodec.load(codec)
    fine = heldout(count, seed, subject.resolution, coarse=False)
    coarse = heldout(count, seed, subject.resolution, coarse=True)
    sets = {"heldout_fine": measure(subject, fine), "heldout_coarse": measure(subject, coarse)}
    sets["heldout_fine_and_coarse_codes"] = measure(subject, in_grey_too(fine, coarse))
    began = time.perf_counter()
    sets["heldout_fine_refined"] = measure(subject, fine, searched(subject, fine, refine))
    seconds = (time.perf_counter() - began) / count
    if assets.is_dir():
        real = real_assets(assets, subject.resolution)
        sets |= {"real": measure(subject, real), "real_unpainted": measure(subject, Voxels(real.occupancy))}
        sets["real_refined"] = measure(subject, real, searched(subject, real, refine))
    result = {
        "figures": {name: rounded(figures) for name, figures in sets.items()},
        "targets": {"iou": 0.90, "color_error": 0.06, "codebook_used": 0.80},
        "shapes_per_second": shapes_per_second(subject, Voxels(fine.occupancy[:64], fine.color[:64])),
        "refine": {"steps": refine, "seconds_a_shape": round(seconds, 2)},
        "threads": threads,
        **provenance(f"python benchmarks/codec.py --codec {codec} --count {count} --refine {refine}"),
    }
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["figures"], indent=1))


def in_grey_too(fine: Voxels, coarse: Voxels) -> Voxels:
    """Both sets as one, the coarse shapes painted with the codec's grey: what the whole codebook serves."""
    grey = np.where(coarse.occupancy[..., None], np.float32(COARSE_GREY), np.float32(0))
    grey = np.broadcast_to(grey, (*coarse.occupancy.shape, 3)).astype(np.float32)
    return joined([fine, Voxels(coarse.occupancy, grey)])


if __name__ == "__main__":
    tyro.cli(main)
