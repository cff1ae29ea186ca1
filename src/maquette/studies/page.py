"""A study's page: our table with intervals beside the paper's column, curves, pictures, and what the evidence says of each claim."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from maquette.evaluation.entries import nested_interval
from maquette.evaluation.results import MEASURES, Evaluation, Measure, load_evaluation
from maquette.evaluation.results import cell as shown
from maquette.outputs import write_text
from maquette.studies.bases import against_bases
from maquette.studies.claims import claim_line, tally, verdict
from maquette.studies.grid import Cell, Row, Study, config_of
from maquette.studies.page_html import page_html
from maquette.studies.paid import Points, paid_at, paid_by_tokens
from maquette.studies.queue import is_done

DECIDES = "alignment"
"""The measure that a claim is decided by: agreement of text and views, as CLIP is in the paper."""
CLAIMS_READ = (
    "The interval of a claim holds two: objects and seeds drawn with replacement, and Student's over the seeds alone, which knows how "
    "little three of them say of another training."
)
COLUMNS = ("alignment", "attributes", "iou", "chamfer", "failed")


def write_page(study: Study, cells: Sequence[Cell], out: Path, *, suite: str, overrides: Sequence[str] = ()) -> Path:
    """Writes `page.html` and the same without pictures as `page.md`; returns the first. `suite` as it is to be printed."""
    found = results_of(cells, out)
    text = markdown(study, cells, found, out, suite, overrides)
    write_text(out / "page.md", text)
    write_text(out / "page.html", page_html(study, cells, found, out, text))
    return out / "page.html"


def results_of(cells: Sequence[Cell], out: Path) -> dict[str, dict[int, Evaluation]]:
    """The evaluations that are done, by row and seed."""
    found: dict[str, dict[int, Evaluation]] = {}
    for one in cells:
        folder = out / "cells" / one.id
        if is_done(folder):
            found.setdefault(one.row.name, {})[one.seed] = load_evaluation(folder / "evaluation")
    return found


def paid_of(cells: Sequence[Cell], out: Path, key: str = "rewards") -> dict[str, dict[int, float]]:
    """The mean of all rewards over the last quarter of each training (`rewards_first`: the first), by row and seed."""
    found: dict[str, dict[int, float]] = {}
    for one in cells:
        if rewards := _result(one, out).get(key):
            found.setdefault(one.row.name, {})[one.seed] = float(np.mean(list(rewards.values())))
    return found


def markdown(
    study: Study,
    cells: Sequence[Cell],
    found: dict[str, dict[int, Evaluation]],
    out: Path,
    suite: str,
    overrides: Sequence[str] = (),
) -> str:
    """The page as text."""
    seeds = sorted({c.seed for c in cells})
    done = sum(len(runs) for runs in found.values())
    paid = paid_of(cells, out)
    parts = [
        f"# {study.title}",
        study.question,
        f"{done} of {len(cells)} cells are done ({len(seeds)} seeds). Measured on {suite}; the paper's column is {study.source}. "
        "The two columns have different models, data and metrics: compare their directions, never their values. "
        "Intervals are 95 %, over seeds and objects.",
        f"Held fixed: {study.fixed}",
        _settings(cells, out, overrides),
        _passes(cells, overrides),
        _table(study, cells, found, out),
        "## What the evidence says",
        tally([(claim.of, verdict(claim, found, paid)[0]) for claim in study.claims]),
        "\n".join(claim_line(claim, found, paid) for claim in study.claims),
        CLAIMS_READ if study.claims else "",
        _learnt(cells, out),
        against_bases(study, found),
        _equal_tokens(cells, out),
        _costs(cells, out),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(study: Study, cells: Sequence[Cell], found: dict[str, dict[int, Evaluation]], out: Path) -> str:
    measures = [m for name in COLUMNS for m in MEASURES if m.name == name]
    split = [f"{DECIDES}: {study.split}", f"{DECIDES}: all but {study.split}"] if study.split else []
    titles = ["row", "steps", "tokens", "seeds", *(m.title for m in measures), *split]
    titles += ["kernel distance ×100", "rewards, first → last quarter"]
    if cheapest := cheapest_training(cells, out):
        titles.append(f"rewards at {cheapest / 1000:,.0f} k tokens")
    lines = ["| " + " | ".join([*titles, "paper: CLIP", "paper: KD ×100"]) + " |", "|" + "---|" * (len(titles) + 2)]
    for row in study.rows:
        own = _row(row, study, cells, found, out, measures)
        equal = [_at_tokens(row, cells, out, cheapest)] if cheapest else []
        lines.append("| " + " | ".join([*own, *equal, *_paper(row)]) + " |")
    return "\n".join(lines)


def _row(
    row: Row,
    study: Study,
    cells: Sequence[Cell],
    found: dict[str, dict[int, Evaluation]],
    out: Path,
    measures: Sequence[Measure],
) -> list[str]:
    runs = list(found.get(row.name, {}).values())
    steps = next((str(c.steps) for c in cells if c.row.name == row.name), "–")
    width = len(measures) + 2 + 2 * bool(study.split)
    if not runs:
        why = f"not run: {row.needs}" if row.needs else _failure(row, cells, out)
        return [row.name, steps, "–", "0", why, *["–"] * (width - 1)]
    values = [shown(nested_interval(runs, m)) for m in measures]
    if study.split:
        main = next(m for m in MEASURES if m.name == DECIDES)
        others = sorted({r.category for e in runs for r in e.objects} - {study.split})
        values.append(shown(nested_interval(runs, main, study.split)))
        values.append(shown(nested_interval([_without(e, study.split) for e in runs], main)) if others else "–")
    return [
        row.name,
        steps,
        _tokens(row, cells, out),
        str(len(runs)),
        *values,
        _kernel(runs),
        _rewards(row, cells, out),
    ]


def _paper(row: Row) -> list[str]:
    return [f"{row.paper[key]:.{digits}f}" if key in row.paper else "–" for key, digits in (("clip", 1), ("kd", 3))]


def _settings(cells: Sequence[Cell], out: Path, overrides: Sequence[str]) -> str:
    """What was set from outside, for every row (then no row is its file, nor the paper's) or by single processes (their device)."""
    said = []
    if overrides:
        said = [
            f"Set for every cell: `{'`, `'.join(overrides)}`.",
            "In this the rows differ from the files that they are named after, and from the paper's, whose column stands beside them all "
            "the same.",
        ]
    own = [_own_settings(cell, out, overrides) for cell in cells]
    said += [
        f"In {count} of {len(cells)} cells also `{'`, `'.join(one)}`." for one, count in Counter(own).items() if one
    ]
    return "\n".join(said)


def _own_settings(cell: Cell, out: Path, overrides: Sequence[str]) -> tuple[str, ...]:
    """What this cell was made with beside its row's and the study's settings; nothing for one that is not done."""
    used = _result(cell, out).get("overrides", ())
    return tuple(one for one in used if one not in (*overrides, *cell.row.set))


def _passes(cells: Sequence[Cell], overrides: Sequence[str]) -> str:
    """How often a training draws each of its prompts, where rows differ in their number."""
    trained = {cell.row.name: config_of(cell, overrides) for cell in cells if cell.row.config}
    if len({config.prompt_count for config in trained.values()}) < 2:
        return ""
    drawn = [
        f"{name} {c.prompt_count} prompts {c.steps * c.prompts_per_step / c.prompt_count:.1f} times"
        for name, c in trained.items()
    ]
    more = "; dynamic sampling draws more" if any(config.dynamic.enabled for config in trained.values()) else ""
    return f"Drawn at least: {', '.join(drawn)}{more}."


def _kernel(runs: Sequence[Evaluation]) -> str:
    """The mean over seeds and their range: sets are compared as wholes, so objects cannot be drawn again across seeds."""
    values = [e.kernel_distance.value for e in runs if not math.isnan(e.kernel_distance.value)]
    if not values:
        return "–"  # a suite whose prompts have no object meant
    return f"{np.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _without(evaluation: Evaluation, category: str) -> Evaluation:
    return replace(evaluation, objects=tuple(r for r in evaluation.objects if r.category != category))


def _failure(row: Row, cells: Sequence[Cell], out: Path) -> str:
    errors = [out / "cells" / c.id / "error.txt" for c in cells if c.row.name == row.name]
    said = [path.read_text().strip() for path in errors if path.is_file()]
    return f"not run: failed ({said[0][:160]})" if said else "not run"


def _tokens(row: Row, cells: Sequence[Cell], out: Path) -> str:
    """Sampled in all by a training, the mean over its seeds: rows of equal steps need not have spent the same."""
    spent = [r["tokens"] for c in cells if c.row.name == row.name and (r := _result(c, out)).get("tokens")]
    return f"{np.mean(spent) / 1000:,.0f} k" if spent else "–"


def _result(cell: Cell, out: Path) -> dict[str, Any]:
    path = out / "cells" / cell.id / "result.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def _rewards(row: Row, cells: Sequence[Cell], out: Path) -> str:
    """What the policy was paid for, at the beginning and at the end."""
    ends = [paid_of(cells, out, key).get(row.name, {}) for key in ("rewards_first", "rewards")]
    shown_ends = [f"{np.mean(list(paid.values())):.3f}" for paid in ends if paid]
    return " → ".join(shown_ends) or "–"


def _learnt(cells: Sequence[Cell], out: Path) -> str:
    """Whether training moved what it was paid for: where it did not, a row says nothing of its method."""
    first, last = paid_of(cells, out, "rewards_first"), paid_of(cells, out)
    rows = [name for name in last if set(first.get(name, {})) >= set(last[name])]
    rose = [name for name in rows if all(last[name][seed] > first[name][seed] for seed in last[name])]
    if not rows:
        return ""
    if len(rose) == len(rows):
        return "What was paid rose in every seed of every trained row."
    which = "only in " + ", ".join(f"“{name}”" for name in rose) if rose else "in none of the trained rows"
    return (
        f"What was paid rose in every seed {which}. Where it did not, training was too short or too noisy to move even that: "
        "such a row says nothing of its method."
    )


def _points(cell: Cell, out: Path) -> Points:
    """Of its result, or of its run where that is older than the field."""
    return _result(cell, out).get("paid_by_tokens") or paid_by_tokens(out / "cells" / cell.id / "run")


def cheapest_training(cells: Sequence[Cell], out: Path) -> float:
    """Tokens that the cheapest of the finished trainings sampled in all; 0 where none is finished."""
    ends = [points[-1][0] for c in cells if is_done(out / "cells" / c.id) and (points := _points(c, out))]
    return min(ends, default=0.0)


def _at_tokens(row: Row, cells: Sequence[Cell], out: Path, tokens: float) -> str:
    """The mean over the seeds of what was paid when so many tokens were spent."""
    own = [c for c in cells if c.row.name == row.name and is_done(out / "cells" / c.id)]
    found = [value for c in own if (value := paid_at(_points(c, out), tokens)) is not None]
    return f"{np.mean(found):.3f}" if found else "–"


def _equal_tokens(cells: Sequence[Cell], out: Path) -> str:
    tokens = cheapest_training(cells, out)
    if not tokens:
        return ""
    return (
        f"Rows of equal steps do not spend the same. The column `rewards at {tokens / 1000:,.0f} k tokens` reads every training where it "
        "had sampled as many as the cheapest one did in all: its mean over the last quarter of the steps up to there. It compares rows "
        "that are paid by the same judges; evaluators were asked at the end alone."
    )


def _costs(cells: Sequence[Cell], out: Path) -> str:
    rows = [r for c in cells if (r := _result(c, out))]
    if not rows:
        return "Nothing was run yet."
    machines = sorted({str(r.get("provenance", {}).get("machine", "unknown")) for r in rows})
    commits = sorted({str(r.get("provenance", {}).get("commit", "unknown")) for r in rows})
    own = [r for r in rows if "taken_from" not in r]
    shared = (
        f"; {len(rows) - len(own)} cells taken from others whose configs are the same or differ in what cannot act"
        if len(own) < len(rows)
        else ""
    )
    return f"{sum(r['hours'] for r in own):.2f} hours on {'; '.join(machines)}{shared}; commit {', '.join(commits)}."
