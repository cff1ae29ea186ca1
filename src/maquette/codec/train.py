"""Training of the tiny codec: first without a codebook, then k-means, then quantised; resumable; everything from one seed."""

from __future__ import annotations

import copy
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from maquette.codec import losses, moving_codebook
from maquette.codec.checkpoint import TrainingState, load_state, save_state
from maquette.codec.figures import Figures, measure
from maquette.codec.model import TINY, Geometry, VoxelVQVAE
from maquette.codec.moving_codebook import MovingCodebook
from maquette.codec.shape_store import ShapeStore, corpus_store
from maquette.codec.voxel_codec import VoxelCodec, channels_of
from maquette.optimisers import MuonAdamW
from maquette.outputs import write_text
from maquette.precision import products
from maquette.tracking import progress, provenance
from maquette.types import Voxels

OUTSIDE = ("Encoder.input_layer.", "Decoder.input_layer.", "Decoder.out_layer.")
"""Layers at the borders of the network, which Muon is not meant for; AdamW takes them, the norms and the biases."""


@dataclass(frozen=True)
class Recipe:
    """How the codec is trained; the defaults take about 40 minutes on two free cores (0.5 s a step)."""

    steps: int = 4500
    batch: int = 16
    learning_rate: float = 4e-3
    """Peak, of Muon (scaled to AdamW's size) and AdamW."""
    warmup: int = 100
    weight_decay: float = 1e-4
    quantise_after: float = 0.2
    """Fraction of the steps without a codebook."""
    latent_weight: float = 1e-3
    """Weight of the mean squared latent before there is a codebook."""
    commitment_weight: float = 0.25
    first_color_weight: float = 8.0
    """Weight of colour against shape before there is a codebook: colour is learnt later than shape, and must be by then."""
    color_weight: float = 4.0
    """The same with a codebook."""
    coarse_share: float = 0.3
    """Fraction of the batch that is coarse and grey."""
    kmeans_shapes: int = 1536
    kmeans_iterations: int = 12
    codebook_decay: float = 0.98
    least_use: float = 0.05
    """Codes chosen less often than this per step are restarted …"""
    revive_until: float = 0.85
    """… until this fraction of the steps is done."""
    precision: Literal["bf16", "float32"] = "bf16"
    """bf16 is twice as fast where the CPU has avx512_bf16."""
    log_every: int = 20
    checkpoint_every: int = 250
    measured_shapes: int = 96
    """Held-out shapes, fine and coarse, measured at every checkpoint."""


def train_codec(
    out: Path,
    train: ShapeStore | None = None,
    heldout: ShapeStore | None = None,
    *,
    geometry: Geometry = TINY,
    recipe: Recipe = Recipe(),
    train_shapes: int = 24000,
    heldout_shapes: int = 512,
    seed: int = 0,
    threads: int = 2,
    command: str = "",
) -> VoxelCodec:
    """The trained codec, also written to `out` (model, config, log.jsonl, checkpoint); a stopped run goes on where it was.

    Shapes not given are made from the corpus (train and held-out compositions) and kept in `out`. The card names `command`.
    """
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    train = train or corpus_store(out, "train", train_shapes, seed, geometry.resolution)
    heldout = heldout or corpus_store(out, "heldout", heldout_shapes, seed, geometry.resolution)
    state = load_state(out / "checkpoint", _fresh(geometry, recipe, seed))
    with (out / "log.jsonl").open("a") as log:
        for _ in progress(range(state.step, recipe.steps), "train the codec", recipe.steps - state.step):
            began = time.perf_counter()
            numbers = train_step(state, train, recipe, seed)
            state.seconds += time.perf_counter() - began
            if state.step % recipe.log_every == 0 or state.step == recipe.steps:
                _write(log, state, numbers)
            if state.step % recipe.checkpoint_every == 0 or state.step == recipe.steps:
                save_state(state, out / "checkpoint")
                _write(log, state, _held_out(state, heldout, recipe))
    codec = VoxelCodec(copy.deepcopy(state.model))
    codec.save(out, "float16")
    fine, coarse = heldout_figures(codec, heldout, len(heldout))
    card = {
        "what": f"coloured {geometry.resolution}³ voxels as {geometry.codes_per_shape} codes of {geometry.codebook_size}",
        "data": f"{len(train)} train compositions of the corpus; figures on {len(heldout)} held-out compositions",
        "seed": seed,
        "seconds": round(state.seconds),
        "figures": {"fine": asdict(fine), "coarse": asdict(coarse)},
        "recipe": asdict(recipe),
        **provenance(command),
    }
    write_text(out / "card.json", json.dumps(card, indent=1) + "\n")
    return codec


