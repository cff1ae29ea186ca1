"""Does RL make the shipped base better at what was not rewarded? Three seeds, a supervised control, evaluators that never rewarded.

    python benchmarks/rl.py                     # trains what is missing under runs/rl, evaluates on `mini`, writes the table
    python benchmarks/rl.py --train-only 1      # one seed alone, e.g. beside another on the other core
    maquette warm-start configs/warm-start-control.yaml --out runs/rl/control         # the control
    python benchmarks/rl.py --evaluate-only --control runs/rl/control/policy --system base      # one system alone, the same way
    python benchmarks/rl.py --evaluate-only --control runs/rl/control/policy
    python benchmarks/rl.py --ship 0            # seed 0 becomes the package's `tiny-rl`

Writes benchmarks/results/rl.json and rl.md: each measure of the base, of RL (mean over seeds per object, intervals over objects)
and of the control, with paired differences to the base. Intervals speak of these trainings, not of another seed. Every run of
`configs/hi-grpo.yaml` is resumable; the control continues the supervised training from the base on the same data, 340 steps in 12
minutes where a seed of 75 steps (`--set steps=75`) took 17 to 21.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro

from maquette.config_file import load_config
from maquette.evaluation.metrics import Interval, bootstrap_mean, paired_difference
from maquette.evaluation.results import MEASURES, Evaluation, load_evaluation
from maquette.evaluation.systems import evaluate_model
from maquette.policy.model import load_policy
from maquette.runs import SHIPPED, source_of
from maquette.tracking import provenance, read_metrics
from maquette.training.loop import train

ROOT = Path(__file__).parents[1]
RUNS = ROOT / "runs" / "rl"
RESULTS = ROOT / "benchmarks" / "results"


def train_seed(config: Path, seed: int, overrides: tuple[str, ...]) -> Path:
    """The run folder of one seed, trained or gone on with if it is not finished."""
    folder, resolved = RUNS / f"{config.stem}-{seed}", load_config(config, (*overrides, f"seed={seed}"))
    # a run that was asked to stop leaves a policy too, so its steps are counted
    if len(read_metrics(folder / "metrics.jsonl")) < resolved.steps:
        train(resolved, folder, resume=folder.is_dir(), command="benchmarks/rl.py")
    return folder


def evaluated(name: str, model: str, chain_of: str, suite: str, seed: int) -> Evaluation:
    """The evaluation of a system with one sampling seed; made if it is not there."""
    folder = RUNS / "evaluations" / f"{name}-{suite}-{seed}"
    if not (folder / "evaluation.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        source = source_of(chain_of)
        evaluate_model(model, suite, folder, stages=source.stages, codec=source.codec, seed=seed, system=name)
    return load_evaluation(folder)


def per_object(evaluations: list[Evaluation], measure: str) -> dict[str, float]:
    """Each object's mean over the evaluations (seeds); objects that a prompt does not ask of are left out."""
    value = next(m.value for m in MEASURES if m.name == measure)
    columns = [{r.id: value(r) for r in e.objects} for e in evaluations]
    means = {id: float(np.mean([c[id] for c in columns])) for id in columns[0]}
    return {id: v for id, v in means.items() if not math.isnan(v)}


def summarise(systems: dict[str, list[Evaluation]]) -> dict[str, object]:
    """Measures of each system, and paired differences to `base`, with 95 % intervals over objects."""
    summary: dict[str, object] = {}
    for name, evaluations in systems.items():
        row: dict[str, object] = {}
        for measure in MEASURES:
            values = per_object(evaluations, measure.name)
            if not values:
                continue
            entry = {"value": asdict(bootstrap_mean(np.array(list(values.values()))))}
            base = per_object(systems["base"], measure.name)
            if name != "base":
                pairs = np.array([(values[id], base[id]) for id in values if id in base])
                entry["difference"] = asdict(paired_difference(pairs[:, 0], pairs[:, 1]))
            row[measure.name] = entry
        distances = [e.kernel_distance for e in evaluations]
        row["kernel_distance"] = {
            "seeds": [asdict(d) for d in distances],
            "mean": float(np.mean([d.value for d in distances])),
        }
        summary[name] = row
    return summary


def table(summary: dict[str, object]) -> str:
    """Markdown: a row per measure, a column per system, the paired difference behind it."""
    names = list(summary)
    lines = ["| measure | " + " | ".join(names) + " |", "|" + "---|" * (len(names) + 1)]
    for measure in MEASURES:
        if not any(measure.name in row for row in summary.values()):
            continue
        cells = []
        for name in names:
            entry = summary[name].get(measure.name)
            text = f"{Interval(**entry['value'])}" if entry else "–"
            if entry and "difference" in entry:
                text += f"; {entry['difference']['value']:+.3f} [{entry['difference']['low']:+.3f}, {entry['difference']['high']:+.3f}]"
            cells.append(text)
        lines.append(f"| {measure.title} {'↑' if measure.higher_is_better else '↓'} | " + " | ".join(cells) + " |")
    kernel = [f"{summary[n]['kernel_distance']['mean']:.3f}" for n in names]
    lines.append("| kernel distance ×100 ↓ (mean over seeds) | " + " | ".join(kernel) + " |")
    return "\n".join(lines) + "\n"


def ship(config: Path, seed: int) -> None:
    """The policy of one seed as the package carries it, in bfloat16, with its card."""
    run, folder = RUNS / f"{config.stem}-{seed}", SHIPPED["tiny-rl"]
    resolved, lines = load_config(run / "config.yaml"), read_metrics(run / "metrics.jsonl")
    load_policy(str(run / "policy")).save(folder, torch.bfloat16)
    measured = json.loads((RESULTS / "rl.json").read_text())
    card = {
        "what": f"the base after {len(lines)} steps of {config.name}, seed {seed}",
        "steps": len(lines),
        "lr": resolved.optimiser.lr,
        "prompts_per_step": resolved.prompts_per_step,
        "group_size": resolved.group_size,
        "tokens": lines[-1]["tokens/total"],
        "seconds": round(sum(float(line["seconds/step"]) for line in lines)),
        "kl": round(float(lines[-1]["kl"]), 4),
        "mean of all seeds": {
            name: row["difference"] for name, row in measured["summary"][config.stem].items() if "difference" in row
        },
        "suite": measured["suite"],
        **provenance(f"python benchmarks/rl.py --ship {seed}"),
    }
    (folder / "card.json").write_text(json.dumps(card, indent=1) + "\n")


def main(
    config: Path = ROOT / "configs" / "hi-grpo.yaml",
    seeds: tuple[int, ...] = (0, 1, 2),
    set: tuple[str, ...] = (),
    suite: str = "mini",
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
    chain = str(folders[seeds[0]])
    jobs = {
        "base": lambda s: evaluated("base", "tiny", chain, suite, s),
        config.stem: lambda s: evaluated(f"{config.stem}-{s}", str(folders[s] / "policy"), chain, suite, s),
    }
    if control is not None:
        jobs["control"] = lambda s: evaluated("control", str(control), chain, suite, s)
    if system and system not in jobs:
        raise ValueError(f"There is no system {system!r} here; there are {', '.join(jobs)}.")
    systems = {name: [job(s) for s in seeds] for name, job in jobs.items() if system in ("", name)}
    if system:
        return
    summary = summarise(systems)
    record = {"suite": suite, "seeds": seeds, "summary": summary, **provenance("python benchmarks/rl.py")}
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "rl.json").write_text(json.dumps(record, indent=1, default=str))
    (RESULTS / "rl.md").write_text(table(summary))
    print(table(summary))


if __name__ == "__main__":
    tyro.cli(main)
