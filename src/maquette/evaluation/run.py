"""Evaluates a system on a suite: answers → measures by networks that never rewarded it, pictures and meshes for the report."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from maquette.evaluation.answers import VIEW_SIZE, Answers, System, write_answers
from maquette.evaluation.asking import ask_all, ask_controls, control_record
from maquette.evaluation.geometry import (
    DIAGONAL,
    chamfer_distance,
    color_error,
    f_score,
    mesh_quality,
    sampled_points,
    voxel_iou,
)
from maquette.evaluation.judges import Ask, Verdict, variety
from maquette.evaluation.known import RECORD, known_shares
from maquette.evaluation.metrics import Interval, kernel_distance_interval, kernel_record
from maquette.evaluation.networks import COUNTS, Attributes, Evaluators
from maquette.evaluation.palette import colors_shown, surface_colors
from maquette.evaluation.places import mean_or_nan, parts_in_place
from maquette.evaluation.pretrained import Gathered, Pretrained, compat_numbers, look, set_distances
from maquette.evaluation.references import Reference, References
from maquette.evaluation.results import Evaluation, ObjectResult, file_stem, save_evaluation
from maquette.rendering.cameras import CAMERAS
from maquette.rendering.rasterise import render
from maquette.tracking import progress
from maquette.types import Prompt

WORST_ALIGNMENT = -1.0
"""A failed answer's alignment: the least a cosine can be."""
UNPAINTED = dict.fromkeys(("color_accuracy", "colors_shown", "color_error", "parts_painted"), math.nan)
"""What is not measured of a system that makes shapes and paints none of them; one that makes none has the worst of everything."""
UNPAINTED_NOTE = {"paint": "no mesh has any: colours are not measured"}
UNKNOWN = Interval(math.nan, math.nan, math.nan, 0)


def evaluate(
    system: System,
    prompts: Sequence[Prompt],
    *,
    name: str,
    suite: str,
    references: References,
    evaluators: Evaluators,
    out: Path,
    others: Sequence[System] = (),
    networks: Pretrained | None = None,
    judges: Mapping[str, Ask] | None = None,
    seed: int = 0,
    chunk: int = 32,
    provenance: dict[str, object] | None = None,
) -> Evaluation:
    """Measure one answer per prompt and write evaluation.json, pictures/ and meshes/ into `out`.

    `others` are the same system drawn again, for the variety of its answers; `judges` are asked about every shape. Prompts without a
    reference have no IoU, F-score or Chamfer distance, a suite with fewer than two no kernel distance, unpainted shapes no colours.
    """
    check_names(prompts)
    networks = networks or Pretrained()
    rows: list[ObjectResult] = []
    features: list[np.ndarray] = []
    control: list[Verdict] = []
    gathered, paint = Gathered(), set[bool]()
    starts = range(0, len(prompts), chunk)
    for start in progress(starts, f"evaluate {name} on {suite}", len(starts)):
        part = tuple(prompts[start : start + chunk])
        answers = system(part)
        seen = unit_scale(evaluators.features(answers.views))
        clip = look(networks, part, answers.meshes, answers.failed, references, gathered)
        spread = varieties(answers, seen, [other(part) for other in others], evaluators)
        verdicts = ask_all(part, answers, judges or {})
        control += ask_controls(prompts, start, answers, judges or {})
        rows += measure(part, answers, references, evaluators, clip, spread, verdicts)
        paint |= {mesh.color is not None for mesh, bad in zip(answers.meshes, answers.failed, strict=True) if not bad}
        features.append(comparable(part, answers, references, seen, evaluators))
        write_answers(part, answers, out)
    meant = {place: references[p.id] for place, p in enumerate(prompts) if p.id in references}
    distance, record = own_distance(np.concatenate(features), meant, evaluators, seed)
    distances, more = set_distances(gathered, seed)
    notes = _notes(prompts, evaluators, networks, 1 + len(others), {"kernel distance": record, **more})
    notes |= ({"judge controls": control_record(control)} if control else {}) | (provenance or {})
    if paint == {False}:
        rows, notes = [replace(row, **UNPAINTED) for row in rows], notes | UNPAINTED_NOTE
    evaluation = Evaluation(name, suite, seed, tuple(rows), distance, notes, distances, compat_numbers(gathered))
    save_evaluation(evaluation, out)
    return evaluation


