"""A picture of what docs/full-size.md says: one chair in the grid under each convention, as the codec's voxels stand.

python benchmarks/orientation.py --out docs/orientation.png
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tyro
from PIL import Image, ImageDraw

from maquette.corpus.catalog import compose
from maquette.corpus.rasterise import voxelise_design
from maquette.rendering.sheets import portraits
from maquette.shape.surface import SurfaceMesher
from maquette.shape.voxelise import voxelise_solid
from maquette.types import Mesh

CONVENTIONS = ("centred", "shapellm", "3dgen-r1")


def main(out: Path = Path("docs/orientation.png"), size: int = 220) -> None:
    """A chair with one armful of nothing beside it, so that off-centre placement shows."""
    shape = SurfaceMesher().mesh(voxelise_design(compose("chair", 3), 32)[0])[0]
    moved = Mesh(shape.vertices * np.float32(0.7) + np.float32([0.15, 0, 0]), shape.faces, shape.color)
    meshes = [SurfaceMesher().mesh(voxelise_solid(moved, 64, name))[0] for name in CONVENTIONS]
    views = portraits(meshes, size=size)[:, 0]
    sheet = Image.new("RGB", (size * len(CONVENTIONS), size + 24), "white")
    for place, (name, view) in enumerate(zip(CONVENTIONS, views, strict=True)):
        sheet.paste(Image.fromarray(view), (place * size, 24))
        ImageDraw.Draw(sheet).text((place * size + 8, 6), name, fill="black")
    sheet.save(out)


if __name__ == "__main__":
    tyro.cli(main)
