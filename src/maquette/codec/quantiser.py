"""Latent cells ↔ codes: packing along z, the codebook, and k-means to start it.

A code is a bar of `cells` neighbouring latent cells along z. With q³ cells, token n = x·q·(q/cells) + y·(q/cells) + z//cells;
for the published codec (q = 16, cells = 4) that is n = 64·x + 4·y + z//4.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int64
from torch import Tensor, nn

# Rows compared with the codebook at a time: 16384 × 8192 distances are 512 MiB.
ROWS_AT_ONCE = 16384


def pack(latent: Float[Tensor, "a l q q q"], cells: int) -> Float[Tensor, "a c d"]:
    """Code vectors in token order; d = cells·l, the cell the slower index: [cell 0's channels, cell 1's channels, …]."""
    return rearrange(latent, "a l x y (z cell) -> a (x y z) (cell l)", cell=cells)


def unpack(vectors: Float[Tensor, "a c d"], cells: int) -> Float[Tensor, "a l q q q"]:
    """The inverse of `pack`."""
    side = round((vectors.shape[1] * cells) ** (1 / 3))
    return rearrange(vectors, "a (x y z) (cell l) -> a l x y (z cell)", x=side, y=side, cell=cells)


def nearest(vectors: Float[Tensor, "m d"], codebook: Float[Tensor, "k d"]) -> Int64[Tensor, " m"]:
    """The index of the Euclid-nearest codebook row of each vector."""
    # |v - e|² = |v|² - 2 v·e + |e|²; |v|² is the same for all e.
    half_norms = codebook.square().sum(1) / 2
    return torch.cat([(half_norms - rows @ codebook.T).argmin(1) for rows in vectors.split(ROWS_AT_ONCE)])


class Quantiser(nn.Module):
    """A codebook of k vectors; holds the weights only, how they move is the trainer's business."""

    def __init__(self, codebook_size: int, dimension: int) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(codebook_size, dimension)
        nn.init.uniform_(self.embeddings.weight, -1 / codebook_size, 1 / codebook_size)

    def codes(self, vectors: Float[Tensor, "a c d"]) -> Int64[Tensor, "a c"]:
        return nearest(vectors.detach().flatten(0, 1), self.embeddings.weight.detach()).view(vectors.shape[:2])

    def vectors(self, codes: Int64[Tensor, "a c"]) -> Float[Tensor, "a c d"]:
        return F.embedding(codes, self.embeddings.weight)


def kmeans(
    vectors: Float[Tensor, "m d"], size: int, iterations: int, generator: torch.Generator
) -> Float[Tensor, "k d"]:
    """`size` cluster centres by Lloyd's algorithm from random distinct rows; an empty cluster moves to a badly served row.

    Raises ValueError where there are fewer rows than clusters.
    """
    if len(vectors) < size:
        raise ValueError(f"k-means needs at least one vector per code: {len(vectors)} vectors for {size} codes.")
    centres = vectors[torch.randperm(len(vectors), generator=generator)[:size]].clone()
    for _ in range(iterations):
        owner = nearest(vectors, centres)
        count = torch.bincount(owner, minlength=size)
        total = torch.zeros_like(centres).index_add_(0, owner, vectors)
        error = (vectors - centres[owner]).square().sum(1)
        centres = torch.where(count[:, None] > 0, total / count.clamp(min=1)[:, None], centres)
        empty = (count == 0).nonzero().flatten()
        if len(empty):
            chosen = torch.multinomial(error + 1e-12, len(empty), generator=generator)
            centres[empty] = vectors[chosen]
    return centres
