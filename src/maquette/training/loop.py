"""The trainer: rollout → score → advantages → update, step by step, resumable bit for bit."""

from __future__ import annotations

import json
import resource
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from types import FrameType

import numpy as np
import torch
import yaml
from jaxtyping import Float64
from torch import Tensor

from maquette.codec.hub import find_codec
from maquette.config import Config
from maquette.config_file import dump_config
from maquette.generate import most_sampled
from maquette.outputs import keep_before, make_run_folder, write_text
from maquette.policy.folders import find_model, weights_digest
from maquette.policy.model import Policy
from maquette.rewards.judges_file import read_judges
from maquette.runs import DATA
from maquette.tracking import Stopwatch, Trackers, need_tracker, open_trackers, provenance, read_metrics, tell
from maquette.training.advantages import mix, returns, stage_advantages
from maquette.training.averaging import averaged
from maquette.training.checkpoint import list_checkpoints, load_checkpoint, load_run, save_checkpoint
from maquette.training.distributed import Processes
from maquette.training.dynamic import Collected, RunState
from maquette.training.live import Monitor
from maquette.training.parts import Parts, load_parts, shared_by
from maquette.training.probe import look
from maquette.training.rollout import collect_groups
from maquette.training.samples import best_of, choose_samples, log_samples, reasoning_lengths, summary, variety
from maquette.training.update import Learner, make_optimizer, set_learning_rate, update
from maquette.types import Scores

REFUSALS = "judge-refusals.jsonl"
"""In a run's folder: step, judge, reason and words of questions without an answer, the newest few of each step and judge."""
FREE_KEYS = ("steps", "probe_every", "probe_prompts", "sample_every", "checkpoint_every", "keep_checkpoints", "track")
"""May differ when a run is resumed: they change how long it runs and what is written, never a number."""


def train(config: Config, out: Path, *, resume: bool = False, command: str = "") -> Path | None:
    """Runs the whole of `config` into the folder `out`; what comes out is the folder of the trained policy, `out/policy`.

    Under a launcher it is one process of the run: see `Processes.join`. None for all but the first.

    With `resume`, goes on from the newest checkpoint in `out`. ValueError: a folder that cannot be written, holds a run
    already, or was made by another config; a reward, loss or gradient that is not finite.
    """
    processes = Processes.join()
    shared_by(config, processes)
    processes.first_does(lambda: check_folder(config, out, resume=resume))
    parts = load_parts(config, processes)
    processes.first_does(lambda: prepare_folder(config, out, resume=resume, command=command))
    trained = run(config, parts, out)
    processes.leave()
    return trained if processes.first else None


def run(config: Config, parts: Parts, out: Path) -> Path:
    """The loop over given parts, from the newest checkpoint in `out` if there is one."""
    processes, learner, checkpoints = parts.processes, make_learner(config, parts), out / "checkpoints"
    found = processes.first_does(lambda: list_checkpoints(checkpoints))
    start = load_checkpoint(found[-1], parts.policy, learner.optimizer) if found else 0
    state = RunState.from_json(load_run(found[-1])) if found else RunState()
    if found:
        parts.engine.load_weights(parts.policy.state_dict())  # an engine with weights of its own still has the start's
    settings = asdict(config)
    tracker = open_trackers(out, config.track, settings=settings, resume_at=start) if processes.first else Trackers(())
    processes.first_does(lambda: keep_before(out / REFUSALS, start))
    with ExitStack() as stack:
        stack.callback(tracker.close)
        asked = stack.enter_context(stop_requests())
        monitor = Monitor(config.steps, read_metrics(out / "metrics.jsonl")) if processes.first else None
        if monitor:
            stack.enter_context(monitor.shown())
        for step in range(start, config.steps):
            measured, state = train_step(config, parts, learner, step, state, tracker, out)
            tracker.log(step, measured)
            if monitor:
                monitor.step(step, measured)
            done, stopping = step + 1, processes.most(len(asked)) > 0
            if done == config.steps or done % config.checkpoint_every == 0 or stopping:
                save_checkpoint(
                    checkpoints,
                    done,
                    parts.policy,
                    learner.optimizer,
                    keep=config.keep_checkpoints,
                    run=state.to_json(),
                    processes=processes,
                )
            if stopping and done < config.steps:
                if processes.first:
                    tell(f"Stopped at a checkpoint after step {done}; go on with --resume {out}.")
                break
    with averaged(learner.optimizer):
        parts.policy.save(out / "policy", write=processes.first)
    return out / "policy"


