"""What training did at all: every trained row against the rows of its study that trained nothing."""

from __future__ import annotations

from maquette.studies.claims import Found, verdict
from maquette.studies.grid import Claim, Study

MEASURED = (("alignment", "text alignment"), ("iou", "IoU with the object meant"))
"""Measures that are held against the base's: what is said, and what is drawn."""
READ = (
    "Each row less the base, claimed by nobody: paired over objects and seeds, with Student's interval over the seeds held in it, as for "
    "the claims. Bold leaves out 0; of many such numbers one in twenty does so by chance."
)


def against_bases(study: Study, found: Found) -> str:
    """A table of differences in Markdown, with a heading and how to read it; "" where no base, or nothing beside it, was run.

    Where several rows train nothing, the last stands for them (in `paradigm` the one that reasons).
    """
    bases = [row.name for row in study.rows if not row.config and row.name in found]
    trained = [row.name for row in study.rows if row.config and row.name in found]
    if not bases or not trained:
        return ""
    titles = [f"{title}, less that of “{bases[-1]}”" for _, title in MEASURED]
    lines = ["| row | " + " | ".join(titles) + " |", "|---|" + "---|" * len(titles)]
    for name in trained:
        lines.append(f"| {name} | " + " | ".join(_gain(name, bases[-1], found, m) for m, _ in MEASURED) + " |")
    return "\n\n".join(("## Against the base", "\n".join(lines), READ))


def _gain(name: str, base: str, found: Found, measure: str) -> str:
    word, gain = verdict(Claim(says="", better=name, worse=base, measure=measure), found)
    if gain is None:
        return "–"
    said = f"{gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"
    return f"**{said}**" if word in ("agrees", "disagrees") else said
