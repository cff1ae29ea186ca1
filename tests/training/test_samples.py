"""What is logged of a step beside the rewards: variety, best-of-n, missing scores; by hand and against a count of subsets."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch

from maquette.config import RewardWeights, StageSpec
from maquette.training.samples import best_of, missing_share, variety
from maquette.types import Scores
from tests.training.test_dynamic import PROMPTS, answered

CHAIN = (StageSpec(name="a", rewards=RewardWeights(parts=2.0)),)


def scores(values: torch.Tensor, missing: torch.Tensor | None = None) -> Scores:
    none = torch.zeros_like(values, dtype=torch.bool)
    return Scores(("parts",), values, none if missing is None else missing, none[0])


def test_best_of_n_is_the_mean_over_all_subsets_of_a_group():
    values = torch.rand(1, 16, 1, generator=torch.Generator().manual_seed(0))
    got = best_of(scores(values), CHAIN, 8)
    assert set(got) == {f"best_of_{n}/a" for n in (1, 2, 4, 8)}
    for n in (1, 2, 4, 8):
        by_count = [
            max(2 * float(values[0, start + i, 0]) for i in subset)
            for start in (0, 8)
            for subset in combinations(range(8), n)
        ]
        assert got[f"best_of_{n}/a"] == pytest.approx(np.mean(by_count))


def test_variety_by_hand():
    generation = answered(PROMPTS[:2], [[0.0, 0.0]] * 4, 0).generation
    codes = torch.tensor([[1, 2, 3, 4], [1, 2, 3, 5], [7, 7, 7, 7], [7, 7, 7, 7]])
    stages = tuple(replace(stage, codes=codes) for stage in generation.stages)
    assert variety(replace(generation, stages=stages)) == {"variety/a": 0.125, "variety/b": 0.125}
    three = replace(generation, stages=stages[:1], group_size=4)  # pairs: 1/4 once, 1 four times, 0 once
    assert variety(three)["variety/a"] == pytest.approx((0.25 + 4) / 6)


def test_missing_counts_only_what_the_stage_asked_for():
    values = torch.tensor([[[float("nan")], [1.0]], [[float("nan")], [float("nan")]]])
    missing = torch.tensor([[[True], [False]], [[False], [False]]])
    two = Scores(("parts", "category"), values, missing, torch.zeros(2, 1, dtype=torch.bool))
    assert missing_share(two, 0) == 0.5
    silent = replace(
        two, values=torch.full_like(values, torch.nan), missing=torch.tensor([[[True]] * 2, [[False]] * 2])
    )
    assert missing_share(silent, 0) == 1.0
