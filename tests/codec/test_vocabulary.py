"""Mesh tokens by name, and strict parsing."""

from dataclasses import dataclass

import pytest
import torch

from maquette.codec.vocabulary import Vocabulary


@dataclass
class Names:
    """A tokenizer's vocabulary with the mesh tokens in an awkward order."""

    ids: dict[str, int]

    def get_vocab(self) -> dict[str, int]:
        return self.ids


def vocabulary() -> Vocabulary:
    names = {"a": 0, "<mesh2>": 1, "<mesh0>": 7, "<mesh3>": 4, "<mesh1>": 5, "<mesh-end>": 3, "<mesh-start>": 9, "b": 2}
    return Vocabulary.from_tokenizer(Names(names), 4)


def test_ids_are_found_by_name_not_by_order():
    v = vocabulary()
    assert (v.start_id, v.end_id, v.code_ids.tolist()) == (9, 3, [7, 5, 1, 4])


def test_encode_then_parse_gives_the_codes_back():
    v = vocabulary()
    ids = v.encode(torch.tensor([2, 2, 0, 3]))
    assert ids == [9, 1, 1, 7, 4, 3]
    parsed = v.parse(ids, 4)
    assert parsed.codes is not None and parsed.codes.tolist() == [2, 2, 0, 3] and parsed.reason == ""


@pytest.mark.parametrize(
    ("ids", "reason"),
    [
        ([], "does not begin with <mesh-start>"),
        ([1, 1, 7, 4, 3], "does not begin with <mesh-start>"),
        ([9], "does not end with <mesh-end>"),
        ([9, 1, 1, 7, 4], "does not end with <mesh-end>"),
        ([9, 1, 1, 7, 3], "has 3 codes instead of 4"),
        ([9, 1, 1, 7, 4, 4, 3], "has 5 codes instead of 4"),
        ([9, 1, 2, 7, 4, 3], "token 2 at place 1 is not a code"),
        ([9, 1, 9, 7, 4, 3], "token 9 at place 1 is not a code"),
        ([9, 3], "has 0 codes instead of 4"),
        ([9, 1, 1, 7, 99, 3], "token 99 at place 3 is not a code"),
        ([9, 1, 1, 7, -1, 3], "token -1 at place 3 is not a code"),
    ],
)
def test_whatever_is_malformed_is_failed_with_its_reason(ids: list[int], reason: str):
    parsed = vocabulary().parse(ids, 4)
    assert parsed.codes is None and parsed.reason == reason


def test_a_code_outside_the_codebook_cannot_be_written():
    for bad in (4, -1):
        with pytest.raises(IndexError):
            vocabulary().encode(torch.tensor([bad]))


def test_tokenizers_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="no <mesh4>; a codebook of 5 codes"):
        Vocabulary.from_tokenizer(Names(vocabulary_names(4)), 5)
    with pytest.raises(ValueError, match="has <mesh3>, but the codebook ends at <mesh2>"):
        Vocabulary.from_tokenizer(Names(vocabulary_names(4)), 3)
    with pytest.raises(ValueError, match="no <mesh-start>"):
        Vocabulary.from_tokenizer(Names({"<mesh0>": 0}), 1)


def vocabulary_names(size: int) -> dict[str, int]:
    return {name: i for i, name in enumerate(["<mesh-start>", *(f"<mesh{k}>" for k in range(size)), "<mesh-end>"])}
