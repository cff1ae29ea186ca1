"""Networks that only measure: an alignment evaluator, a recogniser of attributes, and features for kernel distances.

They never reward. Against the scorers of `rewards/` they have another seed, the other half of the training designs and another
architecture (patchified pre-norm blocks with depthwise convolutions and a recurrent text encoder, where the scorers have residual
convolutions and a transformer), so that a policy that learnt to please the scorers does not please them for free.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor, nn
from torch.nn import functional

from maquette.rewards.networks import CHANNELS, FINE_CELLS, FINE_CHANNELS, ColorNames, Maps, cells, shares
from maquette.rewards.pixels import pixels
from maquette.rewards.text import Words
from maquette.rewards.weights import load_network
from maquette.types import Views

EVALUATORS = Path(__file__).resolve().parents[1] / "data" / "evaluators"
"""Where the shipped evaluators lie."""


COUNTS = 13
"""Classes of a part's count: 0 (absent), 1, …, 11, and 12 for 'twelve or more'."""
WIDTH = 128
FEATURES = 192
"""Dimensions of the features that kernel distances are computed on."""


class Block(nn.Module):
    """A 5 × 5 depthwise convolution and a two-layer perceptron per cell, pre-normed, beside the identity; maps are [n h w c]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        kernel = nn.Conv2d(channels, channels, 5, 1, 2, groups=channels)
        self.depthwise = kernel.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (its stubs lack it)
        self.mix = nn.Sequential(
            nn.LayerNorm(channels), nn.Linear(channels, 3 * channels), nn.ReLU(), nn.Linear(3 * channels, channels)
        )

    def forward(self, x: Float[Tensor, "n h w c"]) -> Float[Tensor, "n h w c"]:
        return x + self.mix(self.depthwise(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))


class Shrink(nn.Module):
    """Square patches of `factor` cells to one cell each."""

    def __init__(self, inputs: int, outputs: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.out = nn.Linear(inputs * factor * factor, outputs)

    def forward(self, x: Float[Tensor, "n h w c"]) -> Float[Tensor, "n h2 w2 d"]:
        n, h, w, c = x.shape
        f = self.factor
        patches = x.reshape(n, h // f, f, w // f, f, c).transpose(2, 3)
        return self.out(patches.reshape(n, h // f, w // f, f * f * c))


class PatchTrunk(nn.Module):
    """One picture to 8 × 8 and 4 × 4 cells, by patches of 4 pixels and three stages of blocks, with the named colours beside."""

    def __init__(self) -> None:
        super().__init__()
        self.names = ColorNames()
        self.fine = nn.Sequential(Shrink(4, 48, 4), Block(48), Shrink(48, 96, 2), Block(96), Block(96))
        self.coarse = nn.Sequential(Shrink(96, 160, 2), Block(160))
        self.fine_norm, self.coarse_norm = nn.LayerNorm(96), nn.LayerNorm(160)

    def forward(self, views: Float[Tensor, "a v 4 64 64"]) -> Maps:
        images = views.flatten(0, 1)
        names = self.names(images)
        fine = self.fine(images.permute(0, 2, 3, 1))
        coarse = self.coarse_norm(self.coarse(fine)).permute(0, 3, 1, 2)
        fine = self.fine_norm(fine).permute(0, 3, 1, 2)
        coarse = torch.cat([coarse, shares(functional.avg_pool2d(names, 2))], 1)
        return Maps(cells(torch.cat([fine, shares(names)], 1), len(views)), cells(coarse, len(views)))


class DualEncoder(nn.Module):
    """Text and all views together, into one space of unit vectors."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.trunk = PatchTrunk()
        self.cell = nn.Linear(CHANNELS, 32)
        self.view = nn.Sequential(nn.Linear(16 * 32, WIDTH), nn.ReLU())
        self.object = nn.Linear(2 * WIDTH, WIDTH)
        self.word = nn.Embedding(words, 96, padding_idx=0)
        self.reader = nn.GRU(96, 96, batch_first=True, bidirectional=True)
        self.sentence = nn.Linear(2 * 96, WIDTH)
        self.scale = nn.Parameter(torch.tensor(2.3))

    def embed_views(self, views: Float[Tensor, "a v 4 64 64"]) -> Float[Tensor, "a 128"]:
        return self.embed_maps(self.trunk(views))

    def embed_maps(self, maps: Maps) -> Float[Tensor, "a 128"]:
        """As `embed_views`, from the trunk's maps."""
        seen = self.view(self.cell(maps.coarse).flatten(2))
        return functional.normalize(self.object(torch.cat([seen.mean(1), seen.amax(1)], -1)), dim=-1)

    def embed_text(self, ids: Int64[Tensor, "n t"]) -> Float[Tensor, "n 128"]:
        real = ids != 0
        # Packed, so that the backward pass never crosses padding and a text reads the same in any company.
        packed = nn.utils.rnn.pack_padded_sequence(
            self.word(ids), real.sum(1).clamp_min(1), batch_first=True, enforce_sorted=False
        )
        states, lengths = nn.utils.rnn.pad_packed_sequence(self.reader(packed)[0], batch_first=True)
        return functional.normalize(self.sentence(states.sum(1) / lengths.unsqueeze(1)), dim=-1)


