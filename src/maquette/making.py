"""One request → files: `maquette generate` and `maquette score`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from maquette.codec.voxel_codec import VoxelCodec
from maquette.config import RewardWeights, StageSpec
from maquette.generate import generate
from maquette.policy.lockstep import LockstepEngine
from maquette.policy.model import best_device, load_policy
from maquette.protocols import Sampling
from maquette.rendering.cameras import CAMERAS
from maquette.rendering.rasterise import render
from maquette.runs import source_of
from maquette.shape.files import check_writable_kind, read_mesh, write_mesh
from maquette.shape.surface import SurfaceMesher
from maquette.tracking import output_file, tell, written
from maquette.types import Generation, Mesh, Prompt, Rollouts, StageOutput, Voxels

HERO_SIZE = 512
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".mp4")
PICTURED = "the object in the picture"
"""What is asked for where a picture comes without words."""


@dataclass(frozen=True)
class Made:
    """One object on disk, and what the model thought."""

    path: Path
    reasoning: tuple[str, ...]


def make(
    text: str,
    out: Path,
    *,
    model: str,
    count: int,
    best_of: int,
    seed: int,
    temperature: float | None = None,
    picture: Path | None,
    codec: str = "",
    image: Path | None = None,
) -> list[Made]:
    """`count` objects, each the best of `best_of` answers by the rewards of its chain; several get -2, -3 … in their names.

    An answer without a shape is passed over; ValueError where none has one, or where the request says nothing.
    """
    if min(count, best_of) < 1:
        raise ValueError(f"-n and --best-of must be at least 1, not {count} and {best_of}.")
    check_writable_kind(out)
    if picture and picture.suffix.lower() not in PICTURES:
        raise ValueError(f"{picture.name} ends in {picture.suffix!r}; pictures are written as {', '.join(PICTURES)}.")
    for file in filter(None, (out, picture)):
        output_file(file)
    generation, stages = answer(
        text, model=model, answers=count * best_of, seed=seed, temperature=temperature, codec=codec, image=image
    )
    for warning in generation.warnings:
        tell(warning)
    made = []
    for number, index in enumerate(choose(generation, stages, count=count, best_of=best_of)):
        mesh = generation.stages[-1].meshes[index]
        path = numbered(out, number)
        write_mesh(mesh, path)
        if picture:
            write_picture(mesh, numbered(picture, number))
        made.append(Made(path, tuple(stage.reasoning[index] for stage in generation.stages)))
    return made


def answer(
    text: str,
    *,
    model: str,
    answers: int,
    seed: int,
    temperature: float | None = None,
    codec: str = "",
    image: Path | None = None,
) -> tuple[Generation, tuple[StageSpec, ...]]:
    """That many answers to one request, with the chain that made them; full-size models run where there is a GPU.

    A picture may stand beside the text, or in its place.
    """
    source = source_of(model)
    device = best_device() if source.full else "cpu"
    policy = load_policy(source.model, device, torch.float32 if device == "cpu" else torch.bfloat16)
    shapes = VoxelCodec.load(codec or source.codec, device)
    generation = generate(
        (Prompt("request", text.strip() or PICTURED if image else text, image=str(image or "")),),
        source.stages,
        engine=LockstepEngine(policy, shapes.codes_per_shape, policy.dtype),
        codec=shapes,
        mesher=SurfaceMesher(),
        cameras=CAMERAS["maquette-6"],
        group_size=answers,
        sampling=Sampling(temperature=temperature or source.temperature, top_p=source.top_p, seed=seed),
        render_size=64,
    )
    return generation, source.stages


def choose(generation: Generation, stages: Sequence[StageSpec], *, count: int, best_of: int) -> list[int]:
    """Which answers are kept: of every `best_of` in turn the best of those that have a shape."""
    failed = generation.stages[-1].failed
    if failed.all():
        raise ValueError("No answer has a shape; try another --seed, or say it in other words.")
    worth = torch.zeros(len(failed), dtype=torch.float64)
    if best_of > 1:
        # about 3 % of the imports of `generate`; one answer needs no judging
        from maquette.rewards.ensemble import build_ensemble
        from maquette.training.advantages import mix

        scores = build_ensemble(stages).score(generation)
        worth = mix(scores, stages, group_size=len(failed), mixing="standardised").sum(1)
    worth[torch.from_numpy(failed)] = -torch.inf
    chosen = [start + int(worth[start : start + best_of].argmax()) for start in range(0, count * best_of, best_of)]
    return [index for index in chosen if not failed[index]]


def score_mesh(
    path: Path, text: str, picture: Path | None, judges: str = "", rewards: Sequence[str] = ()
) -> dict[str, float]:
    """Rewards of a mesh from a file, as if it had been the answer to `text`: those named, else the default chain's.

    `judges` is the judges file, which full-size rewards need. ValueError for a reward of another name.
    """
    from maquette.rewards.ensemble import build_ensemble  # see `choose`: `make` does without

    if picture:
        output_file(picture)
    mesh = centred(read_mesh(path))
    stages = (alone(rewards),) if rewards else source_of("tiny").stages
    generation = as_generation(mesh, text, stages, size=224 if judges else 64)
    scores = build_ensemble(stages, judges=judges).score(generation)
    if picture:
        with written(picture) as beside:
            Image.fromarray(np.concatenate(list(generation.stages[-1].views.rgb[0]), axis=1)).save(beside)
    return {
        f"{stage.name}/{name}": float(scores.values[k, 0, s])
        for s, stage in enumerate(stages)
        for k, name in enumerate(scores.names)
        if asdict(stage.rewards)[name]
    }


def alone(rewards: Sequence[str]) -> StageSpec:
    """A stage that is judged by those rewards."""
    known = asdict(RewardWeights())
    for name in rewards:
        if name not in known:
            raise ValueError(f"There is no reward {name!r}; known are {', '.join(known)}.")
    return StageSpec("fine", "direct", rewards=RewardWeights(**dict.fromkeys(rewards, 1.0)))


def as_generation(mesh: Mesh, text: str, stages: Sequence[StageSpec], size: int = 64) -> Generation:
    """A mesh in the place of an answer: drawn for each stage as that stage is drawn."""
    nothing = torch.zeros(len(stages), 0)
    rollouts = Rollouts(
        nothing.long(),
        nothing.to(torch.int8),
        nothing.bool(),
        nothing,
        torch.zeros(len(stages), dtype=torch.int64),
        torch.arange(len(stages)),
    )
    outputs = tuple(
        StageOutput(
            stage.name,
            ("",),
            torch.full((1, 1), -1),
            np.array([not len(mesh.faces)]),
            Voxels(np.zeros((1, 1, 1, 1), dtype=bool)),
            (mesh,),
            render([mesh], CAMERAS["maquette-6"], size=size, antialias=True, paint=stage.paint),
        )
        for stage in stages
    )
    return Generation((Prompt("request", text),), 1, rollouts, outputs)


def centred(mesh: Mesh) -> Mesh:
    """Moved and scaled so that its box is centred and its longest side is that of the unit cube."""
    if not len(mesh.vertices):
        return mesh
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    side = max(float((high - low).max()), 1e-9)
    return Mesh(((mesh.vertices - (low + high) / 2) / side).astype(np.float32), mesh.faces, mesh.color)


def write_picture(mesh: Mesh, path: Path) -> None:
    """The object from its front corner, by studio light; as .gif or .mp4 it turns."""
    # brings matplotlib along, which an object without a picture does not wait for
    from maquette.rendering.sheets import portraits, turntable

    if path.suffix.lower() in (".gif", ".mp4"):
        return turntable(mesh, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with written(path) as beside:
        Image.fromarray(portraits([mesh], size=HERO_SIZE)[0, 0]).save(beside)


def numbered(path: Path, number: int) -> Path:
    """chair.glb, chair-2.glb, chair-3.glb …"""
    return path.with_name(f"{path.stem}-{number + 1}{path.suffix}") if number else path
