"""Rollouts and updates at 7 B on one GPU, each beside its bound and beside `generate`. Random weights: the work is the same.

    python benchmarks/gpu.py                        # a CUDA device; writes benchmarks/results/gpu.json
    python benchmarks/gpu.py --device cpu --tiny    # the same road at tiny size; proves the script, not the speed

The model has the text decoder of Qwen2.5-VL-7B and 8192 mesh tokens. A rollout is two stages of 64 answers (8 prompts × 8) with 1024
codes each. The bound of decoding is the time to read the weights and the filled cache once per step at the bandwidth that a plain
copy reaches on this device; that of the update is its products at the rate that a large product reaches. What was not run is said.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import tyro
from machine import RESULTS, bandwidth, machine, peak_gib, products, seconds, wait, write
from peft import LoraConfig, inject_adapter_in_model
from torch import Tensor
from transformers import Qwen2Config, Qwen2ForCausalLM

from maquette.config import AlgorithmConfig, OptimiserConfig
from maquette.policy.cached_decoder import CachedDecoder
from maquette.policy.lockstep import LockstepEngine
from maquette.policy.model import Policy
from maquette.policy.tokenizer import PolicyTokenizer, train_tokenizer
from maquette.protocols import Sampling
from maquette.tracking import Stopwatch
from maquette.training.update import Learner, make_optimizer, update
from maquette.types import Rollouts

LORA_RANK = 64


@dataclass(frozen=True)
class Size:
    """What is built and how much it writes."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    mlp: int
    rows: int
    codebook: int
    codes: int
    reasoning: int
    prompt: int
    prompts: int
    answers: int
    generate_tokens: int
    micro_batch_tokens: int


FULL = Size(3584, 28, 28, 4, 18944, 159872, 8192, 1024, 96, 128, 8, 8, 128, 16384)
TINY = Size(64, 2, 4, 2, 128, 2048, 512, 16, 6, 12, 2, 2, 12, 256)


def build(size: Size, device: torch.device, dtype: torch.dtype) -> Policy:
    """Random weights made on the device; as many head rows as the full model has."""
    words = [f"{a}{b}" for a in "abcdefghijklmnopqrstuvwxyz" for b in range(20)]
    inner = train_tokenizer(words * 3, 600, size.codebook)
    tokenizer = PolicyTokenizer(inner, size.codebook)
    # a reasoning token's distribution is over as many rows as in the full model, though this tokenizer knows few words
    tokenizer.text_ids = [*tokenizer.text_ids, *range(len(inner), size.rows)]
    config = Qwen2Config(
        vocab_size=size.rows,
        hidden_size=size.hidden,
        intermediate_size=size.mlp,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        num_key_value_heads=size.kv_heads,
        max_position_embeddings=4096,
        rope_theta=1e6,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=None,
    )
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            model = Qwen2ForCausalLM._from_config(config, attn_implementation="sdpa")
    finally:
        torch.set_default_dtype(before)
    return Policy(model.eval(), tokenizer)


def prompts_of(size: Size) -> list[list[int]]:
    return [[10 + (7 * row + place) % 200 for place in range(size.prompt)] for row in range(size.prompts)]


def rollout(engine: LockstepEngine, size: Size) -> Rollouts:
    """Two stages: the second has one prompt per answer, longer by the plan. What comes out is the second's."""
    sampling = Sampling(max_reasoning=size.reasoning)
    first = engine.decode(prompts_of(size), size.answers, sampling)
    written = first.tokens[:, : size.prompt + size.reasoning].tolist()
    return engine.decode(written, 1, sampling)


def decoding(policy: Policy, size: Size, device: torch.device, dtype: torch.dtype, speed: float, runs: int) -> dict:
    """Two-stage rollouts: tokens a second, and how much of the bandwidth bound that is."""
    engine = LockstepEngine(policy, size.codes, dtype)
    taken = seconds(lambda: rollout(engine, size), device, runs)
    rows, steps = size.prompts * size.answers, 2 * (size.reasoning + size.codes)
    decoder = CachedDecoder(policy.decoder, dtype)
    weights = sum(value.nbytes for layer in decoder.layers for value in vars(layer).values())
    head = size.codebook * size.hidden * dtype.itemsize
    average = size.prompt + size.reasoning + (size.reasoning + size.codes) / 2
    width = size.hidden // size.heads * size.kv_heads
    cache = rows * average * 2 * size.layers * width * dtype.itemsize
    bound = steps * (weights + head + cache) / speed
    return {
        "answers": rows,
        "steps": steps,
        "seconds": round(taken, 3),
        "tokens_per_second": round(rows * steps / taken),
        "bound_seconds": float(f"{bound:.3g}"),
        "share_of_bound": float(f"{bound / taken:.3g}"),
        "peak_gib": peak_gib(device),
    }


