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

from maquette.corpus.program import COLORS
from maquette.rewards.text import LONGEST, PAD

COUNTS = 13
"""Classes of a part's count: 0 (absent), 1, …, 11, and 12 for 'twelve or more'."""
CELLS = 16
"""Cells of a view's coarse map, 4 × 4."""
FINE_CELLS = 64
"""Cells of a view's fine map, 8 × 8."""
NAMED = len(COLORS) + 1
"""Channels of `ColorNames`: how much of a cell has each named colour, and how much of it is covered at all."""
CHANNELS = 160 + NAMED
FINE_CHANNELS = 96 + NAMED
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


class ColorNames(nn.Module):
    """How much of each of 8 × 8 cells has each of the sixteen named colours, lit or in shade, and how much is covered; nothing is learnt.

    Colour is half of what captions say, and a small network takes long to find the names' borders by itself.
    """

    SHADES = (1.0, 0.8, 0.6)
    SHARPNESS = 60.0
    palette: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("palette", torch.tensor(list(COLORS.values())), persistent=False)

    def forward(self, images: Float[Tensor, "n 4 64 64"]) -> Float[Tensor, "n 17 8 8"]:
        small = (functional.avg_pool2d(images.float(), 2) + 1.0) / 2.0
        rgb, cover = small[:, :3].permute(0, 2, 3, 1), small[:, 3:]
        norm = rgb.square().sum(-1, keepdim=True)
        nearest = torch.stack(
            [norm - 2 * s * rgb @ self.palette.T + s * s * self.palette.square().sum(1) for s in self.SHADES]
        ).amin(0)
        likeness = (-self.SHARPNESS * nearest).softmax(-1).permute(0, 3, 1, 2)
        return functional.avg_pool2d(torch.cat([likeness * cover, cover], 1), 4)


def shares(names: Float[Tensor, "n 17 h w"]) -> Float[Tensor, "n 17 h w"]:
    """Amounts of named colours as shares of what is covered (they sum to about 1 there); coverage stays as it is."""
    amounts, cover = names[:, :-1], names[:, -1:]
    return torch.cat([amounts / (cover + 0.01), cover], 1)


@dataclass(frozen=True)
class Maps:
    """What the trunk makes of views: learnt features and named colours, at two sizes of cells."""

    fine: Float[Tensor, "a v 64 113"]
    coarse: Float[Tensor, "a v 16 177"]


class ViewTrunk(nn.Module):
    """One picture to maps of 8 × 8 and 4 × 4 cells: 26 M multiplications, 0.84 M weights."""

    def __init__(self) -> None:
        super().__init__()
        self.names = ColorNames()
        self.fine = nn.Sequential(_conv(4, 24, 2), _conv(24, 48, 2), _conv(48, 48), _conv(48, 96, 2), Residual(96))
        self.coarse = nn.Sequential(_conv(96, 160, 2), Residual(160))
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (its stubs lack it)

    def forward(self, views: Float[Tensor, "a v 4 64 64"]) -> Maps:
        images = views.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        names = self.names(images)
        fine = self.fine(images)
        coarse = torch.cat([self.coarse(fine), shares(functional.avg_pool2d(names, 2))], 1)
        return Maps(cells(torch.cat([fine, shares(names)], 1), len(views)), cells(coarse, len(views)))


def cells(maps: Float[Tensor, "n c h w"], objects: int) -> Float[Tensor, "a v cells c"]:
    """Maps of all views of all objects, cell by cell."""
    rows = maps.flatten(2).transpose(1, 2)
    return rows.reshape(objects, -1, rows.shape[1], rows.shape[2])


class ViewSummary(nn.Module):
    """A view's 16 cells to one vector that still knows where things were."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(CHANNELS, 48)
        self.out = nn.Linear(CELLS * 48, width)

    def forward(self, maps: Float[Tensor, "a v 16 177"]) -> Float[Tensor, "a v d"]:
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


def _heads(x: Float[Tensor, "a n d"]) -> Float[Tensor, "a 4 n e"]:
    return x.unflatten(-1, (4, -1)).transpose(1, 2)


class PartReader(nn.Module):
    """Asks the views for one part by its name: how many are there, and what colour are they?"""

    def __init__(self, words: int, colors: int) -> None:
        super().__init__()
        self.word = nn.Embedding(words, WIDTH, padding_idx=PAD)
        self.query = nn.Sequential(nn.Linear(2 * WIDTH, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH))
        self.cell = nn.Linear(FINE_CHANNELS, WIDTH)
        self.place = nn.Parameter(torch.randn(FINE_CELLS, WIDTH) * 0.02)
        self.ask, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.found = nn.LayerNorm(WIDTH)
        self.read = nn.Sequential(nn.Linear(3 * WIDTH, 256), nn.SiLU())
        self.count = nn.Linear(256, COUNTS)
        self.color = nn.Linear(256, colors)

    def forward(
        self,
        fine: Float[Tensor, "a v 64 113"],
        joint: Float[Tensor, "a 128"],
        names: Int64[Tensor, "a q t"],
    ) -> tuple[Float[Tensor, "a q 13"], Float[Tensor, "a q colors"]]:
        """Logits of the count and of the colour of each of q asked parts; a name is up to t words, 0-padded."""
        real = (names != PAD).unsqueeze(-1)
        name = (self.word(names) * real).sum(2) / real.sum(2).clamp_min(1)
        query = self.query(torch.cat([name, joint.unsqueeze(1).expand_as(name)], -1))
        looked = (self.cell(fine) + self.place).flatten(1, 2)
        # Cells in which there is nothing to see are not looked at; the coverage is a cell's last channel.
        seen = (fine[..., -1].float().flatten(1, 2) + 1e-3).log()[:, None, None]
        ask, key, value = (_heads(f(x)) for f, x in ((self.ask, query), (self.key, looked), (self.value, looked)))
        mixed = functional.scaled_dot_product_attention(ask, key, value, attn_mask=seen.to(ask.dtype))
        found = self.found(mixed.transpose(1, 2).flatten(2))
        features = self.read(torch.cat([query, found, joint.unsqueeze(1).expand_as(query)], -1))
        return self.count(features), self.color(features)


@dataclass(frozen=True)
class Seen:
    """What the semantic network keeps of a objects."""

    fine: Float[Tensor, "a v 64 113"]
    """Cells, for questions about parts."""
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

    def understand(self, maps: Maps) -> Seen:
        """As `see`, from the trunk's maps."""
        summary = functional.silu(self.summary(maps.coarse))
        joint = self.joint(torch.cat([summary.mean(1), summary.amax(1)], -1))
        return Seen(maps.fine, functional.normalize(self.align(summary), dim=-1), joint)

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

    def judge(self, maps: Maps, places: Int64[Tensor, " v"]) -> Judged:
        """From the trunk's maps; `places` says which of the six cameras each view is from."""
        summary = functional.silu(self.summary(maps.coarse))
        together = self.across(summary + self.view[places])
        logits = self.consistency(torch.cat([together.mean(1), together.amax(1)], -1))
        return Judged(
            self.preference(summary).squeeze(-1),
            self.aesthetic(summary).squeeze(-1).sigmoid(),
            logits[:, 0],
            logits[:, 1],
        )
