"""The pictures of the README and the docs, unpicked: the first prompt of `mini` of each of twelve families, first seed.

All three are drawn anew by this one command when weights change:

    python benchmarks/figures.py

Writes docs/figures/twelve.png (fine answers of the base and, below each row, of the RL-trained policy to the same prompts with the same
random numbers), docs/figures/stages.png (the base's coarse and fine answers side by side) and docs/figures/road.png (one prompt through all
stops: voxels, mesh and judged views of both stages, with every part of their score).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tyro
from PIL import Image

from maquette.evaluation.systems import policy_system
from maquette.prompts.sets import load_prompts
from maquette.rendering.sheets import contact_sheet, portraits
from maquette.rewards.ensemble import build_ensemble
from maquette.runs import is_shipped, source_of
from maquette.types import Mesh, Prompt, Voxels

FIGURES = Path(__file__).parents[1] / "docs" / "figures"
FAMILIES = 12


def first_of_each_family(prompts: tuple[Prompt, ...], count: int) -> tuple[Prompt, ...]:
    """The first prompt of each family, evenly spaced over the suite so that all categories are there."""
    first: dict[str, Prompt] = {}
    for prompt in prompts:
        first.setdefault(prompt.family, prompt)
    found = list(first.values())
    return tuple(found[len(found) * i // count] for i in range(count))


def pictures_of(model: str, prompts: tuple[Prompt, ...], seed: int, size: int) -> dict[str, list[Image.Image]]:
    """One answer to each prompt, by stage."""
    source = source_of(model)
    answer = policy_system(source.model, stages=source.stages, codec=source.codec, seed=seed, temperature=1.0)
    return {
        stage.name: drawn(painted(list(stage.meshes), spec.paint), size)
        for stage, spec in zip(answer(prompts).stages, source.stages, strict=True)
    }


def drawn(meshes: list[Mesh], size: int) -> list[Image.Image]:
    return [Image.fromarray(picture[0]) for picture in portraits(meshes, size=size)]


def painted(meshes: list[Mesh], paint: str) -> list[Mesh]:
    """As a stage is painted: without colours where it is grey."""
    return [Mesh(m.vertices, m.faces) for m in meshes] if paint == "grey" else meshes


def cubes(voxels: Voxels, colored: bool) -> Mesh:
    """The first shape as its voxels: two triangles for each side of a voxel that shows."""
    full, side = np.pad(voxels.occupancy[0], 1), voxels.resolution
    corners, paint = [], []
    for axis in range(3):
        for step in (0, 1):
            bare = full & ~np.roll(full, 1 - 2 * step, axis)
            place = np.argwhere(bare[1:-1, 1:-1, 1:-1])
            square = np.zeros((4, 3))
            square[:, axis] = step
            square[:, (axis + 1) % 3], square[:, (axis + 2) % 3] = (0, 1, 1, 0), (0, 0, 1, 1)
            corners.append((place[:, None] + square).reshape(-1, 3))
            if colored and voxels.color is not None:
                paint.append(np.repeat(voxels.color[0][tuple(place.T)], 4, axis=0))
    vertices = (np.concatenate(corners) / side - 0.5).astype(np.float32)
    first = 4 * np.arange(len(vertices) // 4)[:, None, None]
    faces = (first + np.array([[0, 1, 2], [0, 2, 3]])).reshape(-1, 3).astype(np.int32)
    return Mesh(vertices, faces, np.concatenate(paint).astype(np.float32) if paint else None)


def road(model: str, prompt: Prompt, seed: int, size: int) -> Image.Image:
    """Both stages of one answer at every stop, and what the judges say."""
    source = source_of(model)
    answer = policy_system(source.model, stages=source.stages, codec=source.codec, seed=seed, temperature=1.0)
    generation = answer((prompt,))
    scores = build_ensemble(source.stages).score(generation)
    pictures, captions = [], []
    for s, (stage, spec) in enumerate(zip(generation.stages, source.stages, strict=True)):
        meshes = painted(list(stage.meshes), spec.paint)
        views = [
            Image.fromarray(view).resize((size, size), Image.Resampling.NEAREST) for view in stage.views.rgb[0, :2]
        ]
        pictures += [*drawn([cubes(stage.voxels, spec.paint == "colour"), *meshes], size), *views]
        parts = [
            f"{name} {value:.2f}" for name, value in zip(scores.names, scores.values[:, 0, s].tolist(), strict=True)
            if value == value
        ]  # fmt: skip
        captions += [
            f"{spec.name}: {stage.codes.shape[1]} codes → {stage.voxels.resolution}³ voxels",
            f"→ a mesh of {len(meshes[0].faces)} faces",
            f"→ six views (two shown): {', '.join(parts)}",
            f"the policy said: {stage.reasoning[0]}",
        ]
    return contact_sheet(pictures, captions, columns=4, title=prompt.text)


def main(seed: int = 0, size: int = 240, columns: int = 6) -> None:
    """Draw both sheets."""
    prompts = first_of_each_family(load_prompts("mini"), FAMILIES)
    texts = [p.text for p in prompts]
    base = pictures_of("tiny", prompts, seed, size)
    rows = {"": list(base.values())[-1]}
    if is_shipped("tiny-rl"):
        rows["after reinforcement learning"] = list(pictures_of("tiny-rl", prompts, seed, size).values())[-1]
    pictures, labels = [], []
    for first in range(0, len(prompts), columns):
        part = slice(first, first + columns)
        for said, drawn in rows.items():
            pictures += drawn[part]
            labels += [said or text for text in texts[part]]
    FIGURES.mkdir(parents=True, exist_ok=True)
    contact_sheet(pictures, labels, columns=columns).save(FIGURES / "twelve.png")
    both = [picture for pair in zip(*base.values(), strict=True) for picture in pair][: 2 * columns]
    names = [f"{name}: {text}" for text in texts for name in base][: 2 * columns]
    contact_sheet(both, names, columns=columns).save(FIGURES / "stages.png")
    road("tiny-rl" if is_shipped("tiny-rl") else "tiny", prompts[7], seed, size).save(FIGURES / "road.png")


if __name__ == "__main__":
    tyro.cli(main)
