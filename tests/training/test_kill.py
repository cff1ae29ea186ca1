"""`kill -9` inside rollout, scoring, update and checkpoint writing, then resume: metrics and weights are those of an undisturbed run."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.killable import STEPS, Order
from tests.training.test_loop import ROOT, assert_same_run, numbers

PLACES = ("rollout", "score", "update", "checkpoint")


def go(folder: Path, count: int, orders: list[Order]) -> list[list[int]]:
    """How the processes of each run in `folder` ended; the last run had no order."""
    command = [sys.executable, "-m", "tests.training.killable", str(folder), str(count), *map(str, orders)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def kill_and_compare(folder: Path, count: int, orders: list[Order]) -> None:
    assert go(folder / "whole", count, []) == [[0] * count]
    *killed, last = go(folder / "killed", count, orders)
    for order, codes in zip(orders, killed, strict=True):
        assert codes[order.rank] == -9, f"{order} did not come to pass: {codes}"
    assert last == [0] * count
    assert_same_run(folder / "whole", folder / "killed")
    assert len(numbers(folder / "killed")) == STEPS


def some_orders(count: int, number: int, seed: int) -> list[Order]:
    """At random instants of every place in turn, later and later in the run."""
    rng = random.Random(seed)
    orders = []
    for index in range(number):
        place, step = PLACES[(index + seed) % len(PLACES)], index * (STEPS - 1) // number
        delay = rng.randrange(8) if place == "checkpoint" else round(rng.uniform(0, 0.02), 4)
        # only the first process writes checkpoints
        orders.append(Order(place, step, delay, 0 if place == "checkpoint" else rng.randrange(count)))
    return orders


def test_three_kills_change_nothing(tmp_path: Path):
    kill_and_compare(tmp_path, 1, [Order("rollout", 2, 0.01), Order("update", 5, 0.005), Order("checkpoint", 8, 3)])


def test_three_kills_of_one_of_two_processes_change_nothing(tmp_path: Path):
    orders = [Order("score", 1, 0.0, 1), Order("update", 5, 0.004, 1), Order("checkpoint", 9, 5, 0)]
    kill_and_compare(tmp_path, 2, orders)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_many_kills_change_nothing(tmp_path: Path, count: int, seed: int):
    kill_and_compare(tmp_path, count, some_orders(count, 8, seed))


@pytest.mark.slow
def test_a_kill_at_every_touch_of_a_checkpoint_changes_nothing(tmp_path: Path):
    # made, written, synced, renamed, older ones removed: ten things, a kill before each
    kill_and_compare(tmp_path, 1, [Order("checkpoint", event, event) for event in range(10)])


@pytest.mark.slow
def test_a_kill_while_a_checkpoint_s_bytes_are_written_changes_nothing(tmp_path: Path):
    # from before the first byte to after the rename, a fraction of a millisecond apart
    kill_and_compare(tmp_path, 1, [Order("bytes", step, step * 0.0005) for step in range(10)])
