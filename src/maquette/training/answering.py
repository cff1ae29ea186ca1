"""A policy's answers for the scorers to learn from: drawn as in training, by the default chain."""

from __future__ import annotations

from collections.abc import Sequence

from maquette.codec.voxel_codec import VoxelCodec
from maquette.config import Config
from maquette.generate import generate
from maquette.policy.model import open_policy
from maquette.protocols import Sampling
from maquette.rendering.cameras import CAMERAS
from maquette.rewards.answer_looks import ANSWERS, Answering
from maquette.shape.surface import SurfaceMesher
from maquette.training.parts import open_engine
from maquette.types import Prompt, StageOutput


def answering_by(model: str, codec: VoxelCodec) -> Answering:
    """`ANSWERS` two-stage answers of a tiny policy to each prompt, at temperature 1, seen from the reward cameras.

    In bfloat16 where the processor has it.
    """
    config = Config(model=model)
    engine = open_engine(config.policy, open_policy(model), codec.codes_per_shape, "bfloat16")

    def answer(prompts: Sequence[Prompt], seed: int) -> tuple[StageOutput, StageOutput]:
        made = generate(
            prompts,
            config.stages,
            engine=engine,
            codec=codec,
            mesher=SurfaceMesher(),
            cameras=CAMERAS[config.cameras],
            group_size=ANSWERS,
            sampling=Sampling(temperature=config.temperature, seed=seed),
        )
        return made.stages[0], made.stages[-1]

    return answer
