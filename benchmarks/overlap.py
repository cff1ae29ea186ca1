"""What a step's answers and scores take when served judges work after the decoding, or beside it.

    python benchmarks/overlap.py [--seconds 1.0] [--at-once 8] [--threads 1]      # writes benchmarks/results/overlap.json

The shipped model, 4 prompts x 8 answers x 2 stages, and beside the shipped scorers two judges of every answer at an HTTP server on this
machine that answers after `--seconds`, `--at-once` questions at a time: a stand-in for a vision-language model on another GPU. The
scores after and beside are the same (that is checked), only the waiting differs; in parts, answers are others, since bfloat16 rounds
otherwise in batches of another size.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch
import tyro
import yaml
from judge_server import ANSWERS, answering
from machine import machine, write

from maquette.config import Config
from maquette.config_file import load_config
from maquette.tracking import Stopwatch
from maquette.training.parts import Parts, load_parts
from maquette.training.rollout import answered

ROOT = Path(__file__).parents[1]
JUDGES = {"coarse": "judge_geometry", "fine": "judge_alignment"}
WAYS = {"after": {}, "beside": {"judged_beside": True}, "beside, 4 parts": {"judged_beside": True, "answered_in": 4}}


def judged_by(addresses: dict[str, str], folder: Path, at_once: int) -> Path:
    """A judges file without a cache that is kept."""
    models = {
        name: {"addresses": [address], "model": "stand-in", "concurrency": at_once}
        for name, address in addresses.items()
    }
    path = folder / "judges.yaml"
    rewards = {name: name for name in addresses}
    path.write_text(yaml.safe_dump({"cache": str(folder / "cache"), "models": models, "rewards": rewards}))
    return path


def config_with(judges: Path) -> Config:
    """Hi-GRPO as shipped, with one served judge more in each stage."""
    sets = [f"stages.{i}.rewards.{name}=1" for i, name in enumerate(JUDGES.values())]
    return load_config(
        ROOT / "configs" / "hi-grpo.yaml", (*sets, f"judges={judges}", "probe_every=0", "algorithm.kl=none")
    )


def measured(config: Config, parts: Parts, step: int) -> tuple[dict[str, float], torch.Tensor]:
    """Wall seconds, those of decoding, drawing and waiting for scores, and the scores."""
    clock, begun = Stopwatch(), time.perf_counter()
    found = answered(config, parts, parts.prompts[: config.prompts_per_step], step, clock, pieces=config.answered_in)
    wall = time.perf_counter() - begun
    return {"wall": wall, **clock.seconds}, found.scores.values


def main(seconds: float = 1.0, at_once: int = 8, threads: int = 1, runs: int = 3) -> None:
    """Measure.

    Args:
        seconds: What the judge takes for one question.
        at_once: Questions under way at a time.
        threads: Of this process.
        runs: The least wall time of so many counts.
    """
    torch.set_num_threads(threads)
    table: dict[str, dict[str, float]] = {}
    with (
        tempfile.TemporaryDirectory() as place,
        answering(ANSWERS["judge_geometry"], seconds) as a,
        answering(ANSWERS["judge_alignment"], seconds) as b,
    ):
        judges = judged_by(dict(zip(JUDGES.values(), (a, b), strict=True)), Path(place), at_once)
        config = config_with(judges)
        parts = load_parts(config)
        measured(config, parts, 1000)
        for run in range(runs):
            said = []
            for name, changes in WAYS.items():
                shutil.rmtree(
                    Path(place) / "cache", ignore_errors=True
                )  # what was judged before would not be asked again
                found, scores = measured(replace(config, **changes), parts, run)
                said.append(scores)
                if name not in table or found["wall"] < table[name]["wall"]:
                    table[name] = {k: round(v, 2) for k, v in found.items()}
            assert torch.equal(said[0].nan_to_num(), said[1].nan_to_num()), "judges beside the decoding scored unlike"
    for name, row in table.items():
        print(f"{name:18s} {row}")
    record = {"seconds per question": seconds, "questions at once": at_once, "ways": table}
    write("overlap", record | machine(torch.device("cpu")), "python benchmarks/overlap.py")


if __name__ == "__main__":
    tyro.cli(main)
