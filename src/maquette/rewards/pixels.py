"""Views as the scorers read them: 64 × 64, four channels (red, green, blue, coverage), centred near zero."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from maquette.types import Views

SIDE = 64
"""Pixels per side of every scorer's input."""


def packed(views: Views) -> UInt8[np.ndarray, "a v 64 64 4"]:
    """Colour and coverage at 64 × 64, each output pixel the mean of what it covers. Raises ValueError for views below 64 pixels."""
    rgba = np.concatenate([views.rgb, views.mask[..., None].astype(np.uint8) * 255], axis=-1)
    a, v, h, w, _ = rgba.shape
    if h == w == SIDE:
        return rgba
    if min(h, w) < SIDE:
        raise ValueError(
            f"scorers read views of at least {SIDE} pixels, got {h} × {w}; render with size={SIDE} or more"
        )
    image = torch.from_numpy(rgba).flatten(0, 1).permute(0, 3, 1, 2).float()
    small = functional.adaptive_avg_pool2d(image, SIDE).round().to(torch.uint8)
    return small.permute(0, 2, 3, 1).reshape(a, v, SIDE, SIDE, 4).numpy()


def unpacked(rgba: UInt8[np.ndarray, "a v 64 64 4"]) -> Float[Tensor, "a v 4 64 64"]:
    """Network input from packed views: every channel from 0..255 to [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(rgba)).permute(0, 1, 4, 2, 3).float().div(127.5).sub(1.0)


def pixels(views: Views) -> Float[Tensor, "a v 4 64 64"]:
    """Network input from rendered views of any size from 64 pixels up."""
    return unpacked(packed(views))
