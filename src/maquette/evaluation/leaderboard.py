"""Many evaluations as one leaderboard: a table per suite and way of measuring, since other numbers cannot be compared."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from maquette.evaluation.entries import Entry, markdown_table, matrix
from maquette.evaluation.known import blind, unread
from maquette.evaluation.metrics import PairedTest
from maquette.evaluation.results import (
    MEASURES,
    SEMANTICS,
    Evaluation,
    Measure,
    load_evaluation,
    measures_of,
    null_nan,
    summary,
)
from maquette.evaluation.seeds import compared
from maquette.outputs import write_text


@dataclass(frozen=True)
class Board:
    """Systems that were measured alike, best first, or by name where nothing ranks them."""

    suite: str
    how: str
    """The prompts themselves, protocol, CLIP backbone and which evaluators: what must be equal for two numbers to be comparable."""
    rank_by: Measure | None
    systems: tuple[Entry, ...]
    notes: tuple[str, ...] = ()
    """What a reader must know before comparing."""


def find_evaluations(places: Sequence[Path]) -> list[Path]:
    """Every folder with an evaluation.json in or below the given ones. ValueError for a place without any."""
    found: list[Path] = []
    for place in places:
        inside = sorted(path.parent for path in place.rglob("evaluation.json")) if place.is_dir() else []
        if not inside:
            raise ValueError(f"{place} holds no evaluation.json, nor does any folder below it")
        found += [folder for folder in inside if folder not in found]
    return found


def build_boards(folders: Sequence[Path], rank_by: str = "") -> tuple[Board, ...]:
    """One board per suite and way of measuring; "" ranks each by what reads its prompts.

    ValueError: an unknown measure, or one system twice on a board.
    """
    known = {m.name: m for m in measures_of([load_evaluation(folder) for folder in folders])} | {
        m.name: m for m in MEASURES
    }
    if rank_by and rank_by not in known:
        raise ValueError(f"there is no measure {rank_by!r} to rank by; known are {', '.join(known)}")
    groups: dict[tuple[str, str], list[tuple[Evaluation, Path]]] = {}
    for folder in folders:
        evaluation = load_evaluation(folder)
        groups.setdefault((evaluation.suite, _how(evaluation)), []).append((evaluation, folder))
    boards = []
    for (suite, how), members in groups.items():
        _refuse_doubles(members)
        runs = [evaluation for evaluation, _ in members]
        measure = known[rank_by] if rank_by else _what_reads(runs)
        systems = dict.fromkeys(e.system for e, _ in members)
        entries = [Entry(name, tuple(e for e, _ in members if e.system == name)) for name in systems]
        ranked = sorted(entries, key=lambda entry: (_place(entry, measure) if measure else 0.0, entry.system))
        boards.append(Board(suite, how, measure, tuple(ranked), tuple(unread(runs))))
    return tuple(boards)


def _what_reads(runs: Sequence[Evaluation]) -> Measure | None:
    """The small evaluators' alignment where they know the prompts' words, else CLIP, else a judge of all systems; None: nothing does."""
    shared = {m.name: m for m in measures_of(runs) if all(run.interval(m) for run in runs)}
    read = {} if any("alignment" in blind(run) for run in runs) else {"alignment": shared.get("alignment")}
    judges = {m.name: m for m in shared.values() if m.judge and m.level == SEMANTICS}
    candidates = [*read.values(), shared.get("clip"), *judges.values()]
    return next((measure for measure in candidates if measure), None)


def _how(evaluation: Evaluation) -> str:
    notes = evaluation.provenance
    evaluators = json.dumps(notes.get("evaluators", {}), sort_keys=True)
    clip = f", CLIP {notes['clip']}" if notes.get("clip") else ""
    which = f" ({notes['prompts']})" if notes.get("prompts") else ""
    return f"{len(evaluation.objects)} prompts{which}, {notes.get('protocol', 'maquette')} cameras{clip}, evaluators {evaluators}"


def _refuse_doubles(members: Sequence[tuple[Evaluation, Path]]) -> None:
    seen: dict[tuple[str, int], Path] = {}
    for evaluation, folder in members:
        key = (evaluation.system, evaluation.seed)
        if key in seen:
            raise ValueError(
                f"{evaluation.system} stands twice on {evaluation.suite} with seed {evaluation.seed}: {seen[key]} and {folder}"
            )
        seen[key] = folder


def _place(entry: Entry, measure: Measure) -> float:
    """Sorting key: the best first, those without the measure last."""
    interval = entry.interval(measure)
    if interval is None:
        return float("inf")
    return -interval.value if measure.higher_is_better else interval.value


def write_leaderboard(out: Path, places: Sequence[Path], rank_by: str = "") -> Path:
    """Write `out` (.md) and the same as .json beside it; returns `out`."""
    boards = build_boards(find_evaluations(places), rank_by)
    parts = ["# Leaderboard"]
    for board in boards:
        parts += [f"## {board.suite}", board.how, *board.notes, _ranked(board)]
        parts += [markdown_table(board.systems), _comparisons(board)]
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, "\n\n".join(part for part in parts if part) + "\n")
    data = [
        {
            "suite": board.suite,
            "how": board.how,
            "ranked by": board.rank_by.name if board.rank_by else None,
            "notes": board.notes,
            "systems": [_numbers(entry) for entry in board.systems],
            "against the next": [asdict(t) if t else None for t in _tests(board)],
        }
        for board in boards
    ]
    write_text(out.with_suffix(".json"), json.dumps(null_nan(data), indent=1))
    return out


def _ranked(board: Board) -> str:
    if board.rank_by:
        return f"Ranked by {board.rank_by.title}."
    return "Not ranked, in order of name: no measure that all systems have reads these prompts."


def _numbers(entry: Entry) -> dict[str, object]:
    """One system as plain data; with several seeds each run's own numbers too."""
    if len(entry.runs) == 1:
        (run,) = entry.runs
        return {"system": entry.system, "seeds": [run.seed], "failures": entry.failures, **summary(run)}
    means = {m.name: asdict(i) for m in measures_of(entry.runs) if (i := entry.interval(m))}
    runs = [{"seed": run.seed, **summary(run)} for run in entry.runs]
    seeds = [run.seed for run in entry.runs]
    return {"system": entry.system, "seeds": seeds, "failures": entry.failures, **means, "runs": runs}


def _tests(board: Board) -> list[PairedTest | None]:
    """Each system against the next, over objects that all of their runs measured and over seeds; None where there are none."""
    found: list[PairedTest | None] = []
    for better, worse in pairwise(board.systems):
        values = matrix([*better.runs, *worse.runs], board.rank_by) if board.rank_by else np.zeros((0, 0))
        found.append(compared(values[: len(better.runs)], values[len(better.runs) :]) if values.size else None)
    return found


def _comparisons(board: Board) -> str:
    """Each system against the next, in words that a rank alone would hide."""
    if not board.rank_by:
        return ""
    lines = []
    for (better, worse), test in zip(pairwise(board.systems), _tests(board), strict=True):
        if test is None:
            lines.append(f"- {better.system} and {worse.system} share no measured prompt.")
            continue
        sure = test.difference.low > 0 or test.difference.high < 0
        verdict = "differ" if sure else "cannot be told apart"
        chance = "" if math.isnan(test.p_value) else f", p = {test.p_value:.3f}"
        single = [e.system for e in (better, worse) if len(e.runs) == 1] if not chance else []
        of = f" (as far as one seed of {single[0]} tells)" if single else ""
        lines.append(f"- {better.system} − {worse.system}: {test.difference}{chance}: they {verdict}{of}.")
    return "\n".join(lines)
