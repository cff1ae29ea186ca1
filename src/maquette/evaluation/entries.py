"""Systems with one seed or several as rows of a table: means over seeds and objects, with intervals that speak of both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from maquette.evaluation.metrics import Interval, bootstrap_nested
from maquette.evaluation.results import Evaluation, Measure, cell, measures_of


def shared_ids(runs: Sequence[Evaluation], measure: Measure, category: str = "") -> list[str]:
    """Objects (of a category, if one is named) that every run has measured, in the first one's order."""
    measured = [{r.id for r in run.objects if not math.isnan(measure.value(r))} for run in runs]
    chosen = [r.id for r in runs[0].objects if not category or r.category == category]
    return [id for id in chosen if all(id in ids for ids in measured)]


def matrix(runs: Sequence[Evaluation], measure: Measure, category: str = "") -> Float[np.ndarray, "s n"]:
    """The measure by run and object, of `shared_ids`; a failed answer has its worst value."""
    ids = shared_ids(runs, measure, category)
    rows = [{r.id: measure.value(r) for r in run.objects} for run in runs]
    return np.array([[row[id] for id in ids] for row in rows]).reshape(len(runs), len(ids))


def nested_interval(runs: Sequence[Evaluation], measure: Measure, category: str = "") -> Interval | None:
    """Over runs and objects; None where nothing is measured."""
    values = matrix(runs, measure, category)
    return bootstrap_nested(values) if values.size else None


def nested_difference(runs: Sequence[Evaluation], others: Sequence[Evaluation], measure: Measure) -> Interval | None:
    """`runs` less `others`, paired by place (same seed) and object, over runs and objects; None where they share nothing measured.

    ValueError: not as many of one as of the other.
    """
    if len(runs) != len(others):
        raise ValueError(f"{len(runs)} evaluations cannot be paired with {len(others)}: one of each seed is needed.")
    values = matrix([*runs, *others], measure)
    return bootstrap_nested(values[: len(runs)] - values[len(runs) :]) if values.size else None


@dataclass(frozen=True)
class Entry:
    """One system: its evaluations with one seed or several, whose means over the seeds stand in a table."""

    system: str
    runs: tuple[Evaluation, ...]

    def means(self, measure: Measure) -> dict[str, float]:
        """By prompt: the mean over the seeds, of prompts that every seed has."""
        means = matrix(self.runs, measure).mean(0).tolist()
        return dict(zip(shared_ids(self.runs, measure), means, strict=True))

    def interval(self, measure: Measure) -> Interval | None:
        """With one seed over objects, with several over seeds and objects; None where nothing is measured."""
        return self.runs[0].interval(measure) if len(self.runs) == 1 else nested_interval(self.runs, measure)

    @property
    def title(self) -> str:
        return self.system if len(self.runs) == 1 else f"{self.system} ({len(self.runs)} seeds)"

    @property
    def failures(self) -> int:
        return sum(r.failed for run in self.runs for r in run.objects)


def entries_of(evaluations: Sequence[Evaluation]) -> tuple[Entry, ...]:
    """Each evaluation as a row of its own."""
    return tuple(Entry(e.system, (e,)) for e in evaluations)


def markdown_table(entries: Sequence[Entry]) -> str:
    """The headline table: a row per system, a column per measure with its 95 % interval; distances of sets are means over the seeds."""
    runs = [run for entry in entries for run in entry.runs]
    measures = measures_of(runs)
    distances = tuple(dict.fromkeys(name for run in runs for name in run.distances))
    titles = ["system", *(m.title for m in measures), "kernel distance ×100", *distances]
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    for entry in entries:
        cells = [cell(entry.interval(m)) + _judged(entry, m) for m in measures]
        sets = [_set_cell([run.kernel_distance for run in entry.runs])]
        sets += [_set_cell([run.distances[name] for run in entry.runs if name in run.distances]) for name in distances]
        lines.append("| " + " | ".join([entry.title, *cells, *sets]) + " |")
    return "\n".join(lines) + "\n"


def _judged(entry: Entry, measure: Measure) -> str:
    """Of how many answers a judge's mean is, where it left some out: means over other objects are not comparable."""
    values = [measure.value(r) for run in entry.runs for r in run.objects] if measure.judge else []
    given = sum(not math.isnan(value) for value in values)
    return f" ({given} of {len(values)} judged)" if given < len(values) else ""


def _set_cell(found: Sequence[Interval]) -> str:
    """One seed's interval, or the mean over several: their sets have objects in common, so no interval speaks for all."""
    if len(found) < 2:
        return cell(found[0] if found else None)
    value = float(np.mean([interval.value for interval in found]))
    return "–" if math.isnan(value) else f"{value:.3f}"
