"""A study's page: our table with intervals beside the paper's column, curves, pictures, and what the evidence says of each claim."""

from __future__ import annotations

import base64
import html
import io
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from maquette.evaluation.metrics import Interval, bootstrap_nested
from maquette.evaluation.results import MEASURES, Evaluation, Measure, load_evaluation
from maquette.evaluation.results import cell as shown
from maquette.studies.grid import Cell, Claim, Row, Study
from maquette.studies.queue import is_done
from maquette.tracking import read_metrics

DECIDES = "alignment"
"""The measure that a claim is decided by: agreement of text and views, as CLIP is in the paper."""
COLUMNS = ("alignment", "attributes", "iou", "chamfer", "failed")
PICTURES = 4


def write_page(study: Study, cells: Sequence[Cell], out: Path, *, suite: str) -> Path:
    """Writes `page.html` and the same without pictures as `page.md`; returns the first."""
    found = results_of(cells, out)
    text = markdown(study, cells, found, out, suite)
    (out / "page.md").write_text(text)
    body = [_html_of(text), _curves(study, cells, out), _gallery(study, cells, found, out)]
    page = PAGE.replace("TITLE", html.escape(study.title)).replace("BODY", "\n".join(filter(None, body)))
    (out / "page.html").write_text(page)
    return out / "page.html"


def results_of(cells: Sequence[Cell], out: Path) -> dict[str, dict[int, Evaluation]]:
    """The evaluations that are done, by row and seed."""
    found: dict[str, dict[int, Evaluation]] = {}
    for one in cells:
        folder = out / "cells" / one.id
        if is_done(folder):
            found.setdefault(one.row.name, {})[one.seed] = load_evaluation(folder / "evaluation")
    return found


def matrix(evaluations: Sequence[Evaluation], measure: Measure, ids: Sequence[str], category: str = "") -> np.ndarray:
    """[s n]: the measure by seed and object, of objects that every seed has; a failed answer has its worst value."""
    rows = [{r.id: measure.value(r) for r in e.objects if not category or r.category == category} for e in evaluations]
    kept = [id for id in ids if all(not math.isnan(row.get(id, math.nan)) for row in rows)]
    return np.array([[row[id] for id in kept] for row in rows]).reshape(len(rows), len(kept))


def interval(evaluations: Sequence[Evaluation], measure: Measure, category: str = "") -> Interval | None:
    """Over seeds and objects; None where nothing is measured."""
    values = matrix(evaluations, measure, [r.id for r in evaluations[0].objects], category)
    return bootstrap_nested(values) if values.size else None


def verdict(claim: Claim, found: dict[str, dict[int, Evaluation]]) -> tuple[str, Interval | None]:
    """What the evidence says: the paired difference over shared seeds and objects, and whether its interval excludes 0."""
    better, worse = found.get(claim.better, {}), found.get(claim.worse, {})
    seeds = sorted(set(better) & set(worse))
    if not seeds:
        return "not run", None
    measure = next(m for m in MEASURES if m.name == DECIDES)
    ids = [r.id for r in worse[seeds[0]].objects if r.id in {x.id for x in better[seeds[0]].objects}]
    # One list of objects for both sides: what either lacks is left out of both.
    a = matrix([better[s] for s in seeds], measure, ids, claim.category)
    b = matrix([worse[s] for s in seeds], measure, ids, claim.category)
    if a.shape != b.shape or not a.size:
        return "not measured on the same objects", None
    gain = bootstrap_nested(a - b)
    if len(seeds) < 3:
        return f"cannot be decided with {len(seeds)} of 3 seeds", gain
    return ("agrees" if gain.low > 0 else "disagrees" if gain.high < 0 else "cannot be decided"), gain


