"""How the cost of a step grows: group size, codes per shape, stages, model size, one at a time around the tiny size.

    python benchmarks/growth.py [--threads 2]     # writes benchmarks/results/growth.json and docs/figures/growth.png

Only the policy works (rollout, reference log-probs, update): rewards are free, weights random, reasoning always as long as it may be. The
slope is that of log seconds against log size, by least squares: 1 is proportional, below 1 a fixed cost is spread. What bounds each point
is said beside it: the dearest of its parts, that part's share of the step, and the share of the machine's measured rate of products that
its decoding and its update reach (decoding far below it is bound by memory and by the number of steps, not by arithmetic).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib
import numpy as np
import torch
import tyro
from machine import RESULTS, machine, products, seconds, write

from maquette.config import AlgorithmConfig, OptimiserConfig
from maquette.generate import interleave
from maquette.policy.lockstep import LockstepEngine
from maquette.policy.model import Policy, new_policy, tiny_config
from maquette.policy.tokenizer import PolicyTokenizer, train_tokenizer
from maquette.protocols import Sampling
from maquette.tracking import Stopwatch, tell
from maquette.training.update import Learner, make_optimizer, update
from maquette.types import Rollouts

matplotlib.use("agg")
import matplotlib.pyplot as plt

FIGURE = Path(__file__).parents[1] / "docs" / "figures" / "growth.png"
PROMPT = 32
"""Tokens of a prompt."""
PARTS = ("decode", "logprobs", "forward", "backward", "step")


@dataclass(frozen=True)
class Setting:
    """One step; the defaults are the tiny size's."""

    prompts: int = 4
    answers: int = 8
    stages: int = 2
    codes: int = 128
    reasoning: int = 48
    hidden: int = 256
    layers: int = 6
    codebook: int = 4096


MODELS = ((256, 6), (384, 8), (512, 12), (768, 14))
"""(hidden, layers) from about 6 M to 100 M weights."""


def build(setting: Setting) -> Policy:
    """Random weights of the setting's size; long enough for its sequences."""
    words = [f"{a}{b}" for a in "abcdefghijklmnopqrstuvwxyz" for b in range(60)]
    tokenizer = PolicyTokenizer(train_tokenizer(words * 3, 1350, setting.codebook), setting.codebook)
    heads = setting.hidden // 64
    config = tiny_config(len(tokenizer), setting.hidden, setting.layers, heads + heads % 2, 3 * setting.hidden)
    config.max_position_embeddings = 4096
    return new_policy(tokenizer, config, seed=0)


def step(policy: Policy, setting: Setting, clock: Stopwatch) -> None:
    """A rollout of every stage (the first shares its prefill, later ones have a plan more to read), and one update with KL."""
    engine = LockstepEngine(policy, setting.codes)
    prompts = [[10 + (7 * row + place) % 200 for place in range(PROMPT)] for row in range(setting.prompts)]
    sampling = Sampling(max_reasoning=setting.reasoning)
    stages: list[Rollouts] = []
    with clock("step"):
        for index in range(setting.stages):
            with clock("decode"):
                if not stages:
                    written = engine.decode(prompts, setting.answers, sampling)
                else:
                    plans = stages[0].tokens[:, : PROMPT + setting.reasoning].tolist()
                    written = engine.decode(plans, 1, replace(sampling, seed=index))
            stages.append(written)
        optimiser, algorithm = OptimiserConfig(), AlgorithmConfig()
        longest = (setting.reasoning + setting.codes,) * setting.stages
        learner = Learner(policy, policy, make_optimizer(policy, optimiser), algorithm, optimiser, 1.0, longest)
        answers = setting.prompts * setting.answers
        spread = torch.linspace(-1, 1, answers * setting.stages, dtype=torch.float64).view(answers, setting.stages)
        advantages = spread[..., None].expand(-1, -1, 2)  # reasoning, codes
        update(learner, interleave(stages), advantages, group_size=setting.answers, seed=(0, 0), clock=clock)


def bound(setting: Setting, weights: int, taken: Mapping[str, float], rate: float) -> dict[str, float | str]:
    """The dearest part of a step, its share, and how much of `rate` (products a second) decoding and update reach.

    Two operations a weight and token: once where a token is decoded, once for the reference, three times in the update. Attention,
    which grows with the square of the length, and the head are not counted, so shares are lower bounds.
    """
    rows = setting.prompts * setting.answers * setting.stages
    new = setting.reasoning + setting.codes
    read = PROMPT * setting.stages + setting.reasoning * (setting.stages - 1)  # later stages read the plan too
    tokens = rows * (new + read / setting.stages)
    parts = {part: taken[part] for part in PARTS if part != "step"}
    dearest = max(parts, key=lambda part: parts[part])
    updating = taken["logprobs"] + taken["forward"] + taken["backward"]
    return {
        "dearest": dearest,
        "share_of_step": round(parts[dearest] / taken["step"], 2),
        "decode_share_of_products": float(f"{2 * weights * rows * new / rate / taken['decode']:.2g}"),
        "update_share_of_products": float(f"{8 * weights * tokens / rate / updating:.2g}"),
    }


