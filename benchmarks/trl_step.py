"""One GRPO update against TRL 1.16: the same model, precision and tokens, rewards free on both, best against best.

    python benchmarks/trl_step.py --trl-python PATH      # an interpreter with trl==1.16.* and the same torch

Writes benchmarks/results/trl_step.json. An update is a rollout (4 prompts × 8 answers, 176 new tokens: 48 of reasoning, 128 codes), the
reference's log-probs (KL on), forward, backward, AdamW; DAPO's loss. Both start from the same weights on disk. TRL samples from the
whole vocabulary; it has no restricted head. Every setting of both sides is measured, turn by turn, and written down; the ratio is that of
the fastest of each.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import tyro
from machine import RESULTS, machine, write

from maquette.config import AlgorithmConfig, OptimiserConfig
from maquette.policy.lockstep import LockstepEngine
from maquette.policy.model import Policy, load_policy, new_policy, tiny_config
from maquette.policy.tokenizer import PolicyTokenizer, train_tokenizer
from maquette.protocols import Sampling
from maquette.tracking import Stopwatch
from maquette.training.update import Learner, make_optimizer, update

TEXTS = (
    "a tall red chair with four legs",
    "a blue car with four wheels",
    "a green tree with a brown trunk",
    "a white cup",
)


@dataclass(frozen=True)
class Work:
    """What one update has to do on both sides."""

    answers: int = 8
    reasoning: int = 48
    codes: int = 128
    hidden: int = 256
    layers: int = 6
    codebook: int = 4096
    text_tokens: int = 1350
    beta: float = 0.01

    @property
    def new_tokens(self) -> int:
        return self.reasoning + self.codes


QUICK = Work(answers=2, reasoning=4, codes=8, hidden=64, layers=2, codebook=64, text_tokens=600)
"""For trying the script."""

OURS: dict[str, tuple[torch.dtype, Literal["float32", "bfloat16"]]] = {
    "float32": (torch.float32, "float32"),
    "bfloat16 decoding": (torch.bfloat16, "float32"),
    "bfloat16": (torch.bfloat16, "bfloat16"),
}
"""Precision of decoding, and of the trainer's passes."""

THEIRS: dict[str, dict] = {
    "float32": {"bf16": False, "generation": {}},
    "float32, static cache": {"bf16": False, "generation": {"cache_implementation": "static"}},
    "float32, four micro-batches": {"bf16": False, "generation": {}, "micro_batches": 4},
    "bfloat16": {"bf16": True, "generation": {}},
    "bfloat16, four micro-batches": {"bf16": True, "generation": {}, "micro_batches": 4},
    "bfloat16 weights, four micro-batches": {"bf16": True, "generation": {}, "micro_batches": 4, "weights": "bfloat16"},
}
"""TRL's own knobs that matter here; it has none for the precision of decoding apart from that of the update, or of the weights
themselves, which then learn in bfloat16 too (ours stay float32). A static cache under bfloat16 does not run: transformers 5.23 makes it in
the weights' float32 and is then handed bfloat16."""


def write_model(work: Work, folder: Path) -> Policy:
    """Random weights in Hugging Face layout. Few of our answers end their reasoning early; the tokens sampled are counted."""
    words = [f"{a}{b}" for a in "abcdefghijklmnopqrstuvwxyz" for b in range(60)]
    tokenizer = PolicyTokenizer(train_tokenizer([*words * 3, *TEXTS], work.text_tokens, work.codebook), work.codebook)
    new_policy(tokenizer, tiny_config(len(tokenizer), work.hidden, work.layers), seed=0).save(folder)
    return load_policy(folder)


def ours(folder: Path, work: Work, way: str, updates: int) -> dict[str, object]:
    """Seconds of each update after the first, and the tokens that were sampled."""
    decoding, precision = OURS[way]
    policy, reference = load_policy(folder), load_policy(folder).requires_grad_(False)
    optimiser = OptimiserConfig(precision=precision)
    algorithm = AlgorithmConfig(loss="dapo", kl_beta=work.beta)
    learner = Learner(policy, reference, make_optimizer(policy, optimiser), algorithm, optimiser, 1.0, (work.codes,))
    engine = LockstepEngine(policy, work.codes, decoding)
    prompts = [policy.tokenizer.encode(text) for text in TEXTS]
    advantages = torch.linspace(-1, 1, len(TEXTS) * work.answers, dtype=torch.float64)[:, None, None].expand(-1, 1, 2)
    taken, parts, tokens = [], [], 0
    for number in range(updates + 1):
        clock = Stopwatch()
        start = time.perf_counter()
        with clock("decode"):
            rollouts = engine.decode(prompts, work.answers, Sampling(max_reasoning=work.reasoning, seed=number))
        update(learner, rollouts, advantages, group_size=work.answers, seed=(0, number), clock=clock)
        taken.append(time.perf_counter() - start)
        parts.append(clock.seconds)
        tokens = int(rollouts.sampled.sum())
    means = {name: round(statistics.median(part[name] for part in parts[1:]), 3) for name in parts[0]}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"seconds": taken[1:], "parts": means, "sampled_tokens": tokens, "peak_gib": round(peak, 2)}


