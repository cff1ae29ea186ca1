"""Does RL make the shipped base better at what was not rewarded? Three seeds, a supervised control, evaluators that never rewarded.

    python benchmarks/rl.py                     # trains what is missing under runs/rl, evaluates on `mini`, writes the table
    python benchmarks/rl.py --train-only 1      # one seed alone, e.g. beside another on the other core
    maquette warm-start configs/warm-start-control.yaml --out runs/rl/control         # the control
    python benchmarks/rl.py --evaluate-only --control runs/rl/control/policy --system base      # one system alone, the same way
    python benchmarks/rl.py --evaluate-only --control runs/rl/control/policy
    python benchmarks/rl.py --ship 0            # seed 0 becomes the package's `tiny-rl`
    python benchmarks/rl.py --config configs/grpo-alignment.yaml      # another recipe, into rl-grpo-alignment.json

Writes benchmarks/results/rl.json: at each temperature every measure of the base, of RL and of the control, with paired differences
(same seed, same object) to the base, and of RL to the control; intervals are over seeds and objects, so that they speak of another
training too. Every run is resumable. The control goes on from the base with supervised training on fresh
objects, for about as long as a seed takes, the making of its objects included.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from rl_tables import table

from maquette.config_file import load_config
from maquette.evaluation.entries import nested_difference, nested_interval
from maquette.evaluation.results import Evaluation, load_evaluation, measures_of
from maquette.evaluation.systems import evaluate_model
from maquette.policy.model import load_policy
from maquette.runs import SHIPPED, source_of
from maquette.tracking import provenance, read_metrics
from maquette.training.loop import train

ROOT = Path(__file__).parents[1]
RUNS = ROOT / "runs" / "rl"
RESULTS = ROOT / "benchmarks" / "results"
MAIN = "hi-grpo"
"""The recipe of the README's table and of `tiny-rl`."""


def train_seed(config: Path, seed: int, overrides: tuple[str, ...]) -> Path:
    """The run folder of one seed, trained or gone on with if it is not finished."""
    folder, resolved = RUNS / f"{config.stem}-{seed}", load_config(config, (*overrides, f"seed={seed}"))
    # a run that was asked to stop leaves a policy too, so its steps are counted
    if len(read_metrics(folder / "metrics.jsonl")) < resolved.steps:
        train(resolved, folder, resume=folder.is_dir(), command="benchmarks/rl.py")
    return folder


