"""The objects that prompts were written about: programs of the corpus, or meshes in Toys4K's layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from maquette.corpus.program import Design
from maquette.corpus.rasterise import voxelise_design
from maquette.evaluation.answers import RESOLUTION, in_unit_cube
from maquette.evaluation.places import Places
from maquette.prompts.sets import SUITES
from maquette.prompts.suites import DETERMINED, load_references
from maquette.prompts.toys4k import is_toys4k, mesh_path, toys4k_folder
from maquette.shape.files import read_mesh
from maquette.shape.surface import SurfaceMesher
from maquette.shape.voxelise import voxelise_solid
from maquette.types import Mesh, Prompt, Voxels


@dataclass(frozen=True)
class Reference:
    """One object. It is made when it is asked for: a suite has hundreds."""

    determined: bool
    """The prompt fixes the shape so far that IoU and Chamfer distance mean something; else only the sets are compared."""
    voxels: Callable[[int], Voxels]
    """Solid, at a resolution; a = 1."""
    mesh: Callable[[], Mesh]
    """In the unit cube, meshed as answers are where the object is voxels."""
    file: Path | None = None
    """Where it was read from; beside it may lie cameras."""
    painted: Callable[[], bool] = lambda: True
    """Whether its colours are known. Where they are not, distances draw the answer without its own."""
    places: Callable[[int], Places] | None = None
    """Where its parts are, at a resolution; None where nobody knows, as of a mesh."""


References = Mapping[str, Reference]
"""By prompt id; prompts without one have no distance to it."""


def references_of(suite: str, prompts: Sequence[Prompt]) -> References:
    """What a suite knows about its prompts' objects: nothing for lists of texts, `mme-3dr` among them."""
    if suite in SUITES:
        return {id: of_design(design, ceiling) for id, (design, ceiling) in load_references(suite).items()}
    if is_toys4k(suite):
        folder = toys4k_folder(suite)
        found = {p.id: mesh_path(folder, p.id) for p in prompts}
        return {id: of_file(path) for id, path in found.items() if path is not None}
    return {}


def of_design(design: Design, ceiling: float) -> Reference:
    """A program's own object; `ceiling` is how far its prompt fixes the shape (IoU of others that it describes as truly)."""

    def voxels(resolution: int) -> Voxels:
        return voxelise_design(design, resolution)[0]

    def places(resolution: int) -> Places:
        return Places(tuple(part.name for part in design.parts), voxelise_design(design, resolution)[1])

    return Reference(ceiling >= DETERMINED, voxels, lambda: SurfaceMesher().mesh(voxels(RESOLUTION))[0], places=places)


def of_file(path: Path) -> Reference:
    """A mesh file. A caption does not fix its shape."""
    return Reference(
        determined=False,
        voxels=lambda resolution: voxelise_solid(read_mesh(path), resolution),
        mesh=partial(_placed_file, path),
        file=path,
        painted=partial(_is_painted, path),
    )


@cache
def _is_painted(path: Path) -> bool:
    return read_mesh(path).color is not None


def _placed_file(path: Path) -> Mesh:
    return in_unit_cube(read_mesh(path))
