"""Labelled pictures as they lie on disk: what is known of every look of every object."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from maquette.rewards.networks import COUNTS

UNSURE = -1
"""A label that damage made unsure: not learnt from."""
MOST = COUNTS - 1
"""So many or more."""


@dataclass(frozen=True)
class Look:
    """Labels of one variant of an object. Counts and colours are by the object's part names."""

    grey: bool
    geometry: float
    """Severity of damage to the shape, 0 (none) to 1."""
    paint: float
    """Severity of damage to the paint, 0 (none) to 1."""
    counts: tuple[int, ...]
    colors: tuple[int, ...]
    """Index into the sixteen named colours."""
    answer: bool = False
    """Drawn by a policy that was asked for the object: severities are distances from the object meant, and what no part's place tells is
    unsure."""
    loose: float = 0.0
    """Of an answer: the share of its voxels that hang on nothing, beyond what the object meant has."""


@dataclass(frozen=True)
class Labels:
    """All that is known of one object: its texts, its family, its part names, its variants."""

    family: str
    captions: tuple[str, ...]
    parts: tuple[str, ...]
    symmetry: float
    """IoU of the shape with its mirror image in x."""
    looks: tuple[Look, ...]
    """Those of the object and its damaged versions, then those of answers."""
    asked: int = UNSURE
    """Which caption the answers were asked with."""

    @property
    def known(self) -> int:
        """Looks of the object itself, of which one knows what they show: all but answers."""
        return sum(not look.answer for look in self.looks)


def by_name(names: Sequence[str], each: Sequence[tuple[int, int]]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Counts and colours by part name, in the order of first mention, from those of each part: parts of one name are counted together.

    A count is unsure where one of them is, a colour where those that are there have several.
    """
    counts, colors = [], []
    for name in dict.fromkeys(names):
        mine = [one for said, one in zip(names, each, strict=True) if said == name]
        counts.append(UNSURE if any(n == UNSURE for n, _ in mine) else min(sum(n for n, _ in mine), MOST))
        tints = {color for n, color in mine if n != 0}
        colors.append(tints.pop() if len(tints) == 1 else UNSURE)
    return tuple(counts), tuple(colors)


@dataclass(frozen=True)
class Pictures:
    """Everything in one or more folders, pictures memory-mapped."""

    chunks: tuple[np.ndarray, ...]
    labels: tuple[Labels, ...]
    place: tuple[tuple[int, int], ...]
    """Chunk and row of each object."""

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, objects: Sequence[int], variants: Sequence[int]) -> UInt8[np.ndarray, "n v 64 64 4"]:
        """Pictures of chosen variants of chosen objects."""
        return np.stack(
            [self.chunks[self.place[o][0]][self.place[o][1], v] for o, v in zip(objects, variants, strict=True)]
        )


def read_data(*folders: Path) -> Pictures:
    """All finished chunks of the folders. Raises ValueError where there are none."""
    files = [path for folder in folders for path in sorted(folder.glob("*.json"))]
    if not files:
        raise ValueError(f"no pictures in {', '.join(map(str, folders))}; make_data fills them")
    chunks = tuple(np.load(path.with_suffix(".npy"), mmap_mode="r") for path in files)
    labels, place = [], []
    for c, path in enumerate(files):
        for row, entry in enumerate(json.loads(path.read_text())):
            looks = tuple(
                Look(**{**k, "counts": tuple(k["counts"]), "colors": tuple(k["colors"])}) for k in entry["looks"]
            )
            labels.append(
                Labels(
                    entry["family"],
                    tuple(entry["captions"]),
                    tuple(entry["parts"]),
                    entry["symmetry"],
                    looks,
                    entry.get("asked", UNSURE),
                )
            )
            place.append((c, row))
    return Pictures(chunks, tuple(labels), tuple(place))
