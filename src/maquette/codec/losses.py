"""What a decoded shape is compared by while the codec learns."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

SURFACE_WEIGHT = 3.0
"""How much more a voxel beside the surface counts than one deep inside or outside: there thin parts live or die."""


def occupancy_loss(logits: Float[Tensor, "a r r r"], target: Float[Tensor, "a r r r"]) -> Float[Tensor, ""]:
    """Cross-entropy (mean over voxels, more beside the surface) plus the soft dice loss (mean over shapes)."""
    weight = 1 + (SURFACE_WEIGHT - 1) * beside_surface(target)
    entropy = F.binary_cross_entropy_with_logits(logits, target, weight) / weight.mean()
    return entropy + dice(logits, target).mean()


def dice(logits: Float[Tensor, "a r r r"], target: Float[Tensor, "a r r r"]) -> Float[Tensor, " a"]:
    """1 - 2|P∩T| / (|P| + |T|) with soft P, of each shape; an empty target costs as much as one voxel would."""
    soft, shape = logits.sigmoid(), (1, 2, 3)
    common, total = (soft * target).sum(shape), (soft + target).sum(shape)
    return 1 - (2 * common + 1) / (total + 1)


def color_loss(
    logits: Float[Tensor, "a 3 r r r"], target: Float[Tensor, "a 3 r r r"], occupied: Float[Tensor, "a r r r"]
) -> Float[Tensor, ""]:
    """Mean absolute sRGB error over the occupied voxels of the target, plus the cross-entropy above its least value.

    The first is what counts; the second has a gradient where the sigmoid saturates, without which colour is learnt late.
    """
    absolute = (logits.sigmoid() - target).abs()
    excess = F.binary_cross_entropy_with_logits(logits, target, reduction="none") - binary_entropy(target)
    return ((absolute + excess).mean(1) * occupied).sum() / occupied.sum().clamp(min=1)


def binary_entropy(p: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """-p log p - (1-p) log(1-p), 0 at both ends."""
    return -(torch.xlogy(p, p) + torch.xlogy(1 - p, 1 - p))


def beside_surface(occupied: Float[Tensor, "a r r r"]) -> Float[Tensor, "a r r r"]:
    """1 where the 3³ neighbourhood holds both full and empty voxels, else 0; outside the grid is nothing."""
    grid = occupied[:, None]
    highest = F.max_pool3d(grid, 3, stride=1, padding=1)
    lowest = -F.max_pool3d(-grid, 3, stride=1, padding=1)
    return (highest - lowest)[:, 0]


def commitment(vectors: Float[Tensor, "a c d"], quantised: Float[Tensor, "a c d"]) -> Float[Tensor, ""]:
    """Mean squared distance that pulls the encoder's vectors to their codes (VQ-VAE, arXiv 1711.00937, eq. 3, third term)."""
    return F.mse_loss(vectors, quantised.detach())


def straight_through(vectors: Float[Tensor, "a c d"], quantised: Float[Tensor, "a c d"]) -> Float[Tensor, "a c d"]:
    """The quantised values with the gradient of the unquantised ones."""
    return vectors + (quantised - vectors).detach()


def squared_latent(vectors: Float[Tensor, "a c d"]) -> Float[Tensor, ""]:
    """Mean square; a small weight of it keeps latents near the origin before there is a codebook."""
    return torch.mean(vectors.square())
