"""The mean of the weights: what it is, and that checkpoints carry it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from maquette.config import Config, OptimiserConfig
from maquette.config_file import load_config
from maquette.training.averaging import KEY, averaged, remember
from maquette.training.loop import run
from tests.training.test_loop import assert_same_run, numbers, weights
from tests.training.toys import LowCodes, micro_config, micro_parts


def averaging(decay: float, **changes: object) -> Config:
    optimiser = OptimiserConfig(lr=5e-3, warmup_steps=1, average=decay)
    return micro_config(optimiser=optimiser, checkpoint_every=1, **changes)


def test_the_mean_is_that_of_the_weights_after_each_update(tmp_path: Path):
    after = []
    for steps in (1, 2, 3):
        config = averaging(0.0, steps=steps)
        run(config, micro_parts(config, LowCodes()), tmp_path / f"{steps}")
        after.append(weights(tmp_path / f"{steps}"))
    config = averaging(0.75, steps=3)
    run(config, micro_parts(config, LowCodes()), tmp_path / "mean")
    for name, found in weights(tmp_path / "mean").items():
        one, two, three = (w[name] for w in after)
        torch.testing.assert_close(found, 0.75 * (0.75 * one + 0.25 * two) + 0.25 * three, atol=1e-6, rtol=1e-5)
    assert any(not torch.equal(found, after[-1][name]) for name, found in weights(tmp_path / "mean").items())


def test_a_resumed_run_has_the_same_mean(tmp_path: Path):
    config = averaging(0.9, steps=4)
    run(config, micro_parts(config, LowCodes()), tmp_path / "whole")
    half = replace(config, steps=2)
    run(half, micro_parts(half, LowCodes()), tmp_path / "broken")
    run(config, micro_parts(config, LowCodes()), tmp_path / "broken")
    assert_same_run(tmp_path / "whole", tmp_path / "broken")


def test_averaging_changes_nothing_of_the_training(tmp_path: Path):
    for decay in (0.0, 0.9):
        config = averaging(decay, steps=3)
        run(config, micro_parts(config, LowCodes()), tmp_path / str(decay))
    assert numbers(tmp_path / "0.0") == numbers(tmp_path / "0.9")


def test_weights_come_back_after_a_look_at_their_means():
    weight = torch.nn.Parameter(torch.ones(3))
    still = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.AdamW([weight, still], lr=0.1)
    for _ in range(2):
        weight.grad = torch.ones(3)
        optimizer.step()
        remember(optimizer, 0.5)
    own = weight.detach().clone()
    with averaged(optimizer):
        assert not torch.equal(weight, own) and torch.equal(still, torch.ones(1))
    assert torch.equal(weight, own) and KEY not in optimizer.state.get(still, {})


@pytest.mark.parametrize("decay", [-0.1, 1.0, 1.5])
def test_a_mean_that_never_moves_or_runs_away_is_refused(decay: float, tmp_path: Path):
    path = tmp_path / "bad.yaml"
    path.write_text(f"optimiser: {{average: {decay}}}\n")
    with pytest.raises(ValueError, match=r"optimiser.average is .*0 to below 1"):
        load_config(path)
