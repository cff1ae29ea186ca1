"""What is known to go wrong in reinforcement learning, said in words when it begins. Pure functions of the logged numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from maquette.evaluation.seeds import welch

Line = Mapping[str, float | int | None]

WINDOW = 8
"""Steps whose mean is compared: the first so many with the last so many."""
VARIETY_LEFT = 0.5
"""Share of the first variety below which answers are called alike."""
ENTROPY_LEFT = 0.4
"""Share of the first entropy below which it is called lost."""
KL_FAR = 0.5
"""Nats a token from the base at which the policy is called far away, if it still grows."""
GROWTH = 1.5
"""How many times as far as a window ago is growth."""
UNANSWERED = 0.05
"""Share of a judge's questions in a step from which missing answers are a trouble."""
PROBES = 5
"""Looks of the evaluators whose mean is compared: the first so many with the last so many."""
CHANCE = 0.001
"""How often two windows of mere noise may be called moved (Welch's t-test, two-sided): a run has many parts, and is looked at often."""


def alarms(lines: Sequence[Line]) -> list[str]:
    """One sentence per trouble that the steps so far show, the gravest first; none before two windows of steps are done."""
    if not lines:
        return []
    found = [_silent(lines[-1]), _unanswered(lines[-1])]
    if len(lines) >= 2 * WINDOW:
        found += [rule(lines) for rule in (_overtrained, _runaway, _collapse, _entropy, _diverging)]
    return [text for texts in found for text in texts]


def ends(lines: Sequence[Line], key: str) -> tuple[list[float], list[float]]:
    """A number's values in the first and in the last window, without gaps."""
    values = [
        [float(x) for line in part if (x := line.get(key)) is not None] for part in (lines[:WINDOW], lines[-WINDOW:])
    ]
    return values[0], values[1]


def _names(lines: Sequence[Line], prefix: str) -> list[str]:
    return sorted({key for line in lines for key in line if key.startswith(prefix)})


def _silent(line: Line) -> list[str]:
    silent = [key.removeprefix("missing/") for key in line if key.startswith("missing/") and line[key] == 1]
    return [
        f"No judge said anything about stage {name} in the last step: its scores are all missing." for name in silent
    ]


def _unanswered(line: Line) -> list[str]:
    """Judges that leave many questions open; a reward without words for a prompt is none of them."""
    found = []
    for key in line:
        if not (key.startswith("judge/") and key.endswith("/missing")):
            continue
        judge = key.removeprefix("judge/").removesuffix("/missing")
        asked, missing = float(line.get(f"judge/{judge}/asked") or 0), float(line[key] or 0)
        if asked and missing / asked >= UNANSWERED:
            found.append(
                f"The judge {judge} left {missing:.0f} of its {asked:.0f} questions in the last step unanswered: "
                "its words are in judge-refusals.jsonl."
            )
    return found


def _runaway(lines: Sequence[Line]) -> list[str]:
    """Far from the base, and still farther than a window ago."""
    before, now = (
        [float(x) for line in lines[-2 * WINDOW : -WINDOW] if (x := line.get("kl")) is not None],
        ends(lines, "kl")[1],
    )
    if not before or not now or _mean(now) < KL_FAR or _mean(now) < GROWTH * _mean(before):
        return []
    return [
        f"The policy runs away from its base: KL {_mean(before):.2f} → {_mean(now):.2f} nats a token within {2 * WINDOW} steps. "
        "Raise algorithm.kl_beta or lower optimiser.lr."
    ]


def _overtrained(lines: Sequence[Line]) -> list[str]:
    """More reward parts rise than fall, and those who do not reward see it get worse (the paper's over-training)."""
    ways = [direction(*ends(lines, key)) for key in _names(lines, "reward/")]
    if sum(ways) <= 0:
        return []
    fallen = []
    for key in _names(lines, "evaluator/"):
        looks = [float(x) for line in lines if (x := line.get(key)) is not None]
        before, now = looks[:PROBES], looks[-PROBES:]
        if len(looks) >= 2 * PROBES and direction(before, now) < 0:
            fallen.append(f"{key.removeprefix('evaluator/')} {_mean(before):.3f} → {_mean(now):.3f}")
    if not fallen:
        return []
    return [
        f"Rewards rise while the evaluators, which never reward, fall: {', '.join(fallen)}. The policy learns to please its judges; "
        "take an earlier checkpoint, raise algorithm.kl_beta or lower optimiser.lr."
    ]


def _collapse(lines: Sequence[Line]) -> list[str]:
    return _fallen(
        lines,
        "variety/",
        VARIETY_LEFT,
        "The answers to one prompt grow alike in stage {name}: {before:.2f} → {now:.2f} of their codes differ. "
        "Raise temperature, entropy_bonus or kl_beta.",
    )


def _entropy(lines: Sequence[Line]) -> list[str]:
    return _fallen(
        lines,
        "entropy/",
        ENTROPY_LEFT,
        "The policy loses its entropy in {name} tokens: {before:.2f} → {now:.2f} nats. Raise clip_high or entropy_bonus.",
    )


def _fallen(lines: Sequence[Line], prefix: str, left: float, sentence: str) -> list[str]:
    found = []
    for key in _names(lines, prefix):
        before, now = ends(lines, key)
        if before and now and _mean(now) < left * _mean(before):
            found.append(sentence.format(name=key.removeprefix(prefix), before=_mean(before), now=_mean(now)))
    return found


def _diverging(lines: Sequence[Line]) -> list[str]:
    """One part of a stage's reward rises while another falls: what is easy to please may be eating what matters."""
    moved: dict[str, dict[str, int]] = {}
    for key in _names(lines, "reward/"):
        stage, part = key.removeprefix("reward/").split("/", 1)
        moved.setdefault(stage, {})[part] = direction(*ends(lines, key))
    found = []
    for stage, parts in moved.items():
        up = [part for part, way in parts.items() if way > 0]
        down = [part for part, way in parts.items() if way < 0]
        if up and down:
            found.append(
                f"Rewards of stage {stage} part ways: {', '.join(up)} up, {', '.join(down)} down. "
                "Look at samples/ for what pleases the one judge and not the other."
            )
    return found


def direction(before: Sequence[float], now: Sequence[float]) -> int:
    """1 up, -1 down, 0 within the noise of the two windows."""
    if len(before) < 2 or len(now) < 2:
        return 0
    moved = welch(np.asarray(now, float), np.asarray(before, float), 1 - CHANCE)
    return 1 if moved.low > 0 else -1 if moved.high < 0 else 0


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
