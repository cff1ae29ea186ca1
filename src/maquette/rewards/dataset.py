"""What the scorers learn from: corpus objects, clean and damaged, as they look after codec, mesher and renderer, with their labels.

A folder of chunks: `NNN.npy` (uint8 pictures [n variants views 64 64 4]) and `NNN.json` (labels of the same n objects). Chunks are
made in order and never made twice, so that a run that was cut off goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from maquette.codec.voxel_codec import VoxelCodec
from maquette.corpus.program import COLORS, Design
from maquette.corpus.rasterise import voxelise_design
from maquette.corpus.splits import Split, designs
from maquette.corpus.words import captions
from maquette.outputs import write_text
from maquette.rendering.cameras import CAMERAS
from maquette.rendering.rasterise import render
from maquette.rewards.answer_looks import Answering, with_answers
from maquette.rewards.damage import GEOMETRY, Grid, drop_instance, severity, swap_codes
from maquette.rewards.looks import UNSURE, Labels, Look, Pictures, by_name, read_data
from maquette.rewards.pixels import packed
from maquette.rewards.repaint import APPEARANCE, recolor_part
from maquette.shape.surface import SurfaceMesher
from maquette.tracking import progress
from maquette.types import Mesh, Voxels

COLOR_NAMES = tuple(COLORS)
HELD_OUT_SEED = 77


@dataclass(frozen=True)
class Variant:
    """One shape to be drawn."""

    grid: Grid
    grey: bool
    swap: float = 0.0
    """Fraction of its codes to be replaced once it is encoded."""
    sound: bool = False
    """Other than its texts say (a part recoloured), but nothing is broken."""


def grid_of(design: Design, resolution: int, coarse: bool = False) -> Grid:
    """A design as a grid to be damaged; coarse ones are colourless."""
    voxels, part = voxelise_design(design, resolution, coarse=coarse)
    color = np.zeros((*part.shape, 3), np.float32) if voxels.color is None else voxels.color[0]
    return Grid(voxels.occupancy[0], color, part, tuple(p.count if p.counted else 1 for p in design.parts))


def damaged(grid: Grid, rng: np.random.Generator, kinds: Sequence[str], most: int = 2) -> Grid:
    """The grid with one or (by chance, up to `most`) more kinds of damage, of random strengths."""
    for kind in rng.permutation(list(kinds))[: 1 + int(rng.integers(most) * (rng.random() < 0.6))]:
        damage = GEOMETRY.get(str(kind)) or APPEARANCE[str(kind)]
        grid = damage(grid, rng, float(rng.uniform(0.15, 1.0)))
    return grid


def scorer_variants(design: Design, resolution: int, rng: np.random.Generator, codec: bool) -> list[Variant]:
    """Fine clean, fine damaged twice, coarse clean, coarse damaged."""
    fine, coarse = grid_of(design, resolution), grid_of(design, resolution, coarse=True)
    return [
        Variant(fine, grey=False),
        _broken(fine, rng, codec, grey=False),
        _repainted(fine, rng, codec),
        Variant(coarse, grey=True),
        _broken(coarse, rng, codec, grey=True),
    ]


def evaluator_variants(design: Design, resolution: int, rng: np.random.Generator, codec: bool) -> list[Variant]:
    """Fine clean, and fine with a part recoloured, instances missing, or a few wrong codes."""
    fine = grid_of(design, resolution)
    changed = drop_instance(fine, rng, 0.5) if rng.random() < 0.5 else recolor_part(fine, rng, 1.0)
    swap = float(rng.uniform(0.01, 0.12)) if codec and rng.random() < 0.5 else 0.0
    return [Variant(fine, grey=False), Variant(changed, grey=False, swap=swap)]


def _broken(grid: Grid, rng: np.random.Generator, codec: bool, grey: bool) -> Variant:
    if codec and rng.random() < 0.4:
        return Variant(grid, grey, swap=float(rng.uniform(0.01, 0.3)))
    return Variant(damaged(grid, rng, list(GEOMETRY)), grey)


def _repainted(grid: Grid, rng: np.random.Generator, codec: bool) -> Variant:
    luck = rng.random()
    if luck < 0.25:
        return Variant(recolor_part(grid, rng, 1.0), grey=False, sound=True)
    if codec and luck < 0.5:
        return Variant(grid, grey=False, swap=float(rng.uniform(0.01, 0.15)))
    return Variant(damaged(grid, rng, list(APPEARANCE) if luck < 0.85 else [*APPEARANCE, *GEOMETRY]), grey=False)


def labels_of(design: Design, clean: Sequence[Grid], shown: Sequence[Variant]) -> Labels:
    """Labels of a design's variants, each against its clean grid."""
    names = tuple(dict.fromkeys(part.name for part in design.parts))
    looks = [_look(design, before, after) for before, after in zip(clean, shown, strict=True)]
    solid = clean[0].occupancy
    mirrored = (solid & solid[::-1]).sum() / max(int((solid | solid[::-1]).sum()), 1)
    return Labels(design.family, captions(design), names, float(mirrored), tuple(looks))


