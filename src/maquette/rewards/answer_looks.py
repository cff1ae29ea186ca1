"""A policy's own answers as looks to learn from, beside the object that it was asked for: what the scorers will judge most of all.

What an answer shows is not known, but how far it is from the object meant is, where the text tells enough of it: the longer captions do.
So answers teach order (the nearer of two answers, the object itself before either) and loose pieces, never names, counts or colours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from scipy import ndimage

from maquette.corpus.program import Design
from maquette.corpus.records import prompt_of
from maquette.rewards.damage import Grid
from maquette.rewards.looks import UNSURE, Labels, Look
from maquette.rewards.pixels import packed
from maquette.types import Prompt, StageOutput

ANSWERS = 2
"""Answers to a design's text; each is a look in colour (its last stage) and one in grey (its first)."""
TELLING = (2, 3)
"""Lengths of captions that tell enough of an object for an answer to be near to it or far."""
TOUCHING = np.ones((3, 3, 3), bool)

Answering = Callable[[Sequence[Prompt], int], tuple[StageOutput, StageOutput]]
"""First and last stage of `ANSWERS` answers to every prompt, by a seed; views are those that rewards look at, 64 pixels."""


def with_answers(
    designs: Sequence[Design],
    clean: Sequence[tuple[Grid, Grid]],
    labels: Sequence[Labels],
    answering: Answering,
    rng: np.random.Generator,
) -> tuple[UInt8[np.ndarray, "n k v 64 64 4"], list[Labels]]:
    """Pictures of every design's answers, in colour and then in grey, and the labels with their looks added.

    `clean` holds each design's own shape, fine and coarse.
    """
    lengths = rng.choice(TELLING, len(designs)).tolist()
    asked = [prompt_of(design, length) for design, length in zip(designs, lengths, strict=True)]
    coarse, fine = answering(asked, int(rng.integers(2**31)))
    told = []
    for i, (meant, one) in enumerate(zip(clean, labels, strict=True)):
        rows = range(i * ANSWERS, (i + 1) * ANSWERS)
        drawn = ((meant[0], fine, False), (meant[1], coarse, True))
        looks = [look_of(own, stage, row, len(one.parts), grey) for own, stage, grey in drawn for row in rows]
        told.append(replace(one, looks=(*one.looks, *looks), asked=lengths[i]))
    images = [packed(stage.views).reshape(len(designs), ANSWERS, -1, 64, 64, 4) for stage in (fine, coarse)]
    return np.concatenate(images, 1), told


def look_of(meant: Grid, stage: StageOutput, row: int, parts: int, grey: bool) -> Look:
    """An answer's label: 1 - IoU with the object meant, and twice the mean absolute colour error where both are, at most 1."""
    occupancy, color = stage.voxels.occupancy[row], stage.voxels.color
    common, either = occupancy & meant.occupancy, occupancy | meant.occupancy
    lost = 1.0 - float(common.sum()) / max(int(either.sum()), 1)
    off = 0.0
    if not grey and color is not None and common.any():
        off = float(np.abs(color[row] - meant.color)[common].mean())
    loose = max(0.0, loose_share(occupancy) - loose_share(meant.occupancy))
    unknown = (UNSURE,) * parts
    return Look(grey, lost, min(1.0, 2.0 * off), unknown, unknown, answer=True, loose=loose)


def loose_share(occupancy: Bool[np.ndarray, "r r r"]) -> float:
    """The share of voxels outside the largest piece (touching corners hold together); 0 for an empty shape."""
    labelled: Any = ndimage.label(occupancy, TOUCHING)
    sizes = np.bincount(labelled[0].ravel())[1:]
    return 1.0 - float(sizes.max()) / float(sizes.sum()) if len(sizes) else 0.0
