"""How much of a suite the small evaluators can read. Where it is little, what they say of texts means little, and tables say so."""

from __future__ import annotations

from collections.abc import Sequence

from maquette.evaluation.networks import Evaluators
from maquette.evaluation.results import MEASURES, Evaluation
from maquette.rewards.text import UNKNOWN, split_words
from maquette.types import Prompt

RECORD = "known to the evaluators"
"""Where the shares stand in a provenance."""
FEWEST = 0.8
"""The share of a suite's words (parts, kinds) below which a measure that reads them is not to be ranked by."""
READS = {
    "alignment": "words",
    "attributes": "part names",
    "category": "kinds of object",
    "counts": "part names",
    "colours": "part names",
}
"""What each measure of the small evaluators has to know."""


def known_shares(prompts: Sequence[Prompt], evaluators: Evaluators) -> dict[str, float | None]:
    """Shares of the prompts' words, part names and kinds of object that the evaluators learnt; None where prompts state none."""
    return {
        "words": _share([evaluators.words.id(word) != UNKNOWN for p in prompts for word in split_words(p.text)]),
        "part names": _share([part.name in evaluators.parts for p in prompts for part in p.parts]),
        "kinds of object": _share([p.family in evaluators.families for p in prompts if p.family]),
    }


def _share(known: Sequence[bool]) -> float | None:
    return sum(known) / len(known) if known else None


def blind(evaluation: Evaluation) -> dict[str, float]:
    """Measures that mean little in an evaluation, by name, with the share of what they read that was known."""
    shares = evaluation.provenance.get(RECORD)
    if not isinstance(shares, dict):
        return {}
    found = {name: shares.get(key) for name, key in READS.items()}
    return {name: share for name, share in found.items() if isinstance(share, float) and share < FEWEST}


def unread(evaluations: Sequence[Evaluation]) -> list[str]:
    """A sentence for each suite that the small evaluators cannot read."""
    lines = []
    for evaluation in evaluations:
        names = blind(evaluation)
        shares: dict[str, float] = {READS[name]: share for name, share in names.items()}
        if shares:
            known = ", ".join(f"{share:.0%} of the {key}" for key, share in shares.items())
            titles = ", ".join(m.title for m in MEASURES if m.name in names)
            lines.append(
                f"On {evaluation.suite} the small evaluators know {known}: {titles} mean little there. "
                "Pretrained networks (--clip) and judges (--judges) read such prompts."
            )
    return list(dict.fromkeys(lines))
