"""Which objects training may see: a held-out composition of family, colour and counts never occurs in `train`.

Held out are (a) about a tenth of the pairs of family and main colour and (b) about a tenth of the remaining compositions
(family, main colour, counts of counted parts). Both are decided by hashing, so that they are the same on every machine and
do not move when families are added. Long-tail families have a fixed pool of train objects that is drawn seldom.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from itertools import count as counter
from typing import Literal

from maquette.corpus.catalog import FAMILIES, compose
from maquette.corpus.program import STYLES, Design

Split = Literal["train", "heldout"]

HELD_OUT = 0.1
RARE_POOL = 40
"""Train objects of a long-tail family: no more exist."""
RARE_WEIGHT = 0.25
"""How often a long-tail family is drawn for training, an ordinary one being 1."""
PLAIN_STYLE = 0.55


def designs(split: Split, count: int, seed: int, start: int = 0) -> Iterator[Design]:
    """`count` designs of a split from place `start` on; place i holds the same design whatever the start."""
    for index in range(start, start + count):
        yield _design_at(split, seed, index)


def _design_at(split: Split, seed: int, index: int) -> Design:
    """The first draw at this place that falls into the split."""
    for attempt in counter():
        key = f"{split}|{seed}|{index}|{attempt}"
        name = _draw_family(split, _unit(f"{key}|family"))
        if split == "train" and FAMILIES[name].rare:
            return rare_design(name, int(_unit(f"{key}|pool") * RARE_POOL))
        design = compose(name, int(_unit(f"{key}|seed") * 2**31), _draw_style(_unit(f"{key}|style")))
        if split_of(design) == split:
            return design
    raise AssertionError("unreachable")


def rare_design(name: str, place: int) -> Design:
    """One of the `RARE_POOL` train objects of a long-tail family."""
    for attempt in counter():
        key = f"pool|{name}|{place}|{attempt}"
        design = compose(name, int(_unit(f"{key}|seed") * 2**31), _draw_style(_unit(f"{key}|style")))
        if split_of(design) == "train":
            return design
    raise AssertionError("unreachable")


def split_of(design: Design) -> Split:
    """`heldout` for held-out (family, main colour) pairs and for held-out full compositions, else `train`."""
    key = compositional_key(design)
    whole_pair = _unit("|".join(key[:2])) < HELD_OUT
    return "heldout" if whole_pair or _unit("composition|" + "|".join(key)) < HELD_OUT else "train"


def compositional_key(design: Design) -> tuple[str, ...]:
    """Family, main colour and the count of every counted part: what training must not have shown together."""
    counts = sorted(f"{p.count} {p.name}" for p in design.parts if p.counted)
    return (design.family, main_color(design), *counts)


def main_color(design: Design) -> str:
    """The name of the colour that covers most of the outside."""
    return design.colors[0] if design.colors else design.parts[0].color


def _draw_family(split: Split, u: float) -> str:
    weights = [RARE_WEIGHT if split == "train" and family.rare else 1.0 for family in FAMILIES.values()]
    left = u * sum(weights)
    for name, weight in zip(FAMILIES, weights, strict=True):
        left -= weight
        if left < 0:
            return name
    return next(reversed(FAMILIES))


def _draw_style(u: float) -> str:
    if u < PLAIN_STYLE:
        return STYLES[0]
    return STYLES[1 + int((u - PLAIN_STYLE) / (1 - PLAIN_STYLE) * (len(STYLES) - 1))]


def _unit(text: str) -> float:
    """A number in [0, 1) that hangs on the text alone, the same on every machine (`hash` is salted)."""
    return int.from_bytes(blake2b(text.encode(), digest_size=6).digest(), "big") / 2**48
