"""What the paper's published evaluation script computes, under names that say what it is. For looking into old numbers, never a measure.

Read in 3DGen-R1's script: its "KD" is the mean Gaussian kernel *between* the two sets of views of one object, so that it grows when they
are alike and is neither 0 nor 1 for equal sets; every mesh is drawn with a plain white material, so that no score sees a colour; the text
scored is the cell of the table, brackets and quotation marks included, cut at its first full stop.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from maquette.evaluation.metrics import check_features
from maquette.rendering.rasterise import render
from maquette.types import Cameras, Mesh, Views

CROSS_KERNEL = "compat-3dgen-r1: cross-kernel similarity (higher is closer)"
GREY_CLIP = "compat-3dgen-r1: CLIP score of grey renders with the raw table cell"


def cross_kernel_similarity(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "m d"], gamma: float = 0.0) -> float:
    """Mean of exp(-γ |x − y|²) over all pairs, in (0, 1]; γ = 0 stands for 1/d. A *similarity*, printed there as a distance."""
    check_features(x, y)
    a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
    squared = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
    return float(np.exp(-(gamma or 1 / x.shape[1]) * np.maximum(squared, 0)).mean())


def grey_views(meshes: Sequence[Mesh], cameras: Cameras, size: int) -> Views:
    """All meshes without their paint, as that script draws them."""
    return render(list(meshes), cameras, size=size, antialias=True, paint="grey")


def raw_cell(captions: Sequence[str]) -> str:
    """The text that it scores: a list written as text, cut at the first full stop."""
    return json.dumps(list(captions), ensure_ascii=False).split(".")[0]
