"""Scores by pretrained networks under a camera protocol: CLIP per object, distances between sets, and the published script's numbers.

None of it is needed: without weights on this machine the small evaluators measure alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol as Interface
from typing import runtime_checkable

import numpy as np
from jaxtyping import Float32

from maquette.evaluation.compat import CROSS_KERNEL, GREY_CLIP, cross_kernel_similarity, grey_views, raw_cell
from maquette.evaluation.extractors import ClipScore
from maquette.evaluation.metrics import (
    FEWEST_FOR_FRECHET,
    Interval,
    frechet_distance,
    kernel_distance_interval,
    kernel_record,
)
from maquette.evaluation.protocols import PROTOCOLS, Protocol, cameras_for
from maquette.evaluation.references import Reference, References
from maquette.rendering.rasterise import render
from maquette.types import Cameras, Mesh, Prompt, Views


@runtime_checkable
class Extractor(Interface):
    """Pictures to one row of features per view."""

    @property
    def name(self) -> str: ...

    def features(self, views: Views) -> Float32[np.ndarray, "a v d"]: ...


@dataclass(frozen=True)
class Pretrained:
    """Which networks measure, from which cameras."""

    clip: ClipScore | None = None
    extractors: tuple[Extractor, ...] = ()
    protocol: Protocol = PROTOCOLS["maquette"]
    compat: bool = False
    """Also the published script's numbers, under names that say what they are."""

    @property
    def active(self) -> bool:
        return self.clip is not None or bool(self.extractors)


@dataclass
class Gathered:
    """Features of one system's answers and of the objects meant, filled chunk by chunk."""

    answers: dict[str, list[np.ndarray]] = field(default_factory=dict)
    references: dict[str, list[np.ndarray]] = field(default_factory=dict)
    partners: dict[str, list[int]] = field(default_factory=dict)
    """For each reference the place of its answer."""
    """Means over an object's views, by extractor."""
    bare: dict[str, int] = field(default_factory=dict)
    """How many references have no paint, by extractor."""
    grey_clip: list[float] = field(default_factory=list)
    similarity: dict[str, list[float]] = field(default_factory=dict)
    """Of each object's grey views with its reference's views, by extractor."""


def look(
    networks: Pretrained,
    prompts: Sequence[Prompt],
    meshes: Sequence[Mesh],
    failed: np.ndarray,
    references: References,
    gathered: Gathered,
) -> Float32[np.ndarray, " a"]:
    """CLIP scores of a chunk (NaN without CLIP, 0 for a failed answer); features are added to `gathered`, failures as seen: empty views."""
    clip = np.full(len(prompts), math.nan, np.float32)
    for i, (prompt, mesh) in enumerate(zip(prompts, meshes, strict=True)):
        reference = references.get(prompt.id)
        if networks.clip:
            if failed[i]:
                clip[i] = 0.0
                gathered.grey_clip += [0.0] * networks.compat  # counted there too
            else:
                clip[i] = _clip(networks, networks.clip, prompt, mesh, reference, gathered)
        for extractor in networks.extractors:
            _features(networks, extractor, mesh, reference, gathered)
    return clip


def _clip(
    networks: Pretrained, clip: ClipScore, prompt: Prompt, mesh: Mesh, reference: Reference | None, gathered: Gathered
) -> float:
    cameras = cameras_for(networks.protocol.text, reference.file if reference else None)
    if networks.compat:
        grey = grey_views([mesh], cameras, networks.protocol.picture_size)
        gathered.grey_clip.append(float(clip.score([raw_cell([prompt.text])], grey)[0]))
    return float(clip.score([prompt.text], _views(mesh, cameras, networks))[0])


def _features(
    networks: Pretrained, extractor: Extractor, mesh: Mesh, reference: Reference | None, gathered: Gathered
) -> None:
    cameras = cameras_for(networks.protocol.features, reference.file if reference else None)
    # Against a reference whose colours nobody knows, an answer's colours are not held: a grey answer would be the nearest.
    bare = reference is not None and not reference.painted()
    gathered.bare[extractor.name] = gathered.bare.get(extractor.name, 0) + bare
    drawn = grey_views([mesh], cameras, networks.protocol.picture_size) if bare else _views(mesh, cameras, networks)
    seen = extractor.features(drawn)[0]
    gathered.answers.setdefault(extractor.name, []).append(seen.mean(0))
    if reference is None:
        return
    meant = extractor.features(_views(reference.mesh(), cameras, networks))[0]
    gathered.references.setdefault(extractor.name, []).append(meant.mean(0))
    gathered.partners.setdefault(extractor.name, []).append(len(gathered.answers[extractor.name]) - 1)
    if networks.compat:
        grey = extractor.features(grey_views([mesh], cameras, networks.protocol.picture_size))[0]
        gathered.similarity.setdefault(extractor.name, []).append(cross_kernel_similarity(grey, meant))


def _views(mesh: Mesh, cameras: Cameras, networks: Pretrained) -> Views:
    return render([mesh], cameras, size=networks.protocol.picture_size, antialias=True)


def set_distances(gathered: Gathered, seed: int = 0) -> tuple[dict[str, Interval], dict[str, object]]:
    """Kernel distances (×100) by extractor and, for sets large enough, Fréchet distances; and what they were computed with."""
    found: dict[str, Interval] = {}
    record: dict[str, object] = {}
    for name, rows in gathered.answers.items():
        x, y = np.stack(rows), np.stack(gathered.references.get(name, [])) if gathered.references.get(name) else None
        if y is None or min(len(x), len(y)) < 2:
            record[f"KD {name}"] = "not computed: it needs at least 2 reference objects"
            continue
        partners = np.array(gathered.partners[name])
        found[f"KD {name}"] = kernel_distance_interval(x, y, partners=partners, seed=seed)
        record[f"KD {name}"] = dict(kernel_record(x, y, partners=partners)) | {
            "a row": "one object, the mean over its views",
            "references without paint": f"{gathered.bare.get(name, 0)}, drawn grey like their answers",
        }
        if len(x) == len(y) >= FEWEST_FOR_FRECHET:
            value = frechet_distance(x, y)
            found[f"FD {name}"] = Interval(value, math.nan, math.nan, len(x))
        else:
            record[f"FD {name}"] = (
                f"not reported: {len(x)} answers, {len(y)} references; it needs {FEWEST_FOR_FRECHET} of each"
            )
    return found, record


def compat_numbers(gathered: Gathered) -> dict[str, float]:
    """The published script's numbers, means over objects."""
    numbers = {f"{CROSS_KERNEL}, {name}": float(np.mean(rows)) for name, rows in gathered.similarity.items()}
    return numbers | ({GREY_CLIP: float(np.mean(gathered.grey_clip))} if gathered.grey_clip else {})