def evaluated(name: str, model: str, run: Path, suite: str, seed: int, temperature: float) -> Evaluation:
    """The evaluation of a system under a run's chain with one sampling seed; made if it is not there."""
    # Two recipes have one base, but not one chain that it answers by.
    folder = RUNS / "evaluations" / run.name.rpartition("-")[0] / f"{name}-{suite}-{seed}-at-{temperature:g}"
    if not (folder / "evaluation.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        source = source_of(str(run))
        evaluate_model(
            model,
            suite,
            folder,
            stages=source.stages,
            codec=source.codec,
            seed=seed,
            temperature=temperature,
            system=name,
        )
    return load_evaluation(folder)


def summarise(systems: dict[str, list[Evaluation]]) -> dict[str, object]:
    """Measures of each system, with 95 % intervals over seeds and objects.

    `difference` is to `base`, paired (same seed, same object); what was trained by RL has `over_control` too.
    """
    summary: dict[str, object] = {}
    for name, runs in systems.items():
        row: dict[str, object] = {}
        for measure in measures_of([run for every in systems.values() for run in every]):
            if (value := nested_interval(runs, measure)) is None:
                continue
            row[measure.name] = {"value": asdict(value)}
            compared = {"base": {}, "control": {"difference": "base"}}
            for field, other in compared.get(name, {"difference": "base", "over_control": "control"}).items():
                if other in systems and (change := nested_difference(runs, systems[other], measure)) is not None:
                    row[measure.name][field] = asdict(change)
        distances = [run.kernel_distance for run in runs]
        row["kernel_distance"] = {
            "seeds": [asdict(d) for d in distances],
            "mean": float(np.mean([d.value for d in distances])),
        }
        summary[name] = row
    return summary


def ship(config: Path, seed: int) -> None:
    """The policy of one seed as the package carries it, in bfloat16, with its card."""
    run, folder = RUNS / f"{config.stem}-{seed}", SHIPPED["tiny-rl"]
    record = provenance(f"python benchmarks/rl.py --ship {seed}")  # before the weights change the checkout
    resolved, lines = load_config(run / "config.yaml"), read_metrics(run / "metrics.jsonl")
    load_policy(str(run / "policy")).save(folder, torch.bfloat16)
    measured = json.loads((RESULTS / "rl.json").read_text())
    card = {
        "what": f"the base after {len(lines)} steps of {config.name}, seed {seed}",
        "seed": seed,
        "start": resolved.model,
        "prompts": resolved.prompts,
        "prompts_seen": len(lines) * resolved.prompts_per_step,
        "steps": len(lines),
        "lr": resolved.optimiser.lr,
        "prompts_per_step": resolved.prompts_per_step,
        "group_size": resolved.group_size,
        "tokens": lines[-1]["tokens/total"],
        "seconds": round(sum(float(line["seconds/step"]) for line in lines)),
        "kl": round(float(lines[-1]["kl"]), 4),
        "differences to the base, mean of all seeds": {
            name: row["difference"]
            for name, row in measured["summary"]["1"][config.stem].items()
            if "difference" in row
        },
        "suite": measured["suite"],
        **record,
    }
    (folder / "card.json").write_text(json.dumps(card, indent=1) + "\n")


def main(
    config: Path = ROOT / "configs" / "hi-grpo.yaml",
    seeds: tuple[int, ...] = (0, 1, 2),
    set: tuple[str, ...] = (),
    suite: str = "mini",
    temperatures: tuple[float, ...] = (1.0, 0.7),
    train_only: int | None = None,
    evaluate_only: bool = False,
    control: Path | None = None,
    system: str = "",
    ship_seed: Annotated[int | None, tyro.conf.arg(name="ship")] = None,
) -> None:
    """Train, evaluate, compare.

    Args:
        config: The RL run.
        seeds: One run each.
        set: Overrides of the config, e.g. steps=80.
        suite: What to evaluate on.
        temperatures: Of the answers that are evaluated: the one that it learns at, and the one that the README uses.
        train_only: Only train this seed.
        evaluate_only: Take the runs as they are.
        control: A policy that had the same compute as more supervised training (`maquette warm-start` continued).
        system: Only evaluate this one (base, control, or the config's name), without the table.
        ship_seed: Only write this seed's policy into the package.
    """
    if ship_seed is not None:
        return ship(config, ship_seed)
    chosen = seeds if train_only is None else (train_only,)
    folders = {s: RUNS / f"{config.stem}-{s}" if evaluate_only else train_seed(config, s, set) for s in chosen}
    if train_only is not None:
        return
    models = {"base": lambda s: "tiny", config.stem: lambda s: str(folders[s] / "policy")}
    if control is not None:
        models["control"] = lambda s: str(control)
    if system and system not in models:
        raise ValueError(f"There is no system {system!r} here; there are {', '.join(models)}.")
    tables = {}
    for temperature in temperatures:
        runs = {
            name: [evaluated(f"{name}-{s}", model(s), folders[seeds[0]], suite, s, temperature) for s in seeds]
            for name, model in models.items()
            if system in ("", name)
        }
        tables[f"{temperature:g}"] = runs
    if system:
        return
    summary = {temperature: summarise(runs) for temperature, runs in tables.items()}
    command = "python benchmarks/rl.py" + (f" --config configs/{config.name}" if config.stem != MAIN else "")
    spent = [read_metrics(folders[s] / "metrics.jsonl") for s in seeds]
    record = {
        "suite": suite,
        "seeds": seeds,
        "seconds": [round(sum(float(line["seconds/step"]) for line in lines)) for lines in spent],
        "tokens": [lines[-1]["tokens/total"] for lines in spent],
        "kl": [round(float(lines[-1]["kl"]), 4) for lines in spent],
        "summary": summary,
        **provenance(command),
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    result = RESULTS / ("rl.json" if config.stem == MAIN else f"rl-{config.stem}.json")
    result.write_text(json.dumps(record, indent=1, default=str))
    for temperature, rows in summary.items():
        print(f"temperature {temperature}\n{table(rows)}")


if __name__ == "__main__":
    tyro.cli(main)
