"""MME-3DR, our list: sizes, no two alike, and every part, count, colour and attribute found in its own text."""

from __future__ import annotations

import re
from collections import Counter
from itertools import combinations

from maquette.evaluation.judges import level_prompt
from maquette.prompts.sets import SHIPPED, load_prompts, prompt_from_json, prompt_to_json
from maquette.prompts.suites import MINI_COUNTS
from maquette.types import PartSpec, Prompt

PROMPTS = load_prompts("mme-3dr")
NUMBERS = {
    2: "two|pair|both|twin", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine", 10: "ten", 12: "twelve",
    13: "thirteen", 16: "sixteen", 20: "twenty", 21: "twenty-one", 24: "twenty-four",
}  # fmt: skip
IRREGULAR = {
    "foot": "feet",
    "leaf": "leaves",
    "half": "halves",
    "shelf": "shelves",
    "tooth": "teeth",
    "daisy": "daisies",
    "antenna": "antennae",
}
SMALL = "a an the of on in and with its to at from by under over is are for as into one two three four five six"


def plurals(name: str) -> str:
    """The name and its plural forms as a pattern."""
    *first, last = name.split()
    forms = {last, f"{last}s", f"{last}es", IRREGULAR.get(last, last)}
    return "|".join(re.escape(" ".join([*first, form])) for form in sorted(forms, key=len, reverse=True))


def unstated(prompt: Prompt) -> list[str]:
    """What a prompt expects that its own text does not say."""
    text = prompt.text.lower()
    missing = [a for a in prompt.attributes if a.lower() not in text]
    for part in prompt.parts:
        if not re.search(rf"\b({plurals(part.name)})\b", text):
            missing.append(part.name)
        missing += [word for word in (part.color, part.material) if word and not re.search(rf"\b{word}\b", text)]
        counted = rf"\b({NUMBERS.get(part.count, '')})\b(?:[\s-]+[\w'’]+){{0,5}}?[\s-]+({plurals(part.name)})\b"
        if part.count > 1 and not re.search(counted, text):
            missing.append(f"{part.count} {part.name}")
        if part.count == 1 and not re.search(rf"\b{re.escape(part.name)}\b", text):
            missing.append(f"one {part.name}")
    return missing


def content(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower())) - set(SMALL.split())


def test_the_paper_s_categories_in_the_paper_s_sizes():
    assert Counter(p.category for p in PROMPTS) == MINI_COUNTS
    assert [p.id for p in PROMPTS] == [f"mme-3dr-{i:03d}" for i in range(249)]


def test_no_two_are_alike():
    assert len({p.family for p in PROMPTS}) == 249
    words = [content(p.text) for p in PROMPTS]
    shared = max(len(a & b) / len(a | b) for a, b in combinations(words, 2))
    assert shared < 0.25


def test_nothing_is_expected_that_the_text_does_not_say():
    assert {p.id: unstated(p) for p in PROMPTS if unstated(p)} == {}


def unasked(prompt: Prompt) -> list[str]:
    """Number words of the text that neither a counted part nor a question takes up."""
    text, asked = prompt.text.lower(), " ".join(prompt.questions).lower()
    counted = {word for part in prompt.parts if part.count > 1 for word in NUMBERS.get(part.count, "").split("|")}
    said = [
        word for words in NUMBERS.values() for word in words.split("|") if re.search(rf"(?<!-)\b{word}\b(?!-)", text)
    ]
    return [word for word in said if word not in counted and not re.search(rf"\b{word}\b", asked)]


def test_every_large_number_of_a_text_is_counted_or_asked_for():
    few = {"two", "pair", "both", "twin", "three"}
    assert {p.id: missing for p in PROMPTS if (missing := set(unasked(p)) - few)} == {}
    assert unasked(Prompt("x", "A stool with five legs and two arms.", parts=(PartSpec("arm", 2),))) == ["five"]


