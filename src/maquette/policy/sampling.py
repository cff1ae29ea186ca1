"""Drawing tokens by inverse CDF, with random numbers that belong to a row and not to a batch."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from maquette.protocols import Sampling


def check_sampling(sampling: Sampling) -> None:
    """ValueError for numbers that describe no distribution."""
    if sampling.temperature <= 0:
        raise ValueError(
            f"temperature is {sampling.temperature}; it must be above 0 (for the likeliest token take top_k = 1)."
        )
    if not 0 < sampling.top_p <= 1:
        raise ValueError(f"top_p is {sampling.top_p}; it must be above 0 and at most 1.")
    if sampling.top_k < 0 or sampling.max_reasoning < 0:
        raise ValueError(f"top_k is {sampling.top_k}, max_reasoning {sampling.max_reasoning}; neither may be negative.")


def row_uniforms(seed: int, rows: range, steps: int) -> Float[Tensor, "n steps"]:
    """Numbers in [0, 1) that depend on (seed, row, step) only: one Philox stream per row, so batches may be cut anywhere."""
    streams = [np.random.Generator(np.random.Philox(key=[seed % 2**64, row])) for row in rows]
    drawn = np.array([stream.random(steps) for stream in streams]).reshape(len(rows), steps)
    return torch.from_numpy(np.minimum(drawn, 1 - 1e-6).astype(np.float32))


def draw(
    logits: Float[Tensor, "n k"], uniform: Float[Tensor, " n"], sampling: Sampling
) -> tuple[Int64[Tensor, " n"], Float[Tensor, " n"]]:
    """A column per row and its log-prob under what was really sampled (temperature, then top-k, then top-p).

    `torch.multinomial` costs about ten times this at 8192 columns.
    """
    logp = (logits.float() / sampling.temperature).log_softmax(-1)
    if sampling.top_k or sampling.top_p < 1:
        logp = truncate(logp, sampling.top_k, sampling.top_p)
    cdf = logp.exp().cumsum(-1)
    column = torch.searchsorted(cdf, uniform[:, None] * cdf[:, -1:], right=True).clamp_(max=cdf.shape[1] - 1)
    return column[:, 0], logp.gather(1, column)[:, 0]


def truncate(logp: Float[Tensor, "n k"], top_k: int, top_p: float) -> Float[Tensor, "n k"]:
    """The `top_k` likeliest (0: all), of those the fewest whose mass reaches `top_p`; renormalised, -inf elsewhere."""
    ordered, order = logp.sort(-1, descending=True)
    keep = ordered.exp().cumsum(-1) - ordered.exp() < top_p
    if top_k:
        kept = ordered[:, :top_k].log_softmax(-1).exp()
        keep = torch.zeros_like(keep)
        keep[:, :top_k] = kept.cumsum(-1) - kept < top_p
    keep[:, 0] = True
    ordered = ordered.masked_fill(~keep, -torch.inf).log_softmax(-1)
    return torch.full_like(logp, -torch.inf).scatter(1, order, ordered)
