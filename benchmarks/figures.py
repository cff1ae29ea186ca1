"""The pictures of the README and the docs, unpicked: the first prompt of `mini` of each of twelve families, first seed.

    python benchmarks/figures.py [--model tiny-rl]

Writes docs/figures/twelve.png (fine answers in colour) and docs/figures/stages.png (coarse and fine side by side).
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
from maquette.runs import source_of
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


def main(model: str = "tiny", seed: int = 0, size: int = 240) -> None:
    """Draw both sheets."""
    source = source_of(model)
    prompts = first_of_each_family(load_prompts("mini"), FAMILIES)
    answer = policy_system(source.model, stages=source.stages, codec=source.codec, seed=seed, temperature=1.0)
    generation = answer(prompts)
    FIGURES.mkdir(parents=True, exist_ok=True)
    pictures = {
        stage.name: [
            Image.fromarray(view[0])
            for view in render(list(stage.meshes), CAMERAS["front-3q"], size=size, antialias=True, paint=spec.paint).rgb
        ]
        for stage, spec in zip(generation.stages, source.stages, strict=True)
    }
    texts = [p.text for p in prompts]
    contact_sheet(pictures[generation.stages[-1].name], texts, columns=6).save(FIGURES / "twelve.png")
    both = [picture for pair in zip(*pictures.values(), strict=True) for picture in pair][:12]
    labels = [f"{name}: {t}" for t in texts for name in pictures][:12]
    contact_sheet(both, labels, columns=6).save(FIGURES / "stages.png")


if __name__ == "__main__":
    tyro.cli(main)
