"""LoRA (arXiv 2106.09685) by peft: a few trained matrices on a frozen base, which then is the reference at no cost; adapters that go
on learning are kept once more, as they came, for theirs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel

from maquette.policy.folders import lasting
from maquette.policy.sharding import like
from maquette.runs import base_of
from maquette.types import SeenImage

if TYPE_CHECKING:
    from peft.tuners.lora import LoraLayer

TARGETS = r"(?:.*\.)?layers\.\d+\.(?:self_attn|mlp)\.(?:q|k|v|o|gate|up|down)_proj"
"""Every matrix of the text decoder's layers; the vision tower's are called `blocks` and stay as they are."""
ADAPTER_CONFIG = "adapter_config.json"


def add_lora(model: PreTrainedModel, rank: int, alpha: float, seed: int = 0) -> None:
    """Put fresh adapters (random by `seed`, their product zero) on `model` in place; they alone learn, in float32.

    An adapter's file will name the folder that the model was read from, by its whole path.
    """
    if rank < 1 or alpha <= 0:
        raise ValueError(f"LoRA needs a rank of at least 1 and an alpha above 0, not {rank} and {alpha}.")
    from peft import LoraConfig  # half a second that a policy without adapters does not wait for

    model.requires_grad_(False)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        own: Any = alpha  # declared as whole, used as any number
        model.add_adapter(LoraConfig(r=rank, lora_alpha=own, target_modules=TARGETS))
    name_base(model)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def name_base(model: PreTrainedModel) -> None:
    """The base in the adapters' config, where it is a folder, by its whole path: transformers puts there what it was asked to read."""
    own: Any = model
    for config in own.peft_config.values():
        config.base_model_name_or_path = lasting(config.base_model_name_or_path or "")


def lora_layers(model: nn.Module) -> list[LoraLayer]:
    """The adapted layers, none where the model has no adapter."""
    found: list[Any] = [module for module in model.modules() if adapted(module)]
    return found


def adapted(layer: nn.Module) -> bool:
    """Whether this very layer carries an adapter."""
    return "lora_A" in dict(layer.named_children())


@contextmanager
def adapters_off(model: nn.Module) -> Iterator[None]:
    """Inside, the model is its own base."""
    layers = lora_layers(model)
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)


class FrozenBase(nn.Module):
    """The reference of a policy with fresh adapters: the same weights with these off, so that no second copy is held."""

    def __init__(self, policy: nn.Module) -> None:
        super().__init__()
        self.policy = policy

    @torch.no_grad()
    def forward(self, *inputs: Tensor | float | str | tuple[SeenImage | None, ...]) -> tuple[Tensor, ...]:
        """As the policy's."""
        with adapters_off(self.policy):
            return self.policy(*inputs)


class FrozenStart(nn.Module):
    """The reference of a policy that came with adapters and goes on learning: itself with these as they are now; the base is not copied."""

    def __init__(self, policy: nn.Module) -> None:
        super().__init__()
        self.policy = policy
        self.start = {n: p.detach().clone() for n, p in policy.named_parameters() if p.requires_grad}

    @torch.no_grad()
    def forward(self, *inputs: Tensor | float | str | tuple[SeenImage | None, ...]) -> tuple[Tensor, ...]:
        """As the policy's."""
        self._exchange()
        try:
            return self.policy(*inputs)
        finally:
            self._exchange()

    def _exchange(self) -> None:
        """What is kept for what is there, tensor by tensor, so that there are never three of one. They may have been sharded since."""
        for name, parameter in self.policy.named_parameters():
            if name in self.start:
                kept = self.start[name]
                kept = kept if isinstance(kept, DTensor) else like(kept, parameter)
                self.start[name] = parameter.detach().clone()
                parameter.data.copy_(kept)  # unseen by autograd, which finds the same values again


@torch.no_grad()
def effective_weight(layer: Any) -> Float[Tensor, "o i"]:
    """What a linear layer multiplies by: its weight, unpacked where it is held in 4 bits, plus its adapter's product."""
    base = layer.get_base_layer() if adapted(layer) else layer
    weight = base.weight
    if not weight.dtype.is_floating_point:
        from peft.utils.integrations import dequantize_module_weight

        weight = dequantize_module_weight(base)
    if not adapted(layer) or layer.disable_adapters:
        return weight
    total = weight.float()
    for name in layer.active_adapters:
        total = total + layer.get_delta_weight(name).float()
    return total.to(weight.dtype)


@torch.no_grad()
def merged_tensors(model: PreTrainedModel) -> Iterator[tuple[str, Tensor]]:
    """Names and values that `model` would have without adapters, these merged: what a serving engine loads."""
    layers = {name: layer for name, layer in model.named_modules() if adapted(layer)}
    for name, value in model.state_dict().items():
        owner = next((layer for layer in layers if name.startswith(f"{layer}.")), "")
        if not owner:
            yield name, value
        elif name == f"{owner}.base_layer.weight":
            yield f"{owner}.weight", effective_weight(layers[owner])
        elif name == f"{owner}.base_layer.bias":
            yield f"{owner}.bias", value


def merge_adapters(model: PreTrainedModel, folder: Path) -> PreTrainedModel:
    """`model`, a bare base, with the adapters of `folder` added into its weights, in their type; nothing of peft is left on it."""
    from peft import PeftModel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft still asks transformers by an older name
        return PeftModel.from_pretrained(model, str(folder)).merge_and_unload()


def save_adapter(model: PreTrainedModel, folder: Path, state: Mapping[str, Tensor]) -> None:
    """peft's layout: adapter_model.safetensors (the adapters' whole tensors in `state`) and adapter_config.json, which names the base."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder, state_dict=dict(state))


def adapter_base(folder: Path) -> str:
    """The base that the adapters in `folder` belong to. ValueError where none is named."""
    name = base_of(folder)
    if not name:
        raise ValueError(f"{folder / ADAPTER_CONFIG} does not say which base it belongs to (base_model_name_or_path).")
    return name


def load_adapter(model: PreTrainedModel, folder: Path) -> None:
    """Adapters from `folder` onto their base, ready to go on learning. ValueError where they are cut short or do not fit."""
    model.requires_grad_(False)
    try:
        report = model.load_adapter(str(folder), is_trainable=True)
    except (SafetensorError, OSError, RuntimeError) as error:
        raise ValueError(f"The adapters in {folder} cannot be read onto their base: {error}.") from error
    if report is not None and (report.mismatched_keys or report.missing_keys):
        odd = sorted(map(str, report.mismatched_keys or report.missing_keys))[0]
        raise ValueError(f"The adapters in {folder} do not fit their base: {odd}.")
    name_base(model)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
