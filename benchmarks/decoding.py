"""Lockstep decoding against `transformers.generate`, the same tiny model, the same number of new tokens.

    python benchmarks/decoding.py            # writes benchmarks/results/decoding.json

4 prompts × 8 answers, 180 new tokens a row: 51 of reasoning and the start of the mesh, 128 codes, one end. `generate` samples from the
whole vocabulary (it cannot do otherwise without a processor, which would slow it down), lockstep from the restricted head and
with log-probs. Weights are random: the work is the same.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from maquette.policy.lockstep import LockstepEngine
from maquette.policy.model import Policy, new_policy, tiny_config
from maquette.policy.tokenizer import PolicyTokenizer, train_tokenizer
from maquette.protocols import Sampling
from maquette.tracking import provenance

CODES, REASONING, ANSWERS, RUNS = 128, 51, 8, 5
NEW_TOKENS = REASONING + CODES + 1
TEXTS = (
    "plan: a tall red chair with four legs",
    "plan: a blue car with four wheels",
    "plan: a green tree",
    "plan: a cup",
)


def random_policy() -> Policy:
    """The tiny size with 1350 text tokens and 2048 codes; the terminator is made unlikely, so that every row reasons to the limit."""
    words = [f"{a}{b}" for a in "abcdefghijklmnopqrstuvwxyz" for b in range(60)]
    tokenizer = PolicyTokenizer(train_tokenizer(words * 3, 1350, 2048), 2048)
    return new_policy(tokenizer, tiny_config(len(tokenizer)), seed=0)


Seconds = tuple[float, float]
"""Wall clock, and processor time of all threads: with other load on the machine the second is the fairer one."""


def timed(work: Callable[[], object]) -> Seconds:
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def lockstep(policy: Policy, prompts: list[list[int]], dtype: torch.dtype) -> Seconds:
    """One batch."""
    engine = LockstepEngine(policy, CODES, dtype=dtype)
    return timed(lambda: engine.decode(prompts, ANSWERS, Sampling(max_reasoning=REASONING)))


@torch.no_grad()
def generate(policy: Policy, prompts: list[list[int]]) -> Seconds:
    """The same by `transformers`, left-padded as it wants it."""
    width = max(len(p) for p in prompts)
    ids = torch.tensor([[policy.tokenizer.pad] * (width - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
    options = {"do_sample": True, "top_k": 0, "min_new_tokens": NEW_TOKENS, "max_new_tokens": NEW_TOKENS}
    ends = {"pad_token_id": policy.tokenizer.pad, "eos_token_id": policy.tokenizer.im_end}
    call = partial(policy.model.generate, ids, attention_mask=mask, num_return_sequences=ANSWERS)
    policy.model.set_attn_implementation("sdpa")
    return timed(lambda: call(**options, **ends))


def main() -> None:
    policy = random_policy()
    prompts = [policy.tokenizer.chat((text,)) for text in TEXTS]
    ways = {
        "generate": lambda: generate(policy, prompts),
        "lockstep float32": lambda: lockstep(policy, prompts, torch.float32),
        "lockstep bfloat16": lambda: lockstep(policy, prompts, torch.bfloat16),
    }
    seconds: dict[str, list[Seconds]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in range(RUNS):  # turn by turn, so that other load on the machine meets all alike
        for name, way in ways.items():
            seconds[name].append(way())
    rows = len(prompts) * ANSWERS
    wall = {name: statistics.median(run[0] for run in runs) for name, runs in seconds.items()}
    processor = {name: statistics.median(run[1] for run in runs) for name, runs in seconds.items()}
    result = {
        "rows": rows,
        "new_tokens": NEW_TOKENS,
        "threads": torch.get_num_threads(),
        "load_average": os.getloadavg(),
        "median_of": RUNS,
        "ways": {
            name: {
                "seconds": round(wall[name], 3),
                "processor_seconds": round(processor[name], 3),
                "tokens_per_second": round(rows * NEW_TOKENS / wall[name]),
                "times_generate": round(wall["generate"] / wall[name], 2),
                "times_generate_processor": round(processor["generate"] / processor[name], 2),
            }
            for name in ways
        },
        **provenance("python benchmarks/decoding.py"),
    }
    path = Path(__file__).parent / "results" / "decoding.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
