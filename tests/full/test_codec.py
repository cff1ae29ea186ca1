"""The published codec's file: found, read without running code, converted once; both placements of a mesh in its grid."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from maquette.codec.hub import find_codec
from maquette.codec.model import SHAPELLM_OMNI, VoxelVQVAE
from maquette.codec.published import convert_codec, read_off_geometry
from maquette.codec.voxel_codec import VoxelCodec
from maquette.shape.voxelise import voxelise_surface
from maquette.types import Mesh, Voxels
from tests.full.layouts import FULL_CODEC, codec_bin


def ball(radius: float = 0.3) -> Voxels:
    axis = (np.arange(64) + 0.5) / 64 - 0.5
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    return Voxels((x**2 + y**2 + z**2 < radius**2)[None])


def arrow_up() -> Mesh:
    """A tall thin tetrahedron whose tip points up and whose foot lies to the right of the middle."""
    vertices = np.float32([[0.1, -0.1, -0.4], [0.3, -0.1, -0.4], [0.2, 0.1, -0.4], [0.2, 0.0, 0.4]])
    return Mesh(vertices, np.int32([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]]))


def test_the_published_geometry_is_read_off_its_keys():
    with torch.device("meta"):
        weights = VoxelVQVAE.shapellm_omni().state_dict()
    assert replace(read_off_geometry(weights, Path("3DVQVAE.bin")), torso="float16") == SHAPELLM_OMNI


def test_converted_once_it_is_the_same_codec(tmp_path: Path):
    path = codec_bin(tmp_path / "3DVQVAE.bin")
    converted = convert_codec(path, tmp_path / "codec")
    assert (converted.codes_per_shape, converted.codebook_size, converted.resolution) == (1024, 8192, 64)
    assert converted.model.geometry == FULL_CODEC
    stored = load_file(tmp_path / "codec" / "model.safetensors")
    original = torch.load(path, weights_only=True)
    assert all(torch.equal(stored[key], value) and stored[key].dtype == value.dtype for key, value in original.items())
    again = VoxelVQVAE(FULL_CODEC)
    again.load(path)
    codes = converted.encode(ball())
    assert codes.unique().numel() > 1 and torch.equal(codes, VoxelCodec(again).encode(ball()))


def test_a_file_of_another_design_is_refused(tmp_path: Path):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "3DVQVAE.bin")
    with pytest.raises(ValueError, match=r"no Encoder\.input_layer\.weight: it is not the state dict of a 3D VQVAE"):
        convert_codec(tmp_path / "3DVQVAE.bin", tmp_path / "out")


def test_half_a_file_is_refused(tmp_path: Path):
    path = codec_bin(tmp_path / "3DVQVAE.bin")
    path.write_bytes(path.read_bytes()[:10_000])
    with pytest.raises(ValueError, match="truncated"):
        convert_codec(path, tmp_path / "out")


def test_a_codec_that_is_not_in_the_cache_gives_the_command():
    with pytest.raises(ValueError, match=r"hf download yejunliang23/3DVQVAE-absent 3DVQVAE\.bin"):
        find_codec("yejunliang23/3DVQVAE-absent")
    assert find_codec("tiny") == "tiny"


def test_up_in_the_mesh_is_up_in_the_grid_and_only_3dgen_r1_lays_it_down(tmp_path: Path):
    """The published turn: y-up files become z-up grids. Off-centre meshes stay off-centre under its one minimum and maximum."""
    mesh = arrow_up()
    extent = {
        name: [int(np.ptp(places)) + 1 for places in voxelise_surface(mesh, 64, name).occupancy[0].nonzero()]
        for name in ("centred", "shapellm", "3dgen-r1")
    }
    assert extent["centred"][2] == 64 and extent["shapellm"][2] == 64  # tall along z, the grid's last axis
    assert extent["3dgen-r1"][1] == 64 and extent["3dgen-r1"][2] < 64  # tall along y: no turn
    right = {
        name: voxelise_surface(mesh, 64, name).occupancy[0].nonzero()[0].mean() for name in ("centred", "shapellm")
    }
    assert right["centred"] == pytest.approx(31.5, abs=1) and right["shapellm"] > 40


def test_shells_in_the_published_convention_are_what_the_codec_reads(tmp_path: Path):
    convert_codec(codec_bin(tmp_path / "3DVQVAE.bin"), tmp_path / "codec")
    codec = VoxelCodec.load(tmp_path / "codec")
    shell = codec.voxelise(arrow_up())
    assert np.array_equal(shell.occupancy, voxelise_surface(arrow_up(), 64, "shapellm").occupancy)
    turned = codec.voxelise(arrow_up(), "3dgen-r1")
    assert turned.occupancy.sum() == shell.occupancy.sum() and not np.array_equal(turned.occupancy, shell.occupancy)


def test_config_json_carries_the_geometry(tmp_path: Path):
    convert_codec(codec_bin(tmp_path / "3DVQVAE.bin"), tmp_path / "codec")
    assert json.loads((tmp_path / "codec" / "config.json").read_text())["torso"] == "float16"


def test_whole_numbers_in_the_place_of_weights_are_refused_by_name(tmp_path: Path):
    weights = torch.load(codec_bin(tmp_path / "3DVQVAE.bin"), weights_only=True)
    weights["Decoder.input_layer.weight"] = weights["Decoder.input_layer.weight"].to(torch.int8)
    torch.save(weights, tmp_path / "3DVQVAE.bin")
    with pytest.raises(
        ValueError, match=r"Decoder\.input_layer\.weight is stored as int8; .* take the unquantised file"
    ):
        convert_codec(tmp_path / "3DVQVAE.bin", tmp_path / "codec")
