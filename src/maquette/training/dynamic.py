"""Dynamic sampling: groups that teach nothing make room for answers to fresh prompts (DAPO, arXiv 2503.14476, §3.2).

With continuous rewards the answers of a group are hardly ever all equal, so that beside DAPO's own rule there are two more: too
small a spread, and a mean outside the band of recent groups' means, which is "neither too easy nor too hard".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float64
from torch import Tensor

from maquette.config import DynamicConfig, StageSpec
from maquette.training.advantages import Mixing, kind_returns, mix
from maquette.training.batches import draw_prompts
from maquette.training.checkpoint import ALONE
from maquette.training.distributed import Processes
from maquette.training.groups import Answered, deal_groups, join_scores, scores_of
from maquette.types import Prompt, Scores

T = TypeVar("T")

SAME = 1e-9
"""Returns closer than this, relative to their size, are equal."""


@dataclass(frozen=True)
class RunState:
    """What a run carries from step to step beside its weights; it stands in every checkpoint."""

    cursor: int = 0
    """Prompts drawn so far."""
    tokens: int = 0
    """Tokens sampled so far, those of dropped groups included: runs are compared at equal tokens by this."""
    means: tuple[tuple[float, ...], ...] = ()
    """Mean raw returns of recent groups, oldest first; by stage and within it by kind of token."""

    def to_json(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> RunState:
        """Floats come back to the bit. KeyError or TypeError where it is something else."""
        means = tuple(tuple(float(x) for x in row) for row in data["means"])  # type: ignore[attr-defined]
        return cls(int(data["cursor"]), int(data["tokens"]), means)  # type: ignore[call-overload]


@dataclass(frozen=True)
class Collected:
    """A full batch of groups, and which of their stages may teach."""

    answered: Answered
    """This process's own."""
    scores: Scores
    """Everybody's, as `informative`."""
    informative: Bool[Tensor, "p s k"]
    numbers: dict[str, float]
    """For the log: rounds, dropped groups, and what they cost."""
    state: RunState


@dataclass(frozen=True)
class GroupReturns:
    """Returns by group, stage and kind of token: as they are mixed for the advantages, and raw, whose scale the rules speak of."""

    mixed: Float64[Tensor, "p g s k"]
    raw: Float64[Tensor, "p g s k"]
    judged: Bool[Tensor, "p s k"]
    """False where no judge said anything about the stage or what flows back to it."""


def collect(
    answer: Callable[[tuple[Prompt, ...], int], Answered],
    prompts: Sequence[Prompt],
    stages: Sequence[StageSpec],
    state: RunState,
    *,
    settings: DynamicConfig,
    size: int,
    seed: int,
    mixing: Mixing,
    processes: Processes = ALONE,
) -> Collected:
    """`size` groups with as many informative ones as the budget brings; `answer(prompts, round)` rolls out and scores.

    Each round asks for as many fresh prompts as are missing. What is still missing when the budget or the prompt set is spent is
    made up by groups that were dropped; their stages are not informative, so their advantages are 0 and only the KL sees them.

    Of several processes each answers its share of a round's prompts (where there is none for it the first, which counts nowhere). All
    know all scores, the first decides, and groups change hands so that the batch is shared evenly. Not dynamic: one round.
    """
    rounds: list[Answered] = []
    everybodys: list[Scores] = []
    kept: list[tuple[int, int]] = []
    dropped: list[tuple[int, int]] = []
    verdicts: list[Bool[Tensor, "_ s k"]] = []
    means: list[Float64[Tensor, "_ s k"]] = []
    taken: list[str] = []
    cursor, left = state.cursor, int(size * settings.budget) if settings.enabled else size
    while len(kept) < size and (fresh := min(size - len(kept), left, len(prompts) - len(taken) if rounds else size)):
        drawn, cursor = draw_prompts(prompts, cursor, fresh, seed=seed, taken=taken)
        taken += [prompt.id for prompt in drawn]
        left -= fresh
        rounds.append(answer(drawn, len(rounds)))
        everybodys.append(join_scores(_real(rounds[-1].scores, fresh, processes)))
        found = group_returns(everybodys[-1], stages, group_size=rounds[-1].generation.group_size, mixing=mixing)
        # Machines of unlike make may round unlike, and then some would wait for a round that others do not begin.
        verdicts.append(processes.first_does(partial(informative, found, state.means, settings)))
        means.append(torch.where(found.judged, found.raw.mean(1), torch.nan))
        for group, useful in enumerate(verdicts[-1].flatten(1).any(1).tolist()):
            (kept if useful else dropped).append((len(rounds) - 1, group))
    sizes, chosen = list(map(len, verdicts)), sorted(kept + dropped[: size - len(kept)])
    total, spent = _tokens(rounds, sizes, dropped, processes)
    drops = _drops(settings, rounds=len(rounds), dropped=len(dropped), filled=size - len(kept), tokens=spent)
    return Collected(
        deal_groups(rounds, sizes, chosen, processes),
        _scores(everybodys, chosen, rounds[0].generation.group_size),
        torch.stack([verdicts[index][group] for index, group in chosen]),
        {"tokens/step": float(total), "tokens/total": float(state.tokens + total)} | drops,
        RunState(cursor, state.tokens + total, remember(state.means, torch.cat(means), settings.window)),
    )


