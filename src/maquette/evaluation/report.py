"""One self-contained HTML page (works without network) from evaluation folders and training runs."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from maquette.evaluation.compact import pack_mesh
from maquette.evaluation.curves import curves, grouped
from maquette.evaluation.known import unread
from maquette.evaluation.panel import panel
from maquette.evaluation.report_text import report_text
from maquette.evaluation.results import (
    LEVELS,
    Evaluation,
    Measure,
    ObjectResult,
    difference,
    file_stem,
    load_evaluation,
    measures_of,
    null_nan,
    summary,
)
from maquette.outputs import write_text
from maquette.shape.files import read_mesh

PAGE, VIEWER = Path(__file__).parent / "page", Path(__file__).parent / "viewer"
PAGE_BYTES, MESH_SHARE = 24_500_000, 0.6
"""The page stays under 25 MB with any number of systems: what its text leaves is spent on pictures and, this share of it, on meshes."""


def write_report(
    out: Path, systems: Sequence[Path], *, title: str, runs: Sequence[Path] = (), notes: Sequence[str] = ()
) -> Path:
    """Write `out` (HTML) and, beside it, the same tables as Markdown and as JSON; returns `out`.

    `systems` are evaluation folders, the first of them the one that the others are compared with; `runs` are training run
    folders whose metrics.jsonl is drawn; `notes` are sentences for the page's head. ValueError: no system, or several suites.
    """
    evaluations = [load_evaluation(folder) for folder in systems]
    suites = sorted({e.suite for e in evaluations})
    if len(suites) != 1:
        raise ValueError(
            f"a report compares systems on one suite, not on {', '.join(suites) or 'none'}; `maquette leaderboard` takes several"
        )
    measures = measures_of(evaluations)
    panels = [panel(e) for e in evaluations]
    tables = {
        "title": title,
        "notes": [*notes, *_warnings(evaluations)],
        "systems": [_system(e, evaluations[0] if i else None, measures) for i, e in enumerate(evaluations)],
        "measures": [_column(m) for m in measures],
        "levels": [_capital(level) for level in LEVELS],
        "distances": list(dict.fromkeys(name for e in evaluations for name in e.distances)),
        "panels": [{"levels": levels} for levels in panels],
        "failures": [
            [{"id": r.id, "text": r.text, "fault": r.fault} for r in e.objects if r.failed] for e in evaluations
        ],
    }
    drawn = [{"name": run.name, "curves": curves(run)} for run in runs]
    page = tables | {
        "objects": _objects(evaluations, measures),
        "runs": drawn,
        "groups": grouped(name for run in drawn for name in run["curves"]),
    }
    _embed(page["objects"], evaluations, systems, PAGE_BYTES - len(_page(page).encode()))
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, _page(page))
    write_text(out.with_suffix(".md"), report_text(title, tables["notes"], evaluations, panels))
    write_text(
        out.with_suffix(".json"), json.dumps(null_nan(tables | {"objects": _values(evaluations, measures)}), indent=1)
    )
    return out


def _page(data: dict[str, object]) -> str:
    # "</" would end the script element that the data stands in.
    payload = json.dumps(null_nan(data), separators=(",", ":"), allow_nan=False).replace("</", "<\\/")
    parts = {
        "/*STYLE*/": (PAGE / "report.css").read_text(),
        "/*SCRIPT*/": "".join((PAGE / name).read_text() for name in ("common.js", "meshes.js", "report.js")),
        "/*VIEWER*/": (VIEWER / "viewer.min.js").read_text().replace("</script", "<\\/script"),
        # Last: what is written in the data is never taken for a place to fill in.
        "/*DATA*/null": payload,
    }
    text = (PAGE / "report.html").read_text()
    for place, content in parts.items():
        text = text.replace(place, content, 1)
    return text


def _warnings(evaluations: Sequence[Evaluation]) -> list[str]:
    """What a reader must know before comparing."""
    found = []
    for key, what in (("protocol", "camera protocols"), ("clip", "CLIP backbones"), ("evaluators", "evaluators")):
        values = {json.dumps(e.provenance.get(key), sort_keys=True) for e in evaluations}
        if len(values) > 1:
            found.append(f"The systems were measured with different {what}: those numbers are not comparable.")
    counts = {len(e.objects) for e in evaluations}
    if len(counts) > 1:
        found.append(
            f"The systems answered different numbers of prompts ({sorted(counts)}); paired differences use those that they share."
        )
    found += unread(evaluations)
    found += [line for e in evaluations for line in _yes_sayers(e)]
    found += [
        f"{e.system} was measured on one prompt: there are no intervals." for e in evaluations if len(e.objects) == 1
    ]
    return found


def _yes_sayers(evaluation: Evaluation) -> list[str]:
    """Judges that find much of a prompt in what was made for another one."""
    lines = []
    for measure in evaluation.measures():
        control = evaluation.provenance.get("judge controls", {}).get(measure.judge, {})  # type: ignore[union-attr]
        own = evaluation.interval(measure) if measure.name.endswith(": semantics") else None
        if own and control and (control["semantics"] or 0) > own.value / 2:
            lines.append(
                f"{measure.judge} gives {evaluation.system}'s answers {own.value:.2f} for their own prompts and {control['semantics']:.2f} "
                f"for others' ({control['asked']} shown so): it says yes to what is not there, and its semantic score means little."
            )
    return lines


def _column(m: Measure) -> dict[str, object]:
    return {
        "name": m.name,
        "title": m.title,
        "up": m.higher_is_better,
        "level": _capital(m.level),
        "judge": m.judge,
    }


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _system(evaluation: Evaluation, first: Evaluation | None, measures: Sequence[Measure]) -> dict[str, object]:
    """A row of the page's tables: over all objects, and category by category."""
    categories = sorted({r.category for r in evaluation.objects if r.category})
    split = {c: _numbers(evaluation.only(c), first.only(c) if first else None, measures) for c in categories}
    return _numbers(evaluation, first, measures) | {
        "name": evaluation.system,
        "suite": evaluation.suite,
        "seed": evaluation.seed,
        "categories": split,
        "compat": evaluation.compat,
        "provenance": evaluation.provenance,
    }


