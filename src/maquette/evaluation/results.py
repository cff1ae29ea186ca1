"""What an evaluation leaves on disk, and the figures drawn from it. One folder per system: evaluation.json, pictures/, meshes/."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from maquette.evaluation.metrics import Interval, bootstrap_mean, paired_difference


@dataclass(frozen=True)
class ObjectResult:
    """One prompt's answer. NaN stands for 'the prompt does not ask'; a failed answer has the worst value of each measure."""

    id: str
    text: str
    category: str
    family: str
    failed: bool
    alignment: float
    """The evaluator's text–view similarity; higher is closer."""
    category_right: float
    """1 where the recogniser sees the prompt's kind of object."""
    count_accuracy: float
    """Share of the prompt's counted parts whose count the recogniser confirms."""
    color_accuracy: float
    """Share of the prompt's coloured parts whose colour the recogniser confirms."""
    iou: float
    """Voxel IoU with the program's own object; NaN where the prompt does not determine the shape."""
    chamfer: float
    """Chamfer distance to it, in units of the unit cube; NaN likewise."""
    reasoning: tuple[str, ...] = ()
    rewards: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Measure:
    """A column of the report."""

    name: str
    title: str
    higher_is_better: bool
    value: Callable[[ObjectResult], float]


def _attributes(row: ObjectResult) -> float:
    """Mean of the attribute measures that the prompt asks for."""
    asked = [v for v in (row.category_right, row.count_accuracy, row.color_accuracy) if not math.isnan(v)]
    return float(np.mean(asked)) if asked else math.nan


MEASURES = (
    Measure("alignment", "text alignment", True, lambda r: r.alignment),
    Measure("attributes", "attribute accuracy", True, _attributes),
    Measure("category", "category right", True, lambda r: r.category_right),
    Measure("counts", "part counts right", True, lambda r: r.count_accuracy),
    Measure("colours", "colours right", True, lambda r: r.color_accuracy),
    Measure("iou", "IoU with the object meant", True, lambda r: r.iou),
    Measure("chamfer", "Chamfer distance", False, lambda r: r.chamfer),
    Measure("failed", "failed answers", False, lambda r: float(r.failed)),
)
"""Measures per object. The kernel distance is of a whole set and stands beside them."""


@dataclass(frozen=True)
class Evaluation:
    """One system on one suite."""

    system: str
    suite: str
    seed: int
    objects: tuple[ObjectResult, ...]
    kernel_distance: Interval
    """×100, between view features of the answers and of the programs' own objects; lower is closer."""
    provenance: dict[str, object]

    def interval(self, measure: Measure) -> Interval | None:
        """The measure's mean with its interval over the objects that have it; None where none has."""
        values = np.array([v for v in map(measure.value, self.objects) if not math.isnan(v)])
        return bootstrap_mean(values) if len(values) else None


def difference(after: Evaluation, before: Evaluation, measure: Measure) -> Interval | None:
    """Paired difference over the objects that both have, matched by id."""
    earlier = {r.id: measure.value(r) for r in before.objects}
    pairs = [(measure.value(r), earlier.get(r.id, math.nan)) for r in after.objects]
    pairs = [p for p in pairs if not math.isnan(p[0] + p[1])]
    if not pairs:
        return None
    a, b = np.array(pairs).T
    return paired_difference(a, b)


def save_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Write `evaluation.json` (NaN as null), with the summary in it for readers without this package."""
    data = asdict(evaluation)
    data["summary"] = {m.name: asdict(i) for m in MEASURES if (i := evaluation.interval(m))}
    data["summary"]["kernel_distance"] = asdict(evaluation.kernel_distance)
    text = json.dumps(_null_nan(data), indent=1)
    temporary = folder / ".evaluation.json"
    temporary.write_text(text)
    temporary.replace(folder / "evaluation.json")


def load_evaluation(folder: Path) -> Evaluation:
    """The evaluation in a folder; ValueError where there is none."""
    path = folder / "evaluation.json"
    if not path.is_file():
        raise ValueError(f"{folder} holds no evaluation.json; run `maquette evaluate` with --out {folder}")
    data = json.loads(path.read_text())
    rows = tuple(
        ObjectResult(**{k: math.nan if v is None else tuple(v) if isinstance(v, list) else v for k, v in row.items()})
        for row in data["objects"]
    )
    return Evaluation(
        data["system"], data["suite"], data["seed"], rows, _interval(data["kernel_distance"]), data["provenance"]
    )


def _interval(data: dict) -> Interval:
    return Interval(**{k: math.nan if v is None else v for k, v in data.items()})


def _null_nan(value: object) -> object:
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, dict):
        return {k: _null_nan(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_null_nan(v) for v in value]
    return value


def markdown_table(evaluations: Sequence[Evaluation]) -> str:
    """The headline table: a row per system, a column per measure with its 95 % interval."""
    titles = ["system", *(m.title for m in MEASURES), "kernel distance ×100"]
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    for e in evaluations:
        cells = [str(e.interval(m) or "–") for m in MEASURES]
        lines.append("| " + " | ".join([e.system, *cells, str(e.kernel_distance)]) + " |")
    return "\n".join(lines) + "\n"
