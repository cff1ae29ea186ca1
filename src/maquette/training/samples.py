"""The best and the worst answer of a step: reasoning, views and each part of the score, for a person to look at."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float
from torch import Tensor

from maquette.protocols import Tracker
from maquette.tracking import make_run_folder
from maquette.types import Generation, Scores, Views


def log_samples(
    tracker: Tracker,
    folder: Path,
    step: int,
    generation: Generation,
    scores: Scores,
    ranking: Float[Tensor, " a"],
    advantages: Float[Tensor, "a s"],
) -> None:
    """Writes `samples/best-STEP` and `samples/worst-STEP`: a picture (one row per stage) and the same in words as JSON."""
    samples = make_run_folder(folder / "samples")
    for name, answer in (("best", int(ranking.argmax())), ("worst", int(ranking.argmin()))):
        record = describe(generation, scores, advantages, answer)
        (samples / f"{name}-{step:06d}.json").write_text(json.dumps(record, indent=1) + "\n")
        captions = [f"{stage.name}: {stage.reasoning[answer] or 'no reasoning'}" for stage in generation.stages]
        tracker.log_views(step, name, views_of(generation, answer), captions)


def describe(
    generation: Generation, scores: Scores, advantages: Float[Tensor, "a s"], answer: int
) -> dict[str, object]:
    """One answer in words: its prompt, and per stage the reasoning, whether it failed, raw scores and advantage."""
    stages = [
        {
            "name": stage.name,
            "reasoning": stage.reasoning[answer],
            "failed": bool(stage.failed[answer]),
            "scores": scores_of(scores, answer, s),
            "advantage": round(float(advantages[answer, s]), 4),
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


def summary(generation: Generation, scores: Scores) -> dict[str, float]:
    """Means over all answers, failed ones included: each reward part, the failed and missing shares, reasoning length."""
    numbers: dict[str, float] = {}
    for s, stage in enumerate(generation.stages):
        for k, name in enumerate(scores.names):
            seen = scores.values[k, :, s][~scores.missing[k, :, s] & ~scores.values[k, :, s].isnan()]
            if len(seen):
                numbers[f"reward/{stage.name}/{name}"] = float(seen.mean())
        numbers[f"failed/{stage.name}"] = float(stage.failed.mean())
        numbers[f"missing/{stage.name}"] = float(scores.missing[:, :, s].float().mean())
        here = generation.rollouts.stage == s
        reasoning = ((generation.rollouts.segment[here] == 2) & generation.rollouts.sampled[here]).sum(1)
        numbers[f"reasoning_tokens/{stage.name}"] = float(reasoning.float().mean())
    return numbers
