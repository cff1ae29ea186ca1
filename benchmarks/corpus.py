"""Objects a second that the corpus makes on one core: design, voxels, coarse voxels, part masks and all texts.

python benchmarks/corpus.py        # writes benchmarks/results/corpus.json
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
import time
from pathlib import Path

from maquette.corpus.records import records

RESULTS = Path(__file__).parent / "results" / "corpus.json"
COUNTS = {32: 400, 64: 80}


def objects_per_second(resolution: int, count: int) -> float:
    """By the process's own CPU time: what else runs on the machine does not count."""
    start = time.process_time()
    for _ in records("train", count, 1, resolution):
        pass
    return round(count / (time.process_time() - start), 1)


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.processor())


def main() -> None:
    next(records("train", 1, 0))  # compiles
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    result = {
        "what": "objects per CPU second of one thread: design, voxels, coarse voxels, part masks, texts",
        "objects_per_second": {f"{r}^3": objects_per_second(r, n) for r, n in COUNTS.items()},
        "budget": {"32^3": 150},
        "machine": f"{processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "commit": commit.stdout.strip(),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
    }
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
