"""What the quality network learns from: preference pairs, graded look, and consistency of shape and paint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from maquette.rewards.looks import Labels
from maquette.rewards.networks import Judged
from maquette.rewards.scorers import reduced

LEAST = 0.1
"""Difference of severity below which two looks are not compared."""
LOOSE = 0.02
"""Share of an answer's voxels that hang on nothing, from which on it is unsound."""


def severity_of(labels: Labels) -> Float[np.ndarray, " looks"]:
    """Overall severity of each look, 0 to 1: damage to shape and to paint, or an answer's distances, add up like probabilities."""
    return np.asarray([1.0 - (1.0 - look.geometry) * (1.0 - look.paint) for look in labels.looks])


def looks_good(labels: Labels) -> Float[np.ndarray, " looks"]:
    """The graded look of each variant in [0, 1]: undamaged, and a little for symmetry."""
    return (1.0 - severity_of(labels)) * (0.85 + 0.15 * labels.symmetry)


def quality_loss(judged: Judged, labels: Sequence[Labels]) -> Tensor:
    """The sum of all four, for a objects in k looks, judged look by look: row l·a + i is look l of object i."""
    severity = torch.from_numpy(np.stack([severity_of(one) for one in labels], 1)).float()
    grey = torch.tensor([look.grey for look in labels[0].looks])
    return (
        _preference(judged, severity, grey, torch.tensor([look.answer for look in labels[0].looks]))
        + _aesthetic(judged, labels)
        + consistency_loss(judged.geometry, labels, "geometry")
        + consistency_loss(judged.appearance, labels, "paint")
    )


def _preference(
    judged: Judged, severity: Float[Tensor, "k a"], grey: Bool[Tensor, " k"], answer: Bool[Tensor, " k"]
) -> Tensor:
    """Bradley-Terry over looks of one object in one paint, for every way to reduce views, and a level so that objects compare."""
    better = compared(severity, grey, answer)
    level = torch.where(severity > 0, 0.45 * (1.0 - severity), 0.95).flatten()
    loss = severity.new_zeros(())
    for how in ("max", "mean", "min"):
        score = reduced(judged.preference.float(), how)
        per_look = score.view_as(severity)
        margin = per_look.unsqueeze(1) - per_look.unsqueeze(0)
        loss = loss + functional.softplus(-margin)[better].mean()
        loss = loss + 0.3 * functional.binary_cross_entropy_with_logits(score, level)
    return loss / 3.0


def compared(
    severity: Float[Tensor, "k a"], grey: Bool[Tensor, " k"], answer: Bool[Tensor, " k"]
) -> Bool[Tensor, "k k a"]:
    """Where the first look is to be preferred to the second: of one object in one paint, by enough.

    An answer is only held to be worse than the object itself: how far it is from what was meant cannot be seen without the text.
    """
    better = severity.unsqueeze(1) + LEAST < severity.unsqueeze(0)
    better &= (grey.unsqueeze(1) == grey.unsqueeze(0)).unsqueeze(2)
    neither = ~answer.unsqueeze(1) & ~answer.unsqueeze(0)
    return better & (neither.unsqueeze(2) | (severity == 0).unsqueeze(1))


def _aesthetic(judged: Judged, labels: Sequence[Labels]) -> Tensor:
    known = labels[0].known
    target = torch.from_numpy(np.stack([looks_good(one)[:known] for one in labels], 1)).float().flatten()
    said = judged.aesthetic[: len(target)].float()
    return 4.0 * functional.mse_loss(said, target.unsqueeze(1).expand_as(said))


def consistency_loss(
    logits: Float[Tensor, " n"], labels: Sequence[Labels], kind: Literal["geometry", "paint"]
) -> Tensor:
    """Cross-entropy against 1 for sound looks and at most 0.4, less for the worse, for damaged ones; paint is judged in colour only.

    Of answers only those with loose pieces are known to be unsound, and none to be sound.
    """
    looks = [one.looks[k] for k in range(len(labels[0].looks)) for one in labels]
    if kind == "geometry":
        damage = torch.tensor([min(1.0, 0.2 + 1.6 * look.loose) if look.answer else look.geometry for look in looks])
        counted = torch.tensor([not look.answer or look.loose > LOOSE for look in looks])
    else:
        damage = torch.tensor([look.paint for look in looks])
        counted = torch.tensor([not look.grey and not look.answer for look in looks])
    target = torch.where(damage > 0, 0.4 * (1.0 - damage), 1.0)
    return functional.binary_cross_entropy_with_logits(logits.float()[counted], target[counted])
