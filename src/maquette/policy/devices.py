"""Where a policy lives, and how its weights are held in 4 bits there."""

from __future__ import annotations

import torch
from transformers import BitsAndBytesConfig
from transformers.utils.import_utils import is_bitsandbytes_available


def best_device() -> str:
    """cuda where there is one, else cpu."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def check_device(name: str) -> None:
    """ValueError for a GPU that this machine does not show."""
    wanted = torch.device(name)
    if wanted.type == "cuda" and (wanted.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"policy.device is {name} and this machine shows {torch.cuda.device_count()} GPUs: set policy.device=cpu."
        )


def four_bits(device: str) -> BitsAndBytesConfig:
    """NF4 with doubly quantised scales. ValueError where bitsandbytes or the GPU that it needs is not there (docs/log.md)."""
    if not is_bitsandbytes_available() or torch.device(device).type != "cuda":
        raise ValueError(
            f"policy.weights=4bit needs bitsandbytes (pip install 'maquette[full]') and a CUDA device, and this is {device}: "
            "take policy.weights=bfloat16."
        )
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