class Recogniser(nn.Module):
    """Family, and count and colour of every part name it learnt, each by a query of its own over the cells of all views."""

    def __init__(self, families: int, parts: int, colors: int) -> None:
        super().__init__()
        self.trunk = PatchTrunk()
        self.cell = nn.Linear(CHANNELS, 32)
        self.view = nn.Sequential(nn.Linear(16 * 32, FEATURES), nn.ReLU())
        self.joint = nn.Linear(2 * FEATURES, FEATURES)
        self.family = nn.Linear(FEATURES, families)
        self.query = nn.Parameter(torch.randn(parts, 2, WIDTH) * 0.1)
        self.key = nn.Linear(FINE_CHANNELS, WIDTH)
        self.value = nn.Linear(FINE_CHANNELS, WIDTH)
        self.place = nn.Parameter(torch.randn(FINE_CELLS, WIDTH) * 0.02)
        self.read = nn.Sequential(nn.Linear(2 * WIDTH + FEATURES, WIDTH), nn.ReLU())
        self.name = nn.Parameter(torch.randn(parts, WIDTH) * 0.1)
        self.count = nn.Linear(WIDTH, COUNTS)
        self.color = nn.Linear(WIDTH, colors)

    def features(self, views: Float[Tensor, "a v 4 64 64"]) -> Float[Tensor, "a 192"]:
        """Joint features of all views."""
        return self._joint(self.trunk(views))

    def _joint(self, maps: Maps) -> Float[Tensor, "a 192"]:
        seen = self.view(self.cell(maps.coarse).flatten(2))
        return functional.relu(self.joint(torch.cat([seen.mean(1), seen.amax(1)], -1)))

    def forward(
        self, views: Float[Tensor, "a v 4 64 64"]
    ) -> tuple[Float[Tensor, "a F"], Float[Tensor, "a P 13"], Float[Tensor, "a P C"]]:
        """Logits of the family, and of the count and the colour of every part."""
        return self.read_maps(self.trunk(views))

    def read_maps(self, maps: Maps) -> tuple[Float[Tensor, "a F"], Float[Tensor, "a P 13"], Float[Tensor, "a P C"]]:
        """As `forward`, from the trunk's maps."""
        joint = self._joint(maps)
        looked = maps.fine.flatten(1, 2)
        place = self.place.repeat(maps.fine.shape[1], 1)
        key, value = self.key(looked) + place, self.value(looked) + place
        # Cells in which there is nothing to see are not looked at; the coverage is a cell's last channel.
        cover = (looked[..., -1].float() + 1e-3).log()[:, None, None]
        logits = torch.einsum("phd,acd->aphc", self.query, key) * WIDTH**-0.5 + cover
        found = torch.einsum("aphc,acd->aphd", logits.softmax(-1), value).flatten(2)
        context = joint.unsqueeze(1).expand(-1, found.shape[1], -1)
        features = self.read(torch.cat([found, context], -1)) * (1.0 + self.name) + self.name
        return self.family(joint), self.count(features), self.color(features)