def check_names(prompts: Sequence[Prompt]) -> None:
    """ValueError where two prompts would have one file: one would be measured by the other's answer."""
    taken: dict[str, str] = {}
    for prompt in prompts:
        stem = file_stem(prompt.id)
        if stem in taken:
            raise ValueError(
                f"the prompts {taken[stem]!r} and {prompt.id!r} would both have the file name {stem}: give one another id"
            )
        taken[stem] = prompt.id


def _notes(
    prompts: Sequence[Prompt],
    evaluators: Evaluators,
    networks: Pretrained,
    answers: int,
    distances: dict[str, object],
) -> dict[str, object]:
    """What the numbers were made by: two evaluations are comparable where these agree."""
    asked = json.dumps([(prompt.id, prompt.text) for prompt in prompts])
    return {
        "prompts": hashlib.sha256(asked.encode()).hexdigest()[:12],
        "evaluators": dict(evaluators.held_out),
        "views": "maquette-6",
        "protocol": networks.protocol.name if networks.active else "maquette",
        "clip": networks.clip.name if networks.clip else "",
        "distances": distances,
        "answers per prompt": answers,
        RECORD: known_shares(prompts, evaluators),
    }


def own_distance(
    features: Float32[np.ndarray, "a d"], meant: Mapping[int, Reference], evaluators: Evaluators, seed: int
) -> tuple[Interval, dict[str, object] | str]:
    """The small evaluators' kernel distance ×100 to the objects meant (by the answer's place), and what it was computed with."""
    if min(len(features), len(meant)) < 2:
        return UNKNOWN, f"not computed: it needs at least 2 objects on both sides, not {len(features)} and {len(meant)}"
    reference = reference_features(list(meant.values()), evaluators)
    partners, bare = np.array(list(meant)), sum(not one.painted() for one in meant.values())
    record = dict(kernel_record(features, reference, partners=partners)) | {
        "features": "maquette recogniser, rows of mean square 1",
        "a row": "one object, its six views together",
        "references without paint": f"{bare}, drawn grey like their answers",
    }
    return kernel_distance_interval(features, reference, partners=partners, seed=seed), record


def comparable(
    prompts: Sequence[Prompt],
    answers: Answers,
    references: References,
    seen: Float32[np.ndarray, "a d"],
    evaluators: Evaluators,
) -> Float32[np.ndarray, "a d"]:
    """The answers' features as a distance takes them: drawn without paint where the object meant has none, else grey would be nearest."""
    bare = [i for i, p in enumerate(prompts) if p.id in references and not references[p.id].painted()]
    if not bare:
        return seen
    found, meshes = seen.copy(), [answers.meshes[i] for i in bare]
    views = render(meshes, CAMERAS["maquette-6"], size=VIEW_SIZE, antialias=True, paint="grey")
    found[bare] = unit_scale(evaluators.features(views))
    return found


def measure(
    prompts: Sequence[Prompt],
    answers: Answers,
    references: References,
    evaluators: Evaluators,
    clip: Float32[np.ndarray, " a"],
    spread: Sequence[float],
    verdicts: Sequence[Sequence[Verdict]],
) -> list[ObjectResult]:
    """One row per prompt, in the prompts' order."""
    alignment = evaluators.alignment([p.text for p in prompts], answers.views)
    seen, colors = evaluators.attributes(answers.views), surface_colors(answers.meshes)
    rows = []
    for i, prompt in enumerate(prompts):
        bad = bool(answers.failed[i])
        category, counts, colored = attribute_accuracy(prompt, seen, i)
        rows.append(
            ObjectResult(
                id=prompt.id,
                text=prompt.text,
                category=prompt.category,
                family=prompt.family,
                failed=bad,
                alignment=WORST_ALIGNMENT if bad else float(alignment[i]),
                category_right=_unless(bad, category),
                count_accuracy=_unless(bad, counts),
                color_accuracy=_unless(bad, colored),
                colors_shown=_unless(bad, colors_shown(prompt, colors[i])),
                **shape_errors(prompt, answers, i, references.get(prompt.id)),
                reasoning=answers.reasoning[i],
                fault=answers.faults[i],
                clip=float(clip[i]),
                variety=spread[i],
                quality={k: float(v) for k, v in asdict(mesh_quality(answers.meshes[i])).items()},
                judged={f"{v.judge} ({v.version})": dict(v.scores) for v in verdicts[i]},
                words={v.judge: v.words for v in verdicts[i]},
            )
        )
    return rows


