"""A look, every few steps, by networks that never reward: the only numbers of a run that its policy cannot learn to please.

The prompts are the first of mini-dev, which is for tuning, and never those of the benchmark. They and their random numbers are the same
each time, so that two looks differ by the policy alone, and nothing here draws from a generator that training draws from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maquette.codec.voxel_codec import VoxelCodec
from maquette.config import Config, StageSpec
from maquette.evaluation.answers import VIEW_SIZE
from maquette.evaluation.networks import Evaluators, load_evaluators
from maquette.evaluation.run import WORST_ALIGNMENT, attribute_accuracy
from maquette.generate import generate
from maquette.prompts.sets import load_prompts
from maquette.protocols import Mesher, RolloutEngine, Sampling
from maquette.rendering.cameras import CAMERAS
from maquette.training.distributed import Processes
from maquette.types import Generation, Prompt

MEASURES = ("alignment", "category", "counts", "colours")
SEED = 20_011
"""Of the probe's answers, whatever the run's own seed: runs are compared on the same draws."""


@dataclass(frozen=True)
class Probe:
    """Held-out prompts and those who judge the answers to them."""

    prompts: tuple[Prompt, ...]
    evaluators: Evaluators


def open_probe(config: Config) -> Probe | None:
    """None where the config wants none. ValueError where mini-dev has fewer prompts than it asks for."""
    if not config.probe_every:
        return None
    prompts = load_prompts("mini-dev")
    if not 1 <= config.probe_prompts <= len(prompts):
        raise ValueError(
            f"probe_prompts is {config.probe_prompts}; mini-dev has {len(prompts)}, so take 1 to {len(prompts)}."
        )
    return Probe(prompts[: config.probe_prompts], load_evaluators())


def look(
    probe: Probe,
    stages: Sequence[StageSpec],
    *,
    engine: RolloutEngine,
    codec: VoxelCodec,
    mesher: Mesher,
    temperature: float,
    processes: Processes,
) -> dict[str, float]:
    """Means over one answer per prompt, by `evaluator/MEASURE`: a cosine in [-1, 1] and shares in [0, 1].

    Every process answers its share, and where there is none for it, the first prompt, which counts nowhere. A failed answer has the
    worst of each; a measure that no prompt asks for is left out.
    """
    share = processes.shares(len(probe.prompts))[processes.rank]
    generation = generate(
        probe.prompts[share.start : share.stop] or probe.prompts[:1],
        stages,
        engine=engine,
        codec=codec,
        mesher=mesher,
        cameras=CAMERAS["maquette-6"],
        group_size=1,
        sampling=Sampling(temperature=temperature, seed=SEED, first_row=share.start),
        render_size=VIEW_SIZE,
    )
    gathered = processes.gather(judged(generation, probe.evaluators)[: len(share)])
    rows = np.array([row for own in gathered for row in own])
    known = [(name, column[~np.isnan(column)]) for name, column in zip(MEASURES, rows.T, strict=True)]
    return {f"evaluator/{name}": float(values.mean()) for name, values in known if len(values)}


def judged(generation: Generation, evaluators: Evaluators) -> list[tuple[float, ...]]:
    """`MEASURES` of each answer's last stage; NaN where its prompt asks for none."""
    last = generation.stages[-1]
    alignment = evaluators.alignment([prompt.text for prompt in generation.prompts], last.views)
    seen = evaluators.attributes(last.views)
    rows = []
    for i, prompt in enumerate(generation.prompts):
        shares = np.array(attribute_accuracy(prompt, seen, i))
        if last.failed[i]:
            rows.append((WORST_ALIGNMENT, *np.where(np.isnan(shares), shares, 0.0).tolist()))
        else:
            rows.append((float(alignment[i]), *shares.tolist()))
    return rows
