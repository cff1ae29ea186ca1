"""Kernel distance on 10 000 × 2048 features, beside scikit-learn's kernels: time and sameness.

    python benchmarks/metrics.py [--peer PYTHON] [--rows N]    # writes benchmarks/results/metrics.json

`--peer` names an interpreter with scikit-learn. Both get the same disjoint subsets; the peer computes three kernel matrices for
each with `polynomial_kernel` and the unbiased estimate from them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from rendering import seconds, surroundings

RESULTS = Path(__file__).parent / "results" / "metrics.json"
WIDTH = 2048

PEER = """
import json, sys, time
import numpy as np
from sklearn.metrics.pairwise import polynomial_kernel
blocks = np.load(sys.argv[1])
names = sorted({k.split("-")[1] for k in blocks.files})
start, values = time.perf_counter(), []
for name in names:
    x, y = blocks[f"x-{name}"], blocks[f"y-{name}"]
    n, m = len(x), len(y)
    xx, yy, xy = (polynomial_kernel(a, b, degree=3, gamma=1 / x.shape[1], coef0=1) for a, b in ((x, x), (y, y), (x, y)))
    within = (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1))
    values.append(within - 2 * xy.mean())
print(json.dumps({"seconds": time.perf_counter() - start, "value": float(np.mean(values))}))
"""


def main() -> None:
    from maquette.evaluation.metrics import SUBSET, kernel_distance, subsets_of

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", default="", help="an interpreter with scikit-learn")
    parser.add_argument("--rows", type=int, default=10_000)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    x = rng.normal(size=(arguments.rows, WIDTH))
    y = 0.95 * rng.normal(size=(arguments.rows, WIDTH)) + 0.02
    value = kernel_distance(x, y)
    row = {"rows": arguments.rows, "width": WIDTH, "subset": SUBSET, "value": value}
    row["seconds"] = seconds(lambda: kernel_distance(x, y), 1)
    if arguments.peer:
        with tempfile.NamedTemporaryFile(suffix=".npz") as file:
            cut = [(x[i], y[j]) for i, j in subsets_of(len(x), len(y), SUBSET)]
            arrays = {f"{side}-{i}": part for i, pair in enumerate(cut) for side, part in zip("xy", pair, strict=True)}
            np.savez(file, **arrays)
            file.flush()
            done = subprocess.run([arguments.peer, "-c", PEER, file.name], capture_output=True, text=True, check=True)
        peer = json.loads(done.stdout)
        row |= {"scikit-learn seconds": peer["seconds"], "difference": abs(peer["value"] - value)}
    RESULTS.write_text(json.dumps(surroundings() | {"kernel distance": row}, indent=1) + "\n")
    sys.stdout.write(RESULTS.read_text())


if __name__ == "__main__":
    main()
