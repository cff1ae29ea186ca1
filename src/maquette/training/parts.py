"""Everything that a run is made of, built once from the names in its config."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from maquette.codec.voxel_codec import VoxelCodec
from maquette.config import Config, PolicyConfig
from maquette.gaussian_views import GaussianPainter, open_mesher
from maquette.generate import reasoning_limit
from maquette.policy.devices import check_device
from maquette.policy.lockstep import LockstepEngine
from maquette.policy.model import Policy, codec_of, open_policy, reference_of
from maquette.policy.served_engine import ServedVllmEngine, ServerSettings
from maquette.policy.vllm_engine import VllmEngine
from maquette.precision import quick_bfloat16
from maquette.prompts.sets import load_prompts
from maquette.protocols import Mesher, RolloutEngine
from maquette.rendering.cameras import CAMERAS
from maquette.rewards.ensemble import Ensemble, build_ensemble
from maquette.training.advantages import ADVANTAGES
from maquette.training.checkpoint import ALONE
from maquette.training.distributed import Processes
from maquette.training.losses import LOSSES
from maquette.training.probe import Probe, open_probe
from maquette.types import Cameras, Prompt

PAINTED_AT_ONCE = 8
"""Shapes that TRELLIS paints together in training, where speed counts and every answer of a group has as much of chance in it."""


@dataclass(frozen=True)
class Parts:
    """Everything that a run is made of, built once."""

    policy: Policy
    reference: nn.Module | None
    """None without a KL penalty; of a policy with adapters, the same weights with these off, or as they were at the start."""
    engine: RolloutEngine
    codec: VoxelCodec
    mesher: Mesher
    cameras: Cameras
    prompts: Sequence[Prompt]
    ensemble: Ensemble
    processes: Processes = field(default_factory=Processes)
    probe: Probe | None = None
    """Who looks on without rewarding; None: nobody."""
    painter: GaussianPainter | None = None
    """Who draws painted stages in the mesher's place; None: their mesh is drawn."""


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
    # what may be missing and is quick to ask comes before what takes minutes to load
    mesher, painter = open_mesher(config.mesher, PAINTED_AT_ONCE)
    own = config.policy
    device = own.device if processes.count == 1 else str(processes.device)
    check_device(device)
    needs_reference = config.algorithm.kl != "none" and config.algorithm.kl_beta > 0
    policy, reference = load_policies(config, device, processes, needs_reference)
    quick = device == "cpu" and config.optimiser.precision == "bfloat16"
    codec = codec_of(policy, config.codec, device, bfloat16=quick)
    return Parts(
        policy=policy,
        reference=reference,
        engine=open_engine(own, policy, codec.codes_per_shape, config.optimiser.precision, processes.count),
        codec=codec,
        mesher=mesher,
        painter=painter,
        cameras=CAMERAS[config.cameras],
        prompts=prompts,
        ensemble=build_ensemble(config.stages, reduce=config.reduce, judges=config.judges),
        processes=processes,
        probe=open_probe(config),
    )


def load_policies(
    config: Config, device: str, processes: Processes, needs_reference: bool
) -> tuple[Policy, nn.Module | None]:
    """The policy and its reference. Where they are sharded they are read on the CPU and divided at once, first the one and then the other,
    by one process of a machine at a time: no device has to hold a whole one (but a 4-bit base), and a machine's memory one.
    """
    own, sharded = config.policy, processes.layout == "sharded"
    read_on = "cpu" if sharded else ""

    def load() -> tuple[Policy, nn.Module | None]:
        policy = open_policy(
            config.model,
            device=device,
            weights=own.weights,
            lora_rank=own.lora_rank,
            lora_alpha=own.lora_alpha,
            gradient_checkpointing=own.gradient_checkpointing,
            seed=config.seed,
            read_on=read_on,
        )
        policy = processes.shard(policy)
        if not needs_reference:
            return policy, None
        reference = reference_of(policy, device=device, weights=own.weights, read_on=read_on)
        return policy, processes.shard(reference) if isinstance(reference, Policy) else reference

    return processes.in_turn(load) if sharded else load()


def open_engine(
    settings: PolicyConfig, policy: Policy, codes: int, precision: Literal["float32", "bfloat16"], processes: int = 1
) -> RolloutEngine:
    """Who decodes; lockstep as precisely as the trainer's passes, in the type that the weights are held in or in bfloat16."""
    if settings.engine == "vllm":
        return VllmEngine.open(policy, codes, processes=processes)
    if settings.engine == "vllm-server":
        return ServedVllmEngine(policy, codes, ServerSettings(settings.servers, Path(settings.served_adapters)))
    quick = precision == "bfloat16" and quick_bfloat16(next(policy.parameters()).device)
    return LockstepEngine(policy, codes, torch.bfloat16 if quick else policy.dtype)


def shared_by(config: Config, processes: Processes) -> None:
    """ValueError where these processes cannot share the run."""
    processes.share(config.prompts_per_step)
    if config.policy.engine == "vllm-server" and processes.count > 1:
        raise ValueError(
            f"policy.engine is vllm-server and {processes.count} processes were launched: adapters are sent by one; launch one."
        )
    if config.policy.engine == "vllm" and processes.layout == "sharded":
        raise ValueError(
            "policy.engine is vllm, which takes whole weights, and the launch shards them (FSDP2): launch configs/accelerate/ddp.yaml, "
            "or take policy.engine: lockstep."
        )


def known_algorithm(config: Config) -> None:
    """ValueError where the loss or the advantage has no function of that name, or a return flows to reasoning that nobody asks for."""
    tables = {"loss": [*LOSSES, "none"], "advantage": list(ADVANTAGES)}
    for key, known in tables.items():
        name = getattr(config.algorithm, key)
        if name not in known:
            raise ValueError(f"algorithm.{key} is {name!r}; there are {', '.join(known)}.")
    for stage in config.stages:
        if stage.from_next and stage.from_next_on == "reasoning" and not reasoning_limit(stage):
            raise ValueError(
                f"Stage {stage.name} does not reason (instruction {stage.instruction}), so its from_next_on must be answer."
            )
