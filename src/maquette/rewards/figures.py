"""How good the scorers are on held-out compositions: the figures of their card and of the benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int
from scipy.stats import mannwhitneyu, spearmanr
from torch import Tensor

from maquette.rewards.general_consistency import ConsistencyHead
from maquette.rewards.looks import UNSURE, Labels, Pictures
from maquette.rewards.networks import Judged, Seen
from maquette.rewards.pixels import unpacked
from maquette.rewards.quality_losses import looks_good, severity_of
from maquette.rewards.scorers import CHUNK, QualityScorer, SemanticScorer, joined, reduced, together
from maquette.rewards.semantic_losses import better_answers, falsified

AMONG = 64
"""Objects that a text is to be found among."""
FINE, COARSE = 0, 3
"""Places of the clean looks."""
PAIRS = {"geometry": ((FINE, 1), (COARSE, 4)), "paint": ((FINE, 1), (FINE, 2))}
"""Looks that a judge of consistency tells apart: clean, damaged."""
VISIBLE = 0.1
"""Mean absolute difference of pictures, in grey levels, below which damage cannot be seen and a pair is left out."""


def retrieval(
    similarity: Float32[np.ndarray, "n n"], texts: Sequence[str], rng: np.random.Generator, rounds: int = 20
) -> float:
    """Top-1 accuracy of finding each text's object among 64; an object of the very same text counts as found."""
    hits = []
    for _ in range(rounds):
        some = rng.permutation(len(texts))[:AMONG]
        best = some[similarity[np.ix_(some, some)].argmax(1)]
        hits += [texts[i] == texts[j] for i, j in zip(some, best, strict=True)]
    return float(np.mean(hits))


def part_f1(predicted: Int[np.ndarray, " m"], true: Int[np.ndarray, " m"]) -> float:
    """F1 of 'there, in the right number': a hit is a present part whose predicted count is right; 0 is absent."""
    hits = ((true > 0) & (predicted == true)).sum()
    claimed, real = (predicted > 0).sum(), (true > 0).sum()
    return float(2 * hits / max(claimed + real, 1))


def questions(labels: Sequence[Labels], look: int, rng: np.random.Generator) -> list[tuple[int, str, int, int]]:
    """(object, part name, count, colour): parts of sure count, and as many names that others of the family have and this one has not."""
    of_family: dict[str, set[str]] = {}
    for one in labels:
        of_family.setdefault(one.family, set()).update(one.parts)
    asked = []
    for i, one in enumerate(labels):
        seen = one.looks[look]
        asked += [
            (i, name, n, c) for name, n, c in zip(one.parts, seen.counts, seen.colors, strict=True) if n != UNSURE
        ]
        absent = sorted(of_family[one.family] - set(one.parts))
        asked += [(i, str(name), 0, UNSURE) for name in rng.permutation(absent)[: len(one.parts)]]
    return asked


def semantic_figures(scorer: SemanticScorer, data: Pictures, seed: int = 0) -> dict[str, float]:
    """Retrieval in colour and in grey, family accuracy, part F1 and colour accuracy."""
    rng = np.random.default_rng(seed)
    fine, coarse = _seen(scorer, data, FINE), _seen(scorer, data, COARSE)
    figures: dict[str, float] = {}
    for name, seen in (("colour", fine), ("grey", coarse)):
        for how in ("mean", "max"):
            each = [_retrieval(scorer, seen, data, length, how, rng) for length in range(4)]
            figures[f"alignment_top1_of_64_{name}_{how}"] = float(np.mean(each))
            if name == "colour" and how == "mean":
                figures |= {f"alignment_top1_of_64_length_{i}": value for i, value in enumerate(each)}
        right = np.asarray([scorer.families.index(one.family) for one in data.labels])
        found = scorer.network.family(seen.joint).argmax(-1).numpy()
        figures[f"category_accuracy_{name}"] = float((found == right).mean())
    for look, seen in (("clean", fine), ("recoloured_or_damaged", _seen(scorer, data, 2))):
        f1, color = _parts(scorer, seen, data.labels, 0 if look == "clean" else 2, rng)
        figures |= {f"parts_f1_{look}": f1, f"part_color_accuracy_{look}": color}
    figures["alignment_prefers_true_text"] = _true_text(scorer, fine, data, rng)
    return figures


@torch.inference_mode()
def _seen(scorer: SemanticScorer, data: Pictures, look: int) -> Seen:
    parts = []
    for first in range(0, len(data), CHUNK):
        objects = list(range(first, min(first + CHUNK, len(data))))
        parts.append(scorer.network.see(unpacked(data.rows(objects, [look] * len(objects)))))
    return together(parts)


