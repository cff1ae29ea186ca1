"""Train objects as the warm start needs them: texts, and the frozen codec's codes of the fine and the coarse shape.

Made once per codec, in shards, so that an interrupted preparation goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int16
from safetensors.torch import load_file, save_file

from maquette.codec.voxel_codec import VoxelCodec
from maquette.corpus.records import Record, records
from maquette.corpus.splits import Split
from maquette.tracking import progress
from maquette.types import Voxels

SHARD = 1000
"""Objects per file."""
AT_ONCE = 32
"""Shapes encoded together."""


@dataclass(frozen=True)
class Texts:
    """All that is said of one object; every sentence is true of it."""

    captions: tuple[str, ...]
    """Short to long; any of them may be the prompt."""
    plan: str
    description: str


@dataclass(frozen=True)
class Lessons:
    """n objects."""

    texts: tuple[Texts, ...]
    fine: Int16[np.ndarray, "n c"]
    coarse: Int16[np.ndarray, "n c"]

    def __len__(self) -> int:
        return len(self.texts)

    def sentences(self) -> Iterator[str]:
        """Everything said of any object: what a tokenizer is learnt from."""
        for text in self.texts:
            yield from (*text.captions, text.plan, text.description)


def prepare_lessons(folder: Path, codec: VoxelCodec, split: Split, count: int, seed: int) -> Lessons:
    """The first `count` records of a split, read from `folder` as far as they are there, else made and written there."""
    folder.mkdir(parents=True, exist_ok=True)
    starts = range(0, count, SHARD)
    parts = [
        _shard(folder / f"{split}-{seed}-{start:06d}", codec, split, min(SHARD, count - start), seed, start)
        for start in progress(starts, f"{split} objects (thousands)")
    ]
    texts = tuple(text for part in parts for text in part.texts)
    return Lessons(texts, np.concatenate([p.fine for p in parts]), np.concatenate([p.coarse for p in parts]))


def _shard(stem: Path, codec: VoxelCodec, split: Split, count: int, seed: int, start: int) -> Lessons:
    codes, words = stem.with_suffix(".safetensors"), stem.with_suffix(".jsonl")
    if codes.is_file() and words.is_file():
        read = _read(codes, words)
        if len(read) >= count:
            return Lessons(read.texts[:count], read.fine[:count], read.coarse[:count])
    made = _encode(codec, records(split, count, seed, codec.resolution, start))
    words.write_text("".join(json.dumps(asdict(text)) + "\n" for text in made.texts))
    partial = codes.with_suffix(".partial")
    save_file({"fine": torch.from_numpy(made.fine), "coarse": torch.from_numpy(made.coarse)}, partial)
    partial.replace(codes)
    return made


def _read(codes: Path, words: Path) -> Lessons:
    arrays = load_file(codes)
    lines = [json.loads(line) for line in words.read_text().splitlines()]
    texts = tuple(Texts(tuple(line["captions"]), line["plan"], line["description"]) for line in lines)
    return Lessons(texts, arrays["fine"].numpy(), arrays["coarse"].numpy())


def _encode(codec: VoxelCodec, source: Iterator[Record]) -> Lessons:
    texts: list[Texts] = []
    fine: list[np.ndarray] = []
    coarse: list[np.ndarray] = []
    while group := list(islice(source, AT_ONCE)):
        texts += [Texts(record.captions, record.plan, record.description) for record in group]
        whole = Voxels(
            np.concatenate([r.voxels.occupancy for r in group]),
            np.concatenate([r.voxels.color for r in group if r.voxels.color is not None]),
        )
        rough = Voxels(np.concatenate([r.coarse.occupancy for r in group]))
        fine.append(codec.encode(whole).numpy().astype(np.int16))
        coarse.append(codec.encode(rough).numpy().astype(np.int16))
    return Lessons(tuple(texts), np.concatenate(fine), np.concatenate(coarse))
