"""Trains the evaluators from nothing on the other half of the train designs, and measures them on held-out compositions."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from maquette.codec.voxel_codec import VoxelCodec
from maquette.corpus.catalog import FAMILIES
from maquette.corpus.program import COLORS
from maquette.evaluation.networks import EVALUATORS, DualEncoder, Recogniser
from maquette.rewards.dataset import HELD_OUT_SEED, make_data
from maquette.rewards.figures import AMONG, part_f1, questions, retrieval
from maquette.rewards.fit import draw_mixed, families_of, fit, varied
from maquette.rewards.looks import UNSURE, Labels, Pictures, read_data
from maquette.rewards.networks import Maps
from maquette.rewards.pixels import unpacked
from maquette.rewards.semantic_losses import falsified
from maquette.rewards.text import Words
from maquette.rewards.train import DATA, gather_words, write_card
from maquette.rewards.weights import load_network, save_network

LENGTHS = (0.2, 0.25, 0.25, 0.3)


def train_evaluators(
    *,
    folder: Path = EVALUATORS,
    data: Path = DATA,
    codec: str = "tiny",
    objects: int = 3500,
    held_out: int = 400,
    steps: int = 2500,
    seed: int = 0,
    command: str = "",
) -> dict[str, float]:
    """Writes `alignment.safetensors`, `recogniser.safetensors` and `card.json` into `folder`; returns the held-out figures."""
    began = time.time()
    judge = VoxelCodec.load(codec, bfloat16=True) if codec else None
    make_data(data / "heldout", split="heldout", objects=held_out, seed=HELD_OUT_SEED, codec=judge)
    make_data(data / "evaluators", split="train", objects=objects, seed=seed + 6, half=1, evaluator=True, codec=judge)
    learnt, unseen = read_data(data / "evaluators"), read_data(data / "heldout")
    words = gather_words(learnt)
    families, parts = tuple(FAMILIES), tuple(sorted({name for one in learnt.labels for name in one.parts}))
    torch.manual_seed(seed + 100)
    dual, recogniser = DualEncoder(len(words)), Recogniser(len(families), len(parts), len(COLORS))
    train_together(dual, recogniser, learnt, words, families, parts, steps=steps, peak=3e-3, seed=seed + 100)
    save_network(dual, folder / "alignment.safetensors")
    save_network(recogniser, folder / "recogniser.safetensors")
    # What is measured is what is shipped: the weights as the files hold them.
    load_network(dual, folder / "alignment.safetensors")
    load_network(recogniser, folder / "recogniser.safetensors")
    figures = dual_figures(dual, words, unseen) | recogniser_figures(recogniser, families, parts, unseen)
    write_card(
        folder,
        {
            "what": "evaluators: alignment (dual encoder) and recogniser (family, counts, colours, features); they never reward",
            "data": f"{len(learnt)} train designs with odd seeds × 2 looks × 6 views, through codec {codec or 'none'}",
            "steps": steps,
            "seed": seed + 100,
            "seed of the objects": seed + 6,
            "seconds": round(time.time() - began),
            "held_out": figures,
            "held_out_objects": len(unseen),
            "families": families,
            "parts": parts,
            "colors": tuple(COLORS),
            "words": words.listed,
        },
        command,
    )
    return figures


def train_together(
    dual: DualEncoder,
    recogniser: Recogniser,
    data: Pictures,
    words: Words,
    families: tuple[str, ...],
    parts: tuple[str, ...],
    *,
    steps: int,
    peak: float,
    seed: int,
    batch: int = 36,
    views: int = 3,
) -> None:
    """Trains both networks in place on clean and altered objects in colour; they share one trunk and end with a copy each."""
    torch.manual_seed(seed)
    both = nn.ModuleDict({"dual": dual, "recogniser": recogniser})
    recogniser.trunk = dual.trunk
    by_family, rng = families_of(data.labels), np.random.default_rng(seed)

    def loss(step: int) -> Tensor:
        objects = draw_mixed(by_family, batch, 4, rng)
        labels = [data.labels[o] for o in objects]
        shown = np.sort(rng.permutation(6)[:views])
        rgba = data.rows(objects * 2, [0] * batch + [1] * batch)[:, shown]
        maps = dual.trunk(varied(rgba, rng))
        contrast = _contrast(dual, words, labels, dual.embed_maps(maps), rng)
        return contrast + _recognition(recogniser, maps, labels, families, parts, rng)

    fit(both, loss, steps=steps, peak=peak, name="evaluators")
    recogniser.trunk = copy.deepcopy(dual.trunk)


def _contrast(
    network: DualEncoder, words: Words, labels: Sequence[Labels], seen: Float[Tensor, "b d"], rng: np.random.Generator
) -> Tensor:
    """Cross-entropy of texts over clean and altered objects, and of clean objects over true and false texts."""
    a = len(labels)
    said = [one.captions[int(rng.choice(len(LENGTHS), p=LENGTHS))] for one in labels]
    false = [falsified(text, rng) for text in said]
    text = network.embed_text(words.encode([*said, *false]))
    sims = (text @ seen.T).float() * network.scale.exp().clamp_max(40.0)
    true, own = np.asarray(said), np.eye(a, dtype=bool)
    twins = torch.from_numpy((true[:, None] == true[None]) & ~own)
    unchanged = torch.from_numpy(np.asarray(false)[None] == true[:, None])
    same = [one.looks[0].counts == one.looks[1].counts and one.looks[0].colors == one.looks[1].colors for one in labels]
    spared = twins | torch.from_numpy(own & np.asarray(same)[:, None])
    target = torch.arange(a)
    by_text = sims[:a].masked_fill(torch.cat([twins, spared], 1), -1e4)
    by_view = torch.cat([sims[:a, :a].T.masked_fill(twins, -1e4), sims[a:, :a].T.masked_fill(unchanged, -1e4)], 1)
    return (functional.cross_entropy(by_text, target) + functional.cross_entropy(by_view, target)) / 2


def _recognition(
    network: Recogniser,
    maps: Maps,
    labels: Sequence[Labels],
    families: tuple[str, ...],
    parts: tuple[str, ...],
    rng: np.random.Generator,
) -> Tensor:
    """Cross-entropies of family, of the counts of the object's own and of absent parts, and of the own parts' colours."""
    family, count, color = network.read_maps(maps)
    right = torch.tensor([families.index(one.family) for one in labels]).repeat(2)
    targets = [part_targets(labels, [look] * len(labels), parts, rng) for look in (0, 1)]
    counts, colors = (torch.cat(column).flatten() for column in zip(*targets, strict=True))
    loss = functional.cross_entropy(family.float(), right, label_smoothing=0.05)
    loss = loss + functional.cross_entropy(count.float().flatten(0, 1), counts, ignore_index=UNSURE)
    return loss + 0.7 * functional.cross_entropy(color.float().flatten(0, 1), colors, ignore_index=UNSURE)


def part_targets(
    labels: Sequence[Labels], looks: Sequence[int], parts: tuple[str, ...], rng: np.random.Generator, absent: int = 6
) -> tuple[Int64[Tensor, "a P"], Int64[Tensor, "a P"]]:
    """Counts and colours by part name; UNSURE (not learnt from) but for own parts, and count 0 for a few absent ones."""
    column = {name: i for i, name in enumerate(parts)}
    counts, colors = (torch.full((len(labels), len(parts)), UNSURE) for _ in range(2))
    for i, (one, look) in enumerate(zip(labels, looks, strict=True)):
        counts[i, torch.from_numpy(rng.permutation(len(parts))[:absent])] = 0
        for name, count, color in zip(one.parts, one.looks[look].counts, one.looks[look].colors, strict=True):
            counts[i, column[name]], colors[i, column[name]] = count, color
    return counts, colors


@torch.inference_mode()
def dual_figures(dual: DualEncoder, words: Words, data: Pictures, seed: int = 0) -> dict[str, float]:
    """Retrieval among 64 in colour, by caption length and in the mean."""
    rng = np.random.default_rng(seed)
    objects = torch.cat([dual.embed_views(chunk) for chunk in _pictures(data)])
    each = []
    for length in range(4):
        texts = [one.captions[length] for one in data.labels]
        each.append(retrieval((dual.embed_text(words.encode(texts)) @ objects.T).numpy(), texts, rng))
    by_length = {f"retrieval_top1_of_{AMONG}_length_{i}": value for i, value in enumerate(each)}
    return {f"retrieval_top1_of_{AMONG}": float(np.mean(each)), **by_length}


@torch.inference_mode()
def recogniser_figures(
    network: Recogniser, families: tuple[str, ...], parts: tuple[str, ...], data: Pictures, seed: int = 0
) -> dict[str, float]:
    """Accuracy of the family, of counts of parts that are there, F1 of presence with the right count, accuracy of colours."""
    read = [network(chunk) for chunk in _pictures(data)]
    family, count, color = (torch.cat(column) for column in zip(*read, strict=True))
    right = torch.tensor([families.index(one.family) for one in data.labels])
    asked = [row for row in questions(data.labels, 0, np.random.default_rng(seed)) if row[1] in parts]
    rows, columns = [row[0] for row in asked], [parts.index(row[1]) for row in asked]
    true_count, true_color = np.asarray([row[2] for row in asked]), np.asarray([row[3] for row in asked])
    counts, colors = count[rows, columns].argmax(-1).numpy(), color[rows, columns].argmax(-1).numpy()
    there, painted = true_count > 0, true_color != UNSURE
    return {
        "family_accuracy": float((family.argmax(-1) == right).float().mean()),
        "count_accuracy": float((counts == true_count)[there].mean()),
        "count_f1": part_f1(counts, true_count),
        "color_accuracy": float((colors == true_color)[painted].mean()),
    }


def _pictures(data: Pictures) -> list[Tensor]:
    """Network input of every object's clean look, in chunks."""
    chunks = [list(range(i, min(i + 32, len(data)))) for i in range(0, len(data), 32)]
    return [unpacked(data.rows(chunk, [0] * len(chunk))) for chunk in chunks]
