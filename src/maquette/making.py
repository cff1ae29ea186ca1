"""One request → files: `maquette generate` and `maquette score`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64
from PIL import Image
from torch import Tensor

from maquette.config import RewardWeights, StageSpec
from maquette.generate import generate, reasoning_limit
from maquette.outputs import output_file, written
from maquette.policy.devices import best_device
from maquette.policy.lockstep import LockstepEngine
from maquette.policy.model import codec_of, load_policy
from maquette.prompts.asked import parts_in
from maquette.protocols import Sampling
from maquette.rendering.cameras import CAMERAS
from maquette.rendering.rasterise import render
from maquette.runs import source_of
from maquette.shape.files import check_writable_kind, read_mesh, write_mesh
from maquette.shape.surface import SurfaceMesher
from maquette.tracking import progress_bar, tell
from maquette.types import Generation, Mesh, PartSpec, Prompt, Rollouts, Scores, StageOutput, Voxels

HERO_SIZE = 512
STILLS = (".png", ".jpg", ".jpeg", ".webp")
TURNING = (".gif", ".mp4")
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
    output_file(out)
    if picture:
        check_picture(picture, STILLS + TURNING)
    maker = Maker(model, codec)
    wanted = {"answers": count * best_of, "seed": seed, "temperature": temperature, "image": image}
    with progress_bar() as show:
        generation = maker.answer(text, **wanted, shown=show)
    for warning in generation.warnings:
        tell(warning)
    made = []
    for number, index in enumerate(choose(generation, maker.source.stages, count=count, best_of=best_of)):
        mesh = generation.stages[-1].meshes[index]
        path = numbered(out, number)
        write_mesh(mesh, path)
        if picture:
            write_picture(mesh, numbered(picture, number))
        made.append(Made(path, tuple(stage.reasoning[index] for stage in generation.stages)))
    return made


class Maker:
    """A policy with its codec and its chain, ready to answer; full-size models run where there is a GPU."""

    def __init__(self, model: str, codec: str = "") -> None:
        """`model` as every command takes it (see `runs.source_of`); `codec`: another than its own. ValueError: no such model."""
        self.source = source_of(model)
        device = best_device() if self.source.full else "cpu"
        self.policy = load_policy(self.source.model, device, torch.float32 if device == "cpu" else torch.bfloat16)
        self.codec = codec_of(self.policy, codec or self.source.codec, device)

    def answer(
        self,
        text: str,
        *,
        answers: int,
        seed: int,
        temperature: float | None = None,
        image: Path | None = None,
        drawn: Callable[[Generation], None] | None = None,
        shown: Callable[[str, int, int], None] | None = None,
    ) -> Generation:
        """That many answers to one request. A picture may stand beside the text, or in its place; `drawn` as `generate` has it.

        `shown` is told after every token of the stage's name, how many are written, and how many there can be.
        """
        source, codec = self.source, self.codec
        wanted = text.strip() or PICTURED if image else text
        # large judges list the parts themselves
        parts = () if source.full else parts_in(wanted)
        engine = LockstepEngine(self.policy, codec.codes_per_shape, self.policy.dtype)
        batches = [1 if s == source.stages[0] else ceil(answers / engine.rows_at_once) for s in source.stages]
        each = [max(1, reasoning_limit(s)) + codec.codes_per_shape for s in source.stages]
        count = _Count([(s.name, n * b) for s, n, b in zip(source.stages, each, batches, strict=True)], drawn, shown)
        engine.stepped = count.token
        return generate(
            (Prompt("request", wanted, parts=parts, image=str(image or "")),),
            source.stages,
            engine=engine,
            codec=codec,
            mesher=SurfaceMesher(),
            cameras=CAMERAS["maquette-6"],
            group_size=answers,
            sampling=Sampling(
                temperature=source.temperature if temperature is None else temperature, top_p=source.top_p, seed=seed
            ),
            render_size=64,
            drawn=count.stage,
        )


class _Count:
    """How far an answer is: tokens of the stage that is being written."""

    def __init__(
        self,
        most: Sequence[tuple[str, int]],
        drawn: Callable[[Generation], None] | None,
        shown: Callable[[str, int, int], None] | None,
    ) -> None:
        self.most, self.drawn, self.shown = most, drawn, shown
        self.done, self.written = 0, 0

    def token(self) -> None:
        self.written += 1
        if self.shown is not None:
            name, most = self.most[self.done]
            self.shown(name, self.written, most)

    def stage(self, so_far: Generation) -> None:
        self.done, self.written = self.done + 1, 0
        if self.drawn is not None:
            self.drawn(so_far)


def choose(generation: Generation, stages: Sequence[StageSpec], *, count: int, best_of: int) -> list[int]:
    """Which answers are kept: of every `best_of` in turn the best of those that have a shape."""
    failed = generation.stages[-1].failed
    if failed.all():
        raise ValueError("No answer has a shape; try another --seed, or say it in other words.")
    # one answer needs no judging
    worth = judged(generation, stages)[1] if best_of > 1 else torch.zeros(len(failed), dtype=torch.float64)
    worth[torch.from_numpy(failed)] = -torch.inf
    chosen = [start + int(worth[start : start + best_of].argmax()) for start in range(0, count * best_of, best_of)]
    return [index for index in chosen if not failed[index]]


def judged(generation: Generation, stages: Sequence[StageSpec]) -> tuple[Scores, Float64[Tensor, " a"]]:
    """Every reward of every answer, and what they come to by the chain's weights, each standardised among these answers."""
    # about 3 % of the imports of `generate`
    from maquette.rewards.ensemble import build_ensemble
    from maquette.training.advantages import mix

    scores = build_ensemble(stages).score(generation)
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
