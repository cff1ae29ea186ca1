"""What the name of a policy stands for: the same in every command."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from maquette import runs
from maquette.policy.folders import find_model
from maquette.policy.model import ATTENTION, load_policy
from maquette.runs import SHIPPED, is_shipped, source_of
from tests.tiny import save_tiny


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_name_is_a_folder_of_the_package(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    model, _ = save_tiny(tmp_path)
    monkeypatch.setitem(runs.SHIPPED, name, tmp_path / "package")
    assert not is_shipped(name)
    with pytest.raises(ValueError, match=r"no policy at .*package"):
        load_policy(source_of(name).model)  # as a checkout without it answers
    shutil.copytree(model, tmp_path / "package")
    assert is_shipped(name)
    found, meant = load_policy(source_of(name).model), load_policy(model)
    assert all((found.state_dict()[key] == value).all() for key, value in meant.state_dict().items())


def test_a_run_stands_for_its_policy(tmp_path: Path):
    run = tmp_path / "run"
    run.mkdir()
    shutil.copytree(save_tiny(tmp_path)[0], run / "policy")
    assert find_model(run) == run  # a folder without a config is no run
    (run / "config.yaml").write_text("steps: 1\n")
    assert find_model(run) == run / "policy"
    load_policy(run)
    assert source_of(str(run)).model == str(run / "policy")


def test_weights_may_be_read_elsewhere_than_they_will_compute():
    """Attention is that of the device that computes: the CPU's would be slow, and large, on a GPU."""
    there, here = load_policy("tiny", "cuda", read_on="cpu"), load_policy("tiny")
    assert there.head_weight.device.type == "cpu"
    assert [p.model.config._attn_implementation for p in (there, here)] == ["sdpa", ATTENTION["cpu"]]
