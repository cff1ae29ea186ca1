"""One self-contained HTML page (works without network) from evaluation folders and training runs."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from maquette.evaluation.results import (
    MEASURES,
    Evaluation,
    ObjectResult,
    difference,
    load_evaluation,
    markdown_table,
)

HERE = Path(__file__).parent
MESH_BYTES = 12_000_000
"""GLBs are embedded (in base64, a third more) until this is spent: the page stays under 25 MB."""


def write_report(
    out: Path, systems: Sequence[Path], *, title: str, runs: Sequence[Path] = (), notes: Sequence[str] = ()
) -> Path:
    """Write `out` (HTML) and, beside it, the headline table as Markdown; returns `out`.

    `systems` are evaluation folders, the first of them the one that the others are compared with; `runs` are training run
    folders whose metrics.jsonl is drawn; `notes` are sentences for the page's head.
    """
    evaluations = [load_evaluation(folder) for folder in systems]
    data = {
        "title": title,
        "notes": list(notes),
        "systems": [_system(e, evaluations[0]) for e in evaluations],
        "measures": [{"name": m.name, "title": m.title, "up": m.higher_is_better} for m in MEASURES],
        "objects": _objects(evaluations, systems),
        "runs": [{"name": run.name, "curves": curves(run)} for run in runs],
    }
    # "</" would end the script element that the data stands in.
    payload = json.dumps(data, separators=(",", ":")).replace("</", "<\\/")
    page = (HERE / "report.html").read_text()
    page = page.replace("/*VIEWER*/", (HERE / "viewer" / "viewer.min.js").read_text().replace("</script", "<\\/script"))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page.replace("/*DATA*/null", payload))
    out.with_suffix(".md").write_text(markdown_table(evaluations))
    return out


def curves(run: Path) -> dict[str, list[list[float]]]:
    """Each number of a run's metrics.jsonl as [step, value] pairs; a line cut short by a kill is left out."""
    path = run / "metrics.jsonl"
    series: dict[str, list[list[float]]] = {}
    for line in path.read_text().splitlines() if path.is_file() else ():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        for key, value in row.items():
            if key != "step" and isinstance(value, (int, float)) and math.isfinite(value):
                series.setdefault(key, []).append([float(row["step"]), float(value)])
    return series


def _system(evaluation: Evaluation, first: Evaluation) -> dict[str, object]:
    intervals = {m.name: asdict(i) for m in MEASURES if (i := evaluation.interval(m))}
    changes = {
        m.name: asdict(i) for m in MEASURES if evaluation is not first and (i := difference(evaluation, first, m))
    }
    distance = {k: None if math.isnan(v) else v for k, v in asdict(evaluation.kernel_distance).items()}
    return {
        "name": evaluation.system,
        "suite": evaluation.suite,
        "seed": evaluation.seed,
        "intervals": intervals | {"kernel_distance": distance},
        "changes": changes,
        "provenance": evaluation.provenance,
    }


def _objects(evaluations: Sequence[Evaluation], folders: Sequence[Path]) -> list[dict[str, object]]:
    """One entry per prompt, with each system's answer; the largest changes get their meshes first."""
    rows = [{r.id: r for r in e.objects} for e in evaluations]
    shared = [id for id in rows[0] if all(id in other for other in rows)]
    with_mesh = _within_budget(sorted(shared, key=lambda id: _change(id, rows)), folders)
    return [
        {
            "id": id,
            "text": rows[0][id].text,
            "category": rows[0][id].category,
            "family": rows[0][id].family,
            "answers": [_answer(r[id], folder, id in with_mesh) for r, folder in zip(rows, folders, strict=True)],
        }
        for id in shared
    ]


def _change(id: str, rows: Sequence[dict[str, ObjectResult]]) -> float:
    """Sorting key: the worst changes first, then the best, alternating is left to the page."""
    change = rows[-1][id].alignment - rows[0][id].alignment
    return -abs(change)


def _within_budget(ids: Sequence[str], folders: Sequence[Path]) -> set[str]:
    spent, chosen = 0, set()
    for id in ids:
        files = [folder / "meshes" / f"{id}.glb" for folder in folders]
        spent += sum(f.stat().st_size for f in files if f.is_file())
        if spent > MESH_BYTES:
            break
        chosen.add(id)
    return chosen


def _answer(row: ObjectResult, folder: Path, with_mesh: bool) -> dict[str, object]:
    values = {m.name: m.value(row) for m in MEASURES}
    stages = sorted(p.name for p in (folder / "pictures").iterdir()) if (folder / "pictures").is_dir() else []
    pictures = {stage: _base64(folder / "pictures" / stage / f"{row.id}.webp") for stage in stages}
    return {
        "values": {k: None if math.isnan(v) else round(v, 4) for k, v in values.items()},
        "reasoning": list(row.reasoning),
        "pictures": pictures,
        "glb": _base64(folder / "meshes" / f"{row.id}.glb") if with_mesh else "",
    }


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode() if path.is_file() else ""
