"""Controls on the shipped evaluators, with margins that any trained weights keep: colour, shuffled prompts, a ladder of damage."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pytest

from maquette.evaluation.metrics import kernel_distance, kernel_distance_interval, paired_difference
from maquette.evaluation.networks import COUNTS, Evaluators, load_evaluators
from maquette.evaluation.references import references_of
from maquette.evaluation.run import attribute_accuracy, unit_scale
from maquette.prompts.sets import load_prompts
from maquette.rendering.cameras import CAMERAS
from maquette.rendering.rasterise import render
from maquette.shape.surface import SurfaceMesher
from maquette.types import Mesh, Prompt, Views, Voxels

COUNT = 32


@pytest.fixture(scope="module")
def evaluators() -> Evaluators:
    return load_evaluators()


def colorful(suite: str) -> tuple[Prompt, ...]:
    """A suite's prompts whose text names a strong colour."""
    strong = (" red", " blue", " green", " yellow", " orange")
    return tuple(p for p in load_prompts(suite) if any(c in f" {p.text}" for c in strong))


@pytest.fixture(scope="module")
def objects() -> tuple[tuple[Prompt, ...], Voxels]:
    """The first of `mini-dev` whose text names a strong colour, and the objects meant."""
    prompts = colorful("mini-dev")[:COUNT]
    known = references_of("mini-dev", prompts)
    made = [known[p.id].voxels(32) for p in prompts]
    return prompts, Voxels(np.concatenate([v.occupancy for v in made]), np.concatenate([v.color for v in made]))


def seen(voxels: Voxels) -> Views:
    return render(SurfaceMesher().mesh(voxels), CAMERAS["maquette-6"], size=64, antialias=True)


def test_a_recoloured_object_scores_lower_for_its_caption(evaluators, objects):
    prompts, voxels = objects
    texts = [p.text for p in prompts]
    assert voxels.color is not None and len(prompts) == COUNT
    turned = dataclasses.replace(voxels, color=np.ascontiguousarray(voxels.color[..., [1, 2, 0]]))
    drop = paired_difference(evaluators.alignment(texts, seen(turned)), evaluators.alignment(texts, seen(voxels)))
    assert drop.high < 0


def test_shuffled_prompts_score_at_chance(evaluators, objects):
    prompts, voxels = objects
    views = seen(voxels)
    similarity = evaluators.similarity([p.text for p in prompts], views).astype(float)
    own = np.diagonal(similarity)
    off = np.where(np.eye(COUNT, dtype=bool), np.nan, similarity)
    # Chance is what captions score that no object of these was ever made for. Captions are what is drawn: by text, over all objects.
    taken = {p.text for p in prompts}
    foreign = [p.text for p in colorful("mini") if p.text not in taken]
    shuffled, chance = np.nanmean(off, axis=1), evaluators.similarity(foreign, views).astype(float).mean(1)
    error = np.sqrt(shuffled.var(ddof=1) / len(shuffled) + chance.var(ddof=1) / len(chance))
    assert abs(shuffled.mean() - chance.mean()) < 3 * error
    assert paired_difference(own, np.nanmean(off, axis=0)).low > 0.1


def test_more_damage_is_never_nearer_to_the_objects_meant(evaluators, objects):
    _, voxels = objects
    noise = np.random.default_rng(0).random(voxels.occupancy.shape)
    clean = unit_scale(evaluators.features(seen(voxels)))
    ladder = []
    for level in (0.0, 0.1, 0.3, 0.6):
        kept = voxels.occupancy & (noise >= level)
        ladder.append(
            kernel_distance(unit_scale(evaluators.features(seen(dataclasses.replace(voxels, occupancy=kept)))), clean)
        )
    assert all(better < worse for better, worse in pairwise(ladder))


def without(voxels: Voxels, share: float) -> Voxels:
    """Each object without the slices of largest x that hold `share` of its voxels."""
    kept = voxels.occupancy.copy()
    for one in kept:
        one[int(np.searchsorted(np.cumsum(one.sum((1, 2))) / one.sum(), 1 - share)) + 1 :] = False
    return dataclasses.replace(voxels, occupancy=kept)


def test_more_cut_off_never_scores_better(evaluators, objects):
    prompts, voxels = objects
    texts, alignment, counts = [p.text for p in prompts], [], []
    for share in (0.0, 0.25, 0.5):
        views = seen(without(voxels, share))
        alignment.append(float(evaluators.alignment(texts, views).mean()))
        attributes = evaluators.attributes(views)
        counts.append(np.nanmean([attribute_accuracy(p, attributes, i)[1] for i, p in enumerate(prompts)]))
    assert all(better > worse for better, worse in pairwise(alignment))
    assert all(better > worse for better, worse in pairwise(counts))


def test_turned_colours_are_no_longer_right(evaluators, objects):
    prompts, voxels = objects
    turned = dataclasses.replace(voxels, color=np.ascontiguousarray(voxels.color[..., [1, 2, 0]]))
    right = [
        np.nanmean([attribute_accuracy(p, attributes, i)[2] for i, p in enumerate(prompts)])
        for attributes in (evaluators.attributes(seen(voxels)), evaluators.attributes(seen(turned)))
    ]
    assert right[1] < right[0] / 2


def test_a_count_above_the_recogniser_s_last_class_can_be_right(evaluators, objects):
    prompts, voxels = objects
    attributes = evaluators.attributes(seen(voxels))
    part = next(part for p in prompts for part in p.parts if part.name in attributes.parts)
    probability = attributes.count_probability.copy()
    probability[0, attributes.parts.index(part.name)] = np.eye(COUNTS, dtype=np.float32)[-1]
    attributes = dataclasses.replace(attributes, count_probability=probability)
    asked = Prompt("x", "many", parts=(dataclasses.replace(part, count=COUNTS + 8),))
    assert attribute_accuracy(asked, attributes, 0)[1] == 1.0


def test_two_halves_of_the_real_objects_are_zero_apart_within_the_interval(evaluators, objects):
    _, voxels = objects
    features = unit_scale(evaluators.features(seen(voxels)))
    order = np.random.default_rng(1).permutation(COUNT)
    interval = kernel_distance_interval(features[order[::2]], features[order[1::2]])
    assert interval.low < 0 < interval.high


def test_an_unpainted_mesh_is_seen_as_grey(evaluators, objects):
    _, voxels = objects
    (mesh,) = SurfaceMesher().mesh(Voxels(voxels.occupancy[:1], voxels.color[:1] if voxels.color is not None else None))
    bare = Mesh(mesh.vertices, mesh.faces)
    colored, grey = (render([m], CAMERAS["maquette-6"], size=64) for m in (mesh, bare))
    assert (np.ptp(grey.rgb.astype(int), axis=-1) <= 1).all()
    assert np.abs(evaluators.features(colored) - evaluators.features(grey)).max() > 0
