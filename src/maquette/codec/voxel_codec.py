"""`VoxelCodec`: what everybody else uses of the codec, shapes in and out as `Voxels`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from maquette.codec.hub import find_codec
from maquette.codec.model import SHAPELLM_OMNI, Geometry, VoxelVQVAE
from maquette.codec.refine import refined_codes
from maquette.outputs import write_text
from maquette.precision import products
from maquette.runs import read_json
from maquette.shape.voxelise import Convention, voxelise_solid, voxelise_surface
from maquette.tensor_files import save_tensors
from maquette.tracking import progress
from maquette.types import Mesh, Voxels

COARSE_GREY = 0.6
"""The colour (r = g = b) that every occupied voxel of an unpainted shape has inside a coloured codec: coarse shapes, grey meshes."""

SHAPES_AT_ONCE = 32
REFINED_VOXELS = 8 * 32**3
"""Of the shapes that are refined together: fewer, since the decoder's activations are kept for the gradient; one shape at 64³."""


class VoxelCodec:
    """Shapes ↔ codes. Deterministic; weights are frozen; computes in float32 on the CPU, as stored elsewhere.

    With `bfloat16` its products are in bfloat16, as in its training: twice as fast on a CPU that has it, float32 on one that has not.
    Codes differ at near-ties, and voxels at the very border may flip.
    """

    def __init__(self, model: VoxelVQVAE, device: str = "cpu", bfloat16: bool = False) -> None:
        self.bfloat16 = bfloat16
        self.model = model.eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last_3d)  # pyright: ignore[reportCallIssue] (its stubs lack it)
        self.device = torch.device(device)
        if self.device.type == "cpu":
            self.model.set_torso("float32")

    @classmethod
    def load(cls, source: str | Path, device: str = "cpu", bfloat16: bool = False) -> VoxelCodec:
        """`tiny` (shipped), a folder that `save` wrote, the published 3DVQVAE weights (.safetensors, .bin), or their hub name.

        Raises ValueError where the folder, its config or its weights are missing or of another shape.
        """
        path = Path(str(files("maquette") / "data" / "codec")) if source == "tiny" else Path(find_codec(source))
        if path.suffix in (".safetensors", ".bin", ".pt", ".pth"):
            model, weights = VoxelVQVAE(SHAPELLM_OMNI), path
        else:
            model, weights = VoxelVQVAE(read_geometry(path / "config.json")), path / "model.safetensors"
        if not weights.is_file():
            raise ValueError(f"There is no codec at {path}: {weights.name} is missing.")
        model.load(weights)
        return cls(model, device, bfloat16)

    def save(self, folder: Path, dtype: Literal["float32", "float16"] | None = "float32") -> None:
        """Write `model.safetensors` (values stored in `dtype`, None: as each is held) and `config.json`."""
        folder.mkdir(parents=True, exist_ok=True)
        stored = {"float32": torch.float32, "float16": torch.float16, None: None}[dtype]
        weights = {k: v.to("cpu", stored or v.dtype) for k, v in self.model.state_dict().items()}
        save_tensors(weights, folder / "model.safetensors")
        write_text(folder / "config.json", json.dumps(asdict(self.model.geometry), indent=1) + "\n")

    @property
    def resolution(self) -> int:
        return self.model.geometry.resolution

    @property
    def codes_per_shape(self) -> int:
        return self.model.geometry.codes_per_shape

    @property
    def codebook_size(self) -> int:
        return self.model.geometry.codebook_size

    @property
    def colored(self) -> bool:
        """Whether decoded shapes have colours; where not, colours given to `encode` are ignored."""
        return self.model.geometry.colored

    def voxelise(self, mesh: Mesh, convention: Convention | None = None) -> Voxels:
        """A mesh as this codec was taught: coloured ones solid and "centred", occupancy alone as a shell, "shapellm"."""
        if self.colored:
            return voxelise_solid(mesh, self.resolution, convention or "centred")
        return voxelise_surface(mesh, self.resolution, convention or "shapellm")

    @torch.no_grad()
    def encode(self, voxels: Voxels, refine: int = 0) -> Int64[Tensor, "a c"]:
        """Codes on the CPU, in token order. Unpainted shapes enter a coloured codec in `COARSE_GREY`.

        `refine` > 0: so many steps of search for codes that decode to a more faithful shape (`codec/refine.py`); 40 take this package's
        codec about two seconds a shape on one core in bfloat16.
        """
        if voxels.resolution != self.resolution:
            raise ValueError(
                f"This codec reads {self.resolution}³ voxels, the shapes have {voxels.resolution}³; voxelise at {self.resolution}."
            )
        if refine < 0:
            raise ValueError(f"refine is {refine}: a number of steps, 0 for the encoder's own codes.")
        at_once = max(1, REFINED_VOXELS // self.resolution**3) if refine else SHAPES_AT_ONCE
        parts = channels_of(voxels, self.colored).split(at_once)
        codes = self._refined(parts, refine) if refine else [self._codes(self._ready(part)).cpu() for part in parts]
        return torch.cat(codes) if codes else torch.zeros(0, self.codes_per_shape, dtype=torch.int64)

    def _codes(self, ready: Float[Tensor, "a i r r r"]) -> Int64[Tensor, "a c"]:
        with products(self.device, self.bfloat16):
            vectors = self.model.vectors(ready)
        return self.model.vq.codes(vectors.float())

    def _refined(self, parts: Sequence[Float[Tensor, "a i r r r"]], steps: int) -> list[Int64[Tensor, "a c"]]:
        ticks = iter(progress(range(len(parts) * (steps + 1)), "searching codes"))
        found = [
            refined_codes(self.model, self._ready(part), steps, self.bfloat16, lambda: next(ticks)).cpu()
            for part in parts
        ]
        next(ticks, None)  # ends the bar
        return found

    @torch.no_grad()
    def decode(self, codes: Int64[Tensor, "a c"]) -> Voxels:
        """Solid shapes; a row that is -1 throughout (a failed answer) is an empty shape, any other code outside the codebook an error."""
        failed = (codes == -1).all(1)
        self._check_codes(codes[~failed])
        parts = codes.clamp(min=0).split(SHAPES_AT_ONCE)
        with products(self.device, self.bfloat16):
            logits = [self.model.decode(part.to(self.device)).float().cpu() for part in parts]
        grid = self.resolution
        every = torch.cat(logits) if logits else torch.zeros(0, 4 if self.colored else 1, grid, grid, grid)
        occupied = (every[:, 0] > 0) & ~failed[:, None, None, None]
        color = every[:, 1:].sigmoid().movedim(1, -1) * occupied[..., None] if self.colored else None
        density = every[:, 0].sigmoid() * ~failed[:, None, None, None]
        return Voxels(occupied.numpy(), None if color is None else color.contiguous().numpy(), density.numpy())

    def _ready(self, channels: Float[Tensor, "a i r r r"]) -> Float[Tensor, "a i r r r"]:
        return channels.to(self.device).contiguous(memory_format=torch.channels_last_3d)

    def _check_codes(self, codes: Int64[Tensor, "a c"]) -> None:
        if codes.shape[1] != self.codes_per_shape:
            raise ValueError(f"A shape of this codec has {self.codes_per_shape} codes, not {codes.shape[1]}.")
        if len(codes) and (codes.min() < 0 or codes.max() >= self.codebook_size):
            bad = int(codes.min()) if codes.min() < 0 else int(codes.max())
            raise ValueError(
                f"Code {bad} is outside this codebook of {self.codebook_size} codes (0 to {self.codebook_size - 1})."
            )


def channels_of(voxels: Voxels, colored: bool) -> Float[Tensor, "a i r r r"]:
    """A codec's input: occupancy, and for a coloured codec r, g, b, all 0 where empty."""
    occupied = torch.from_numpy(voxels.occupancy).float()[:, None]
    if not colored:
        return occupied
    if voxels.color is None:
        return torch.cat([occupied, (occupied * COARSE_GREY).expand(-1, 3, -1, -1, -1)], 1)
    return torch.cat([occupied, torch.from_numpy(np.moveaxis(voxels.color, -1, 1)) * occupied], 1)


def read_geometry(path: Path) -> Geometry:
    """The geometry in a codec's `config.json`. Raises ValueError where there is none or its keys are others."""
    if not path.is_file():
        raise ValueError(f"There is no codec at {path.parent}: {path.name} is missing.")
    values: dict[str, Any] = read_json(path)
    known = Geometry.__dataclass_fields__.keys()
    if set(values) != set(known):
        raise ValueError(f"{path} must have the keys {', '.join(known)}; it has {', '.join(sorted(values))}.")
    per_stage = {name: tuple(values.pop(name)) for name in ("channels", "res_blocks")}
    return Geometry(**per_stage, **values)
