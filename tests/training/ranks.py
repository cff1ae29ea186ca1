"""One process of the tests of many: `python -m tests.training.ranks FOLDER`, with RANK, WORLD_SIZE and MASTER_PORT set."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import save_file
from torch import Tensor

from maquette.config import AlgorithmConfig, Config, DynamicConfig, OptimiserConfig
from maquette.evaluation.networks import load_evaluators
from maquette.policy.adapters import add_lora
from maquette.policy.lockstep import LockstepEngine
from maquette.policy.model import reference_of
from maquette.policy.sharding import whole
from maquette.tracking import Stopwatch, Trackers
from maquette.training.distributed import Processes, end_process
from maquette.training.dynamic import RunState
from maquette.training.loop import make_learner, run, train_step
from maquette.training.parts import Parts
from maquette.training.probe import Probe
from maquette.training.rollout import collect_groups
from tests.tiny import GEOMETRY, PROMPTS
from tests.training.toys import Choosy, LowCodes, Redness, micro_config, micro_parts

ROOT = Path(__file__).resolve().parents[2]
LAYOUTS = ("replicated", "sharded")


def unclipped(**changes: object) -> Config:
    """Three prompts, so that two processes have unlike shares (of which one cannot be answered in two parts, as it should be), in
    micro-batches of a few rows; gradients are left as they are.
    """
    optimiser = OptimiserConfig(lr=1e-3, warmup_steps=1, micro_batch_tokens=300, max_grad_norm=1e9)
    return micro_config(
        prompts_per_step=3,
        answered_in=2,
        judged_beside=True,
        steps=3,
        optimiser=optimiser,
        checkpoint_every=1,
        sample_every=1,
        probe_every=2,
        **changes,
    )


def several_updates() -> Config:
    """Two passes of two minibatches over four prompts; what is saved is the mean of the weights."""
    algorithm = AlgorithmConfig(kl_beta=0.001, updates_per_rollout=2, minibatches=2)
    config = unclipped(algorithm=algorithm)
    return replace(config, prompts_per_step=4, optimiser=replace(config.optimiser, average=0.5))


def choosing(rule: Literal["exact", "band"] = "exact") -> Config:
    """Dynamic sampling over ten prompts, of which every second one teaches something."""
    return replace(unclipped(dynamic=DynamicConfig(enabled=True, rule=rule, window=8)), keep_checkpoints=3)


def choosy_parts(config: Config, processes: Processes) -> Parts:
    prompts = tuple(replace(PROMPTS[i % len(PROMPTS)], id=str(i)) for i in range(10))
    return replace(micro_parts(config, Choosy()), prompts=prompts, processes=processes)


def parts_of(config: Config, processes: Processes) -> Parts:
    return replace(
        micro_parts(config, LowCodes(), Redness()), processes=processes, probe=Probe(PROMPTS[:3], load_evaluators())
    )


def adapted_parts(config: Config, processes: Processes) -> Parts:
    """Adapters learn; the reference is the same weights without them."""
    parts = parts_of(config, processes)
    add_lora(parts.policy.model, 4, 8.0)
    engine = LockstepEngine(parts.policy, GEOMETRY.codes_per_shape)
    return replace(parts, reference=reference_of(parts.policy), engine=engine)


def gradients(config: Config, processes: Processes, out: Path) -> dict[str, Tensor]:
    """Of the first step, whole, by the weight's name."""
    parts = choosy_parts(config, processes) if config.dynamic.enabled else parts_of(config, processes)
    learner = make_learner(config, parts)
    train_step(replace(config, sample_every=0), parts, learner, 0, RunState(), Trackers(()), out)
    return {name: whole(parameter.grad).clone() for name, parameter in parts.policy.named_parameters()}


def everything(folder: Path, processes: Processes) -> None:
    """Gradients of one step, three whole steps, and three with several updates each, into FOLDER/LAYOUT-…."""
    for layout in LAYOUTS if processes.count > 1 else LAYOUTS[:1]:
        here = replace(processes, layout=layout)
        found = gradients(unclipped(), here, folder)
        if processes.first:
            save_file(found, folder / f"{layout}-gradients.safetensors")
        for name, config in (("steps", unclipped()), ("updates", several_updates())):
            run(config, parts_of(config, here), folder / f"{layout}-{name}")
        run(unclipped(), adapted_parts(unclipped(), here), folder / f"{layout}-adapters")
        dynamic(here, folder, layout)


def dynamic(processes: Processes, folder: Path, layout: str) -> None:
    """Which groups one batch keeps and the gradients of it; three whole steps; and the last two of these again from a checkpoint."""
    found = gradients(choosing(), processes, folder)
    parts = choosy_parts(choosing(), processes)
    batch = collect_groups(choosing(), parts, 0, RunState(), Stopwatch()).answered.generation
    kept = processes.gather([prompt.id for prompt in batch.prompts])
    whole, again = folder / f"{layout}-dynamic", folder / f"{layout}-dynamic-again"
    run(choosing("band"), choosy_parts(choosing("band"), processes), whole)
    if processes.first:
        save_file(found, folder / f"{layout}-dynamic-gradients.safetensors")
        (folder / f"{layout}-dynamic-kept.json").write_text(json.dumps(kept))
        shutil.copytree(whole / "checkpoints" / "step-000001", again / "checkpoints" / "step-000001")
        (again / "metrics.jsonl").write_text((whole / "metrics.jsonl").read_text())
    processes.most(0)
    run(choosing("band"), choosy_parts(choosing("band"), processes), again)


def free_port() -> int:
    """A port on this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def start(folder: Path, count: int) -> list[subprocess.Popen[bytes]]:
    """`count` processes that know each other; what they write on stderr is in FOLDER.rank-R.log."""
    settings = {
        "WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "OMP_NUM_THREADS": "1",
    }
    children = []
    for rank in range(count):
        own = {"RANK": str(rank), "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(count), "ACCELERATE_USE_CPU": "true"}
        with folder.with_name(f"{folder.name}.rank-{rank}.log").open("ab") as log:
            command = [sys.executable, "-m", "tests.training.ranks", str(folder)]
            children.append(subprocess.Popen(command, cwd=ROOT, env=os.environ | settings | own, stderr=log))
    return children


def finish(children: list[subprocess.Popen[bytes]], folder: Path) -> None:
    """Waits for all; what the first one to fail said is in the error."""
    deadline = time.monotonic() + 300
    while any(child.poll() is None for child in children) and not any(child.poll() for child in children):
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    failed = [rank for rank, child in enumerate(children) if child.poll()]
    for child in children:
        if child.poll() is None:
            child.kill()
        child.wait()
    said = "".join(folder.with_name(f"{folder.name}.rank-{rank}.log").read_text()[-3000:] for rank in failed)
    assert all(child.returncode == 0 for child in children), f"processes {failed} failed first:\n{said}"


if __name__ == "__main__":
    torch.set_num_threads(1)
    group = Processes.join()
    everything(Path(sys.argv[1]), group)
    group.leave()
    end_process()
