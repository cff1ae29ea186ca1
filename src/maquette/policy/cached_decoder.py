"""The Qwen2 decoder for one new token a row: the same weights, fused matrices, a preallocated key-value cache.

Every row has its own next slot, so rows of unlike length share a batch; what a row may look at is kept as an additive bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import linear, rms_norm, scaled_dot_product_attention, silu

from maquette.policy.adapters import effective_weight
from maquette.policy.sharding import whole
from maquette.policy.vision import image_positions, with_images
from maquette.types import SeenImage


def snapshot(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """A weight as decoding reads it. Shards are converted first and then fetched, once for all the tokens of a call of `decode`."""
    return whole(weight.detach().to(dtype))


def effective(layer: nn.Module, dtype: torch.dtype) -> Tensor:
    """The same of a linear layer with whatever adapts it."""
    return snapshot(effective_weight(layer), dtype)


@dataclass(frozen=True)
class LayerWeights:
    """One layer, with q, k and v, and gate and up, stacked."""

    norm_in: Float[Tensor, " d"]
    qkv: Float[Tensor, "qkv d"]
    qkv_bias: Float[Tensor, " qkv"]
    out: Float[Tensor, "d heads"]
    norm_mlp: Float[Tensor, " d"]
    gate_up: Float[Tensor, "mlp2 d"]
    down: Float[Tensor, "d mlp"]

    @classmethod
    def of(cls, layer: Any, dtype: torch.dtype) -> LayerWeights:
        attention, mlp = layer.self_attn, layer.mlp
        projections = (attention.q_proj, attention.k_proj, attention.v_proj)
        parts = (
            snapshot(layer.input_layernorm.weight, dtype),
            torch.cat([effective(p, dtype) for p in projections]),
            torch.cat([snapshot(p.bias, dtype) for p in projections]),
            effective(attention.o_proj, dtype),
            snapshot(layer.post_attention_layernorm.weight, dtype),
            torch.cat([effective(mlp.gate_proj, dtype), effective(mlp.up_proj, dtype)]),
            effective(mlp.down_proj, dtype),
        )
        return cls(*parts)


@dataclass(frozen=True)
class Cache:
    """Keys and values of n rows; the caller holds it. `slots` is each row's next free slot, where its next token goes."""

    keys: Float[Tensor, "l n kv e slots"]
    """Transposed: products with a slice of it need no copy (bfloat16 attention takes half the time)."""
    values: Float[Tensor, "l n kv slots e"]
    bias: Float[Tensor, "n slots"]
    """0 where the row may look, -inf where it may not."""
    slots: Int64[Tensor, " n"]
    offsets: Int64[Tensor, " n"]
    """What is added to a row's slot to have its position: below 0 where a picture's tokens share positions."""


