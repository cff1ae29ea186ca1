"""Writes the tables of the README and of docs/measurements.md from benchmarks/results/*.json, so that no figure is typed by hand.

python benchmarks/tables.py            # rewrites what stands between <!-- begin NAME --> and <!-- end NAME -->
python benchmarks/tables.py --check    # fails where a page differs
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import tyro
from rl_tables import agreement_table, plateau_table, table

from maquette.studies.grid import STUDIES

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGES = (ROOT / "README.md", ROOT / "docs" / "measurements.md")
TARGETS = {
    "preference_pairs_mean": ("a clean object before its damaged versions, mean over views", "0.90"),
    "preference_pairs_max": ("the same by its best view alone, as in `paper-rows`", "–"),
    "preference_object_before_answer_colour": (
        "the object itself before the base's answer to its text (preference)",
        "–",
    ),
    "alignment_nearer_answer_colour": ("of two answers to a text the one nearer to the object meant (alignment)", "–"),
    "answer_parts_absent_auc": (
        "parts that an answer lacks told from those that it has (parts), area under the curve",
        "–",
    ),
    "answer_parts_count": ("parts of answers with their counts, where their place tells", "–"),
    "answer_parts_colour": ("their colours", "–"),
    "alignment_top1_of_64_colour_mean": ("the right object among 64 for a text", "0.75"),
    "category_accuracy_colour": ("kind of object", "0.95"),
    "parts_f1_clean": ("parts with their counts, F1", "0.85"),
    "part_color_accuracy_clean": ("colour of a part", "–"),
    "geometry_consistency_pairs": ("one solid before its broken versions (geometry consistency)", "–"),
    "general_consistency_pairs": ("the same by the general network's head, for the study `judges`", "–"),
    "appearance_consistency_pairs": ("one paint before its patched versions (appearance consistency)", "–"),
    "aesthetic_rank_correlation": ("order of looks (aesthetic), rank correlation", "–"),
}
"""What the scorers are to reach before a study stands on them: name, in words, target."""
EVALUATORS = {
    "retrieval_top1_of_64": "the right object among 64 for a text",
    "family_accuracy": "kind of object",
    "count_f1": "parts with their counts, F1",
    "color_accuracy": "colour of a part",
}


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
    """The figures that have a target, and the evaluators' own."""
    result = read("scorers")
    if not result:
        return "not run\n"
    lines = [f"| on {result['objects']} held-out compositions | rewards | target | evaluators |", "|---|---|---|---|"]
    seen = {words: f"{result['evaluators'][name]:.3f}" for name, words in EVALUATORS.items()}
    for name, (words, target) in TARGETS.items():
        value = result["scorers"].get(name)
        lines.append(
            f"| {words} | {'not run' if value is None else f'{value:.3f}'} | {target} | {seen.pop(words, '–')} |"
        )
    return "\n".join(lines) + "\n"


def networks() -> str:
    """Held-out figures of every scorer and evaluator."""
    result = read("scorers")
    lines = [f"| network | measure, on {result['objects']} held-out compositions | value |", "|---|---|---|"]
    for network in ("scorers", "evaluators"):
        lines += [f"| {network} | {name.replace('_', ' ')} | {value:.3f} |" for name, value in result[network].items()]
    return "\n".join(lines) + "\n"


def rl(temperature: str, name: str = "rl") -> str:
    """Base, RL and control on what was not rewarded, sampled at a temperature."""
    rows = read(name).get("summary", {}).get(temperature)
    return table(rows) if rows else "not run\n"


def plateau() -> str:
    """The base's last training on `mini-dev`."""
    result = read("plateau")
    return plateau_table(result) if result else "not run\n"


def agreement() -> str:
    """Which rewards agree with the evaluators."""
    result = read("agreement")
    return agreement_table(result) if result else "not run\n"


def speed() -> str:
    """Seconds of one step, and the benchmarks against peers."""
    lines = ["| what | measured | script |", "|---|---|---|"]
    if step := read("step"):
        parts = ", ".join(f"{k} {v:.1f}" for k, v in step["seconds"].items() if k != "step")
        whole = f"{step['seconds']['step']:.1f} s ({parts}); {step['peak_memory_gib']:.1f} GiB"
        lines.append(
            f"| one Hi-GRPO step, 4 prompts × 8 answers × 2 stages, {step['threads']} threads | {whole} | step.py |"
        )
    result = read("quickstart")
    for name, what in (("quickstart", "make quickstart"), ("generate", "maquette generate"), ("test", "make test")):
        if name in result:
            took = f"{result[name]['seconds']:.1f} s, {result[name]['peak_gib']:.1f} GiB"
            lines.append(f"| `{what}` in a fresh clone, {result['cores']} cores | {took} | quickstart.py |")
    lines += decoding_rows() + trl_rows()
    if head := read("head_memory"):
        more = head["full_over_restricted"]
        text = ", ".join(f"{key.replace('_', ' ')} {value:g} ×" for key, value in more.items())
        lines.append(
            f"| full head of {head['vocabulary']} rows over the restricted one of {head['codes']} | {text} | head_memory.py |"
        )
    lines += metrics_rows() + full_size_rows() + gpu_rows()
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