def uncounted(prompt: Prompt) -> list[str]:
    """Parts without a count that the text names in the singular alone: there is one of them.

    Two ways of naming one of several do not count: once for each of something, and `one LEG` of those that it has.
    """
    several = r"\b(each|every|either|pairs|tandem)\b"
    clauses = re.split(r"[,;:]", prompt.text.lower())
    found = []
    for part in prompt.parts:
        name = re.escape(part.name)
        plural = rf"\b(?!{name}\b)({plurals(part.name)})\b"
        if part.count or re.search(plural, prompt.text.lower()):
            continue
        named = [c for c in clauses if re.search(rf"\b{name}\b", c) and not re.search(rf"\bone {name}\b", c)]
        found += [part.name] if any(not re.search(several, clause) for clause in named) else []
    return found


def test_what_the_text_names_once_is_counted_as_one():
    assert {p.id: missing for p in PROMPTS if (missing := uncounted(p))} == {}
    assert [p.id for p in PROMPTS if not any(part.count for part in p.parts)] == []
    heron = "A heron on one leg, a fish in the bill, feathers on its back, a claw on each toe."
    parts = tuple(PartSpec(name, 0) for name in ("leg", "bill", "fish", "feather", "claw", "back"))
    assert uncounted(Prompt("x", heron, parts=parts)) == ["bill", "fish", "back"]


SIDES = re.compile(r"\b(left|right)(most)?\b(?! (angles|open|out|on the outside|shaggy|hand\b))")
FRONTED = {"015", "025", "049", "060", "081", "170", "201"}
"""Prompts that may say left and right: things with a front of their own, on which viewer and user agree."""


def test_left_and_right_are_said_only_of_what_has_a_front():
    said = {
        p.id[-3:] for p in PROMPTS if SIDES.search(" ".join((p.text, *p.questions, *map(str, p.relations))).lower())
    }
    assert said == FRONTED
    assert "looks at the object's front" in level_prompt(PROMPTS[15])


def test_a_relation_speaks_of_things_in_the_text():
    strange = {}
    for prompt in PROMPTS:
        for first, _, last in prompt.relations:
            ends = [w for end in (first, last) for w in end.lower().split()]
            known = prompt.text.lower() + " " + prompt.family.lower()
            unknown = [
                w for w in ends if not any(form in known for form in (w, w.rstrip("s"), *IRREGULAR.get(w, w).split()))
            ]
            if unknown:
                strange[prompt.id] = unknown
    assert strange == {}


def test_every_prompt_is_a_sentence_with_parts_relations_and_three_questions():
    for prompt in PROMPTS:
        assert prompt.parts and prompt.attributes and prompt.relations and len(prompt.questions) == 3, prompt.id
        assert all(q.endswith("?") and q.split()[0] in OPENERS for q in prompt.questions), prompt.questions
        assert 15 <= len(prompt.text.split()) <= 50 and prompt.text[0].isupper() and prompt.text.endswith("."), (
            prompt.id
        )


OPENERS = {"Is", "Are", "Do", "Does", "Has", "Have", "Can", "Could", "Would"}
"""A judge's question is one of yes or no."""


def test_the_check_sees_a_wrong_count_color_and_part():
    text = "A stool with three short red legs."
    right = PartSpec("leg", 3, "red")
    assert unstated(Prompt("x", text, parts=(right,))) == []
    wrong = (
        PartSpec("leg", 4, "red"),
        PartSpec("leg", 3, "blue"),
        PartSpec("seat"),
        PartSpec("leg", 3, material="oak"),
    )
    assert [unstated(Prompt("x", text, parts=(part,))) for part in wrong] == [["4 leg"], ["blue"], ["seat"], ["oak"]]


def test_nothing_is_shared_with_the_other_suites():
    others = {p.text.lower() for name in ("mini", "mini-dev", "quickstart") for p in load_prompts(name)}
    assert not others & {p.text.lower() for p in PROMPTS}


def test_every_field_survives_its_json_form():
    for prompt in PROMPTS[::40]:
        assert prompt_from_json(prompt_to_json(prompt), "here") == prompt


def test_the_card_says_whose_it_is():
    card = (SHIPPED / "mme-3dr.md").read_text()
    assert "CC-BY-4.0" in card and "This is not that" in card
    assert all(f"| `{name}` | {count} |" in card for name, count in MINI_COUNTS.items())
