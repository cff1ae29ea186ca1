"""The tables of rl.json (a row per measure, a column per system) and of agreement.json (a row per reward, a column per evaluator)."""

from __future__ import annotations

from maquette.evaluation.metrics import Interval
from maquette.evaluation.results import MEASURES

PLATEAU = ("alignment", "category", "counts", "iou", "f_score", "parts_placed", "color_error")
"""Measures of the base's curve."""


def table(summary: dict[str, object]) -> str:
    """Markdown: a row per measure, a column per system with its paired difference to the base, and RL's to the control at the end."""
    trained = [name for name in summary if name not in ("base", "control")]
    heads = [*summary, *(f"{name} over control" for name in trained if "control" in summary)]
    lines = ["| measure | " + " | ".join(heads) + " |", "|" + "---|" * (len(heads) + 1)]
    for measure in MEASURES:
        entries = [row.get(measure.name) for row in summary.values()]
        if any(entries):
            arrow = "↑" if measure.higher_is_better else "↓"
            cells = [cell_of(entry) for entry in entries]
            if "control" in summary:
                cells += [difference_of(summary[name].get(measure.name, {}), "over_control") for name in trained]
            lines.append(f"| {measure.title} {arrow} | " + " | ".join(cells) + " |")
    kernel = []
    for row in summary.values():
        own = row["kernel_distance"]
        each = ", ".join(f"{d['value']:.2f} [{d['low']:.2f}, {d['high']:.2f}]" for d in own["seeds"])
        kernel.append(f"{own['mean']:.3f}; {each}")
    kernel += ["–"] * (len(heads) - len(kernel))
    lines.append("| kernel distance ×100 ↓, mean; each seed | " + " | ".join(kernel) + " |")
    return "\n".join(lines) + "\n"


def cell_of(entry: dict[str, dict[str, float]] | None) -> str:
    """Value with its interval; behind it the difference, in bold where its interval does not hold 0."""
    if entry is None:
        return "–"
    text = f"{Interval(**entry['value'])}"
    return f"{text}; {difference_of(entry, 'difference')}" if "difference" in entry else text


def difference_of(entry: dict[str, dict[str, float]], field: str) -> str:
    """A difference with its interval, in bold where that does not hold 0."""
    if field not in entry:
        return "–"
    own = entry[field]
    words = f"{own['value']:+.3f} [{own['low']:+.3f}, {own['high']:+.3f}]"
    return words if own["low"] <= 0 <= own["high"] else f"**{words}**"


def plateau_table(result: dict) -> str:
    """A row per kept policy of the base's last training: values, and behind them the paired difference to the row before."""
    shown = [m for m in MEASURES if m.name in PLATEAU]
    heads = ["steps", "sequences", "held-out nats a token"]
    heads += [f"{m.title} {'↑' if m.higher_is_better else '↓'}" for m in shown]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for step, row in result["rows"].items():
        loss = result["heldout_nats_per_token"][step]
        cells = [step, str(int(step) * result["sequences_a_step"]), f"{loss:.3f}"]
        for measure in shown:
            entry = row[measure.name]
            last = "over_step_before" in entry
            cells.append(f"{Interval(**entry['value'])}" + (f"; {difference_of(entry, 'over_step_before')}" * last))
        lines.append("| " + " | ".join(cells) + " |")
    final = list(result["rows"].values())[-1]
    totals = [difference_of(final[m.name], "over_start") for m in shown]
    lines.append("| last over first | – | – | " + " | ".join(totals) + " |")
    return "\n".join(lines) + "\n"


def agreement_table(result: dict) -> str:
    """Correlation within groups, and the gain of the answer liked best; the last line is perfect taste."""
    measures = list(result["mean"])
    lines = ["| reward, or sum of rewards | " + " | ".join(measures) + " |", "|---" * (len(measures) + 1) + "|"]
    lines.append("| any answer | " + " | ".join(f"{result['mean'][m]:.3f}" for m in measures) + " |")
    for name, row in result["rewards"].items():
        cells = [f"{row[m]['correlation']:+.2f}; {row[m]['gain_of_best']:+.3f}" for m in measures]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    best = [f"+1; {result['best of each group'][m] - result['mean'][m]:+.3f}" for m in measures]
    lines.append("| the evaluator itself | " + " | ".join(best) + " |")
    return "\n".join(lines) + "\n"
