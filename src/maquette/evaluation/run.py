"""Evaluates a system on a suite: answers → measures by networks that never rewarded it, pictures and meshes for the report."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from PIL import Image

from maquette.corpus.program import Design
from maquette.corpus.rasterise import voxelise_design
from maquette.evaluation.metrics import Interval, chamfer_distance, kernel_distance_interval, voxel_iou
from maquette.evaluation.networks import Attributes, Evaluators
from maquette.evaluation.results import Evaluation, ObjectResult, save_evaluation
from maquette.prompts.suites import DETERMINED
from maquette.rendering.cameras import CAMERAS
from maquette.rendering.rasterise import render
from maquette.shape.files import write_mesh
from maquette.shape.surface import SurfaceMesher
from maquette.tracking import progress
from maquette.types import Generation, Mesh, Prompt, Views, Voxels

Answer = Callable[[Sequence[Prompt]], Generation]
"""A system: prompts in, one answer each (group size 1) out."""

PICTURE_SIZE = 200
VIEW_SIZE = 64
WORST_ALIGNMENT = -1.0
"""A failed answer's alignment: the least a cosine can be."""


def evaluate(
    answer: Answer,
    prompts: Sequence[Prompt],
    *,
    system: str,
    suite: str,
    references: dict[str, tuple[Design, float]],
    evaluators: Evaluators,
    out: Path,
    seed: int = 0,
    chunk: int = 32,
    provenance: dict[str, object] | None = None,
) -> Evaluation:
    """Measure one answer per prompt and write evaluation.json, pictures/ and meshes/ into `out`.

    `references` gives, per prompt id, the object meant and how far the prompt determines it; prompts without one have no
    IoU and no Chamfer distance, and a suite without any has a kernel distance of NaN.
    """
    rows: list[ObjectResult] = []
    features: list[np.ndarray] = []
    starts = range(0, len(prompts), chunk)
    for start in progress(starts, f"evaluate {system} on {suite}", len(starts)):
        part = tuple(prompts[start : start + chunk])
        generation = answer(part)
        fine = generation.stages[-1]
        rows += measure(part, fine.views, fine.voxels, fine.failed, references, evaluators, _reasoning(generation))
        features.append(unit_scale(evaluators.features(fine.views)))
        for stage in generation.stages:
            write_pictures(part, stage.meshes, out / "pictures" / stage.name)
        write_meshes(part, fine.meshes, out / "meshes")
    designs = [references[p.id][0] for p in prompts if p.id in references]
    distance = Interval(math.nan, math.nan, math.nan, len(rows))
    if designs:
        distance = kernel_distance_interval(
            np.concatenate(features), reference_features(designs, evaluators), seed=seed
        )
    notes = {
        "evaluators": dict(evaluators.held_out),
        "views": "maquette-6",
        "answers per prompt": 1,
        **(provenance or {}),
    }
    evaluation = Evaluation(system, suite, seed, tuple(rows), distance, notes)
    save_evaluation(evaluation, out)
    return evaluation


def measure(
    prompts: Sequence[Prompt],
    views: Views,
    voxels: Voxels,
    failed: np.ndarray,
    references: dict[str, tuple[Design, float]],
    evaluators: Evaluators,
    reasoning: Sequence[tuple[str, ...]],
) -> list[ObjectResult]:
    """One row per prompt; views and voxels are those of the answers, in the prompts' order."""
    alignment = evaluators.alignment([p.text for p in prompts], views)
    seen = evaluators.attributes(views)
    rows = []
    for i, prompt in enumerate(prompts):
        bad = bool(failed[i])
        iou, chamfer = shape_errors(voxels.occupancy[i], references.get(prompt.id))
        category, counts, colors = attribute_accuracy(prompt, seen, i)
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
                color_accuracy=_unless(bad, colors),
                iou=iou,
                chamfer=chamfer,
                reasoning=reasoning[i],
            )
        )
    return rows


def attribute_accuracy(prompt: Prompt, seen: Attributes, answer: int) -> tuple[float, float, float]:
    """Category, counts and colours of one answer as shares that the recogniser confirms; NaN where the prompt asks for none."""
    category = float(seen.family(answer) == prompt.family) if prompt.family else math.nan
    known = [part for part in prompt.parts if part.name in seen.parts]
    counts = [float(seen.count(answer, part.name) == part.count) for part in known if part.count]
    colors = [
        float(seen.count(answer, part.name) > 0 and seen.color(answer, part.name) == part.color)
        for part in known
        if part.color
    ]
    return category, _mean(counts), _mean(colors)


def shape_errors(occupancy: np.ndarray, reference: tuple[Design, float] | None) -> tuple[float, float]:
    """IoU and Chamfer distance to the object meant; NaN where the prompt does not determine the shape."""
    if reference is None or reference[1] < DETERMINED:
        return math.nan, math.nan
    meant = voxelise_design(reference[0], occupancy.shape[-1])[0].occupancy[0]
    return voxel_iou(occupancy, meant), chamfer_distance(occupancy, meant)


def reference_voxels(designs: Sequence[Design], resolution: int) -> Voxels:
    """The programs' own objects, in order."""
    made = [voxelise_design(d, resolution)[0] for d in designs]
    return Voxels(np.concatenate([v.occupancy for v in made]), np.concatenate([v.color for v in made]))


def reference_features(
    designs: Sequence[Design], evaluators: Evaluators, chunk: int = 64
) -> Float32[np.ndarray, "m d"]:
    """Evaluator features of the programs' own objects, meshed and rendered like any answer."""
    features = []
    for start in range(0, len(designs), chunk):
        voxels = reference_voxels(designs[start : start + chunk], 32)
        views = render(SurfaceMesher().mesh(voxels), CAMERAS["maquette-6"], size=VIEW_SIZE, antialias=True)
        features.append(unit_scale(evaluators.features(views)))
    return np.concatenate(features)


def unit_scale(features: Float32[np.ndarray, "m d"]) -> Float32[np.ndarray, "m d"]:
    """Each row scaled to a mean square of 1, so that x·y / d in the kernel is a cosine: the cubic kernel is for features of that
    size, and on larger ones a few long vectors would be the whole distance."""
    return features / np.sqrt((features**2).mean(1, keepdims=True) + 1e-12)


def write_pictures(prompts: Sequence[Prompt], meshes: Sequence[Mesh], folder: Path) -> None:
    """One anti-aliased three-quarter view per prompt, `<id>.webp`."""
    folder.mkdir(parents=True, exist_ok=True)
    views = render(list(meshes), CAMERAS["front-3q"], size=PICTURE_SIZE, antialias=True)
    for prompt, picture in zip(prompts, views.rgb, strict=True):
        Image.fromarray(picture[0]).save(folder / f"{prompt.id}.webp", quality=88)


def write_meshes(prompts: Sequence[Prompt], meshes: Sequence[Mesh], folder: Path) -> None:
    """One GLB per prompt, `<id>.glb`; an empty mesh has no file."""
    folder.mkdir(parents=True, exist_ok=True)
    for prompt, mesh in zip(prompts, meshes, strict=True):
        if len(mesh.faces):
            write_mesh(mesh, folder / f"{prompt.id}.glb")


def _reasoning(generation: Generation) -> list[tuple[str, ...]]:
    return list(zip(*(stage.reasoning for stage in generation.stages), strict=True))


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else math.nan


def _unless(bad: bool, value: float) -> float:
    """The value, or 0 for a failed answer; what the prompt does not ask for stays NaN."""
    return value if math.isnan(value) or not bad else 0.0
