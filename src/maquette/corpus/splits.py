"""Who sees what: train, held-out compositions, long-tail families. A pure function of names and numbers, the same on every machine."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from hashlib import blake2b
from typing import Literal

import numpy as np

from maquette.corpus.catalog import FAMILIES
from maquette.corpus.program import STYLES, Design, build

Split = Literal["train", "heldout"]

HELD_OUT_SHARE = 10
"""One in this many (family, main colour) pairs, and one in this many of the remaining full compositions, is held out."""
RARE_POOL = 40
"""A long-tail family has this many train objects in all (fewer, where some are held-out compositions)."""
RARE_WEIGHT = 0.25
"""How often a long-tail family is drawn for training, against 1 for the others."""
STYLE_SHARES = (0.55, 0.15, 0.15, 0.15)
"""Shares of the plain style and of the others, in `STYLES`' order."""


def compositional_key(design: Design) -> tuple[str, ...]:
    """Family, main colour, and the count of every counted part: what training must not have shown together."""
    counts = sorted(f"{p.count} {p.name}" for p in design.parts if p.counted)
    return (design.family, main_color(design), *counts)


def main_color(design: Design) -> str:
    """The colour of the part that is reported first, the main body by convention."""
    return design.parts[0].color


def split_of(design: Design) -> Split:
    """`heldout` for held-out (family, main colour) pairs and for held-out full compositions, else `train`."""
    key = compositional_key(design)
    return "heldout" if _held_out(key[:2]) or _held_out(key) else "train"


@cache
def _held_out(key: tuple[str, ...]) -> bool:
    # `hash` differs from process to process; blake2 does not.
    digest = blake2b("|".join(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % HELD_OUT_SHARE == 0


def designs(split: Split, count: int, seed: int, start: int = 0) -> Iterator[Design]:
    """`count` designs of a split, the `start`-th first; design i depends on (split, seed, i) alone."""
    for index in range(start, start + count):
        yield _draw(split, seed, index)


def _draw(split: Split, seed: int, index: int) -> Design:
    rng = np.random.default_rng([seed, index, len(split)])
    names = list(FAMILIES)
    rare_weight = RARE_WEIGHT if split == "train" else 1.0
    weights = np.array([rare_weight if FAMILIES[name].rare else 1.0 for name in names])
    while True:
        # The family is drawn again too: a family whose every draw is refused must not hang the stream.
        name = names[int(rng.choice(len(names), p=weights / weights.sum()))]
        style = STYLES[int(rng.choice(len(STYLES), p=STYLE_SHARES))]
        number = int(rng.integers(2**31))
        if split == "train" and FAMILIES[name].rare:
            number %= RARE_POOL
            style = STYLES[number % len(STYLES)] if number % 2 else ""
        design = build(name, FAMILIES[name], number, style)
        if split_of(design) == split:
            return design
