"""What the semantic network learns from: alignment (InfoNCE with hard negatives, the nearer of two answers), category, and parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from maquette.corpus.program import COLORS, COUNT_WORDS
from maquette.rewards.looks import UNSURE, Labels
from maquette.rewards.networks import Seen, SemanticNetwork
from maquette.rewards.quality_losses import LEAST, severity_of
from maquette.rewards.text import PAD, Words

LENGTHS = (0.15, 0.25, 0.3, 0.3)
"""How often each length of caption is drawn."""
COUNTABLE = COUNT_WORDS[2:9]
ABSENT = 4
"""Part names asked for that the object does not have."""


@dataclass(frozen=True)
class Learner:
    """All that the semantic losses need beside a batch."""

    network: SemanticNetwork
    words: Words
    families: tuple[str, ...]
    names: tuple[str, ...]
    """All part names, to ask for absent ones."""


def semantic_loss(learner: Learner, seen: Seen, labels: Sequence[Labels], rng: np.random.Generator) -> Tensor:
    """The sum of all, for a objects in k looks, seen look by look: row l·a + i is look l of object i.

    Category leaves answers out.
    """
    known = len(labels) * labels[0].known
    shown = Seen(seen.fine[:known], seen.views[:known], seen.joint[:known])
    loss = _alignment(learner, seen, labels, rng) + _category(learner, shown, labels)
    return loss + _parts(learner, seen, labels, rng) + nearer_loss(learner, seen, labels)


def _alignment(learner: Learner, seen: Seen, labels: Sequence[Labels], rng: np.random.Generator) -> Tensor:
    """InfoNCE both ways, in colour and in grey; the object damaged, answers to its text, and the text with a false word are negatives."""
    a = len(labels)
    said = [one.captions[int(rng.choice(len(LENGTHS), p=LENGTHS))] for one in labels]
    false = [falsified(text, rng) for text in said]
    text = learner.network.read(learner.words.encode([*said, *false]))
    cosine = torch.einsum("nd,avd->nav", text, seen.views) * learner.network.scale.exp().clamp_max(40.0)
    true, own = np.asarray(said), np.eye(a, dtype=bool)
    twins = (true[:, None] == true[None]) & ~own
    unfalse = np.asarray(false)[None] == true[:, None]
    spared = [twins | own & np.asarray([as_true(one, look) for one in labels])[:, None] for look in (1, 2)]
    answers = [k for k, look in enumerate(labels[0].looks) if look.answer and not look.grey]
    colored = torch.tensor([k * a + i for k in (0, 1, 2, *answers) for i in range(a)])
    by_text = torch.from_numpy(np.concatenate([twins, *spared, *[twins] * len(answers)], 1))
    by_view = torch.from_numpy(np.concatenate([twins, unfalse], 1))
    alike = torch.from_numpy(twins)
    loss = text.new_zeros(())
    for sims in (cosine.mean(-1), cosine.amax(-1)):
        clean, coarse = sims[:, :a], sims[:a, 3 * a : 4 * a]
        loss = loss + _contrast(sims[:a, colored], by_text)
        loss = loss + _contrast(torch.cat([clean[:a].T, clean[a:].T], 1), by_view)
        loss = loss + 0.5 * _contrast(coarse, alike) + 0.5 * _contrast(coarse.T, alike)
    return loss / 6.0


def _contrast(logits: Float[Tensor, "a n"], hidden: Bool[Tensor, "a n"]) -> Tensor:
    """Cross-entropy with the right answer on the diagonal; hidden entries take no part."""
    return functional.cross_entropy(logits.float().masked_fill(hidden, -1e4), torch.arange(len(logits)))


def nearer_loss(learner: Learner, seen: Seen, labels: Sequence[Labels]) -> Tensor:
    """Bradley-Terry: of two answers to one text in one paint, the one nearer to the object meant is the better aligned.

    0 without answers.
    """
    a, looks = len(labels), labels[0].looks
    answers = [k for k, look in enumerate(looks) if look.answer]
    loss = seen.views.new_zeros(())
    if not answers:
        return loss
    text = learner.network.read(learner.words.encode([one.captions[one.asked] for one in labels]))
    views = seen.views.unflatten(0, (len(looks), a))[answers]
    cosine = torch.einsum("ad,kavd->kav", text, views).float() * learner.network.scale.exp().clamp_max(40.0)
    better = better_answers(labels, answers)
    for sims in (cosine.mean(-1), cosine.amax(-1)):
        margin = sims.unsqueeze(1) - sims.unsqueeze(0)
        loss = loss + functional.softplus(-margin)[better].sum() / better.sum().clamp_min(1)
    return loss / 2.0


def better_answers(labels: Sequence[Labels], answers: Sequence[int]) -> Bool[Tensor, "k k a"]:
    """Where look answers[i] is nearer to the object meant than answers[j], in the same paint and by enough to be compared."""
    severity = torch.from_numpy(np.stack([severity_of(one)[list(answers)] for one in labels], 1))
    grey = torch.tensor([labels[0].looks[k].grey for k in answers])
    nearer = severity.unsqueeze(1) + LEAST < severity.unsqueeze(0)
    return nearer & (grey.unsqueeze(1) == grey.unsqueeze(0)).unsqueeze(2)


def as_true(labels: Labels, look: int) -> bool:
    """Whether a text of the clean object is as true of this look (then it must not count as a wrong answer)."""
    clean, other = labels.looks[0], labels.looks[look]
    return max(other.geometry, other.paint) < 0.25 and other.counts == clean.counts and other.colors == clean.colors


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


def _category(learner: Learner, seen: Seen, labels: Sequence[Labels]) -> Tensor:
    """Cross-entropy against the family, the surer the less damage: what is broken must not be named with confidence."""
    column = {family: i for i, family in enumerate(learner.families)}
    looks = labels[0].known
    right = torch.tensor([column[one.family] for one in labels]).repeat(looks)
    damage = torch.tensor([one.looks[k].geometry for k in range(looks) for one in labels])
    doubt = (0.03 + 0.6 * damage).unsqueeze(1)
    target = functional.one_hot(right, len(learner.families)) * (1.0 - doubt) + doubt / len(learner.families)
    return functional.cross_entropy(learner.network.family(seen.joint).float(), target)


def _parts(learner: Learner, seen: Seen, labels: Sequence[Labels], rng: np.random.Generator) -> Tensor:
    """Cross-entropies of count and colour of the object's own parts and of some that it does not have."""
    asked = [_questions(learner, one, rng) for one in labels]
    ids, counts, colors = _answers(learner, asked, labels)
    count, color = learner.network.parts(seen.fine, seen.joint, ids)
    loss = functional.cross_entropy(count.float().flatten(0, 1), counts.flatten(), ignore_index=UNSURE)
    return loss + 0.7 * functional.cross_entropy(color.float().flatten(0, 1), colors.flatten(), ignore_index=UNSURE)


