"""The networks behind the scorers: one that understands what is seen, one that judges how well it is made.

Both look through a `ViewTrunk` of their own. `SemanticNetwork` stands behind alignment, category and parts; `QualityNetwork` behind
preference, geometry and appearance consistency, and aesthetic. Rewards that share a network share its work on the same views.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from maquette.rewards.text import LONGEST, PAD

COUNTS = 13
"""Classes of a part's count: 0 (absent), 1, …, 11, and 12 for 'twelve or more'."""
CELLS = 16
"""Cells of a view's feature map, 4 × 4."""
CHANNELS = 160
WIDTH = 128
"""Width of embeddings shared by text and views."""
MOST_VIEWS = 6


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.SiLU(inplace=True)
    )


class Residual(nn.Module):
    """Two 3 × 3 convolutions beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            _conv(channels, channels), nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        return functional.silu(x + self.inner(x))


class ViewTrunk(nn.Module):
    """One picture to a 4 × 4 map of features: 26 M multiplications, 0.84 M weights."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _conv(4, 24, 2),
            _conv(24, 48, 2),
            _conv(48, 48),
            _conv(48, 96, 2),
            Residual(96),
            _conv(96, CHANNELS, 2),
            Residual(CHANNELS),
        ).to(memory_format=torch.channels_last)

    def forward(self, views: Float[Tensor, "a v 4 64 64"]) -> Float[Tensor, "a v 16 160"]:
        images = views.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        maps = self.layers(images)
        return maps.flatten(2).transpose(1, 2).reshape(*views.shape[:2], CELLS, CHANNELS)


class ViewSummary(nn.Module):
    """A view's 16 cells to one vector that still knows where things were."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(CHANNELS, 48)
        self.out = nn.Linear(CELLS * 48, width)

    def forward(self, maps: Float[Tensor, "a v 16 160"]) -> Float[Tensor, "a v d"]:
        return self.out(functional.silu(self.squeeze(maps)).flatten(2))


class TextEncoder(nn.Module):
    """Words to one vector: embeddings with positions, two transformer layers, the mean over words."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.word = nn.Embedding(words, WIDTH, padding_idx=PAD)
        self.position = nn.Parameter(torch.randn(LONGEST, WIDTH) * 0.02)
        layer = nn.TransformerEncoderLayer(WIDTH, 4, 2 * WIDTH, 0.1, "relu", batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, nn.LayerNorm(WIDTH), enable_nested_tensor=False)
        self.out = nn.Linear(WIDTH, WIDTH)

    def forward(self, ids: Int64[Tensor, "n t"]) -> Float[Tensor, "n 128"]:
        real = ids != PAD
        states = self.layers(self.word(ids) + self.position[: ids.shape[1]], src_key_padding_mask=~real)
        weight = real.unsqueeze(-1).to(states.dtype)
        return self.out((states * weight).sum(1) / weight.sum(1).clamp_min(1.0))


class PartReader(nn.Module):
    """Asks the views for one part by its name: how many are there, and what colour are they?"""

    def __init__(self, words: int, colors: int) -> None:
        super().__init__()
        self.word = nn.Embedding(words, WIDTH, padding_idx=PAD)
        self.query = nn.Sequential(nn.Linear(2 * WIDTH, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH))
        self.cell = nn.Linear(CHANNELS, WIDTH)
        self.place = nn.Parameter(torch.randn(CELLS, WIDTH) * 0.02)
        self.attention = nn.MultiheadAttention(WIDTH, 4, batch_first=True)
        self.read = nn.Sequential(nn.LayerNorm(3 * WIDTH), nn.Linear(3 * WIDTH, 256), nn.SiLU())
        self.count = nn.Linear(256, COUNTS)
        self.color = nn.Linear(256, colors)

    def forward(
        self,
        maps: Float[Tensor, "a v 16 160"],
        joint: Float[Tensor, "a 128"],
        names: Int64[Tensor, "a q t"],
    ) -> tuple[Float[Tensor, "a q 13"], Float[Tensor, "a q colors"]]:
        """Logits of the count and of the colour of each of q asked parts; a name is up to t words, 0-padded."""
        real = (names != PAD).unsqueeze(-1)
        name = (self.word(names) * real).sum(2) / real.sum(2).clamp_min(1)
        query = self.query(torch.cat([name, joint.unsqueeze(1).expand_as(name)], -1))
        cells = (self.cell(maps) + self.place).flatten(1, 2)
        found, _ = self.attention(query, cells, cells, need_weights=False)
        features = self.read(torch.cat([query, found, joint.unsqueeze(1).expand_as(query)], -1))
        return self.count(features), self.color(features)


