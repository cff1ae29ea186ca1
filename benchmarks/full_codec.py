"""What the full-size codec costs on a CPU: peak memory and time of encoding and decoding shapes, beside its arithmetic.

    python benchmarks/full_codec.py [--shapes 8] [--threads 1]      # writes benchmarks/results/full_codec.json

The published geometry (64³ voxels, 1024 codes of 8192, 133.2 million weights) with random weights: time and memory do not depend on
their values. Multiply-accumulates are counted at every convolution and product as the tensors pass, for one shape; reading the
codebook is 1024 codes × 8192 entries × 32. Each direction runs in a process of its own, so that its peak is its own.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import tyro
from machine import RESULTS, machine
from torch import Tensor, nn

from maquette.codec.model import SHAPELLM_OMNI, Geometry, VoxelVQVAE
from maquette.codec.voxel_codec import VoxelCodec
from maquette.corpus.rasterise import voxelise_design
from maquette.corpus.splits import designs
from maquette.tracking import provenance
from maquette.types import Voxels

Direction = Literal["encode", "decode"]


def multiply_accumulates(model: VoxelVQVAE) -> dict[str, int]:
    """Of one shape, by half of the network; on the meta device, so that nothing is computed."""
    counts = dict.fromkeys(("Encoder", "Decoder"), 0)

    def counter(half: str):
        def count(layer: nn.Conv3d, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            counts[half] += output.numel() * layer.in_channels * int(np.prod(layer.kernel_size))

        return count

    for half in counts:
        for layer in getattr(model, half).modules():
            if isinstance(layer, nn.Conv3d):
                layer.register_forward_hook(counter(half))
    g = model.geometry
    model.latent(torch.zeros(1, g.in_channels, *[g.resolution] * 3, device="meta"))
    model.Decoder(torch.zeros(1, g.latent_channels, *[g.latent_side] * 3, device="meta"))
    return counts | {"codebook": g.codes_per_shape * g.codebook_size * g.code_dimension}


def real_shapes(count: int, resolution: int) -> Voxels:
    """Objects of the corpus, which is what a codec is given."""
    made = [voxelise_design(design, resolution)[0] for design in designs("train", count, 0)]
    return Voxels(np.concatenate([voxels.occupancy for voxels in made]))


def measured(direction: Direction, shapes: int, threads: int, geometry: Geometry = SHAPELLM_OMNI) -> dict[str, float]:
    """Seconds of the second run, and this process's peak before and after."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    voxels = real_shapes(shapes, geometry.resolution)
    codec = VoxelCodec(VoxelVQVAE(geometry))
    codes = torch.randint(0, geometry.codebook_size, (shapes, geometry.codes_per_shape))
    work = (lambda: codec.encode(voxels)) if direction == "encode" else (lambda: codec.decode(codes))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    taken = []
    for _ in range(2):
        begun, spent = time.perf_counter(), time.process_time()
        work()
        taken.append((time.perf_counter() - begun, time.process_time() - spent))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    seconds, cpu = taken[-1]
    return {
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "peak_rss_gib": round(peak, 2),
        "of_it_before_the_work_gib": round(before, 2),
    }


def main(shapes: int = 8, threads: int = 1, only: Direction | None = None, out: Path = RESULTS) -> None:
    """Both directions, or (in a process of its own) `only` one, whose numbers are then printed as JSON."""
    if only:
        print(json.dumps(measured(only, shapes, threads)))
        return
    with torch.device("meta"):
        model = VoxelVQVAE(SHAPELLM_OMNI)
        macs = multiply_accumulates(model)
    result: dict[str, object] = {
        **machine(torch.device("cpu")),
        "shapes": shapes,
        "threads": threads,
        "weights": sum(p.numel() for p in model.parameters()),
        "weights_gib_in_float32": round(sum(p.numel() for p in model.parameters()) * 4 / 2**30, 3),
        "multiply_accumulates_per_shape": macs,
    }
    for direction, parts in (("encode", ("Encoder", "codebook")), ("decode", ("Decoder",))):
        command = [sys.executable, __file__, "--only", direction, "--shapes", str(shapes), "--threads", str(threads)]
        own = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        work = 2 * shapes * sum(macs[part] for part in parts)
        result[direction] = own | {
            "shapes_per_second": round(shapes / own["seconds"], 3),
            "gflops_reached_by_wall": round(work / own["seconds"] / 1e9, 1),
            "gflops_reached_by_cpu_time": round(work / own["cpu_seconds"] / 1e9, 1),
        }
    result |= provenance(f"python benchmarks/full_codec.py --threads {threads}")
    (out / "full_codec.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    tyro.cli(main)
