"""Tiny real parts instead of mocks: a codec of 8³ voxels with 16 codes of 32, a policy of two layers, three prompts.

Their weights are random but seeded; every class is the one that the full size uses.
"""

from __future__ import annotations

from pathlib import Path

import torch

from maquette.codec.model import Geometry, VoxelVQVAE
from maquette.codec.voxel_codec import VoxelCodec
from maquette.policy.model import Policy, new_policy, tiny_config
from maquette.policy.tokenizer import PolicyTokenizer, train_tokenizer
from maquette.types import PartSpec, Prompt

GEOMETRY = Geometry(
    resolution=8,
    in_channels=4,
    out_channels=4,
    channels=(8, 16),
    latent_channels=8,
    codebook_size=32,
    res_blocks=(1, 1),
    middle_blocks=1,
)

PROMPTS = (
    Prompt("0", "a tall red chair with four legs", "spatial", "chair", (PartSpec("leg", 4, "red"),)),
    Prompt("1", "a blue car", "mechanical", "car", (PartSpec("wheel", 4),)),
    Prompt("2", "a green tree", "biological", "tree"),
    Prompt("3", "a striped cup with one handle", "stylised", "cup", (PartSpec("handle"),)),
)

WORDS = ("plan: detail: make: plan and make:", "four legs under a flat seat", "two wheels, a round roof, red and blue")


def tiny_codec(seed: int = 0) -> VoxelCodec:
    """Random weights; about half of the voxels of a decoded shape are solid."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return VoxelCodec(VoxelVQVAE(GEOMETRY))


def tiny_tokenizer() -> PolicyTokenizer:
    texts = [prompt.text for prompt in PROMPTS] + list(WORDS)
    return PolicyTokenizer(train_tokenizer(texts * 10, 300, GEOMETRY.codebook_size), GEOMETRY.codebook_size)


def tiny_policy(seed: int = 0) -> Policy:
    """Two layers of width 32: about 40 k parameters."""
    tokenizer = tiny_tokenizer()
    return new_policy(tokenizer, tiny_config(len(tokenizer), hidden=32, layers=2, heads=4, mlp=64), seed)


def save_tiny(folder: Path, seed: int = 0) -> tuple[Path, Path]:
    """The same as folders on disk, as a config names them: (model, codec)."""
    tiny_policy(seed).save(folder / "model")
    tiny_codec(seed).save(folder / "codec")
    return folder / "model", folder / "codec"