def measure(setting: Setting, runs: int) -> dict[str, float]:
    """Median seconds of a step and of its parts."""
    policy, clocks = build(setting), []

    def work() -> None:
        clocks.append(Stopwatch())
        step(policy, setting, clocks[-1])

    seconds(work, torch.device("cpu"), runs)
    return {part: round(float(np.median([clock.seconds[part] for clock in clocks[1:]])), 4) for part in PARTS}


def backbone(setting: Setting) -> int:
    """Weights of the layers, without embedding and head."""
    return sum(p.numel() for p in build(setting).decoder.layers.parameters())


def slope(sizes: list[float], taken: list[float]) -> float:
    """Of log seconds against log size.

    >>> slope([1, 2, 4], [3, 6, 12])
    1.0
    """
    return round(float(np.polyfit(np.log(sizes), np.log(taken), 1)[0]), 2)


def sweeps(base: Setting, quick: bool) -> dict[str, list[tuple[float, Setting]]]:
    """Each axis with its sizes; `quick` is for trying the script."""
    few = 2 if quick else None
    models = [replace(base, hidden=hidden, layers=layers) for hidden, layers in MODELS[:few]]
    if quick:
        models = [replace(base, hidden=64 * (index + 1)) for index in range(2)]
    return {
        "answers per prompt": [(n, replace(base, answers=n)) for n in (4, 8, 16, 32)[:few]],
        "codes per shape": [(n, replace(base, codes=n)) for n in ((8, 16) if quick else (128, 256, 512, 1024))],
        "stages": [(n, replace(base, stages=n)) for n in (1, 2, 3)[:few]],
        "weights": [(sum(p.numel() for p in build(one).parameters()), one) for one in models],
    }


def draw(axes: dict[str, dict], path: Path) -> None:
    """One panel per axis: the whole step and its parts, on logarithmic scales."""
    figure, panels = plt.subplots(1, len(axes), figsize=(4 * len(axes), 3.4), layout="constrained", sharey=True)
    for panel, (name, found) in zip(panels, axes.items(), strict=True):
        for part in PARTS:
            panel.plot(
                found["sizes"], [row[part] for row in found["seconds"]], marker="o", label=part, lw=1 + (part == "step")
            )
        last = found["bounds"][-1]
        title = f"slope {found['slopes']['step']}; at the end {last['share_of_step']:.0%} {last['dearest']}"
        panel.set(xscale="log", yscale="log", xlabel=name)
        labels = [f"{size / 1e6:.0f} M" if size > 1e5 else str(size) for size in found["sizes"]]
        panel.set_xticks(found["sizes"], labels)
        panel.minorticks_off()
        panel.set_title(title, fontsize=9)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("seconds")
    panels[0].legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def main(threads: int = 2, runs: int = 2, quick: bool = False, out: Path = RESULTS, figure: Path = FIGURE) -> None:
    """Measure, draw, print and write.

    Args:
        threads: Of torch.
        runs: Steps per point, after one that does not count.
        quick: Micro sizes: proves the script, not the figures.
        out: Folder of the results.
        figure: The picture.
    """
    torch.set_num_threads(threads)
    where = machine(torch.device("cpu"))
    base = Setting(prompts=2, answers=2, codes=8, reasoning=4, hidden=64, layers=2, codebook=64) if quick else Setting()
    rate = products(torch.device("cpu"), torch.float32, 256 if quick else 1024)
    axes: dict[str, dict] = {}
    for name, points in sweeps(base, quick).items():
        taken = []
        for size, setting in points:
            taken.append(measure(setting, runs))
            tell(f"{name} {size}: {taken[-1]['step']} s")
        sizes = [size for size, _ in points]
        slopes = {part: slope(sizes, [row[part] for row in taken]) for part in PARTS}
        bounds = [bound(setting, backbone(setting), row, rate) for (_, setting), row in zip(points, taken, strict=True)]
        axes[name] = {"sizes": sizes, "seconds": taken, "slopes": slopes, "bounds": bounds}
    draw(axes, figure)
    settings = {
        "base": vars(base),
        "runs": runs,
        "precision": "float32",
        "measured_gflops": round(rate / 1e9, 1),
        "kl": "k3, against the same weights",
    }
    write("growth", {**where, **settings, "axes": axes}, f"python benchmarks/growth.py --runs {runs}", out)


if __name__ == "__main__":
    tyro.cli(main)
