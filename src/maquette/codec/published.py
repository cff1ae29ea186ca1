"""The published codec's weights (`yejunliang23/3DVQVAE`, 3DVQVAE.bin): converted once to safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from torch import Tensor

from maquette.codec.hub import find_codec
from maquette.codec.model import SHAPELLM_OMNI, Geometry, VoxelVQVAE, read_weights
from maquette.codec.voxel_codec import VoxelCodec


def convert_codec(source: str | Path, out: Path, dtype: Literal["float32", "float16"] = "float16") -> VoxelCodec:
    """`out` with model.safetensors and config.json, of a published state dict; its torso as published, all else float32.

    Raises ValueError where the file is no state dict of tensors, or of another design.
    """
    path = Path(find_codec(source))
    weights = read_weights(path)
    model = VoxelVQVAE(replace(read_off_geometry(weights, path), torso=dtype))
    model.load(path)
    out.mkdir(parents=True, exist_ok=True)
    codec = VoxelCodec(model)
    model.set_torso(dtype)  # a codec on the CPU computes in float32; what is stored is the published type
    codec.save(out, dtype=None)
    return VoxelCodec.load(out)


def read_off_geometry(weights: Mapping[str, Tensor], path: Path) -> Geometry:
    """Widths, blocks and codebook from the shapes of a state dict; resolution and bars are the published ones.

    Raises ValueError where a key that tells them is missing.
    """
    try:
        first = weights["Encoder.input_layer.weight"]
        codebook = weights["vq.embeddings.weight"]
        out = weights["Decoder.out_layer.2.weight"].shape[0]
    except KeyError as error:
        raise ValueError(f"{path} has no {error.args[0]}: it is not the state dict of a 3D VQVAE.") from error
    widths, counts = [first.shape[0]], [0]
    for block in range(len({key.split(".")[2] for key in weights if key.startswith("Encoder.blocks.")})):
        down = weights.get(f"Encoder.blocks.{block}.conv.weight")
        if down is None:
            counts[-1] += 1
        else:
            widths.append(down.shape[0])
            counts.append(0)
    middle = len({key.split(".")[2] for key in weights if key.startswith("Encoder.middle_block.")})
    cells = SHAPELLM_OMNI.cells_per_code
    return replace(
        SHAPELLM_OMNI,
        in_channels=first.shape[1],
        out_channels=out,
        channels=tuple(widths),
        res_blocks=tuple(counts),
        middle_blocks=middle,
        codebook_size=codebook.shape[0],
        latent_channels=codebook.shape[1] // cells,
    )
