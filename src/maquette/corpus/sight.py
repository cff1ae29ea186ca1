"""Keeps texts true: what cannot be seen in the voxels of a design is taken out of the design before anything is said about it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from maquette.corpus import kernels
from maquette.corpus.program import PLAIN, Design
from maquette.corpus.rasterise import fill_design, paint_scene

RESOLUTION = 32
LEAST_VOXELS = 2
"""An instance that shows fewer voxels is not there."""
LEAST_SHARE = 0.15
"""Each of a pattern's two colours covers at least this share of the part's outside."""
SECOND_COLOR = 0.3
"""An object of two colours shows at least this share of the second."""


@dataclass(frozen=True)
class Sight:
    """What is seen of a design; small enough to be stored beside its voxels."""

    kept: tuple[tuple[int, ...], ...]
    """For each part, the instances that show."""
    patterned: tuple[bool, ...]
    """For each part, whether its pattern shows."""
    colors: tuple[str, ...]
    """The colour that covers most of the outside and, if it covers nearly as much, the second."""


def look(design: Design) -> Sight:
    """Rasterise a design once and note which instances, patterns and colours show on its outside."""
    scene = fill_design(design, RESOLUTION)
    weight = paint_scene(design, scene)[1]
    counts = kernels.exposed(scene.instances, weight, len(scene.parts))
    kept, patterned, tally, first = [], [], defaultdict[str, float](float), 0
    for part in design.parts:
        seen = counts[first : first + part.count]
        first += part.count
        shown, second = float(seen[:, 0].sum()), float(seen[:, 1].sum())
        visible = part.pattern.kind != "" and LEAST_SHARE <= second / max(shown, 1.0) <= 1 - LEAST_SHARE
        patterned.append(visible)
        kept.append(tuple(i for i in range(part.count) if seen[i, 0] >= LEAST_VOXELS))
        tally[part.color] += shown - (second if visible else 0.0)
        if visible:
            tally[part.pattern.second] += second
    # Ties break by name, so that the answer does not hang on the order of parts.
    ranked = sorted(tally.items(), key=lambda item: (-item[1], item[0]))
    enough = SECOND_COLOR * sum(tally.values())
    colors = tuple(name for place, (name, shown) in enumerate(ranked[:2]) if place == 0 or shown >= enough)
    return Sight(tuple(kept), tuple(patterned), colors)


def reduce_to(design: Design, sight: Sight) -> Design:
    """The design with only what shows: hidden instances gone, patterns that do not show plain, colours named."""
    parts = tuple(
        replace(part, instances=tuple(part.instances[i] for i in kept), pattern=part.pattern if patterned else PLAIN)
        for part, kept, patterned in zip(design.parts, sight.kept, sight.patterned, strict=True)
        if kept
    )
    return replace(design, parts=parts, colors=sight.colors)
