"""A study's page as HTML: its text, with curves over steps and over tokens, and every row's answers to the same prompts."""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from maquette.evaluation.report import PAGE as REPORT
from maquette.evaluation.results import Evaluation, file_stem
from maquette.studies.grid import Cell, Row, Study
from maquette.tracking import read_metrics

PICTURES = 6
SMOOTHED = 12
"""Curves of fewer points are drawn as they are."""
COLORS = ("#64798c", "#c8632f", "#2f78bd", "#2f9161", "#8d63cc", "#b48a16", "#bd4f80", "#2c9399")
PANELS = (
    ("reward/", "step", "rewards: what it is paid for"),
    ("evaluator/", "step", "evaluators, which never reward"),
    ("reward/", "tokens/total", "rewards at equal tokens"),
)
"""Which numbers are averaged, over what they are drawn, and the panel's title."""


def page_html(
    study: Study, cells: Sequence[Cell], found: Mapping[str, Mapping[int, Evaluation]], out: Path, text: str
) -> str:
    """`text` is the page as Markdown, which stands first."""
    body = [_html_of(text), _curves(study, cells, out), _gallery(study, cells, found, out)]
    parts = {
        "STYLE": (REPORT / "report.css").read_text() + STYLE,
        "TITLE": html.escape(study.title),
        "BODY": "\n".join(filter(None, body)),
    }
    return re.sub("|".join(parts), lambda m: parts[m[0]], PAGE)


