"""Small networks in safetensors: written in half precision, read back in single, checked key by key."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from maquette.tensor_files import load_tensors, save_tensors

Network = TypeVar("Network", bound=nn.Module)


def save_network(network: nn.Module, path: Path) -> None:
    """Writes all weights and running statistics as float16 (integers as they are), whole or not at all."""
    state = {key: t.half() if t.is_floating_point() else t for key, t in network.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_tensors(state, path)


def load_network(network: Network, path: Path) -> Network:
    """`network` with the file's weights, in evaluation mode and without gradients.

    Raises ValueError where the file is missing, is no safetensors file, or holds another key or shape than the network expects.
    """
    if not path.is_file():
        raise ValueError(f"no weights at {path}; `maquette train-scorers configs/scorers.yaml` writes them")
    state, _ = load_tensors(path)
    expected = network.state_dict()
    if state.keys() != expected.keys():
        odd = sorted(state.keys() ^ expected.keys())[0]
        where = "is missing" if odd in expected else "is not expected"
        raise ValueError(f"{path}: key {odd} {where}; train the scorers again for this version")
    for key, tensor in state.items():
        if tensor.shape != expected[key].shape:
            raise ValueError(f"{path}: {key} has shape {tuple(tensor.shape)}, expected {tuple(expected[key].shape)}")
    with torch.no_grad():
        network.load_state_dict({key: t.to(expected[key].dtype) for key, t in state.items()})
    return network.eval().requires_grad_(False)
