"""Trains the scorers, from nothing or on: pictures, both networks, the general judge's head, held-out figures, and the shipped files."""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from maquette.cards import went_on_from
from maquette.codec.voxel_codec import VoxelCodec
from maquette.corpus.catalog import FAMILIES
from maquette.corpus.program import COLORS
from maquette.outputs import write_text
from maquette.rewards.answer_looks import Answering
from maquette.rewards.dataset import scorer_data
from maquette.rewards.figures import answer_figures, quality_figures, semantic_figures
from maquette.rewards.fit import draw_mixed, families_of, fit, varied
from maquette.rewards.looks import Pictures
from maquette.rewards.networks import QualityNetwork, SemanticNetwork
from maquette.rewards.quality_losses import quality_loss
from maquette.rewards.scorers import SCORERS, QualityScorer, SemanticScorer, load_quality, load_semantic
from maquette.rewards.semantic_losses import Learner, semantic_loss
from maquette.rewards.text import Words
from maquette.rewards.train_general import STEPS, add_general
from maquette.rewards.weights import load_network, save_network
from maquette.tracking import provenance

DATA = Path("runs/scorer-data")


def train_scorers(
    *,
    folder: Path = SCORERS,
    data: Path = DATA,
    codec: str = "tiny",
    objects: int = 7000,
    held_out: int = 400,
    steps: int = 3200,
    peak: float = 3e-3,
    seed: int = 0,
    start: Path | None = None,
    answering: Answering | None = None,
    command: str = "",
) -> dict[str, float]:
    """Writes `semantic`, `quality` and `general.safetensors` and `card.json` into `folder`; returns the held-out figures.

    All shapes went through `codec` ("": as they are). Pictures are kept in `data` and not made twice: empty it for a new codec.
    `start`: the folder of scorers to go on from, whose words are kept. `answering`: a policy whose answers are learnt from as well.
    """
    began = time.time()
    judge = VoxelCodec.load(codec, bfloat16=True) if codec else None
    learnt, unseen = scorer_data(data, objects=objects, held_out=held_out, seed=seed, codec=judge, answering=answering)
    torch.manual_seed(seed)
    semantic, quality = scorers_from(start) if start else new_scorers(gather_words(learnt))
    train_together(semantic, quality.network, learnt, steps=steps, peak=peak, seed=seed)
    ship(semantic, quality, folder)
    figures = semantic_figures(semantic, unseen) | quality_figures(quality, unseen)
    figures |= answer_figures(semantic, quality, unseen)
    made = {"steps": steps, "peak learning rate": peak, "seed": seed, "seconds": round(time.time() - began)}
    made |= {"held_out": figures, "held_out_objects": len(unseen)}
    write_card(folder, card_of(semantic, learnt, codec, start) | made, command)
    return figures | add_general(
        semantic, learnt, unseen, folder=folder, seed=seed, steps=min(steps, STEPS), command=command
    )


def card_of(semantic: SemanticScorer, learnt: Pictures, codec: str, start: Path | None) -> dict[str, object]:
    """What the card says of what the scorers are and of what they learnt from."""
    looks = len(learnt.labels[0].looks)
    card: dict[str, object] = {
        "what": "scorers: semantic (alignment, category, parts) and quality (preference, consistency, aesthetic)",
        "data": f"{len(learnt)} train designs of even seed × {looks} looks × 6 views, through codec {codec or 'none'}",
        "families": semantic.families,
        "colors": semantic.colors,
        "words": semantic.words.listed,
    }
    return card | (went_on_from(start) if start else {})


def scorers_from(folder: Path) -> tuple[SemanticScorer, QualityScorer]:
    """Copies of the scorers in a folder, to go on learning."""
    return copy.deepcopy(load_semantic(folder)), copy.deepcopy(load_quality(folder))


def new_scorers(words: Words) -> tuple[SemanticScorer, QualityScorer]:
    """Both networks with random weights."""
    families, colors = tuple(FAMILIES), tuple(COLORS)
    semantic = SemanticNetwork(len(words), len(families), len(colors))
    return SemanticScorer(semantic, words, families, colors), QualityScorer(QualityNetwork())


def ship(semantic: SemanticScorer, quality: QualityScorer, folder: Path) -> None:
    """Writes both networks and reads them back: what is measured is what is shipped, the weights as the file holds them."""
    for network, name in ((semantic.network, "semantic"), (quality.network, "quality")):
        save_network(network, folder / f"{name}.safetensors")
        load_network(network, folder / f"{name}.safetensors")


def train_together(
    semantic: SemanticScorer,
    quality: QualityNetwork,
    data: Pictures,
    *,
    steps: int,
    peak: float,
    seed: int,
    batch: int = 20,
    views: int = 3,
) -> None:
    """Trains both networks in place on every look of `batch` objects a step; they share one trunk and end with a copy each."""
    torch.manual_seed(seed)
    names = tuple(sorted({name for one in data.labels for name in one.parts}))
    learner = Learner(semantic.network, semantic.words, semantic.families, names)
    both = nn.ModuleDict({"semantic": semantic.network, "quality": quality})
    quality.trunk = semantic.network.trunk
    by_family, rng = families_of(data.labels), np.random.default_rng(seed)

    def loss(step: int) -> Tensor:
        objects = draw_mixed(by_family, batch, 4, rng)
        labels = [data.labels[o] for o in objects]
        looks = len(labels[0].looks)
        shown = np.sort(rng.permutation(6)[:views])
        rgba = data.rows(objects * looks, np.repeat(range(looks), batch).tolist())[:, shown]
        maps = semantic.network.trunk(varied(rgba, rng))
        meaning = semantic_loss(learner, semantic.network.understand(maps), labels, rng)
        return meaning + quality_loss(quality.judge(maps, torch.from_numpy(shown)), labels)

    fit(both, loss, steps=steps, peak=peak, name="scorers")
    quality.trunk = copy.deepcopy(semantic.network.trunk)


def gather_words(data: Pictures) -> Words:
    """The scorers' vocabulary: what captions and part names say, and the names of all families."""
    texts = [text for one in data.labels for text in (*one.captions, *one.parts)]
    kinds = [name for family, entry in FAMILIES.items() for name in (family, *entry.synonyms)]
    return Words.gather([*texts, *kinds * 3])


def write_card(folder: Path, card: dict[str, object], command: str) -> None:
    """`card.json`, with where the weights come from."""
    folder.mkdir(parents=True, exist_ok=True)
    card = {**provenance(command), **card}
    write_text(folder / "card.json", json.dumps(card, indent=1) + "\n")
