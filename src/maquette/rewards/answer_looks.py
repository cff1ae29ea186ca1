"""A policy's own answers as looks to learn from, beside the object that it was asked for: what the scorers will judge most of all.

What an answer shows is not known for certain, but where it stands beside the object meant, part by part, is, as far as the text tells
that object: the longer captions do. So answers teach which of two is nearer to what was meant, that the object itself is better made
than either, which parts are there (those whose place is filled) and in what colour, and that loose pieces are unsound. Where a part's
place is half filled nothing is said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from scipy import ndimage

from maquette.corpus.program import COLORS, Design
from maquette.corpus.records import prompt_of
from maquette.rewards.damage import Grid
from maquette.rewards.looks import UNSURE, Labels, Look, by_name
from maquette.rewards.pixels import packed
from maquette.types import Prompt, StageOutput

ANSWERS = 2
"""Answers to a design's text; each is a look in colour (its last stage) and one in grey (its first)."""
TELLING = (2, 3)
"""Lengths of captions that tell enough of an object for an answer to be near to it or far."""
THERE, GONE = 0.7, 0.1
"""Shares of a part's place that an answer fills: above, the part is there; below, it is not."""
ONE_COLOR = 0.7
"""Share of a part's voxels that have to be nearest to one named colour for the part to have it."""
TOUCHING = np.ones((3, 3, 3), bool)
NAMED = np.asarray(list(COLORS.values()), np.float32)

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
    for i, (design, meant, one) in enumerate(zip(designs, clean, labels, strict=True)):
        rows = range(i * ANSWERS, (i + 1) * ANSWERS)
        drawn = ((meant[0], fine, False), (meant[1], coarse, True))
        names = [part.name for part in design.parts]
        looks = [look_of(names, own, stage, row, grey) for own, stage, grey in drawn for row in rows]
        told.append(replace(one, looks=(*one.looks, *looks), asked=lengths[i]))
    images = [packed(stage.views).reshape(len(designs), ANSWERS, -1, 64, 64, 4) for stage in (fine, coarse)]
    return np.concatenate(images, 1), told


def look_of(names: Sequence[str], meant: Grid, stage: StageOutput, row: int, grey: bool) -> Look:
    """An answer's label: 1 - IoU with the object meant, twice the mean absolute colour error where both are (at most 1), and its parts.

    `names` are those of the meant object's parts, by their index in the grid.
    """
    occupancy = stage.voxels.occupancy[row]
    color = None if grey or stage.voxels.color is None else stage.voxels.color[row]
    common, either = occupancy & meant.occupancy, occupancy | meant.occupancy
    lost = 1.0 - float(common.sum()) / max(int(either.sum()), 1)
    off = float(np.abs(color - meant.color)[common].mean()) if color is not None and common.any() else 0.0
    loose = max(0.0, loose_share(occupancy) - loose_share(meant.occupancy))
    counts, colors = by_name(names, [part_of(meant, i, occupancy, color) for i in range(len(names))])
    return Look(grey, lost, min(1.0, 2.0 * off), counts, colors, answer=True, loose=loose)


def part_of(
    meant: Grid, index: int, occupancy: Bool[np.ndarray, "r r r"], color: Float32[np.ndarray, "r r r 3"] | None
) -> tuple[int, int]:
    """Count and colour of one of the meant object's parts in an answer, from how much of its place is filled and with what."""
    place, meant_count = meant.part == index, meant.counts[index]
    if not place.any():
        return UNSURE, UNSURE
    labelled: Any = ndimage.label(place)
    where, pieces = labelled
    apart = pieces == meant_count
    filled = [occupancy[where == i].mean() for i in range(1, pieces + 1)] if apart else [occupancy[place].mean()]
    there, gone = sum(bool(f > THERE) for f in filled), sum(bool(f < GONE) for f in filled)
    count = UNSURE
    if there + gone == len(filled):
        count = there if apart else meant_count * there
    tint = UNSURE
    if count > 0 and color is not None:
        nearest = np.abs(color[place & occupancy][:, None] - NAMED).sum(-1).argmin(-1)
        votes = np.bincount(nearest, minlength=len(NAMED))
        tint = int(votes.argmax()) if votes.max() > ONE_COLOR * votes.sum() else UNSURE
    return count, tint


def loose_share(occupancy: Bool[np.ndarray, "r r r"]) -> float:
    """The share of voxels outside the largest piece (touching corners hold together); 0 for an empty shape."""
    labelled: Any = ndimage.label(occupancy, TOUCHING)
    sizes = np.bincount(labelled[0].ravel())[1:]
    return 1.0 - float(sizes.max()) / float(sizes.sum()) if len(sizes) else 0.0
