"""What an evaluation leaves on disk, and the figures drawn from it. One folder per system: evaluation.json, pictures/, meshes/."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from maquette.evaluation.metrics import Interval, PairedTest, bootstrap_mean, paired_test
from maquette.outputs import write_text


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
    f_score: float = math.nan
    """F-score of surface points at 0.02 against the object meant; NaN likewise."""
    color_error: float = math.nan
    """Mean absolute RGB difference in [0, 1] to the object meant, on the voxels that both fill; NaN likewise."""
    parts_placed: float = math.nan
    """How far the parts that the prompt names fill their places in the object meant; NaN likewise."""
    parts_painted: float = math.nan
    """How far those with a stated colour fill their places in it; NaN likewise."""
    colors_shown: float = math.nan
    """Share of the colours that the prompt names which the surface shows anywhere; NaN where it names none."""
    fault: str = ""
    """Why it failed."""
    clip: float = math.nan
    """CLIP score, 100 × cosine, by the backbone named in the provenance; NaN where none was used."""
    variety: float = math.nan
    """How much the answers to this prompt differ; NaN where there is one."""
    quality: dict[str, float] = field(default_factory=dict)
    """The mesh's soundness, the fields of `geometry.MeshQuality`."""
    judged: dict[str, dict[str, float]] = field(default_factory=dict)
    """Level by level in [0, 1], by `JUDGE (PROMPT VERSION)`; NaN: the judge gave none."""
    words: dict[str, str] = field(default_factory=dict)
    """What each judge said."""


@dataclass(frozen=True)
class Measure:
    """A column of the report."""

    name: str
    title: str
    higher_is_better: bool
    value: Callable[[ObjectResult], float]
    level: str = ""
    """What it speaks about; the report's rows stand together by it."""
    judge: str = ""
    """Whose score it is; "" for what is measured."""


def _attributes(row: ObjectResult) -> float:
    """Mean of the attribute measures that the prompt asks for."""
    asked = [v for v in (row.category_right, row.count_accuracy, row.color_accuracy) if not math.isnan(v)]
    return float(np.mean(asked)) if asked else math.nan


LEVEL_TITLES = {
    "geometry": "multi-view geometric consistency",
    "semantics": "semantic detail alignment",
    "texture": "texture realism",
}
SEMANTICS, GEOMETRY, MEANT = LEVEL_TITLES["semantics"], LEVEL_TITLES["geometry"], "shape of the object meant"
LEVELS = (SEMANTICS, GEOMETRY, LEVEL_TITLES["texture"], MEANT, "variety", "failures")
"""In the report's order."""
MEASURES = (
    Measure("alignment", "text alignment", True, lambda r: r.alignment, SEMANTICS),
    Measure("attributes", "attribute accuracy", True, _attributes, SEMANTICS),
    Measure("category", "category right", True, lambda r: r.category_right, SEMANTICS),
    Measure("counts", "part counts right", True, lambda r: r.count_accuracy, SEMANTICS),
    Measure("colours", "colours right", True, lambda r: r.color_accuracy, SEMANTICS),
    Measure("iou", "IoU with the object meant", True, lambda r: r.iou, MEANT),
    Measure("chamfer", "Chamfer distance", False, lambda r: r.chamfer, MEANT),
    Measure("f_score", "F-score at 0.02", True, lambda r: r.f_score, MEANT),
    Measure("parts_placed", "parts in place", True, lambda r: r.parts_placed, MEANT),
    Measure(
        "parts_painted", "parts in place in their colour", True, lambda r: r.parts_painted, LEVEL_TITLES["texture"]
    ),
    Measure("color_error", "colour error", False, lambda r: r.color_error, LEVEL_TITLES["texture"]),
    Measure("colors_shown", "named colours shown", True, lambda r: r.colors_shown, LEVEL_TITLES["texture"]),
    Measure("clip", "CLIP score", True, lambda r: r.clip, SEMANTICS),
    Measure("variety", "variety within a prompt", True, lambda r: r.variety, "variety"),
    Measure("watertight", "watertight", True, lambda r: r.quality.get("watertight", math.nan), GEOMETRY),
    Measure(
        "largest_share", "area of the largest piece", True, lambda r: r.quality.get("largest_share", math.nan), GEOMETRY
    ),
    Measure(
        "intersecting", "self-intersecting triangles", False, lambda r: _share(r.quality, "intersecting"), GEOMETRY
    ),
    Measure("failed", "failed answers", False, lambda r: float(r.failed), "failures"),
)
"""Measures per object. Distances are of a whole set and stand beside them."""


def _share(quality: dict[str, float], name: str) -> float:
    """As a share of the triangles; a failed answer has none, and the worst share."""
    if not quality:
        return math.nan
    return quality[name] / quality["triangles"] if quality["triangles"] else 1.0