class CachedDecoder:
    """A snapshot of a policy's decoder in `dtype`; make a new one when the weights have changed (milliseconds at tiny size)."""

    def __init__(self, decoder: Any, dtype: torch.dtype) -> None:
        config = decoder.config  # `Any`: what a module of transformers holds is not declared
        self.dtype = dtype
        self.heads, self.kv_heads = config.num_attention_heads, config.num_key_value_heads
        self.head_size = config.hidden_size // self.heads
        self.eps = config.rms_norm_eps
        self.limit = config.max_position_embeddings
        self.embedding = snapshot(decoder.embed_tokens.weight, dtype)
        self.layers = [LayerWeights.of(layer, dtype) for layer in decoder.layers]
        self.norm = snapshot(decoder.norm.weight, dtype)
        self.inverse_frequencies = decoder.rotary_emb.inv_freq.detach().float()
        self.axis_sizes: list[int] = (config.rope_parameters or {}).get("mrope_section") or []
        """How many frequencies turn by time, row and column; [] where positions have one axis."""

    def prefill(
        self,
        prompts: Int64[Tensor, "p t"],
        lengths: Int64[Tensor, " p"],
        owner: Int64[Tensor, " n"],
        capacity: int,
        images: Sequence[SeenImage | None] = (),
        image_token: int = -1,
    ) -> tuple[Float[Tensor, "n d"], Cache]:
        """Read right-padded prompts once each; row i begins with prompt `owner[i]`, and prompt j sees picture `images[j]`.

        What comes out: the hidden state after each row's last token, and the cache of all rows.
        """
        p, width = prompts.shape
        n, device = len(owner), prompts.device
        shape = (len(self.layers), n, self.kv_heads, capacity, self.head_size)
        values = torch.zeros(shape, dtype=self.dtype, device=device)
        keys = torch.zeros_like(values.transpose(-1, -2), memory_format=torch.contiguous_format)
        if any(images):
            x = with_images(prompts, images, image_token, self.embedding)
            places = image_positions(prompts, images, image_token)
            turn, offsets = self._rotation_by_axis(places), places[0, :, -1] - (width - 1)
        else:
            x = self.embedding[prompts]
            turn, offsets = self._rotation(torch.arange(width, device=device)), torch.zeros_like(lengths)
        for index, layer in enumerate(self.layers):
            q, k, v = self._qkv(layer, x, turn)
            keys[index, :, :, :, :width] = k[owner].transpose(-1, -2)
            values[index, :, :, :width] = v[owner]
            seen = scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
            x = self._finish(layer, x, seen.transpose(1, 2).reshape(p, width, -1))
        last = self._norm(x[torch.arange(p, device=device), lengths - 1], self.norm)
        slots = lengths[owner]
        bias = torch.zeros(n, capacity, dtype=self.dtype, device=device)
        bias.masked_fill_(torch.arange(capacity, device=device) >= slots[:, None], -torch.inf)
        return last[owner], Cache(keys, values, bias, slots, offsets[owner])

    def step(self, tokens: Int64[Tensor, " n"], cache: Cache, filled: int) -> Float[Tensor, "n d"]:
        """Write one token a row at its slot and return its hidden state; the caller then moves `slots` on.

        `filled` bounds the slots in use (any row's next slot + 1). A row whose slot is not moved writes there again.
        """
        rows = torch.arange(len(tokens), device=tokens.device)
        cache.bias.scatter_(
            1, cache.slots[:, None], 0.0
        )  # a number written by index would be copied, which no graph allows
        bias = cache.bias[:, None, None, :filled]
        x = self.embedding[tokens][:, None]
        turn = self._rotation((cache.slots + cache.offsets)[:, None])
        group = (len(tokens), self.kv_heads, self.heads // self.kv_heads, self.head_size)
        for index, layer in enumerate(self.layers):
            q, k, v = self._qkv(layer, x, turn)
            cache.keys[index][rows, :, :, cache.slots] = k[:, :, 0]
            cache.values[index][rows, :, cache.slots] = v[:, :, 0]
            scores = q.reshape(group) @ cache.keys[index, :, :, :, :filled]
            weights = (scores * self.head_size**-0.5 + bias).softmax(-1)
            seen = weights @ cache.values[index, :, :, :filled]
            x = self._finish(layer, x, seen.reshape(len(tokens), 1, -1))
        return self._norm(x[:, 0], self.norm)

    def _qkv(self, layer: LayerWeights, x: Tensor, turn: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """q [n heads t e], k and v [n kv t e], q and k turned by their positions."""
        mixed = linear(self._norm(x, layer.norm_in), layer.qkv, layer.qkv_bias)
        split = mixed.unflatten(-1, (-1, self.head_size)).transpose(1, 2)
        turned, v = split.split([self.heads + self.kv_heads, self.kv_heads], 1)
        cos, sin = turn
        half = self.head_size // 2
        swapped = torch.cat([-turned[..., half:], turned[..., :half]], -1)
        turned = turned * cos + swapped * sin
        q, k = turned.split([self.heads, self.kv_heads], 1)
        return q, k, v

    def _finish(self, layer: LayerWeights, x: Tensor, seen: Tensor) -> Tensor:
        x = x + linear(seen, layer.out)
        gate, up = linear(self._norm(x, layer.norm_mlp), layer.gate_up).chunk(2, -1)
        return x + linear(silu(gate) * up, layer.down)

    def _norm(self, x: Tensor, weight: Tensor) -> Tensor:
        return rms_norm(x, (x.shape[-1],), weight, self.eps)

    def _rotation(self, positions: Int64[Tensor, "*n t"]) -> tuple[Tensor, Tensor]:
        """cos and sin, broadcastable over heads: [*n 1 t e]."""
        return self._turned(positions[..., None].float() * self.inverse_frequencies)

    def _rotation_by_axis(self, positions: Int64[Tensor, "axes n t"]) -> tuple[Tensor, Tensor]:
        """The same of (time, row, column): each frequency turns by the axis that it belongs to."""
        angles = (positions[..., None].float() * self.inverse_frequencies).split(self.axis_sizes, -1)
        return self._turned(torch.cat([angle[axis] for axis, angle in enumerate(angles)], -1))

    def _turned(self, angle: Tensor) -> tuple[Tensor, Tensor]:
        both = torch.cat([angle, angle], -1).unsqueeze(-3)
        return both.cos().to(self.dtype), both.sin().to(self.dtype)