@torch.no_grad()
def generating(policy: Policy, size: Size, device: torch.device, runs: int) -> dict[str, dict[str, float]]:
    """`transformers.generate` with as many rows, a stated number of new tokens after the prompts."""
    ids = torch.tensor(prompts_of(size), device=device).repeat_interleave(size.answers, 0)
    found = {}
    for cache in ("dynamic", "static"):
        options = {"do_sample": True, "top_k": 0, "pad_token_id": policy.tokenizer.pad, "cache_implementation": cache}
        count = size.generate_tokens

        def work(options: dict = options, count: int = count) -> Tensor:
            mask = torch.ones_like(ids)
            return policy.model.generate(
                ids, attention_mask=mask, min_new_tokens=count, max_new_tokens=count, **options
            )

        taken = seconds(work, device, runs)
        found[cache] = {"seconds": round(taken, 3), "tokens_per_second": round(len(ids) * count / taken)}
    peak_gib(device)
    return found


def updating(policy: Policy, size: Size, device: torch.device, rate: float) -> dict[str, object]:
    """One LoRA update with checkpointed activations over the second stage of one rollout, second of two: the first warms up."""
    rollouts = rollout(LockstepEngine(policy, size.codes, policy.head_weight.dtype), size)
    names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    policy.requires_grad_(False)
    inject_adapter_in_model(LoraConfig(r=LORA_RANK, lora_alpha=LORA_RANK, target_modules=names), policy.model)
    policy.model.gradient_checkpointing_enable({"use_reentrant": False})
    policy.train()
    optimiser = OptimiserConfig(micro_batch_tokens=size.micro_batch_tokens, precision="bfloat16")
    algorithm = AlgorithmConfig(kl="none")
    learner = Learner(policy, None, make_optimizer(policy, optimiser), algorithm, optimiser, 1.0, (size.codes,))
    advantages = torch.linspace(-1, 1, len(rollouts.answer), dtype=torch.float64)[:, None, None].expand(-1, 1, 2)

    def work() -> None:
        update(learner, rollouts, advantages, group_size=size.answers, seed=(0, 0), clock=Stopwatch())

    peak_gib(device)
    taken = seconds(work, device, 1)
    tokens = int((rollouts.segment != 0).sum())
    backbone = sum(
        p.numel() for name, p in policy.decoder.named_parameters() if "lora" not in name and "embed" not in name
    )
    # 2 a weight and token forward, 2 again for the checkpoints, 2 for the gradient of what goes in; the weights have none
    bound = 6 * backbone * tokens / rate
    return {
        "sequences": len(rollouts.answer),
        "tokens": tokens,
        "lora_rank": LORA_RANK,
        "seconds": round(taken, 3),
        "tokens_per_second": round(tokens / taken),
        "bound_seconds": float(f"{bound:.3g}"),
        "share_of_bound": float(f"{bound / taken:.3g}"),
        "peak_gib": peak_gib(device),
    }


def try_out(name: str, work: Callable[[], dict], result: dict[str, object], device: torch.device) -> None:
    """A part that fails here (too little memory, no compiler for a compiled `generate`) is named with its reason; the others still run."""
    began = time.perf_counter()
    try:
        result[name] = work()
    except RuntimeError as error:
        result[name] = {"not_run": f"{type(error).__name__}: {str(error).splitlines()[0]}"}
        torch.cuda.empty_cache()
    wait(device)
    print(f"{name}: {time.perf_counter() - began:.0f} s", flush=True)


def main(device: str = "cuda", tiny: bool = False, runs: int = 3, out: Path = RESULTS) -> None:
    """Measure, print and write.

    Args:
        device: cuda, or cpu to try the script.
        tiny: Another geometry; the same code.
        runs: Of each, after one that does not count.
        out: Folder of the results.
    """
    place = torch.device(device)
    if place.type == "cuda" and not torch.cuda.is_available():
        result = {"not_run": "everything: this machine has no CUDA device", "size": asdict(FULL)}
        write("gpu", result, "python benchmarks/gpu.py", out)
        return
    size, dtype = (TINY if tiny else FULL), torch.bfloat16
    name = "gpu" if place.type == "cuda" and not tiny else f"gpu-{place.type}{'-tiny' if tiny else ''}"
    speed = bandwidth(place, 64 if tiny else 4096)
    rate = products(place, dtype, 512 if tiny else 8192)
    policy = build(size, place, dtype)
    result: dict[str, object] = {
        **machine(place),
        "size": asdict(size),
        "parameters": sum(p.numel() for p in policy.parameters()),
        "dtype": str(dtype).removeprefix("torch."),
        "measured_gb_per_second": round(speed / 1e9, 1),
        "measured_tflops": round(rate / 1e12, 2),
        "not_run": [] if name == "gpu" else ["the 7 B geometry on a GPU: these numbers say nothing about it"],
    }
    command = f"python benchmarks/gpu.py --device {device}{' --tiny' if tiny else ''} --runs {runs}"
    parts: dict[str, Callable[[], dict]] = {
        "rollout": lambda: decoding(policy, size, place, dtype, speed, runs),
        "generate": lambda: generating(policy, size, place, runs),
        "update": lambda: updating(policy, size, place, rate),  # last: it leaves adapters in the model
    }
    for part, work in parts.items():
        try_out(part, work, result, place)
        write(name, result, command, out)  # each as soon as it is there


if __name__ == "__main__":
    tyro.cli(main)
