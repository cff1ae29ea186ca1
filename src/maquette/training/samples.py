"""The best and the worst answer of a step: reasoning, views and each part of the score, for a person to look at."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import comb
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from maquette.config import StageSpec
from maquette.outputs import make_run_folder, write_text
from maquette.protocols import Tracker
from maquette.training.advantages import mix
from maquette.types import Generation, Rollouts, Scores, SegmentKind, Views


@dataclass(frozen=True)
class Sample:
    """One answer that a person should see."""

    name: str
    record: dict[str, object]
    views: Views
    captions: tuple[str, ...]


def choose_samples(
    generation: Generation,
    scores: Scores,
    advantages: Float[Tensor, "a s k"],
    ranking: Float[Tensor, " all"],
    first_answer: int = 0,
) -> list[Sample]:
    """The best and the worst of all answers, as far as they are among these, which stand from `first_answer` on in `ranking`."""
    chosen = []
    for name, place in (("best", int(ranking.argmax())), ("worst", int(ranking.argmin()))):
        answer = place - first_answer
        if 0 <= answer < len(scores.failed):
            captions = tuple(
                f"{stage.name}: {stage.reasoning[answer] or 'no reasoning'}" for stage in generation.stages
            )
            record = describe(generation, scores, advantages, answer)
            chosen.append(Sample(name, record, views_of(generation, answer), captions))
    return chosen


def log_samples(tracker: Tracker, folder: Path, step: int, chosen: Sequence[Sample]) -> None:
    """Writes `samples/best-STEP` and `samples/worst-STEP`: a picture (one row per stage) and the same in words as JSON."""
    samples = make_run_folder(folder / "samples")
    for sample in chosen:
        write_text(samples / f"{sample.name}-{step:06d}.json", json.dumps(sample.record, indent=1) + "\n")
        tracker.log_views(step, sample.name, sample.views, sample.captions)


def describe(
    generation: Generation, scores: Scores, advantages: Float[Tensor, "a s k"], answer: int
) -> dict[str, object]:
    """One answer in words: its prompt, and per stage the reasoning, whether it failed, raw scores and advantage."""
    stages = [
        {
            "name": stage.name,
            "reasoning": stage.reasoning[answer],
            "failed": bool(stage.failed[answer]),
            "scores": scores_of(scores, answer, s),
            "advantage": {
                kind: round(float(value), 4)
                for kind, value in zip(("reasoning", "codes"), advantages[answer, s], strict=True)
            },
        }
        for s, stage in enumerate(generation.stages)
    ]
    return {"prompt": generation.prompt_of(answer).text, "stages": stages}


def scores_of(scores: Scores, answer: int, stage: int) -> dict[str, float | None]:
    """Raw parts of one answer's stage, None where the judge failed; parts that the stage does not use are left out."""
    used = ~scores.values[:, :, stage].isnan().all(1) | scores.missing[:, :, stage].any(1)
    return {
        name: None if scores.missing[k, answer, stage] else round(float(scores.values[k, answer, stage]), 4)
        for k, name in enumerate(scores.names)
        if used[k]
    }


def views_of(generation: Generation, answer: int) -> Views:
    """One answer's pictures, one row per stage."""
    every = [stage.views for stage in generation.stages]
    return replace(
        every[0],
        rgb=np.stack([views.rgb[answer] for views in every]),
        depth=np.stack([views.depth[answer] for views in every]),
        normal=np.stack([views.normal[answer] for views in every]),
        mask=np.stack([views.mask[answer] for views in every]),
    )


def reasoning_lengths(rollouts: Rollouts) -> Float[Tensor, "a s"]:
    """Sampled reasoning tokens of each answer and stage."""
    lengths = ((rollouts.segment == SegmentKind.REASONING) & rollouts.sampled).sum(1).float()
    return rearrange(lengths, "(a s) -> a s", s=int(rollouts.stage.max()) + 1)


def summary(stages: Sequence[str], scores: Scores, lengths: Float[Tensor, "a s"]) -> dict[str, float]:
    """Means over all answers, failed ones included: each reward part, the failed and missing shares, reasoning length."""
    numbers: dict[str, float] = {}
    for s, stage in enumerate(stages):
        for k, name in enumerate(scores.names):
            seen = scores.values[k, :, s][~scores.missing[k, :, s] & ~scores.values[k, :, s].isnan()]
            if len(seen):
                numbers[f"reward/{stage}/{name}"] = float(seen.mean())
        numbers[f"failed/{stage}"] = float(scores.failed[:, s].double().mean())
        numbers[f"missing/{stage}"] = missing_share(scores, s)
        numbers[f"reasoning_tokens/{stage}"] = float(lengths[:, s].mean())
    return numbers


def missing_share(scores: Scores, stage: int) -> float:
    """Of the scores that a stage's judges should have given, how many they did not."""
    missing = scores.missing[:, :, stage]
    used = ~scores.values[:, :, stage].isnan().all(1) | missing.any(1)
    return float(missing[used].float().mean()) if used.any() else 0.0


def variety(generation: Generation) -> dict[str, float]:
    """How unlike the answers to one prompt are, per stage: the share of places whose codes differ, over all pairs of a group.

    1 - 1/K on average for codes drawn at random from K; 0 where a group wrote one shape only. Failed answers are all alike.
    """
    numbers, size = {}, generation.group_size
    for stage in generation.stages:
        groups = rearrange(stage.codes, "(p g) c -> p g c", g=size)
        # turned by 1 … g - 1 places, every answer lies once on every other
        unlike = [float((groups != groups.roll(turn, 1)).double().mean()) for turn in range(1, size)]
        numbers[f"variety/{stage.name}"] = sum(unlike) / len(unlike)
    return numbers


def best_of(scores: Scores, stages: Sequence[StageSpec], group_size: int) -> dict[str, float]:
    """Best-of-n as a baseline: the expected raw reward of each stage, weighted and summed, of the best of 1, 2, 4 … answers.

    Without bias, from all subsets of a group: Σ_i R_(i)·C(i-1, n-1)/C(g, n), R_(1) the worst.
    """
    rewards = rearrange(mix(scores, stages, group_size=group_size, mixing="paper"), "(p g) s -> p g s", g=group_size)
    ordered = rewards.sort(1).values
    numbers, n = {}, 1
    while n <= group_size:
        chances = torch.tensor([comb(i, n - 1) / comb(group_size, n) for i in range(group_size)], dtype=torch.float64)
        expected = (ordered * chances[:, None]).sum(1).mean(0)
        numbers |= {f"best_of_{n}/{stage.name}": float(expected[s]) for s, stage in enumerate(stages)}
        n *= 2
    return numbers
