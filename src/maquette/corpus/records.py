"""One object in every form that something learns from: shapes, part masks and texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int8

from maquette.corpus.catalog import category_of
from maquette.corpus.program import Design
from maquette.corpus.rasterise import voxelise_design
from maquette.corpus.splits import Split, designs
from maquette.corpus.words import caption, captions, description, plan
from maquette.types import Prompt, Voxels


@dataclass(frozen=True)
class Record:
    """An object of the corpus. `voxels` and `coarse` have a = 1; `part_index` says which of `design.parts` a voxel shows."""

    design: Design
    voxels: Voxels
    coarse: Voxels
    """Each part its bounding primitive; no colour."""
    part_index: Int8[np.ndarray, "r r r"]
    """-1 where empty."""
    captions: tuple[str, ...]
    """Short to long."""
    plan: str
    description: str


def record_of(design: Design, resolution: int = 32) -> Record:
    """All forms of one design."""
    voxels, part_index = voxelise_design(design, resolution)
    coarse, _ = voxelise_design(design, resolution, coarse=True)
    return worded(design, voxels, coarse, part_index)


def worded(design: Design, voxels: Voxels, coarse: Voxels, part_index: Int8[np.ndarray, "r r r"]) -> Record:
    """A record of shapes that are there already."""
    return Record(design, voxels, coarse, part_index, captions(design), plan(design), description(design))


def records(split: Split, count: int, seed: int, resolution: int = 32, start: int = 0) -> Iterator[Record]:
    """`count` records of a split; record i depends on (split, seed, i, resolution) alone."""
    for design in designs(split, count, seed, start):
        yield record_of(design, resolution)


def prompt_of(design: Design, length: int) -> Prompt:
    """The design's caption of a length (0 … 3) as a prompt, with the parts that this very text states."""
    said = caption(design, length)
    style = f"-{design.style}" if design.style else ""
    id = f"{design.family}{style}-{design.seed}-{length}".replace(" ", "-")
    return Prompt(id=id, text=said.text, category=category_of(design), family=design.family, parts=said.parts)