def _look(design: Design, before: Grid, after: Variant) -> Look:
    geometry, paint = severity(before, after.grid)
    each = [_part_label(design, i, before, after.grid) for i in range(len(design.parts))]
    counts, colors = by_name([part.name for part in design.parts], each)
    if after.sound:
        geometry = paint = 0.0
    return Look(after.grey, geometry, 0.0 if after.grey else paint, counts, colors)


def _part_label(design: Design, index: int, before: Grid, after: Grid) -> tuple[int, int]:
    """Count and colour of one part after damage, UNSURE where damage leaves them in doubt."""
    part = design.parts[index]
    was, left = before.part == index, after.part == index
    kept = left.sum() / max(int(was.sum()), 1)
    if after.counts[index] == 0:
        return 0, UNSURE
    known = after.counts[index] != before.counts[index] or kept > 0.75
    count = after.counts[index] if known else UNSURE
    both = was & left
    if not both.any():
        return count, UNSURE
    off = np.abs(after.color[both] - before.color[both]).mean()
    if off < 0.06:
        return count, COLOR_NAMES.index(part.color)
    tint = after.color[both]
    if tint.std(0).max() > 0.03:
        return count, UNSURE
    return count, int(np.abs(np.asarray(list(COLORS.values())) - tint.mean(0)).sum(-1).argmin())


def through_codec(variants: Sequence[Variant], codec: VoxelCodec, rng: np.random.Generator) -> list[Grid]:
    """The variants as the codec gives them back, after their share of codes was replaced by codes of the others."""
    fine = [not v.grey for v in variants]
    occupancy = np.stack([v.grid.occupancy for v in variants])
    color = np.stack([v.grid.color if painted else _grey(v.grid) for v, painted in zip(variants, fine, strict=True)])
    codes = codec.encode(Voxels(occupancy, color)).numpy()
    donors = codes.reshape(-1).copy()
    for row, variant in zip(codes, variants, strict=True):
        if variant.swap > 0:
            row[:] = swap_codes(row, donors, variant.swap, rng)
    decoded = codec.decode(torch.from_numpy(codes))
    colors = decoded.color if decoded.color is not None else color
    density = np.asarray(decoded.density)
    return [
        replace(v.grid, occupancy=o, color=c, density=d)
        for v, o, c, d in zip(variants, decoded.occupancy, colors, density, strict=True)
    ]


def _grey(grid: Grid) -> np.ndarray:
    return np.where(grid.occupancy[..., None], np.float32(0.6), np.float32(0.0)).repeat(3, -1)


def pictures(grids: Sequence[Grid], grey: Sequence[bool]) -> UInt8[np.ndarray, "n v 64 64 4"]:
    """Every grid meshed and drawn from the reward cameras."""
    mesher, cameras = SurfaceMesher(), CAMERAS["maquette-6"]
    meshes = [
        mesher.mesh(Voxels(g.occupancy[None], g.color[None], None if g.density is None else g.density[None]))[0]
        for g in grids
    ]
    unpainted = [Mesh(m.vertices, m.faces) if plain else m for m, plain in zip(meshes, grey, strict=True)]
    return packed(render(unpainted, cameras, size=64, antialias=True, paint="colour"))


