"""What a new user waits for in a fresh clone: `make install`, `make quickstart`, `maquette generate`, `make test`; seconds and memory.

    python benchmarks/quickstart.py [--skip-tests]          # writes benchmarks/results/quickstart.json

Clones this checkout's last commit into a temporary folder. Memory is the most that any one process of a step had resident. Targets:
quickstart within 6 minutes and 4 GiB once the packages are there, one object within 6 seconds from a cold start, tests within 8
minutes. The machine should have nothing else to do.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tyro

from maquette.tracking import provenance

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def timed(command: list[str], folder: Path) -> tuple[dict[str, float], str]:
    """Seconds, peak GiB of one process, and what was printed. SystemExit with the last lines where it fails."""
    begun = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen(command, cwd=folder, stdout=said, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)  # ru_maxrss: of this child and those it waited for
        child.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read()
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}:\n{text[-3000:]}")
    return {"seconds": round(time.perf_counter() - begun, 1), "peak_gib": round(usage.ru_maxrss / 2**20, 2)}, text


def main(skip_tests: bool = False, python: str = sys.executable) -> None:
    """Measure.

    Args:
        skip_tests: Leave out `make test`.
        python: Which interpreter the virtual environment is made of.
    """
    measured: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as place:
        clone = Path(place) / "maquette"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        load = round(os.getloadavg()[0], 2)
        measured["install"], _ = timed(["make", "install", f"PYTHON={python}"], clone)
        measured["quickstart"], _ = timed(["make", "quickstart", f"PYTHON={python}"], clone)
        report = clone / "runs" / "quickstart" / "report.html"
        measured["report_mib"] = round(report.stat().st_size / 2**20, 1)
        measured["again"], _ = timed(["make", "quickstart", f"PYTHON={python}"], clone)
        command = [".venv/bin/maquette", "generate", "a tall red chair with four legs", "--out", "chair.glb"]
        measured["generate"], _ = timed(command, clone)
        shutil.rmtree(clone / "runs")
        if not skip_tests:
            measured["install-dev"], _ = timed(["make", "install-dev", f"PYTHON={python}"], clone)
            measured["test"], text = timed(["make", "test", f"PYTHON={python}"], clone)
            measured["tests"] = text.strip().splitlines()[-1]
    record = {
        **measured,
        "cores": os.cpu_count(),
        "load_average": load,
        **provenance("python benchmarks/quickstart.py"),
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    text = json.dumps(record, indent=1)
    (RESULTS / "quickstart.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    tyro.cli(main)
