"""What a full-size policy weighs, keeps and computes: plain arithmetic over its geometry, checked against meta-device modules."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from maquette.runs import read_json

BYTES = {"float32": 4.0, "bfloat16": 2.0, "4bit": 0.53}
"""Per weight; NF4 with doubly quantised scales has 4.25 bits, its norms and biases 16."""


VLLM_SHARE = 0.4
"""Of a GPU's memory, which vLLM in the trainer's process takes for its copy of the weights and, all the rest, for keys and values."""


@dataclass(frozen=True)
class DecoderSize:
    """The numbers of a Qwen2.5-VL that decide memory and time."""

    hidden: int = 3584
    layers: int = 28
    heads: int = 28
    kv_heads: int = 4
    mlp: int = 18944
    rows: int = 159_872
    """Of embedding and head, each; 159,859 tokens, rounded up to 64."""
    codes: int = 8192
    vision: int = 676_550_144
    """Weights of the vision tower (it answers image prompts, and never learns)."""
    tied: bool = False

    @property
    def head_size(self) -> int:
        return self.hidden // self.heads

    @property
    def matrices(self) -> int:
        """Weights of one layer's seven matrices."""
        attention = self.hidden * self.head_size * (2 * self.heads + 2 * self.kv_heads)
        return attention + 3 * self.hidden * self.mlp

    @property
    def cached(self) -> int:
        """Numbers that the cache of keys and values keeps of a token."""
        return 2 * self.kv_heads * self.head_size * self.layers

    @property
    def per_layer(self) -> int:
        """With the biases of q, k and v, and two norms."""
        return self.matrices + self.head_size * (self.heads + 2 * self.kv_heads) + 2 * self.hidden

    @property
    def tables(self) -> int:
        """Embedding and head."""
        return self.rows * self.hidden * (1 if self.tied else 2)

    @property
    def text(self) -> int:
        """Every weight but the vision tower's."""
        return self.layers * self.per_layer + self.hidden + self.tables

    @property
    def total(self) -> int:
        return self.text + self.vision

    def lora(self, rank: int) -> int:
        """Weights of adapters of that rank on all seven matrices of every layer."""
        q, kv = self.heads * self.head_size, self.kv_heads * self.head_size
        ends = (self.hidden + q) + 2 * (self.hidden + kv) + (q + self.hidden) + 3 * (self.hidden + self.mlp)
        return self.layers * rank * ends


@dataclass(frozen=True)
class Load:
    """One step's tokens."""

    rows: int
    """Sequences decoded at a time."""
    longest: int
    """Tokens of the longest sequence, prompt and all."""
    micro_tokens: int
    """Tokens of one forward and backward pass."""


def size_of(folder: Path) -> DecoderSize:
    """From a model folder's config.json; the vision tower keeps the published count."""
    tree = read_json(folder / "config.json")
    text = tree.get("text_config") or tree
    return DecoderSize(
        hidden=text["hidden_size"],
        layers=text["num_hidden_layers"],
        heads=text["num_attention_heads"],
        kv_heads=text["num_key_value_heads"],
        mlp=text["intermediate_size"],
        rows=text["vocab_size"],
        tied=bool(tree.get("tie_word_embeddings")),
    )


