"""Parts read off what people type, against what the suites' captions are known to state."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from maquette.prompts.asked import parts_in, singular
from maquette.prompts.sets import load_prompts
from maquette.types import PartSpec


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a tall red chair with four legs", [("leg", 4, "")]),
        ("a dragon with two wings, a long tail and 4 legs", [("wing", 2, ""), ("tail", 1, ""), ("leg", 4, "")]),
        ("a house that has a red roof, two windows & a door", [("roof", 1, "red"), ("window", 2, ""), ("door", 1, "")]),
        ("a table: a striped red and white top", [("top", 1, "red")]),
        ("a snail with an orange shell", [("shell", 1, "orange")]),  # though shell is a material too
        ("a bonsai with green soil and a two-tone pot", [("soil", 0, "green"), ("pot", 1, "")]),
        ("a lamp with legs", []),  # a bare noun is too many other things
        ("a blue car", []),
        ("a chair with 100000000000000000000 legs", []),
        ("", []),
        (":,.; and and with", []),
        ("Ein Stuhl mit vier Beinen", []),
    ],
)
def test_by_hand(text: str, parts: list[tuple[str, int, str]]):
    assert parts_in(text) == tuple(PartSpec(name, count, color) for name, count, color in parts)


def test_the_suites_captions_are_read_as_they_were_meant():
    hit = stated = read = counted = right = 0
    for prompt in load_prompts("mini-dev") + load_prompts("mini"):
        truth, found = ({part.name: part for part in parts} for parts in (prompt.parts, parts_in(prompt.text)))
        both = truth.keys() & found.keys()
        hit, stated, read = hit + len(both), stated + len(truth), read + len(found)
        numbers = [(truth[name].count, found[name].count) for name in both if truth[name].count]
        counted, right = counted + len(numbers), right + sum(a == b for a, b in numbers)
    assert hit / read > 0.95 and hit / stated > 0.98  # precision, recall
    assert counted > 700 and right == counted


@pytest.mark.parametrize(
    ("many", "one"),
    [
        ("legs", "leg"),
        ("shelves", "shelf"),
        ("glass", "glass"),
        ("boxes", "box"),
        ("bodies", "body"),
        ("lens", "lens"),
        ("s", "s"),
    ],
)
def test_one_of_many(many: str, one: str):
    assert singular(many) == one


@given(st.text(max_size=80))
@example("1<S")
def test_whatever_is_typed_is_read_to_its_end(text: str):
    for words in (text, f"a thing with {text}"):
        for part in parts_in(words):
            assert part.name and 0 <= part.count <= 99