def make_learner(config: Config, parts: Parts) -> Learner:
    """The policy spread over the processes, and then (the order matters: moments lie where the weights lie) its optimiser."""
    policy = parts.processes.spread(parts.policy)
    return Learner(
        policy,
        # else it is the policy itself in another guise, and spread already
        parts.processes.shard(parts.reference) if isinstance(parts.reference, Policy) else parts.reference,
        make_optimizer(parts.policy, config.optimiser),
        config.algorithm,
        config.optimiser,
        config.temperature,
        tuple(most_sampled(stage, parts.codec.codes_per_shape) for stage in config.stages),
        tuple(stage.reasoning_weight for stage in config.stages),
        parts.processes,
    )


def train_step(
    config: Config, parts: Parts, learner: Learner, step: int, state: RunState, tracker: Trackers, out: Path
) -> tuple[dict[str, float], RunState]:
    """One batch of prompts, from text to new weights; its numbers, which are those of all processes, and where the run then stands."""
    clock, processes = Stopwatch(), parts.processes
    probed = probe(config, parts, step, clock)
    with clock("step"):
        collected = collect_groups(config, parts, step, state, clock)
        mine = processes.share(config.prompts_per_step)
        answers = slice(mine.start * config.group_size, mine.stop * config.group_size)
        advantages = stage_advantages(
            collected.scores,
            config.stages,
            group_size=config.group_size,
            mixing=config.algorithm.mixing,
            advantage=config.algorithm.advantage,
            informative=collected.informative,
        )
        rate = set_learning_rate(learner.optimizer, config.optimiser, step)
        measured: dict[str, float] = {}
        if config.algorithm.loss != "none":
            measured = update(
                learner,
                collected.answered.generation.rollouts,
                advantages[answers],
                group_size=config.group_size,
                seed=(config.seed, step),
                clock=clock,
            )
        parts.engine.load_weights(parts.policy.state_dict())
    if config.sample_every and step % config.sample_every == 0:
        own, order = collected.answered, ranking(config, collected.scores)
        chosen = choose_samples(own.generation, own.scores, advantages[answers], order, answers.start)
        everybodys = [sample for some in processes.gather(chosen) for sample in some]
        if processes.first:
            log_samples(tracker, out, step, everybodys)
    write_refusals(out, step, parts)
    seconds = {f"seconds/{name}": value for name, value in clock.seconds.items()}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    seen = describe_step(config, collected, processes) | parts.ensemble.costs()
    return seen | probed | collected.numbers | measured | {"lr": rate, "memory_gib": peak} | seconds, collected.state


def write_refusals(out: Path, step: int, parts: Parts) -> None:
    """What judges of any process did not answer in this step, a line each at the end of `REFUSALS`, for people to read."""
    lines = [line for own in parts.processes.gather(parts.ensemble.refusals()) for line in own]
    if lines and parts.processes.first:
        with (out / REFUSALS).open("a") as file:
            file.writelines(json.dumps({"step": step, **line}) + "\n" for line in lines)


def probe(config: Config, parts: Parts, step: int, clock: Stopwatch) -> dict[str, float]:
    """What the evaluators say of the policy as it enters this step, where it is their turn."""
    if parts.probe is None or step % config.probe_every:
        return {}
    with clock("probe"):
        return look(
            parts.probe,
            config.stages,
            engine=parts.engine,
            codec=parts.codec,
            mesher=parts.mesher,
            temperature=config.temperature,
            processes=parts.processes,
        )


