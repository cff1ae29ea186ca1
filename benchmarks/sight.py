"""What the measures see: the objects meant themselves, damaged in stated ways, scored as if a system had made them.

    python benchmarks/sight.py [--objects 120]      # writes benchmarks/results/sight.json

A measure is worth something where it falls with the damage it is about and stays where there is none. Ways of damage: the right part of
every object cut off (a tenth, a fifth, two fifths of its voxels), voxels missing at random, colours blended with grey, colours turned
(red becomes green becomes blue), every answer given to the next prompt. Beside it what a Fréchet distance between two samples of one
and the same normal distribution comes to, by their size: its bias, and why it is reported for 5000 and more alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import tyro
from machine import RESULTS, machine, write

from maquette.evaluation.geometry import color_error, voxel_iou
from maquette.evaluation.metrics import frechet_distance, kernel_distance_interval
from maquette.evaluation.networks import Evaluators, load_evaluators
from maquette.evaluation.palette import colors_shown, surface_colors
from maquette.evaluation.places import Places, parts_in_place
from maquette.evaluation.references import references_of
from maquette.evaluation.run import attribute_accuracy, unit_scale
from maquette.prompts.sets import load_prompts
from maquette.rendering.cameras import CAMERAS
from maquette.rendering.rasterise import render
from maquette.shape.surface import SurfaceMesher
from maquette.tracking import tell
from maquette.types import Mesh, Prompt, Views, Voxels

SIZES, WIDTH = (24, 400, 5000), 768


def cut(share: float) -> Callable[[Voxels], Voxels]:
    """Takes away, object by object, the slices with the largest x that hold `share` of its voxels."""

    def apply(voxels: Voxels) -> Voxels:
        kept = voxels.occupancy.copy()
        for one in kept:
            reached = np.cumsum(one.sum((1, 2))) / one.sum()
            one[int(np.searchsorted(reached, 1 - share)) + 1 :] = False
        return dataclasses.replace(voxels, occupancy=kept)

    return apply


def missing(share: float) -> Callable[[Voxels], Voxels]:
    """Each voxel gone with that probability."""

    def apply(voxels: Voxels) -> Voxels:
        gone = np.random.default_rng(0).random(voxels.occupancy.shape) < share
        return dataclasses.replace(voxels, occupancy=voxels.occupancy & ~gone)

    return apply


def greyed(share: float) -> Callable[[Voxels], Voxels]:
    """Colours blended with middle grey."""
    return lambda voxels: dataclasses.replace(voxels, color=(1 - share) * voxels.color + np.float32(share / 2))


def turned(voxels: Voxels) -> Voxels:
    """Red becomes blue, green becomes red, blue becomes green."""
    return dataclasses.replace(voxels, color=np.ascontiguousarray(voxels.color[..., [1, 2, 0]]))


DAMAGE: dict[str, Callable[[Voxels], Voxels]] = {
    "none": lambda voxels: voxels,
    "a tenth cut off": cut(0.1),
    "a fifth cut off": cut(0.2),
    "two fifths cut off": cut(0.4),
    "30 % of voxels missing": missing(0.3),
    "60 % of voxels missing": missing(0.6),
    "a third grey": greyed(1 / 3),
    "two thirds grey": greyed(2 / 3),
    "colours turned": turned,
}


def seen(meshes: Sequence[Mesh]) -> Views:
    return render(meshes, CAMERAS["maquette-6"], size=64, antialias=True)


def score(
    prompts: Sequence[Prompt],
    voxels: Voxels,
    meant: Voxels,
    places: Sequence[Places],
    clean: np.ndarray,
    judges: Evaluators,
    partners: np.ndarray | None = None,
) -> dict[str, float]:
    """Means over the objects; the kernel distance ×100 of the set to the clean one, without pairs of one object.

    `partners`: where among the answers each clean object stands; its own place if not given.
    """
    meshes = SurfaceMesher().mesh(voxels)
    views = seen(meshes)
    attributes = judges.attributes(views)
    parts = np.array([attribute_accuracy(prompt, attributes, i) for i, prompt in enumerate(prompts)])
    category, counts, colors = np.nanmean(parts, 0)
    shown = [colors_shown(prompt, shares) for prompt, shares in zip(prompts, surface_colors(meshes), strict=True)]
    placed = np.array(
        [
            parts_in_place(
                prompt, where, Voxels(meant.occupancy[i : i + 1], meant.color[i : i + 1]), one, voxels.color[i]
            )
            for i, (prompt, where, one) in enumerate(zip(prompts, places, voxels.occupancy, strict=True))
        ]
    )
    overlap = [voxel_iou(one, other) for one, other in zip(voxels.occupancy, meant.occupancy, strict=True)]
    errors = [
        color_error(voxels.color[i], one, Voxels(meant.occupancy[i : i + 1], meant.color[i : i + 1]))
        for i, one in enumerate(voxels.occupancy)
    ]
    partners = np.arange(len(clean)) if partners is None else partners
    distance = kernel_distance_interval(unit_scale(judges.features(views)), clean, partners=partners, rounds=200)
    return {
        "alignment": float(judges.alignment([p.text for p in prompts], views).mean()),
        "category right": float(category),
        "counts right": float(counts),
        "colours right": float(colors),
        "named colours shown": float(np.nanmean(shown)),
        "IoU": float(np.mean(overlap)),
        "parts in place": float(np.nanmean(placed[:, 0])),
        "parts in their colour": float(np.nanmean(placed[:, 1])),
        "colour error": float(np.mean(errors)),
        "kernel distance": distance.value,
    }


def ladder(objects: int) -> dict[str, dict[str, float]]:
    prompts = tuple(load_prompts("mini-dev"))[:objects]
    known, judges = references_of("mini-dev", prompts), load_evaluators()
    made = [known[p.id].voxels(32) for p in prompts]
    meant = Voxels(np.concatenate([v.occupancy for v in made]), np.concatenate([v.color for v in made]))
    places = [where(32) for p in prompts if (where := known[p.id].places)]
    clean = unit_scale(judges.features(seen(SurfaceMesher().mesh(meant))))
    found = {}
    for name, damage in DAMAGE.items():
        found[name] = score(prompts, damage(meant), meant, places, clean, judges)
        tell(f"{name}: {', '.join(f'{key} {value:.3f}' for key, value in found[name].items())}")
    order = np.roll(np.arange(len(prompts)), -1)
    others = Voxels(meant.occupancy[order], meant.color[order])
    found["the next prompt's object"] = score(prompts, others, meant, places, clean, judges, partners=np.argsort(order))
    return {name: {key: round(value, 4) for key, value in row.items()} for name, row in found.items()}


def frechet_bias() -> dict[str, float]:
    """Of two samples of one normal distribution, whose true distance is 0."""
    rng = np.random.default_rng(0)
    return {str(size): round(frechet_distance(*rng.standard_normal((2, size, WIDTH)), fewest=2), 1) for size in SIZES}


def main(objects: int = 120, threads: int = 1, out: Path = RESULTS) -> None:
    """Measure, print and write.

    Args:
        objects: The first of mini-dev.
        threads: Of torch.
        out: Folder of the results.
    """
    torch.set_num_threads(threads)
    result = {**machine(torch.device("cpu")), "objects": objects, "measures": ladder(objects)}
    result |= {"frechet_distance_of_equals": frechet_bias(), "frechet_width": WIDTH}
    write("sight", result, f"python benchmarks/sight.py --objects {objects}", out)


if __name__ == "__main__":
    tyro.cli(main)