def _curves(study: Study, cells: Sequence[Cell], out: Path) -> str:
    """A panel per kind of number, a line per row; seeds are averaged."""
    lines = {row.name: [_metrics(c, out) for c in cells if c.row.name == row.name] for row in study.rows}
    panels = [(title, over, _drawn(lines, head, over)) for head, over, title in PANELS]
    panels = [panel for panel in panels if panel[2]]
    if not panels:
        return ""
    figure = Figure(figsize=(4.2 * len(panels), 3.4), layout="constrained")
    for axes, (title, over, series) in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels, strict=True):
        for name, (x, y) in series.items():
            place = list(lines).index(name)
            style = {"color": COLORS[place % len(COLORS)], "linestyle": ("-", "--", ":")[place // len(COLORS) % 3]}
            few = len(x) < SMOOTHED
            if not few:
                axes.plot(x, y, linewidth=0.8, alpha=0.25, **style)
            axes.plot(x, y if few else smooth(y), label=name, linewidth=1.8, marker="." if few else None, **style)
        axes.set_title(title, fontsize=10, loc="left")
        axes.set_xlabel("tokens sampled" if over != "step" else "step", fontsize=9)
        axes.tick_params(labelsize=8)
        axes.xaxis.set_major_formatter(EngFormatter())
        axes.spines[["top", "right"]].set_visible(False)
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, names, fontsize=8, loc="outside lower center", ncols=min(4, len(names)), frameon=False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=140)
    return f"<h2>Curves</h2>{_image(picture.getvalue(), 'rewards and evaluators during training', 'png')}"


def smooth(values: np.ndarray) -> np.ndarray:
    """An exponential moving average with a memory of five steps; it starts at the first value."""
    found = np.empty_like(values)
    mean = values[0]
    for i, value in enumerate(values):
        found[i] = mean = 0.8 * mean + 0.2 * value
    return found


def _metrics(cell: Cell, out: Path) -> list[dict]:
    return read_metrics(out / "cells" / cell.id / "run" / "metrics.jsonl")


def _drawn(lines: Mapping[str, Sequence[list[dict]]], head: str, over: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By row: the mean of all numbers of that head, seeds averaged as far as all of them have come."""
    found = {}
    for name, runs in lines.items():
        series = [points for run in runs if (points := _points(run, head, over))]
        if series:
            length = min(map(len, series))
            x, y = np.mean([points[:length] for points in series], axis=0).T
            found[name] = (x, y)
    return found


def _points(run: Sequence[Mapping], head: str, over: str) -> list[tuple[float, float]]:
    points = []
    for line in run:
        values = [v for k, v in line.items() if k.startswith(head) and v is not None]
        if values and line.get(over) is not None:
            points.append((float(line[over]), float(np.mean(values))))
    return points


def _gallery(study: Study, cells: Sequence[Cell], found: Mapping[str, Mapping[int, Evaluation]], out: Path) -> str:
    """The suite's first prompts, a line per row of the study with its first seed; whoever lacks one has a gap."""
    done = [(row, next(iter(sorted(found[row.name])))) for row in study.rows if found.get(row.name)]
    if not done:
        return ""
    prompts = found[done[0][0].name][done[0][1]].objects[:PICTURES]
    head = "".join(f"<th>{html.escape(p.text)}</th>" for p in prompts)
    lines = [_line(row, [p.id for p in prompts], _folder(row, seed, cells, out)) for row, seed in done]
    return f'<h2>Answers</h2><div class="wide"><table class="gallery"><tr><th></th>{head}</tr>{"".join(lines)}</table></div>'


def _folder(row: Row, seed: int, cells: Sequence[Cell], out: Path) -> Path | None:
    """Where the pictures of the last stage lie."""
    (cell,) = (c for c in cells if c.row.name == row.name and c.seed == seed)
    pictures = out / "cells" / cell.id / "evaluation" / "pictures"
    stages = sorted(pictures.iterdir()) if pictures.is_dir() else []
    return next((s for s in stages if s.name == "fine"), stages[-1] if stages else None)


def _line(row: Row, ids: Sequence[str], folder: Path | None) -> str:
    files = [folder / f"{file_stem(id)}.webp" if folder else Path() for id in ids]
    pictures = "".join(f"<td>{_image(f.read_bytes(), f.stem, 'webp') if f.is_file() else ''}</td>" for f in files)
    return f"<tr><th>{html.escape(row.name)}</th>{pictures}</tr>"


def _image(data: bytes, alt: str, kind: str) -> str:
    return f'<img alt="{html.escape(alt)}" src="data:image/{kind};base64,{base64.b64encode(data).decode()}">'


def _html_of(text: str) -> str:
    """Headings, paragraphs, lists and tables: all that a page's text has."""
    blocks = []
    for block in text.strip().split("\n\n"):
        lines = [_inline(html.escape(line, quote=False)) for line in block.splitlines()]
        if lines[0].startswith("#"):
            level = len(lines[0]) - len(lines[0].lstrip("#"))
            blocks.append(f"<h{level}>{lines[0].lstrip('# ')}</h{level}>")
        elif lines[0].startswith("|"):
            head, *rows = (line.strip("|").split("|") for line in (lines[0], *lines[2:]))
            first = "".join(f"<th>{c.strip()}</th>" for c in head)
            rest = "".join(f"<tr>{_row(cells)}</tr>" for cells in rows)
            blocks.append(
                f'<div class="wide"><table><thead><tr>{first}</tr></thead><tbody>{rest}</tbody></table></div>'
            )
        elif lines[0].startswith("- "):
            blocks.append('<ul class="claims">' + "".join(f"<li>{line[2:]}</li>" for line in lines) + "</ul>")
        else:
            blocks.append(f"<p>{' '.join(lines)}</p>")
    return "\n".join(blocks)


def _inline(line: str) -> str:
    """Bold words of a verdict get its colour; code stays code."""
    line = re.sub(r"\*\*(\w+)(.*?)\*\*", r'<b class="said \1">\1\2</b>', line)
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", line)


def _row(cells: Sequence[str]) -> str:
    """The row's name, then figures with their intervals below; bold differences get a verdict's colour."""
    name, *figures = (c.strip() for c in cells)
    return f"<th>{name}</th>" + "".join(f"<td>{figure_html(figure)}</td>" for figure in figures)


def figure_html(figure: str) -> str:
    """A value above its interval; one that was bold in a verdict's colour, by its sign."""
    word = "agrees" if figure.startswith("**+") else "disagrees"
    bold = re.sub(r"^\*\*(\S+) (\[.*\])\*\*$", rf'<b class="said {word}">\1</b><small>\2</small>', figure)
    return re.sub(r"^(\S+) (\[.*\])$", r"<b>\1</b><small>\2</small>", bold)


STYLE = """
.study { padding-top: 40px; padding-bottom: 80px; } .study > p { max-width: 92ch; } .study h2 { margin: 44px 0 12px; }
.study thead th { white-space: normal; min-width: 64px; } .study tbody th { font-weight: 600; min-width: 150px; }
.claims { padding: 0; list-style: none; font-variant-numeric: tabular-nums; }
.claims li { border: 1px solid var(--line); border-radius: 10px; background: var(--card); padding: 10px 14px; margin: 8px 0; }
.said { border-radius: 99px; padding: 1px 9px; background: var(--head); color: var(--soft); font-size: 13px; white-space: nowrap; }
.said.agrees { color: var(--good); } .said.disagrees { color: var(--bad); }
.study > img { width: 100%; max-width: 1180px; border-radius: 10px; background: #fff; }
.gallery img { width: 132px; border-radius: 8px; display: block; } .gallery th { font-weight: 500; font-size: 12.5px; vertical-align: top; }
"""
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>TITLE</title><style>STYLE</style></head><body><main class="page study"><p class="brand">Maquette study</p>
BODY</main></body></html>"""
