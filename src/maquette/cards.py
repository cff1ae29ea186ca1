"""What the card beside some weights tells on, where a training goes on from them."""

from __future__ import annotations

from pathlib import Path

from maquette.runs import read_json

WENT_ON = "went on from"
TOLD_ON = (
    "command",
    "commit",
    "date",
    "data",
    WENT_ON,
    "recipe",
    "steps",
    "steps_done",
    "seed",
    "seconds",
    "heldout_nats_per_token",
)


def went_on_from(folder: Path) -> dict[str, object]:
    """How the weights in `folder` were made, that a training went on from, and their own start, for its card; nothing where no card is."""
    path = folder / "card.json"
    card = read_json(path) if path.is_file() else {}
    told = {key: card[key] for key in TOLD_ON if key in card}
    return {WENT_ON: told} if told else {}
