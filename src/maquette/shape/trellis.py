"""`TrellisMesher`: an installed TRELLIS (arXiv 2412.01506) paints our voxels and makes their mesh, second stage only.

It is fed the codec's voxels in place of its own structure stage: `get_cond` → `sample_slat` → `decode_slat`. The mesh comes with
vertex colours, which the rewards' renderer draws as they are; `textured` bakes a texture with `to_glb` for files; `gaussian_views`
draws its Gaussians instead, where that is faster.
Text goes through CLIP, which reads 77 tokens and no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int32
from torch import Tensor

from maquette.tracking import tell
from maquette.types import Mesh, Voxels

WEIGHTS = "microsoft/TRELLIS-text-xlarge"
INSTALL = (
    "TRELLIS is not installed. On a machine with CUDA: "
    "git clone --recurse-submodules https://github.com/microsoft/TRELLIS && cd TRELLIS && "
    ". ./setup.sh --basic --xformers --flash-attn --diffoctreerast --spconv --mipgaussian --kaolin --nvdiffrast && "
    f"hf download {WEIGHTS}; then put the folder on PYTHONPATH. "
    "Without it take mesher=surface (--paint surface), which paints nothing at full size."
)
RESOLUTION = 64
CLIP_TOKENS = 77
"""Start and end tokens included."""
TOLD, KEPT = 3, 64
GREY = "a plain grey clay model"
"""What an answer without text is painted as."""


@dataclass
class TrellisMesher:
    """Meshes with vertex colours, z-up, in the unit cube; empty shapes give meshes without faces."""

    pipeline: Any
    """trellis.pipelines.TrellisTextTo3DPipeline, or what has its methods."""
    steps: int = 12
    guidance: float = 3.0
    """Steps and classifier-free guidance of the second stage, as TRELLIS's own examples have them."""
    shapes_at_once: int = 1
    """Above 1 it is quicker, and the paint of a shape depends on its neighbours: `sample_slat` draws the noise of all that it is given in
    one go, and takes none from outside."""
    seed: int = 0
    warnings: list[str] = field(default_factory=list)
    """What was cut from texts, a sentence each, newest last, the last `KEPT` of them; the first few are told as they come."""
    _cut: int = 0

    @classmethod
    def open(cls, weights: str = WEIGHTS, device: str = "cuda", shapes_at_once: int = 1) -> TrellisMesher:
        """ValueError with the exact commands where TRELLIS or its GPU is not there."""
        try:
            pipelines = import_module("trellis.pipelines")
        except ImportError as error:
            raise ValueError(f"{INSTALL} ({error})") from error
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise ValueError(
                "TRELLIS needs a CUDA device and this machine shows none; take mesher=surface (--paint surface)."
            )
        pipeline = pipelines.TrellisTextTo3DPipeline.from_pretrained(weights)
        pipeline.to(torch.device(device))
        return cls(pipeline, shapes_at_once=shapes_at_once)

    def mesh(self, voxels: Voxels, texts: Sequence[str] | None = None) -> list[Mesh]:
        """Texts (one per shape) say how to paint. ValueError for another resolution than 64³, or texts of another number."""
        decoded = self.decoded(voxels, texts, ["mesh"])
        return [_empty() if one is None else vertex_colored(one["mesh"]) for one in decoded]

    def textured(self, voxels: Voxels, texts: Sequence[str] | None, paths: Sequence[Path], texture: int = 1024) -> None:
        """GLB files with a baked texture, by TRELLIS's own `to_glb` (half a minute each); empty shapes write nothing."""
        baking = import_module("trellis.utils.postprocessing_utils")
        for one, path in zip(self.decoded(voxels, texts, ["mesh", "gaussian"]), paths, strict=True):
            if one is not None:
                glb = baking.to_glb(one["gaussian"], one["mesh"], simplify=0.95, texture_size=texture, verbose=False)
                path.parent.mkdir(parents=True, exist_ok=True)
                glb.export(str(path))

    def decoded(self, voxels: Voxels, texts: Sequence[str] | None, formats: list[str]) -> list[dict[str, Any] | None]:
        """TRELLIS's outputs per shape, None for empty ones; the rest `shapes_at_once` together."""
        if voxels.resolution != RESOLUTION:
            raise ValueError(
                f"TRELLIS paints {RESOLUTION}³ voxels, not {voxels.resolution}³: take the full-size codec."
            )
        said = [""] * len(voxels) if texts is None else list(texts)
        if len(said) != len(voxels):
            raise ValueError(f"There are {len(voxels)} shapes and {len(said)} texts to paint them by.")
        words = [self.cut(text) or GREY for text in said]
        solid = [i for i in range(len(voxels)) if voxels.occupancy[i].any()]
        found: list[dict[str, Any] | None] = [None] * len(voxels)
        for first in range(0, len(solid), self.shapes_at_once):
            part = solid[first : first + self.shapes_at_once]
            outputs = self._run(voxels, part, [words[i] for i in part], formats)
            for place, i in enumerate(part):
                found[i] = {name: outputs[name][place] for name in formats}
        return found

    @torch.no_grad()
    def _run(self, voxels: Voxels, rows: list[int], words: list[str], formats: list[str]) -> dict[str, Any]:
        device = self.pipeline.device
        with torch.random.fork_rng(devices=[device] if torch.device(device).type == "cuda" else []):
            torch.manual_seed(self.seed)  # of every call anew: same shapes and texts, same paint
            condition = self.pipeline.get_cond(words)
            settings = {"steps": self.steps, "cfg_strength": self.guidance}
            latent = self.pipeline.sample_slat(condition, coordinates(voxels, rows).to(device), settings)
            return self.pipeline.decode_slat(latent, formats)

    def cut(self, text: str) -> str:
        """As many whole words as CLIP reads; what is cut is told in `warnings`."""
        words = " ".join(text.split()).split(" ")
        kept = len(words)
        while kept and self._tokens(" ".join(words[:kept])) > CLIP_TOKENS:
            kept -= 1
        if kept < len(words):
            self._cut += 1
            warning = (
                f"The paint's text has {self._tokens(text)} tokens; TRELLIS reads {CLIP_TOKENS}: only the first {kept} of "
                f"{len(words)} words were used."
            )
            self.warnings = [*self.warnings, warning][-KEPT:]
            if self._cut <= TOLD:
                tell(warning)
        return " ".join(words[:kept])

    def _tokens(self, text: str) -> int:
        return len(self.pipeline.text_cond_model["tokenizer"](text)["input_ids"])


def coordinates(voxels: Voxels, rows: Sequence[int]) -> Int32[Tensor, "m 4"]:
    """(place in the batch, x, y, z) of every occupied voxel, as sparse tensors want them; both grids are z-up."""
    parts = []
    for place, row in enumerate(rows):
        cells = np.argwhere(voxels.occupancy[row]).astype(np.int32)
        parts.append(np.concatenate([np.full((len(cells), 1), place, np.int32), cells], 1))
    return torch.from_numpy(np.concatenate(parts))


def vertex_colored(result: Any) -> Mesh:
    """TRELLIS's `MeshExtractResult` (vertices, faces, vertex_attrs: colour, then normal) as a mesh."""
    vertices = result.vertices.detach().float().cpu().numpy()
    faces = result.faces.detach().cpu().numpy().astype(np.int32)
    if not len(faces):
        return _empty()
    paint = result.vertex_attrs
    color = None if paint is None else paint[:, :3].detach().float().clamp(0, 1).cpu().numpy()
    return Mesh(np.clip(vertices, -0.5, 0.5), faces, color)


def _empty() -> Mesh:
    nothing = np.zeros((0, 3), np.float32)
    return Mesh(nothing, np.zeros((0, 3), np.int32), nothing)