def _numbers(evaluation: Evaluation, first: Evaluation | None, measures: Sequence[Measure]) -> dict[str, object]:
    """Means, and paired tests against the first system, matched by prompt."""
    tests = {m.name: difference(evaluation, first, m) for m in measures} if first else {}
    changes = {name: asdict(t.difference) | {"p": t.p_value} for name, t in tests.items() if t}
    return {"objects": len(evaluation.objects), "intervals": summary(evaluation), "changes": changes}


def _objects(evaluations: Sequence[Evaluation], measures: Sequence[Measure]) -> list[dict[str, Any]]:
    """One entry per prompt that all systems answered, without pictures and meshes."""
    rows = [{r.id: r for r in e.objects} for e in evaluations]
    return [
        {
            "id": id,
            "text": rows[0][id].text,
            "category": rows[0][id].category,
            "family": rows[0][id].family,
            "answers": [_answer(r[id], measures) for r in rows],
        }
        for id in rows[0]
        if all(id in other for other in rows)
    ]


def _embed(
    objects: Sequence[dict[str, Any]], evaluations: Sequence[Evaluation], folders: Sequence[Path], room: int
) -> None:
    """Puts pictures and meshes into the answers until `room` (bytes of the page) is spent; the largest changes get theirs first."""
    first, last = ({r.id: r.alignment for r in e.objects} for e in (evaluations[0], evaluations[-1]))
    order = sorted(objects, key=lambda o: -abs(last[o["id"]] - first[o["id"]]))
    stages = [stages_of(folder) for folder in folders]
    left = room * (1 - MESH_SHARE)
    for item in order:
        name = file_stem(item["id"])
        found = [
            {stage: _base64(folder / "pictures" / stage / f"{name}.webp") for stage in own}
            for folder, own in zip(folders, stages, strict=True)
        ]
        left = _spend(item, "pictures", found, [sum(map(len, one.values())) for one in found], left)
    left += room * MESH_SHARE
    for item in order:
        packed = [_packed(folder / "meshes" / f"{file_stem(item['id'])}.glb") for folder in folders]
        left = _spend(item, "mesh", packed, list(map(len, packed)), left)


def _spend(item: dict[str, Any], key: str, found: Sequence[object], sizes: Sequence[int], left: float) -> float:
    """Gives every answer of an object its own, where all of them fit; one that is too large is passed over."""
    if sum(sizes) > left:
        return left
    for answer, one in zip(item["answers"], found, strict=True):
        answer[key] = one
    return left - sum(sizes)


def _values(evaluations: Sequence[Evaluation], measures: Sequence[Measure]) -> list[dict[str, object]]:
    """Every object of every system as plain data, for the .json: no pictures, no meshes."""
    return [
        {
            "system": e.system,
            "id": r.id,
            "text": r.text,
            "category": r.category,
            "failed": r.failed,
            "fault": r.fault,
            "words": r.words,
            "values": _rounded(r, measures),
        }
        for e in evaluations
        for r in e.objects
    ]


def stages_of(folder: Path) -> list[str]:
    """The stages that an evaluation folder holds pictures of."""
    pictures = folder / "pictures"
    return sorted(p.name for p in pictures.iterdir() if p.is_dir()) if pictures.is_dir() else []


def _answer(row: ObjectResult, measures: Sequence[Measure]) -> dict[str, Any]:
    return {
        "values": _rounded(row, measures),
        "failed": row.failed,
        "reasoning": list(row.reasoning),
        "fault": row.fault,
        "words": row.words,
        "pictures": {},
        "mesh": "",
    }


def _rounded(row: ObjectResult, measures: Sequence[Measure]) -> dict[str, float]:
    return {m.name: round(float(m.value(row)), 4) for m in measures}


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode() if path.is_file() else ""


def _packed(path: Path) -> str:
    """A mesh as the page holds it; "" where there is none, or one that cannot be shown."""
    try:
        return base64.b64encode(pack_mesh(read_mesh(path))).decode() if path.is_file() else ""
    except ValueError:
        return ""