def file_stem(id: str) -> str:
    """A prompt's id as a file's name: what is no letter, digit, dot, dash, underscore or space becomes an underscore."""
    return re.sub(r"[^\w.\- ]", "_", id).lstrip(".") or "_"


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
    distances: dict[str, Interval] = field(default_factory=dict)
    """By pretrained networks, e.g. `KD dinov2-base` (×100) and `FD inception-v3`."""
    compat: dict[str, float] = field(default_factory=dict)
    """The published script's numbers, under names that say what they are."""

    def measures(self) -> tuple[Measure, ...]:
        """Those that some object has, the judges' among them."""
        judged = tuple(
            dict.fromkeys((judge, level) for r in self.objects for judge in r.judged for level in r.judged[judge])
        )
        every = MEASURES + tuple(_judge_measure(judge, level) for judge, level in judged)
        return tuple(m for m in every if any(not math.isnan(m.value(r)) for r in self.objects))

    def interval(self, measure: Measure) -> Interval | None:
        """The measure's mean with its interval over the objects that have it; None where none has."""
        values = np.array([v for v in map(measure.value, self.objects) if not math.isnan(v)])
        return bootstrap_mean(values) if len(values) else None

    def only(self, category: str) -> Evaluation:
        """The objects of one category; distances between sets are of the whole suite and are left out."""
        rows = tuple(r for r in self.objects if r.category == category)
        nothing = Interval(math.nan, math.nan, math.nan, len(rows))
        return replace(self, objects=rows, kernel_distance=nothing, distances={}, compat={})


def _judge_measure(judge: str, level: str) -> Measure:
    def value(row: ObjectResult) -> float:
        return row.judged.get(judge, {}).get(level, math.nan)

    title = LEVEL_TITLES.get(level, level)
    return Measure(f"{judge}: {level}", f"{title} by {judge}", True, value, title, judge)


def measures_of(evaluations: Sequence[Evaluation]) -> tuple[Measure, ...]:
    """Every measure that one of the evaluations has, in one order."""
    found = {m.name: m for e in evaluations for m in e.measures()}
    first = [m.name for m in MEASURES if m.name in found]
    return tuple(found[name] for name in dict.fromkeys([*first, *found]))


def difference(after: Evaluation, before: Evaluation, measure: Measure) -> PairedTest | None:
    """Paired test over the objects that both have, matched by id; None where they share none that is measured."""
    earlier = {r.id: measure.value(r) for r in before.objects}
    pairs = [(measure.value(r), earlier.get(r.id, math.nan)) for r in after.objects]
    pairs = [p for p in pairs if not math.isnan(p[0] + p[1])]
    if not pairs:
        return None
    a, b = np.array(pairs).T
    return paired_test(a, b)


def save_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Write `evaluation.json` (NaN as null), with the summary in it for readers without this package."""
    data = asdict(evaluation) | {"summary": summary(evaluation)}
    text = json.dumps(null_nan(data), indent=1)
    write_text(folder / "evaluation.json", text)


def summary(evaluation: Evaluation) -> dict[str, dict]:
    """Every measure's mean with its interval, distances among them, as plain data."""
    found = {m.name: asdict(i) for m in evaluation.measures() if (i := evaluation.interval(m))}
    distances = {name: asdict(i) for name, i in evaluation.distances.items()}
    return found | {"kernel_distance": asdict(evaluation.kernel_distance)} | distances


def load_evaluation(folder: Path) -> Evaluation:
    """The evaluation in a folder; ValueError where there is none, or another thing by that name."""
    path = folder / "evaluation.json"
    if not path.is_file():
        raise ValueError(f"{folder} holds no evaluation.json; run `maquette evaluate` with --out {folder}")
    try:
        data = json.loads(path.read_text())
        known = {f.name for f in fields(ObjectResult)}
        rows = tuple(ObjectResult(**{k: _back(v) for k, v in row.items() if k in known}) for row in data["objects"])
        return Evaluation(
            data["system"],
            data["suite"],
            data["seed"],
            rows,
            _interval(data["kernel_distance"]),
            data["provenance"],
            {name: _interval(i) for name, i in data.get("distances", {}).items()},
            data.get("compat", {}),
        )
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not what `maquette evaluate` writes ({type(error).__name__}: {error})") from error


def _back(value: Any) -> Any:
    """null is NaN again, a list a tuple; also within the judges' scores."""
    if value is None:
        return math.nan
    if isinstance(value, list):
        return tuple(value)
    return {k: _back(v) for k, v in value.items()} if isinstance(value, dict) else value


def _interval(data: dict) -> Interval:
    values: dict[str, Any] = {k: math.nan if v is None else v for k, v in data.items()}
    return Interval(**values)


def null_nan(value: object) -> object:
    """The same data, NaN as None: JSON has none."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {k: null_nan(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [null_nan(v) for v in value]
    return value


def cell(interval: Interval | None) -> str:
    """An interval in a table; – where there is nothing, the bare value where it has no interval."""
    if interval is None or math.isnan(interval.value):
        return "–"
    return f"{interval.value:.3f}" if math.isnan(interval.low) else str(interval)
