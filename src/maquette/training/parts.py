"""Everything that a run is made of, built once from the names in its config."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from maquette.codec.voxel_codec import VoxelCodec
from maquette.config import Config
from maquette.policy.lockstep import LockstepEngine
from maquette.policy.model import Policy, load_policy
from maquette.prompts.sets import load_prompts
from maquette.protocols import Mesher, RolloutEngine
from maquette.rendering.cameras import CAMERAS
from maquette.rewards.ensemble import Ensemble, build_ensemble
from maquette.shape.surface import SurfaceMesher
from maquette.training.advantages import ADVANTAGES
from maquette.training.checkpoint import ALONE
from maquette.training.distributed import Processes
from maquette.training.losses import LOSSES
from maquette.types import Cameras, Prompt


@dataclass(frozen=True)
class Parts:
    """Everything that a run is made of, built once."""

    policy: Policy
    reference: Policy | None
    engine: RolloutEngine
    codec: VoxelCodec
    mesher: Mesher
    cameras: Cameras
    prompts: Sequence[Prompt]
    ensemble: Ensemble
    processes: Processes = field(default_factory=Processes)


def load_parts(config: Config, processes: Processes = ALONE) -> Parts:
    """Parts by the names in a config, models on the process's device. ValueError says what is missing or cannot be."""
    known_algorithm(config)
    if config.cameras not in CAMERAS:
        raise ValueError(f"There is no camera protocol {config.cameras!r}; known are {', '.join(CAMERAS)}.")
    prompts = load_prompts(config.prompts, count=config.prompt_count)
    if len(prompts) < config.prompts_per_step:
        raise ValueError(
            f"A step takes {config.prompts_per_step} prompts, the set {config.prompts} has {len(prompts)}: "
            "lower prompts_per_step or add prompts."
        )
    device = str(processes.device)
    policy, codec = load_policy(config.model, device), VoxelCodec.load(config.codec)
    if policy.codebook_size != codec.codebook_size:
        raise ValueError(
            f"The model {config.model} writes {policy.codebook_size} codes, the codec {config.codec} reads "
            f"{codec.codebook_size}: take the codec that the model was trained with."
        )
    needs_reference = config.algorithm.kl != "none" and config.algorithm.kl_beta > 0
    return Parts(
        policy=policy,
        reference=load_policy(config.model, device).requires_grad_(False) if needs_reference else None,
        engine=LockstepEngine(policy, codec.codes_per_shape),
        codec=codec,
        mesher=SurfaceMesher(),
        cameras=CAMERAS[config.cameras],
        prompts=prompts,
        ensemble=build_ensemble(config.stages, reduce=config.reduce),
        processes=processes,
    )


def shared_by(config: Config, processes: Processes) -> None:
    """ValueError where these processes cannot share the run."""
    processes.share(config.prompts_per_step)
    if config.dynamic.enabled and processes.count > 1:
        raise ValueError(
            f"dynamic.enabled is true and {processes.count} processes were launched: dynamic sampling runs in one process; "
            "set dynamic.enabled to false or launch one."
        )


def known_algorithm(config: Config) -> None:
    """ValueError where the loss or the advantage has no function of that name."""
    tables = {"loss": [*LOSSES, "none"], "advantage": list(ADVANTAGES)}
    for key, known in tables.items():
        name = getattr(config.algorithm, key)
        if name not in known:
            raise ValueError(f"algorithm.{key} is {name!r}; there are {', '.join(known)}.")
