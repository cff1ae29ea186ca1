"""Shards give back the records that went in, whoever made them."""

import numpy as np
import pytest

from maquette.corpus import shards
from maquette.corpus.records import records
from maquette.corpus.shards import read_records, write_records


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_read_is_what_was_made(tmp_path, monkeypatch, workers):
    monkeypatch.setattr(shards, "RECORDS_PER_SHARD", 5)
    write_records(tmp_path, "train", 12, seed=3, workers=workers)
    read, made = list(read_records(tmp_path)), list(records("train", 12, 3))
    assert len(read) == 12 and len(list(tmp_path.glob("*.npz"))) == 3
    for a, b in zip(read, made, strict=True):
        assert (a.design.family, a.design.seed, a.captions, a.plan) == (
            b.design.family,
            b.design.seed,
            b.captions,
            b.plan,
        )
        assert (a.voxels.occupancy == b.voxels.occupancy).all() and (a.coarse.occupancy == b.coarse.occupancy).all()
        assert (a.part_index == b.part_index).all() and a.voxels.color is not None and b.voxels.color is not None
        np.testing.assert_allclose(a.voxels.color, b.voxels.color, atol=0.5 / 255 + 1e-6)


def test_a_folder_belongs_to_one_draw(tmp_path):
    write_records(tmp_path, "train", 2, seed=3)
    with pytest.raises(ValueError, match="choose another folder"):
        write_records(tmp_path, "heldout", 2, seed=3)
    with pytest.raises(ValueError, match="holds no record shards"):
        list(read_records(tmp_path / "elsewhere"))
