"""The quickstart whole, on two prompts and one step, with the shipped models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from maquette import quickstart as room
from maquette.config_file import load_config
from maquette.tracking import read_metrics


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config of one step; the suite and the wishes cut short."""
    prompts = tmp_path / "two.txt"
    prompts.write_text("a red chair with four legs\na small blue car\n")
    monkeypatch.setattr(room, "SUITE", str(prompts))
    monkeypatch.setattr(room, "WISHES", ("a small blue car",))
    config = tmp_path / "one-step.yaml"
    config.write_text(
        "prompts: train\nprompt_count: 2\nsteps: 1\nprompts_per_step: 1\ngroup_size: 2\nprobe_every: 0\noptimiser: {precision: bfloat16}\n"
    )
    return config


def test_the_quickstart_goes_the_whole_road_and_does_not_train_twice(tmp_path: Path, small: Path):
    out = tmp_path / "quickstart"
    report = room.quickstart(out, small)
    page = report.read_text()
    assert report == out / "report.html"
    assert {path.suffix for path in (out / "objects").iterdir()} >= {".glb", ".png"}
    for name in ("base", "tuned", "shipped"):
        found = json.loads((out / "evaluation" / name / "evaluation.json").read_text())
        assert len(found["objects"]) == 2 and name in page
    steps = str(json.loads((room.SHIPPED["tiny-rl"] / "card.json").read_text())["steps"])
    assert f"took {steps} steps" in page
    trained = (out / "hi-grpo" / "metrics.jsonl").read_bytes()
    room.train(load_config(small), out / "hi-grpo", resume=True)
    assert (out / "hi-grpo" / "metrics.jsonl").read_bytes() == trained
    assert len(read_metrics(out / "hi-grpo" / "metrics.jsonl")) == 1


def test_a_checkout_without_the_trained_policy_says_so():
    assert "no trained policy" in room.about_shipped(shipped=False)