def attribute_accuracy(prompt: Prompt, seen: Attributes, answer: int) -> tuple[float, float, float]:
    """Category, counts and colours of one answer as shares that the recogniser confirms.

    NaN where the prompt asks for none, or only for what the recogniser never learnt: it says nothing about those.
    """
    category = float(seen.family(answer) == prompt.family) if prompt.family in seen.families else math.nan
    known = [part for part in prompt.parts if part.name in seen.parts]
    # The recogniser's last class is "so many or more".
    counts = [float(seen.count(answer, p.name) == min(p.count, COUNTS - 1)) for p in known if p.count]
    colors = [
        float(seen.count(answer, part.name) > 0 and seen.color(answer, part.name) == part.color)
        for part in known
        if part.color in seen.colors
    ]
    return category, mean_or_nan(counts), mean_or_nan(colors)


def shape_errors(prompt: Prompt, answers: Answers, i: int, reference: Reference | None) -> dict[str, float]:
    """IoU, Chamfer distance, F-score, parts and colour error to the object meant; NaN where the prompt does not determine the shape."""
    if reference is None or not reference.determined:
        return dict.fromkeys(("iou", "chamfer", "f_score", "parts_placed", "parts_painted", "color_error"), math.nan)
    occupancy, meant = answers.voxels.occupancy[i], reference.voxels(answers.voxels.resolution)
    color = answers.voxels.color[i] if answers.voxels.color is not None else None
    placed, painted = math.nan, math.nan
    if reference.places is not None:
        there = occupancy & ~answers.failed[i]
        placed, painted = parts_in_place(prompt, reference.places(meant.resolution), meant, there, color)
    parts = {"parts_placed": placed, "parts_painted": painted}
    if answers.failed[i] or not occupancy.any():
        return {"iou": 0.0, "chamfer": DIAGONAL, "f_score": 0.0, "color_error": 1.0, **parts}
    points = sampled_points(answers.meshes[i]), sampled_points(reference.mesh())
    return {
        "iou": voxel_iou(occupancy, meant.occupancy[0]),
        "chamfer": chamfer_distance(occupancy, meant.occupancy[0]),
        "f_score": f_score(*points),
        "color_error": color_error(color, occupancy, meant),
        **parts,
    }


def varieties(answers: Answers, seen: np.ndarray, others: Sequence[Answers], evaluators: Evaluators) -> list[float]:
    """How much each prompt's answers differ; NaN where there is only one."""
    if not others:
        return [math.nan] * len(seen)
    features = np.stack([seen, *(unit_scale(evaluators.features(o.views)) for o in others)], axis=1)
    failed = np.stack([answers.failed, *(o.failed for o in others)], axis=1)
    return [float(v) for v in variety(features, failed)]


def reference_features(
    meant: Sequence[Reference], evaluators: Evaluators, chunk: int = 64
) -> Float32[np.ndarray, "m d"]:
    """Evaluator features of the objects meant, meshed and rendered like any answer."""
    features = []
    for start in range(0, len(meant), chunk):
        meshes = [reference.mesh() for reference in meant[start : start + chunk]]
        views = render(meshes, CAMERAS["maquette-6"], size=VIEW_SIZE, antialias=True)
        features.append(unit_scale(evaluators.features(views)))
    return np.concatenate(features)


def unit_scale(features: Float32[np.ndarray, "m d"]) -> Float32[np.ndarray, "m d"]:
    """Each row scaled to a mean square of 1, so that x·y / d in the kernel is a cosine: the cubic kernel is for features of that
    size, and on larger ones a few long vectors would be the whole distance."""
    return features / np.sqrt((features**2).mean(1, keepdims=True) + 1e-12)


def _unless(bad: bool, value: float) -> float:
    """The value, or 0 for a failed answer; what the prompt does not ask for stays NaN."""
    return value if math.isnan(value) or not bad else 0.0
