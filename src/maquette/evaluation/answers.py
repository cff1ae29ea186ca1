"""What is measured: one answer per prompt, from a policy's generation or from a folder of meshes that any system made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from PIL import Image

from maquette.evaluation.results import file_stem
from maquette.outputs import written
from maquette.rendering.cameras import CAMERAS
from maquette.rendering.lighting import GREY
from maquette.rendering.rasterise import render
from maquette.shape.files import SUFFIXES, read_mesh, write_mesh
from maquette.shape.voxelise import placed, voxelise_solid
from maquette.types import Generation, Mesh, Prompt, Views, Voxels

VIEW_SIZE = 64
PICTURE_SIZE = 200
RESOLUTION = 32
"""Voxels a side at which meshes from files are compared with reference objects."""
NOTHING = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))


@dataclass(frozen=True)
class Answers:
    """One answer to each of a prompts, in their order. A failed one has an empty mesh, empty voxels and background views."""

    stages: dict[str, tuple[Mesh, ...]]
    """By the stage's name, in the chain's order; the last is what is measured."""
    views: Views
    """Of the last stage, from `maquette-6` at 64 pixels: what the small evaluators see."""
    voxels: Voxels
    failed: Bool[np.ndarray, " a"]
    faults: tuple[str, ...]
    """Why an answer failed; "" for those that did not."""
    reasoning: tuple[tuple[str, ...], ...]
    """By answer, one text per stage."""

    @property
    def meshes(self) -> tuple[Mesh, ...]:
        return next(reversed(self.stages.values()))


System = Callable[[Sequence[Prompt]], Answers]
"""Prompts in, one answer each out."""


def answers_of(generation: Generation) -> Answers:
    """The answers of a generation of group size 1."""
    if generation.group_size != 1:
        raise ValueError(f"an evaluation takes one answer per prompt, not {generation.group_size}")
    fine = generation.stages[-1]
    return Answers(
        stages={stage.name: stage.meshes for stage in generation.stages},
        views=fine.views,
        voxels=fine.voxels,
        failed=fine.failed,
        faults=tuple("malformed or empty answer" if bad else "" for bad in fine.failed),
        reasoning=tuple(zip(*(stage.reasoning for stage in generation.stages), strict=True)),
    )


def folder_system(folder: Path, prompts: Sequence[Prompt], number: int = 1) -> System:
    """Someone else's system as a folder of `PROMPT_ID.glb` (or .gltf, .obj, .ply, .stl): its answer `number` to each prompt.

    The first may also lie at `PROMPT_ID/1.glb`, the others lie at `PROMPT_ID/2.glb` … Meshes are put into the unit cube, the middle of
    their box at the origin and its largest side 1. A mesh that is missing or cannot be read is a failed answer with its reason.
    ValueError: no folder, not one mesh of the suite in it, or two files for one answer.
    """
    files = mesh_files(folder, number)
    if not any(file_stem(p.id) in files for p in prompts):
        seen, first = ", ".join(sorted(files)[:3]) or "no mesh at all", file_stem(prompts[0].id)
        raise ValueError(
            f"{folder} holds no answer to this suite: files are named by prompt id, as {first}.glb; it holds {seen}"
            if number == 1
            else f"{folder} holds no answer {number} to this suite: further answers are named as {first}/{number}.glb; ask for fewer"
        )

    def answer(part: Sequence[Prompt]) -> Answers:
        read = [_read(files.get(file_stem(p.id)), p.id if number == 1 else f"{p.id}/{number}") for p in part]
        meshes, faults = tuple(mesh for mesh, _ in read), tuple(fault for _, fault in read)
        voxels = _solids(meshes)
        views = render(meshes, CAMERAS["maquette-6"], size=VIEW_SIZE, antialias=True)
        failed = np.array([bool(fault) for fault in faults])
        return Answers({"answer": meshes}, views, voxels, failed, faults, tuple(("",) for _ in part))

    return answer


def _solids(meshes: Sequence[Mesh]) -> Voxels:
    """What the meshes enclose, at `RESOLUTION`; those without paint in the grey that they are drawn in."""
    occupancy = np.zeros((len(meshes), RESOLUTION, RESOLUTION, RESOLUTION), bool)
    color = np.zeros((*occupancy.shape, 3), np.float32)
    for i, mesh in enumerate(meshes):
        if len(mesh.faces):
            own = voxelise_solid(mesh, RESOLUTION)
            occupancy[i] = own.occupancy[0]
            color[i] = np.where(own.occupancy[0][..., None], GREY, 0) if own.color is None else own.color[0]
    return Voxels(occupancy, color)


def mesh_files(folder: Path, number: int = 1) -> dict[str, Path]:
    """Every mesh of a folder that is somebody's answer `number`, by the prompt's file name: `NAME/NUMBER.glb`, the first also `NAME.glb`.

    An id that ends in digits stays what it is: the number of an answer is a file's whole name. ValueError where two files are one answer.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder of meshes")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        named = {path.name: path.stem} if number == 1 and is_mesh(path) else {}
        for file in numbered(path):
            if int(file.stem) == number:
                named[f"{path.name}/{file.name}"] = path.name
        for name, stem in named.items():
            if stem in found:
                raise ValueError(
                    f"{folder} has two answers to {stem}: {found[stem].relative_to(folder)} and {name}; keep one"
                )
            found[stem] = folder / name
    return found