def _retrieval(
    scorer: SemanticScorer, seen: Seen, data: Pictures, length: int, how: str, rng: np.random.Generator
) -> float:
    texts = [one.captions[length] for one in data.labels]
    cosine = torch.einsum("nd,avd->nav", scorer.read(texts), seen.views)
    return retrieval((cosine.mean(-1) if how == "mean" else cosine.amax(-1)).numpy(), texts, rng)


def _true_text(scorer: SemanticScorer, seen: Seen, data: Pictures, rng: np.random.Generator) -> float:
    """How often a text is preferred to the same text with one colour or count word changed."""
    said = [one.captions[2] for one in data.labels]
    false = [falsified(text, rng) for text in said]
    mean = seen.views.mean(1)
    true, wrong = (scorer.read(said) * mean).sum(-1), (scorer.read(false) * mean).sum(-1)
    changed = torch.tensor([x != y for x, y in zip(said, false, strict=True)])
    return float((true > wrong)[changed].float().mean())


@torch.inference_mode()
def _parts(
    scorer: SemanticScorer, seen: Seen, labels: Sequence[Labels], look: int, rng: np.random.Generator
) -> tuple[float, float]:
    """F1 of presence with the right count, and accuracy of the colour of present parts."""
    asked = questions(labels, look, rng)
    count, color = _asked(scorer, seen, asked)
    true_count, true_color = (np.asarray([row[k] for row in asked]) for k in (2, 3))
    known = true_color != UNSURE
    accuracy = float((color.argmax(-1)[known] == true_color[known]).mean())
    return part_f1(count.argmax(-1), true_count), accuracy


@torch.inference_mode()
def _asked(
    scorer: SemanticScorer, seen: Seen, asked: Sequence[tuple[int, str, int, int]]
) -> tuple[Float32[np.ndarray, "m counts"], Float32[np.ndarray, "m colors"]]:
    """Probabilities of counts and colours for (object, part name, …) questions."""
    ids = scorer.words.encode([name for _, name, _, _ in asked])
    counts, colors = [], []
    for first in range(0, len(asked), 256):
        rows = torch.tensor([i for i, _, _, _ in asked[first : first + 256]])
        count, color = scorer.network.parts(seen.fine[rows], seen.joint[rows], ids[first : first + 256].unsqueeze(1))
        counts.append(count[:, 0].float().softmax(-1))
        colors.append(color[:, 0].float().softmax(-1))
    return torch.cat(counts).numpy(), torch.cat(colors).numpy()


def quality_figures(scorer: QualityScorer, data: Pictures) -> dict[str, float]:
    """Pair accuracies of preference (per reduction), of the two consistencies, and rank correlation of the aesthetic."""
    looks = len(data.labels[0].looks)
    judged = [_judged(scorer, data, look) for look in range(looks)]
    severity = np.stack([severity_of(one) for one in data.labels])
    seen = _visible(data)
    figures: dict[str, float] = {}
    for how in ("max", "mean", "min"):
        scores = [reduced(j.preference, how).numpy() for j in judged]
        right = [scores[c] > scores[d] for c, d in ((FINE, 1), (FINE, 2), (COARSE, 4))]
        real = [(severity[:, d] > 0) & seen[:, d] for d in (1, 2, 4)]
        figures[f"preference_pairs_{how}"] = float(np.concatenate(right)[np.concatenate(real)].mean())
        figures[f"preference_pairs_grey_{how}"] = float(right[2][real[2]].mean())
    figures |= consistent("geometry_consistency", [j.geometry for j in judged], data.labels, seen, "geometry")
    figures |= consistent("appearance_consistency", [j.appearance for j in judged], data.labels, seen, "paint")
    known = data.labels[0].known
    graded = np.stack([looks_good(one)[:known] for one in data.labels]).T.ravel()
    said = np.concatenate([j.aesthetic.mean(1).numpy() for j in judged[:known]])
    correlation: Any = spearmanr(said, graded)
    figures["aesthetic_rank_correlation"] = float(correlation.statistic)
    return figures


