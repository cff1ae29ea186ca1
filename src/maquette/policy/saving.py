"""A policy's folder: in Hugging Face's layout, gathered from however many processes, whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from maquette.outputs import written_folder
from maquette.policy.adapters import lora_layers, save_adapter
from maquette.policy.sharding import whole
from maquette.policy.tokenizer import PolicyTokenizer
from maquette.tensor_files import writing_weights

BESIDE = ("config.json", "generation_config.json", "preprocessor_config.json", "chat_template.json")
"""Files of a model that learning leaves as they are and that transformers would write anew, or not at all."""


def read_beside(folder: Path) -> dict[str, str]:
    """Texts by name of those that the folder has."""
    return {name: (folder / name).read_text() for name in BESIDE if (folder / name).is_file()}


def save_policy(
    model: PreTrainedModel,
    tokenizer: PolicyTokenizer,
    folder: Path,
    dtype: torch.dtype,
    files: Mapping[str, str],
    *,
    write: bool,
) -> None:
    """See `Policy.save`. Every process gathers, whoever writes. `files` are those of `read_beside`, or none."""
    adapters = bool(lora_layers(model))
    state = gathered(model, torch.float32 if adapters else dtype, adapters=adapters, keep=write)
    if not write:
        return
    disable_progress_bar()  # transformers draws one on stderr for what takes milliseconds
    with writing_weights(folder), written_folder(folder) as beside:
        if adapters:
            save_adapter(model, beside, state)
        else:
            model.save_pretrained(beside, state_dict=state)
            for name, text in files.items():
                (beside / name).write_text(text)
        tokenizer.save(beside)


def gathered(model: PreTrainedModel, dtype: torch.dtype, *, adapters: bool, keep: bool = True) -> dict[str, Tensor]:
    """Whole tensors on the CPU, by name: all of them, or those of the adapters alone. Tied weights stay one, so that one is written.

    A process that does not `keep` them takes part in fetching each, and holds one at a time.
    """
    stored: dict[int, Tensor] = {}
    state: dict[str, Tensor] = {}
    for name, value in model.state_dict(keep_vars=True).items():
        if adapters and "lora_" not in name:
            continue
        if id(value) not in stored:
            full = whole(value.detach())
            stored[id(value)] = full.to("cpu", dtype) if keep else torch.empty(0)
        state[name] = stored[id(value)]
    return state
