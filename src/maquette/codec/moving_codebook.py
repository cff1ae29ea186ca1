"""The codebook while it learns: started by k-means, moved as a running mean of what it stands for, dead codes restarted."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from maquette.codec.quantiser import kmeans, nearest


@dataclass
class MovingCodebook:
    """Running use and running sum per code; the code itself is sum / use (van den Oord et al., arXiv 1711.00937, appendix A.1)."""

    use: Float[Tensor, " k"]
    """Running mean of how many vectors per step chose the code."""
    total: Float[Tensor, "k d"]

    @property
    def codes(self) -> Float[Tensor, "k d"]:
        return self.total / self.use[:, None]


def start(
    vectors: Float[Tensor, "m d"], size: int, per_step: int, iterations: int, generator: torch.Generator
) -> MovingCodebook:
    """k-means over `vectors`; `per_step` is how many vectors one training step brings."""
    centres = kmeans(vectors, size, iterations, generator)
    share = torch.bincount(nearest(vectors, centres), minlength=size) / len(vectors)
    use = (share * per_step).clamp(min=0.2)
    return MovingCodebook(use, centres * use[:, None])


def move(book: MovingCodebook, vectors: Float[Tensor, "m d"], codes: Int64[Tensor, " m"], decay: float) -> None:
    """One step of the running means, in place."""
    count = torch.bincount(codes, minlength=len(book.use)).to(vectors.dtype)
    total = torch.zeros_like(book.total).index_add_(0, codes, vectors)
    book.use.lerp_(count, 1 - decay).clamp_(min=1e-4)
    # A code nobody chose keeps its place: use and total shrink together.
    book.total.lerp_(total, 1 - decay)


def revive(
    book: MovingCodebook,
    vectors: Float[Tensor, "m d"],
    codes: Int64[Tensor, " m"],
    least_use: float,
    generator: torch.Generator,
) -> int:
    """Move every code with less than `least_use` onto a badly served vector, in place; how many were moved."""
    dead = (book.use < least_use).nonzero().flatten()[: len(vectors)]
    if len(dead):
        error = (vectors - book.codes[codes]).square().sum(1)
        chosen = vectors[torch.multinomial(error + 1e-9, len(dead), generator=generator)]
        book.use[dead] = 5 * least_use
        book.total[dead] = chosen * book.use[dead, None]
    return len(dead)
