"""Many shapes in little memory: packed occupancy bits and the colours of occupied voxels only (about 15 KB a shape at 32³)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Int64, UInt8

from maquette.corpus.rasterise import voxelise_design
from maquette.corpus.splits import Split, designs
from maquette.outputs import written
from maquette.tracking import progress
from maquette.types import Voxels


@dataclass(frozen=True)
class ShapeStore:
    """n shapes of one resolution, each fine (coloured) and coarse (occupancy only)."""

    resolution: int
    fine: UInt8[np.ndarray, "n bytes"]
    """Occupancy bits, C order."""
    coarse: UInt8[np.ndarray, "n bytes"]
    colors: UInt8[np.ndarray, "m 3"]
    """0..255, of the occupied fine voxels of all shapes in C order, one shape after another."""
    starts: Int64[np.ndarray, " n1"]
    """Shape n's colours are colors[starts[n] : starts[n + 1]]."""

    def __len__(self) -> int:
        return len(self.fine)

    def fine_voxels(self, rows: Int64[np.ndarray, " a"]) -> Voxels:
        occupied = self._unpacked(self.fine, rows)
        color = np.zeros((*occupied.shape, 3), np.float32)
        color[occupied] = np.concatenate([self.colors[self.starts[n] : self.starts[n + 1]] for n in rows]) / np.float32(
            255
        )
        return Voxels(occupied, color)

    def coarse_voxels(self, rows: Int64[np.ndarray, " a"]) -> Voxels:
        return Voxels(self._unpacked(self.coarse, rows))

    def _unpacked(self, bits: UInt8[np.ndarray, "n bytes"], rows: Int64[np.ndarray, " a"]) -> np.ndarray:
        return np.unpackbits(bits[rows], axis=1).reshape(-1, *(self.resolution,) * 3).astype(bool)

    def save(self, path: Path) -> None:
        """Whole or not at all: a store that is there is taken as it is by the next training."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with written(path) as beside, beside.open("wb") as file:
            np.savez(
                file,
                resolution=self.resolution,
                fine=self.fine,
                coarse=self.coarse,
                colors=self.colors,
                starts=self.starts,
            )

    @classmethod
    def load(cls, path: Path) -> ShapeStore:
        """ValueError where the file is cut short or holds something else."""
        try:
            with path.open("rb") as file, np.load(file) as arrays:  # numpy leaves what it cannot read open
                resolution, *rest = (arrays[name] for name in ("resolution", "fine", "coarse", "colors", "starts"))
                return cls(int(resolution), *rest)
        except (BadZipFile, KeyError, ValueError, EOFError, OSError) as error:
            raise ValueError(
                f"{path} is cut short or no store of shapes ({error}); delete it: it is made anew."
            ) from error


def store(pairs: Iterable[tuple[Voxels, Voxels]]) -> ShapeStore:
    """Collect (fine, coarse) pairs of single shapes."""
    fine, coarse, colors, resolution = [], [], [], 0
    for whole, rough in pairs:
        if whole.color is None:
            raise ValueError("A fine shape needs colours to be stored; this one has none.")
        resolution = whole.resolution
        fine.append(np.packbits(whole.occupancy[0].ravel()))
        coarse.append(np.packbits(rough.occupancy[0].ravel()))
        colors.append(np.round(whole.color[0][whole.occupancy[0]] * 255).astype(np.uint8))
    if not fine:
        raise ValueError("There are no shapes to store: 0 records were given, at least 1 is needed.")
    starts = np.concatenate([[0], np.cumsum([len(c) for c in colors])]).astype(np.int64)
    return ShapeStore(resolution, np.stack(fine), np.stack(coarse), np.concatenate(colors), starts)


def corpus_store(folder: Path, split: Split, count: int, seed: int, resolution: int) -> ShapeStore:
    """The first `count` designs of a split as shapes, made once and then read from a file of `folder` whose name says which they are."""
    path = folder / f"{split}-{count}-seed-{seed}-at-{resolution}.npz"
    if not path.is_file():
        made = progress(designs(split, count, seed), f"{split} shapes", count)
        pairs = ((voxelise_design(d, resolution)[0], voxelise_design(d, resolution, coarse=True)[0]) for d in made)
        store(pairs).save(path)
    return ShapeStore.load(path)
