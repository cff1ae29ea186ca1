"""`VoxelVQVAE`: ShapeLLM-Omni's 3D VQVAE (arXiv 2506.01853; a TRELLIS sparse-structure VAE with a codebook), at any size."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float, Int64
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from maquette.codec.blocks import Decoder, Encoder, set_torso_dtype
from maquette.codec.quantiser import Quantiser, pack, unpack


@dataclass(frozen=True)
class Geometry:
    """Everything that fixes the shapes of the weights."""

    resolution: int
    """Voxels per side."""
    in_channels: int
    """1: occupancy; 4: occupancy, then r, g, b times occupancy."""
    out_channels: int
    """1: occupancy logit; 4: occupancy logit, then r, g, b logits."""
    channels: tuple[int, ...]
    """Width per stage, from fine to coarse; one stride-2 step between neighbours."""
    latent_channels: int
    codebook_size: int
    res_blocks: tuple[int, ...] = (2, 2, 2)
    """Residual blocks per stage, from fine to coarse."""
    middle_blocks: int = 2
    cells_per_code: int = 4
    """Latent cells along z that one code covers."""
    torso: Literal["float32", "float16"] = "float32"
    """What the residual and resampling convolutions are stored and computed in."""

    @property
    def latent_side(self) -> int:
        return self.resolution >> (len(self.channels) - 1)

    @property
    def codes_per_shape(self) -> int:
        return self.latent_side**3 // self.cells_per_code

    @property
    def code_dimension(self) -> int:
        return self.latent_channels * self.cells_per_code

    @property
    def colored(self) -> bool:
        return self.out_channels == 4


SHAPELLM_OMNI = Geometry(
    resolution=64,
    in_channels=1,
    out_channels=1,
    channels=(32, 128, 512),
    latent_channels=8,
    codebook_size=8192,
    torso="float16",
)
"""The published codec: 1024 codes of 8192, occupancy only."""

TINY = Geometry(
    resolution=32,
    in_channels=4,
    out_channels=4,
    channels=(16, 32, 80),
    latent_channels=8,
    codebook_size=4096,
    res_blocks=(0, 1, 1),
)
"""Coloured voxels in 128 codes."""


class VoxelVQVAE(nn.Module):
    """Voxels → latent → codes → output channels. Key names, shapes and order of computation are those of the published VQVAE3D."""

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()
        g = geometry
        if len(g.res_blocks) != len(g.channels):
            raise ValueError(f"A codec of {len(g.channels)} stages needs as many res_blocks, not {len(g.res_blocks)}.")
        if g.resolution % (1 << (len(g.channels) - 1)) or g.latent_side % g.cells_per_code:
            raise ValueError(
                f"A codec of {g.resolution}³ voxels with {len(g.channels)} stages has a latent side of "
                f"{g.resolution / (1 << (len(g.channels) - 1)):g}, which must be a multiple of {g.cells_per_code} cells per code."
            )
        self.geometry = g
        self.Encoder = Encoder(g.in_channels, g.channels, g.latent_channels, g.res_blocks, g.middle_blocks)
        self.Decoder = Decoder(g.out_channels, g.channels, g.latent_channels, g.res_blocks, g.middle_blocks)
        self.vq = Quantiser(g.codebook_size, g.code_dimension)
        self.set_torso(g.torso)

    @classmethod
    def shapellm_omni(cls) -> VoxelVQVAE:
        """The published geometry with random weights."""
        return cls(SHAPELLM_OMNI)

    @classmethod
    def tiny(cls) -> VoxelVQVAE:
        """The shipped tiny geometry with random weights."""
        return cls(TINY)

    def set_torso(self, dtype: Literal["float32", "float16"]) -> None:
        """Store and compute the torso in `dtype`; CPUs want float32, whatever the weights were stored in."""
        for half in (self.Encoder, self.Decoder):
            set_torso_dtype(half, {"float32": torch.float32, "float16": torch.float16}[dtype])

    def latent(self, voxels: Float[Tensor, "a i r r r"]) -> Float[Tensor, "a l q q q"]:
        """The mean half of the encoder's output; never sampled."""
        return self.Encoder(voxels)[:, : self.geometry.latent_channels]

    def vectors(self, voxels: Float[Tensor, "a i r r r"]) -> Float[Tensor, "a c d"]:
        """The unquantised code vectors, in token order."""
        return pack(self.latent(voxels), self.geometry.cells_per_code)

    def encode(self, voxels: Float[Tensor, "a i r r r"]) -> Int64[Tensor, "a c"]:
        return self.vq.codes(self.vectors(voxels))

    def decode_vectors(self, vectors: Float[Tensor, "a c d"]) -> Float[Tensor, "a o r r r"]:
        """Output logits; occupied where channel 0 is > 0, colours are the sigmoid of channels 1 to 3."""
        return self.Decoder(unpack(vectors, self.geometry.cells_per_code))

    def decode(self, codes: Int64[Tensor, "a c"]) -> Float[Tensor, "a o r r r"]:
        return self.decode_vectors(self.vq.vectors(codes))

    def load(self, path: Path) -> None:
        """Take over the weights of a safetensors file, or of a foreign .bin/.pt/.pth (tensors only, no code is run).

        Values are converted to the model's types. Raises ValueError naming the first key that is missing, unknown or misshapen.
        """
        weights = read_weights(path)
        check_weights(weights, self.state_dict(), path)
        self.load_state_dict(weights)


def read_tree(path: Path) -> object:
    """What a weights file holds, read without running code. Raises ValueError for a file that is cut short or is none."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if path.suffix not in (".bin", ".pt", ".pth"):
            raise ValueError(f"{path} is not a weights file: the suffix must be .safetensors, .bin, .pt or .pth.")
        return torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, EOFError, RuntimeError, OSError) as error:
        raise ValueError(f"{path} cannot be read as weights: it is truncated or holds more than tensors.") from error


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file by key. Raises ValueError for a file that is not one."""
    weights = read_tree(path)
    if not isinstance(weights, dict) or not all(isinstance(v, Tensor) for v in weights.values()):
        raise ValueError(f"{path} must hold a plain state dict of tensors by key; save `model.state_dict()` instead.")
    return weights


def check_weights(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: Path) -> None:
    """Raises ValueError with the key, its shape or type and the expected one at the first difference."""
    for key, tensor in expected.items():
        if key not in weights:
            raise ValueError(f"{path} has no {key}; this codec expects it with shape {list(tensor.shape)}.")
        if weights[key].shape != tensor.shape:
            raise ValueError(
                f"{path}: {key} has shape {list(weights[key].shape)}, but this codec expects {list(tensor.shape)}; "
                "load it into a codec of its own geometry."
            )
        if weights[key].dtype.is_floating_point != tensor.dtype.is_floating_point:
            kinds = (str(one.dtype).removeprefix("torch.") for one in (weights[key], tensor))
            raise ValueError(
                f"{path}: {key} is stored as {next(kinds)}; this codec reads {next(kinds)}: take the unquantised file."
            )
    unknown = sorted(set(weights) - set(expected))
    if unknown:
        raise ValueError(
            f"{path} has {unknown[0]} with shape {list(weights[unknown[0]].shape)}, unknown to this codec."
        )
