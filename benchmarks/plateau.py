"""Is the base at its plateau? What its averaged weights answer to `mini-dev` at every kept step of its last training.

    maquette warm-start configs/warm-start-further.yaml      # keeps a policy every 300 steps
    python benchmarks/plateau.py                             # evaluates them and writes benchmarks/results/plateau.json

Every policy answers by the two stages of `configs/hi-grpo.yaml` at temperature 1, with the same seeds; each row is paired with the start
and with the row before (same seed, same prompt). Intervals are over seeds and prompts, so they speak of these weights alone: there is
one training. The weights on the way are averages of a run whose rate has not fallen to zero, so only start and end are like with like.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import tyro

from maquette.codec.voxel_codec import VoxelCodec
from maquette.config_file import load_config
from maquette.config_supervised import WarmStartConfig
from maquette.evaluation.entries import nested_difference, nested_interval
from maquette.evaluation.results import Evaluation, load_evaluation, measures_of
from maquette.evaluation.systems import evaluate_model
from maquette.policy.chains import heldout_batches
from maquette.policy.lessons import prepare_lessons
from maquette.policy.model import load_policy
from maquette.policy.warm_start import HELDOUT, HELDOUT_SEED, evaluate
from maquette.tracking import provenance

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
CONFIG = ROOT / "configs" / "warm-start-further.yaml"


def policies(run: Path, config: WarmStartConfig) -> dict[int, Path]:
    """Folders by step: the start, what was kept on the way, and the end, whose weights are what the run chose to write."""
    kept = {int(folder.name): folder for folder in sorted((run / "kept").iterdir())}
    return {0: ROOT / config.start} | kept | {config.steps: run / "policy"}


def evaluated(policy: Path, folder: Path, seed: int) -> Evaluation:
    """The policy's evaluation with one seed; made where it is not there."""
    if not (folder / "evaluation.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        stages = load_config(ROOT / "configs" / "hi-grpo.yaml").stages
        evaluate_model(str(policy), "mini-dev", folder, stages=stages, seed=seed, temperature=1.0)
    return load_evaluation(folder)


def heldout_losses(chosen: dict[int, Path], run: Path, config: WarmStartConfig) -> dict[int, float]:
    """Nats a token by step, on the objects that the warm start measures itself by."""
    shapes = VoxelCodec.load(config.codec, bfloat16=True)
    lessons = prepare_lessons(run / "lessons", shapes, "heldout", HELDOUT, HELDOUT_SEED)
    batches = heldout_batches(lessons, load_policy(str(chosen[0])).tokenizer, config.batch_size)
    found = {step: evaluate(load_policy(str(policy)), batches, bfloat16=False) for step, policy in chosen.items()}
    return {step: round(figures["heldout/all"], 4) for step, figures in found.items()}


def compared(runs: dict[int, list[Evaluation]]) -> dict[int, dict[str, dict[str, dict[str, float]]]]:
    """By step and measure: the value, and what it is above the start and above the step before."""
    rows, steps = {}, sorted(runs)
    for place, step in enumerate(steps):
        earlier = {"over_start": steps[0], "over_step_before": steps[place - 1]} if place else {}
        rows[step] = {}
        for measure in measures_of(runs[step]):
            found = {"value": nested_interval(runs[step], measure)}
            found |= {field: nested_difference(runs[step], runs[other], measure) for field, other in earlier.items()}
            if row := {field: asdict(interval) for field, interval in found.items() if interval is not None}:
                rows[step][measure.name] = row
    return rows


def main(run: Path = ROOT / "runs" / CONFIG.stem, seeds: tuple[int, ...] = (0, 1)) -> None:
    """Evaluate, compare.

    Args:
        run: The folder of the warm start.
        seeds: Of the answers' sampling.
    """
    config = load_config(CONFIG, kind=WarmStartConfig)
    chosen = policies(run, config)
    runs = {
        step: [evaluated(policy, run / "answers" / f"{step:06d}-{seed}", seed) for seed in seeds]
        for step, policy in chosen.items()
    }
    record = {
        "suite": "mini-dev",
        "config": CONFIG.name,
        "seeds": seeds,
        "temperature": 1.0,
        "sequences_a_step": config.batch_size,
        "heldout_nats_per_token": heldout_losses(chosen, run, config),
        "rows": compared(runs),
        **provenance("python benchmarks/plateau.py"),
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "plateau.json").write_text(json.dumps(record, indent=1, default=str))


if __name__ == "__main__":
    tyro.cli(main)