def _questions(learner: Learner, one: Labels, rng: np.random.Generator) -> tuple[str, ...]:
    absent = [name for name in rng.permutation(learner.names)[: ABSENT + 6] if name not in one.parts]
    return (*one.parts, *map(str, absent[:ABSENT]))


def _answers(
    learner: Learner, asked: Sequence[Sequence[str]], labels: Sequence[Labels]
) -> tuple[Tensor, Tensor, Tensor]:
    """Name ids [k·a q t], counts and colours [k·a q] (UNSURE: not learnt from), look by look."""
    a, most, looks, known = len(labels), max(map(len, asked)), len(labels[0].looks), labels[0].known
    flat = learner.words.encode([name for names in asked for name in names])
    ids = torch.full((a, most, flat.shape[1]), PAD)
    counts, colors = (torch.full((looks, a, most), UNSURE) for _ in range(2))
    used = 0
    for i, (one, names) in enumerate(zip(labels, asked, strict=True)):
        ids[i, : len(names)] = flat[used : used + len(names)]
        used += len(names)
        own = len(one.parts)
        counts[:known, i, own : len(names)] = 0  # whether an answer has what nobody asked for is not known
        for k, look in enumerate(one.looks):
            counts[k, i, :own] = torch.tensor(look.counts)
            if not look.grey:
                colors[k, i, :own] = torch.tensor(look.colors)
    return ids.repeat(looks, 1, 1), counts.flatten(0, 1), colors.flatten(0, 1)
