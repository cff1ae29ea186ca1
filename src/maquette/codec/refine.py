"""Better codes for a given shape: its latent vectors are moved by the decoder's own gradients, through the codebook, for that shape alone.

One pass of the encoder guesses codes that the same decoder can be much more faithful with. As analysis by synthesis: decode, compare,
move the vectors against the gradient (straight through the codebook, as in training), take the nearest codes, and keep the best seen.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from maquette.codec.losses import dice, straight_through
from maquette.codec.model import VoxelVQVAE
from maquette.precision import products

STEP_SIZE = 0.04
"""Of Adam at the first step, in standard deviations of a shape's latent vectors; it falls linearly to zero."""
COLOR = 2.0
"""Weight of colour against shape: at 1 shape is far better than colour, which is what 128 codes are short of (docs/log.md)."""
SCALE = 1024.0
"""Of the error before its gradient is taken, which half precision would lose; Adam divides it out."""


def reconstruction_error(
    logits: Float[Tensor, "a o r r r"], target: Float[Tensor, "a i r r r"], colored: bool
) -> Float[Tensor, " a"]:
    """Soft dice, mean cross-entropy of occupancy, and `COLOR` times the mean absolute sRGB error over the target's voxels, a shape."""
    occupied = target[:, 0]
    entropy = F.binary_cross_entropy_with_logits(logits[:, 0], occupied, reduction="none").mean((1, 2, 3))
    error = dice(logits[:, 0], occupied) + entropy
    if not colored:
        return error
    off = (logits[:, 1:].sigmoid() - target[:, 1:]).abs().mean(1) * occupied
    return error + COLOR * off.sum((1, 2, 3)) / occupied.sum((1, 2, 3)).clamp(min=1)


def refined_codes(
    model: VoxelVQVAE,
    target: Float[Tensor, "a i r r r"],
    steps: int,
    bfloat16: bool = False,
    done: Callable[[], object] = lambda: None,
) -> Int64[Tensor, "a c"]:
    """Codes whose `reconstruction_error` is at most that of the encoder's own, after `steps` updates of Adam; deterministic.

    An update costs a forward and a backward pass of the decoder. The model's weights are neither changed nor given gradients. `done` is
    called after each of the `steps` + 1 comparisons.
    """
    with torch.no_grad(), products(target.device, bfloat16):
        first = model.vectors(target).float()
    unit = first.std((1, 2), keepdim=True)  # of each shape, so that a shape's codes do not hang on its company
    offset = torch.zeros_like(first, requires_grad=True)
    adam = torch.optim.Adam([offset], lr=STEP_SIZE, betas=(0.9, 0.99))
    best_error, best = torch.full((len(target),), torch.inf, device=target.device), model.vq.codes(first)
    for step in range(steps + 1):
        with torch.enable_grad(), products(target.device, bfloat16):
            moved = first + unit * offset
            codes = model.vq.codes(moved.detach())
            logits = model.decode_vectors(straight_through(moved, model.vq.vectors(codes).detach()))
            error = reconstruction_error(logits.float(), target, model.geometry.colored)
            total = SCALE * error.sum()
        better = error.detach() < best_error
        best_error = torch.where(better, error.detach(), best_error)
        best = torch.where(better[:, None], codes, best)
        done()
        if step < steps:
            adam.param_groups[0]["lr"] = STEP_SIZE * (1 - step / steps)
            (offset.grad,) = torch.autograd.grad(total, offset)
            adam.step()
    return best
