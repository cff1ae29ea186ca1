"""Training of the semantic network: alignment (InfoNCE with hard negatives), category, and parts, in one pass over the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from maquette.corpus.program import COLORS, COUNT_WORDS
from maquette.rewards.dataset import UNSURE, Labels, Pictures
from maquette.rewards.fit import draw_mixed, families_of, fit, varied
from maquette.rewards.networks import Seen, SemanticNetwork
from maquette.rewards.text import PAD, Words

LENGTHS = (0.15, 0.25, 0.3, 0.3)
"""How often each length of caption is drawn."""
COUNTABLE = COUNT_WORDS[2:9]
ABSENT = 4
"""Part names asked for that the object does not have."""


@dataclass(frozen=True)
class Learner:
    """All that a training step needs beside its step number."""

    network: SemanticNetwork
    data: Pictures
    words: Words
    families: tuple[str, ...]
    names: tuple[str, ...]
    """All part names, to ask for absent ones."""


def train_semantic(
    network: SemanticNetwork,
    data: Pictures,
    words: Words,
    families: tuple[str, ...],
    *,
    steps: int,
    batch: int,
    views: int,
    peak: float,
    seed: int,
) -> None:
    """Trains the network in place: `steps` batches of `batch` objects in three looks and `views` views each."""
    torch.manual_seed(seed)
    names = tuple(sorted({name for one in data.labels for name in one.parts}))
    learner = Learner(network, data, words, families, names)
    by_family = families_of(data.labels)
    rng = np.random.default_rng(seed)
    fit(
        network,
        lambda step: _loss(learner, by_family, batch, views, rng),
        steps=steps,
        peak=peak,
        name="semantic scorer",
    )


def _loss(
    learner: Learner, by_family: dict[str, np.ndarray], batch: int, views: int, rng: np.random.Generator
) -> Tensor:
    objects = draw_mixed(by_family, batch, 4, rng)
    labels = [learner.data.labels[o] for o in objects]
    other = 1 + rng.integers(2, size=batch)
    coarse = np.where(rng.random(batch) < 0.7, 3, 4)
    shown = np.sort(rng.permutation(6)[:views])
    looks = np.concatenate([np.zeros(batch, int), other, coarse])
    rgba = learner.data.rows(objects * 3, list(looks))[:, shown]
    seen = learner.network.see(varied(rgba, rng))
    return (
        _alignment(learner, seen, labels, looks, rng)
        + _category(learner, seen, labels, looks)
        + _parts(learner, seen, labels, looks, rng)
    )


def _alignment(
    learner: Learner, seen: Seen, labels: list[Labels], looks: np.ndarray, rng: np.random.Generator
) -> Tensor:
    """InfoNCE both ways, in colour and in grey; the same object damaged and the same text with a false word are negatives."""
    a = len(labels)
    said = [one.captions[int(rng.choice(len(LENGTHS), p=LENGTHS))] for one in labels]
    false = [falsified(text, rng) for text in said]
    text = learner.network.read(learner.words.encode([*said, *false]))
    scale = learner.network.scale.exp().clamp_max(40.0)
    cosine = torch.einsum("nd,avd->nav", text, seen.views) * scale
    twins = torch.tensor([[i != j and said[i] == said[j] for j in range(a)] for i in range(a)])
    honest = torch.tensor([i != j and false[j] == said[j] for i in range(a) for j in range(a)]).reshape(a, a)
    honest |= torch.eye(a, dtype=torch.bool) & torch.tensor([x == y for x, y in zip(said, false, strict=True)])
    spared = torch.tensor(
        [_nearly_clean(one.looks[int(k)], one.looks[0]) for one, k in zip(labels, looks[a : 2 * a], strict=True)]
    )
    loss = text.new_zeros(())
    for sims in (cosine.mean(-1), cosine.amax(-1)):
        fine, broken, coarse = sims[:, :a], sims[:, a : 2 * a], sims[:, 2 * a :]
        loss = loss + _contrast(torch.cat([fine[:a], broken[:a]], 1), torch.cat([twins, twins | torch.diag(spared)], 1))
        loss = loss + _contrast(torch.cat([fine[:a].T, fine[a:].T], 1), torch.cat([twins, honest | twins], 1))
        loss = loss + 0.5 * _contrast(coarse[:a], twins) + 0.5 * _contrast(coarse[:a].T, twins)
    return loss / 6.0


def _contrast(logits: Float[Tensor, "a n"], hidden: Bool[Tensor, "a n"]) -> Tensor:
    """Cross-entropy with the right answer on the diagonal; hidden entries take no part."""
    return functional.cross_entropy(logits.float().masked_fill(hidden, -1e4), torch.arange(len(logits)))


def _nearly_clean(look: object, clean: object) -> bool:
    """Whether a text of the clean object is as true of this look (then it must not count as a wrong answer)."""
    return look.geometry < 0.25 and look.paint < 0.25 and look.counts == clean.counts and look.colors == clean.colors  # type: ignore[attr-defined]


def falsified(text: str, rng: np.random.Generator) -> str:
    """The text with one colour or count word replaced by another one; as it was where it has none."""
    said = text.split(" ")
    places = [i for i, word in enumerate(said) if word.strip(",.:") in COLORS or word.strip(",.:") in COUNTABLE]
    if not places:
        return text
    place = int(rng.choice(places))
    bare = said[place].strip(",.:")
    options = [w for w in (COLORS if bare in COLORS else COUNTABLE) if w != bare]
    said[place] = said[place].replace(bare, options[int(rng.integers(len(options)))])
    return " ".join(said)


def _category(learner: Learner, seen: Seen, labels: list[Labels], looks: np.ndarray) -> Tensor:
    """Cross-entropy against the family, the surer the less damage: what is broken must not be named with confidence."""
    column = {family: i for i, family in enumerate(learner.families)}
    right = torch.tensor([column[one.family] for one in labels]).repeat(3)
    damage = torch.tensor([labels[i % len(labels)].looks[int(k)].geometry for i, k in enumerate(looks)])
    doubt = (0.03 + 0.6 * damage).unsqueeze(1)
    target = functional.one_hot(right, len(learner.families)) * (1.0 - doubt) + doubt / len(learner.families)
    return functional.cross_entropy(learner.network.family(seen.joint).float(), target)


def _parts(learner: Learner, seen: Seen, labels: list[Labels], looks: np.ndarray, rng: np.random.Generator) -> Tensor:
    """Cross-entropies of count and colour of the object's own parts and of some that it does not have."""
    asked = [_questions(learner, one, rng) for one in labels]
    ids, counts, colors = _answers(learner, asked, labels, looks)
    count, color = learner.network.parts(seen.maps, seen.joint, ids)
    loss = functional.cross_entropy(count.float().flatten(0, 1), counts.flatten(), ignore_index=UNSURE)
    return loss + 0.7 * functional.cross_entropy(color.float().flatten(0, 1), colors.flatten(), ignore_index=UNSURE)


