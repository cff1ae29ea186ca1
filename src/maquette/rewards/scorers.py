"""The shipped networks as judges of views: loaded once, and the same views looked at once, whichever rewards ask."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from maquette.rewards.networks import Judged, QualityNetwork, Seen, SemanticNetwork
from maquette.rewards.pixels import packed, unpacked
from maquette.rewards.text import Words
from maquette.rewards.weights import load_network
from maquette.types import Views

SCORERS = Path(__file__).resolve().parents[1] / "data" / "scorers"
"""Where the shipped scorers lie."""

Reduce = Literal["max", "mean", "min"]
"""How the scores of single views become one (the paper: max; mean does not reward one good side)."""

CHUNK = 16
"""Objects looked at together: bounds memory, and is as fast as any."""


def reduced(values: Float[Tensor, "a v"], how: Reduce) -> Float[Tensor, " a"]:
    """One score per object from its views' scores."""
    if how == "max":
        return values.amax(1)
    return values.mean(1) if how == "mean" else values.amin(1)


def stated(values: Float[Tensor, " a"], failed: Bool[np.ndarray, " a"], worst: float) -> Float[Tensor, " a"]:
    """The values with `worst` at failed answers; NaN (the judge has nothing to say) stays NaN."""
    return torch.where(torch.from_numpy(failed) & ~values.isnan(), torch.tensor(worst), values)


def together(seen: Sequence[Seen]) -> Seen:
    """Features of several chunks of objects as one."""
    return Seen(
        torch.cat([one.fine for one in seen]),
        torch.cat([one.views for one in seen]),
        torch.cat([one.joint for one in seen]),
    )


def joined(said: Sequence[Judged]) -> Judged:
    """Judgements of several chunks of objects as one."""
    return Judged(
        torch.cat([one.preference for one in said]),
        torch.cat([one.aesthetic for one in said]),
        torch.cat([one.geometry for one in said]),
        torch.cat([one.appearance for one in said]),
    )


@dataclass
class SemanticScorer:
    """Understands views and texts; remembers the last views it saw."""

    network: SemanticNetwork
    words: Words
    families: tuple[str, ...]
    colors: tuple[str, ...]
    _last: tuple[Views, Seen] | None = field(default=None, repr=False)

    @torch.inference_mode()
    def see(self, views: Views) -> Seen:
        """Features of every object; the same `Views` object asked again costs nothing."""
        if self._last is None or self._last[0] is not views:
            rgba = packed(views)
            seen = [self.network.see(unpacked(rgba[i : i + CHUNK])) for i in range(0, max(len(rgba), 1), CHUNK)]
            self._last = (views, together(seen))
        return self._last[1]

    @torch.inference_mode()
    def read(self, texts: Sequence[str]) -> Float[Tensor, "n 128"]:
        """Unit embeddings of texts."""
        return self.network.read(self.words.encode(texts))


@dataclass
class QualityScorer:
    """Judges how well things are made; remembers the last views it saw."""

    network: QualityNetwork
    _last: tuple[Views, Judged] | None = field(default=None, repr=False)

    @torch.inference_mode()
    def judge(self, views: Views) -> Judged:
        """What it says of every object; the same `Views` object asked again costs nothing."""
        if self._last is None or self._last[0] is not views:
            rgba = packed(views)
            said = [self.network(unpacked(rgba[i : i + CHUNK])) for i in range(0, max(len(rgba), 1), CHUNK)]
            self._last = (views, joined(said))
        return self._last[1]


def read_card(folder: Path) -> dict:
    """The card beside the weights. Raises ValueError where it is missing or not JSON."""
    path = folder / "card.json"
    if not path.is_file():
        raise ValueError(
            f"no card at {path}; `maquette train-scorers configs/scorers.yaml` writes the scorers and their card"
        )
    try:
        return json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON ({error.msg}, line {error.lineno}); train the scorers again") from error


@lru_cache(maxsize=4)
def load_semantic(folder: Path = SCORERS) -> SemanticScorer:
    """The network behind alignment, category and parts; loaded once per folder."""
    card = read_card(folder)
    words, families, colors = Words(tuple(card["words"])), tuple(card["families"]), tuple(card["colors"])
    network = SemanticNetwork(len(words), len(families), len(colors))
    return SemanticScorer(load_network(network, folder / "semantic.safetensors"), words, families, colors)


@lru_cache(maxsize=4)
def load_quality(folder: Path = SCORERS) -> QualityScorer:
    """The network behind preference, geometry consistency, appearance consistency and aesthetic; loaded once per folder."""
    read_card(folder)
    return QualityScorer(load_network(QualityNetwork(), folder / "quality.safetensors"))
