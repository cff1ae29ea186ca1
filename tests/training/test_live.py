"""The table, the sparklines, and each warning: said when its trouble begins, once, and not before."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console
from scipy.stats import ttest_ind

from maquette.training.alarms import CHANCE, WINDOW, alarms, direction
from maquette.training.live import Monitor, duration, rows, sentence, sparkline, table, tokens_per_second

STEPS = 3 * WINDOW


def lines(**courses: tuple[float, float]) -> list[dict[str, float]]:
    """Numbers that go in a straight line from one value to another, with a little regular noise; `__` stands for `/`."""
    made = []
    for step in range(STEPS):
        share = step / (STEPS - 1)
        noise = 0.001 * (-1) ** step
        made.append({k.replace("__", "/"): a + (b - a) * share + noise * a for k, (a, b) in courses.items()})
        made[-1]["step"] = step
    return made


HEALTHY = {
    "reward__fine__parts": (1.0, 1.5),
    "reward__fine__aesthetic": (0.4, 0.6),
    "variety__fine": (0.9, 0.8),
    "entropy__shape": (5.0, 4.0),
    "kl": (0.001, 0.1),
    "missing__fine": (0.0, 0.0),
}


def test_a_healthy_run_is_left_in_peace():
    assert alarms(lines(**HEALTHY)) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kl": (0.001, 3.0)}, "runs away from its base: KL"),
        ({"variety__fine": (0.9, 0.1)}, "grow alike in stage fine: 0.7"),
        ({"entropy__reasoning": (3.0, 0.2)}, "loses its entropy in reasoning tokens"),
        ({"reward__fine__parts": (1.0, 0.5)}, "stage fine part ways: aesthetic up, parts down"),
        ({"missing__fine": (1.0, 1.0)}, "No judge said anything about stage fine"),
    ],
)
def test_each_trouble_is_said_in_words(change: dict[str, tuple[float, float]], words: str):
    troubled = lines(**(HEALTHY | change))
    if "missing__fine" in change:
        troubled = [line | {"missing/fine": 1.0} for line in troubled]
    assert [words in text for text in alarms(troubled)] == [True]


@pytest.mark.parametrize(("missing", "said"), [(4, False), (5, True), (100, True)])
def test_a_judge_that_leaves_one_in_twenty_questions_open_is_named(missing: int, said: bool):
    line = {"step": 0, "judge/qwen/asked": 100.0, "judge/qwen/missing": float(missing), "judge/other/missing": 0.0}
    words = f"The judge qwen left {missing} of its 100 questions in the last step unanswered"
    assert [text.startswith(words) for text in alarms([line])] == [True] * said


def test_missing_scores_have_a_line_where_there_are_any():
    line = {"step": 0, "reward/fine/unified": 3.0, "missing/coarse": 0.0, "missing/fine": 0.02}
    assert [label for label, _ in rows(line)] == ["reward/fine/unified", "missing/fine"]


FALLING = (0.48, 0.47, 0.48, 0.47, 0.48, 0.44, 0.40, 0.37, 0.35, 0.33, 0.34, 0.33)


def looked(course: tuple[float, ...], part: tuple[float, float] = (1.0, 1.5)) -> list[dict[str, float]]:
    """A run of which every second step has a look of the evaluators."""
    made = lines(**(HEALTHY | {"reward__fine__parts": part}))
    for line, value in zip(made[::2], course, strict=True):
        line["evaluator/alignment"] = value
    return made


def test_evaluators_that_fall_while_rewards_rise_are_said_in_words():
    (said,) = alarms(looked(FALLING))
    assert "Rewards rise while the evaluators, which never reward, fall: alignment 0.476 → 0.344" in said
    assert alarms(looked((0.48, 0.47, 0.44, 0.47, 0.48, 0.475) * 2)) == []  # within the noise of the looks
    assert alarms(looked(FALLING[::-1])) == []
    part_ways = alarms(looked(FALLING, part=(1.0, 0.5)))  # as many parts fall as rise: another trouble
    assert len(part_ways) == 1 and "part ways" in part_ways[0]
    assert alarms([line for line in looked(FALLING) if line["step"] < 2 * WINDOW]) == []  # too few looks yet


def noisy(rng: np.random.Generator, fall: float) -> list[dict[str, float]]:
    """150 steps as of `configs/hi-grpo.yaml`: nine parts of mere noise but for one that rises; four evaluators looking every tenth step."""
    made = []
    for step in range(150):
        line = {"step": step, "reward/fine/aesthetic": 0.5 + 0.002 * step + 0.05 * rng.normal()}
        line |= {f"reward/fine/{i}": 0.6 + 0.06 * rng.normal() for i in range(8)}
        if step % 10 == 9:
            line |= {f"evaluator/{i}": 0.8 - fall * step / 150 + 0.1 * rng.normal() for i in range(4)}
        made.append(line)
    return made


def test_noise_hardly_ever_alarms_and_a_fall_mostly():
    def cried(fall: float, count: int) -> float:
        rng, heard = np.random.default_rng(0), 0
        for _ in range(count):
            course = noisy(rng, fall)
            heard += any(alarms(course[:step]) for step in range(20, 151, 10))
        return heard / count

    assert cried(0.0, 60) <= 0.05
    assert cried(0.5, 20) >= 0.8


def test_the_table_keeps_what_the_evaluators_last_said():
    course = looked(FALLING)
    assert "evaluator/alignment" not in course[-1]
    assert table(course, STEPS, 0.0).row_count == table(lines(**HEALTHY), STEPS, 0.0).row_count + 1


def test_nothing_is_said_before_two_windows_are_done():
    assert alarms(lines(kl=(0.001, 90.0))[: 2 * WINDOW - 1]) == [] and alarms([]) == []


def test_a_move_within_the_noise_is_no_move():
    assert direction([1.0, 2.0, 1.0, 2.0], [2.0, 1.0, 2.0, 1.6]) == 0
    up = ([1.0, 1.1, 0.9, 1.0, 1.0], [2.0, 2.1, 1.9, 2.0, 2.0])
    assert direction(*up) == 1 and direction(*up[::-1]) == -1
    assert direction([1.0, 1.1], [2.0, 2.1]) == 0  # two looks do not know their noise
    assert direction([1.0, 1.0], [2.0, 2.0]) == 1 and direction([1.0], [2.0]) == 0


def test_the_bound_is_that_of_welchs_test():
    rng = np.random.default_rng(1)
    for _ in range(40):
        before, now = rng.normal(0, 1, 8), rng.normal(1.5, 2, 5)
        p = ttest_ind(before, now, equal_var=False).pvalue
        assert (direction(list(before), list(now)) != 0) is bool(p < CHANCE)


def test_a_warning_is_said_once_and_the_last_line_always(capsys: pytest.CaptureFixture[str]):
    monitor = Monitor(STEPS)
    with monitor.shown(Console(file=io.StringIO())):
        for line in lines(**(HEALTHY | {"kl": (0.001, 3.0)})):
            monitor.step(int(line["step"]), line)
    said = capsys.readouterr().err
    assert said.count("runs away") == 1 and f"train: {STEPS}/{STEPS}" in said


def test_a_resumed_run_remembers_what_came_before(capsys: pytest.CaptureFixture[str]):
    course = lines(**(HEALTHY | {"kl": (0.001, 3.0)}))
    monitor = Monitor(STEPS, course[:-1])
    monitor.step(STEPS - 1, course[-1])
    assert "runs away" in capsys.readouterr().err


def test_on_a_terminal_there_is_a_table_with_every_part_and_its_course():
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, color_system=None)
    monitor = Monitor(STEPS)
    last = {"tokens/step": 300.0, "seconds/step": 2.0, "dynamic/dropped": 3.0, "clip_fraction": 0.01}
    with monitor.shown(console):
        for line in lines(**HEALTHY):
            monitor.step(int(line["step"]), line | last)
    text = screen.getvalue()
    for word in ("reward fine parts", "entropy shape", "KL", "clip fraction", "dropped groups", "tokens/s", "150"):
        assert word in text.replace("/", " ") or word in text
    assert "▁" in text and "█" in text and f"step {STEPS} of {STEPS}" in text


def test_sparklines_by_hand():
    assert sparkline([0.0, 1.0, None, 0.5]) == "▁█ ▄" and sparkline([2.0, 2.0]) == "▄▄" and sparkline([None]) == ""


def test_numbers_as_a_person_reads_them():
    assert [duration(s) for s in (42.0, 200.0, 7500.0)] == ["42 s", "3 min", "2 h 05 min"]
    line = {"step": 3, "reward/fine/parts": 0.5, "kl": None, "tokens/step": 90.0, "seconds/step": 3.0}
    assert tokens_per_second(line) == 30 and sentence(line, 10, 20.0) == (
        "train: 4/10, fine/parts 0.500, 30 tokens/s, 20 s left"
    )
    assert [key for _, key in rows(line)] == ["reward/fine/parts", "kl"]
    assert table([line], 10, 5.0).row_count == 3
