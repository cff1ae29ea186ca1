"""Peak memory and time of the restricted head against the full head at a vocabulary of 160 k, forward and backward.

    python benchmarks/head_memory.py [--positions 1024] [--hidden 256]     # writes benchmarks/results/head_memory.json

Both score the same positions of one shape segment: the restricted head by the 8192 rows that can come there, the full one by all.
Each is measured in a process of its own, so that its peak is its own.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Literal

import torch
import tyro
from machine import RESULTS, machine, peak_gib, seconds, write

from maquette.policy.head import Support

Head = Literal["restricted", "full"]


def score(head: Head, positions: int, hidden: int, vocabulary: int, codes: int, device: str, runs: int) -> None:
    """One JSON line: seconds of forward and backward, and how much memory they added at their peak."""
    place = torch.device(device)
    generator = torch.Generator(place).manual_seed(0)
    weight = torch.randn(vocabulary, hidden, device=place, generator=generator).mul_(0.02).requires_grad_()
    states = torch.randn(positions, hidden, device=place, generator=generator).requires_grad_()
    first = vocabulary - codes - 2
    support = Support.of(range(first, first + codes) if head == "restricted" else range(vocabulary), vocabulary)
    rows = torch.randint(len(support.ids), (positions,), device=place, generator=generator)
    peak_gib(place)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20

    def forward() -> torch.Tensor:
        return support.logits(states, weight).float().log_softmax(-1).gather(1, rows[:, None]).sum()

    def both() -> None:
        weight.grad = states.grad = None
        forward().backward()

    with torch.no_grad():
        alone = seconds(forward, place, runs)
    taken = seconds(both, place, runs)
    here = peak_gib(place)
    added = here if here is not None else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20 - before
    print(
        json.dumps({"forward_seconds": round(alone, 4), "both_seconds": round(taken, 4), "added_gib": round(added, 3)})
    )


def main(
    positions: int = 1024,
    hidden: int = 256,
    vocabulary: int = 160_000,
    codes: int = 8192,
    device: str = "cpu",
    runs: int = 3,
    out: Path = RESULTS,
    only: Head | None = None,
) -> None:
    """Measure both, print and write.

    Args:
        positions: Tokens that are scored.
        hidden: Width of the model.
        vocabulary: Rows of the full head.
        codes: Rows of the restricted head.
        device: cpu or cuda.
        runs: Of each, after one that does not count.
        out: Folder of the results.
        only: For the processes of each head.
    """
    if only:
        score(only, positions, hidden, vocabulary, codes, device, runs)
        return
    numbers = {"positions": positions, "hidden": hidden, "vocabulary": vocabulary, "codes": codes}
    given = [f"--{name}={value}" for name, value in numbers.items()] + [f"--device={device}", f"--runs={runs}"]
    heads: dict[str, dict[str, float]] = {}
    for head in ("restricted", "full"):
        command = [sys.executable, __file__, *given, f"--only={head}"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=os.environ)
        heads[head] = json.loads(done.stdout)
    times = {key: round(heads["full"][key] / max(heads["restricted"][key], 1e-9), 1) for key in heads["full"]}
    result = {**machine(torch.device(device)), **numbers, "runs": runs, "heads": heads, "full_over_restricted": times}
    write("head_memory", result, " ".join(["python benchmarks/head_memory.py", *given]), out)


if __name__ == "__main__":
    tyro.cli(main)
