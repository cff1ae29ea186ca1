"""Many evaluations as one leaderboard: a table per suite and way of measuring, since other numbers cannot be compared."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from maquette.evaluation.results import (
    MEASURES,
    Evaluation,
    Measure,
    difference,
    load_evaluation,
    markdown_table,
    measures_of,
    null_nan,
    summary,
)


@dataclass(frozen=True)
class Board:
    """Systems that were measured alike, best first."""

    suite: str
    how: str
    """The prompts themselves, protocol, CLIP backbone and which evaluators: what must be equal for two numbers to be comparable."""
    rank_by: Measure
    systems: tuple[Evaluation, ...]


def find_evaluations(places: Sequence[Path]) -> list[Path]:
    """Every folder with an evaluation.json in or below the given ones. ValueError for a place without any."""
    found: list[Path] = []
    for place in places:
        inside = sorted(path.parent for path in place.rglob("evaluation.json")) if place.is_dir() else []
        if not inside:
            raise ValueError(f"{place} holds no evaluation.json, nor does any folder below it")
        found += [folder for folder in inside if folder not in found]
    return found


def build_boards(folders: Sequence[Path], rank_by: str = "alignment") -> tuple[Board, ...]:
    """One board per suite and way of measuring. ValueError: an unknown measure, or one system twice on a board."""
    known = {m.name: m for m in measures_of([load_evaluation(folder) for folder in folders])} | {
        m.name: m for m in MEASURES
    }
    if rank_by not in known:
        raise ValueError(f"there is no measure {rank_by!r} to rank by; known are {', '.join(known)}")
    groups: dict[tuple[str, str], list[tuple[Evaluation, Path]]] = {}
    for folder in folders:
        evaluation = load_evaluation(folder)
        groups.setdefault((evaluation.suite, _how(evaluation)), []).append((evaluation, folder))
    boards = []
    for (suite, how), members in groups.items():
        _refuse_doubles(members)
        measure = known[rank_by]
        boards.append(
            Board(suite, how, measure, tuple(sorted((e for e, _ in members), key=lambda e: _place(e, measure))))
        )
    return tuple(boards)


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


def _place(evaluation: Evaluation, measure: Measure) -> float:
    """Sorting key: the best first, those without the measure last."""
    interval = evaluation.interval(measure)
    if interval is None:
        return float("inf")
    return -interval.value if measure.higher_is_better else interval.value


def write_leaderboard(out: Path, places: Sequence[Path], rank_by: str = "alignment") -> Path:
    """Write `out` (.md) and the same as .json beside it; returns `out`."""
    boards = build_boards(find_evaluations(places), rank_by)
    parts = ["# Leaderboard"]
    for board in boards:
        parts += [f"## {board.suite}", board.how, markdown_table(board.systems), _comparisons(board)]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("\n\n".join(part for part in parts if part) + "\n")
    data = [
        {
            "suite": board.suite,
            "how": board.how,
            "ranked by": board.rank_by.name,
            "systems": [
                {"system": e.system, "seed": e.seed, "failures": sum(r.failed for r in e.objects), **summary(e)}
                for e in board.systems
            ],
            "against the next": [asdict(t) if t else None for t in _tests(board)],
        }
        for board in boards
    ]
    out.with_suffix(".json").write_text(json.dumps(null_nan(data), indent=1))
    return out


def _tests(board: Board) -> list:
    pairs = zip(board.systems, board.systems[1:], strict=False)
    return [difference(better, worse, board.rank_by) for better, worse in pairs]


def _comparisons(board: Board) -> str:
    """Each system against the next, in words that a rank alone would hide."""
    lines = []
    for better, worse, test in zip(board.systems, board.systems[1:], _tests(board), strict=False):
        if test is None:
            lines.append(f"- {better.system} and {worse.system} share no measured prompt.")
            continue
        sure = test.difference.low > 0 or test.difference.high < 0
        verdict = "differ" if sure else "cannot be told apart"
        lines.append(f"- {better.system} − {worse.system}: {test.difference}, p = {test.p_value:.3f}: they {verdict}.")
    return "\n".join(lines)
