"""Designs to words: captions of four lengths, the semantic plan, the visual description. All of it true of that object.

A caption comes with the `PartSpec`s that its own text states, so that what is asked can be checked without parsing. Which
pattern of sentence is taken, and which parts are named, hangs on the design's seed alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from maquette.corpus.grammar import MASS_NOUNS, MATERIAL_WORDS, article, listed, plural
from maquette.corpus.program import Design, Part, count_word
from maquette.types import PartSpec

CAPTION_LENGTHS = 4
"""Captions run from 0 ('a red chair') to 3 (two or three sentences)."""
STYLE_WORDS = {"": "", "low-poly": "low-poly", "blocky": "blocky", "round": "rounded"}
OTHER_THINGS = frozenset(
    {
        "toy piano",
        "sandwich",
        "steamroller",
        "oil can",
        "swan",
        "baby chick",
        "beetle",
        "ant",
        "wind turbine",
        "sundae cup",
    }
)
"""Subtypes that one would not call by their family's name."""
PLAN_WORDS = 35
DESCRIPTION_WORDS = 60

__all__ = ["CAPTION_LENGTHS", "Caption", "article", "caption", "captions", "description", "plan", "plural"]


@dataclass(frozen=True)
class Caption:
    """A text and what it states of parts; count 0 and colour '' are not stated."""

    text: str
    parts: tuple[PartSpec, ...]


def captions(design: Design) -> tuple[str, ...]:
    """The four captions, short to long."""
    return tuple(caption(design, length).text for length in range(CAPTION_LENGTHS))


