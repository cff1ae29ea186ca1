"""What measuring costs: a kernel distance of large sets beside scikit-learn's kernels, and the evaluation of a whole suite.

    python benchmarks/metrics.py [--peer PYTHON] [--rows 10000] [--objects 249]     # writes benchmarks/results/metrics.json

`--peer` names an interpreter with scikit-learn. Both get the same disjoint subsets; the peer computes three kernel matrices for each
with `polynomial_kernel` and the unbiased estimate from them, in a process of its own. The suite's shapes are drawn by the policy
first to last; how long it drew and how long its answers were measured (views, networks, distances, mesh quality, pictures, files)
are counted apart. 0 rows or 0 objects leave that part out.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import tyro
from machine import RESULTS, machine, seconds, write

from maquette.evaluation.answers import Answers, answers_of
from maquette.evaluation.metrics import SUBSET, kernel_distance, subsets_of
from maquette.evaluation.networks import load_evaluators
from maquette.evaluation.references import references_of
from maquette.evaluation.run import evaluate
from maquette.evaluation.systems import policy_system
from maquette.prompts.sets import load_prompts
from maquette.runs import source_of

PEER = """
import json, sys, time
import numpy as np
from sklearn.metrics.pairwise import polynomial_kernel
blocks = np.load(sys.argv[1])
names = sorted({k.split("-")[1] for k in blocks.files})
polynomial_kernel(np.ones((8, 8)), degree=3)
taken, values = 0.0, []
for name in names:
    x, y = blocks[f"x-{name}"], blocks[f"y-{name}"]
    start = time.perf_counter()
    n, m = len(x), len(y)
    xx, yy, xy = (polynomial_kernel(a, b, degree=3, gamma=1 / x.shape[1], coef0=1) for a, b in ((x, x), (y, y), (x, y)))
    within = (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1))
    values.append(within - 2 * xy.mean())
    taken += time.perf_counter() - start
print(json.dumps({"seconds": taken, "value": float(np.mean(values))}))
"""


def distance(rows: int, width: int, peer: str, runs: int) -> dict[str, object]:
    """Our kernel distance, and the peer's on the same subsets."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, width))
    y = 0.95 * rng.normal(size=(rows, width)) + 0.02
    row: dict[str, object] = {"rows": rows, "width": width, "subset": SUBSET, "value": kernel_distance(x, y)}
    row["seconds"] = seconds(lambda: kernel_distance(x, y), torch.device("cpu"), runs)
    if peer:
        theirs = beside(x, y, peer)
        row |= {"scikit-learn seconds": theirs["seconds"], "difference": abs(theirs["value"] - float(row["value"]))}  # type: ignore[arg-type]
    return row


def beside(x: np.ndarray, y: np.ndarray, peer: str) -> dict[str, float]:
    """What scikit-learn's kernels make of the same subsets."""
    with tempfile.NamedTemporaryFile(suffix=".npz") as file:
        cut = [(x[i], y[j]) for i, j in subsets_of(len(x), len(y), SUBSET)]
        np.savez(
            file, **{f"{side}-{i}": part for i, pair in enumerate(cut) for side, part in zip("xy", pair, strict=True)}
        )
        file.flush()
        done = subprocess.run([peer, "-c", PEER, file.name], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def suite(name: str, objects: int, model: str, codec: str) -> dict[str, object]:
    """Seconds of drawing and of measuring; the scores themselves are thrown away."""
    prompts = load_prompts(name, count=objects)
    source = source_of(model)
    draw = policy_system(model, stages=source.stages, codec=codec, seed=0, temperature=1.0)
    drawing = 0.0

    def timed(part) -> Answers:
        nonlocal drawing
        start = time.perf_counter()
        answers = answers_of(draw(part))
        drawing += time.perf_counter() - start
        return answers

    evaluators, start = load_evaluators(), time.perf_counter()
    with tempfile.TemporaryDirectory() as out:
        done = evaluate(
            timed, prompts, name=model, suite=name, references=references_of(name, prompts), evaluators=evaluators,
            out=Path(out),
        )  # fmt: skip
    whole = time.perf_counter() - start
    counts = {"suite": name, "objects": len(done.objects), "failed": sum(r.failed for r in done.objects)}
    return counts | {"drawing seconds": drawing, "measuring seconds": whole - drawing, "seconds": whole}


def main(
    peer: str = "", rows: int = 10_000, width: int = 2048, objects: int = 249, suite_name: str = "mini", runs: int = 3,
    model: str = "tiny", codec: str = "tiny", out: Path = RESULTS,
) -> None:  # fmt: skip
    """See above.

    Args:
        peer: An interpreter with scikit-learn.
        rows: Of features on each side; 0: no kernel distance.
        width: Of the features.
        objects: Prompts of the suite; 0: no evaluation.
        suite_name: A suite, or a prompt file.
        runs: Of the kernel distance, after one that does not count.
        model: Who answers.
        codec: Its codec.
        out: Folder of the results.
    """
    result: dict[str, object] = machine(torch.device("cpu"))
    if rows:
        result["kernel distance"] = distance(rows, width, peer, runs)
    if objects:
        result["evaluation"] = suite(suite_name, objects, model, codec)
    given = f"--rows={rows} --width={width} --objects={objects} --suite-name={suite_name} --runs={runs}"
    write("metrics", result, f"python benchmarks/metrics.py {given}" + (" --peer=PYTHON" if peer else ""), out)


if __name__ == "__main__":
    tyro.cli(main)