def train_step(state: TrainingState, train: ShapeStore, recipe: Recipe, seed: int) -> dict[str, float]:
    """One update in place; what it did is a function of the state, the shapes, the recipe and the seed alone."""
    share = state.step / recipe.steps
    generator = torch.Generator().manual_seed(seed * 1_000_003 + state.step)
    if state.codebook is None and share >= recipe.quantise_after:
        state.codebook = _first_codebook(state.model, train, recipe, generator)
    target = batch_at(train, state.step, recipe, seed)
    loss, numbers, vectors = _loss(state, target, recipe)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(state.model.parameters(), 1.0)
    state.optimiser.step(learning_rate(state.step, recipe))
    numbers["gradient_norm"] = float(norm)
    if state.codebook is not None:
        numbers["revived"] = _move_codebook(state.model, state.codebook, vectors, recipe, share, generator)
    state.step += 1
    return numbers


def learning_rate(step: int, recipe: Recipe) -> float:
    """Linear warm-up, then half a cosine to 1 % of the peak."""
    warm = min(1.0, (step + 1) / recipe.warmup)
    return recipe.learning_rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / recipe.steps)))


def batch_at(train: ShapeStore, step: int, recipe: Recipe, seed: int) -> Float[Tensor, "a 4 r r r"]:
    """The codec's input at a step: fine shapes, then coarse ones in grey, each mirrored left-right by a coin."""
    rng = np.random.default_rng([seed, step])
    rows = rng.integers(len(train), size=recipe.batch)
    rough = round(recipe.batch * recipe.coarse_share)
    fine = channels_of(train.fine_voxels(rows[rough:]), colored=True)
    coarse = channels_of(train.coarse_voxels(rows[:rough]), colored=True)
    shapes = torch.cat([fine, coarse])
    mirrored = torch.from_numpy(rng.random(recipe.batch) < 0.5)
    shapes[mirrored] = shapes[mirrored].flip(2)
    return shapes.contiguous(memory_format=torch.channels_last_3d)


def _loss(
    state: TrainingState, target: Float[Tensor, "a 4 r r r"], recipe: Recipe
) -> tuple[Float[Tensor, ""], dict[str, float], Float[Tensor, "a c d"]]:
    """The loss, its parts by name, and the encoder's vectors."""
    model = state.model
    with products("cpu", recipe.precision == "bf16"):
        vectors = model.vectors(target).float()
        if state.codebook is None:
            used, pull = vectors, recipe.latent_weight * losses.squared_latent(vectors)
            color_weight = recipe.first_color_weight
        else:
            quantised = model.vq.vectors(model.vq.codes(vectors)).detach()
            used = losses.straight_through(vectors, quantised)
            pull = recipe.commitment_weight * losses.commitment(vectors, quantised)
            color_weight = recipe.color_weight
        logits = model.decode_vectors(used).float()
    shape = losses.occupancy_loss(logits[:, 0], target[:, 0])
    color = losses.color_loss(logits[:, 1:], target[:, 1:], target[:, 0])
    loss = shape + color_weight * color + pull
    parts = {"loss": loss, "shape": shape, "color": color, "pull": pull, "latent": vectors.std()}
    return loss, {name: float(part.detach()) for name, part in parts.items()}, vectors.detach()