def markdown(
    study: Study, cells: Sequence[Cell], found: dict[str, dict[int, Evaluation]], out: Path, suite: str
) -> str:
    """The page as text."""
    seeds = sorted({c.seed for c in cells})
    done = sum(len(runs) for runs in found.values())
    parts = [
        f"# {study.title}",
        study.question,
        f"{done} of {len(cells)} cells are done ({len(seeds)} seeds). Measured on `{suite}`; the paper's column is {study.source}. "
        "The two columns have different models, data and metrics: compare their directions, never their values. "
        "Intervals are 95 %, over seeds and objects.",
        f"Held fixed: {study.fixed}",
        _table(study, cells, found, out),
        "## What the evidence says",
        "\n".join(_claim_line(claim, found) for claim in study.claims),
        _costs(cells, out),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(study: Study, cells: Sequence[Cell], found: dict[str, dict[int, Evaluation]], out: Path) -> str:
    measures = [m for name in COLUMNS for m in MEASURES if m.name == name]
    split = [f"{DECIDES}: {study.split}", f"{DECIDES}: all but {study.split}"] if study.split else []
    titles = ["row", "steps", "seeds", *(m.title for m in measures), *split, "rewards, end of training"]
    lines = ["| " + " | ".join([*titles, "paper: CLIP", "paper: KD ×100"]) + " |", "|" + "---|" * (len(titles) + 2)]
    for row in study.rows:
        lines.append("| " + " | ".join(_row(row, study, cells, found, out, measures)) + " |")
    return "\n".join(lines)


def _row(
    row: Row,
    study: Study,
    cells: Sequence[Cell],
    found: dict[str, dict[int, Evaluation]],
    out: Path,
    measures: Sequence[Measure],
) -> list[str]:
    paper = [f"{row.paper[key]:g}" if key in row.paper else "–" for key in ("clip", "kd")]
    runs = list(found.get(row.name, {}).values())
    steps = next((str(c.steps) for c in cells if c.row.name == row.name), "–")
    width = len(measures) + 1 + 2 * bool(study.split)
    if not runs:
        why = f"not run: {row.needs}" if row.needs else _failure(row, cells, out)
        return [row.name, steps, "0", why, *["–"] * (width - 1), *paper]
    values = [shown(interval(runs, m)) for m in measures]
    if study.split:
        main = next(m for m in MEASURES if m.name == DECIDES)
        others = sorted({r.category for e in runs for r in e.objects} - {study.split})
        values.append(shown(interval(runs, main, study.split)))
        values.append(shown(interval([_without(e, study.split) for e in runs], main)) if others else "–")
    return [row.name, steps, str(len(runs)), *values, _rewards(row, cells, out), *paper]


def _without(evaluation: Evaluation, category: str) -> Evaluation:
    return replace(evaluation, objects=tuple(r for r in evaluation.objects if r.category != category))


def _failure(row: Row, cells: Sequence[Cell], out: Path) -> str:
    errors = [out / "cells" / c.id / "error.txt" for c in cells if c.row.name == row.name]
    said = [path.read_text().strip() for path in errors if path.is_file()]
    return f"not run: failed ({said[0][:160]})" if said else "not run"


def _rewards(row: Row, cells: Sequence[Cell], out: Path) -> str:
    """The mean of all rewards over the last quarter of the trainings: what the policy was paid for."""
    values = []
    for one in cells:
        path = out / "cells" / one.id / "result.json"
        if one.row.name == row.name and path.is_file():
            rewards = json.loads(path.read_text()).get("rewards", {})
            values += [float(np.mean(list(rewards.values())))] if rewards else []
    return f"{np.mean(values):.3f}" if values else "–"


def _claim_line(claim: Claim, found: dict[str, dict[int, Evaluation]]) -> str:
    said, gain = verdict(claim, found)
    where = f" (only {claim.category})" if claim.category else ""
    numbers = f": {DECIDES} {claim.better} − {claim.worse}{where} {gain}" if gain else ""
    return f"- {claim.says} → **{said}**{numbers}"


def _costs(cells: Sequence[Cell], out: Path) -> str:
    paths = [out / "cells" / c.id / "result.json" for c in cells]
    rows = [json.loads(path.read_text()) for path in paths if path.is_file()]
    if not rows:
        return "Nothing was run yet."
    machines = sorted({str(r.get("provenance", {}).get("machine", "unknown")) for r in rows})
    commits = sorted({str(r.get("provenance", {}).get("commit", "unknown")) for r in rows})
    return f"{sum(r['hours'] for r in rows):.2f} hours on {'; '.join(machines)}; commit {', '.join(commits)}."


def _curves(study: Study, cells: Sequence[Cell], out: Path) -> str:
    """Mean reward by step, a line per row, seeds averaged."""
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.subplots()
    drawn = 0
    for row in study.rows:
        series = [
            _mean_rewards(out / "cells" / c.id / "run" / "metrics.jsonl") for c in cells if c.row.name == row.name
        ]
        series = [s for s in series if len(s)]
        if series:
            length = min(map(len, series))
            axes.plot(np.mean([s[:length] for s in series], axis=0), label=row.name, linewidth=1.4)
            drawn += 1
    if drawn:
        axes.set(xlabel="step", ylabel="mean of all rewards")
        axes.legend(fontsize=8)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    return _image(picture.getvalue(), "rewards by step", "png") if drawn else ""


def _mean_rewards(path: Path) -> list[float]:
    rows = [[v for k, v in line.items() if k.startswith("reward/") and v is not None] for line in read_metrics(path)]
    return [float(np.mean(row)) for row in rows if row]


def _gallery(study: Study, cells: Sequence[Cell], found: dict[str, dict[int, Evaluation]], out: Path) -> str:
    """The first prompts, answered by every row with its first seed."""
    parts = []
    for row in study.rows:
        done = [c for c in cells if c.row.name == row.name and c.seed in found.get(row.name, {})]
        if not done:
            continue
        folder = out / "cells" / done[0].id / "evaluation" / "pictures"
        stages = sorted(folder.iterdir()) if folder.is_dir() else []
        last = next((s for s in stages if s.name == "fine"), stages[-1] if stages else None)
        files = sorted(last.glob("*.webp"))[:PICTURES] if last else []
        pictures = "".join(_image(f.read_bytes(), f.stem, "webp") for f in files)
        parts.append(f"<h3>{html.escape(row.name)}</h3><p>{pictures}</p>")
    return "<h2>Answers</h2>" + "".join(parts) if parts else ""


def _image(data: bytes, alt: str, kind: str) -> str:
    return f'<img alt="{html.escape(alt)}" src="data:image/{kind};base64,{base64.b64encode(data).decode()}">'


def _html_of(text: str) -> str:
    """Headings, paragraphs, one list and one table: all that a page's text has."""
    blocks = []
    for block in text.strip().split("\n\n"):
        lines = [html.escape(line, quote=False) for line in block.splitlines()]
        if lines[0].startswith("#"):
            level = len(lines[0]) - len(lines[0].lstrip("#"))
            blocks.append(f"<h{level}>{lines[0].lstrip('# ')}</h{level}>")
        elif lines[0].startswith("|"):
            rows = [
                "".join(f"<td>{c.strip()}</td>" for c in line.strip("|").split("|")) for line in (lines[0], *lines[2:])
            ]
            blocks.append("<table>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>")
        elif lines[0].startswith("- "):
            blocks.append("<ul>" + "".join(f"<li>{line[2:]}</li>" for line in lines) + "</ul>")
        else:
            blocks.append(f"<p>{' '.join(lines)}</p>")
    return "\n".join(blocks)


PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>TITLE</title>
<style>body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 1em;color:#23262b}
table{border-collapse:collapse;font-size:13px;display:block;overflow-x:auto}td{border:1px solid #e3e5e8;padding:5px 8px}
tr:first-child td{font-weight:600;background:#f3f3f0}img{max-width:100%;border-radius:6px;margin-right:6px}</style>
BODY</html>"""