@dataclass(frozen=True)
class Seen:
    """What the semantic network keeps of a objects."""

    maps: Float[Tensor, "a v 16 160"]
    views: Float[Tensor, "a v 128"]
    """Unit embeddings of single views, comparable with text embeddings."""
    joint: Float[Tensor, "a 128"]
    """All views together."""


class SemanticNetwork(nn.Module):
    """What is it? Text-and-view embeddings, family, parts."""

    def __init__(self, words: int, families: int, colors: int) -> None:
        super().__init__()
        self.trunk = ViewTrunk()
        self.summary = ViewSummary(WIDTH)
        self.align = nn.Linear(WIDTH, WIDTH)
        self.text = TextEncoder(words)
        self.scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.joint = nn.Sequential(nn.Linear(2 * WIDTH, WIDTH), nn.SiLU())
        self.family = nn.Linear(WIDTH, families)
        self.parts = PartReader(words, colors)

    def see(self, views: Float[Tensor, "a v 4 64 64"]) -> Seen:
        return self.understand(self.trunk(views))

    def understand(self, maps: Float[Tensor, "a v 16 160"]) -> Seen:
        """As `see`, from the trunk's maps."""
        summary = functional.silu(self.summary(maps))
        joint = self.joint(torch.cat([summary.mean(1), summary.amax(1)], -1))
        return Seen(maps, functional.normalize(self.align(summary), dim=-1), joint)

    def read(self, ids: Int64[Tensor, "n t"]) -> Float[Tensor, "n 128"]:
        """Unit embeddings of texts."""
        return functional.normalize(self.text(ids), dim=-1)


@dataclass(frozen=True)
class Judged:
    """What the quality network says of a objects."""

    preference: Float[Tensor, "a v"]
    """Per view, any real number, higher is better made; differences are log-odds of being preferred."""
    aesthetic: Float[Tensor, "a v"]
    """Per view, in (0, 1)."""
    geometry: Float[Tensor, " a"]
    """All views together: logit of 'one sound object from every side'."""
    appearance: Float[Tensor, " a"]
    """All views together: logit of 'colours and patterns agree from every side'."""


class QualityNetwork(nn.Module):
    """Is it well made? Preference and aesthetic per view, consistency over all views."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = ViewTrunk()
        self.summary = ViewSummary(WIDTH)
        self.preference = nn.Linear(WIDTH, 1)
        self.aesthetic = nn.Linear(WIDTH, 1)
        self.view = nn.Parameter(torch.randn(MOST_VIEWS, WIDTH) * 0.02)
        self.across = nn.TransformerEncoderLayer(WIDTH, 4, 2 * WIDTH, 0.0, "relu", batch_first=True, norm_first=True)
        self.consistency = nn.Sequential(nn.LayerNorm(2 * WIDTH), nn.Linear(2 * WIDTH, 64), nn.SiLU(), nn.Linear(64, 2))

    def forward(self, views: Float[Tensor, "a v 4 64 64"]) -> Judged:
        """Raises ValueError for more than six views: the network knows the places of the six `maquette-6` cameras."""
        if views.shape[1] > MOST_VIEWS:
            raise ValueError(
                f"the small scorers look at up to {MOST_VIEWS} views (cameras maquette-6), got {views.shape[1]}"
            )
        return self.judge(self.trunk(views), torch.arange(views.shape[1]))

    def judge(self, maps: Float[Tensor, "a v 16 160"], places: Int64[Tensor, " v"]) -> Judged:
        """From the trunk's maps; `places` says which of the six cameras each view is from."""
        summary = functional.silu(self.summary(maps))
        together = self.across(summary + self.view[places])
        logits = self.consistency(torch.cat([together.mean(1), together.amax(1)], -1))
        return Judged(
            self.preference(summary).squeeze(-1),
            self.aesthetic(summary).squeeze(-1).sigmoid(),
            logits[:, 0],
            logits[:, 1],
        )
