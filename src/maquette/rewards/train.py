"""Trains the scorers from nothing: pictures, both networks, held-out figures, and the files that are shipped."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import torch

from maquette.codec.voxel_codec import VoxelCodec
from maquette.corpus.catalog import FAMILIES
from maquette.corpus.program import COLORS
from maquette.rewards.dataset import Pictures, make_data, read_data
from maquette.rewards.figures import quality_figures, semantic_figures
from maquette.rewards.fit_quality import train_quality
from maquette.rewards.fit_semantic import train_semantic
from maquette.rewards.networks import QualityNetwork, SemanticNetwork
from maquette.rewards.scorers import SCORERS, QualityScorer, SemanticScorer
from maquette.rewards.text import Words
from maquette.rewards.weights import load_network, save_network

DATA = Path("runs/scorer-data")
HELD_OUT_SEED = 77


def train_scorers(
    *,
    folder: Path = SCORERS,
    data: Path = DATA,
    codec: str = "tiny",
    objects: int = 4000,
    held_out: int = 400,
    steps: int = 1500,
    seed: int = 0,
) -> dict[str, float]:
    """Writes `semantic.safetensors`, `quality.safetensors` and `card.json` into `folder`; returns the held-out figures.

    In two phases: two thirds of the steps on shapes as they are (which need no codec), the last third on shapes that went
    through `codec` ("" for none). Pictures and finished phases are kept in `data` and not made twice: empty it to start anew.
    """
    began = time.time()
    torch.manual_seed(seed)
    plain, through = data / "scorers-plain", data / "scorers"
    make_data(plain, split="train", objects=objects * 5 // 8, seed=seed + 5, half=0)
    first = read_data(plain)
    words, families, colors = gather_words(first), tuple(FAMILIES), tuple(COLORS)
    semantic = SemanticScorer(SemanticNetwork(len(words), len(families), len(colors)), words, families, colors)
    quality = QualityScorer(QualityNetwork())
    _phase(semantic, quality, first, data / "first", steps=steps * 2 // 3, peak=2e-3, seed=seed)
    judge = VoxelCodec.load(codec) if codec else None
    make_data(data / "heldout", split="heldout", objects=held_out, seed=HELD_OUT_SEED, codec=judge)
    make_data(through, split="train", objects=objects, seed=seed + 7, half=0, codec=judge)
    learnt, unseen = read_data(through), read_data(data / "heldout")
    _phase(semantic, quality, learnt, data / "second", steps=steps // 3, peak=1e-3, seed=seed + 1)
    save_network(semantic.network, folder / "semantic.safetensors")
    save_network(quality.network, folder / "quality.safetensors")
    figures = semantic_figures(semantic, unseen) | quality_figures(quality, unseen)
    write_card(
        folder,
        {
            "what": "scorers: semantic (alignment, category, parts) and quality (preference, consistency, aesthetic)",
            "data": f"train designs of even seed, 5 looks × 6 views: {len(first)} as they are, {len(learnt)} through codec {codec}",
            "command": "maquette train-scorers configs/scorers.yaml",
            "seed": seed,
            "seconds": round(time.time() - began),
            "held_out": figures,
            "held_out_objects": len(unseen),
            "families": families,
            "colors": tuple(COLORS),
            "words": words.listed,
        },
    )
    return figures


def _phase(
    semantic: SemanticScorer, quality: QualityScorer, data: Pictures, done: Path, *, steps: int, peak: float, seed: int
) -> None:
    """Trains both networks in place; a network that an earlier, interrupted run left in `done` is taken as it is."""
    if (done / "semantic.safetensors").exists():
        load_network(semantic.network, done / "semantic.safetensors")
    else:
        train_semantic(
            semantic.network,
            data,
            semantic.words,
            semantic.families,
            steps=steps,
            batch=24,
            views=3,
            peak=peak,
            seed=seed,
        )
        save_network(semantic.network, done / "semantic.safetensors")
    if (done / "quality.safetensors").exists():
        load_network(quality.network, done / "quality.safetensors")
    else:
        train_quality(quality.network, data, steps=steps, batch=4, peak=peak, seed=seed + 50)
        save_network(quality.network, done / "quality.safetensors")


def gather_words(data: Pictures) -> Words:
    """The scorers' vocabulary: what captions and part names say, and the names of all families."""
    texts = [text for one in data.labels for text in (*one.captions, *one.parts)]
    kinds = [name for family, entry in FAMILIES.items() for name in (family, *entry.synonyms)]
    return Words.gather([*texts, *kinds * 3])


def write_card(folder: Path, card: dict[str, object]) -> None:
    """`card.json`, with the commit that the weights were trained at."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    card = {"commit": commit.stdout.strip() or "unknown", "date": time.strftime("%Y-%m-%d"), **card}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "card.json").write_text(json.dumps(card, indent=1) + "\n")
