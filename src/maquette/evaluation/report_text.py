"""The report as Markdown: the headline table, failures, judges, the worst answers, categories, and what made the numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

from maquette.evaluation.entries import entries_of, markdown_table
from maquette.evaluation.metrics import Interval
from maquette.evaluation.results import Evaluation, cell

WORST = 5
RULERS = {
    "retrieval_top1_of_64": "the right object among 64 for a text",
    "family_accuracy": "category right",
    "count_accuracy": "part counts right",
    "color_accuracy": "colours right",
}
"""Held-out figures of the evaluators, in the words of the measures that rest on them."""


def report_text(
    title: str, notes: Sequence[str], evaluations: Sequence[Evaluation], panels: Sequence[Sequence[Mapping]]
) -> str:
    """`panels` are the judges' of each evaluation, as `panel` gives them."""
    categories = sorted({r.category for e in evaluations for r in e.objects if r.category})
    parts = [f"# {title}", *notes, markdown_table(entries_of(evaluations)), *_rulers(evaluations)]
    parts += _failures(evaluations)
    parts += [part for e, levels in zip(evaluations, panels, strict=True) for part in _judges(e, levels)]
    parts += ["## Worst answers by text alignment", *(_worst(e) for e in evaluations)]
    for category in categories:
        parts += [f"## {category}", markdown_table(entries_of([e.only(category) for e in evaluations]))]
    parts += [part for e in evaluations for part in _compat(e)]
    parts += ["## Provenance", *(_made(e) for e in evaluations)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _rulers(evaluations: Sequence[Evaluation]) -> list[str]:
    """How often the evaluators themselves are right, without which shares of what they confirm cannot be read: a line per kind."""
    known = [e.provenance.get("evaluators") for e in evaluations]
    figures = [
        ", ".join(f"{RULERS[name]} {value:.3f}" for name, value in own.items() if name in RULERS)
        for own in known
        if isinstance(own, Mapping)
    ]
    return [f"The evaluators themselves, on held-out objects: {text}." for text in dict.fromkeys(figures) if text]


def _failures(evaluations: Sequence[Evaluation]) -> list[str]:
    parts = ["## Failures"]
    for e in evaluations:
        bad = [r for r in e.objects if r.failed]
        lines = [f"{e.system} failed on {len(bad)} of {len(e.objects)} prompts.", ""] if bad else []
        lines += [f"- `{r.id}` {r.text}: {r.fault or 'no reason given'}" for r in bad]
        parts.append("\n".join(lines) if bad else f"{e.system} failed on none of {len(e.objects)} prompts.")
    return parts


def _judges(evaluation: Evaluation, levels: Sequence[Mapping]) -> list[str]:
    if not levels:
        return []
    rows = [
        f"## Judges of {evaluation.system}",
        "| level | judge | mean | missing | agreement |\n|---|---|---|---|---|",
    ]
    for level in levels:
        pairs = "; ".join(f"{' – '.join(p['judges'])} {cell(Interval(**p['spearman']))}" for p in level["pairs"])
        alpha = "" if math.isnan(level["alpha"]) else f"; α {level['alpha']:.3f}"
        for judge in level["judges"]:
            numbers = f"{cell(Interval(**judge['mean']))} | {judge['missing']} of {judge['asked']}"
            rows[-1] += f"\n| {level['title']} | {judge['name']} | {numbers} | {pairs + alpha or '–'} |"
    return rows


def _worst(evaluation: Evaluation) -> str:
    rows = sorted(evaluation.objects, key=lambda r: r.alignment)[:WORST]
    lines = []
    for r in rows:
        said = "".join(f"; {judge}: {words}" for judge, words in r.words.items() if words)
        lines.append(f"- `{r.id}` {r.text}: {r.alignment:.3f}{', failed' if r.failed else ''}{said}")
    return "\n".join([f"{evaluation.system}:", "", *lines])


def _compat(evaluation: Evaluation) -> list[str]:
    """The published script's numbers, under names that say what they are."""
    lines = [f"- {name}: {value:.4f}" for name, value in evaluation.compat.items()]
    return [f"## What the published script computes of {evaluation.system}", "\n".join(lines)] if lines else []


def _made(evaluation: Evaluation) -> str:
    record = {"seed": evaluation.seed, **evaluation.provenance}
    return f"{evaluation.system}:\n\n```json\n{json.dumps(record, indent=1, default=str)}\n```"
