"""One run on many processes: who has which prompts, what is summed over all, and where the weights lie.

Every process holds whole groups. Denominators and metrics are sums over all of them, rollouts draw their random numbers by the place of
an answer in the whole batch, and advantages are made from everybody's scores, so that a run's numbers do not depend on how many
processes share it (beyond the order of sums). `accelerate launch` (or torchrun) starts the processes; see docs/scaling-out.md.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, NoReturn, TypeVar, cast

import torch
import torch.distributed as dist
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env
from jaxtyping import Float64
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.nn.parallel import DistributedDataParallel

T = TypeVar("T")
Module = TypeVar("Module", bound=nn.Module)
Layout = Literal["replicated", "sharded"]


@dataclass(frozen=True)
class Processes:
    """This process among those of the run; the default is a run of one."""

    rank: int = 0
    count: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    layout: Layout = "replicated"
    """`replicated`: each process has all weights (DDP) · `sharded`: each has a part of every weight (FSDP2)."""
    place: int = 0
    """This process's place among those of its machine."""
    beside: int = 0
    """How many the machine has, as far as the launcher says; 0: not known."""

    @classmethod
    def join(cls) -> Processes:
        """The process group that the launcher's environment describes; without one, a run of one on this machine's device.

        ValueError for a launch that would be something else than it says (FSDP1, DeepSpeed).
        """
        if parse_flag_from_env("ACCELERATE_USE_DEEPSPEED"):
            raise ValueError(
                "The launch asks for DeepSpeed, which this trainer does not drive; configs/accelerate/fsdp2.yaml shards weights, "
                "gradients and moments as ZeRO-3 does."
            )
        sharded = parse_flag_from_env("ACCELERATE_USE_FSDP")
        if sharded and os.environ.get("FSDP_VERSION", "2") != "2":
            raise ValueError("The launch asks for FSDP version 1; set fsdp_version: 2 in the accelerate config.")
        on_cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.accelerator.is_available()
        state = PartialState(cpu=on_cpu)
        device = torch.device(str(state.device))
        layout: Layout = "sharded" if sharded and state.num_processes > 1 else "replicated"
        if layout == "sharded":
            world_mesh(device.type, state.num_processes)  # all together, since later each may shard in its turn
        beside = int(os.environ.get("LOCAL_WORLD_SIZE", 0)) if state.num_processes > 1 else 0
        return cls(state.process_index, state.num_processes, device, layout, state.local_process_index, beside)

    @property
    def first(self) -> bool:
        """The one that writes: metrics, samples, checkpoints."""
        return self.rank == 0

    def share(self, items: int) -> range:
        """The places that are this process's: consecutive, sizes unlike by at most one. ValueError where some would get none."""
        if items < self.count:
            raise ValueError(
                f"{items} prompts cannot be shared by {self.count} processes: raise prompts_per_step or launch fewer."
            )
        return self.shares(items)[self.rank]

    def shares(self, items: int) -> list[range]:
        """Everybody's places, by rank; of fewer items than processes some get none."""
        return [range(items * r // self.count, items * (r + 1) // self.count) for r in range(self.count)]

    def spread(self, policy: nn.Module) -> nn.Module:
        """The policy as the update should call it: a wrapper that averages gradients, or (in place) with sharded weights."""
        if self.count == 1:
            return policy
        if self.layout == "sharded":
            return self.shard(policy)
        return DistributedDataParallel(policy)

    def in_turn(self, work: Callable[[], T]) -> T:
        """Each machine's processes work one after another, so that what is large for a while is there once at a time.

        Everybody calls it; nothing in `work` is collective. Where the launcher does not say who shares a machine, all work at once.
        """
        turns = self.most(self.beside)
        done: list[T] = []
        for turn in range(turns):
            if turn == self.place:
                done.append(work())
            dist.barrier()
        return done[0] if done else work()

    def shard(self, policy: Module) -> Module:
        """FSDP2, in place, unless it is done: a group of weights per layer, one for the rest; only one group is whole at a time."""
        if self.layout == "sharded" and not isinstance(policy, FSDPModule):
            mesh, inner = world_mesh(self.device.type, self.count), cast(Any, policy)
            for layer in inner.decoder.layers:
                fully_shard(layer, mesh=mesh)
            fully_shard(policy, mesh=mesh)
        return policy

    def accumulating(self, policy: nn.Module, *, last: bool) -> AbstractContextManager[None]:
        """Around each forward and backward pass: replicas exchange gradients in the last one only.

        Sharded gradients are exchanged in each, so that no process ever holds the whole of them.
        """
        if isinstance(policy, DistributedDataParallel) and not last:
            return policy.no_sync()
        return nullcontext()

    def total(self, values: Float64[Tensor, " k"]) -> Float64[Tensor, " k"]:
        """Sums over all processes, the same on each."""
        return self._reduced(values, dist.ReduceOp.SUM)

    def largest(self, values: Float64[Tensor, " k"]) -> Float64[Tensor, " k"]:
        """Maxima over all processes."""
        return self._reduced(values, dist.ReduceOp.MAX)

    def most(self, number: int) -> int:
        """The largest of everybody's numbers."""
        return int(self.largest(torch.tensor([number], dtype=torch.float64)))

    def _reduced(self, values: Tensor, operation: dist.ReduceOp.RedOpType) -> Tensor:
        if self.count == 1:
            return values
        there = values.to(self.device, copy=True)
        dist.all_reduce(there, operation)
        return there.cpu()

    def gather(self, one: T) -> list[T]:
        """Everybody's, in the order of ranks; for small things (they are pickled between the run's own processes)."""
        if self.count == 1:
            return [one]
        found: list[T | None] = [None] * self.count
        dist.all_gather_object(found, one)
        return found  # type: ignore[return-value]

    def pass_on(self, one: T | None, giver: int, taker: int) -> T | None:
        """`one` from process `giver` to process `taker`, who gets it; everybody calls it, in the same order, the others do nothing."""
        parcel: list[T | None] = [one]
        if giver != taker and self.rank == giver:
            dist.send_object_list(parcel, dst=taker, device=self.device)
        if giver != taker and self.rank == taker:
            dist.recv_object_list(parcel, src=giver, device=self.device)
        return parcel[0] if self.rank == taker else None

    def first_does(self, work: Callable[[], T]) -> T:
        """The first process works, all others wait and get its result. A ValueError of it is raised everywhere."""
        if self.count == 1:
            return work()
        answer: list[object] = [None, None]
        if self.first:
            try:
                answer[0] = work()
            except ValueError as error:
                answer[1] = error
        dist.broadcast_object_list(answer, src=0)
        if isinstance(answer[1], ValueError):
            raise answer[1]
        return answer[0]  # type: ignore[return-value]

    def leave(self) -> None:
        """The end of the run: nobody goes before all are done, since a process that is gone looks like one that failed.

        A barrier, which carries no tensor: Gloo's threads drop the tensors of what they did when they get to it, and one that does so while
        the interpreter shuts down aborts the process.
        """
        if self.count > 1 and dist.is_initialized():
            dist.barrier()
            world_mesh.cache_clear()
            dist.destroy_process_group()


@cache
def world_mesh(device: str, count: int) -> DeviceMesh:
    """All processes in a row."""
    return init_device_mesh(device, (count,))


def end_process() -> NoReturn:
    """The last line of a launched process that has done all it had to do: without the interpreter's way out, on which threads of a process
    group that is still referred to can abort it (`terminate called without an active exception`); a launcher calls that a failed run.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
