"""Parts by their places: what stands in an answer where the object meant has the parts that its prompt names. Measured by no network.

An answer's voxels have no part labels, so a part that stands elsewhere counts as missing: like IoU it says something only where the
prompt determines the shape. Unlike IoU every part has one voice, four thin legs as much as the seat.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int8

from maquette.corpus.program import COLORS
from maquette.evaluation.palette import NAMES, nearest_named
from maquette.rendering.lighting import GREY
from maquette.types import Prompt, Voxels


@dataclass(frozen=True)
class Places:
    """Where the parts of an object are."""

    names: tuple[str, ...]
    """Of its parts; several may share one."""
    part: Int8[np.ndarray, "r r r"]
    """Index into `names` of each voxel, -1 where empty."""

    def of(self, name: str) -> Bool[np.ndarray, "r r r"]:
        """The voxels of all parts of that name."""
        return np.isin(self.part, [i for i, own in enumerate(self.names) if own == name])


def parts_in_place(
    prompt: Prompt,
    places: Places,
    meant: Voxels,
    occupancy: Bool[np.ndarray, "r r r"],
    color: Float32[np.ndarray, "r r r 3"] | None,
) -> tuple[float, float]:
    """Two means over the parts that the prompt names, each in [0, 1].

    The share of a part's place that is filled; and, of those with a stated colour, the share of the voxels which have that colour in the
    object meant (nearest of the sixteen in CIELAB, so that stripes of a second colour are left out) that are filled in it. What has no
    paint is the grey that it is drawn in. NaN where the prompt names no part that has a place, or no colour.
    """
    filled, painted = [], []
    for spec in prompt.parts:
        place = places.of(spec.name)
        if not place.any():
            continue
        filled.append(float(occupancy[place].mean()))
        if spec.color in COLORS and meant.color is not None:
            own = np.flatnonzero(nearest_named(meant.color[0][place]) == NAMES.index(spec.color))
            if len(own):
                shown = np.full((int(place.sum()), 3), GREY, np.float32) if color is None else color[place]
                same = nearest_named(shown[own]) == NAMES.index(spec.color)
                painted.append(float((occupancy[place][own] & same).mean()))
    return mean_or_nan(filled), mean_or_nan(painted)


def mean_or_nan(values: Sequence[float]) -> float:
    """NaN where there is nothing to average: the prompt does not ask."""
    return float(np.mean(values)) if values else math.nan
