"""Judges of the three levels that MME-3DR scores, their agreement, and the variety of answers.

Levels: multi-view geometric consistency, semantic detail alignment, texture realism. A judge's name and its prompt's version stand with
every score that it gives; a judge that fails leaves a missing score, which is counted and never replaced.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy.stats import rankdata

from maquette.evaluation.metrics import Interval
from maquette.rewards.judge_client import JudgeGone
from maquette.types import Prompt

LEVELS = ("geometry", "semantics", "texture")
PROMPT_VERSION = "levels-2"
Ask = Callable[[str, Sequence[UInt8[np.ndarray, "h w 3"]], int], Mapping[str, object]]
"""A vision-language model: text and pictures in, its JSON answer out; raises ValueError or OSError where it has none."""


@dataclass(frozen=True)
class Verdict:
    """What one judge says of one object."""

    judge: str
    version: str
    scores: Mapping[str, float]
    """In [0, 1] by level; NaN: missing."""
    words: str = ""
    """Its reason, or why there is none."""


def level_prompt(prompt: Prompt) -> str:
    """What a judge is asked about one object: the request, its own questions, and the shape of the answer."""
    questions = "\n".join(f"{i}. {q}" for i, q in enumerate(prompt.questions, 1))
    asked = (
        f"\nQuestions about it, each to be answered by yes or no from what the pictures show:\n{questions}"
        if questions
        else ""
    )
    return (
        f"The pictures show one 3D object from several sides. It was made for this request:\n{prompt.text}\n{asked}\n"
        "Left and right are those of somebody who looks at the object's front.\n"
        "Give three scores between 0 and 1.\n"
        "geometry: is it one and the same sound solid from every side, without floating pieces, holes or a second face?\n"
        "semantics: does it show what the request says, in kind, parts, counts, colours and relations?\n"
        "texture: does its surface look like the material and the manner that the request names, evenly from all sides?\n"
        'Answer with JSON only: {"geometry": number, "semantics": number, "texture": number, '
        '"answers": ["yes" or "no" per question], "reason": "one sentence"}'
    )


def ask_judge(name: str, ask: Ask, prompt: Prompt, views: UInt8[np.ndarray, "v h w 3"]) -> Verdict:
    """A verdict from a served model. An answer out of range, or none at all, is missing and says why; `JudgeGone` stops.

    Where the prompt has questions, the share of yes is the semantic score: it is checked point by point. An answer that leaves one out is
    none: a mean over some objects of shares and over others of impressions would be neither.
    """
    try:
        answer = ask(level_prompt(prompt), list(views), len(prompt.questions))
        scores = {level: level_score(answer, level) for level in LEVELS}
        if prompt.questions:
            scores["semantics"] = float(np.mean(yes_or_no(answer, len(prompt.questions))))
        return Verdict(name, PROMPT_VERSION, scores, str(answer.get("reason", "")))
    except JudgeGone:
        raise  # a judge that nobody can reach is not one that said nothing
    except (ValueError, OSError) as error:
        return Verdict(name, PROMPT_VERSION, dict.fromkeys(LEVELS, math.nan), f"no verdict: {error}")


def level_score(answer: Mapping[str, object], level: str) -> float:
    """ValueError where the answer has no number between 0 and 1 for the level."""
    value = answer.get(level)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ValueError(f"{level} is {value!r}, not a number between 0 and 1")
    return float(value)


def yes_or_no(answer: Mapping[str, object], questions: int) -> list[bool]:
    """The replies to all questions; ValueError where their number is another or one is neither yes nor no."""
    replies = answer.get("answers")
    if isinstance(replies, str) or not isinstance(replies, Sequence) or len(replies) != questions:
        raise ValueError(f"answers is {replies!r}, not one yes or no for each of {questions} questions")
    words = [str(reply).strip().lower() for reply in replies]
    if strange := [word for word in words if not word.startswith(("yes", "no"))]:
        raise ValueError(f"answers holds {strange[0]!r}, which is neither yes nor no")
    return [word.startswith("yes") for word in words]


def failed_verdict(name: str) -> Verdict:
    """An answer that is no shape has the worst score of every level; no judge is asked."""
    return Verdict(name, PROMPT_VERSION, dict.fromkeys(LEVELS, 0.0), "no shape")


@dataclass(frozen=True)
class Agreement:
    """Between two judges on one level, over the objects that both scored."""

    judges: tuple[str, str]
    spearman: Interval
    """Rank correlation with its bootstrap interval over objects; NaN where one of them gives all objects one score."""
    left_out: int
    """Objects that one of the two did not score."""


def agreement(
    scores: Mapping[str, Float[np.ndarray, " n"]], *, seed: int = 0, rounds: int = 500
) -> tuple[Agreement, ...]:
    """Every pair of judges on the same n objects in the same order; NaN is missing."""
    lengths = {name: len(values) for name, values in scores.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"judges must have scored the same objects, not {lengths}")
    found = []
    for a, b in combinations(scores, 2):
        x, y = np.asarray(scores[a], float), np.asarray(scores[b], float)
        both = ~np.isnan(x + y)
        found.append(Agreement((a, b), _spearman_interval(x[both], y[both], seed, rounds), int((~both).sum())))
    return tuple(found)


def _spearman_interval(x: np.ndarray, y: np.ndarray, seed: int, rounds: int) -> Interval:
    rng = np.random.default_rng(seed)
    value = spearman(x, y)
    draws = [spearman(x[i], y[i]) for i in rng.integers(len(x), size=(rounds, len(x)))] if len(x) > 2 else []
    kept = [d for d in draws if not math.isnan(d)]
    if math.isnan(value) or not kept:
        return Interval(value, math.nan, math.nan, len(x))
    low, high = np.percentile(kept, [2.5, 97.5])
    return Interval(value, float(low), float(high), len(x))


def spearman(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> float:
    """Correlation of ranks, ties sharing theirs; NaN for fewer than 3 objects or where one side is constant."""
    if len(x) < 3 or not np.ptp(x) or not np.ptp(y):
        return math.nan
    return float(np.corrcoef(rankdata(x), rankdata(y))[0, 1])


def krippendorff_alpha(scores: Float[np.ndarray, "j n"]) -> float:
    """Krippendorff's α for interval data over j judges and n objects, NaN missing: 1 is agreement, 0 chance; NaN where nothing varies."""
    columns = [column[~np.isnan(column)] for column in np.asarray(scores, float).T]
    pairs = [column for column in columns if len(column) > 1]
    if not pairs:
        return math.nan
    values = np.concatenate(pairs)
    within = sum(((c[:, None] - c[None]) ** 2).sum() / (len(c) - 1) for c in pairs) / len(values)
    between = ((values[:, None] - values[None]) ** 2).sum() / (len(values) * (len(values) - 1))
    return float(1 - within / between) if between else math.nan


def variety(features: Float[np.ndarray, "p g d"], failed: Bool[np.ndarray, "p g"]) -> Float[np.ndarray, " p"]:
    """How much the answers to one prompt differ: mean over pairs of 1 − cosine of their features, in [0, 2].

    A pair with a failed answer counts 0: failing in two ways is no variety. ValueError for a single answer per prompt.
    """
    prompts, answers, _ = features.shape
    if answers < 2:
        raise ValueError(f"variety needs at least 2 answers per prompt, not {answers}")
    unit = features / np.maximum(np.linalg.norm(features, axis=-1, keepdims=True), 1e-12)
    total = np.zeros(prompts)
    pairs = list(combinations(range(answers), 2))
    for i, j in pairs:
        total += np.where(failed[:, i] | failed[:, j], 0.0, 1 - (unit[:, i] * unit[:, j]).sum(-1))
    return total / len(pairs)