def memory(
    size: DecoderSize,
    load: Load,
    *,
    weights: str,
    lora_rank: int,
    checkpointing: bool,
    reference: bool,
    decoding: str = "bfloat16",
    engine: Literal["lockstep", "vllm", "vllm-server"] = "lockstep",
    gpus: int = 1,
) -> dict[str, float]:
    """GiB on one GPU by what it is for; `gpus` share weights, gradients and moments (FSDP2), never caches or activations.

    `decoding`: the type of lockstep's own copies, float32 or bfloat16; vLLM's are bfloat16, and a server's are not on this GPU. Loading
    is not counted: every process holds all weights, in the type of the file and in its own, before it keeps its share.
    """
    learning = size.lora(lora_rank) if lora_rank else size.text
    # linear layers alone are held in 4 bits; tables stay in 16
    model = (size.total - size.tables) * BYTES[weights] + size.tables * max(BYTES[weights], 2.0)
    copied = 0.0 if weights != "float32" or decoding == "float32" else size.tables * BYTES[decoding]
    whole = {
        "weights": model,
        "second copy for the reference": model if reference and not lora_rank else 0.0,
        # float32 gradients and two moments; adapters are held in float32 beside the base
        "gradients and moments": learning * (16.0 if lora_rank else 12.0),
    }
    kept = 2 if checkpointing else 34
    """Widths of `hidden` that a token keeps per layer: its input alone, or attention, norms and the MLP's three."""
    within = 34 if checkpointing else 0
    lockstep = {
        "decoding: stacked matrices": size.layers * size.matrices * BYTES[decoding],
        "decoding: embedding and head": copied,
        "decoding: keys and values": load.rows * load.longest * size.cached * BYTES[decoding],
    }
    own = size.total * BYTES["bfloat16"]
    vllm = {
        "decoding: vLLM's own weights": own,
        "decoding: vLLM's keys and values": max(0.0, VLLM_SHARE * Machine().memory - own),
    }
    alone = {"lockstep": lockstep, "vllm": vllm, "vllm-server": {}}[engine] | {
        "activations": load.micro_tokens * size.hidden * (kept * size.layers + within) * 1.0,
        "logits of the codes alone": 3.0 * load.micro_tokens * size.codes * 4.0,
        "codec": 133.2e6 * 3.0,
    }
    shared = {name: value / gpus for name, value in whole.items()}
    return {name: value / 2**30 for name, value in (shared | alone).items() if value}


def logits_gib(size: DecoderSize, tokens: int, *, restricted: bool) -> float:
    """One float32 copy of the logits of that many tokens."""
    return tokens * (size.codes if restricted else size.rows) * 4 / 2**30


@dataclass(frozen=True)
class Machine:
    """What one GPU is taken to do: H100's data sheet, and shares of it that are reached.

    Those of lockstep decoding and of updates were measured on one H200 against its own data sheet (benchmarks/gpu.py).
    """

    name: str = "H100 80 GB"
    memory: float = 80e9
    """Bytes."""
    bandwidth: float = 3.35e12
    """Bytes a second."""
    flops: float = 989e12
    """Of dense bfloat16."""
    lockstep_bandwidth: float = 0.37
    served_bandwidth: float = 0.6
    """Of a judge's server; assumed."""
    reached_flops: float = 0.4


def decode_seconds(size: DecoderSize, load: Load, steps: int, machine: Machine = Machine()) -> float:
    """Lockstep decoding of `rows` sequences for `steps` tokens: every step reads the layers, the codes' head rows, half the cache."""
    read = 2.0 * (size.layers * size.matrices + size.codes * size.hidden)
    cache = load.rows * load.longest * size.cached * 2.0 / 2
    return steps * (read + cache) / (machine.bandwidth * machine.lockstep_bandwidth)


def update_seconds(
    size: DecoderSize, tokens: int, *, lora: bool, checkpointing: bool, reference: bool, machine: Machine = Machine()
) -> float:
    """Forward 2, backward 4 (2 where only adapters learn), recomputation 2, reference 2 operations a weight and token."""
    passes = 2 + (2 if lora else 4) + (2 if checkpointing else 0) + (2 if reference else 0)
    return passes * size.layers * size.matrices * tokens / (machine.flops * machine.reached_flops)


def judge_seconds(requests: int, tokens_in: float, tokens_out: float, machine: Machine = Machine()) -> float:
    """One server with a 7B judge on one GPU: reading at the processor's rate, writing 32 answers at a time at the memory's."""
    size = DecoderSize()
    weights = size.layers * size.matrices
    reading = 2 * weights * tokens_in / (machine.flops * machine.reached_flops)
    writing = tokens_out * 2.0 * weights / (machine.bandwidth * machine.served_bandwidth) / 32
    return requests * (reading + writing)
