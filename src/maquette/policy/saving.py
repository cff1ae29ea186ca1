"""A policy's folder: in Hugging Face's layout, gathered from however many processes, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from maquette.outputs import written_folder
from maquette.policy.adapters import lora_layers, save_adapter
from maquette.policy.sharding import whole


def save_policy(
    model: PreTrainedModel, tokenizer: PolicyTokenizer, folder: Path, dtype: torch.dtype, config: str, *, write: bool
) -> None:
    """See `Policy.save`. Every process gathers, whoever writes. `config` is config.json's text; "" for transformers' own."""
    adapters = bool(lora_layers(model))
    state = gathered(model, torch.float32 if adapters else dtype, adapters=adapters)
    if not write:
        return
    disable_progress_bar()  # transformers draws one on stderr for what takes milliseconds
    with written_folder(folder) as beside:
        if adapters:
            save_adapter(model, beside, state)
        else:
            model.save_pretrained(beside, state_dict=state)
            if config:
                (beside / "config.json").write_text(config)
        tokenizer.save(beside)


def gathered(model: PreTrainedModel, dtype: torch.dtype, *, adapters: bool) -> dict[str, Tensor]:
    """Whole tensors on the CPU, by name: all of them, or those of the adapters alone. Tied weights stay one, so that one is written."""
    stored: dict[int, Tensor] = {}
    state: dict[str, Tensor] = {}
    for name, value in model.state_dict(keep_vars=True).items():
        if adapters and "lora_" not in name:
            continue
        if id(value) not in stored:
            stored[id(value)] = whole(value.detach()).to("cpu", dtype)
        state[name] = stored[id(value)]
    return state
