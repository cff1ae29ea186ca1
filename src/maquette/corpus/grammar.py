"""The little English that captions need: articles, plurals, lists, and words that do not follow the rule."""

from __future__ import annotations

from collections.abc import Sequence

MATERIAL_WORDS = {
    "wood": "wooden",
    "wool": "woollen",
    "fur": "furry",
    "feathers": "feathered",
    "scales": "scaly",
    "leaves": "leafy",
    "tile": "tiled",
    "skin": "",
    "plant skin": "",
    "shell": "",
    "petals": "",
    "cream": "",
    "ice cream": "",
}
"""Materials whose adjective is not the word itself; '' is better left unsaid."""
MASS_NOUNS = frozenset(
    {
        "soil",
        "water",
        "ground",
        "fur",
        "hair",
        "grass",
        "foliage",
        "frosting",
        "icing",
        "cream",
        "smoke",
        "snow",
        "sand",
    }
)
"""Parts that one does not count and that take no article."""
IRREGULAR = {
    "leaf": "leaves",
    "shelf": "shelves",
    "loaf": "loaves",
    "knife": "knives",
    "foot": "feet",
    "tooth": "teeth",
    "calf": "calves",
    "half": "halves",
}
VOWEL_EXCEPTIONS = ("one ", "one-", "uni", "use", "u-")


def plural(noun: str) -> str:
    """'leg' -> 'legs', 'bookshelf' -> 'bookshelves', 'window band' -> 'window bands'."""
    *front, last = noun.split(" ")
    for ending, replacement in IRREGULAR.items():
        if last.endswith(ending):
            return " ".join([*front, last.removesuffix(ending) + replacement])
    if last.endswith(("s", "x", "z", "ch", "sh")):
        last += "es"
    elif last.endswith("y") and last[-2:-1] not in "aeiou":
        last = last[:-1] + "ies"
    else:
        last += "s"
    return " ".join([*front, last])


def article(phrase: str) -> str:
    """The phrase with 'a' or 'an'."""
    vowel = phrase[:1] in tuple("aeiou") and not phrase.startswith(VOWEL_EXCEPTIONS)
    return f"{'an' if vowel else 'a'} {phrase}"


def listed(phrases: Sequence[str]) -> str:
    """'a', 'a and b', 'a, b and c'."""
    if len(phrases) < 2:
        return "".join(phrases)
    return f"{', '.join(phrases[:-1])} and {phrases[-1]}"
