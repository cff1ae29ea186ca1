"""Whether bfloat16 is worth asking for: a processor without its instructions emulates it, many times slower than float32."""

from __future__ import annotations

import torch

INSTRUCTIONS = ("avx512_bf16", "amx_bf16")
"""Without either, bfloat16 took 45 to 65 times as long as float32 (docs/log.md)."""


def quick_bfloat16(device: str | torch.device) -> bool:
    """Whether products in bfloat16 are computed by the device itself: true of every GPU, of CPUs with one of `INSTRUCTIONS`.

    Where it is false, what asks for bfloat16 computes in float32, which is slower than bfloat16 elsewhere and more precise. Processors
    that are not x86 count as without: nothing was measured on them.
    """
    if torch.device(device).type != "cpu":
        return True
    found = getattr(torch.cpu, "get_capabilities", dict)()  # older versions of torch cannot tell
    return any(found.get(name, False) for name in INSTRUCTIONS)


def products(device: str | torch.device, bfloat16: bool) -> torch.autocast:
    """Inside, products are in bfloat16 where it is wanted and the device computes it; weights and sums stay in float32."""
    kind = torch.device(device).type
    return torch.autocast(kind, torch.bfloat16, enabled=bfloat16 and quick_bfloat16(kind))
