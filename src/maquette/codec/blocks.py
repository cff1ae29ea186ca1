"""The building blocks of the 3D VQVAE: residual block, strided down-sampling, pixel-shuffle up-sampling, encoder, decoder.

Module and parameter names are those of the published state dict (ShapeLLM-Omni's `3DVQVAE.bin`), so that its weights load without renaming.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn


class ChannelNorm(nn.Module):
    """Layer norm over the channels of every voxel, computed in float32 and handed back in the input's type."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Float[Tensor, "a ch x y z"]) -> Float[Tensor, "a ch x y z"]:
        # A view, not a copy, where the memory format is channels_last_3d.
        rows = x.permute(0, 2, 3, 4, 1)
        if x.device.type != "cpu":
            rows = rows.float()  # CPU kernels take half-precision rows with float32 weights and accumulate in float32
        rows = F.layer_norm(rows, self.weight.shape, self.weight, self.bias)
        return rows.to(x.dtype).permute(0, 4, 1, 2, 3)


class ResBlock(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x)))))), same channels throughout; it starts as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = ChannelNorm(channels)
        self.norm2 = ChannelNorm(channels)
        self.conv1 = nn.Conv3d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv3d(channels, channels, 3, padding=1)
        for parameter in self.conv2.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Float[Tensor, "a ch x y z"]) -> Float[Tensor, "a ch x y z"]:
        h = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(h)))


class Downsample(nn.Module):
    """Halves every side by a convolution of size 2 and stride 2."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(channels, out, 2, stride=2)

    def forward(self, x: Float[Tensor, "a ch x y z"]) -> Float[Tensor, "a out x2 y2 z2"]:
        return self.conv(x)


class Upsample(nn.Module):
    """Doubles every side by a convolution to 8 times the channels and a 3D pixel shuffle."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(channels, out * 8, 3, padding=1)

    def forward(self, x: Float[Tensor, "a ch x y z"]) -> Float[Tensor, "a out x2 y2 z2"]:
        shuffled = rearrange(self.conv(x), "a (ch i j k) x y z -> a ch (x i) (y j) (z k)", i=2, j=2, k=2)
        return shuffled.contiguous(memory_format=torch.channels_last_3d)


def _res_blocks(channels: int, count: int) -> list[nn.Module]:
    return [ResBlock(channels) for _ in range(count)]


class Encoder(nn.Module):
    """Voxels to twice the latent channels; the first half is the latent, the second (a variance) is never used."""

    def __init__(
        self,
        in_channels: int,
        channels: tuple[int, ...],
        latent_channels: int,
        res_blocks: tuple[int, ...],
        middle_blocks: int,
    ) -> None:
        super().__init__()
        self.input_layer = nn.Conv3d(in_channels, channels[0], 3, padding=1)
        blocks: list[nn.Module] = []
        for level, width in enumerate(channels):
            blocks += _res_blocks(width, res_blocks[level])
            if level + 1 < len(channels):
                blocks.append(Downsample(width, channels[level + 1]))
        self.blocks = nn.Sequential(*blocks)
        self.middle_block = nn.Sequential(*_res_blocks(channels[-1], middle_blocks))
        self.out_layer = nn.Sequential(
            ChannelNorm(channels[-1]), nn.SiLU(), nn.Conv3d(channels[-1], latent_channels * 2, 3, padding=1)
        )

    def forward(self, x: Float[Tensor, "a i r r r"]) -> Float[Tensor, "a l2 q q q"]:
        h = self.input_layer(x)
        torso = self.middle_block(self.blocks(h.to(torso_dtype(self))))
        return self.out_layer(torso.to(h.dtype))


class Decoder(nn.Module):
    """Latents to output channels, the mirror image of `Encoder`; `channels` are given from fine to coarse as there."""

    def __init__(
        self,
        out_channels: int,
        channels: tuple[int, ...],
        latent_channels: int,
        res_blocks: tuple[int, ...],
        middle_blocks: int,
    ) -> None:
        super().__init__()
        coarse_to_fine = channels[::-1]
        self.input_layer = nn.Conv3d(latent_channels, coarse_to_fine[0], 3, padding=1)
        self.middle_block = nn.Sequential(*_res_blocks(coarse_to_fine[0], middle_blocks))
        blocks: list[nn.Module] = []
        for level, width in enumerate(coarse_to_fine):
            blocks += _res_blocks(width, res_blocks[-1 - level])
            if level + 1 < len(coarse_to_fine):
                blocks.append(Upsample(width, coarse_to_fine[level + 1]))
        self.blocks = nn.Sequential(*blocks)
        self.out_layer = nn.Sequential(
            ChannelNorm(channels[0]), nn.SiLU(), nn.Conv3d(channels[0], out_channels, 3, padding=1)
        )

    def forward(self, latent: Float[Tensor, "a l q q q"]) -> Float[Tensor, "a o r r r"]:
        h = self.input_layer(latent)
        torso = self.blocks(self.middle_block(h.to(torso_dtype(self))))
        return self.out_layer(torso.to(h.dtype))


def torso_dtype(module: nn.Module) -> torch.dtype:
    """The type that the torso (residual, down- and up-sampling blocks) of an encoder or decoder computes in."""
    return next(p.dtype for name, p in module.named_parameters() if name.startswith("blocks.") and ".conv" in name)


def set_torso_dtype(module: nn.Module, dtype: torch.dtype) -> None:
    """Convert the torso's convolutions in place; norms, first and last layers keep float32, as published."""
    for block in module.modules():
        if isinstance(block, ResBlock):
            block.conv1.to(dtype)
            block.conv2.to(dtype)
        elif isinstance(block, Downsample | Upsample):
            block.conv.to(dtype)
