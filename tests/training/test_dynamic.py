"""Dynamic sampling: which groups stay, what the dropped ones cost, and that a resumed run sees the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from maquette.config import DynamicConfig, RewardWeights, StageSpec
from maquette.tracking import read_metrics
from maquette.training.advantages import stage_advantages
from maquette.training.dynamic import RunState, collect, group_returns, informative, remember
from maquette.training.groups import Answered, gather_groups
from maquette.training.loop import run
from maquette.types import Cameras, Generation, Mesh, Prompt, Rollouts, Scores, StageOutput, Views, Voxels
from tests.training.test_loop import assert_same_run
from tests.training.toys import Choosy, micro_config, micro_parts

CHAIN = (
    StageSpec("a", from_next=1.0, rewards=RewardWeights(parts=1.0)),
    StageSpec("b", sees=("prompt", "a.reasoning"), rewards=RewardWeights(parts=1.0)),
)
PROMPTS = tuple(Prompt(str(i), f"thing {i}") for i in range(12))
NAN = float("nan")


def scores(values: list[list[float]]) -> Scores:
    """One part, `values` [a s]."""
    table = torch.tensor(values)[None]
    return Scores(("parts",), table, table.isnan(), torch.zeros(table.shape[1:], dtype=torch.bool))


def answered(prompts: tuple[Prompt, ...], values: list[list[float]], mark: int, width: int = 5) -> Answered:
    """Two answers a prompt, two stages; each row of tokens says which round, answer and stage it is of."""
    a = len(values)
    rows = torch.arange(2 * a)
    tokens = (100 * mark + rows)[:, None].expand(-1, width).clone()
    cameras = Cameras(np.zeros((1, 3), np.float32), 40.0)
    picture = np.full((a, 1, 2, 2), mark, np.float32) + np.arange(a, dtype=np.float32)[:, None, None, None]
    vector = np.repeat(picture[..., None], 3, -1)
    stage = StageOutput(
        "a",
        tuple(f"{mark}.{i}" for i in range(a)),
        torch.arange(a)[:, None] + 100 * mark,
        np.arange(a) % 2 == 1,
        Voxels(np.zeros((a, 1, 1, 1), bool)),
        tuple(Mesh(np.full((1, 3), 100 * mark + i, np.float32), np.zeros((0, 3), np.int64)) for i in range(a)),
        Views(vector.astype(np.uint8), picture, vector, picture > 0, cameras),
    )
    every = torch.ones(2 * a, width, dtype=torch.bool)
    rollouts = Rollouts(tokens, every.to(torch.int8) * 3, every, torch.zeros(2 * a, width), rows // 2, rows % 2)
    return Answered(Generation(prompts, 2, rollouts, (stage, replace(stage, name="b"))), scores(values))


@dataclass
class Judge:
    """Answers with the values that it is given, prompt after prompt."""

    values: list[list[list[float]]]
    asked: int = 0

    def __call__(self, prompts: tuple[Prompt, ...], number: int) -> Answered:
        mine = self.values[self.asked : self.asked + len(prompts)]
        self.asked += len(prompts)
        return answered(prompts, [row for group in mine for row in group], number, width=5 + number)


SAME, GOOD, ONLY_FINE = [[1.0, 1.0]] * 2, [[0.0, 0.0], [1.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]


def collected(values: list[list[list[float]]], settings: DynamicConfig, size: int = 2, prompts=PROMPTS, state=None):
    judge = Judge(values)
    return collect(
        judge, prompts, CHAIN, state or RunState(), settings=settings, size=size, seed=0, mixing="standardised"
    ), judge


def test_fresh_prompts_come_until_the_batch_is_full():
    got, judge = collected([SAME, GOOD, SAME, GOOD], DynamicConfig(enabled=True, rule="exact"))
    assert judge.asked == 4 and got.informative.all()
    assert list(got.answered.generation.stages[0].reasoning) == ["0.2", "0.3", "2.0", "2.1"]
    assert len({prompt.id for prompt in got.answered.generation.prompts}) == 2
    assert (
        got.numbers["dynamic/rounds"] == 3
        and got.numbers["dynamic/dropped"] == 2
        and got.numbers["dynamic/filled"] == 0
    )
    # two answers of two stages: 4 rows of 5 tokens in the first round, of 6 in the second, 7 in the third
    assert got.numbers["dynamic/dropped_tokens"] == 4 * 5 + 4 * 6
    assert got.numbers["tokens/step"] == 8 * 5 + 4 * 6 + 4 * 7 == got.state.tokens and got.state.cursor == 4


def test_when_the_budget_is_spent_dropped_groups_fill_the_batch_and_teach_nothing():
    got, judge = collected([SAME, GOOD, SAME, SAME], DynamicConfig(enabled=True, rule="exact", budget=2.0))
    assert judge.asked == 4 and got.numbers["dynamic/filled"] == 1
    assert by_stage(got.informative) == [[False, False], [True, True]]
    assert len(got.answered.generation.prompts) == 2


def test_when_the_prompts_are_spent_it_stops_too():
    got, judge = collected([SAME] * 3, DynamicConfig(enabled=True, rule="exact", budget=10.0), prompts=PROMPTS[:3])
    assert judge.asked == 3 and got.numbers["dynamic/filled"] == 2 and not got.informative.any()


def test_off_takes_what_comes_and_says_how_much_of_it_teaches_nothing():
    got, judge = collected([SAME, GOOD], DynamicConfig())
    assert judge.asked == 2 and got.numbers["dynamic/uninformative"] == 1
    assert got.answered.generation.stages[0].reasoning == ("0.0", "0.1", "0.2", "0.3")


def test_a_group_stays_if_one_stage_of_it_teaches():
    # stage a: 1 + 0 against 0 + 1, equal after the flow; stage b: 0 against 1
    got, judge = collected([ONLY_FINE, GOOD], DynamicConfig(enabled=True, rule="exact"))
    assert judge.asked == 2 and by_stage(got.informative) == [[False, True], [True, True]]


def by_stage(useful: torch.Tensor) -> list[list[bool]]:
    """Where the return flows to reasoning and codes alike, they are judged alike."""
    assert torch.equal(useful[..., 0], useful[..., 1])
    return useful[..., 0].tolist()


def found(values: list[list[float]], group_size: int = 2, chain: tuple[StageSpec, ...] = CHAIN):
    return group_returns(scores(values), chain, group_size=group_size, mixing="standardised")


def test_spread_speaks_of_raw_returns():
    values = [[0.0, 0.50], [0.0, 0.52], [0.0, 0.2], [0.0, 0.8]]
    rule = DynamicConfig(enabled=True, rule="spread", least_spread=0.02)
    assert by_stage(informative(found(values), (), rule)) == [[False, False], [True, True]]
    assert informative(found(values), (), replace(rule, least_spread=0.005)).all()


def test_band_drops_the_too_easy_and_the_too_hard_once_it_knows_enough():
    values = [[0.0, 0.4], [0.0, 0.6], [0.0, 0.85], [0.0, 0.95], [0.0, 0.0], [0.0, 0.1]]
    recent = tuple(x / 10 for x in range(11))
    rule = DynamicConfig(enabled=True, rule="band", low=0.1, high=0.8, window=88)
    assert by_stage(informative(found(values), (recent,) * 4, rule)) == [[True] * 2, [False] * 2, [False] * 2]
    short = recent[:-1]
    assert by_stage(informative(found(values), (short, short, recent, recent), rule)) == [
        [True] * 2,
        [True, False],
        [True, False],
    ]
    assert informative(found(values), (), replace(rule, window=1)).all()


def test_what_nobody_judged_teaches_nothing_and_is_not_remembered():
    values = [[NAN, NAN], [NAN, NAN], [NAN, 1.0], [NAN, 2.0]]
    returned = found(values)
    assert by_stage(returned.judged) == [[False, False], [True, True]]  # what flows back counts
    assert not informative(returned, (), DynamicConfig())[0].any()
    means = torch.where(returned.judged, returned.raw.mean(1), torch.nan)
    assert remember(((9.0,), (8.0,), (), ()), means, 2) == ((9.0, 1.5), (8.0, 1.5), (1.5,), (1.5,))
    assert remember(((9.0, 7.0), (), (), ()), means, 2) == ((7.0, 1.5), (1.5,), (1.5,), (1.5,))


def test_codes_that_earn_their_own_return_alone_are_judged_by_it():
    chain = (replace(CHAIN[0], from_next_on="reasoning"), CHAIN[1])
    # 1 + 0 against 0 + 1: nothing to tell the plans apart by, but the coarse codes by themselves differ
    useful = informative(found(ONLY_FINE, chain=chain), (), DynamicConfig())
    assert useful.tolist() == [[[False, True], [True, True]]]
    mixed = {"group_size": 2, "mixing": "paper", "advantage": "mean"}
    got = stage_advantages(scores(ONLY_FINE), chain, **mixed, informative=useful)
    assert got.tolist() == [[[0, 0.5], [-0.5, -0.5]], [[0, -0.5], [0.5, 0.5]]]
    # and codes that nobody judged do not live on what flows to the reasoning
    assert found([[NAN, 0.0], [NAN, 1.0]], chain=chain).judged.tolist() == [[[True, False], [True, True]]]
    # the band of each is of its own returns
    rule = DynamicConfig(enabled=True, rule="band", low=0.1, high=0.8, window=8)
    low, high = (0.0,) * 8, (9.0,) * 8
    values = [[0.0, 0.0], [1.0, 8.0]]
    banded = informative(found(values, chain=chain), (low, (0.0, 1.0) * 4, high, high), rule)
    assert banded.tolist() == [[[False, True], [False, False]]]


def test_groups_of_several_rounds_are_one_batch():
    first = answered(PROMPTS[:2], [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]], 0, width=3)
    second = answered(PROMPTS[2:3], [[8.0, 9.0], [10.0, 11.0]], 1, width=4)
    got = gather_groups([first, second], [(1, 0), (0, 1)])
    assert [prompt.id for prompt in got.generation.prompts] == ["2", "1"]
    assert got.scores.values[0].tolist() == [[8, 9], [10, 11], [4, 5], [6, 7]]
    assert got.generation.rollouts.tokens[:, 0].tolist() == [100, 101, 102, 103, 4, 5, 6, 7]
    assert got.generation.rollouts.tokens.shape == (8, 4) and not got.generation.rollouts.sampled[4:, 3].any()
    assert got.generation.rollouts.answer.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert got.generation.rollouts.stage.tolist() == [0, 1] * 4
    stage = got.generation.stages[1]
    assert stage.reasoning == ("1.0", "1.1", "0.2", "0.3") and stage.codes[:, 0].tolist() == [100, 101, 2, 3]
    assert [mesh.vertices[0, 0] for mesh in stage.meshes] == [100, 101, 2, 3]
    assert stage.views.depth[:, 0, 0, 0].tolist() == [1, 2, 2, 3] and stage.failed.tolist() == [False, True] * 2


def test_the_state_comes_back_to_the_bit():
    state = RunState(7, 12345, ((0.1 + 0.2, 1 / 3), ()))
    assert RunState.from_json(state.to_json()) == state


@pytest.mark.parametrize("rule", ["exact", "band"])
def test_a_dynamic_run_broken_off_resumes_bit_for_bit(tmp_path: Path, rule: str):
    config = micro_config(steps=4, dynamic=DynamicConfig(enabled=True, rule=rule, budget=2.0, window=8))
    run(config, micro_parts(config, Choosy()), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(config, micro_parts(config, Choosy(breaks_at=10)), tmp_path / "broken")
    run(config, micro_parts(config, Choosy()), tmp_path / "broken")
    assert_same_run(tmp_path / "whole", tmp_path / "broken")
    lines = read_metrics(tmp_path / "whole" / "metrics.jsonl")
    assert sum(line["dynamic/dropped"] for line in lines) > 0
    assert [line["tokens/total"] for line in lines] == list(np.cumsum([line["tokens/step"] for line in lines]))
