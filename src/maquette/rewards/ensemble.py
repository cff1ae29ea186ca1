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
from maquette.rewards.judges_file import FULL_SIZE, Judges, read_judges
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

    judges: Judges | None = None
    """Who stands behind the full-size rewards, for what they cost."""

    def costs(self) -> dict[str, float]:
        """Questions, tokens, money and seconds of every judge since the last call."""
        return self.judges.costs() if self.judges else {}

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


def build_ensemble(
    stages: Sequence[StageSpec], *, reduce: Reduce = "mean", folder: Path = SCORERS, judges: str = ""
) -> Ensemble:
    """The rewards with a weight above 0 in each stage; networks and judges that several share are loaded once.

    `judges` is the judges file, which full-size rewards need. ValueError names what it lacks.
    """
    known = read_judges(Path(judges)) if judges else None

    def build(name: str) -> Reward:
        if name not in FULL_SIZE:
            return load_reward(name, reduce=reduce, folder=folder)
        if known is None:
            raise ValueError(f"The reward {name} needs a judges file: set judges=configs/full/judges.yaml or your own.")
        return known.reward(name, reduce)

    used = dict.fromkeys(name for stage in stages for name, weight in asdict(stage.rewards).items() if weight)
    built = {name: build(name) for name in used}
    chains = (tuple(built[n] for n, weight in asdict(stage.rewards).items() if weight) for stage in stages)
    return Ensemble(tuple(chains), known)
