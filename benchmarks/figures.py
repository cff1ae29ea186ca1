"""The pictures of the README and the docs, unpicked: the first prompt of `mini` of each of twelve families, first seed.

    python benchmarks/figures.py

Writes docs/figures/twelve.png (fine answers of the base and, below each row, of the RL-trained policy to the same prompts with the same
random numbers) and docs/figures/stages.png (the base's coarse and fine answers side by side).
"""

from __future__ import annotations

from pathlib import Path

import tyro
from PIL import Image

from maquette.evaluation.systems import policy_system
from maquette.prompts.sets import load_prompts
from maquette.rendering.cameras import CAMERAS
from maquette.rendering.rasterise import render
from maquette.rendering.sheets import contact_sheet
from maquette.runs import is_shipped, source_of
from maquette.types import Prompt

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
        stage.name: [
            Image.fromarray(view[0])
            for view in render(list(stage.meshes), CAMERAS["front-3q"], size=size, antialias=True, paint=spec.paint).rgb
        ]
        for stage, spec in zip(answer(prompts).stages, source.stages, strict=True)
    }


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


if __name__ == "__main__":
    tyro.cli(main)
