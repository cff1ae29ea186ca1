"""The scorers' own reading of text."""

import torch

from maquette.rewards.text import LONGEST, UNKNOWN, Words, split_words


def test_words_are_lower_case_runs_of_letters_or_digits() -> None:
    assert split_words("A Tall, RED chair-with 4 legs!") == ["a", "tall", "red", "chair", "with", "4", "legs"]


def test_vocabulary_keeps_common_words_commonest_first() -> None:
    assert Words.gather(["red red blue", "red blue green"], least=2).listed == ("red", "blue")


def test_a_plural_reads_as_its_singular() -> None:
    words = Words(("leg", "bench"))
    assert words.encode(["legs benches"]).tolist() == [[2, 3]]


def test_any_text_reads_as_something() -> None:
    words = Words(("chair",))
    odd = words.encode(["", "红色的椅子", "<mesh-start> chair", "chair " * 10_000])
    assert odd.shape == (4, LONGEST)
    assert odd[0, 0] == UNKNOWN and odd[1, 0] == UNKNOWN
    assert (odd[3] == 2).all()


def test_a_text_reads_the_same_in_any_company() -> None:
    words = Words(("red", "chair"))
    alone, together = words.encode(["red chair"]), words.encode(["red chair", "red red red chair"])
    assert torch.equal(together[0, :2], alone[0]) and together[0, 2:].sum() == 0
