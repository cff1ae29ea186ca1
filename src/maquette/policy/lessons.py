"""Train objects as the warm start needs them: texts, and the frozen codec's codes of the fine and the coarse shape.

Made once per codec, in shards, so that an interrupted preparation goes on where it stopped; shards of another codec are made anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int16

from maquette.codec.voxel_codec import VoxelCodec
from maquette.corpus.records import Record, records
from maquette.corpus.splits import Split
from maquette.outputs import write_text
from maquette.tensor_files import load_tensors, save_tensors
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

    def first(self, count: int) -> Lessons:
        """The first objects of the pool."""
        return Lessons(self.texts[:count], self.fine[:count], self.coarse[:count])

    def sentences(self) -> Iterator[str]:
        """Everything said of any object: what a tokenizer is learnt from."""
        for text in self.texts:
            yield from (*text.captions, text.plan, text.description)


def prepare_lessons(folder: Path, codec: VoxelCodec, split: Split, count: int, seed: int) -> Lessons:
    """The first `count` records of a split, read from `folder` as far as they are there, else made and written there."""
    folder.mkdir(parents=True, exist_ok=True)
    starts, mark = range(0, count, SHARD), fingerprint(codec)
    parts = [
        _shard(folder / f"{split}-{seed}-{start:06d}", codec, mark, split, min(SHARD, count - start), seed, start)
        for start in progress(starts, f"{split} objects (thousands)")
    ]
    texts = tuple(text for part in parts for text in part.texts)
    return Lessons(texts, np.concatenate([p.fine for p in parts]), np.concatenate([p.coarse for p in parts]))


def fingerprint(codec: VoxelCodec) -> str:
    """Names the codec's weights: the same codes come from the same fingerprint."""
    digest = hashlib.sha256()
    for name, value in sorted(codec.model.state_dict().items()):
        digest.update(name.encode() + value.float().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _shard(stem: Path, codec: VoxelCodec, mark: str, split: Split, count: int, seed: int, start: int) -> Lessons:
    codes, words = stem.with_suffix(".safetensors"), stem.with_suffix(".jsonl")
    if codes.is_file() and words.is_file():
        read = _read(codes, words, mark)
        if read is not None and len(read) >= count:
            return Lessons(read.texts[:count], read.fine[:count], read.coarse[:count])
    made = _encode(codec, records(split, count, seed, codec.resolution, start))
    write_shard(stem, made, mark)
    return made


def write_shard(stem: Path, lessons: Lessons, mark: str) -> None:
    """`stem`.jsonl (texts) and `stem`.safetensors (codes, marked with the codec's fingerprint)."""
    write_text(stem.with_suffix(".jsonl"), "".join(json.dumps(asdict(text)) + "\n" for text in lessons.texts))
    arrays = {"fine": torch.from_numpy(lessons.fine), "coarse": torch.from_numpy(lessons.coarse)}
    save_tensors(arrays, stem.with_suffix(".safetensors"), {"codec": mark})


def _read(codes: Path, words: Path, mark: str) -> Lessons | None:
    """A shard; None (it is made anew) where its codes are another codec's or its texts cut short. ValueError: codes cut short."""
    arrays, metadata = load_tensors(codes)
    if metadata.get("codec") != mark:
        return None
    try:
        lines = [json.loads(line) for line in words.read_text().splitlines()]
    except json.JSONDecodeError:
        return None
    if len(lines) != len(arrays["fine"]):
        return None
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