def describe_step(config: Config, collected: Collected, processes: Processes) -> dict[str, float]:
    """Means over everybody's answers: rewards, failures, reasoning lengths, variety, and what best-of-n would earn."""
    generation = collected.answered.generation
    gathered = processes.gather((reasoning_lengths(generation.rollouts), len(generation.prompts), variety(generation)))
    lengths, groups, varieties = zip(*gathered, strict=True)
    unlike = {name: float(np.average([one[name] for one in varieties], weights=groups)) for name in varieties[0]}
    means = summary([stage.name for stage in config.stages], collected.scores, torch.cat(lengths))
    return means | unlike | best_of(collected.scores, config.stages, config.group_size)


def ranking(config: Config, scores: Scores) -> Float64[Tensor, " a"]:
    """What best and worst mean in `samples/`: the first stage's return, with standardised parts."""
    mixed = mix(scores, config.stages, group_size=len(scores.failed), mixing="standardised")
    return returns(mixed, [stage.from_next for stage in config.stages])[:, 0]


def prepare_folder(config: Config, out: Path, *, resume: bool, command: str = "") -> None:
    """A fresh run folder with its resolved config and provenance, or a known one whose config is the same."""
    check_folder(config, out, resume=resume)
    write_text(out / "config.yaml", dump_config(config))
    if not resume:
        record = dict(provenance(command)) | _read_from(config)
        write_text(out / "provenance.yaml", yaml.safe_dump(record, sort_keys=False))


def check_folder(config: Config, out: Path, *, resume: bool) -> None:
    """ValueError, before anything is loaded, where this run cannot begin or go on in that folder, or lacks a package to be tracked."""
    resolved, record = out / "config.yaml", out / "provenance.yaml"
    for name in config.track:
        need_tracker(name)
    if resume and not resolved.is_file():
        raise ValueError(f"There is no run to resume in {out}: config.yaml is missing.")
    if resume:
        _refuse_changes(yaml.safe_load(resolved.read_text()), yaml.safe_load(dump_config(config)), out)
        before = yaml.safe_load(record.read_text()) if record.is_file() else {}
        for what, now in _read_from(config).items():
            if _asked(before.get(what, now)) != _asked(now):
                raise ValueError(
                    f"What the run in {out} read as its {what} was {before[what]}, and is {now} now: a resumed run keeps it. "
                    "Put the file back as it was, or begin a run of its own."
                )
    elif resolved.exists():
        raise ValueError(f"{out} holds a run already; resume it with --resume {out}, or choose another --out.")
    make_run_folder(out)


def _asked(record: object) -> object:
    """Of judges the questions and who answers them: servers and files may have moved since."""
    return (
        [str(line).split(" at ")[0] for line in record if " at " in str(line)] if isinstance(record, list) else record
    )


def _read_from(config: Config) -> dict[str, object]:
    """What a run's files say, for its record: digests of the start's and the codec's weights and of a prompt file, judges with theirs."""
    codec = DATA / "codec" if config.codec == "tiny" else Path(find_codec(config.codec))
    read = {"model": (config.model, find_model(config.model)), "codec": (config.codec, codec)}
    found: dict[str, object] = {what: f"{name}, {weights_digest(path)}" for what, (name, path) in read.items()}
    if config.judges:
        found["judges"] = read_judges(Path(config.judges)).record()
    if Path(config.prompts).is_file():
        found["prompts"] = f"{config.prompts}, SHA-256 {sha256(Path(config.prompts).read_bytes()).hexdigest()[:16]}"
    return found


def _refuse_changes(before: dict[str, object], now: dict[str, object], out: Path) -> None:
    for key in before:
        if key not in FREE_KEYS and before[key] != now.get(key):
            raise ValueError(
                f"The run in {out} has {key} = {before[key]}, the config says {now.get(key, 'nothing of it')}: a resumed run keeps it. "
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
