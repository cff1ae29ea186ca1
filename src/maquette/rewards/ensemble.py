"""All rewards of all stages: raw parts in, nothing mixed. What becomes of them is the advantages' business."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from maquette.config import StageSpec
from maquette.protocols import Reward
from maquette.rewards.aesthetic import Aesthetic
from maquette.rewards.alignment import Alignment
from maquette.rewards.appearance_consistency import AppearanceConsistency
from maquette.rewards.category import Category
from maquette.rewards.geometry_consistency import GeometryConsistency
from maquette.rewards.parts import Parts
from maquette.rewards.preference import Preference
from maquette.rewards.scorers import SCORERS, Reduce
from maquette.types import Generation, Scores

REWARDS: dict[str, Callable[[Path, Reduce], Reward]] = {
    "preference": Preference.load,
    "alignment": Alignment.load,
    "category": lambda folder, reduce: Category.load(folder),
    "geometry_consistency": lambda folder, reduce: GeometryConsistency.load(folder),
    "appearance": lambda folder, reduce: AppearanceConsistency.load(folder),
    "aesthetic": Aesthetic.load,
    "parts": lambda folder, reduce: Parts.load(folder),
}
"""Every reward by the name that a config gives it."""


def load_reward(name: str, *, reduce: Reduce = "mean", folder: Path = SCORERS) -> Reward:
    """One reward with its shipped (or, in `folder`, newly trained) weights. Raises ValueError for an unknown name."""
    if name not in REWARDS:
        raise ValueError(f"no reward is called {name!r}; there are {', '.join(sorted(REWARDS))}")
    return REWARDS[name](folder, reduce)


@dataclass(frozen=True)
class Ensemble:
    """The rewards of each stage, in the order of the stages."""

    stages: tuple[tuple[Reward, ...], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The parts of its scores: every reward of any stage, once, in the order of first use."""
        return tuple(dict.fromkeys(reward.name for rewards in self.stages for reward in rewards))

    def score(self, generation: Generation) -> Scores:
        """Raw parts of every answer and stage. Raises ValueError where the generation has another number of stages."""
        if len(generation.stages) != len(self.stages):
            raise ValueError(
                f"the ensemble judges {len(self.stages)} stages, the answers have {len(generation.stages)}; "
                "build it from the stages that generate() was given"
            )
        names = self.names
        answers = len(generation.prompts) * generation.group_size
        values = torch.full((len(names), answers, len(self.stages)), torch.nan)
        missing = torch.zeros_like(values, dtype=torch.bool)
        for s, rewards in enumerate(self.stages):
            for reward in rewards:
                k = names.index(reward.name)
                values[k, :, s] = reward.score(generation, s)
                missing[k, :, s] = values[k, :, s].isnan()
        failed = torch.stack([torch.from_numpy(output.failed) for output in generation.stages], 1)
        return Scores(names, values, missing, failed)


def build_ensemble(stages: Sequence[StageSpec], *, reduce: Reduce = "mean", folder: Path = SCORERS) -> Ensemble:
    """The rewards with a weight above 0 in each stage; networks that several share are loaded once."""
    return Ensemble(
        tuple(
            tuple(
                load_reward(name, reduce=reduce, folder=folder)
                for name, weight in asdict(stage.rewards).items()
                if weight
            )
            for stage in stages
        )
    )
