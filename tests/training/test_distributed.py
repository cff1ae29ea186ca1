"""Many processes: the gradients, weights and metrics of one, replicated or sharded; the launch itself; who may not take part."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from maquette.tracking import read_metrics
from maquette.training.checkpoint import list_checkpoints
from maquette.training.distributed import Processes
from maquette.training.loop import run
from tests.tiny import save_tiny
from tests.training.ranks import LAYOUTS, ROOT, everything, finish, free_port, gradients, parts_of, start, unclipped
from tests.training.test_loop import assert_same_run, weights

ROUGH = {"sampler_drift": 1e-6, "outside_mass": 0.02, "evaluator/alignment": 1e-5}
"""Metrics that may differ by more than rounding: drift is rounding itself, mass outside is measured in some of each process's rows."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Everything by one process (this one), and by two."""
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    children = start(two, 2)
    everything(one, Processes())
    finish(children, two)
    return one, two


@pytest.mark.parametrize("layout", LAYOUTS)
def test_two_processes_have_the_gradients_of_one(runs: tuple[Path, Path], layout: str):
    one, two = (
        load_file(folder / f"{name}-gradients.safetensors")
        for folder, name in zip(runs, (LAYOUTS[0], layout), strict=True)
    )
    assert one.keys() == two.keys() and sum(float(value.abs().sum()) for value in one.values()) > 1
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, atol=1e-6, rtol=0, msg=name)


def test_micro_batches_add_up_to_the_gradients_of_one(runs: tuple[Path, Path], tmp_path: Path):
    config = unclipped()
    at_once = replace(config, optimiser=replace(config.optimiser, micro_batch_tokens=100_000))
    parts = load_file(runs[0] / f"{LAYOUTS[0]}-gradients.safetensors")
    for name, value in gradients(at_once, Processes(), tmp_path).items():
        torch.testing.assert_close(parts[name], value, atol=1e-6, rtol=0, msg=name)


def test_micro_batches_add_up_to_the_weights_of_one(runs: tuple[Path, Path], tmp_path: Path):
    config = unclipped()
    at_once = replace(config, optimiser=replace(config.optimiser, micro_batch_tokens=100_000))
    run(at_once, parts_of(at_once, Processes()), tmp_path)
    for name, value in weights(runs[0] / f"{LAYOUTS[0]}-steps").items():
        torch.testing.assert_close(weights(tmp_path)[name], value, atol=1e-6, rtol=0, msg=name)