def _real(own: T, groups: int, processes: Processes) -> list[T]:
    """What everybody has of a round of so many groups, in order, without those who only kept step."""
    return [one for one, share in zip(processes.gather(own), processes.shares(groups), strict=True) if share]


def _scores(everybodys: Sequence[Scores], chosen: Sequence[tuple[int, int]], size: int) -> Scores:
    """Those of the groups `(round, group)`, in that order."""
    starts = np.cumsum([0, *(len(one.failed) for one in everybodys)])
    answers = [int(starts[index]) + group * size + i for index, group in chosen for i in range(size)]
    return scores_of(join_scores(everybodys), torch.tensor(answers))


def _tokens(
    rounds: Sequence[Answered], sizes: Sequence[int], dropped: Sequence[tuple[int, int]], processes: Processes
) -> tuple[int, int]:
    """Sampled by everybody in all rounds, and of these in dropped groups."""
    tokens = [
        [n for own in _real(sampled_tokens(one), groups, processes) for n in own]
        for one, groups in zip(rounds, sizes, strict=True)
    ]
    return sum(map(sum, tokens)), sum(tokens[index][group] for index, group in dropped)


def _drops(settings: DynamicConfig, *, rounds: int, dropped: int, filled: int, tokens: int) -> dict[str, float]:
    if not settings.enabled:
        return {"dynamic/uninformative": float(dropped)}
    numbers = {"rounds": rounds, "dropped": dropped, "filled": filled, "dropped_tokens": tokens}
    return {f"dynamic/{name}": float(value) for name, value in numbers.items()}


def group_returns(scores: Scores, stages: Sequence[StageSpec], *, group_size: int, mixing: Mixing) -> GroupReturns:
    """Returns of every group, stage and kind of token, under the mixing of the advantages and as plain weighted sums."""

    def flowed(how: Mixing) -> Float64[Tensor, "p g s k"]:
        mixed = mix(scores, stages, group_size=group_size, mixing=how)
        return rearrange(kind_returns(mixed, stages), "(p g) s k -> p g s k", g=group_size)

    seen = rearrange(~scores.missing & ~scores.values.isnan(), "k (p g) s -> k p g s", g=group_size)
    used = torch.tensor([[bool(asdict(stage.rewards)[name]) for stage in stages] for name in scores.names])
    # judged are those to whose return a judged stage contributes: the same flow over ones and noughts
    own = (seen.any(2) & used[:, None]).any(0).double()
    return GroupReturns(flowed(mixing), flowed("paper"), kind_returns(own, stages) > 0)


def informative(
    found: GroupReturns, recent: Sequence[Sequence[float]], settings: DynamicConfig
) -> Bool[Tensor, "p s k"]:
    """Which tokens of which group may teach, by `settings.rule`; equal returns never do. Off: all that are not equal."""
    span = found.mixed.amax(1) - found.mixed.amin(1)
    useful = (span > SAME * found.mixed.abs().amax(1).clamp(min=1.0)) & found.judged
    if settings.enabled and settings.rule == "spread":
        useful = useful & (found.raw.std(1, correction=0) >= settings.least_spread)
    if settings.enabled and settings.rule == "band":
        middle, columns = found.raw.mean(1).flatten(1), useful.flatten(1)
        for column, means in enumerate(recent):
            if len(means) * 8 >= settings.window:
                low, high = np.quantile(means, [settings.low, settings.high])
                columns[:, column] &= (middle[:, column] >= low) & (middle[:, column] <= high)
        useful = columns.view_as(useful)
    return useful


def remember(
    recent: Sequence[Sequence[float]], means: Float64[Tensor, "p s k"], window: int
) -> tuple[tuple[float, ...], ...]:
    """The last `window` group means of each stage and kind, NaN (nobody judged) left out."""
    columns = means.flatten(1).T.tolist()
    before = recent or [()] * len(columns)
    fresh = [[x for x in column if x == x] for column in columns]
    return tuple(tuple([*old, *new][-window:]) for old, new in zip(before, fresh, strict=True))


def sampled_tokens(answered: Answered) -> list[int]:
    """Sampled tokens of each group, all its stages together."""
    rollouts, size = answered.generation.rollouts, answered.generation.group_size
    counts = torch.zeros(len(answered.generation.prompts), dtype=torch.int64)
    return counts.index_add(0, rollouts.answer // size, rollouts.sampled.sum(1)).tolist()
