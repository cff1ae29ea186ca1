"""Lockstep decoding against `transformers.generate`: the same model, the same number of rows and of new tokens.

    python benchmarks/decoding.py [--threads 2]      # writes benchmarks/results/decoding.json

Two models of random weights (tiny, about 6 M, and about 100 M), 16 and 64 rows (8 answers to a prompt), 180 new tokens a row: 51 of
reasoning and the start of the mesh, 128 codes, one end; the few rows that end their reasoning early wait for the others. `generate` runs
with the dynamic and with the static cache, both sides in float32 and in bfloat16; every setting is written down, and `best_against_best`
is the fastest of each side. `generate` samples from the whole vocabulary (it cannot do otherwise without a processor, which would slow it
down) and returns no log-probs; lockstep samples from the restricted head, with log-probs. In bfloat16 both hold their weights so.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro
from machine import RESULTS, machine, write
from torch import Tensor

from maquette.policy.lockstep import LockstepEngine
from maquette.policy.model import Policy, new_policy, tiny_config
from maquette.policy.tokenizer import PolicyTokenizer, train_tokenizer
from maquette.protocols import Sampling
from maquette.tracking import tell

TEXTS = tuple(f"plan: a {color} {thing}" for color in ("tall red", "blue") for thing in ("chair", "car", "tree", "cup"))
TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Work:
    """A model and what it writes."""

    hidden: int = 256
    layers: int = 6
    codebook: int = 4096
    text_tokens: int = 1350
    codes: int = 128
    reasoning: int = 51
    answers: int = 8

    @property
    def new_tokens(self) -> int:
        return self.reasoning + self.codes + 1


MODELS = {"tiny": Work(), "100m": Work(hidden=768, layers=14, codebook=8192)}
QUICK = {"quick": Work(hidden=64, layers=2, codebook=64, text_tokens=600, codes=8, reasoning=4, answers=2)}
"""For trying the script."""


def random_policy(work: Work) -> Policy:
    words = [f"{a}{b}" for a in "abcdefghijklmnopqrstuvwxyz" for b in range(60)]
    tokenizer = PolicyTokenizer(train_tokenizer(words * 3, work.text_tokens, work.codebook), work.codebook)
    heads = work.hidden // 64
    return new_policy(
        tokenizer, tiny_config(len(tokenizer), work.hidden, work.layers, heads + heads % 2, 3 * work.hidden), 0
    )


Seconds = tuple[float, float]
"""Wall clock, and processor time of all threads: with other load on the machine the second is the fairer one."""


def timed(work: Callable[[], object]) -> Seconds:
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


@torch.no_grad()
def generate(policy: Policy, prompts: list[list[int]], work: Work, cache: str) -> Tensor:
    """By `transformers`, left-padded as it wants it."""
    width, pad = max(map(len, prompts)), policy.tokenizer.pad
    ids = torch.tensor([[pad] * (width - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
    return policy.model.generate(
        ids,
        attention_mask=mask,
        num_return_sequences=work.answers,
        do_sample=True,
        top_k=0,
        min_new_tokens=work.new_tokens,
        max_new_tokens=work.new_tokens,
        cache_implementation=cache,
        pad_token_id=pad,
        eos_token_id=policy.tokenizer.im_end,
    )


def ways(work: Work, prompts: list[list[int]]) -> dict[str, Callable[[], object]]:
    """Each setting of both sides, on weights that are the same but for their type."""
    found: dict[str, Callable[[], object]] = {}
    drawing = Sampling(max_reasoning=work.reasoning)
    for name, dtype in TYPES.items():
        policy = random_policy(work)
        engine = LockstepEngine(policy, work.codes, dtype=dtype)
        found[f"lockstep {name}"] = lambda engine=engine: engine.decode(prompts, work.answers, drawing)
        cast = random_policy(work)
        cast.model.to(dtype).set_attn_implementation("sdpa")
        for cache in ("dynamic", "static"):
            found[f"generate {name}, {cache} cache"] = lambda cast=cast, cache=cache: generate(
                cast, prompts, work, cache
            )
    return found


def measure(work: Work, rows: int, runs: int) -> dict[str, object]:
    """Medians of every setting, turn by turn, so that other load on the machine meets all alike."""
    tokenizer = random_policy(work).tokenizer
    prompts = [tokenizer.chat((text,)) for text in TEXTS[: rows // work.answers]]
    every = ways(work, prompts)
    seconds: dict[str, list[Seconds]] = {name: [] for name in every}
    for way in every.values():
        way()
    for _ in range(runs):
        for name, way in every.items():
            seconds[name].append(timed(way))
    found = {
        name: {
            "seconds": round(statistics.median(run[0] for run in taken), 3),
            "processor_seconds": round(statistics.median(run[1] for run in taken), 3),
            "tokens_per_second": round(rows * work.new_tokens / statistics.median(run[0] for run in taken)),
        }
        for name, taken in seconds.items()
    }
    best = {
        side: min((name for name in found if name.startswith(side)), key=lambda name: found[name]["seconds"])
        for side in ("lockstep", "generate")
    }
    times = {
        clock: round(found[best["generate"]][clock] / found[best["lockstep"]][clock], 2)
        for clock in ("seconds", "processor_seconds")
    }
    return {"rows": rows, "prompts": len(prompts), "ways": found, "best": best, "best_against_best": times}


def main(threads: int = 1, runs: int = 3, quick: bool = False, only: str = "", out: Path = RESULTS) -> None:
    """Measure, print and write.

    Args:
        threads: Of torch, on both sides.
        runs: Of each setting, after one that does not count.
        quick: Micro sizes: proves the script, not the figures.
        only: One of the models: tiny or 100m.
        out: Folder of the results.
    """
    torch.set_num_threads(threads)
    result: dict[str, object] = {**machine(torch.device("cpu")), "median_of": runs}
    for name, work in (QUICK if quick else MODELS).items():
        if only in ("", name):
            sizes = [measure(work, rows, runs) for rows in ((2, 4) if quick else (16, 64))]
            for size in sizes:
                tell(f"{name}, {size['rows']} rows: {size['best_against_best']}")
            weights = sum(p.numel() for p in random_policy(work).parameters())
            result[name] = {**vars(work), "weights": weights, "new_tokens": work.new_tokens, "batches": sizes}
    write("decoding", result, f"python benchmarks/decoding.py --threads {threads} --runs {runs}", out)


if __name__ == "__main__":
    tyro.cli(main)
