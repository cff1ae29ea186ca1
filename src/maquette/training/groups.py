"""Groups as units: the g answers to one prompt, with their scores, picked out of several rollouts, dealt and put together again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor
from torch.nn.functional import pad

from maquette.training.distributed import Processes
from maquette.types import Generation, Rollouts, Scores, StageOutput, Views, Voxels


@dataclass(frozen=True)
class Answered:
    """Answers and what the judges say to them."""

    generation: Generation
    scores: Scores


def deal_groups(
    rounds: Sequence[Answered], sizes: Sequence[int], chosen: Sequence[tuple[int, int]], processes: Processes
) -> Answered:
    """This process's even share of the batch of the groups `(round, group)`, in that order.

    `rounds` holds this process's share of each round, `sizes` how many groups the whole round had. A group whose place in the batch
    belongs to another process than the one that answered it is sent there, whole; no other travels.
    """
    batch, pieces, own = processes.shares(len(chosen)), list(rounds), []
    for place, (index, group) in enumerate(chosen):
        shares = processes.shares(sizes[index])
        giver, taker = (
            next(r for r, share in enumerate(parts) if at in share) for parts, at in ((shares, group), (batch, place))
        )
        here = (index, group - shares[giver].start)
        if giver == taker == processes.rank:
            own.append(here)
            continue
        parcel = gather_groups(rounds, [here]) if giver == processes.rank else None
        if (received := processes.pass_on(parcel, giver, taker)) is not None:
            own.append((len(pieces), 0))
            pieces.append(received)
    return gather_groups(pieces, own)


def join_scores(parts: Sequence[Scores]) -> Scores:
    """The scores of consecutive answers as one."""
    return Scores(
        parts[0].names,
        torch.cat([part.values for part in parts], 1),
        torch.cat([part.missing for part in parts], 1),
        torch.cat([part.failed for part in parts]),
    )


def scores_of(scores: Scores, answers: Int64[Tensor, " _"]) -> Scores:
    """Those of some answers."""
    return Scores(scores.names, scores.values[:, answers], scores.missing[:, answers], scores.failed[answers])


def gather_groups(rounds: Sequence[Answered], chosen: Sequence[tuple[int, int]]) -> Answered:
    """One batch of the groups `(round, group)`, in that order; answers are numbered anew.

    All rounds have the same stages, group size and reward parts.
    """
    size, stages = rounds[0].generation.group_size, len(rounds[0].generation.stages)
    if len(rounds) == 1 and [group for _, group in chosen] == list(range(len(rounds[0].generation.prompts))):
        return rounds[0]
    answers = [
        [group * size + i for r, group in chosen if r == index for i in range(size)] for index in range(len(rounds))
    ]
    starts = np.cumsum([0, *(len(own) for own in answers)])
    # where the i-th answer of the batch stands among the picked answers, round after round
    seen = [0] * len(rounds)
    order: list[int] = []
    for index, _ in chosen:
        order += range(starts[index] + seen[index], starts[index] + seen[index] + size)
        seen[index] += size
    picked = [torch.tensor(own, dtype=torch.int64) for own in answers]
    place = torch.tensor(order, dtype=torch.int64)
    generation = Generation(
        prompts=tuple(rounds[index].generation.prompts[group] for index, group in chosen),
        group_size=size,
        rollouts=_rollouts([one.generation.rollouts for one in rounds], picked, place, stages),
        stages=tuple(_stage([one.generation.stages[s] for one in rounds], picked, place) for s in range(stages)),
        warnings=tuple(dict.fromkeys(text for one in rounds for text in one.generation.warnings)),
    )
    scores = join_scores([scores_of(one.scores, own) for one, own in zip(rounds, picked, strict=True)])
    return Answered(generation, scores_of(scores, place))


def _rollouts(
    every: Sequence[Rollouts], picked: Sequence[Int64[Tensor, " _"]], place: Int64[Tensor, " a"], stages: int
) -> Rollouts:
    """Rows of the picked answers (each has `stages` of them), padded to the longest round."""
    width = max(one.tokens.shape[1] for one in every)
    within = torch.arange(stages)
    rows = [(own[:, None] * stages + within).flatten() for own in picked]
    order = (place[:, None] * stages + within).flatten()

    def column(of: Callable[[Rollouts], Tensor]) -> Tensor:
        wide = [pad(of(one)[own], (0, width - one.tokens.shape[1])) for one, own in zip(every, rows, strict=True)]
        return torch.cat(wide)[order]

    # a round in which no prompt has a picture lists none
    pictures = [
        one.images[row] if one.images else None for one, own in zip(every, rows, strict=True) for row in own.tolist()
    ]
    return Rollouts(
        tokens=column(lambda one: one.tokens),
        segment=column(lambda one: one.segment),
        sampled=column(lambda one: one.sampled),
        logprobs=column(lambda one: one.logprobs),
        answer=torch.arange(len(place)).repeat_interleave(stages),
        stage=within.repeat(len(place)),
        images=tuple(pictures[row] for row in order.tolist()) if any(pictures) else (),
    )


def _stage(
    every: Sequence[StageOutput], picked: Sequence[Int64[Tensor, " _"]], place: Int64[Tensor, " a"]
) -> StageOutput:
    def listed(of: Callable[[StageOutput], Any]) -> tuple[Any, ...]:
        flat = [of(one)[i] for one, own in zip(every, picked, strict=True) for i in own.tolist()]
        return tuple(flat[i] for i in place.tolist())

    def stacked(of: Callable[[StageOutput], Any]) -> np.ndarray:
        return np.concatenate([of(one)[own.numpy()] for one, own in zip(every, picked, strict=True)])[place.numpy()]

    colored = every[0].voxels.color is not None
    return StageOutput(
        name=every[0].name,
        reasoning=listed(lambda one: one.reasoning),
        codes=torch.stack(listed(lambda one: one.codes)),
        failed=stacked(lambda one: one.failed),
        voxels=Voxels(
            stacked(lambda one: one.voxels.occupancy),
            stacked(lambda one: one.voxels.color) if colored else None,
            stacked(lambda one: one.voxels.density) if every[0].voxels.density is not None else None,
        ),
        meshes=listed(lambda one: one.meshes),
        views=Views(
            rgb=stacked(lambda one: one.views.rgb),
            depth=stacked(lambda one: one.views.depth),
            normal=stacked(lambda one: one.views.normal),
            mask=stacked(lambda one: one.views.mask),
            cameras=every[0].views.cameras,
        ),
    )
