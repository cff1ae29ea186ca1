"""Judges: what they are asked, answers that are none, agreement and variety against numbers worked by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from maquette.evaluation.judges import (
    PROMPT_VERSION,
    agreement,
    ask_judge,
    krippendorff_alpha,
    level_prompt,
    spearman,
    variety,
)
from maquette.types import Prompt

VIEWS = np.zeros((2, 4, 4, 3), np.uint8)
PROMPT = Prompt("a", "a red chair", questions=("Is it red?", "Has it four legs?"))
GOOD = {"geometry": 0.5, "semantics": 0.1, "texture": 1, "reason": "plain", "answers": ["yes", "no"]}


def says(answer: Mapping[str, object]):
    def ask(text: str, pictures: Sequence[np.ndarray], questions: int) -> Mapping[str, object]:
        assert "a red chair" in text and len(pictures) == questions == 2
        return answer

    return ask


def test_a_judge_is_asked_the_request_and_every_question():
    text = level_prompt(PROMPT)
    assert "1. Is it red?" in text and "2. Has it four legs?" in text and '"texture": number' in text
    assert "Questions" not in level_prompt(Prompt("a", "a chair"))


def test_questions_are_counted_point_by_point():
    verdict = ask_judge("vlm", says(GOOD | {"answers": ["Yes.", "no"]}), PROMPT, VIEWS)
    assert verdict.scores == {"geometry": 0.5, "semantics": 0.5, "texture": 1.0}
    assert (verdict.judge, verdict.version, verdict.words) == ("vlm", PROMPT_VERSION, "plain")
    for answers in (["yes"], ["yes", "no", "no"], "yes", None, ["yes", "perhaps"]):
        assert math.isnan(ask_judge("vlm", says(GOOD | {"answers": answers}), PROMPT, VIEWS).scores["semantics"])


@pytest.mark.parametrize(
    "answer",
    [{}, GOOD | {"texture": "good"}, GOOD | {"texture": 1.1}, GOOD | {"geometry": True}, GOOD | {"texture": math.nan}],
)
def test_an_answer_out_of_range_is_missing_and_says_so(answer):
    verdict = ask_judge("vlm", says(answer), PROMPT, VIEWS)
    assert all(math.isnan(score) for score in verdict.scores.values()) and "no verdict" in verdict.words


def test_a_judge_that_is_gone_is_missing():
    def ask(text: str, pictures: Sequence[np.ndarray], questions: int) -> Mapping[str, object]:
        raise OSError("connection refused")

    assert "connection refused" in ask_judge("vlm", ask, PROMPT, VIEWS).words


def test_rank_correlation_by_hand():
    assert spearman(np.array([1.0, 2, 3, 4]), np.array([10.0, 20, 30, 40])) == pytest.approx(1)
    # Ranks 1 2 3 4 against 2 1 4 3: 1 − 6·4 / (4·15) = 0.6.
    assert spearman(np.array([1.0, 2, 3, 4]), np.array([2.0, 1, 4, 3])) == pytest.approx(0.6)
    assert math.isnan(spearman(np.ones(5), np.arange(5.0)))


def test_agreement_leaves_out_what_one_judge_did_not_score():
    rng = np.random.default_rng(0)
    truth = rng.random(40)
    other = truth + 0.05 * rng.random(40)
    other[:4] = np.nan
    close, chance = agreement({"a": truth, "b": other}), agreement({"a": truth, "b": rng.random(40)})
    assert close[0].judges == ("a", "b") and close[0].left_out == 4 and close[0].spearman.n == 36
    assert close[0].spearman.low > 0.9 and chance[0].spearman.low < 0 < chance[0].spearman.high
    with pytest.raises(ValueError, match="the same objects"):
        agreement({"a": truth, "b": other[:5]})


def test_krippendorff_s_alpha_by_hand():
    assert krippendorff_alpha(np.array([[1.0, 2, 3], [1, 2, 3]])) == pytest.approx(1)
    # Two judges, (0, 1) and (1, 0): within-unit mean square 1, over all pairs (2·1·4)/(4·3) = 2/3: 1 − 1/(2/3).
    assert krippendorff_alpha(np.array([[0.0, 1], [1, 0]])) == pytest.approx(-0.5)
    assert math.isnan(krippendorff_alpha(np.array([[1.0, np.nan], [np.nan, 2]])))
    rng = np.random.default_rng(1)
    assert abs(krippendorff_alpha(rng.random((3, 400)))) < 0.1


def test_variety_is_zero_for_copies_and_failures_earn_none():
    one = np.array([1.0, 0.0])
    features = np.array([[one, one], [one, [0.0, 1.0]], [one, [0.0, 1.0]], [one, -one]])
    failed = np.array([[False, False], [False, False], [False, True], [False, False]])
    np.testing.assert_allclose(variety(features, failed), [0, 1, 0, 2], atol=1e-12)
    with pytest.raises(ValueError, match="at least 2 answers"):
        variety(features[:, :1], failed[:, :1])
