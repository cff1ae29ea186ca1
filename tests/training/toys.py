"""Toy judges and a whole micro run, shared by the tests of the trainer."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.config import AlgorithmConfig, Config, OptimiserConfig, RewardWeights, StageSpec
from maquette.policy.lockstep import LockstepEngine
from maquette.rendering.cameras import ring
from maquette.rewards.ensemble import Ensemble
from maquette.shape.surface import SurfaceMesher
from maquette.training.parts import Parts
from maquette.types import Generation
from tests.tiny import GEOMETRY, PROMPTS, tiny_codec, tiny_policy


@dataclass(frozen=True)
class LowCodes:
    """The share of codes from the lower half of the codebook: easy to raise, and known without looking."""

    name: str = "preference"
    higher_is: str = "more low codes"
    worst: float = 0.0
    sign: float = 1.0

    def score(self, generation: Generation, stage: int) -> Float[Tensor, " a"]:
        output = generation.stages[stage]
        share = self.sign * (output.codes < GEOMETRY.codebook_size // 2).float().mean(1)
        return torch.where(torch.from_numpy(output.failed), torch.tensor(self.worst), share)


@dataclass(frozen=True)
class Redness:
    """How red the views are: goes through codec, mesher and renderer."""

    name: str = "aesthetic"
    higher_is: str = "redder"
    worst: float = -1.0

    def score(self, generation: Generation, stage: int) -> Float[Tensor, " a"]:
        output = generation.stages[stage]
        rgb = torch.from_numpy(output.views.rgb).float() / 255
        red = (rgb[..., 0] - rgb[..., 1:].mean(-1)).flatten(1).mean(1)
        return torch.where(torch.from_numpy(output.failed), torch.tensor(self.worst), red)


@dataclass
class Choosy:
    """Likes only answers to some prompts; to the others every answer is worth the same. May break off at its n-th call."""

    breaks_at: int = 0
    name: str = "preference"
    higher_is: str = "n/a"
    worst: float = 0.0

    def score(self, generation: Generation, stage: int) -> Float[Tensor, " a"]:
        self.breaks_at -= 1
        if not self.breaks_at:
            raise KeyboardInterrupt
        low = (generation.stages[stage].codes < 16).float().mean(1)
        return torch.stack([low[i] if int(generation.prompt_of(i).id) % 2 else low[i] * 0 for i in range(len(low))])


COARSE = StageSpec("coarse", "semantic-plan", ("prompt",), "grey", 1.0, 6, RewardWeights(preference=1.0))
FINE = StageSpec(
    "fine", "visual-detail", ("prompt", "coarse.reasoning"), "colour", 0.0, 6, RewardWeights(preference=1.0)
)


def micro_config(**changes: object) -> Config:
    """Two stages, four prompts, four answers each; a learning rate that shows within seconds."""
    config = Config(
        prompts_per_step=2,
        group_size=4,
        steps=4,
        prompt_count=4,
        stages=(COARSE, FINE),
        algorithm=AlgorithmConfig(kl_beta=0.001),
        optimiser=OptimiserConfig(lr=5e-3, warmup_steps=1, micro_batch_tokens=512),
        render_size=16,
        sample_every=0,
        checkpoint_every=2,
    )
    return replace(config, **changes)


def micro_parts(config: Config, *judges: object, seed: int = 0) -> Parts:
    """Real parts at micro size; every stage is judged by all of `judges`."""
    policy = tiny_policy(seed)
    return Parts(
        policy=policy,
        reference=tiny_policy(seed).requires_grad_(False) if config.algorithm.kl_beta else None,
        engine=LockstepEngine(policy, GEOMETRY.codes_per_shape),
        codec=tiny_codec(),
        mesher=SurfaceMesher(),
        cameras=ring(1, 20.0, 3.0, 30.0),
        prompts=PROMPTS,
        ensemble=Ensemble(tuple(tuple(judges) for _ in config.stages)),
    )
