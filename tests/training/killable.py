"""A micro run that is killed again and again: `python -m tests.training.killable FOLDER PROCESSES ORDERS`.

Every order is `PLACE:STEP:DELAY:RANK`: that process gets SIGKILL when it has come to PLACE in step STEP or later, DELAY seconds in (in
`checkpoint`: at the DELAY-th thing that it does to the file system there; in `bytes`: DELAY seconds after a checkpoint's folder is
made, by another process, since what writes the bytes lets no thread of this one in). Then the run goes on, at last without an order.
Everything is imported once: this process forks those that run. One JSON line says how each of them ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.policy.lockstep import LockstepEngine
from maquette.protocols import Sampling
from maquette.training.distributed import Processes
from maquette.training.loop import run
from maquette.types import Generation, Rollouts, SeenImage
from tests.training.ranks import free_port
from tests.training.toys import LowCodes, Redness, micro_config, micro_parts

STEPS = 12
FILE_EVENTS = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree")


@dataclass(frozen=True)
class Order:
    place: str
    step: int
    delay: float
    rank: int = 0

    @classmethod
    def read(cls, text: str) -> Order:
        place, step, delay, rank = text.split(":")
        return cls(place, int(step), float(delay), int(rank))

    def __str__(self) -> str:
        return f"{self.place}:{self.step}:{self.delay}:{self.rank}"


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class WatchedEngine(LockstepEngine):
    """The engine of every run, which says when a rollout begins."""

    begins: Callable[[], None]

    def decode(
        self,
        prompts: Sequence[Sequence[int]],
        repeats: int,
        sampling: Sampling,
        images: Sequence[SeenImage | None] = (),
    ) -> Rollouts:
        self.begins()
        return super().decode(prompts, repeats, sampling, images)


@dataclass(frozen=True)
class WatchedJudge:
    """Low codes, and word of when scoring begins."""

    begins: Callable[[], None]
    name: str = "preference"
    higher_is: str = "more low codes"
    worst: float = 0.0

    def score(self, generation: Generation, stage: int) -> Float[Tensor, " a"]:
        self.begins()
        return LowCodes().score(generation, stage)


def go_on(folder: Path, processes: Processes, order: Order | None) -> None:
    """From the newest checkpoint in `folder`, or from the start, to the end or to where the order says."""
    config = micro_config(steps=STEPS, checkpoint_every=1)

    def comes_to(place: str) -> None:
        done = [int(path.name[-6:]) for path in (folder / "checkpoints").glob("step-*")]
        if order and order.rank == processes.rank and order.place == place and max(done, default=0) >= order.step:
            threading.Timer(order.delay, die).start()

    parts = micro_parts(config, WatchedJudge(lambda: comes_to("score")), Redness())
    engine = WatchedEngine(parts.policy, parts.codec.codes_per_shape)
    engine.begins = lambda: comes_to("rollout")
    # decoding does not go through `forward`, so this is the update
    parts.policy.register_forward_pre_hook(lambda *_: comes_to("update"))
    if order and order.place in ("checkpoint", "bytes") and order.rank == processes.rank:
        (watch_files if order.place == "checkpoint" else watch_bytes)(order)
    run(config, replace(parts, engine=engine, processes=processes), folder)


def watch_bytes(order: Order) -> None:
    """Dies some time after the folder of a checkpoint is made."""

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "os.mkdir" and f".partial-{order.step + 1:06d}" in str(arguments[0]):
            victim = os.getpid()
            if os.fork() == 0:
                time.sleep(order.delay)
                os.kill(victim, signal.SIGKILL)
                os._exit(0)

    sys.addaudithook(hook)


def watch_files(order: Order) -> None:
    """Dies at one of the things that Python does to the files of a checkpoint."""
    left = [int(order.delay)]

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event not in FILE_EVENTS:
            return
        place = str(arguments[0])
        partial, final = f".partial-{order.step + 1:06d}", f"step-{order.step + 1:06d}"
        if partial in place or final in place or (f"{final[:-1]}" in place and event.startswith(("os.r", "shutil"))):
            left[0] -= 1
            if left[0] < 0:
                die()

    sys.addaudithook(hook)


def fork(folder: Path, count: int, order: Order | None) -> list[int]:
    """The process ids of one more run."""
    port, children = str(free_port()), []
    for rank in range(count):
        child = os.fork()
        if child:
            children.append(child)
            continue
        code = 1
        try:
            if count > 1:
                ranks = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
                os.environ |= {name: str(value) for name, value in ranks.items()}
                os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "ACCELERATE_USE_CPU": "true"}
            group = Processes.join() if count > 1 else Processes()
            go_on(folder, group, order)
            group.leave()
            code = 0
        finally:
            os._exit(code)
    return children


def wait(children: list[int]) -> list[int]:
    """Exit codes (minus the signal's number). When one has been killed or has failed, the others are killed too."""
    codes: dict[int, int] = {}
    deadline = time.monotonic() + 240
    while len(codes) < len(children):
        for child in children:
            ended, status = os.waitpid(child, os.WNOHANG) if child not in codes else (0, 0)
            if ended:
                codes[child] = os.waitstatus_to_exitcode(status)
        if any(codes.values()) or time.monotonic() > deadline:
            for child in set(children) - set(codes):
                os.kill(child, signal.SIGKILL)
                codes[child] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) or 1
        time.sleep(0.005)
    return [codes[child] for child in children]


def main(folder: Path, count: int, orders: Sequence[Order]) -> None:
    torch.set_num_threads(1)
    ended = [wait(fork(folder, count, order)) for order in [*orders, None]]
    print(json.dumps(ended))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), [Order.read(text) for text in sys.argv[3:]])
