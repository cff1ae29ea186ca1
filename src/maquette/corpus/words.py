"""Designs to words: captions of four lengths, the semantic plan, the visual description. All of it true of that object.

A caption comes with the `PartSpec`s that its own text states, so that what is asked can be checked without parsing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from maquette.corpus.program import Design, Part, count_word
from maquette.types import PartSpec

CAPTION_LENGTHS = 4
"""Captions run from 0 ('a red chair') to 3 (two or three sentences)."""

STYLE_WORDS = {"low-poly": "low-poly", "blocky": "blocky", "round": "rounded"}
MATERIAL_WORDS = {"wood": "wooden", "": ""}
"""Materials whose adjective is not the word itself."""
MASS_NOUNS = frozenset(
    {"soil", "water", "ground", "fur", "hair", "grass", "foliage", "frosting", "cream", "smoke", "snow", "sand"}
)
IRREGULAR = {
    "leaf": "leaves",
    "shelf": "shelves",
    "knife": "knives",
    "foot": "feet",
    "tooth": "teeth",
    "calf": "calves",
    "half": "halves",
}
VOWEL_EXCEPTIONS = ("one ", "uni", "use")


@dataclass(frozen=True)
class Caption:
    """A text and what it states of parts; count 0 and colour '' are not stated."""

    text: str
    parts: tuple[PartSpec, ...]


def plural(noun: str) -> str:
    """'leg' -> 'legs', 'bookshelf' -> 'bookshelves', 'window band' -> 'window bands'."""
    *front, last = noun.split(" ")
    for ending, replacement in IRREGULAR.items():
        if last.endswith(ending):
            return " ".join([*front, last.removesuffix(ending) + replacement])
    if last.endswith(("s", "x", "ch", "sh")):
        last += "es"
    elif last.endswith("y") and last[-2] not in "aeiou":
        last = last[:-1] + "ies"
    else:
        last += "s"
    return " ".join([*front, last])


def article(phrase: str) -> str:
    """The phrase with 'a' or 'an'."""
    vowel = phrase[0] in "aeiou" and not phrase.startswith(VOWEL_EXCEPTIONS)
    return f"{'an' if vowel else 'a'} {phrase}"


def captions(design: Design) -> tuple[str, ...]:
    """The four captions, short to long."""
    return tuple(caption(design, length).text for length in range(CAPTION_LENGTHS))


def caption(design: Design, length: int) -> Caption:
    """One caption with what it states. Which parts it names, and its wording, depend on the design's seed.

    0: main colour and kind · 1: with a proportion and one or two parts, counted · 2: with up to three parts and their colours
    · 3: every part with colour and pattern, then how they sit to one another.
    """
    if not 0 <= length < CAPTION_LENGTHS:
        raise ValueError(f"caption length {length} is outside 0..{CAPTION_LENGTHS - 1}")
    main, *others = design.parts
    if length == 0:
        return Caption(
            article(f"{_styled(design)}{main.color} {design.subtype}"), (PartSpec(main.name, 0, main.color),)
        )
    head = _headed(design, with_color=length != 3)
    named = _chosen(others, (0, 1 + design.seed % 2, 3, len(others))[length], design.seed)
    if length == 1:
        stated = (PartSpec(main.name, 0, main.color), *(PartSpec(p.name, _count(p)) for p in named))
        return Caption(_with(head, [_counted(p, p.name) for p in named], design.seed), stated)
    if length == 2:
        stated = (PartSpec(main.name, 0, main.color), *(PartSpec(p.name, _count(p), p.color) for p in named))
        return Caption(_with(head, [_counted(p, f"{p.color} {p.name}") for p in named], design.seed), stated)
    phrases = [_counted(p, f"{painted(p)} {p.name}") for p in design.parts]
    text = f"{_with(head, phrases, design.seed)}. {_sentence(design.layout)}".strip()
    stated = tuple(PartSpec(p.name, _count(p), p.color, p.pattern.kind) for p in design.parts)
    return Caption(text.rstrip("."), stated)


def plan(design: Design) -> str:
    """The semantic plan: what it is, how it is laid out, its proportions; no colours."""
    sentences = [article(f"{_styled(design)}{design.subtype}"), "; ".join(design.layout)]
    if design.proportions:
        sentences.append("proportions: " + ", ".join(design.proportions))
    return ". ".join(s for s in sentences if s) + "."


def description(design: Design) -> str:
    """The visual description: every part with count, colour, pattern and material; then the symmetry."""
    phrases = [_counted(p, " ".join(filter(None, (painted(p), _material(p), p.name)))) for p in design.parts]
    symmetry = f" {design.symmetry} symmetry." if design.symmetry and design.symmetry != "none" else ""
    return ", ".join(phrases) + "." + symmetry


def painted(part: Part) -> str:
    """'red', 'red and white striped', 'red to white' (gradient)."""
    kind, second = part.pattern.kind, part.pattern.second
    if not kind:
        return part.color
    return f"{part.color} to {second}" if kind == "gradient" else f"{part.color} and {second} {kind}"


def _material(part: Part) -> str:
    return MATERIAL_WORDS.get(part.material, part.material)


def _styled(design: Design) -> str:
    return f"{STYLE_WORDS[design.style]} " if design.style else ""


def _headed(design: Design, *, with_color: bool) -> str:
    """'tall low-poly red chair'; a proportion that the subtype says already is left out."""
    fresh = [w for w in design.proportions if w not in design.subtype][:1]
    color = [design.parts[0].color] if with_color else []
    return article(" ".join([*fresh, _styled(design).strip(), *color, design.subtype]).replace("  ", " ").strip())


def _chosen(parts: Sequence[Part], count: int, seed: int) -> list[Part]:
    """Up to `count` of the parts, counted ones first, rotated by the seed, in the design's order."""
    if not parts:
        return []
    turned = [parts[(i + seed) % len(parts)] for i in range(len(parts))]
    picked = sorted(turned, key=lambda p: not p.counted)[:count]
    return [p for p in parts if p in picked]


def _count(part: Part) -> int:
    return part.count if part.counted else 0


def _counted(part: Part, phrase: str) -> str:
    """'four red legs', 'a red seat', 'green foliage', 'brown spots' (uncounted and several)."""
    if part.name in MASS_NOUNS:
        return phrase
    if part.count == 1:
        return article(phrase)
    front = phrase.removesuffix(part.name)
    return f"{front}{plural(part.name)}" if not part.counted else f"{count_word(part.count)} {front}{plural(part.name)}"


def _with(head: str, phrases: Sequence[str], seed: int) -> str:
    if not phrases:
        return head
    listed = phrases[0] if len(phrases) == 1 else ", ".join(phrases[:-1]) + " and " + phrases[-1]
    return f"{head} {('with', 'that has', 'with')[seed % 3]} {listed}"


def _sentence(texts: Sequence[str]) -> str:
    """Capitalised, ended by a full stop; '' for nothing."""
    joined = "; ".join(texts)
    return joined[:1].upper() + joined[1:] + "." if joined else ""
