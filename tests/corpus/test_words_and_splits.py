"""Texts that are true, and splits that never mix."""

from collections import Counter
from itertools import islice

import pytest

from maquette.corpus.catalog import FAMILIES
from maquette.corpus.program import COLORS, COUNT_WORDS
from maquette.corpus.records import prompt_of, record_of
from maquette.corpus.splits import RARE_POOL, compositional_key, designs, split_of
from maquette.corpus.words import article, caption, captions, description, plan, plural

SAMPLE = tuple(designs("train", 400, seed=11))


@pytest.mark.parametrize(
    ("one", "many"),
    [("leg", "legs"), ("shelf", "shelves"), ("bookshelf", "bookshelves"), ("leaf", "leaves"), ("bench", "benches"),
     ("window band", "window bands"), ("berry", "berries"), ("foot", "feet"), ("key", "keys")],
)  # fmt: skip
def test_plurals(one, many):
    assert plural(one) == many


def test_articles():
    assert [article(w) for w in ("axe", "chair", "one legged stool", "umbrella", "uniform")] == [
        "an axe", "a chair", "a one legged stool", "an umbrella", "a uniform"
    ]  # fmt: skip


def test_captions_grow_and_say_the_kind():
    for design in SAMPLE[:100]:
        texts = captions(design)
        words = [len(t.split()) for t in texts]
        assert words[0] < words[1] <= words[3] and words[0] < words[2] <= words[3]
        assert all(design.subtype in t or design.family in t for t in texts)


def test_every_stated_part_is_in_the_design_as_stated():
    for design in SAMPLE:
        by_name = {p.name: p for p in design.parts}
        for length in range(4):
            said = caption(design, length)
            for spec in said.parts:
                part = by_name[spec.name]
                assert spec.count in (0, part.count) and spec.color in ("", part.color)
                assert spec.pattern in ("", part.pattern.kind)
                assert not spec.color or spec.color in said.text


def test_every_colour_and_count_word_of_a_text_is_true():
    for design in SAMPLE:
        colors = {p.color for p in design.parts} | {p.pattern.second for p in design.parts}
        counts = {COUNT_WORDS[p.count] for p in design.parts if p.count > 1}
        for text in (*captions(design)[:3], description(design)):
            words = text.replace(",", "").replace(".", "").split()
            said_colors = {w for w in words if w in COLORS} - set(design.subtype.split())
            said_counts = {w for w in words if w in COUNT_WORDS[2:]} - set(design.subtype.split())
            assert said_colors <= colors and said_counts <= counts, text


def test_the_plan_has_no_colour_and_both_texts_are_short():
    for design in SAMPLE:
        assert not set(plan(design).replace(",", "").replace(".", "").split()) & (set(COLORS) - {"orange"})
        assert len(plan(design).split()) <= 35 and len(description(design).split()) <= 60


def test_no_composition_is_on_both_sides():
    train = {compositional_key(d) for d in designs("train", 900, seed=0)}
    held_out = {compositional_key(d) for d in designs("heldout", 150, seed=0)}
    assert not train & held_out
    pairs = {k[:2] for k in train}
    unseen = [k for k in held_out if k[:2] not in pairs]
    assert unseen, "some whole (family, main colour) pairs must be held out"


def test_draws_have_random_access_and_depend_on_the_seed():
    assert [d.seed for d in designs("train", 3, 5, start=4)] == [d.seed for d in islice(designs("train", 9, 5), 4, 7)]
    assert next(designs("train", 1, 5)).seed != next(designs("train", 1, 6)).seed
    assert all(split_of(d) == "heldout" for d in designs("heldout", 30, 1))


def test_long_tail_families_have_few_examples():
    seeds: dict[str, set[int]] = {}
    drawn = list(designs("train", 1200, seed=2))
    shares = Counter(d.family for d in drawn)
    for d in drawn:
        seeds.setdefault(d.family, set()).add(d.seed)
    rare = [name for name, family in FAMILIES.items() if family.rare]
    assert rare and all(len(seeds.get(name, ())) <= RARE_POOL for name in rare)
    common = [shares[name] for name in FAMILIES if name not in rare]
    assert sum(common) / len(common) > 2.5 * sum(shares[name] for name in rare) / len(rare)


def test_the_families_fill_six_groups():
    assert len(FAMILIES) >= 36 and len({f.group for f in FAMILIES.values()}) == 6


def test_records_and_prompts_say_the_same():
    record = record_of(SAMPLE[0])
    assert record.captions[2] == prompt_of(SAMPLE[0], 2).text and record.coarse.color is None
    assert prompt_of(SAMPLE[0], 2).family == SAMPLE[0].family
    with pytest.raises(ValueError, match=r"4 is outside 0\.\.3"):
        caption(SAMPLE[0], 4)
