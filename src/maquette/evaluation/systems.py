"""What can be evaluated: a policy under a chain of stages, or a folder of meshes that any system made."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from maquette.config import StageSpec
from maquette.evaluation.answers import VIEW_SIZE, System, answers_of, folder_system, is_mesh, mesh_files, numbered
from maquette.evaluation.extractors import ClipScore, Dinov2Features, InceptionFeatures
from maquette.evaluation.judges import Ask
from maquette.evaluation.networks import load_evaluators
from maquette.evaluation.pretrained import Extractor, Pretrained
from maquette.evaluation.protocols import protocol
from maquette.evaluation.references import references_of
from maquette.evaluation.results import Evaluation, file_stem
from maquette.evaluation.run import evaluate
from maquette.evaluation.served import refuse_rewarding_clip
from maquette.gaussian_views import Paint, open_mesher
from maquette.generate import generate
from maquette.policy.devices import best_device
from maquette.policy.lockstep import LockstepEngine
from maquette.policy.model import codec_of, load_policy
from maquette.prompts.sets import load_prompts
from maquette.protocols import Mesher, Sampling
from maquette.rendering.cameras import CAMERAS
from maquette.runs import source_of
from maquette.shape.surface import SurfaceMesher
from maquette.types import Generation, Prompt


def policy_system(
    model: str,
    *,
    stages: Sequence[StageSpec],
    codec: str,
    seed: int,
    temperature: float | None = None,
    mesher: Mesher | None = None,
) -> Callable[[Sequence[Prompt]], Generation]:
    """One answer per prompt by a policy; what it draws depends on the seed and on the prompts of the call.

    It runs on a GPU where there is one, full-size models in bfloat16 there. The temperature is the model's own (`source_of`) by default,
    top-p always is. `mesher`: who makes the meshes of coloured stages, the iso-surface by default.
    """
    own = source_of(model)
    device = best_device()
    policy = load_policy(model, device, torch.bfloat16 if own.full and device != "cpu" else torch.float32)
    shapes = codec_of(policy, codec, device)
    engine = LockstepEngine(policy, shapes.codes_per_shape, policy.dtype)
    heat = own.temperature if temperature is None else temperature

    def answer(prompts: Sequence[Prompt]) -> Generation:
        # A chunk's draws must not repeat those of the chunk before.
        offset = zlib.crc32(prompts[0].id.encode())
        return generate(
            prompts,
            stages,
            engine=engine,
            codec=shapes,
            mesher=mesher or SurfaceMesher(),
            paint_text=own.paint_text,
            cameras=CAMERAS["maquette-6"],
            group_size=1,
            sampling=Sampling(temperature=heat, top_p=own.top_p, seed=seed + offset),
            render_size=VIEW_SIZE,
        )

    return answer


def evaluate_model(
    model: str,
    suite: str,
    out: Path,
    *,
    stages: Sequence[StageSpec],
    codec: str = "tiny",
    seed: int = 0,
    temperature: float | None = None,
    limit: int = 0,
    answers: int = 1,
    paint: Paint = "surface",
    system: str = "",
    networks: Pretrained | None = None,
    judges: Mapping[str, Ask] | None = None,
    provenance: dict[str, object] | None = None,
) -> Evaluation:
    """Evaluate a policy on a suite (or prompt file) and leave the folder `out`; `limit` > 0 takes the first prompts only.

    The first of `answers` per prompt is measured; the others say how much they vary. `temperature`: another than the model's own.
    `paint`: by whom, as `maquette generate` has it; ValueError where TRELLIS is asked for and is not there.
    """
    mesher, prompts, own = open_mesher(paint)[0], load_prompts(suite, count=limit), source_of(model)

    def drawn(number: int) -> System:
        far = seed + number * 2**33  # from the next number's: a chunk adds its own offset below 2³²
        generated = policy_system(model, stages=stages, codec=codec, seed=far, temperature=temperature, mesher=mesher)
        return lambda part: answers_of(generated(part))

    return evaluate(
        drawn(0),
        prompts,
        name=system or Path(model).name,
        suite=suite,
        references=references_of(suite, prompts),
        evaluators=load_evaluators(),
        out=out,
        others=[drawn(number) for number in range(1, answers)],
        networks=networks,
        judges=judges,
        seed=seed,
        provenance={
            "model": model,
            "temperature": own.temperature if temperature is None else temperature,
            "top_p": own.top_p,
            "chain": [s.name for s in stages],
            "painted by": paint,
            **(provenance or {}),
        },
    )


def evaluate_folder(
    folder: Path,
    suite: str,
    out: Path,
    *,
    seed: int = 0,
    limit: int = 0,
    answers: int = 1,
    system: str = "",
    networks: Pretrained | None = None,
    judges: Mapping[str, Ask] | None = None,
    provenance: dict[str, object] | None = None,
) -> Evaluation:
    """Evaluate someone else's meshes, `folder_system`'s files; what is missing or unreadable counts as failed.

    `seed` says which draw of that system the folder is. The first of `answers` per prompt is measured; the others say how much they vary.
    """
    prompts = load_prompts(suite, count=limit)
    known = {file_stem(p.id) for p in prompts}
    foreign = sorted(set(mesh_files(folder)) - known)
    return evaluate(
        folder_system(folder, prompts),
        prompts,
        name=system or folder.name,
        suite=suite,
        references=references_of(suite, prompts),
        evaluators=load_evaluators(),
        out=out,
        others=[folder_system(folder, prompts, number) for number in range(2, answers + 1)],
        networks=networks,
        judges=judges,
        seed=seed,
        provenance={
            "meshes": str(folder),
            "placed": "middle of the box at the origin, largest side 1",
            "files of no prompt": len(foreign),
            **(provenance or {}),
        },
    )


def evaluate_named(
    name: str,
    suite: str,
    out: Path,
    *,
    seed: int = 0,
    answers: int = 1,
    paint: Paint = "surface",
    **settings: Any,
) -> Evaluation:
    """Evaluate what every command calls by that name, or a folder of meshes; `settings` as both take them.

    ValueError, before any time is spent, where the CLIP that is to measure rewarded it, or where meshes that are there are to be painted.
    """
    networks = settings.get("networks")
    refuse_rewarding_clip(networks.clip.name if networks and networks.clip else "", Path(name))
    if is_mesh_folder(name):
        if paint != "surface":
            raise ValueError(f"{name} is a folder of meshes, which are measured as they are; --paint is for models.")
        return evaluate_folder(Path(name), suite, out, seed=seed, answers=answers, **settings)
    own = source_of(name)
    more = {"stages": own.stages, "codec": own.codec, "seed": seed, "answers": answers, "paint": paint}
    return evaluate_model(own.model, suite, out, **more, **settings)


def is_mesh_folder(name: str) -> bool:
    """Whether a name is a folder of meshes, not of a model or a run."""
    folder = Path(name)
    if not folder.is_dir() or any((folder / file).exists() for file in ("config.json", "config.yaml")):
        return False
    return any(is_mesh(path) or numbered(path) for path in folder.iterdir())


def load_pretrained(
    protocol_name: str, clip: str, dinov2: Path | None, inception: Path | None, compat: bool
) -> Pretrained:
    """The pretrained networks that were asked for, each from its place on this machine; none by default.

    `clip` is BACKBONE=FOLDER. ValueError: an unknown protocol, a place without weights, or `compat` without any network.
    """
    scorer = None
    if clip:
        backbone, equals, folder = clip.partition("=")
        if not equals or not folder:
            raise ValueError(f"--clip takes BACKBONE=FOLDER, e.g. vit-b-32=weights/clip, not {clip!r}")
        scorer = ClipScore.load(backbone, Path(folder))
    extractors: list[Extractor] = []
    if dinov2:
        extractors.append(Dinov2Features.load(dinov2))
    if inception:
        extractors.append(InceptionFeatures.load(inception))
    found = Pretrained(scorer, tuple(extractors), protocol(protocol_name), compat)
    if compat and not found.active:
        raise ValueError(
            "--compat-3dgen-r1 repeats numbers of CLIP and DINOv2: name their weights with --clip and --dinov2"
        )
    return found
