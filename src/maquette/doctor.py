"""What is installed, which extras, which GPU, which weights, and what to do about each gap."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

DATA = Path(__file__).parent / "data"
WEIGHTS = {
    **dict.fromkeys(
        ("codec", "policy-base", "policy-rl", "scorers", "evaluators"),
        "reinstall the package: weights are shipped with it; `make weights` in a checkout trains all of them anew, for hours",
    ),
    "prompts": "reinstall the package: prompt sets are shipped with it",
}
"""Folders of shipped files, and what to do where one is missing."""
OPTIONAL = ("policy-rl",)
"""Everything works without these."""


@dataclass(frozen=True)
class Finding:
    """One line of the report. `gap`: works without; `fault`: does not work."""

    name: str
    state: Literal["ok", "gap", "fault"]
    detail: str
    remedy: str = ""

    def line(self) -> str:
        """`ok    torch        2.13.0`, and where there is a gap what to do about it."""
        return f"{self.state:<6}{self.name:<22}{self.detail}" + (f"  →  {self.remedy}" if self.remedy else "")


def examine() -> list[Finding]:
    """Every finding, faults of the default installation before gaps of the extras."""
    return [*_machine(), *_packages(), *_bfloat16(), *_gpu(), *_weights(), *_extras()]


def compile_loops() -> None:
    """Compiles the loops of meshing and drawing into numba's cache, so that the first command is as quick as the tenth."""
    import numpy as np

    from maquette.rendering.cameras import CAMERAS
    from maquette.rendering.rasterise import render
    from maquette.shape.surface import SurfaceMesher
    from maquette.types import Voxels

    occupied = np.zeros((1, 8, 8, 8), bool)
    occupied[:, 2:6, 2:6, 2:6] = True
    for color in (None, np.full((1, 8, 8, 8, 3), 0.5, np.float32)):
        meshes = SurfaceMesher().mesh(Voxels(occupied, color))
        render(meshes, CAMERAS["maquette-6"], size=16, antialias=True)


def _machine() -> Iterator[Finding]:
    fits = (3, 11) <= sys.version_info < (3, 14)
    remedy = "" if fits else "Maquette needs Python 3.11 to 3.13"
    yield Finding("python", "ok" if fits else "fault", platform.python_version(), remedy)
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    yield Finding("machine", "ok", f"{platform.system()} {platform.machine()}, {cores} cores, {_memory()}")
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    low = free < 2
    remedy = "a run with checkpoints needs about 2 GiB" if low else ""
    yield Finding("disk", "gap" if low else "ok", f"{free:.0f} GiB free here", remedy)


def _memory() -> str:
    if "SC_PHYS_PAGES" not in os.sysconf_names:
        return "memory unknown"
    return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB memory"


def _packages() -> Iterator[Finding]:
    for name in _required(""):
        found = _version(name)
        remedy = "" if found else f"pip install {name}"
        yield Finding(name, "ok" if found else "fault", found or "not installed", remedy)


def _bfloat16() -> Iterator[Finding]:
    try:
        from maquette.precision import quick_bfloat16
    except ImportError:  # no torch, which is a fault of its own
        return
    lacking = "this processor has no instructions for it: float32 is used in its place"
    yield Finding("bfloat16", "ok", "this processor computes it" if quick_bfloat16("cpu") else lacking)


def _gpu() -> Iterator[Finding]:
    try:
        import torch
    except ImportError:
        return
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            yield Finding("gpu", "ok", f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB")
        return
    build = "this torch is a CPU build" if torch.version.cuda is None else "no CUDA device is visible"
    yield Finding("gpu", "gap", f"none: {build}", "the tiny size needs none; the full size does")


def _weights() -> Iterator[Finding]:
    for name, command in WEIGHTS.items():
        files = [path for path in (DATA / name).rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files) / 1e6
        remedy = "" if files else command
        detail = f"{len(files)} files, {size:.1f} MB" if files else "not shipped in this checkout"
        yield Finding(f"data/{name}", "ok" if files else "gap" if name in OPTIONAL else "fault", detail, remedy)


def _extras() -> Iterator[Finding]:
    for extra in ("full", "vllm", "studio", "track", "dev"):
        lacking = [name for name in _required(extra) if not _version(name)]
        remedy = f'pip install "maquette[{extra}]"' if lacking else ""
        yield Finding(
            f"[{extra}]", "gap" if lacking else "ok", f"without {', '.join(lacking)}" if lacking else "", remedy
        )


def _required(extra: str) -> list[str]:
    """Names that the package's metadata lists for one extra, "" for the default."""
    names = []
    for text in requires("maquette") or []:
        marked = re.search(r"extra\s*==\s*['\"]([^'\"]+)['\"]", text)
        if (marked[1] if marked else "") == extra:
            names.append(re.split(r"[^\w.-]", text, maxsplit=1)[0])
    return names


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
