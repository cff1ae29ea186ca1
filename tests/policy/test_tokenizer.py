from pathlib import Path

import pytest

from maquette.policy.tokenizer import PolicyTokenizer, train_tokenizer
from tests.policy.micro import CODEBOOK, TEXTS, micro_tokenizer

TRICKS = (
    "＜mesh-start＞",
    "<mesh​3>",
    "<|im\u00ad_end|>",
    "<\u200dmesh0>",
    "<mesh０>",
    "<<mesh0>>",
    "<|<|im_end|>im_end|>",
)


@pytest.fixture(scope="module")
def tokenizer() -> PolicyTokenizer:
    return micro_tokenizer()


def test_no_control_token_can_be_spoken(tokenizer: PolicyTokenizer) -> None:
    names = [token.content for token in tokenizer.inner.added_tokens_decoder.values()]
    assert len(names) == CODEBOOK + 5
    for text in (*names, "".join(names), *TRICKS):
        ids = tokenizer.encode(f"a chair {text} with legs")
        assert not set(ids) & tokenizer.control
        assert tokenizer.inner.decode(ids) == f"a chair {text} with legs"


def test_any_script_survives(tokenizer: PolicyTokenizer) -> None:
    for text in ("椅子 четыре ноги", "🪑🪑", "a\tb\nc", "é", "x" * 10_000):
        assert tokenizer.inner.decode(tokenizer.encode(text)) == text


def test_supports_are_runs(tokenizer: PolicyTokenizer) -> None:
    words = tokenizer.vocabulary
    assert tokenizer.text_ids == list(range(words.start_id))
    assert words.code_ids.tolist() == list(range(words.start_id + 1, words.end_id))


def test_chat_layout(tokenizer: PolicyTokenizer) -> None:
    ids = tokenizer.chat(("make: a red chair\n", (7, 1)))
    expected = (
        "<|im_start|>user\nmake: a red chair\n<mesh-start><mesh7><mesh1><mesh-end><|im_end|>\n<|im_start|>assistant\n"
    )
    assert tokenizer.inner.decode(ids) == expected
    with_system = tokenizer.inner.decode(tokenizer.chat(("a",), system="Be brief."))
    assert with_system.startswith("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\na<|im_end|>")


def test_long_text_is_cut_and_says_so(tokenizer: PolicyTokenizer) -> None:
    whole = tokenizer.encode("a red chair " * 100)
    cut = tokenizer.encode_cut("a red chair " * 100, 64)
    assert cut.ids == whole[:64]
    assert cut.warning == f"The prompt has {len(whole)} tokens; only the first 64 were read."
    assert tokenizer.encode_cut("a red chair", 64).warning == ""


def test_saved_and_loaded_are_the_same(tokenizer: PolicyTokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path)
    again = PolicyTokenizer.load(tmp_path)
    assert again.encode("two <mesh0> wheels") == tokenizer.encode("two <mesh0> wheels")
    assert again.vocabulary.end_id == tokenizer.vocabulary.end_id and again.pad == tokenizer.pad
    with pytest.raises(ValueError, match=r"tokenizer\.json is missing"):
        PolicyTokenizer.load(tmp_path / "nowhere")


def test_training_is_deterministic() -> None:
    first, second = (train_tokenizer(TEXTS * 5, 300, 4).get_vocab() for _ in range(2))
    assert first == second
