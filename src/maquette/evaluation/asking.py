"""Served judges and the answers of an evaluation: every shape is shown with its prompt, and every tenth with another's, as a control."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import UInt8

from maquette.evaluation.answers import Answers
from maquette.evaluation.judges import Ask, Verdict, ask_judge, failed_verdict
from maquette.rendering.cameras import CAMERAS
from maquette.rendering.rasterise import render
from maquette.types import Prompt

JUDGE_SIZE = 448
"""Pixels a side of the pictures that a judge sees."""
CONTROL_EVERY = 10
"""One object in so many is also shown with a prompt that is not its own."""


def ask_all(part: Sequence[Prompt], answers: Answers, judges: Mapping[str, Ask]) -> list[list[Verdict]]:
    """The judges' verdicts on every answer, asked together: a served judge answers many at once."""
    with ThreadPoolExecutor(max(1, len(part))) as pool:
        return list(pool.map(lambda i: judged(part[i], answers, i, judges), range(len(part))))


def judged(prompt: Prompt, answers: Answers, i: int, judges: Mapping[str, Ask]) -> list[Verdict]:
    """Every judge's verdict on one answer; no shape, nothing to ask."""
    if answers.failed[i]:
        return [failed_verdict(name) for name in judges]
    if not judges:
        return []
    views = shown(answers, i)
    return [ask_judge(name, ask, prompt, views) for name, ask in judges.items()]


def shown(answers: Answers, i: int) -> UInt8[np.ndarray, "v h w 3"]:
    """What a judge sees of an answer."""
    return render([answers.meshes[i]], CAMERAS["maquette-6"], size=JUDGE_SIZE, antialias=True).rgb[0]


def ask_controls(prompts: Sequence[Prompt], start: int, answers: Answers, judges: Mapping[str, Ask]) -> list[Verdict]:
    """Verdicts on every tenth answer under another prompt: the right answer to most of its questions is no.

    The questions of a prompt are all to be answered yes, so that a judge who says yes to everything has a perfect score; this is where
    it shows. `start` is the place of the first answer in the suite.
    """
    places = [i for i in range(len(answers.failed)) if (start + i) % CONTROL_EVERY == 0 and not answers.failed[i]]
    pairs = [(i, other) for i in places if judges and (other := another(prompts, start + i))]

    def ask(pair: tuple[int, Prompt]) -> list[Verdict]:
        views = shown(answers, pair[0])
        return [ask_judge(name, one, pair[1], views) for name, one in judges.items()]

    with ThreadPoolExecutor(max(1, len(pairs))) as pool:
        return [verdict for verdicts in pool.map(ask, pairs) for verdict in verdicts]


def another(prompts: Sequence[Prompt], place: int) -> Prompt | None:
    """The first prompt from half the suite away that is of another text and another family; None where there is none."""
    own = prompts[place]
    for step in range(len(prompts)):
        other = prompts[(place + len(prompts) // 2 + step) % len(prompts)]
        if other.text != own.text and (not own.family or other.family != own.family):
            return other
    return None


def control_record(verdicts: Sequence[Verdict]) -> dict[str, dict[str, float | int]]:
    """By judge: how many answers it was shown with another prompt, and the mean of its semantic scores for them."""
    found: dict[str, dict[str, float | int]] = {}
    for judge in dict.fromkeys(f"{v.judge} ({v.version})" for v in verdicts):
        scores = [v.scores["semantics"] for v in verdicts if f"{v.judge} ({v.version})" == judge]
        given = [score for score in scores if not math.isnan(score)]
        found[judge] = {"asked": len(scores), "semantics": float(np.mean(given)) if given else math.nan}
    return found
