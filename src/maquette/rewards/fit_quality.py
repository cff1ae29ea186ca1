"""Training of the quality network: preference pairs, graded look, and consistency of shape and paint, in one pass over the pictures."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from maquette.rewards.dataset import Labels, Pictures
from maquette.rewards.fit import fit, varied
from maquette.rewards.networks import Judged, QualityNetwork
from maquette.rewards.scorers import reduced

VIEWS = 4
"""Views of an object that one training step looks at; all six are looked at afterwards."""
LEAST = 0.1
"""Difference of severity below which two looks are not compared."""


def severity_of(labels: Labels) -> Float[np.ndarray, " looks"]:
    """Overall severity of each look, 0 to 1: damage to shape and to paint add up like probabilities."""
    return np.asarray([1.0 - (1.0 - look.geometry) * (1.0 - look.paint) for look in labels.looks])


def looks_good(labels: Labels) -> Float[np.ndarray, " looks"]:
    """The graded look of each variant in [0, 1]: undamaged, and a little for symmetry."""
    return (1.0 - severity_of(labels)) * (0.85 + 0.15 * labels.symmetry)


def train_quality(network: QualityNetwork, data: Pictures, *, steps: int, batch: int, peak: float, seed: int) -> None:
    """Trains the network in place: `steps` batches of all looks of `batch` objects in four views each."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    fit(network, lambda step: _loss(network, data, batch, rng), steps=steps, peak=peak, name="quality scorer")


def _loss(network: QualityNetwork, data: Pictures, batch: int, rng: np.random.Generator) -> Tensor:
    objects = [int(o) for o in rng.integers(len(data), size=batch)]
    labels = [data.labels[o] for o in objects]
    looks = len(labels[0].looks)
    views = np.sort(rng.permutation(6)[:VIEWS])
    rgba = data.rows(np.repeat(objects, looks).tolist(), list(range(looks)) * batch)[:, views]
    judged = network(varied(rgba, rng), torch.from_numpy(views))
    severity = torch.from_numpy(np.stack([severity_of(one) for one in labels])).float()
    grey = torch.tensor([[look.grey for look in one.looks] for one in labels])
    return (
        _preference(judged, severity, grey)
        + _aesthetic(judged, labels)
        + _consistency(judged.geometry, labels, "geometry")
        + _consistency(judged.appearance, labels, "paint")
    )


def _preference(judged: Judged, severity: Float[Tensor, "n k"], grey: Tensor) -> Tensor:
    """Bradley-Terry over looks of one object in one paint, for every way to reduce views, and a level so that objects compare."""
    better = (severity.unsqueeze(2) + LEAST < severity.unsqueeze(1)) & (grey.unsqueeze(2) == grey.unsqueeze(1))
    level = torch.where(severity > 0, 0.45 * (1.0 - severity), 0.95).flatten()
    loss = severity.new_zeros(())
    for how in ("max", "mean", "min"):
        score = reduced(judged.preference, how).float()
        per_object = score.view_as(severity)
        margin = per_object.unsqueeze(2) - per_object.unsqueeze(1)
        loss = loss + functional.softplus(-margin)[better].mean()
        loss = loss + 0.3 * functional.binary_cross_entropy_with_logits(score, level)
    return loss / 3.0


def _aesthetic(judged: Judged, labels: list[Labels]) -> Tensor:
    target = torch.from_numpy(np.concatenate([looks_good(one) for one in labels])).float()
    return 4.0 * functional.mse_loss(judged.aesthetic.float(), target.unsqueeze(1).expand_as(judged.aesthetic))


def _consistency(logits: Tensor, labels: list[Labels], kind: str) -> Tensor:
    """Cross-entropy against 1 for sound looks and at most 0.4, less for the worse, for damaged ones; paint is judged in colour only."""
    looks = [look for one in labels for look in one.looks]
    damage = torch.tensor([look.geometry if kind == "geometry" else look.paint for look in looks])
    counted = torch.tensor([kind == "geometry" or not look.grey for look in looks])
    target = torch.where(damage > 0, 0.4 * (1.0 - damage), 1.0)
    return functional.binary_cross_entropy_with_logits(logits.float()[counted], target[counted])
