"""The trainer: rollout → score → advantages → update, step by step, resumable bit for bit."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Literal

import yaml
from jaxtyping import Float64
from torch import Tensor, nn

from maquette.codec.voxel_codec import VoxelCodec
from maquette.config import Config
from maquette.config_file import dump_config
from maquette.generate import generate
from maquette.policy.lockstep import LockstepEngine
from maquette.policy.model import Policy, open_policy, reference_of
from maquette.policy.vllm_engine import VllmEngine
from maquette.prompts.sets import load_prompts
from maquette.protocols import Mesher, RolloutEngine, Sampling
from maquette.rendering.cameras import CAMERAS
from maquette.rewards.ensemble import Ensemble, build_ensemble
from maquette.rewards.judges_file import read_judges
from maquette.shape.surface import SurfaceMesher
from maquette.shape.trellis import TrellisMesher
from maquette.tracking import Stopwatch, Trackers, make_run_folder, open_trackers, progress, provenance, tell
from maquette.training.advantages import mix, returns, stage_advantages
from maquette.training.batches import batch_at
from maquette.training.checkpoint import list_checkpoints, load_checkpoint, save_checkpoint
from maquette.training.samples import log_samples, summary
from maquette.training.update import Learner, make_optimizer, set_learning_rate, update
from maquette.types import Cameras, Generation, Prompt, Scores

FREE_KEYS = ("steps", "sample_every", "checkpoint_every", "keep_checkpoints", "track")
"""May differ when a run is resumed: they change how long it runs and what is written, never a number."""


@dataclass(frozen=True)
class Parts:
    """Everything that a run is made of, built once."""

    policy: Policy
    reference: nn.Module | None
    engine: RolloutEngine
    codec: VoxelCodec
    mesher: Mesher
    cameras: Cameras
    prompts: Sequence[Prompt]
    ensemble: Ensemble


def load_parts(config: Config) -> Parts:
    """Parts by the names in a config. ValueError says which is missing."""
    if config.cameras not in CAMERAS:
        raise ValueError(f"There is no camera protocol {config.cameras!r}; known are {', '.join(CAMERAS)}.")
    own = config.policy
    # what may be missing and is quick to ask comes before what takes minutes to load
    mesher = TrellisMesher.open() if config.mesher == "trellis" else SurfaceMesher()
    policy = open_policy(
        config.model,
        device=own.device,
        weights=own.weights,
        lora_rank=own.lora_rank,
        lora_alpha=own.lora_alpha,
        gradient_checkpointing=own.gradient_checkpointing,
        seed=config.seed,
    )
    codec = VoxelCodec.load(config.codec, own.device)
    if policy.codebook_size != codec.codebook_size:
        raise ValueError(
            f"The model {config.model} writes {policy.codebook_size} codes, the codec {config.codec} reads "
            f"{codec.codebook_size}: take the codec that the model was trained with."
        )
    needs_reference = config.algorithm.kl != "none" and config.algorithm.kl_beta > 0
    return Parts(
        policy=policy,
        reference=reference_of(policy, device=own.device, weights=own.weights) if needs_reference else None,
        engine=open_engine(own.engine, policy, codec.codes_per_shape),
        codec=codec,
        mesher=mesher,
        cameras=CAMERAS[config.cameras],
        prompts=load_prompts(config.prompts, count=config.prompt_count),
        ensemble=build_ensemble(config.stages, reduce=config.reduce, judges=config.judges),
    )


def open_engine(name: Literal["lockstep", "vllm"], policy: Policy, codes: int) -> RolloutEngine:
    """Who decodes; lockstep in the type that the weights are held in."""
    if name == "vllm":
        return VllmEngine.open(policy, codes)
    return LockstepEngine(policy, codes, policy.dtype)


def train(config: Config, out: Path, *, resume: bool = False, command: str = "") -> Path:
    """Runs the whole of `config` into the folder `out`; what comes out is the folder of the trained policy, `out/policy`.

    With `resume`, goes on from the newest checkpoint in `out`. ValueError: a folder that cannot be written, holds a run
    already, or was made by another config; a reward, loss or gradient that is not finite.
    """
    parts = load_parts(config)
    prepare_folder(config, out, resume=resume, command=command)
    return run(config, parts, out)


def run(config: Config, parts: Parts, out: Path) -> Path:
    """The loop over given parts, from the newest checkpoint in `out` if there is one."""
    learner = Learner(
        parts.policy,
        parts.reference,
        make_optimizer(parts.policy, config.optimiser),
        config.algorithm,
        config.optimiser,
        config.temperature,
    )
    checkpoints = out / "checkpoints"
    found = list_checkpoints(checkpoints)
    start = load_checkpoint(found[-1], parts.policy, learner.optimizer) if found else 0
    tracker = open_trackers(out, config.track, settings=asdict(config), resume_at=start)
    try:
        with stop_requests() as asked:
            for step in progress(range(start, config.steps), "train", config.steps - start):
                tracker.log(step, train_step(config, parts, learner, step, tracker, out))
                done = step + 1
                if done == config.steps or done % config.checkpoint_every == 0 or asked:
                    save_checkpoint(checkpoints, done, parts.policy, learner.optimizer, keep=config.keep_checkpoints)
                if asked and done < config.steps:
                    tell(f"Stopped at a checkpoint after step {done}; go on with --resume {out}.")
                    break
    finally:
        tracker.close()
    parts.policy.save(out / "policy")
    return out / "policy"


def train_step(
    config: Config, parts: Parts, learner: Learner, step: int, tracker: Trackers, out: Path
) -> dict[str, float]:
    """One batch of prompts, from text to new weights; its numbers."""
    clock = Stopwatch()
    with clock("step"):
        prompts = batch_at(parts.prompts, step, size=config.prompts_per_step, seed=config.seed)
        generation = roll_out(config, parts, prompts, step, clock)
        with clock("score"):
            scores = parts.ensemble.score(generation)
        advantages = stage_advantages(
            scores,
            config.stages,
            group_size=config.group_size,
            mixing=config.algorithm.mixing,
            advantage=config.algorithm.advantage,
        )
        rate = set_learning_rate(learner.optimizer, config.optimiser, step)
        measured = update(
            learner,
            generation.rollouts,
            advantages,
            group_size=config.group_size,
            seed=(config.seed, step),
            clock=clock,
        )
        parts.engine.load_weights(parts.policy.state_dict())
    if config.sample_every and step % config.sample_every == 0:
        log_samples(tracker, out, step, generation, scores, ranking(config, scores), advantages)
    seconds = {f"seconds/{name}": value for name, value in clock.seconds.items()}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    judged = parts.ensemble.costs()
    return summary(generation, scores) | judged | measured | {"lr": rate, "memory_gib": peak} | seconds


def roll_out(config: Config, parts: Parts, prompts: Sequence[Prompt], step: int, clock: Stopwatch) -> Generation:
    """Answers of one step; their seed is a function of (seed, step)."""
    return generate(
        prompts,
        config.stages,
        engine=parts.engine,
        codec=parts.codec,
        mesher=parts.mesher,
        cameras=parts.cameras,
        group_size=config.group_size,
        sampling=Sampling(temperature=config.temperature, seed=config.seed * 1_000_003 + step),
        render_size=config.render_size,
        paint_text=config.paint_text,
        clock=clock,
    )


def ranking(config: Config, scores: Scores) -> Float64[Tensor, " a"]:
    """What best and worst mean in `samples/`: the first stage's return, with standardised parts."""
    mixed = mix(scores, config.stages, group_size=len(scores.failed), mixing="standardised")
    return returns(mixed, [stage.from_next for stage in config.stages])[:, 0]