def apart(folder: Path, way: str, updates: int, threads: int, quick: bool) -> dict[str, object]:
    """`ours` in a process of its own, as TRL's side has one: so that peaks of memory are each setting's own."""
    options = [f"--updates={updates}", f"--threads={threads}", "--quick" if quick else "--no-quick"]
    command = [sys.executable, __file__, *options, f"--only={way}", f"--folder={folder}", "--trl-python=none"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f"Our side failed ({way}): {done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def theirs(folder: Path, work: Work, way: str, updates: int, threads: int, python: Path, pad: str) -> dict[str, object]:
    """The same by TRL, in a process of its own."""
    settings = {
        **THEIRS[way],
        "model": str(folder),
        "folder": str(folder / "trl"),
        "prompts": TEXTS,
        "answers": work.answers,
        "new_tokens": work.new_tokens,
        "beta": work.beta,
        "updates": updates,
        "threads": threads,
        "pad": pad,
    }
    command = [str(python), str(Path(__file__).with_name("trl_side.py")), json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f"TRL's side failed ({way}): {done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1]) | {
        "sampled_tokens": work.new_tokens * work.answers * len(TEXTS)
    }


def fastest(sides: dict[str, dict]) -> str:
    return min(sides, key=lambda way: sides[way]["median_seconds"])


def main(
    trl_python: Path,
    updates: int = 3,
    rounds: int = 2,
    threads: int = 1,
    quick: bool = False,
    out: Path = RESULTS,
    only: str = "",
    folder: Path | None = None,
) -> None:
    """Measure both sides turn by turn, print and write.

    Args:
        trl_python: An interpreter with trl==1.16.* and the same torch.
        updates: Timed updates per turn, after one that is not.
        rounds: Turns of each setting.
        threads: Of torch, on both sides.
        quick: Micro sizes: proves the script, not the figures.
        out: Folder of the results.
        only: For the processes of our side.
        folder: The same.
    """
    torch.set_num_threads(threads)
    work = QUICK if quick else Work()
    if only and folder:
        print(json.dumps(ours(folder, work, only, updates)))
        return
    where = machine(torch.device("cpu"))
    found: dict[str, dict[str, dict]] = {"maquette": {}, "trl": {}}
    with tempfile.TemporaryDirectory() as name:
        model = Path(name)
        tokenizer = write_model(work, model).tokenizer
        pad = tokenizer.inner.convert_ids_to_tokens(tokenizer.pad)
        for _ in range(rounds):
            turns = [("maquette", way, apart(model, way, updates, threads, quick)) for way in OURS]
            turns += [("trl", way, theirs(model, work, way, updates, threads, trl_python, pad)) for way in THEIRS]
            for side, way, turn in turns:
                kept = found[side].setdefault(way, {**turn, "seconds": []})
                kept["seconds"] += [round(value, 3) for value in turn["seconds"]]
    for side in found.values():
        for measured in side.values():
            measured["median_seconds"] = round(statistics.median(measured["seconds"]), 3)
            measured["tokens_per_second"] = round(measured["sampled_tokens"] / measured["median_seconds"])
    best = {side: fastest(ways) for side, ways in found.items()}
    ratio = {
        "best against best": (best["maquette"], best["trl"]),
        "float32": ("float32", "float32"),
        "bfloat16": ("bfloat16", "bfloat16"),
    }
    result = {
        **where,
        **vars(work),
        "prompts": len(TEXTS),
        "sides": found,
        "best": best,
        "times_faster_per_token": {
            name: round(found["maquette"][a]["tokens_per_second"] / found["trl"][b]["tokens_per_second"], 2)
            for name, (a, b) in ratio.items()
        },
    }
    write(
        "trl_step",
        result,
        f"python benchmarks/trl_step.py TRL_PYTHON --threads {threads} --updates {updates} --rounds {rounds}",
        out,
    )


if __name__ == "__main__":
    tyro.cli(main)