def _first_codebook(model: VoxelVQVAE, train: ShapeStore, recipe: Recipe, generator: torch.Generator) -> MovingCodebook:
    rows = torch.randperm(len(train), generator=generator)[: recipe.kmeans_shapes].numpy()
    rough = round(len(rows) * recipe.coarse_share)
    shapes = (train.coarse_voxels(rows[:rough]), train.fine_voxels(rows[rough:]))
    with torch.no_grad(), products("cpu", recipe.precision == "bf16"):
        inputs = [part for voxels in shapes for part in channels_of(voxels, colored=True).split(32)]
        vectors = torch.cat([model.vectors(part).float().flatten(0, 1) for part in inputs])
    per_step = recipe.batch * model.geometry.codes_per_shape
    book = moving_codebook.start(vectors, model.geometry.codebook_size, per_step, recipe.kmeans_iterations, generator)
    model.vq.embeddings.weight.data.copy_(book.codes)
    return book


def _move_codebook(
    model: VoxelVQVAE,
    book: MovingCodebook,
    vectors: Float[Tensor, "a c d"],
    recipe: Recipe,
    share: float,
    generator: torch.Generator,
) -> int:
    rows, codes = vectors.flatten(0, 1), model.vq.codes(vectors).flatten()
    moving_codebook.move(book, rows, codes, recipe.codebook_decay)
    revived = 0
    if share < recipe.revive_until:
        revived = moving_codebook.revive(book, rows, codes, recipe.least_use, generator)
    model.vq.embeddings.weight.data.copy_(book.codes)
    return revived


def _fresh(geometry: Geometry, recipe: Recipe, seed: int) -> TrainingState:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = VoxelVQVAE(geometry)
    model.to(memory_format=torch.channels_last_3d)  # pyright: ignore[reportCallIssue] (its stubs lack it)
    model.vq.requires_grad_(False)  # the codebook moves as a running mean
    kernels = [p for name, p in model.named_parameters() if p.dim() == 5 and not name.startswith(OUTSIDE)]
    taken = {id(p) for p in kernels}
    others = [p for p in model.parameters() if p.requires_grad and id(p) not in taken]
    decay = (recipe.weight_decay, recipe.weight_decay)
    return TrainingState(model, MuonAdamW(kernels, others, recipe.learning_rate, weight_decay=decay))


def _held_out(state: TrainingState, heldout: ShapeStore, recipe: Recipe) -> dict[str, float]:
    if state.codebook is None:
        return unquantised(state.model, heldout, recipe.measured_shapes)
    codec = VoxelCodec(copy.deepcopy(state.model))
    fine, coarse = heldout_figures(codec, heldout, recipe.measured_shapes)
    numbers = {f"fine_{k}": float(v) for k, v in asdict(fine).items()}
    return numbers | {"coarse_iou": coarse.iou, "coarse_color_error": coarse.color_error}


def heldout_figures(codec: VoxelCodec, heldout: ShapeStore, count: int) -> tuple[Figures, Figures]:
    """Figures of the first `count` held-out shapes: fine, coarse."""
    rows = np.arange(min(count, len(heldout)))
    return measure(codec, heldout.fine_voxels(rows)), measure(codec, heldout.coarse_voxels(rows))


@torch.no_grad()
def unquantised(model: VoxelVQVAE, heldout: ShapeStore, count: int) -> dict[str, float]:
    """Fine figures without a codebook: the ceiling of what any codebook can reach."""
    voxels: Voxels = heldout.fine_voxels(np.arange(min(count, len(heldout))))
    target = channels_of(voxels, colored=True)
    logits = torch.cat([model.decode_vectors(model.vectors(part)) for part in target.split(32)])
    truth, full = target[:, 0] > 0, logits[:, 0] > 0
    iou = (truth & full).sum((1, 2, 3)) / (truth | full).sum((1, 2, 3)).clamp(min=1)
    error = (logits[:, 1:].sigmoid() - target[:, 1:]).abs().mean(1)[truth & full].mean()
    return {"unquantised_iou": float(iou.mean()), "unquantised_color_error": float(error)}


def _write(log, state: TrainingState, numbers: dict[str, float]) -> None:
    row = {"step": state.step, "seconds": round(state.seconds, 1)}
    log.write(json.dumps(row | {k: round(v, 5) for k, v in numbers.items()}) + "\n")
    log.flush()