def prepare_folder(config: Config, out: Path, *, resume: bool, command: str = "") -> None:
    """A fresh run folder with its resolved config and provenance, or a known one whose config is the same."""
    resolved = out / "config.yaml"
    if resume and not resolved.is_file():
        raise ValueError(f"There is no run to resume in {out}: config.yaml is missing.")
    if resume:
        _refuse_changes(yaml.safe_load(resolved.read_text()), yaml.safe_load(dump_config(config)), out)
    elif resolved.exists():
        raise ValueError(f"{out} holds a run already; resume it with --resume {out}, or choose another --out.")
    make_run_folder(out)
    resolved.write_text(dump_config(config))
    if not resume:
        judges = {"judges": read_judges(Path(config.judges)).record()} if config.judges else {}
        (out / "provenance.yaml").write_text(yaml.safe_dump(dict(provenance(command)) | judges, sort_keys=False))


def _refuse_changes(before: dict[str, object], now: dict[str, object], out: Path) -> None:
    for key in before:
        if key not in FREE_KEYS and before[key] != now[key]:
            raise ValueError(
                f"The run in {out} has {key} = {before[key]}, the config says {now[key]}: a resumed run keeps it. "
                f"Only {', '.join(FREE_KEYS)} may change."
            )


@contextmanager
def stop_requests() -> Iterator[list[int]]:
    """A list that fills when Ctrl-C or SIGTERM asks for the end; the step is finished and saved. A second Ctrl-C breaks off."""
    asked: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.append(number)

    before = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
