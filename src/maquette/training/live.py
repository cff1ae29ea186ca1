"""What a person sees while `maquette train` runs: a table that renews itself on a terminal, a line every so often elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from maquette.tracking import tell
from maquette.training.alarms import alarms

Line = Mapping[str, float | int | None]

BLOCKS = "▁▂▃▄▅▆▇█"
WIDTH = 32
QUIET_SECONDS = 10.0


class Monitor:
    """Takes each step's numbers; shows the last ones, their course, and warnings, each of which is also said once."""

    def __init__(self, steps: int, history: Sequence[Line] = ()) -> None:
        """`history`: the lines of the steps that were done before a resume."""
        self.steps = steps
        self.lines: list[Line] = list(history)
        self.began, self.started = time.monotonic(), len(self.lines)
        self.warned: set[str] = set()
        self.live: Live | None = None
        self._said = self.began

    @contextmanager
    def shown(self, console: Console | None = None) -> Iterator[Monitor]:
        """While inside, the table stands on the terminal, if there is one."""
        console = console or Console(stderr=True)
        if not console.is_terminal:
            yield self
            return
        with Live(console=console, auto_refresh=False) as self.live:
            try:
                yield self
            finally:
                self.live = None

    def step(self, step: int, numbers: Mapping[str, float]) -> None:
        """One more step is done."""
        self.lines.append({"step": step, **numbers})
        now = alarms(self.lines)
        fresh = [text for text in now if _kind(text) not in self.warned]
        self.warned |= {_kind(text) for text in fresh}
        for text in fresh:
            tell(f"step {step}: {text}")
        if self.live is not None:
            self.live.update(
                Group(table(self.lines, self.steps, self.seconds_left()), *map(_warning, now)), refresh=True
            )
        elif time.monotonic() - self._said >= QUIET_SECONDS or step + 1 == self.steps:
            self._said = time.monotonic()
            sys.stderr.write(sentence(self.lines[-1], self.steps, self.seconds_left()) + "\n")
            sys.stderr.flush()

    def seconds_left(self) -> float:
        """By the mean of the steps since this process began."""
        done = len(self.lines) - self.started
        return (time.monotonic() - self.began) / max(1, done) * (self.steps - 1 - int(self.lines[-1]["step"] or 0))


def table(lines: Sequence[Line], steps: int, left: float) -> Table:
    """Step and time; each reward part, what the evaluators last saw, entropies, KL, clip fraction, dropped groups, speed;
    the share of scores that are missing, where any is."""
    last = {key: line[key] for line in lines for key in line if key.startswith("evaluator/")} | dict(lines[-1])
    shown = Table(title=f"step {int(last['step'] or 0) + 1} of {steps}, {duration(left)} left", title_justify="left")
    for name in ("", "now", f"the last {WIDTH} steps"):
        shown.add_column(name, justify="right" if name == "now" else "left")
    for label, key in rows(last):
        course = [line.get(key) for line in lines[-WIDTH:]]
        value = last.get(key)
        shown.add_row(label, "–" if value is None else f"{value:.4g}", sparkline(course))
    speed = tokens_per_second(last)
    shown.add_row("tokens/s", f"{speed:.0f}", sparkline([tokens_per_second(line) for line in lines[-WIDTH:]]))
    return shown


def rows(last: Line) -> list[tuple[str, str]]:
    """What the table shows of a step, in order: labels and keys, those that the step has."""
    grouped = [
        key
        for prefix in ("reward/", "evaluator/", "variety/", "entropy/", "failed/", "missing/")
        for key in last
        if key.startswith(prefix) and (prefix != "missing/" or last[key])
    ]
    single = ["kl", "clip_fraction", "dynamic/dropped", "sampler_drift", "outside_mass", "grad_norm", "tokens/total"]
    labels = {"kl": "KL", "clip_fraction": "clip fraction", "dynamic/dropped": "dropped groups"}
    return [
        (labels.get(key, key.replace("_", " ")), key) for key in [*grouped, *(key for key in single if key in last)]
    ]


def sparkline(values: Sequence[float | int | None]) -> str:
    """A block per value, from the lowest to the highest of them; a blank where one is missing."""
    known = [value for value in values if value is not None and value == value]
    if not known:
        return ""
    low, span = min(known), max(known) - min(known)
    return "".join(
        " " if value is None or value != value else BLOCKS[int((value - low) / span * 7.999) if span else 3]
        for value in values
    )


def tokens_per_second(line: Line) -> float:
    """Sampled tokens of a step by its whole time, scoring and update included."""
    return float(line.get("tokens/step") or 0.0) / max(1e-9, float(line.get("seconds/step") or 0.0))


def sentence(line: Line, steps: int, left: float) -> str:
    """The same as one line of text."""
    rewards = [f"{key.removeprefix('reward/')} {line[key]:.3f}" for key in line if key.startswith("reward/")]
    kl = line.get("kl")
    parts = [f"train: {int(line['step'] or 0) + 1}/{steps}", *rewards]
    parts += [f"KL {kl:.3f}"] if kl is not None else []
    return ", ".join([*parts, f"{tokens_per_second(line):.0f} tokens/s", f"{duration(left)} left"])


def duration(seconds: float) -> str:
    """42 s, 3 min, 2 h 05 min."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _kind(text: str) -> str:
    """A warning without its numbers, so that each is said once."""
    return "".join(letter for letter in text if not letter.isdigit())


def _warning(text: str) -> Text:
    return Text(f"! {text}", style="yellow")
