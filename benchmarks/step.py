"""One Hi-GRPO step at tiny size, by part: 4 prompts × 8 answers × 2 stages, 6 views each, all rewards, KL on.

    python benchmarks/step.py [--steps 5] [--threads 2]

Writes benchmarks/results/step.json: median seconds of each part over the steps after the first, peak memory, tokens.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import tempfile
from pathlib import Path

import torch
import tyro

from maquette.config_file import load_config
from maquette.tracking import provenance, read_metrics
from maquette.training.loop import train

ROOT = Path(__file__).parents[1]


def main(steps: int = 5, threads: int = 2) -> None:
    """Train a few steps in a temporary folder and read its own clock."""
    torch.set_num_threads(threads)
    config = load_config(
        ROOT / "configs" / "hi-grpo.yaml", [f"steps={steps + 1}", "sample_every=0", "checkpoint_every=1000"]
    )
    folder = Path(tempfile.mkdtemp(prefix="maquette-step-"))
    load = os.getloadavg()[0]
    try:
        train(config, folder / "run", command="benchmarks/step.py")
        # The first step compiles the rasteriser and fills caches.
        rows = read_metrics(folder / "run" / "metrics.jsonl")[1:]
    finally:
        shutil.rmtree(folder)
    seconds = {k: statistics.median(r[k] for r in rows) for k in rows[0] if k.startswith("seconds/")}
    result = {
        "prompts": config.prompts_per_step,
        "answers": config.group_size,
        "stages": [s.name for s in config.stages],
        "threads": threads,
        "seconds": {k.removeprefix("seconds/"): round(v, 3) for k, v in seconds.items()},
        "peak_memory_gib": round(max(r["memory_gib"] for r in rows), 2),
        "load_average_before": load,
        **provenance("python benchmarks/step.py"),
    }
    (ROOT / "benchmarks" / "results" / "step.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    tyro.cli(main)
