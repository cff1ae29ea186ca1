"""Trains the general judge's head of consistency on the frozen semantic network, from the pictures that the scorers learnt from."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from maquette.codec.voxel_codec import VoxelCodec
from maquette.outputs import write_text
from maquette.rewards.answer_looks import Answering
from maquette.rewards.dataset import scorer_data
from maquette.rewards.figures import general_figures
from maquette.rewards.fit import draw_mixed, families_of, fit, varied
from maquette.rewards.general_consistency import ConsistencyHead
from maquette.rewards.looks import Pictures
from maquette.rewards.quality_losses import consistency_loss
from maquette.rewards.scorers import SCORERS, SemanticScorer, load_semantic, read_card
from maquette.rewards.weights import load_network, save_network
from maquette.tracking import provenance

STEPS = 400


def train_general(
    *,
    folder: Path,
    data: Path,
    codec: str,
    objects: int,
    held_out: int,
    seed: int,
    steps: int = STEPS,
    answering: Answering | None = None,
    command: str = "",
) -> dict[str, float]:
    """Adds `general.safetensors` to the scorers in `folder` (the shipped ones, copied there, if it has none) and a line to their card.

    Returns the held-out figures. Pictures as `train_scorers` makes them, kept in `data`.
    """
    if not (folder / "card.json").is_file():
        shutil.copytree(SCORERS, folder, dirs_exist_ok=True)
    judge = VoxelCodec.load(codec, bfloat16=True) if codec else None
    learnt, unseen = scorer_data(data, objects=objects, held_out=held_out, seed=seed, codec=judge, answering=answering)
    return add_general(load_semantic(folder), learnt, unseen, folder=folder, steps=steps, seed=seed, command=command)


def add_general(
    semantic: SemanticScorer,
    learnt: Pictures,
    unseen: Pictures,
    *,
    folder: Path,
    seed: int,
    steps: int = STEPS,
    command: str = "",
) -> dict[str, float]:
    """The head of the scorers that lie in `folder`, from pictures that are there; returns the held-out figures."""
    began, head = time.time(), ConsistencyHead()
    fit_head(semantic, head, learnt, steps=steps, seed=seed)
    save_network(head, folder / "general.safetensors")
    figures = general_figures(semantic, load_network(head, folder / "general.safetensors"), unseen)
    made = {
        "what": "the general network's head of consistency; the network itself stays as it is",
        "data": f"{len(learnt)} of the scorers' designs × {len(learnt.labels[0].looks)} looks × 6 views",
        "steps": steps,
        "seed": seed,
        "seconds": round(time.time() - began),
        "held_out": figures,
        "held_out_objects": len(unseen),
    }
    card = {**read_card(folder), "general": {**provenance(command), **made}}
    write_text(folder / "card.json", json.dumps(card, indent=1) + "\n")
    return figures


def fit_head(
    semantic: SemanticScorer, head: ConsistencyHead, data: Pictures, *, steps: int, seed: int, batch: int = 20
) -> None:
    """Fits the head alone, in place, on every look of `batch` objects a step, with the loss that the purpose-built network has."""
    torch.manual_seed(seed)
    by_family, rng = families_of(data.labels), np.random.default_rng(seed)

    def loss(step: int) -> Tensor:
        objects = draw_mixed(by_family, batch, 4, rng)
        labels = [data.labels[o] for o in objects]
        looks = len(labels[0].looks)
        rgba = data.rows(objects * looks, np.repeat(range(looks), batch).tolist())
        with torch.no_grad():
            seen = semantic.network.see(varied(rgba, rng))
        return consistency_loss(head(seen), labels, "geometry")

    fit(head, loss, steps=steps, peak=3e-3, name="the general judge's head")
