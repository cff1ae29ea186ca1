"""Tensors that lie in parts on several processes: how the whole is read, and how it is put back."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor


def whole(tensor: Tensor) -> Tensor:
    """All of a sharded tensor; any other as it is. A collective call: every process makes it, in the same order."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def like(full: Tensor, pattern: Tensor) -> Tensor:
    """`full` (the same on every process) laid out as `pattern` is: its device, and its shards if it has any."""
    if isinstance(pattern, DTensor):
        return distribute_tensor(full.to(pattern.device), pattern.device_mesh, pattern.placements, src_data_rank=None)
    return full.to(pattern.device)


@torch.no_grad()
def overwrite(parameter: Tensor, full: Tensor) -> None:
    """In place; each process keeps its own part."""
    parameter.copy_(like(full.to(parameter.dtype), parameter))
