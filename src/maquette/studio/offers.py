"""What the studio can show of the folder of runs: models to ask, trainings to watch, pages to open."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from maquette.evaluation.curves import curves, grouped
from maquette.runs import SHIPPED, WEIGHTS, is_shipped

NEAR, FAR = 2, 5
"""How many folders down models and pages, and trainings, are looked for: a study's lie at studies/NAME/cells/ID/run."""


def models_in(runs: Path, more: Sequence[str] = ()) -> dict[str, str]:
    """Names and what they stand for: those given first, the shipped ones, then every run with a policy."""
    named = {name: name for name in (*more, *filter(is_shipped, SHIPPED))}
    for config in _below(runs, NEAR, *(f"policy/{name}" for name in WEIGHTS)):
        run = config.parents[1]
        if (run / "config.yaml").is_file():
            named[str(run.relative_to(runs))] = str(run)
    return named


def pages_in(runs: Path) -> list[str]:
    """Reports, studies and leaderboards, newest first, as paths below `runs`."""
    found = set(_below(runs, NEAR, "report.html", "page.html", "leaderboard.html"))
    return [str(page.relative_to(runs)) for page in sorted(found, key=lambda page: -page.stat().st_mtime)]


def trainings_in(runs: Path) -> list[dict[str, object]]:
    """Every run with a record, the one written to last first: its name, and how far it is."""
    records = sorted(_below(runs, FAR, "metrics.jsonl"), key=lambda path: -path.stat().st_mtime)
    return [{"name": str(path.parent.relative_to(runs)), **_how_far(path)} for path in records]


def training(runs: Path, name: str) -> Mapping[str, object] | None:
    """One run's curves, in groups, and its newest samples; None where there is no such run."""
    if name not in (
        known := {str(path.parent.relative_to(runs)): path.parent for path in _below(runs, FAR, "metrics.jsonl")}
    ):
        return None
    run = known[name]
    series = curves(run)
    samples = sorted((run / "samples").glob("*.png"), key=lambda path: (path.stat().st_mtime, path.name))
    return {"name": name, "curves": series, "groups": grouped(series), "samples": [path.name for path in samples[-6:]]}


def _how_far(record: Path) -> dict[str, object]:
    """Steps done, and steps in all where the run's config says so."""
    done = 0
    for line in reversed(record.read_text().splitlines()):
        try:
            done = json.loads(line)["step"] + 1
            break
        except (json.JSONDecodeError, KeyError, TypeError):
            continue  # the last line may be half written
    try:
        config = yaml.safe_load((record.parent / "config.yaml").read_text())
        return {"step": done, "steps": config["steps"]}
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return {"step": done, "steps": None}


def _below(folder: Path, most: int, *names: str) -> list[Path]:
    """Files of these names at most so many folders below, hidden folders left out."""
    found = [path for depth in range(most + 1) for name in names for path in folder.glob("*/" * depth + name)]
    return [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