def is_mesh(path: Path) -> bool:
    """A file whose ending is a mesh's."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


def numbered(folder: Path) -> list[Path]:
    """The meshes in a prompt's own folder whose names are numbers: its answers; none where it is no folder."""
    return [p for p in sorted(folder.iterdir()) if is_mesh(p) and p.stem.isdecimal()] if folder.is_dir() else []


def _read(path: Path | None, id: str) -> tuple[Mesh, str]:
    """The mesh in the unit cube, or nothing and why."""
    if path is None:
        return NOTHING, f"missing: there is no mesh named {id}"
    try:
        return in_unit_cube(read_mesh(path)), ""
    except (ValueError, OSError) as error:
        return NOTHING, str(error)


def in_unit_cube(mesh: Mesh) -> Mesh:
    """The middle of the box at the origin, its largest side 1."""
    return Mesh(placed(mesh, "centred").astype(np.float32), mesh.faces, mesh.color)


def write_answers(prompts: Sequence[Prompt], answers: Answers, out: Path) -> None:
    """A picture of every stage's shapes and the last one's meshes, into pictures/STAGE and meshes."""
    for stage, meshes in answers.stages.items():
        write_pictures(prompts, meshes, out / "pictures" / stage)
    write_meshes(prompts, answers.meshes, out / "meshes")


def write_pictures(prompts: Sequence[Prompt], meshes: Sequence[Mesh], folder: Path) -> None:
    """One anti-aliased three-quarter view per prompt, `<id>.webp`."""
    folder.mkdir(parents=True, exist_ok=True)
    views = render(list(meshes), CAMERAS["front-3q"], size=PICTURE_SIZE, antialias=True)
    for prompt, picture in zip(prompts, views.rgb, strict=True):
        with written(folder / f"{file_stem(prompt.id)}.webp") as beside:
            Image.fromarray(picture[0]).save(beside, quality=88)


def write_meshes(prompts: Sequence[Prompt], meshes: Sequence[Mesh], folder: Path) -> None:
    """One GLB per prompt, `<id>.glb`; an empty mesh has no file."""
    folder.mkdir(parents=True, exist_ok=True)
    for prompt, mesh in zip(prompts, meshes, strict=True):
        path = folder / f"{file_stem(prompt.id)}.glb"
        if len(mesh.faces):
            write_mesh(mesh, path)
        else:
            # Of an earlier evaluation into the same folder.
            path.unlink(missing_ok=True)
