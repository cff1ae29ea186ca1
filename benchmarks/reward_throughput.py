"""Views a second of every reward. How many judge servers a step needs is arithmetic: `maquette train configs/full/… --dry-run`.

    python benchmarks/reward_throughput.py [--answers 2] [--threads 1] [--full-clip]
                                          # writes benchmarks/results/reward_throughput.json

Tiny scorers with their shipped weights; the vision towers of CLIP and HPS at their published geometries (ViT-L/14, ViT-H/14) with
random weights, whose values do not change the time; judges against an HTTP server on this machine that answers at once, which
measures our client alone: pictures into PNG and base64, requests, parsing.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import tyro
from judge_server import ANSWERS, answering
from machine import RESULTS, machine, write
from transformers import CLIPConfig, CLIPModel

from maquette.config import RewardWeights, StageSpec
from maquette.corpus.rasterise import voxelise_design
from maquette.corpus.splits import designs
from maquette.making import as_generation
from maquette.rewards.clip_models import preprocess
from maquette.rewards.ensemble import REWARDS, load_reward
from maquette.rewards.judges_file import SERVED, read_judges
from maquette.shape.surface import SurfaceMesher
from maquette.types import Generation, Views, Voxels

STAGE = StageSpec("fine", "direct", rewards=RewardWeights(unified=1.0))
VIEWS = 6
CLIPS = {
    "clip_aesthetic (ViT-L/14)": (1024, 24, 4096, 16, 768),
    "hps (ViT-H/14)": (1280, 32, 5120, 16, 1024),
}
"""Width, layers, MLP, heads and joint size of the vision towers."""


def shown(answers: int, size: int) -> Generation:
    """Corpus objects as the answers of one prompt, drawn as rewards see them."""
    grids = [voxelise_design(design, 32)[0] for design in designs("train", answers, 0)]
    voxels = Voxels(np.concatenate([g.occupancy for g in grids]), np.concatenate([g.color for g in grids]))
    made = [as_generation(mesh, "a red chair with four legs", (STAGE,), size) for mesh in SurfaceMesher().mesh(voxels)]
    outputs = [one.stages[0] for one in made]
    columns = {
        name: np.concatenate([getattr(o.views, name) for o in outputs]) for name in ("rgb", "depth", "normal", "mask")
    }
    views = Views(**columns, cameras=outputs[0].views.cameras)
    first = outputs[0]
    stage = type(first)(
        first.name,
        ("",) * answers,
        torch.full((answers, 1), -1),
        np.zeros(answers, bool),
        voxels,
        tuple(o.meshes[0] for o in outputs),
        views,
    )
    return Generation(made[0].prompts, answers, made[0].rollouts, (stage,))


def timed(work: object) -> float:
    """Seconds of the second call: the first one compiles and loads."""
    work()  # type: ignore[operator]
    begun = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - begun


def tiny_rewards(generation: Generation, answers: int) -> dict[str, float]:
    found = {}
    for name in REWARDS:
        reward = load_reward(name)
        taken = timed(lambda reward=reward: reward.score(fresh(generation), 0))
        found[name] = round(answers * VIEWS / taken, 1)
    return found


def fresh(generation: Generation) -> Generation:
    """The same with other arrays, so that nothing that was kept for the last views is used again."""
    stage = generation.stages[0]
    views = Views(stage.views.rgb.copy(), stage.views.depth, stage.views.normal, stage.views.mask, stage.views.cameras)
    return Generation(
        generation.prompts,
        generation.group_size,
        generation.rollouts,
        (type(stage)(stage.name, stage.reasoning, stage.codes, stage.failed, stage.voxels, stage.meshes, views),),
    )


@torch.inference_mode()
def clip_towers(views: np.ndarray) -> dict[str, float]:
    """Vision towers alone, one pass after another so that one is in memory at a time."""
    found = {}
    pixels = preprocess(torch.from_numpy(views), 224)
    for name, (width, layers, mlp, heads, joint) in CLIPS.items():
        tower = {"hidden_size": width, "num_hidden_layers": layers, "intermediate_size": mlp}
        tower |= {"num_attention_heads": heads, "patch_size": 14, "image_size": 224}
        config = CLIPConfig(text_config={"num_hidden_layers": 1}, vision_config=tower, projection_dim=joint)
        model = CLIPModel(config).eval()
        begun = time.perf_counter()
        model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output)
        found[name] = round(len(views) / (time.perf_counter() - begun), 2)
    return found


def client_ceiling(generation: Generation, answers: int) -> dict[str, dict[str, float]]:
    """Of each judged reward: requests and views a second that our own side can make."""
    found = {}
    for name in SERVED:
        with answering(ANSWERS[name]) as address, tempfile.TemporaryDirectory() as folder:
            tree = {"models": {"m": {"addresses": [address], "model": "m"}}}
            tree |= {"rewards": {name: "m", "list_parts": "m"}, "points": {}}
            path = Path(folder) / "judges.yaml"
            path.write_text(json.dumps(tree))
            judges = read_judges(path)
            reward = judges.reward(name, "mean")
            taken = timed(lambda reward=reward: reward.score(generation, 0))
            requests = answers * (VIEWS if judges.prompt(name).views == "each" else 1)
            found[name] = {
                "requests_per_second": round(requests / taken, 1),
                "views_per_second": round(answers * VIEWS / taken, 1),
            }
    return found


def main(
    answers: int = 2,
    threads: int = 1,
    full_clip: bool = True,
    out: Path = RESULTS,
) -> None:
    torch.set_num_threads(threads)
    small, large = shown(answers, 64), shown(answers, 224)
    result: dict[str, object] = {
        "answers": answers,
        "views_per_answer": VIEWS,
        **machine(torch.device("cpu")),
        "tiny_scorers_views_per_second": tiny_rewards(small, answers),
        "judge_client_alone": client_ceiling(large, answers),
    }
    if full_clip:
        result["clip_views_per_second"] = clip_towers(large.stages[0].views.rgb.reshape(-1, 224, 224, 3)[:4])
    write("reward_throughput", result, f"python benchmarks/reward_throughput.py --threads {threads}", out)


if __name__ == "__main__":
    tyro.cli(main)
