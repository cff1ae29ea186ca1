"""How well a codec reconstructs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from maquette.codec.voxel_codec import COARSE_GREY, VoxelCodec
from maquette.types import Voxels


@dataclass(frozen=True)
class Figures:
    """Reconstruction of a set of shapes; all lie in [0, 1] but the counts and the perplexity."""

    shapes: int
    iou: float
    """Occupancy intersection over union, mean over shapes."""
    iou_p10: float
    """The IoU that nine shapes of ten exceed."""
    color_error: float
    """Mean absolute sRGB error over commonly occupied voxels, mean over shapes that have some; NaN where none has."""
    codebook_used: float
    """Fraction of the codebook that occurs at least once in these shapes."""
    perplexity: float
    """exp of the entropy of the codes' frequencies: how many codes do the work."""


def measure(codec: VoxelCodec, voxels: Voxels, codes: Int64[Tensor, "a c"] | None = None) -> Figures:
    """Encode, decode and compare; unpainted shapes are compared with `COARSE_GREY`. `codes` if not the encoder's own."""
    codes = codec.encode(voxels) if codes is None else codes
    decoded = codec.decode(codes)
    ious = iou(voxels.occupancy, decoded.occupancy)
    counts = torch.bincount(codes.flatten(), minlength=codec.codebook_size).double()
    frequency = counts[counts > 0] / counts.sum()
    return Figures(
        shapes=len(voxels),
        iou=float(ious.mean()),
        iou_p10=float(np.quantile(ious, 0.1)),
        color_error=mean_of_known(color_errors(voxels, decoded)) if codec.colored else 0.0,
        codebook_used=float((counts > 0).double().mean()),
        perplexity=float((-(frequency * frequency.log()).sum()).exp()),
    )


def iou(a: Bool[np.ndarray, "a r r r"], b: Bool[np.ndarray, "a r r r"]) -> Float[np.ndarray, " a"]:
    """Per shape; two empty shapes agree entirely."""
    common, either = (a & b).sum((1, 2, 3)), (a | b).sum((1, 2, 3))
    return np.where(either > 0, common / np.maximum(either, 1), 1.0)


def color_errors(truth: Voxels, decoded: Voxels) -> Float[np.ndarray, " a"]:
    """Mean absolute error per shape over the voxels that both occupy; NaN where there are none."""
    common = truth.occupancy & decoded.occupancy
    target = np.full_like(decoded.color, COARSE_GREY) if truth.color is None else truth.color
    error = np.abs(target - decoded.color).mean(-1) * common
    count = common.sum((1, 2, 3))
    return np.where(count > 0, error.sum((1, 2, 3)) / np.maximum(count, 1), np.nan)


def mean_of_known(values: Float[np.ndarray, " a"]) -> float:
    """The mean of all that is not NaN; NaN where nothing is known."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
