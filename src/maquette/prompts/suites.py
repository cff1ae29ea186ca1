"""Builds the shipped suites from held-out compositions: `mini` (looked at last) and `mini-dev` (for tuning).

    python -m maquette.prompts.suites        # rewrites src/maquette/data/prompts/{mini,mini-dev,quickstart}.jsonl

`mini` has the five categories and the counts of MME-3DR (40, 54, 53, 38, 64 = 249). Its prompts describe compositions
of family, part counts and colours that training never shows, so remembering training objects cannot answer them.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np

from maquette.corpus.catalog import category_of, compose
from maquette.corpus.program import Design
from maquette.corpus.rasterise import voxelise_design
from maquette.corpus.records import prompt_of
from maquette.corpus.splits import designs
from maquette.outputs import write_text
from maquette.prompts.sets import SHIPPED, prompt_to_json
from maquette.types import Prompt

MINI_COUNTS = {"spatial": 40, "mechanical": 54, "biological": 53, "rare": 38, "stylised": 64}
"""MME-3DR's categories and sizes."""
DEV_COUNTS = {"spatial": 20, "mechanical": 26, "biological": 26, "rare": 18, "stylised": 30}
QUICKSTART_COUNTS = {"spatial": 8, "mechanical": 10, "biological": 10, "rare": 8, "stylised": 12}
SEEDS = {"mini": 20_000_001, "mini-dev": 30_000_001, "quickstart": 40_000_001}
DETERMINED = 0.6
"""A prompt determines its shape where other objects that it describes as truly overlap this much (IoU) on average."""


def build_suite(counts: dict[str, int], seed: int, name: str) -> list[dict]:
    """JSON rows of prompts, categories filled to `counts`, families as even as the held-out draw allows."""
    kinds = {(category_of(d), d.family) for d in designs("heldout", 1500, seed)}
    members = Counter(category for category, _ in kinds)
    room = dict(counts)
    used: Counter[tuple[str, str]] = Counter()
    texts: set[str] = set()
    rows: list[dict] = []
    for index, design in enumerate(designs("heldout", 200_000, seed)):
        category = category_of(design)
        if room.get(category, 0) <= 0:
            continue
        prompt = prompt_of(design, 1 + index % 3)
        if used[category, design.family] > counts[category] // members[category] or prompt.text in texts:
            continue
        used[category, design.family] += 1
        texts.add(prompt.text)
        room[category] -= 1
        rows.append(_row(prompt, design, category, f"{name}-{len(rows):03d}"))
        if not any(room.values()):
            return rows
    raise ValueError(f"{name}: held-out designs ran out with {room} still to fill; lower the counts")


def _row(prompt: Prompt, design: Design, category: str, id: str) -> dict:
    row = prompt_to_json(prompt) | {"id": id, "category": category}
    row["design"] = {"family": design.family, "seed": design.seed, "style": design.style}
    row["ceiling_iou"] = round(ceiling_iou(prompt.text, design), 3)
    return row


def ceiling_iou(text: str, design: Design, tries: int = 300, wanted: int = 6) -> float:
    """Mean IoU of the design with other objects of its family that the same text describes: how far the text fixes the shape."""
    own = voxelise_design(design, 32)[0].occupancy[0]
    ious: list[float] = []
    for seed in range(tries):
        other = compose(design.family, 7_000_000 + seed, design.style)
        if _same_in_text(text, design, other):
            shape = voxelise_design(other, 32)[0].occupancy[0]
            ious.append(float((own & shape).sum() / (own | shape).sum()))
            if len(ious) == wanted:
                break
    return float(np.mean(ious)) if ious else 1.0


def _same_in_text(text: str, design: Design, other: Design) -> bool:
    """True where what the text says of shape (subtype, counts, proportions) holds for both."""
    spoken_counts = {p.name: p.count for p in design.parts if p.counted and p.name in text}
    other_counts = {p.name: p.count for p in other.parts}
    proportions = [w for w in design.proportions if w in text]
    return (
        (design.subtype not in text or other.subtype == design.subtype)
        and all(other_counts.get(name) == count for name, count in spoken_counts.items())
        and all(word in other.proportions for word in proportions)
    )


def load_references(name: str) -> dict[str, tuple[Design, float]]:
    """For each prompt id of a shipped suite: the program's own object and the prompt's ceiling IoU."""
    rows = [json.loads(line) for line in (SHIPPED / f"{name}.jsonl").read_text().splitlines()]
    return {row["id"]: (reference_design(row["design"]), row["ceiling_iou"]) for row in rows}


def reference_design(data: dict) -> Design:
    return compose(data["family"], data["seed"], data["style"])


def write_suites(folder: Path = SHIPPED) -> None:
    """Rewrite the three shipped suites."""
    folder.mkdir(parents=True, exist_ok=True)
    suites = {"mini": MINI_COUNTS, "mini-dev": DEV_COUNTS, "quickstart": QUICKSTART_COUNTS}
    for name, counts in suites.items():
        rows = build_suite(counts, SEEDS[name], name)
        write_text(folder / f"{name}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    write_suites()
