"""Writes the tables of the README from benchmarks/results/*.json, so that no figure is typed by hand.

python benchmarks/tables.py            # rewrites README.md between <!-- begin NAME --> and <!-- end NAME -->
python benchmarks/tables.py --check    # fails where the README differs
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import tyro

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
TARGETS = {
    "preference_pairs_max": "0.90",
    "alignment_top1_of_64_colour_mean": "0.75",
    "category_accuracy_colour": "0.95",
    "parts_f1_clean": "0.85",
}
"""What the scorers are to reach before a study stands on them."""


def read(name: str) -> dict:
    """A result file; empty where that benchmark has not run."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def codec() -> str:
    """Reconstruction on held-out compositions and on real assets."""
    result = read("codec")
    if not result:
        return "not run\n"
    lines = ["| shapes | occupancy IoU | colour error | codebook in use |", "|---|---|---|---|"]
    for name, row in result["figures"].items():
        used = f"{row['codebook_used']:.0%}" if "codebook_used" in row else "–"
        lines.append(f"| {name.replace('_', ' ')} | {row['iou']:.3f} | {row['color_error']:.3f} | {used} |")
    return "\n".join(lines) + "\n"


def scorers() -> str:
    """Held-out figures of every scorer and evaluator."""
    result = read("scorers")
    if not result:
        return "not run\n"
    lines = [
        f"| network | measure, on {result['objects']} held-out compositions | value | target |",
        "|---|---|---|---|",
    ]
    for network in ("scorers", "evaluators"):
        for name, value in result[network].items():
            target = TARGETS.get(name, "") if network == "scorers" else ""
            lines.append(f"| {network} | {name.replace('_', ' ')} | {value:.3f} | {target} |")
    return "\n".join(lines) + "\n"


def rl() -> str:
    """Base, RL and control on what was not rewarded."""
    path = RESULTS / "rl.md"
    return path.read_text() if path.is_file() else "not run\n"


def speed() -> str:
    """Seconds of one step, and the benchmarks against peers."""
    lines = ["| what | measured | script |", "|---|---|---|"]
    if step := read("step"):
        parts = ", ".join(f"{k} {v:.1f}" for k, v in step["seconds"].items() if k != "step")
        whole = f"{step['seconds']['step']:.1f} s ({parts}); {step['peak_memory_gib']:.1f} GiB"
        lines.append(
            f"| one Hi-GRPO step, 4 prompts × 8 answers × 2 stages, {step['threads']} threads | {whole} | step.py |"
        )
    if decoding := read("decoding"):
        for name, way in decoding["ways"].items():
            text = f"{way['tokens_per_second']} tokens/s, {way['times_generate']:.2f} × `generate`"
            lines.append(
                f"| decoding {decoding['rows']} rows × {decoding['new_tokens']} tokens, {name} | {text} | decoding.py |"
            )
    if corpus := read("corpus"):
        rates = ", ".join(f"{rate:.0f} at {size}" for size, rate in corpus["objects_per_second"].items())
        lines.append(f"| corpus objects per CPU second, one thread | {rates} | corpus.py |")
    if rendering := read("rendering"):
        own, peers = (
            rendering["maquette"],
            f"{rendering['times_osmesa_by_cpu']} × pyrender by OSMesa, {rendering['times_egl_by_cpu']} × by EGL",
        )
        text = (
            f"{own['plain']['wall_s']:.2f} s, anti-aliased {own['antialiased']['wall_s']:.2f} s; {peers} (by CPU time)"
        )
        lines.append(f"| 32 meshes × 6 views × 224² | {text} | rendering.py |")
    if voxelising := read("voxelising"):
        blob = voxelising["meshes"]["blob"]
        text = (
            f"{blob['surface_ms']:.0f} ms, {blob['times_open3d']:.1f} × open3d, IoU with its voxels {blob['iou']:.3f}"
        )
        lines.append(f"| voxelising {blob['faces']} faces to 64³ | {text} | voxelising.py |")
    return "\n".join(lines) + "\n"


TABLES: dict[str, Callable[[], str]] = {"codec": codec, "scorers": scorers, "rl": rl, "speed": speed}


def main(check: bool = False) -> None:
    """Rewrite or compare."""
    readme = ROOT / "README.md"
    text = readme.read_text()
    for name, table in TABLES.items():
        block = f"<!-- begin {name} -->\n{table()}<!-- end {name} -->"
        text = re.sub(rf"<!-- begin {name} -->.*?<!-- end {name} -->", lambda _, block=block: block, text, flags=re.S)
    if check and text != readme.read_text():
        raise SystemExit("README.md differs from benchmarks/results; run python benchmarks/tables.py")
    readme.write_text(text)


if __name__ == "__main__":
    tyro.cli(main)
