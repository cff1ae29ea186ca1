"""One request → files: `maquette generate` and `maquette score`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float64
from PIL import Image
from torch import Tensor

from maquette.config import RewardWeights, StageSpec
from maquette.gaussian_views import Paint
from maquette.maker import Maker
from maquette.outputs import output_file, written
from maquette.prompts.asked import parts_in
from maquette.rendering.cameras import CAMERAS
from maquette.rendering.rasterise import render
from maquette.runs import Source, source_of
from maquette.shape.files import check_writable_kind, read_mesh
from maquette.tracking import progress_bar, tell
from maquette.types import Generation, Mesh, PartSpec, Prompt, Rollouts, Scores, StageOutput, Voxels

if TYPE_CHECKING:
    from maquette.rewards.ensemble import Ensemble

HERO_SIZE = 512
STILLS = (".png", ".jpg", ".jpeg", ".webp")
TURNING = (".gif", ".mp4")


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
    paint: Paint = "surface",
    judges: str = "",
) -> list[Made]:
    """`count` objects, each the best of `best_of` answers by the rewards of its chain; several get -2, -3 … in their names.

    `judges`: the judges file, for rewards of full size; by default the one that the model's run names. With `paint` trellis, a .glb
    gets a baked texture, any other kind of file vertex colours. An answer without a shape is passed over; ValueError where none has
    one, or where the request says nothing.
    """
    if min(count, best_of) < 1:
        raise ValueError(f"-n and --best-of must be at least 1, not {count} and {best_of}.")
    check_writable_kind(out)
    output_file(out)
    if picture:
        check_picture(picture, STILLS + TURNING)
    # who judges is known before minutes go into answers that nobody could choose from; one answer needs no judging
    ensemble = ensemble_of(source_of(model), judges) if best_of > 1 else None
    maker = Maker(model, codec, paint)
    # a texture is baked from the voxels: a coloured mesh too is for rewards and pictures
    seen = best_of > 1 or picture is not None or out.suffix.lower() != ".glb"
    wanted = {"answers": count * best_of, "seed": seed, "temperature": temperature, "image": image, "painted": seen}
    with progress_bar() as show:
        generation = maker.answer(text, **wanted, shown=show)
    for warning in generation.warnings:
        tell(warning)
    kept = choose(generation, maker.source.stages, ensemble, count=count, best_of=best_of)
    paths = [numbered(out, number) for number in range(len(kept))]
    maker.write(generation, kept, paths)
    for number, index in enumerate(kept):
        if picture:
            write_picture(generation.stages[-1].meshes[index], numbered(picture, number))
    thoughts = [tuple(stage.reasoning[index] for stage in generation.stages) for index in kept]
    return [Made(path, thought) for path, thought in zip(paths, thoughts, strict=True)]


def choose(
    generation: Generation, stages: Sequence[StageSpec], ensemble: Ensemble | None, *, count: int, best_of: int
) -> list[int]:
    """Which answers are kept: of every `best_of` in turn the best of those that have a shape, or without an ensemble the first."""
    failed = generation.stages[-1].failed
    if failed.all():
        raise ValueError("No answer has a shape; try another --seed, or say it in other words.")
    worth = judged(generation, stages, ensemble)[1] if ensemble else torch.zeros(len(failed), dtype=torch.float64)
    worth[torch.from_numpy(failed)] = -torch.inf
    chosen = [start + int(worth[start : start + best_of].argmax()) for start in range(0, count * best_of, best_of)]
    return [index for index in chosen if not failed[index]]


def ensemble_of(source: Source, judges: str = "") -> Ensemble:
    """Who judges a model's answers as its run did; `judges` in the place of the judges file that its config names.

    ValueError where its rewards need such a file and there is none, or the file lacks something.
    """
    # about 3 % of the imports of `generate`
    from maquette.rewards.ensemble import build_ensemble
    from maquette.rewards.judges_file import FULL_SIZE

    used = [name for name in FULL_SIZE if any(asdict(stage.rewards)[name] for stage in source.stages)]
    file = judges or (source.judges if used else "")
    if used and not Path(file).is_file():
        missing = f"{file} is not there" if file else "none is named"
        raise ValueError(
            f"The answers of {source.model} are judged by {', '.join(used)}, which need a judges file, and {missing}: give one with "
            "--judges (configs/full/judges.yaml is one to start from)."
        )
    return build_ensemble(source.stages, reduce=source.reduce, judges=file)


def judged(
    generation: Generation, stages: Sequence[StageSpec], ensemble: Ensemble
) -> tuple[Scores, Float64[Tensor, " a"]]:
    """Every reward of every answer, and what they come to by the chain's weights, each standardised among these answers."""
    from maquette.training.advantages import mix

    scores = ensemble.score(generation)
    return scores, mix(scores, stages, group_size=len(scores.failed), mixing="standardised").sum(1)


def score_mesh(
    path: Path, text: str, picture: Path | None, judges: str = "", rewards: Sequence[str] = ()
) -> dict[str, float]:
    """Rewards of a mesh from a file, as if it had been the answer to `text`: those named, else the default chain's.

    `judges` is the judges file, which full-size rewards need. ValueError for a reward of another name.
    """
    from maquette.rewards.ensemble import build_ensemble  # see `choose`: `make` does without

    if picture:
        check_picture(picture, STILLS)
    mesh = centred(read_mesh(path))
    stages = (alone(rewards),) if rewards else source_of("tiny").stages
    generation = as_generation(mesh, text, stages, 224 if judges else 64, () if judges else parts_in(text))
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


def as_generation(
    mesh: Mesh, text: str, stages: Sequence[StageSpec], size: int = 64, parts: tuple[PartSpec, ...] = ()
) -> Generation:
    """A mesh in the place of an answer: drawn for each stage as that stage is drawn. `parts`: what the text asks for, if it is known."""
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
    return Generation((Prompt("request", text, parts=parts),), 1, rollouts, outputs)


def centred(mesh: Mesh) -> Mesh:
    """Moved and scaled so that its box is centred and its longest side is that of the unit cube."""
    if not len(mesh.vertices):
        return mesh
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    side = max(float((high - low).max()), 1e-9)
    return Mesh(((mesh.vertices - (low + high) / 2) / side).astype(np.float32), mesh.faces, mesh.color)


def check_picture(path: Path, kinds: Sequence[str]) -> None:
    """ValueError, before any time is spent, for a picture that cannot be written there or not in that format."""
    if path.suffix.lower() not in kinds:
        raise ValueError(f"{path.name} ends in {path.suffix!r}; this picture is written as {', '.join(kinds)}.")
    output_file(path)


def write_picture(mesh: Mesh, path: Path) -> None:
    """The object from its front corner, by studio light; as .gif or .mp4 it turns."""
    # brings matplotlib along, which an object without a picture does not wait for
    from maquette.rendering.sheets import portraits, turntable

    if path.suffix.lower() in TURNING:
        return turntable(mesh, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with written(path) as beside:
        Image.fromarray(portraits([mesh], size=HERO_SIZE)[0, 0]).save(beside)


def numbered(path: Path, number: int) -> Path:
    """chair.glb, chair-2.glb, chair-3.glb …"""
    return path.with_name(f"{path.stem}-{number + 1}{path.suffix}") if number else path