def gpu_rows() -> list[str]:
    """7 B on one GPU, each beside its bound; decoding also beside `generate`."""
    gpu = read("gpu")
    if any("not_run" in gpu.get(part, {"not_run": ""}) for part in ("rollout", "generate", "update")):
        return []
    size, rollout, update = gpu["size"], gpu["rollout"], gpu["update"]
    peers = ", ".join(f"{kind} cache {one['tokens_per_second']}" for kind, one in gpu["generate"].items())
    return [
        f"| 7 B, random weights, {gpu['device']}: {rollout['answers']} answers of two stages, "
        f"each {size['reasoning']} + {size['codes']} tokens "
        f"| {rollout['seconds']:.1f} s, {rollout['tokens_per_second']} tokens/s, {rollout['share_of_bound']:.0%} of the bandwidth bound, "
        f"{rollout['peak_gib']:.0f} GiB; `generate`, {size['generate_tokens']} tokens each: {peers} tokens/s | gpu.py |",
        f"| the same, a LoRA update over {update['sequences']} sequences of the second stage, {update['tokens']} tokens, "
        f"without the divergence "
        f"| {update['seconds']:.1f} s, {update['share_of_bound']:.0%} of the bound by products, {update['peak_gib']:.0f} GiB | gpu.py |",
    ]


def decoding_rows() -> list[str]:
    """Best of either side at each size and batch."""
    lines = []
    for name, model in read("decoding").items():
        if not isinstance(model, dict) or "batches" not in model:
            continue
        for batch in model["batches"]:
            own, other = (batch["best"][side] for side in ("lockstep", "generate"))
            rates = f"{own} {batch['ways'][own]['tokens_per_second']} tokens/s, {other} {batch['ways'][other]['tokens_per_second']}"
            times = batch["best_against_best"]
            lines.append(
                f"| decoding, {name}, {batch['rows']} rows × {model['new_tokens']} tokens | {rates}: "
                f"{times['seconds']} × by wall, {times['processor_seconds']} × by processor time | decoding.py |"
            )
    return lines


def trl_rows() -> list[str]:
    """The same update by both; where the best of each is one and the same setting, it stands once."""
    result = read("trl_step")
    ways = set(result.get("best", {}).values())
    same = ways.pop() if len(ways) == 1 else ""
    rows = {name: times for name, times in result.get("times_faster_per_token", {}).items() if name != same}
    named = {"best against best": f"best against best ({same} on both sides)"} if same else {}
    return [
        f"| a token of one update with free rewards, {named.get(name, name)} | {times} × as fast as TRL | trl_step.py |"
        for name, times in rows.items()
    ]


def full_size_rows() -> list[str]:
    """What the full size costs on a CPU, with random weights in the published geometry."""
    lines = []
    if result := read("full_codec"):
        text = ", ".join(
            f"{way} {1 / result[way]['shapes_per_second']:.1f} s a shape "
            f"({result[way]['gflops_reached_by_wall']:.0f} GFLOP/s, {result[way]['peak_rss_gib']:.1f} GiB)"
            for way in ("encode", "decode")
        )
        lines.append(f"| ShapeLLM-Omni's codec, 64³, {result['threads']} threads | {text} | full_codec.py |")
    if result := read("reward_throughput"):
        own = result["tiny_scorers_views_per_second"].values()
        judged = result["judge_client_alone"].values()
        clip = ", ".join(f"{name} {rate}" for name, rate in result.get("clip_views_per_second", {}).items())
        asked = [row["requests_per_second"] for row in judged]
        text = f"tiny scorers {min(own):.0f} to {max(own):.0f}; {clip}; our side of a judge {min(asked):.0f} to {max(asked):.0f} requests/s"
        lines.append(f"| rewards, views a second, {result['threads']} threads | {text} | reward_throughput.py |")
    if result := read("overlap"):
        text = ", ".join(f"{way} {row['wall']:.1f} s" for way, row in result["ways"].items())
        what = f"a step's answers with two judges of {result['seconds per question']:g} s a question, after or beside the decoding"
        lines.append(f"| {what} | {text} | overlap.py |")
    return lines


