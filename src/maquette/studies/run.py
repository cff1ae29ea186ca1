"""Runs a study: the next cell that nobody works on → training → evaluation → a line of results, and the page anew."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from maquette.config import Config
from maquette.evaluation.results import null_nan, summary
from maquette.evaluation.systems import evaluate_model
from maquette.outputs import make_run_folder, write_text
from maquette.runs import source_of
from maquette.studies.grid import FEWEST_SEEDS, Cell, Study, check_prompts, config_of, load_study, plan_cells
from maquette.studies.page import write_page
from maquette.studies.paid import last_tokens, paid_by_tokens, quarter_rewards
from maquette.studies.queue import claimed, finish, is_done
from maquette.studies.shared import begin_from, begun, in_effect, lineage, take_over
from maquette.tracking import provenance, read_metrics, tell
from maquette.training.loop import train

Work = Callable[[Cell, Config, Path], dict[str, object] | None]
"""Trains and evaluates one cell in its folder; None where it was asked to stop before the end."""


@dataclass(frozen=True)
class StudySettings:
    """How large a study is run; kept in its folder, so that no table mixes two sizes."""

    steps: int = 0
    budget: int = 0
    seeds: int = FEWEST_SEEDS
    suite: str = "mini-dev"
    limit: int = 0
    set: tuple[str, ...] = ()


def run_study(
    name: str,
    out: Path,
    settings: StudySettings,
    *,
    most_cells: int = -1,
    device: str = "",
    command: str = "",
    work: Work | None = None,
) -> Path:
    """Works on free cells until none is left (or `most_cells` are done; 0: only the page) and writes the page; returns its path.

    `device` is where this process's policies learn and draw ("": the configs'); others may work on another, and the page says so.
    Every config is loaded before the first training. A cell that fails leaves its error and is passed over; it is tried again next
    time. ValueError: an unknown study, settings other than those of the folder, a config that does not load, or too few steps for the
    prompts that rows are compared by.
    """
    study = load_study(name)
    cells = plan_cells(study, steps=settings.steps, budget=settings.budget, seeds=settings.seeds)
    own = (*settings.set, *([f"policy.device={device}"] if device else []))
    configs = {cell.id: config_of(cell, own) for cell in cells}
    check_prompts(cells, [configs[cell.id] for cell in cells])
    make_run_folder(out)
    _keep_settings(out, name, settings)
    work = work or (lambda cell, config, folder: train_and_evaluate(cell, config, folder, settings, own, command))
    done = 0
    for cell in cells:
        if done == most_cells:
            break
        with claimed(out / "cells" / cell.id) as mine:
            if not mine:
                continue
            done += 1
            if not _do(cell, configs[cell.id], out / "cells" / cell.id, work):
                break
            finish_study(study, cells, out, settings)
    return finish_study(study, cells, out, settings)


def _do(cell: Cell, config: Config, folder: Path, work: Work) -> bool:
    """One cell; False where it was asked to stop."""
    tell(f"{cell.row.name}, seed {cell.seed}: {cell.steps} steps")
    start = time.time()
    try:
        result = work(cell, config, folder)
    except (ValueError, OSError, RuntimeError) as error:  # the last is torch's, out of memory among them
        write_text(folder / "error.txt", f"{type(error).__name__}: {error}\n")
        tell(f"  failed: {error}")
        return True
    if result is None:
        tell("  stopped; start the study again to go on")
        return False
    hours = {"hours": round((time.time() - start) / 3600, 4)}
    finish(folder, hours | result | {"row": cell.row.name, "seed": cell.seed, "steps": cell.steps})
    return True


def finish_study(study: Study, cells: Sequence[Cell], out: Path, settings: StudySettings) -> Path:
    """results.jsonl, a line per cell that is done, and the page. Several processes may do so at once: the last one's stays."""
    folders = [out / "cells" / cell.id for cell in cells]
    lines = [
        {"paid_by_tokens": paid_by_tokens(folder / "run")} | json.loads((folder / "result.json").read_text())
        for folder in folders
        if is_done(folder)
    ]
    write_text(out / "results.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    suite = f"`{settings.suite}`" + (f" (its first {settings.limit} prompts)" if settings.limit else "")
    return write_page(study, cells, out, suite=suite, overrides=settings.set)


def train_and_evaluate(
    cell: Cell, config: Config, folder: Path, settings: StudySettings, overrides: Sequence[str], command: str
) -> dict[str, object] | None:
    """Training (none for the base), then one answer per prompt with the cell's own seed; or what a study beside this one has of it."""
    run, study = folder / "run", folder.parents[1]
    line, effect = (lineage(c, settings.suite, settings.limit) for c in (config, in_effect(config)))
    if taken := take_over(study, folder, effect, cell.steps):
        tell(f"  taken from {taken['taken_from']}, whose config is the same, or differs in what cannot act")
        return taken | {"overrides": [*overrides, *cell.row.set]}
    if cell.row.config:
        if earlier := begin_from(study, folder, line, cell.steps):
            tell(f"  goes on from {earlier}, a shorter training of the same config")
        train(config, run, resume=(run / "config.yaml").is_file(), command=command)
        if len(read_metrics(run / "metrics.jsonl")) < cell.steps:
            return None
        source = source_of(str(run))
        model, codec, stages = source.model, source.codec, source.stages
    else:
        model, codec, stages = config.model, config.codec, config.stages
    began = time.time()
    evaluation = evaluate_model(
        model,
        settings.suite,
        make_run_folder(folder / "evaluation"),
        stages=stages,
        codec=codec,
        seed=cell.seed,
        limit=settings.limit,
        system=cell.row.name,
        provenance=dict(provenance(command)),
    )
    numbers = {
        # Of all sessions of a training that was broken off, not of the last alone.
        "hours": round((trained_seconds(run) + time.time() - began) / 3600, 4),
        "suite": settings.suite,
        "lineage": line,
        "effect": effect,
        "measures": summary(evaluation),
        "rewards": quarter_rewards(run),
        "rewards_first": quarter_rewards(run, last=False),
        "tokens": last_tokens(run),
        "paid_by_tokens": paid_by_tokens(run),
        "overrides": [*overrides, *cell.row.set],
        **begun(run),
        "provenance": {k: evaluation.provenance[k] for k in ("commit", "date", "machine", "maquette")},
    }
    return null_nan(numbers)  # type: ignore[return-value]


def trained_seconds(run: Path) -> float:
    """Of all steps in the run's record that were made here; 0 where nothing was trained."""
    lines = read_metrics(run / "metrics.jsonl")[int(str(begun(run).get("begun_at_step", 0))) :]
    return math.fsum(float(line.get("seconds/step") or 0) for line in lines)


def _keep_settings(out: Path, name: str, settings: StudySettings) -> None:
    """Writes them the first time; afterwards they must be the same."""
    path = out / "study.json"
    now = json.loads(json.dumps({"study": name, **asdict(settings)}))
    if not path.is_file():
        write_text(path, json.dumps(now, indent=1))
        return
    before = json.loads(path.read_text())
    changed = [f"{key} {before.get(key)!r} → {now[key]!r}" for key in now if before.get(key) != now[key]]
    if changed:
        raise ValueError(
            f"{out} holds this study with other settings ({'; '.join(changed)}): keep them, or choose another --out"
        )
