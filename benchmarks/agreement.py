"""Which rewards agree with those that never reward? Within a group, where advantages are made.

    python benchmarks/agreement.py [--prompts 64] [--answers 16]        # writes benchmarks/results/agreement.json

The shipped base answers the first prompts of `mini-dev` in groups, as in training (temperature 1, two stages). Of every reward of every
stage, and of sums of them with each standardised within its group: its correlation with what the evaluators say of the same answers,
within groups and averaged over them, and what the evaluators say of the answer that it likes best, less the group's mean. The last is
what perfect best-of-n learning of that reward would bring. Chosen on `mini-dev`, which is for choosing.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import tyro
from jaxtyping import Float

from maquette.config import Config, StageSpec
from maquette.config_file import load_config
from maquette.evaluation.networks import load_evaluators
from maquette.generate import generate
from maquette.prompts.sets import load_prompts
from maquette.protocols import Sampling
from maquette.tracking import progress, provenance
from maquette.training.advantages import mix
from maquette.training.parts import Parts, load_parts
from maquette.training.probe import MEASURES, judged
from maquette.types import Generation, Scores

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
CHUNK = 8
"""Prompts answered at a time."""


def answers_of(
    config: Config, parts: Parts, prompts: int, answers: int
) -> tuple[list[Scores], Float[np.ndarray, "p g m"]]:
    """Scores by chunk, and `MEASURES` of every answer."""
    asked, evaluators = load_prompts("mini-dev")[:prompts], load_evaluators()
    scores, seen = [], []
    for start in progress(range(0, prompts, CHUNK), "answers", math.ceil(prompts / CHUNK)):
        made = generate(
            asked[start : start + CHUNK],
            config.stages,
            engine=parts.engine,
            codec=parts.codec,
            mesher=parts.mesher,
            cameras=parts.cameras,
            group_size=answers,
            sampling=Sampling(temperature=config.temperature, seed=77 + start),
            render_size=config.render_size,
        )
        scores.append(parts.ensemble.score(made))
        seen += judged(each_with_its_prompt(made), evaluators)
    return scores, np.array(seen).reshape(prompts, answers, len(MEASURES))


def each_with_its_prompt(made: Generation) -> Generation:
    """The same answers as groups of one."""
    every = tuple(prompt for prompt in made.prompts for _ in range(made.group_size))
    return replace(made, prompts=every, group_size=1)


def summed(scores: Sequence[Scores], stages: Sequence[StageSpec], answers: int, stage: int) -> Float[np.ndarray, "p g"]:
    """A stage's rewards as training mixes them: each standardised within its group, weighted, added."""
    mixed = [mix(one, stages, group_size=answers, mixing="standardised")[:, stage] for one in scores]
    return torch.cat(mixed).reshape(-1, answers).numpy()


def agreement(liked: Float[np.ndarray, "p g"], seen: Float[np.ndarray, "p g m"]) -> dict[str, dict[str, float]]:
    """Correlation within groups, and the evaluators' gain of the answer liked best, by measure. Groups without a spread say nothing."""
    best, groups = liked.argmax(1), np.arange(len(liked))
    found = {}
    for m, name in enumerate(MEASURES):
        values = seen[..., m]
        spread = (values.std(1) > 0) & (liked.std(1) > 0) & ~np.isnan(values).any(1)
        each = [np.corrcoef(liked[i], values[i])[0, 1] for i in np.flatnonzero(spread)]
        gain = np.nanmean(values[groups, best] - values.mean(1))
        found[name] = {"correlation": round(float(np.mean(each)), 3), "gain_of_best": round(float(gain), 4)}
    return found


def sums_of(config: Config) -> dict[str, tuple[int, tuple[StageSpec, ...]]]:
    """What is looked at: every reward alone, equal weights, and the config's own, each with its stage."""
    found: dict[str, tuple[int, tuple[StageSpec, ...]]] = {}
    for s, stage in enumerate(config.stages):
        used = {name: weight for name, weight in vars(stage.rewards).items() if weight}
        chosen = {name: {name: 1.0} for name in used} | {
            "all, equal": dict.fromkeys(used, 1.0),
            "all, as configured": used,
        }
        for name, weights in chosen.items():
            own = replace(stage, rewards=type(stage.rewards)(**weights))
            found[f"{stage.name}: {name}"] = s, tuple(own if i == s else x for i, x in enumerate(config.stages))
    return found


def main(
    prompts: int = 64, answers: int = 16, config: Path = ROOT / "configs" / "hi-grpo.yaml", threads: int = 1
) -> None:
    """Measure.

    Args:
        prompts: Groups.
        answers: Of each group.
        config: Whose chain and rewards.
        threads: Of this process.
    """
    torch.set_num_threads(threads)
    resolved = load_config(config, ("probe_every=0", "algorithm.kl=none"))
    scores, seen = answers_of(resolved, load_parts(resolved), prompts, answers)
    rows = {
        name: agreement(summed(scores, stages, answers, stage), seen)
        for name, (stage, stages) in sums_of(resolved).items()
    }
    whole = {name: round(float(np.nanmean(seen[..., m])), 4) for m, name in enumerate(MEASURES)}
    best = {name: round(float(np.nanmean(np.nanmax(seen[..., m], 1))), 4) for m, name in enumerate(MEASURES)}
    record = {"prompts": prompts, "answers": answers, "mean": whole, "best of each group": best, "rewards": rows}
    text = json.dumps(
        {**record, "threads": threads, "load": os.getloadavg()[0], **provenance("python benchmarks/agreement.py")},
        indent=1,
    )
    (RESULTS / "agreement.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    tyro.cli(main)