def _questions(learner: Learner, one: Labels, rng: np.random.Generator) -> tuple[str, ...]:
    absent = [name for name in rng.permutation(learner.names)[: ABSENT + 6] if name not in one.parts]
    return (*one.parts, *map(str, absent[:ABSENT]))


def _answers(
    learner: Learner, asked: Sequence[Sequence[str]], labels: Sequence[Labels], looks: np.ndarray
) -> tuple[Tensor, Tensor, Tensor]:
    """Name ids [3a q t], counts and colours [3a q] (UNSURE: not learnt from)."""
    a, most = len(labels), max(map(len, asked))
    flat = learner.words.encode([name for names in asked for name in names])
    ids = torch.full((a, most, flat.shape[1]), PAD)
    counts = torch.full((3 * a, most), UNSURE)
    colors = torch.full((3 * a, most), UNSURE)
    used = 0
    for i, names in enumerate(asked):
        ids[i, : len(names)] = flat[used : used + len(names)]
        used += len(names)
        own = len(labels[i].parts)
        for part in range(3):
            look = labels[i].looks[int(looks[part * a + i])]
            counts[part * a + i, :own] = torch.tensor(look.counts)
            counts[part * a + i, own : len(names)] = 0
            if not look.grey:
                colors[part * a + i, :own] = torch.tensor(look.colors)
    return ids.repeat(3, 1, 1), counts, colors
