"""What the benchmarks share: clocks that wait for the device, its measured bounds, and where results go."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from maquette.tracking import provenance

RESULTS = Path(__file__).parent / "results"


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(work: Callable[[], object], device: torch.device, runs: int = 3) -> float:
    """The median of `runs`, after one that does not count."""
    taken = []
    for _ in range(runs + 1):
        wait(device)
        start = time.perf_counter()
        work()
        wait(device)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[1:])


def bandwidth(device: torch.device, mib: int) -> float:
    """Bytes a second that a copy of `mib` MiB reaches here, read and written."""
    source = torch.ones(mib * 2**20 // 4, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / seconds(lambda: target.copy_(source), device, 5)


def products(device: torch.device, dtype: torch.dtype, side: int) -> float:
    """Floating-point operations a second that a square matrix product of random numbers reaches here."""
    a = torch.randn(side, side, device=device, dtype=dtype)
    return 2 * side**3 / seconds(lambda: a @ a, device, 5)


def peak_gib(device: torch.device) -> float | None:
    """Most device memory since the last call; None on a CPU, where no such count exists."""
    if device.type != "cuda":
        return None
    most = torch.cuda.max_memory_allocated(device) / 2**30
    torch.cuda.reset_peak_memory_stats(device)
    return round(most, 2)


def machine(device: torch.device) -> dict[str, object]:
    """Which device, how many threads, and how busy the machine was when it began."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    return {"device": name, "threads": torch.get_num_threads(), "load_average": round(os.getloadavg()[0], 2)}


def write(name: str, result: dict[str, object], command: str, folder: Path = RESULTS) -> Path:
    """`folder/NAME.json` with where it comes from; also printed."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**result, **provenance(command)}, indent=1)
    path = folder / f"{name}.json"
    path.write_text(text + "\n")
    print(text)
    return path
