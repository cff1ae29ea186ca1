"""All rewards of all stages: raw parts in, nothing mixed. What becomes of them is the advantages' business."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.config import StageSpec
from maquette.protocols import Choosy, Reward
from maquette.rewards.aesthetic import Aesthetic
from maquette.rewards.alignment import Alignment
from maquette.rewards.appearance_consistency import AppearanceConsistency
from maquette.rewards.category import Category
from maquette.rewards.general_consistency import GeneralConsistency
from maquette.rewards.geometry_consistency import GeometryConsistency
from maquette.rewards.judge_rewards import JudgedReward
from maquette.rewards.judges_file import FULL_SIZE, Judges, read_judges
from maquette.rewards.parts import Parts
from maquette.rewards.preference import Preference
from maquette.rewards.scorers import SCORERS, Reduce
from maquette.types import Generation, Scores

StageScores = dict[str, Float[Tensor, " a"]]
"""By the name of the reward."""

REWARDS: dict[str, Callable[[Path, Reduce], Reward]] = {
    "preference": Preference.load,
    "alignment": Alignment.load,
    "category": lambda folder, reduce: Category.load(folder),
    "geometry_consistency": lambda folder, reduce: GeometryConsistency.load(folder),
    "general_consistency": lambda folder, reduce: GeneralConsistency.load(folder),
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

    def refusals(self) -> list[dict[str, str]]:
        """What judges did not answer since the last call, by judge, reason and words."""
        return self.judges.refusals() if self.judges else []

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
        return self.joined(generation, [self.score_stage(generation, s) for s in range(len(self.stages))])

    def score_stage(self, generation: Generation, stage: int) -> StageScores:
        """What the judges of one stage say, by name; later stages need not be there yet.

        Served judges are asked at the same time, while those in this process work one after another. ValueError: one of these gives NaN
        where it has words for the prompt.
        """
        served = [reward for reward in self.stages[stage] if isinstance(reward, JudgedReward)]
        with ThreadPoolExecutor(max(1, len(served)), "judges") as pool:
            waited_for = [pool.submit(reward.score, generation, stage) for reward in served]
            said = {
                reward.name: _numbers(reward, generation, stage)
                for reward in self.stages[stage]
                if not isinstance(reward, JudgedReward)
            }
            said |= {reward.name: one.result() for reward, one in zip(served, waited_for, strict=True)}
        return {reward.name: said[reward.name] for reward in self.stages[stage]}

    def joined(self, generation: Generation, said: Sequence[StageScores]) -> Scores:
        """All stages as one; NaN in what a judge said is `missing`, elsewhere it is a part that the stage does not use."""
        names = self.names
        values = torch.full((len(names), len(generation.prompts) * generation.group_size, len(self.stages)), torch.nan)
        missing = torch.zeros_like(values, dtype=torch.bool)
        for s, parts in enumerate(said):
            for name, own in parts.items():
                values[names.index(name), :, s] = own
                missing[names.index(name), :, s] = own.isnan()
        failed = torch.stack([torch.from_numpy(output.failed) for output in generation.stages], 1)
        return Scores(names, values, missing, failed)


def _numbers(reward: Reward, generation: Generation, stage: int) -> Float[Tensor, " a"]:
    """An in-process reward's values: NaN is silence about a prompt, and anything else that is NaN is a fault."""
    values = reward.score(generation, stage)
    has_words = [not isinstance(reward, Choosy) or reward.has_words_for(prompt) for prompt in generation.prompts]
    wrong = values.isnan() & torch.tensor(has_words).repeat_interleave(generation.group_size)
    if wrong.any():
        raise ValueError(
            f"The reward {reward.name} gave NaN to {int(wrong.sum())} of {len(values)} answers of stage "
            f"{generation.stages[stage].name}: its weights or its views hold what is no number; load it anew or leave it out."
        )
    return values


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
