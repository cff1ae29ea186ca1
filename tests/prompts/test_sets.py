"""Prompt sets: the shipped suites, training prompts, files, and what goes wrong."""

from collections import Counter
from pathlib import Path

import pytest

from maquette.corpus.catalog import category_of
from maquette.corpus.records import prompt_of
from maquette.corpus.splits import designs
from maquette.prompts.sets import load_prompts
from maquette.prompts.suites import DEV_COUNTS, MINI_COUNTS, load_references


@pytest.mark.parametrize(("name", "counts"), [("mini", MINI_COUNTS), ("mini-dev", DEV_COUNTS)])
def test_shipped_suites_have_the_stated_sizes_and_no_two_prompts_alike(name, counts):
    prompts = load_prompts(name)
    assert Counter(p.category for p in prompts) == counts
    assert len({p.text.lower() for p in prompts}) == len(prompts)


def test_mini_has_the_size_of_mme_3dr():
    assert sum(MINI_COUNTS.values()) == 249


@pytest.mark.parametrize("name", ["mini", "mini-dev", "quickstart"])
def test_every_prompt_is_still_what_its_own_object_says(name):
    references = load_references(name)
    for prompt in load_prompts(name):
        design, ceiling = references[prompt.id]
        assert prompt.text in {prompt_of(design, length).text for length in range(4)}
        assert category_of(design) == prompt.category and design.family == prompt.family
        assert 0.0 < ceiling <= 1.0


def test_suites_share_no_text_with_each_other_or_with_training():
    mini = {p.text for p in load_prompts("mini")}
    assert not mini & {p.text for p in load_prompts("mini-dev")}
    train = {prompt_of(d, length).text for d in designs("train", 1500, seed=5) for length in range(1, 4)}
    assert not mini & train


def test_training_prompts_depend_on_the_seed_alone():
    assert load_prompts("train", count=5, seed=3) == load_prompts("train", count=5, seed=3)
    assert load_prompts("train", count=5, seed=3) != load_prompts("train", count=5, seed=4)


def test_files_of_all_three_kinds(tmp_path: Path):
    (tmp_path / "a.txt").write_text("a red chair\n\na boat\n")
    (tmp_path / "b.csv").write_text('id,text,category\nx,"a chair, red",spatial\n')
    (tmp_path / "c.jsonl").write_text('{"id": "y", "text": "a lamp", "parts": [{"name": "shade", "color": "red"}]}\n')
    assert [p.text for p in load_prompts(str(tmp_path / "a.txt"))] == ["a red chair", "a boat"]
    assert load_prompts(str(tmp_path / "b.csv"))[0].text == "a chair, red"
    assert load_prompts(str(tmp_path / "c.jsonl"))[0].parts[0].color == "red"


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("a.txt", "\n", "holds no prompt"),
        ("a.jsonl", '{"id": "x"}', "needs a `text`"),
        ("a.jsonl", '{"text": "x", "colour": 1}', "colour"),
        ("a.jsonl", "{", "a.jsonl:1 is not JSON"),
        ("a.jsonl", '{"id": "x", "text": "a"}\n{"id": "x", "text": "b"}', "only 1 different ids"),
        ("a.csv", "words\nchair\n", "`text`"),
        ("a.pdf", "x", "not .pdf"),
    ],
)
def test_a_bad_file_is_named_with_its_fault(tmp_path: Path, file, content, message):
    (tmp_path / file).write_text(content)
    with pytest.raises(ValueError, match=message):
        load_prompts(str(tmp_path / file))


def test_an_unknown_set_names_the_known_ones():
    with pytest.raises(ValueError, match="mini-dev"):
        load_prompts("maxi")