@pytest.mark.parametrize("work", ["steps", "updates", "dynamic", "adapters"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_two_processes_have_the_weights_and_metrics_of_one(runs: tuple[Path, Path], layout: str, work: str):
    one, two = runs[0] / f"{LAYOUTS[0]}-{work}", runs[1] / f"{layout}-{work}"
    for name, value in weights(one).items():
        torch.testing.assert_close(weights(two)[name], value, atol=1e-6, rtol=0, msg=name)
    lines = [read_metrics(folder / "metrics.jsonl") for folder in (one, two)]
    assert len(lines[0]) == len(lines[1]) == 3
    for ours, theirs in zip(*lines, strict=True):
        assert ours.keys() == theirs.keys()
        for key, value in ours.items():
            if not key.startswith(("seconds/", "memory")):
                assert theirs[key] == pytest.approx(value, rel=1e-5, abs=ROUGH.get(key, 1e-6)), key


@pytest.mark.parametrize("layout", LAYOUTS)
def test_dynamic_sampling_keeps_the_same_groups_however_many_share_them(runs: tuple[Path, Path], layout: str):
    one, two = (
        json.loads((folder / f"{name}-dynamic-kept.json").read_text())
        for folder, name in zip(runs, (LAYOUTS[0], layout), strict=True)
    )
    assert [len(own) for own in two] == [1, 2] and [name for own in two for name in own] == one[0]
    assert all(int(name) % 2 for name in one[0])  # those that teach
    ours, theirs = (
        load_file(folder / f"{name}-dynamic-gradients.safetensors")
        for folder, name in zip(runs, (LAYOUTS[0], layout), strict=True)
    )
    assert sum(float(value.abs().sum()) for value in ours.values()) > 0.1
    for name, value in ours.items():
        torch.testing.assert_close(theirs[name], value, atol=1e-6, rtol=0, msg=name)
    dropped = [line["dynamic/dropped"] for line in read_metrics(runs[1] / f"{layout}-dynamic" / "metrics.jsonl")]
    assert len(dropped) == 3 and sum(dropped) > 0


@pytest.mark.parametrize("layout", LAYOUTS)
def test_dynamic_sampling_of_two_processes_resumes_bit_for_bit(runs: tuple[Path, Path], layout: str):
    assert_same_run(runs[1] / f"{layout}-dynamic", runs[1] / f"{layout}-dynamic-again")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_best_and_worst_of_all_processes_are_shown(runs: tuple[Path, Path], layout: str):
    for step in range(3):
        for name in ("best", "worst"):
            file = Path(f"{LAYOUTS[0]}-steps") / "samples" / f"{name}-{step:06d}.json"
            ours = json.loads((runs[0] / file).read_text())
            theirs = json.loads((runs[1] / f"{layout}-steps" / "samples" / file.name).read_text())
            assert ours == theirs
            assert (runs[1] / f"{layout}-steps" / "samples" / f"{name}-{step:06d}.png").is_file()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_process_goes_on_from_the_checkpoint_of_two(runs: tuple[Path, Path], layout: str):
    saved = list_checkpoints(runs[1] / f"{layout}-steps" / "checkpoints")
    assert [path.name for path in saved] == ["step-000002", "step-000003"]
    here = runs[1] / f"{layout}-resumed"
    (here / "checkpoints").mkdir(parents=True)
    saved[0].rename(here / "checkpoints" / saved[0].name)
    run(unclipped(), parts_of(unclipped(), Processes()), here)
    for name, value in weights(runs[0] / f"{LAYOUTS[0]}-steps").items():
        torch.testing.assert_close(weights(here)[name], value, atol=1e-6, rtol=0, msg=name)


def test_shares_are_consecutive_even_and_whole():
    for items, count in ((3, 2), (8, 3), (5, 5)):
        shares = [Processes(rank, count).share(items) for rank in range(count)]
        assert [place for share in shares for place in share] == list(range(items))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
    with pytest.raises(ValueError, match="3 prompts cannot be shared by 4 processes"):
        Processes(0, 4).share(3)


def test_a_launch_that_is_not_driven_is_refused_before_it_begins(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("FSDP_VERSION", "1")
    with pytest.raises(ValueError, match="set fsdp_version: 2"):
        Processes.join()


def test_one_process_alone_needs_no_group():
    alone = replace(Processes(), rank=0)
    assert alone.gather("x") == ["x"] and alone.most(3) == 3 and alone.first_does(lambda: 5) == 5
    assert torch.equal(alone.total(torch.ones(2).double()), torch.ones(2).double())


def small_run(folder: Path) -> list[str]:
    """The command of a training of one step, into FOLDER/run."""
    model, codec = save_tiny(folder)
    (folder / "prompts.txt").write_text("a red chair\na blue car\n")
    stage = "{name: fine, instruction: direct, rewards: {aesthetic: 1}}"
    (folder / "run.yaml").write_text(
        f"model: {model}\ncodec: {codec}\nprompts: {folder / 'prompts.txt'}\nprompt_count: 2\nprompts_per_step: 2\n"
        f"group_size: 2\nsteps: 1\nrender_size: 64\nsample_every: 1\nstages: [{stage}]\n"
    )
    return ["-m", "maquette.cli", "train", str(folder / "run.yaml"), "--out", str(folder / "run")]


def launched(name: str, *options: str) -> list[str]:
    config = ROOT / "configs" / "accelerate" / f"{name}.yaml"
    return [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(config), *options]


def assert_trained(folder: Path, said: str) -> None:
    assert said.count("→") == 1  # one process speaks
    assert len(read_metrics(folder / "run" / "metrics.jsonl")) == 1
    assert (folder / "run" / "policy" / "model.safetensors").is_file()
    assert len(list((folder / "run" / "samples").glob("*.png"))) == 2


@pytest.mark.parametrize("name", ["ddp", "fsdp2"])
def test_accelerate_launches_two_processes_from_our_configs(tmp_path: Path, name: str):
    command = [*launched(name), *small_run(tmp_path)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    assert_trained(tmp_path, done.stdout)


def test_sharded_weights_are_loaded_by_one_process_at_a_time_and_kept_in_parts(tmp_path: Path):
    train = small_run(tmp_path)[3]
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--master-port",
        str(free_port()),
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_FSDP": "true", "ACCELERATE_USE_CPU": "true"}
    command += ["-m", "tests.training.loading", train, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    seen = sorted((json.loads(path.read_text()) for path in tmp_path.glob("rank-*.json")), key=lambda one: one["began"])
    assert [one["rank"] for one in seen] == [0, 1] and seen[0]["ended"] <= seen[1]["began"]
    for one in seen:
        assert one["own"] < 0.55 * one["whole"] and one["reference own"] < 0.55 * one["whole"]
        assert one["same"]


def test_accelerate_launches_on_two_machines_from_our_config(tmp_path: Path):
    """Both are this one: each launcher starts one process and knows of the other's by its rank and the address of the first."""
    train, port = small_run(tmp_path), str(free_port())
    where = [
        "--num_machines",
        "2",
        "--num_processes",
        "2",
        "--main_process_ip",
        "127.0.0.1",
        "--main_process_port",
        port,
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    machines = [
        subprocess.Popen(
            [*launched("multi-node", *where, "--machine_rank", str(rank)), *train],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment,
        )
        for rank in range(2)
    ]  # fmt: skip
    said = [machine.communicate(timeout=600) for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0], said[0][1][-2000:] + said[1][1][-2000:]
    assert_trained(tmp_path, "".join(out for out, _ in said))


def test_every_launch_config_is_one_that_this_trainer_drives():
    found = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / "configs" / "accelerate").glob("*.yaml")}
    assert set(found) >= {"ddp", "fsdp2", "multi-node"}
    for name, config in found.items():
        assert config["mixed_precision"] == "no", name
        assert config["distributed_type"] == "MULTI_GPU" or config["fsdp_config"]["fsdp_version"] == 2, name
    assert found["multi-node"]["num_machines"] > 1
