"""Records made once by all cores and read many times: npz shards of packed bits and bytes.

A folder holds `00000.npz, 00001.npz …`, `RECORDS_PER_SHARD` records each, in order. Nothing is pickled: a design is its
family, seed and style, and its program is run again (and its texts written again) when it is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from maquette.corpus.catalog import compose
from maquette.corpus.records import Record, records, worded
from maquette.corpus.splits import Split
from maquette.tracking import progress
from maquette.types import Voxels

RECORDS_PER_SHARD = 512


def write_records(folder: Path, split: Split, count: int, seed: int, resolution: int = 32, workers: int = 1) -> None:
    """The first `count` records of a split as shards; record i is the same whatever the number of workers.

    Shards that are there already are kept, so that an interrupted run goes on; the folder must belong to the same
    (split, seed, resolution), which ValueError says otherwise.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _claim(folder, {"split": split, "seed": seed, "resolution": resolution})
    jobs = [
        (folder / f"{number:05d}.npz", split, min(RECORDS_PER_SHARD, count - start), seed, resolution, start)
        for number, start in enumerate(range(0, count, RECORDS_PER_SHARD))
    ]
    if workers == 1:
        for job in progress(jobs, "records (shards)", len(jobs)):
            _write_shard(*job)
        return
    # Spawned, not forked: a fork of a process with threads (torch, numba) may hang.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        results = pool.map(_write_shard, *zip(*jobs, strict=True))
        for _ in progress(results, "records (shards)", len(jobs)):
            pass


def read_records(folder: Path) -> Iterator[Record]:
    """The records of a folder in the order in which they were drawn; ValueError if there are none."""
    shards = sorted(folder.glob("[0-9][0-9][0-9][0-9][0-9].npz"))
    if not shards:
        raise ValueError(f"{folder} holds no record shards; make them with write_records first")
    resolution = json.loads((folder / "made-from.json").read_text())["resolution"]
    for shard in shards:
        yield from _read_shard(shard, resolution)


def _claim(folder: Path, made_from: dict[str, object]) -> None:
    note = folder / "made-from.json"
    if not note.exists():
        note.write_text(json.dumps(made_from))
    found = json.loads(note.read_text())
    if found != made_from:
        raise ValueError(f"{folder} holds records of {found}, not of {made_from}; choose another folder")


def _write_shard(path: Path, split: Split, count: int, seed: int, resolution: int, start: int) -> None:
    if path.exists() and len(np.load(path)["seed"]) >= count:
        return
    made = list(records(split, count, seed, resolution, start))
    occupied = np.stack([r.voxels.occupancy[0] for r in made])
    colors = [r.voxels.color[0][o] for r, o in zip(made, occupied, strict=True) if r.voxels.color is not None]
    beside = path.with_suffix(".part.npz")
    np.savez_compressed(
        beside,
        family=np.array([r.design.family for r in made]),
        seed=np.array([r.design.seed for r in made]),
        style=np.array([r.design.style for r in made]),
        occupancy=np.packbits(occupied.reshape(len(made), -1), axis=1),
        coarse=np.packbits(np.stack([r.coarse.occupancy[0].ravel() for r in made]), axis=1),
        color=np.round(np.concatenate(colors) * 255).astype(np.uint8),
        part_index=np.concatenate([r.part_index[o] for r, o in zip(made, occupied, strict=True)]),
    )
    # Renamed when it is whole, so that a killed run leaves no half shard.
    beside.rename(path)


def _read_shard(path: Path, resolution: int) -> Iterator[Record]:
    grid = (resolution,) * 3
    with np.load(path) as arrays:
        shard = {name: arrays[name] for name in arrays.files}
    occupied = np.unpackbits(shard["occupancy"], axis=1).reshape(-1, *grid).astype(bool)
    coarse = np.unpackbits(shard["coarse"], axis=1).reshape(-1, *grid).astype(bool)
    ends = np.cumsum(occupied.sum((1, 2, 3)))
    for n, end in enumerate(ends):
        mine = slice(end - occupied[n].sum(), end)
        color = np.zeros((1, *grid, 3), np.float32)
        color[0][occupied[n]] = shard["color"][mine] / np.float32(255)
        part_index = np.full(grid, -1, np.int8)
        part_index[occupied[n]] = shard["part_index"][mine]
        design = compose(str(shard["family"][n]), int(shard["seed"][n]), str(shard["style"][n]))
        yield worded(design, Voxels(occupied[n][None], color), Voxels(coarse[n][None]), part_index)
