"""Muon for matrices and convolution kernels with AdamW for the rest, as one optimiser whose state fits a safetensors file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor
from torch.nn import Parameter


class MuonAdamW:
    """Muon (Jordan et al. 2024, updates scaled to AdamW's size as in arXiv 2502.16982) beside AdamW, under one learning rate.

    Muon is defined for matrices; a kernel [out, in, x, y, z] stands as the matrix [out, in·x·y·z]. In 200 steps of the codec it
    reached an IoU of 0.79 where AdamW alone had 0.49 (docs/log.md).
    """

    def __init__(
        self,
        matrices: Iterable[Parameter],
        others: Iterable[Parameter],
        lr: float,
        *,
        weight_decay: tuple[float, float],
        betas: tuple[float, float] = (0.9, 0.98),
    ) -> None:
        """`weight_decay`: of the matrices, of the others."""
        self._pairs = [(parameter, _as_matrix(parameter)) for parameter in matrices]
        flat = [matrix for _, matrix in self._pairs]
        self._parts = {
            "matrices": torch.optim.Muon(flat, lr=lr, weight_decay=weight_decay[0], adjust_lr_fn="match_rms_adamw"),
            "others": torch.optim.AdamW(others, lr=lr, weight_decay=weight_decay[1], betas=betas),
        }

    def step(self, lr: float) -> None:
        """One update at this rate; gradients are cleared after."""
        for parameter, matrix in self._pairs:
            if matrix is not parameter:
                matrix.grad = None if parameter.grad is None else _rows(parameter.grad, like=parameter)
                parameter.grad = None
        for part in self._parts.values():
            for group in part.param_groups:
                group["lr"] = lr
            part.step()
            part.zero_grad(set_to_none=True)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Every moment as `matrices.INDEX.NAME` or `others.INDEX.NAME`."""
        for label, part in self._parts.items():
            for index, moments in part.state_dict()["state"].items():
                for name, value in moments.items():
                    yield f"{label}.{index}.{name}", value

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what `tensors` gave; other keys are left alone."""
        for label, part in self._parts.items():
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in tensors.items():
                kind, _, rest = key.partition(".")
                if kind == label:
                    index, _, name = rest.partition(".")
                    state.setdefault(int(index), {})[name] = value
            part.load_state_dict(part.state_dict() | {"state": state})


def _as_matrix(parameter: Parameter) -> Parameter:
    """The same memory seen as a matrix. ValueError where that cannot be had without a copy."""
    if parameter.dim() == 2:
        return parameter
    matrix = Parameter(_rows(parameter.data, like=parameter))
    if matrix.data_ptr() != parameter.data_ptr():
        raise ValueError(f"A kernel of shape {tuple(parameter.shape)} lies in memory so that no matrix view of it exists.")
    return matrix


def _rows(tensor: Tensor, like: Tensor) -> Tensor:
    """[out, …] as [out, all the rest], columns in the order in which `like` lies in memory (channels last, or as written)."""
    if not like.is_contiguous():
        tensor = tensor.permute(0, *range(2, tensor.dim()), 1)
    return tensor.reshape(len(tensor), -1)