@dataclass(frozen=True)
class Attributes:
    """What the recogniser sees in a objects. F families, P part names, K = 13 counts (0 … 12; the last is 'twelve or more'), C colours."""

    families: tuple[str, ...]
    parts: tuple[str, ...]
    colors: tuple[str, ...]
    family_logits: Float32[np.ndarray, "a F"]
    count_probability: Float32[np.ndarray, "a P K"]
    """Sums to 1 over the counts; count 0 means that the part is not there."""
    color_probability: Float32[np.ndarray, "a P C"]
    """Sums to 1 over the colours; means something only where the part is there."""

    def family(self, answer: int) -> str:
        """The most likely family."""
        return self.families[int(self.family_logits[answer].argmax())]

    def count(self, answer: int, part: str) -> int:
        """The most likely count of a part, by its singular name; -1 for a name that the recogniser never learnt."""
        return int(self.count_probability[answer, self.parts.index(part)].argmax()) if part in self.parts else -1

    def color(self, answer: int, part: str) -> str:
        """The most likely colour of a part, by its singular name; "" for a name that the recogniser never learnt."""
        return (
            self.colors[int(self.color_probability[answer, self.parts.index(part)].argmax())]
            if part in self.parts
            else ""
        )


@dataclass(frozen=True)
class Evaluators:
    """All that measures. Views are those of `maquette-6`, square, at least 64 pixels; batches of any size."""

    dual: DualEncoder
    recogniser: Recogniser
    words: Words
    families: tuple[str, ...]
    parts: tuple[str, ...]
    colors: tuple[str, ...]
    held_out: Mapping[str, float]
    """Accuracy on held-out compositions, e.g. `retrieval_top1_of_64`, `family_accuracy`, `count_accuracy`, `color_accuracy`."""

    @torch.inference_mode()
    def alignment(self, texts: Sequence[str], views: Views) -> Float32[np.ndarray, " a"]:
        """Cosine in [-1, 1] between text i and object i. Raises ValueError where their numbers differ."""
        if len(texts) != len(views):
            raise ValueError(f"alignment needs one text per object, got {len(texts)} texts and {len(views)} objects")
        return np.diagonal(self.similarity(texts, views)).astype(np.float32)

    @torch.inference_mode()
    def similarity(self, texts: Sequence[str], views: Views) -> Float32[np.ndarray, "n a"]:
        """Cosines in [-1, 1] of every text with every object: for retrieval."""
        objects = [self.dual.embed_views(chunk) for chunk in pixels(views).split(32)]
        text = self.dual.embed_text(self.words.encode(texts))
        return (text @ torch.cat([*objects, text.new_zeros(0, text.shape[1])]).T).numpy()

    @torch.inference_mode()
    def attributes(self, views: Views) -> Attributes:
        """Family, part counts and part colours of each object."""
        read = [self.recogniser(chunk) for chunk in pixels(views).split(32)]
        family, count, color = (torch.cat(column) for column in zip(*read, strict=True))
        return Attributes(
            self.families, self.parts, self.colors, family.numpy(), count.softmax(-1).numpy(), color.softmax(-1).numpy()
        )

    @torch.inference_mode()
    def features(self, views: Views) -> Float32[np.ndarray, "a d"]:
        """The recogniser's last joint features: what kernel distances (KID-style) are computed on."""
        return torch.cat([self.recogniser.features(chunk) for chunk in pixels(views).split(32)]).numpy()


def load_evaluators(folder: Path = EVALUATORS) -> Evaluators:
    """The shipped evaluators, or those that `train_evaluators` wrote into `folder`. Raises ValueError where a file is missing or wrong."""
    card = json.loads((folder / "card.json").read_text())
    words = Words(tuple(card["words"]))
    families, parts, colors = tuple(card["families"]), tuple(card["parts"]), tuple(card["colors"])
    dual = load_network(DualEncoder(len(words)), folder / "alignment.safetensors")
    recogniser = load_network(Recogniser(len(families), len(parts), len(colors)), folder / "recogniser.safetensors")
    return Evaluators(dual, recogniser, words, families, parts, colors, card["held_out"])