def growth() -> str:
    """How a step's time grows along each axis."""
    result = read("growth")
    if not result:
        return "not run\n"
    lines = ["| axis | sizes | seconds a step | slope | dearest part at the end |", "|---|---|---|---|---|"]
    for name, axis in result["axes"].items():
        sizes = ", ".join(f"{size / 1e6:.0f} M" if size > 1e5 else str(size) for size in axis["sizes"])
        taken = ", ".join(f"{row['step']:.1f}" for row in axis["seconds"])
        last = axis["bounds"][-1]
        lines.append(
            f"| {name} | {sizes} | {taken} | {axis['slopes']['step']} | {last['dearest']}, {last['share_of_step']:.0%}; "
            f"decoding reaches {last['decode_share_of_products']:.0%} of the measured rate of products, the update "
            f"{last['update_share_of_products']:.0%} |"
        )
    return "\n".join(lines) + "\n"


def studies() -> str:
    """Which studies were run and what their pages say; each folder in docs/studies is a study's results and page."""
    lines = ["| study | run | what the evidence says of its claims |", "|---|---|---|"]
    for name in STUDIES:
        page = ROOT / "docs" / "studies" / name / "page.md"
        if not page.is_file():
            lines.append(f"| `{name}` | not run | – |")
            continue
        text = page.read_text()
        rows = [json.loads(line) for line in (page.parent / "results.jsonl").read_text().splitlines()]
        hours, seeds = sum(r["hours"] for r in rows if "taken_from" not in r), len({r["seed"] for r in rows})
        size = f"{len(rows)} cells, {seeds} seeds, {max(r['steps'] for r in rows)} steps, {hours:.1f} h"
        said = re.search(r"^Of \d+ claims .*$", text, re.M)
        set_here = re.search(r"^Set for every cell: (.*)\.$", text, re.M)
        size += f"; set: {set_here[1]}" if set_here else ""
        lines.append(f"| [`{name}`](docs/studies/{name}/page.md) | {size} | {said[0] if said else '–'} |")
    return "\n".join(lines) + "\n"


def sight() -> str:
    """Every measure on the objects meant themselves, damaged in stated ways."""
    result = read("sight")
    if not result:
        return "not run\n"
    names = list(result["measures"]["none"])
    lines = [
        f"| the objects of {result['objects']} prompts | "
        + " | ".join(names).replace("kernel distance", "kernel distance ×100")
        + " |",
        "|" + "---|" * (len(names) + 1),
    ]
    for damage, row in result["measures"].items():
        lines.append(f"| {damage} | " + " | ".join(f"{row[name]:.3f}" for name in names) + " |")
    equals = ", ".join(f"{value} at {size}" for size, value in result["frechet_distance_of_equals"].items())
    lines += [
        "",
        f"Fréchet distance of two samples of one normal distribution of {result['frechet_width']} dimensions: {equals} rows.",
    ]
    return "\n".join(lines) + "\n"


def metrics_rows() -> list[str]:
    """What measuring costs."""
    result, lines = read("metrics"), []
    if row := result.get("kernel distance"):
        peer = f"; scikit-learn's kernels {row['scikit-learn seconds']:.1f} s" if "scikit-learn seconds" in row else ""
        name = (
            f"kernel distance of {row['rows']} × {row['width']} features in blocks of 2000, {result['threads']} threads"
        )
        lines.append(f"| {name} | {row['seconds']:.1f} s{peer} | metrics.py |")
    if row := result.get("evaluation"):
        took = f"{row['measuring seconds']:.0f} s, and {row['drawing seconds']:.0f} s to draw them"
        lines.append(f"| evaluating {row['objects']} shapes of `{row['suite']}` | {took} | metrics.py |")
    return lines


TABLES: dict[str, Callable[[], str]] = {
    "codec": codec,
    "scorers": scorers,
    "networks": networks,
    "plateau": plateau,
    "rl": partial(rl, "1"),
    "rl-cool": partial(rl, "0.7"),
    "rl-alignment": partial(rl, "1", "rl-grpo-alignment"),
    "rl-alignment-cool": partial(rl, "0.7", "rl-grpo-alignment"),
    "rl-two-stages": partial(rl, "1", "rl-hi-grpo-alignment"),
    "rl-two-stages-cool": partial(rl, "0.7", "rl-hi-grpo-alignment"),
    "agreement": agreement,
    "speed": speed,
    "growth": growth,
    "sight": sight,
    "studies": studies,
}


def main(check: bool = False) -> None:
    """Rewrite or compare."""
    for page in PAGES:
        before = text = page.read_text()
        for name, made in TABLES.items():
            part = re.compile(rf"<!-- begin {name} -->.*?<!-- end {name} -->", re.S)
            if part.search(text):
                block = f"<!-- begin {name} -->\n{made()}<!-- end {name} -->"
                text = part.sub(lambda _, block=block: block, text)
        if check and text != before:
            raise SystemExit(f"{page.name} differs from benchmarks/results; run python benchmarks/tables.py")
        page.write_text(text)


if __name__ == "__main__":
    tyro.cli(main)
