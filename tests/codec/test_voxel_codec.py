"""Shapes in, codes, shapes out: laws that hold for any weights, and the shipped codec's quality."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from maquette.codec.figures import color_errors, iou, measure
from maquette.codec.model import VoxelVQVAE
from maquette.codec.voxel_codec import COARSE_GREY, VoxelCodec, channels_of
from maquette.corpus.rasterise import voxelise_design
from maquette.corpus.splits import designs
from maquette.types import Voxels
from tests.codec.test_model import MICRO


def codec() -> VoxelCodec:
    torch.manual_seed(3)
    model = VoxelVQVAE(MICRO)
    torch.nn.init.normal_(model.vq.embeddings.weight)
    return VoxelCodec(model)


def some_voxels(count: int, side: int = 16) -> Voxels:
    rng = np.random.default_rng(0)
    occupied = rng.random((count, side, side, side)) < 0.3
    return Voxels(occupied, (rng.random((*occupied.shape, 3)) * occupied[..., None]).astype(np.float32))


def test_codes_and_shapes_are_the_same_every_time_and_for_any_batch():
    c, voxels = codec(), some_voxels(35)  # more than one chunk
    codes = c.encode(voxels)
    assert codes.shape == (35, c.codes_per_shape) and torch.equal(codes, c.encode(voxels))
    alone = c.encode(Voxels(voxels.occupancy[33:34], voxels.color[33:34]))
    assert torch.equal(alone[0], codes[33])
    once, twice = c.decode(codes), c.decode(codes)
    assert np.array_equal(once.color, twice.color) and np.array_equal(once.occupancy, twice.occupancy)


def test_decoded_colours_lie_in_range_and_are_zero_where_empty():
    decoded = codec().decode(codec().encode(some_voxels(2)))
    assert decoded.color.min() >= 0 and decoded.color.max() <= 1
    assert not decoded.color[~decoded.occupancy].any()


def test_a_failed_answer_is_an_empty_shape_and_foreign_codes_are_errors():
    c = codec()
    codes = c.encode(some_voxels(2))
    codes[1] = -1
    assert not c.decode(codes).occupancy[1].any()
    codes[1, 0] = 3
    with pytest.raises(ValueError, match="Code -1 is outside this codebook of 16"):
        c.decode(codes)
    with pytest.raises(ValueError, match=f"has {c.codes_per_shape} codes, not 5"):
        c.decode(codes[:, :5])


def test_no_shapes_give_no_codes_and_back():
    none = codec().encode(Voxels(np.zeros((0, 16, 16, 16), bool)))
    assert none.shape == (0, codec().codes_per_shape) and len(codec().decode(none)) == 0


def test_unpainted_shapes_enter_in_the_common_grey():
    channels = channels_of(Voxels(some_voxels(1).occupancy), colored=True)
    filled = channels[0, 0] > 0
    assert (channels[0, 1:, filled] == COARSE_GREY).all() and (channels[0, :, ~filled] == 0).all()


def test_another_resolution_is_refused():
    with pytest.raises(ValueError, match="reads 16³ voxels, the shapes have 8³"):
        codec().encode(some_voxels(1, side=8))


def test_saved_and_loaded_it_is_the_same_codec(tmp_path: Path):
    c, voxels = codec(), some_voxels(3)
    c.save(tmp_path)
    again = VoxelCodec.load(tmp_path)
    assert again.model.geometry == c.model.geometry and torch.equal(again.encode(voxels), c.encode(voxels))


def test_folders_that_hold_no_codec_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"config\.json is missing"):
        VoxelCodec.load(tmp_path)
    codec().save(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"model\.safetensors is missing"):
        VoxelCodec.load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"resolution": 32}))
    with pytest.raises(ValueError, match="must have the keys"):
        VoxelCodec.load(tmp_path)


def test_figures_by_hand():
    a, b = np.zeros((2, 2, 2, 2), bool), np.zeros((2, 2, 2, 2), bool)
    a[0, 0, 0] = True
    b[0, 0, :, 0] = True
    assert iou(a, b).tolist() == [1 / 3, 1.0]
    red = Voxels(a, np.where(a[..., None], np.float32([1, 0, 0]), np.float32(0)))
    black = Voxels(b, np.zeros((*b.shape, 3), np.float32))
    errors = color_errors(red, black)
    assert errors[0] == pytest.approx(1 / 3) and np.isnan(errors[1])
    assert measure(codec(), some_voxels(2)).shapes == 2


def test_the_shipped_codec_rebuilds_held_out_compositions():
    c = VoxelCodec.load("tiny")
    shapes = [voxelise_design(design, c.resolution)[0] for design in designs("heldout", 12, 5)]
    voxels = Voxels(np.concatenate([s.occupancy for s in shapes]), np.concatenate([s.color for s in shapes]))
    figures = measure(c, voxels)
    assert (c.codes_per_shape, c.colored) == (128, True)
    assert figures.iou > 0.7 and figures.color_error < 0.15
