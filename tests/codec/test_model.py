"""The VQVAE against the published one's tensors, and what happens when weights do not fit."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from maquette.codec.model import TINY, Geometry, VoxelVQVAE
from maquette.codec.quantiser import pack, unpack

GOLDEN = Path(__file__).resolve().parents[3] / "shared" / "golden"
needs_golden = pytest.mark.skipif(
    not GOLDEN.is_dir(), reason="shared/golden (tensors of the published model) is not beside the checkout"
)
SMALL = Geometry(64, 1, 1, channels=(8, 16, 32), latent_channels=8, codebook_size=512)
MICRO = Geometry(
    16, 4, 4, channels=(4, 8, 8), latent_channels=2, codebook_size=16, res_blocks=(0, 1, 1), middle_blocks=1
)


def test_full_geometry_has_the_published_keys_shapes_and_types():
    with torch.device("meta"):
        model = VoxelVQVAE.shapellm_omni()
    ours = {
        key: [list(value.shape), str(value.dtype).removeprefix("torch.")] for key, value in model.state_dict().items()
    }
    keys = Path(__file__).parents[1] / "golden" / "vqvae3d_full_keys.json"
    assert ours == json.loads(keys.read_text())


@needs_golden
def test_latents_tokens_and_logits_are_the_published_models():
    model = VoxelVQVAE(SMALL)
    model.load(GOLDEN / "vqvae3d_small.safetensors")
    golden = load_file(GOLDEN / "vqvae3d_small_io.safetensors")
    with torch.no_grad():
        latent = model.latent(golden["voxels"].float())
        tokens = model.encode(golden["voxels"].float())
        logits = model.decode(golden["tokens"].long())
    torch.testing.assert_close(latent, golden["latent"], atol=1e-4, rtol=0)
    torch.testing.assert_close(logits, golden["logits"], atol=1e-4, rtol=0)
    differing = tokens != golden["tokens"]
    vectors = pack(latent, 4)[differing]
    ours = (vectors - model.vq.vectors(tokens)[differing]).norm(dim=-1)
    theirs = (vectors - model.vq.vectors(golden["tokens"].long())[differing]).norm(dim=-1)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)  # only near-ties may differ


@needs_golden
def test_token_order_is_the_published_one():
    cells = json.loads((GOLDEN / "token_order_head.json").read_text())["token_to_latent_cells_xyz"]
    number = torch.arange(16**3, dtype=torch.float32).view(1, 1, 16, 16, 16)
    packed = pack(number, 4)[0]
    for n, expected in enumerate(cells):
        assert packed[n].tolist() == [x * 256 + y * 16 + z for x, y, z in expected]


def test_token_n_is_64x_plus_4y_plus_a_quarter_of_z():
    latent = torch.zeros(1, 8, 16, 16, 16)
    latent[0, 5, 3, 7, 9] = 1.0  # channel 5 of cell (3, 7, 9)
    place = pack(latent, 4)[0].nonzero().tolist()
    assert place == [[64 * 3 + 4 * 7 + 9 // 4, 8 * (9 % 4) + 5]]


def test_unpack_inverts_pack():
    latent = torch.randn(2, 8, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(unpack(pack(latent, 4), 4), latent)


def test_tiny_makes_128_codes_and_four_channels():
    model = VoxelVQVAE.tiny()
    with torch.no_grad():
        codes = model.encode(torch.zeros(1, 4, 32, 32, 32))
        out = model.decode(codes)
    assert codes.shape == (1, TINY.codes_per_shape) == (1, 128)
    assert out.shape == (1, 4, 32, 32, 32)


def test_half_precision_torso_computes_close_to_float32():
    torch.manual_seed(0)
    model = VoxelVQVAE(MICRO)
    voxels = torch.rand(2, 4, 16, 16, 16)
    with torch.no_grad():
        exact = model.latent(voxels)
        model.set_torso("float16")
        torch.testing.assert_close(model.latent(voxels), exact, atol=2e-2, rtol=0)


@pytest.mark.parametrize("suffix", [".safetensors", ".bin", ".pt"])
def test_weights_load_from_either_kind_of_file(tmp_path: Path, suffix: str):
    source, target = VoxelVQVAE(MICRO), VoxelVQVAE(MICRO)
    path = tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        save_file(source.state_dict(), path)
    else:
        torch.save(source.state_dict(), path)
    target.load(path)
    assert all(
        torch.equal(a, b) for a, b in zip(source.state_dict().values(), target.state_dict().values(), strict=True)
    )


def test_a_wrong_shape_is_named_with_both_shapes(tmp_path: Path):
    path = tmp_path / "weights.safetensors"
    weights = VoxelVQVAE(MICRO).state_dict()
    save_file(weights | {"vq.embeddings.weight": torch.zeros(7, 8)}, path)
    with pytest.raises(ValueError, match=r"vq\.embeddings\.weight has shape \[7, 8\].*expects \[16, 8\]"):
        VoxelVQVAE(MICRO).load(path)


def test_missing_and_unknown_keys_are_named(tmp_path: Path):
    path = tmp_path / "weights.safetensors"
    weights = VoxelVQVAE(MICRO).state_dict()
    save_file({k: v for k, v in weights.items() if k != "Encoder.input_layer.bias"}, path)
    with pytest.raises(ValueError, match=r"no Encoder\.input_layer\.bias; .* \[4\]"):
        VoxelVQVAE(MICRO).load(path)
    save_file(weights | {"extra": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match=r"has extra with shape \[3\]"):
        VoxelVQVAE(MICRO).load(path)


class Trap:
    def __reduce__(self) -> tuple:
        return os.mkdir, ("trap-was-sprung",)


def test_a_pickle_that_runs_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"weights": Trap()}, tmp_path / "evil.bin")
    with pytest.raises(ValueError, match="more than tensors"):
        VoxelVQVAE(MICRO).load(tmp_path / "evil.bin")
    assert not (tmp_path / "trap-was-sprung").exists()


@pytest.mark.parametrize("name", ["cut.safetensors", "cut.bin"])
def test_a_truncated_file_is_refused(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(b"\x80\x02")
    with pytest.raises(ValueError, match="cannot be read as weights"):
        VoxelVQVAE(MICRO).load(tmp_path / name)


def test_impossible_geometries_are_refused():
    with pytest.raises(ValueError, match=r"latent side of 7\.5"):
        VoxelVQVAE(Geometry(30, 1, 1, channels=(4, 4, 4), latent_channels=2, codebook_size=8))
    with pytest.raises(ValueError, match="as many res_blocks, not 2"):
        VoxelVQVAE(Geometry(16, 1, 1, channels=(4, 4, 4), latent_channels=2, codebook_size=8, res_blocks=(1, 1)))
