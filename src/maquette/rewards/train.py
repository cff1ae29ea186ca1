"""Trains the scorers from nothing: pictures, both networks, held-out figures, and the files that are shipped."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

from maquette.codec.voxel_codec import VoxelCodec
from maquette.corpus.catalog import FAMILIES
from maquette.corpus.program import COLORS
from maquette.rewards.dataset import Pictures, make_data, read_data
from maquette.rewards.figures import quality_figures, semantic_figures
from maquette.rewards.fit_quality import train_quality
from maquette.rewards.fit_semantic import train_semantic
from maquette.rewards.scorers import SCORERS, QualityScorer, SemanticScorer
from maquette.rewards.text import Words
from maquette.rewards.weights import save_network

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

    Pictures are kept in `data` and not made twice. `codec` is what shapes pass through before they are drawn; "" for none.
    """
    began = time.time()
    judge = VoxelCodec.load(codec) if codec else None
    make_data(data / "heldout", split="heldout", objects=held_out, seed=HELD_OUT_SEED, codec=judge)
    make_data(data / "scorers", split="train", objects=objects, seed=seed + 5, half=0, codec=judge)
    learnt, unseen = read_data(data / "scorers"), read_data(data / "heldout")
    words, families = gather_words(learnt), tuple(FAMILIES)
    semantic = SemanticScorer(
        train_semantic(learnt, words, families, steps=steps, batch=40, peak=2e-3, seed=seed),
        words,
        families,
        tuple(COLORS),
    )
    quality = QualityScorer(train_quality(learnt, steps=steps * 3 // 5, batch=12, peak=1.5e-3, seed=seed + 1))
    save_network(semantic.network, folder / "semantic.safetensors")
    save_network(quality.network, folder / "quality.safetensors")
    figures = semantic_figures(semantic, unseen) | quality_figures(quality, unseen)
    write_card(
        folder,
        {
            "what": "scorers: semantic (alignment, category, parts) and quality (preference, consistency, aesthetic)",
            "data": f"{len(learnt)} train designs with even seeds × 5 looks × 6 views, through codec {codec or 'none'}",
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