def make_chunk(
    chosen: Sequence[Design],
    rng: np.random.Generator,
    evaluator: bool,
    codec: VoxelCodec | None,
    resolution: int,
    answering: Answering | None = None,
) -> tuple[np.ndarray, list[Labels]]:
    """Pictures [n variants views 64 64 4] and labels of n designs, a policy's answers last."""
    kind = evaluator_variants if evaluator else scorer_variants
    shown = [kind(design, resolution, rng, codec is not None) for design in chosen]
    images, labels = [], []
    for design, variants in zip(chosen, shown, strict=True):
        clean = [variants[0].grid if not v.grey else variants[3].grid for v in variants]
        known = labels_of(design, clean, variants)
        grids = [v.grid for v in variants]
        if codec is not None:
            grids = through_codec(variants, codec, rng)
            known = replace(
                known,
                looks=tuple(
                    _swapped(look, v, grids[3 if v.grey else 0], g)
                    for look, v, g in zip(known.looks, variants, grids, strict=True)
                ),
            )
        images.append(pictures(grids, [v.grey for v in variants]))
        labels.append(known)
    if answering is None:
        return np.stack(images), labels
    own = [(variants[0].grid, variants[3].grid) for variants in shown]
    drawn, labels = with_answers(chosen, own, labels, answering, rng)
    return np.concatenate([np.stack(images), drawn], 1), labels


def _swapped(look: Look, variant: Variant, clean: Grid, grid: Grid) -> Look:
    """A look whose codes were partly replaced: severity from what that did."""
    if variant.swap <= 0:
        return look
    geometry, paint = severity(clean, grid)
    sure = geometry < 0.4
    return replace(
        look,
        geometry=max(look.geometry, geometry),
        paint=0.0 if look.grey else max(look.paint, paint),
        counts=look.counts if sure else (UNSURE,) * len(look.counts),
        colors=look.colors if sure and paint < 0.5 else (UNSURE,) * len(look.colors),
    )


def half_of(design: Design) -> int:
    """0: the scorers' half of the designs; 1: the evaluators'."""
    return design.seed % 2


def make_data(
    folder: Path,
    *,
    split: Split,
    objects: int,
    seed: int,
    evaluator: bool = False,
    half: int | None = None,
    codec: VoxelCodec | None = None,
    chunk: int = 100,
    resolution: int = 32,
    answering: Answering | None = None,
) -> None:
    """Fill `folder` with chunks until it holds `objects` objects; chunks that are there already are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = _chosen(split, seed, half)
    for index in progress(range(-(-objects // chunk)), f"pictures for {folder.name}"):
        few = list(islice(chosen, chunk))
        target = folder / f"{index:03d}.json"
        if target.exists():
            continue
        images, labels = make_chunk(few, np.random.default_rng([seed, index]), evaluator, codec, resolution, answering)
        np.save(target.with_suffix(".npy"), images)
        write_text(target, json.dumps([asdict(one) for one in labels]))  # a chunk that is there is never made again


def scorer_data(
    folder: Path,
    *,
    objects: int,
    held_out: int,
    seed: int,
    codec: VoxelCodec | None,
    answering: Answering | None = None,
) -> tuple[Pictures, Pictures]:
    """What the scorers learn from, and what measures them: made where `folder` has fewer. `answering` adds a policy's answers to both."""
    how = {"codec": codec, "answering": answering}
    make_data(folder / "heldout", split="heldout", objects=held_out, seed=HELD_OUT_SEED, **how)
    make_data(folder / "scorers", split="train", objects=objects, seed=seed + 7, half=0, **how)
    learnt, unseen = read_data(folder / "scorers"), read_data(folder / "heldout")
    for one in (*learnt.labels, *unseen.labels):
        if (one.known < len(one.looks)) != (answering is not None):
            raise ValueError(
                f"{folder} holds pictures with a policy's answers and is asked for some without, or the other way round: "
                "choose another folder (--out), or remove this one"
            )
    return learnt, unseen


def _chosen(split: Split, seed: int, half: int | None) -> Iterator[Design]:
    return (design for design in designs(split, 10**9, seed) if half is None or half_of(design) == half)