@torch.inference_mode()
def answer_figures(semantic: SemanticScorer, quality: QualityScorer, data: Pictures) -> dict[str, float]:
    """How often alignment and preference (mean over views) put the nearer of two answers to one text first, and preference the
    object itself before an answer, in colour and in grey. Empty where the data have no answers.
    """
    answers = [k for k, look in enumerate(data.labels[0].looks) if look.answer]
    figures: dict[str, float] = {}
    asked = semantic.read([one.captions[one.asked] for one in data.labels])
    for paint, clean in (("colour", FINE), ("grey", COARSE)):
        own = [k for k in answers if data.labels[0].looks[k].grey == (clean == COARSE)]
        if not own:
            continue
        better = better_answers(data.labels, own)
        aligned = torch.stack([(asked.unsqueeze(1) * _seen(semantic, data, k).views).sum(-1).mean(1) for k in own])
        liked = torch.stack([_judged(quality, data, k).preference.mean(1) for k in own])
        for name, said in (("alignment", aligned), ("preference", liked)):
            right = said.unsqueeze(1) > said.unsqueeze(0)
            figures[f"{name}_nearer_answer_{paint}"] = float(right[better].float().mean())
        figures[f"answer_pairs_{paint}"] = int(better.sum())
        itself = _judged(quality, data, clean).preference.mean(1)
        figures[f"preference_object_before_answer_{paint}"] = float((itself > liked).float().mean())
        if clean == FINE:
            figures |= _answer_parts(semantic, data, own)
    return figures


def _answer_parts(scorer: SemanticScorer, data: Pictures, looks: Sequence[int]) -> dict[str, float]:
    """Of the parts whose place tells whether they are in an answer: how often count and colour are right, and how well those that are
    not there are told from those that are (area under the curve, 0.5 by chance).
    """
    counts, colors, absent = [], [], []
    for look in looks:
        seen = _seen(scorer, data, look)
        asked = [
            (i, name, n, c)
            for i, one in enumerate(data.labels)
            for name, n, c in zip(one.parts, one.looks[look].counts, one.looks[look].colors, strict=True)
            if n != UNSURE
        ]
        if not asked:
            continue
        count, color = _asked(scorer, seen, asked)
        true_count, true_color = (np.asarray([row[k] for row in asked]) for k in (2, 3))
        counts.append(count.argmax(-1) == true_count)
        colors.append((color.argmax(-1) == true_color)[true_color != UNSURE])
        absent.append(np.stack([count[:, 0], true_count == 0]))
    if not counts:
        return {}
    said, gone = np.concatenate(absent, 1)
    figures = {"answer_parts_count": float(np.concatenate(counts).mean())}
    if len(right := np.concatenate(colors)):
        figures["answer_parts_colour"] = float(right.mean())
    if 0 < gone.sum() < len(gone):
        pairs: Any = mannwhitneyu(said[gone > 0], said[gone == 0])
        figures["answer_parts_absent_auc"] = float(pairs.statistic / (gone.sum() * (1 - gone).sum()))
    return figures


def consistent(
    name: str,
    logits: Sequence[Float[Tensor, " n"]],
    labels: Sequence[Labels],
    seen: Bool[np.ndarray, "n k"],
    kind: Literal["geometry", "paint"],
) -> dict[str, float]:
    """Of a judge of consistency, from its logits of each look: pair accuracy, clean against damaged, and balanced accuracy at 0.7."""
    clean, broken = [], []
    for good, bad in PAIRS[kind]:
        hurt = np.asarray([getattr(one.looks[bad], kind) > 0 for one in labels])
        chosen = hurt & seen[:, bad]
        for side, look in ((clean, good), (broken, bad)):
            side.append(logits[look].sigmoid().numpy()[chosen])
    good, bad = np.concatenate(clean), np.concatenate(broken)
    return {
        f"{name}_pairs": float((good > bad).mean()),
        f"{name}_accuracy": float(((good > 0.7).mean() + (bad <= 0.7).mean()) / 2),
    }


def general_figures(scorer: SemanticScorer, head: ConsistencyHead, data: Pictures) -> dict[str, float]:
    """As the geometry consistency of `quality_figures`, on the same pairs, of the general network's head."""
    with torch.inference_mode():
        logits = [head(_seen(scorer, data, look)) for look in range(len(data.labels[0].looks))]
    return consistent("general_consistency", logits, data.labels, _visible(data), "geometry")


@torch.inference_mode()
def _judged(scorer: QualityScorer, data: Pictures, look: int) -> Judged:
    parts = []
    for first in range(0, len(data), CHUNK):
        objects = list(range(first, min(first + CHUNK, len(data))))
        parts.append(scorer.network(unpacked(data.rows(objects, [look] * len(objects)))))
    return joined(parts)


def _visible(data: Pictures) -> Bool[np.ndarray, "n k"]:
    """Whether each look differs from its clean one to the eye."""
    visible = np.zeros((len(data), len(data.labels[0].looks)), bool)
    for i, one in enumerate(data.labels):
        clean = {False: data.rows([i], [FINE])[0].astype(float), True: data.rows([i], [COARSE])[0].astype(float)}
        for k, look in enumerate(one.looks):
            visible[i, k] = np.abs(data.rows([i], [k])[0] - clean[look.grey])[..., :3].mean() > VISIBLE
    return visible
