"""Held-out accuracy and speed of every scorer and evaluator → benchmarks/results/scorers.json.

    python benchmarks/scorers.py [--objects 400] [--seed 991]

The objects are held-out compositions that neither training nor the shipped cards used (another seed), the answers the shipped base's.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import time
from pathlib import Path

import numpy as np
import torch

from maquette.codec.voxel_codec import VoxelCodec
from maquette.corpus.splits import designs
from maquette.evaluation.networks import load_evaluators
from maquette.evaluation.train import dual_figures, recogniser_figures
from maquette.rendering.cameras import CAMERAS
from maquette.rendering.rasterise import render
from maquette.rewards.dataset import grid_of, make_data
from maquette.rewards.ensemble import REWARDS, load_reward
from maquette.rewards.figures import answer_figures, general_figures, quality_figures, semantic_figures
from maquette.rewards.general_consistency import load_general
from maquette.rewards.looks import read_data
from maquette.rewards.scorers import load_quality, load_semantic
from maquette.shape.surface import SurfaceMesher
from maquette.training.answering import answering_by
from maquette.types import Generation, PartSpec, Prompt, Rollouts, StageOutput, Voxels

ANSWERS = 32
RESULT = Path(__file__).parent / "results" / "scorers.json"


def step_generation() -> Generation:
    """What one Hi-GRPO step asks to be judged: 4 prompts × 8 answers × 2 stages, six views of 64 pixels."""
    grids = [grid_of(design, 32) for design in designs("heldout", ANSWERS, 5)]
    voxels = Voxels(np.stack([g.occupancy for g in grids]), np.stack([g.color for g in grids]))
    meshes = tuple(SurfaceMesher().mesh(voxels))
    parts = (PartSpec("leg", 4, "red"), PartSpec("seat", 1, "blue"))
    prompts = tuple(Prompt(str(i), "a red chair with four legs", family="chair", parts=parts) for i in range(4))
    none = torch.zeros((0, 0))
    rollouts = Rollouts(
        none.long(), none.to(torch.int8), none.bool(), none, torch.zeros(0).long(), torch.zeros(0).long()
    )
    stages = [
        StageOutput(
            name,
            ("",) * ANSWERS,
            torch.zeros((ANSWERS, 1)).long(),
            np.zeros(ANSWERS, bool),
            voxels,
            meshes,
            render(meshes, CAMERAS["maquette-6"], size=64, antialias=True, paint=paint),
        )
        for name, paint in (("coarse", "grey"), ("fine", "colour"))
    ]
    return Generation(prompts, ANSWERS // 4, rollouts, tuple(stages))


def seconds() -> dict[str, float]:
    """Processor seconds for 64 answers (32 × 2 stages): each reward alone, and all together, sharing their networks."""
    torch.set_num_threads(1)
    step_generation()
    rewards = {name: load_reward(name) for name in REWARDS}
    timed: dict[str, float] = {}
    for name, reward in rewards.items():
        generation = step_generation()
        began = time.process_time()
        for stage in (0, 1):
            reward.score(generation, stage)
        timed[f"{name} alone"] = time.process_time() - began
    generation = step_generation()
    began = time.process_time()
    for stage in (0, 1):
        for reward in rewards.values():
            reward.score(generation, stage)
    timed["all on both stages"] = time.process_time() - began
    return timed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=400)
    parser.add_argument("--seed", type=int, default=991)
    given = parser.parse_args()
    folder = Path("runs/scorer-data") / f"benchmark-{given.seed}"
    codec = VoxelCodec.load("tiny", bfloat16=True)
    answering = answering_by("tiny", codec)
    make_data(folder, split="heldout", objects=given.objects, seed=given.seed, codec=codec, answering=answering)
    data = read_data(folder)
    judges = load_evaluators()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    result = {
        "objects": len(data),
        "scorers": semantic_figures(load_semantic(), data)
        | quality_figures(load_quality(), data)
        | answer_figures(load_semantic(), load_quality(), data)
        | general_figures(load_semantic(), load_general().head, data),
        "evaluators": dual_figures(judges.dual, judges.words, data)
        | recogniser_figures(judges.recogniser, judges.families, judges.parts, data),
        "processor_seconds_for_64_answers_one_thread": seconds(),
        "machine": f"{platform.machine()}, one core",
        "commit": commit.stdout.strip(),
        "date": time.strftime("%Y-%m-%d"),
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