def caption(design: Design, length: int) -> Caption:
    """One caption with what it states.

    0: colour and kind · 1: with a proportion and the count of a part or two · 2: with two or three parts, counted and coloured
    · 3: the layout in a sentence, then every part with count, colour and pattern.
    """
    if not 0 <= length < CAPTION_LENGTHS:
        raise ValueError(f"caption length {length} is outside 0..{CAPTION_LENGTHS - 1}")
    return (_terse, _short, _medium, _rich)[length](design, (design.seed // 7 + length) % 60)


def plan(design: Design) -> str:
    """The semantic plan: what it is, its proportions, how it is laid out; no colours, at most `PLAN_WORDS` words."""
    said = design.family in design.subtype or design.subtype in OTHER_THINGS
    kind = design.subtype if said else f"{design.subtype} ({design.family})"
    head = article(_joined(*design.proportions, STYLE_WORDS[design.style], kind))
    layout = list(design.layout)
    while layout and len(f"{head} {' '.join(layout)}".split()) > PLAN_WORDS:
        layout.pop()
    return f"{head}: {'; '.join(layout)}." if layout else f"{head}."


def description(design: Design) -> str:
    """The visual description: every part with count, colour, pattern and material, then the symmetry.

    Materials go first, from the last part on, where the text would pass `DESCRIPTION_WORDS` words; then the symmetry.
    """
    ending = f" {design.symmetry} symmetry." if design.symmetry and design.symmetry != "none" else ""
    text = ""
    for said in range(len(design.parts), -1, -1):
        phrases = [_phrase(p, paint=True, material=i < said) for i, p in enumerate(design.parts)]
        text = ", ".join(phrases) + "."
        if len((text + ending).split()) <= DESCRIPTION_WORDS:
            return text + ending
    return text


def _terse(design: Design, turn: int) -> Caption:
    """'a red chair', 'a chair in red', 'red chair'."""
    style, color, kind = STYLE_WORDS[design.style], _color(design), _kind(design, turn)
    texts = (
        article(_joined(style, color, kind)),
        article(_joined(color, style, kind)),
        f"{article(_joined(style, kind))} in {color}",
        _joined(style, color, kind),
    )
    return Caption(texts[turn % 4], ())


def _short(design: Design, turn: int) -> Caption:
    """'a tall red chair with four legs'."""
    named = _chosen(design, 1 + turn % 2, turn)
    parts = listed([_phrase(p) for p in named])
    style, color, kind = STYLE_WORDS[design.style], _color(design), _kind(design, turn)
    shape = _shape(design, kind)
    head = _joined(shape, style, color, kind)
    texts = (
        f"{article(head)} with {parts}",
        f"{article(_joined(shape, style, kind))} in {color} with {parts}",
        f"{article(head)} that has {parts}",
        f"{head}, {parts}",
    )
    return Caption(texts[turn % 4], tuple(PartSpec(p.name, _count(p)) for p in named))


def _medium(design: Design, turn: int) -> Caption:
    """'a tall wooden chair with four brown legs and a striped red and white seat'."""
    named = _chosen(design, 2 + turn % 2, turn)
    parts = listed([_phrase(p, paint=True) for p in named])
    style, color, kind = STYLE_WORDS[design.style], _color(design), _kind(design, turn + 1)
    shape = _shape(design, kind)
    texts = (
        f"{article(_joined(shape, style, kind))} with {parts}",
        f"{article(_joined(shape, style, color, kind))} with {parts}",
        f"{article(_joined(style, kind))} that has {parts}",
        f"{article(_joined(shape, style, color, kind))}: {parts}",
        f"{article(_joined(style, color, kind))} which has {parts}",
    )
    return Caption(texts[turn % 5], _stated(named))


def _rich(design: Design, turn: int) -> Caption:
    """Two or three sentences: what it is and how it is laid out, then every part."""
    style, color, kind = STYLE_WORDS[design.style], _color(design), design.subtype
    parts = listed([_phrase(p, paint=True) for p in design.parts])
    layout = design.layout[0] if design.layout else ""
    head = article(_joined(_shape(design, kind), style, color, kind))
    texts = (
        (f"{head}: {layout}" if layout else head) + f". It has {parts}",
        f"{head}. It has {parts}" + (f". The layout is {layout}" if layout else ""),
        (f"{head}, {layout}" if layout else head) + f". Its parts are {parts}",
        f"{head} with {parts}" + (f". The layout is {layout}" if layout else ""),
    )
    return Caption(texts[turn % 4] + ".", _stated(design.parts))


def _stated(parts: Sequence[Part]) -> tuple[PartSpec, ...]:
    return tuple(PartSpec(p.name, _count(p), p.color, p.pattern.kind) for p in parts)


def _joined(*words: str) -> str:
    return " ".join(w for w in words if w)


def _color(design: Design) -> str:
    """'red', or 'red and white' where both cover much of the object."""
    return " and ".join(design.colors or (design.parts[0].color,))


def _kind(design: Design, turn: int) -> str:
    """The subtype or the family's name; the subtype more often, for it says more."""
    return design.family if turn % 5 == 0 and design.subtype not in OTHER_THINGS else design.subtype


def _shape(design: Design, kind: str) -> str:
    """One proportion that the kind does not say already."""
    fresh = [word for word in design.proportions if word not in kind]
    return fresh[0] if fresh else ""


def _chosen(design: Design, count: int, turn: int) -> list[Part]:
    """Up to `count` parts in the design's order: counted ones first, then as the turn falls."""
    order = [(i + turn) % len(design.parts) for i in range(len(design.parts))]
    picked = sorted(order, key=lambda i: not (design.parts[i].counted and design.parts[i].count > 1))[:count]
    return [design.parts[i] for i in sorted(picked)]


def _count(part: Part) -> int:
    return part.count if part.counted else 0


def _phrase(part: Part, *, paint: bool = False, material: bool = False) -> str:
    """'four legs', 'four brown wooden legs', 'a striped red and white seat', 'green foliage', 'brown spots' (uncounted)."""
    words = _joined(
        _painted(part) if paint else "",
        MATERIAL_WORDS.get(part.material, part.material) if material and part.material not in part.name else "",
    )
    if part.name in MASS_NOUNS:
        return _joined(words, part.name)
    if part.count == 1:
        return article(_joined(words, part.name))
    return _joined(count_word(part.count) if part.counted else "", words, plural(part.name))


def _painted(part: Part) -> str:
    """'red', or with the pattern first: 'striped red and white'."""
    kind = part.pattern.kind
    return f"{kind} {part.color} and {part.pattern.second}" if kind else part.color
