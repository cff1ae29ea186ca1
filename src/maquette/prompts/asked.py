"""The parts that a sentence asks for, read off its words: "with four brown legs and a striped seat" → four legs, brown; one seat.

Suites state their parts beside the text. What a person types does not, and the small scorer of parts needs to be told; large judges
list the parts themselves. A little grammar is enough for the way in which people name parts; what it does not understand it leaves out.
"""

from __future__ import annotations

import re

from maquette.corpus.grammar import IRREGULAR, MASS_NOUNS, MATERIAL_WORDS
from maquette.corpus.program import COLORS, COUNT_WORDS, PATTERNS
from maquette.types import PartSpec


def _each(words: str) -> frozenset[str]:
    return frozenset(words.split())


_OPENERS = re.compile(r"\b(?:with|that has|that have|which has|which have|has|have|parts are|made of)\b|[:.]")
"""After one of these, parts may be named."""
_WORDS = re.compile(r"[a-z0-9'-]+|[,;.:]")
NUMBERS = {word: number for number, word in enumerate(COUNT_WORDS) if number} | {"a": 1, "an": 1, "both": 2}
DETERMINERS = ("the", "its", "some", "no", "many", "several")
LOOKS = _each(
    "tall short low high long wide narrow slim thin thick big large small tiny little round rounded square flat curved straight pointed "
    "open solid plain matching light dark bright pale deep metal metallic glass stone plastic leather fabric brick gold silver wool paper "
    "rubber ceramic wooden steel iron"
)
ENDS = _each(
    "and or on in of under over before behind at by to from for around above below between beside inside joined that which it is are where "
    "while with has have standing sitting holding"
)
"""Words that end the name of a part."""
MOST_WORDS, MOST_COUNTED = 3, 99


def parts_in(text: str) -> tuple[PartSpec, ...]:
    """Each part that the text names after "with", "has", a colon or a full stop, with its count (0: not said) and colour ("": not said).

    A part must come with a number, an article or a look ("red", "striped", "tall"); bare nouns are too many other things.
    """
    found: dict[str, PartSpec] = {}
    opened = _OPENERS.search(text.lower()) or re.search(",", text)
    words = _WORDS.findall(text.lower()[opened.end() :]) if opened else []
    place = 0
    while place < len(words):
        spec, place = _part(words, place)
        if spec is not None and spec.name not in found:
            found[spec.name] = spec
    # "the slanted tube on four legs" after "a tube" is that tube again
    again = [name for name in found if " " in name and name.split()[-1] in found]
    return tuple(spec for name, spec in found.items() if name not in again)


def _part(words: list[str], place: int) -> tuple[PartSpec | None, int]:
    """The part that begins here, if one does, and where to go on."""
    start, count, color, look = place, 0, "", False
    if words[place] in NUMBERS or words[place].isdigit():
        count = NUMBERS.get(words[place]) or int(words[place][:9])
        count = count if count <= MOST_COUNTED else 0
        place += 1
    elif words[place] in DETERMINERS:
        place += 1
    while place < len(words) and _looks(words, place):
        color = color or (words[place] if words[place] in COLORS else "")
        look = look or words[place] != "and"
        place += 1
    name: list[str] = []
    while place < len(words) and words[place].isalpha() and words[place] not in ENDS and words[place] not in NUMBERS:
        name.append(words[place])
        place += 1
    if not (count or look) or not 0 < len(name) <= MOST_WORDS:
        return None, max(place, start + 1)
    single = singular(name[-1])
    uncounted = single in MASS_NOUNS or (count == 1 and single != name[-1])
    return PartSpec(" ".join([*name[:-1], single]), 0 if uncounted else count, color), place


def _looks(words: list[str], place: int) -> bool:
    """Whether the word says how a part looks; "and" between two colours does too. What nothing follows is the part itself."""
    word, after = words[place], words[place + 1] if place + 1 < len(words) else "."
    if word != "and" and (not after[0].isalnum() or (after in ENDS and after != "and")):
        return False
    if after == "and" and not (word in COLORS and _looks(words, place + 1)):
        return False
    if word == "and":
        return 0 < place < len(words) - 1 and words[place - 1] in COLORS and words[place + 1] in COLORS
    return (
        word in COLORS or word in PATTERNS or word in LOOKS or word in MATERIAL_WORDS or word in MATERIAL_WORDS.values()
    )


def singular(noun: str) -> str:
    """'legs' → 'leg', 'shelves' → 'shelf', 'glass' → 'glass'."""
    if noun in ("lens", "gas", "canvas"):
        return noun
    for one, many in IRREGULAR.items():
        if noun.endswith(many):
            return noun.removesuffix(many) + one
    if noun.endswith("ies") and len(noun) > 4:
        return noun[:-3] + "y"
    if noun.endswith(("ches", "shes", "xes", "sses", "zes")):
        return noun[:-2]
    plural = noun.endswith("s") and len(noun) > 2 and not noun.endswith(("ss", "us"))  # one letter is left of no noun
    return noun[:-1] if plural else noun
