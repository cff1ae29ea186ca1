"""What can be evaluated: a policy under a chain of stages, and the objects that the prompts were written about."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

from maquette.codec.voxel_codec import VoxelCodec
from maquette.config import StageSpec
from maquette.corpus.program import Design
from maquette.evaluation.networks import load_evaluators
from maquette.evaluation.results import Evaluation
from maquette.evaluation.run import VIEW_SIZE, Answer, evaluate
from maquette.generate import generate
from maquette.policy.lockstep import LockstepEngine
from maquette.policy.model import load_policy
from maquette.prompts.sets import SUITES, load_prompts
from maquette.prompts.suites import load_references
from maquette.protocols import Sampling
from maquette.rendering.cameras import CAMERAS
from maquette.shape.surface import SurfaceMesher
from maquette.types import Generation, Prompt


def policy_system(model: str, *, stages: Sequence[StageSpec], codec: str, seed: int, temperature: float) -> Answer:
    """One answer per prompt by a policy; what it draws depends on the seed and on the prompts of the call."""
    policy, shapes = load_policy(model), VoxelCodec.load(codec)
    engine = LockstepEngine(policy, shapes.codes_per_shape)

    def answer(prompts: Sequence[Prompt]) -> Generation:
        # A chunk's draws must not repeat those of the chunk before.
        offset = zlib.crc32(prompts[0].id.encode())
        return generate(
            prompts,
            stages,
            engine=engine,
            codec=shapes,
            mesher=SurfaceMesher(),
            cameras=CAMERAS["maquette-6"],
            group_size=1,
            sampling=Sampling(temperature=temperature, seed=seed + offset),
            render_size=VIEW_SIZE,
        )

    return answer


def evaluate_model(
    model: str,
    suite: str,
    out: Path,
    *,
    stages: Sequence[StageSpec],
    codec: str = "tiny",
    seed: int = 0,
    temperature: float = 1.0,
    limit: int = 0,
    system: str = "",
    provenance: dict[str, object] | None = None,
) -> Evaluation:
    """Evaluate a policy on a suite (or prompt file) and leave the folder `out`; `limit` > 0 takes the first prompts only."""
    prompts = load_prompts(suite, count=limit)
    references: dict[str, tuple[Design, float]] = load_references(suite) if suite in SUITES else {}
    return evaluate(
        policy_system(model, stages=stages, codec=codec, seed=seed, temperature=temperature),
        prompts,
        system=system or Path(model).name,
        suite=suite,
        references=references,
        evaluators=load_evaluators(),
        out=out,
        seed=seed,
        provenance={
            "model": model,
            "temperature": temperature,
            "chain": [s.name for s in stages],
            **(provenance or {}),
        },
    )
