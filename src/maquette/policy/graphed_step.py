"""The lockstep step as CUDA graphs: at 7 B, launching a step's kernels one by one takes longer than they run."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from maquette.policy.cached_decoder import Cache, CachedDecoder

BUCKET = 128
"""A graph has fixed shapes: how much of the cache it reads is rounded up to this many slots, one graph each."""

Step = Callable[[Int64[Tensor, " n"], int], Float[Tensor, "n d"]]
"""`step(tokens, filled)`: one token a row; as `CachedDecoder.step` over one cache."""


def stepper(decoder: CachedDecoder, cache: Cache) -> Step:
    """The fastest way to step on the device that the cache lies on."""
    if cache.slots.is_cuda:
        return GraphedStep(decoder, cache)
    return lambda tokens, filled: decoder.step(tokens, cache, filled)


def rounded(filled: int, capacity: int) -> int:
    """Slots that a graph reads; those beyond `filled` are masked, so nothing changes.

    >>> rounded(1, 1000), rounded(128, 1000), rounded(129, 1000), rounded(999, 1000)
    (128, 128, 256, 1000)
    """
    return min(-(-filled // BUCKET) * BUCKET, capacity)


class GraphedStep:
    """Captured at the first step of each width, replayed for the others; it reads and moves the given cache alone."""

    def __init__(self, decoder: CachedDecoder, cache: Cache) -> None:
        self._decoder, self._cache = decoder, cache
        self._tokens = torch.zeros_like(cache.slots)
        self._graphs: dict[int, tuple[torch.cuda.CUDAGraph, Tensor]] = {}

    def __call__(self, tokens: Int64[Tensor, " n"], filled: int) -> Float[Tensor, "n d"]:
        width = rounded(filled, self._cache.bias.shape[1])
        self._tokens.copy_(tokens)
        if width not in self._graphs:
            self._graphs[width] = self._capture(width)
        graph, hidden = self._graphs[width]
        graph.replay()
        return hidden.clone()

    def _capture(self, width: int) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        """Warm-up steps write what the replay writes again: the same token at the same slot."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(2):
                self._decoder.step(self._tokens, self._cache, width)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        # Judges of the stage before may work on this GPU in a thread of their own: only this thread's calls may not disturb the capture.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            hidden = self._decoder.step(self._tokens, self._cache, width)
        return graph, hidden
