"""The scripts behind the published figures run and say what they measured; at micro size, so the figures mean nothing here."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType

import pytest
import torch

from maquette.codec.model import Geometry, VoxelVQVAE
from maquette.rewards.judges_file import SERVED
from tests.tiny import save_tiny

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(BENCHMARKS)

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    return load


def read(folder: Path, name: str) -> dict:
    result = json.loads((folder / f"{name}.json").read_text())
    assert result["commit"] and result["date"] and result["torch"] == torch.__version__
    return result


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
def test_gpu_runs_at_tiny_size_and_says_what_it_did_not_run(script, tmp_path: Path):
    script("gpu").main(device="cpu", tiny=True, runs=1, out=tmp_path)
    result = read(tmp_path, "gpu-cpu-tiny")
    assert result["device"] == "cpu" and "7 B" in result["not_run"][0]
    assert result["rollout"]["answers"] == 4 and result["rollout"]["steps"] == 44
    assert 0 < result["rollout"]["share_of_bound"] < 1 and 0 < result["update"]["share_of_bound"] < 1
    assert result["generate"]["dynamic"]["tokens_per_second"] > 0 and result["update"]["sequences"] == 4


def test_gpu_without_a_gpu_writes_that_and_no_figure(script, tmp_path: Path):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    script("gpu").main(out=tmp_path)
    result = read(tmp_path, "gpu")
    assert "no CUDA device" in result["not_run"] and "rollout" not in result


def test_head_memory_measures_each_head_in_its_own_process(script, tmp_path: Path):
    script("head_memory").main(positions=64, hidden=32, vocabulary=20_000, codes=512, runs=1, out=tmp_path)
    result = read(tmp_path, "head_memory")
    assert set(result["heads"]) == {"restricted", "full"}
    assert result["full_over_restricted"]["both_seconds"] > 1


def test_growth_has_a_slope_for_every_axis(script, tmp_path: Path):
    growth = script("growth")
    assert growth.slope([1, 2, 4], [3, 6, 12]) == 1.0 and growth.slope([1, 2, 4], [1, 4, 16]) == 2.0
    growth.main(threads=1, runs=1, quick=True, out=tmp_path, figure=tmp_path / "growth.png")
    axes = read(tmp_path, "growth")["axes"]
    assert set(axes) == {"answers per prompt", "codes per shape", "stages", "weights"}
    for axis in axes.values():
        assert len(axis["sizes"]) == len(axis["seconds"]) == 2 and set(axis["slopes"]) == set(growth.PARTS)
        assert all(0 < point["share_of_step"] <= 1 and point["dearest"] in growth.PARTS for point in axis["bounds"])
    assert (tmp_path / "growth.png").stat().st_size > 1000


def test_what_bounds_a_step_by_hand(script):
    growth = script("growth")
    setting = growth.Setting(prompts=1, answers=2, stages=1, codes=6, reasoning=4)
    taken = {"decode": 4.0, "logprobs": 1.0, "forward": 1.0, "backward": 2.0, "step": 8.0}
    # 2 rows of 10 new tokens after 32 of prompt, 5 weights, 100 operations a second
    assert growth.bound(setting, 5, taken, 100.0) == {
        "dearest": "decode",
        "share_of_step": 0.5,
        "decode_share_of_products": 0.5,
        "update_share_of_products": 8.4,
    }


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
def test_decoding_measures_both_sides_in_every_setting(script, tmp_path: Path):
    script("decoding").main(quick=True, runs=1, out=tmp_path)
    batches = read(tmp_path, "decoding")["quick"]["batches"]
    assert [batch["rows"] for batch in batches] == [2, 4]
    for batch in batches:
        assert len(batch["ways"]) == 6 and batch["best"]["generate"].startswith("generate ")
        fastest = min(way["seconds"] for name, way in batch["ways"].items() if name.startswith("generate"))
        assert batch["ways"][batch["best"]["generate"]]["seconds"] == fastest


def test_our_side_of_the_comparison_with_trl_samples_what_it_says(script, tmp_path: Path):
    trl_step = script("trl_step")
    trl_step.write_model(trl_step.QUICK, tmp_path)
    measured = trl_step.ours(tmp_path, trl_step.QUICK, "float32", updates=1)
    assert len(measured["seconds"]) == 1 and set(measured["parts"]) >= {"decode", "forward", "backward", "logprobs"}
    # 4 prompts × 2 answers of 8 codes, and up to 4 tokens of reasoning
    assert 8 * 8 < measured["sampled_tokens"] <= 8 * 12


def test_the_full_codecs_arithmetic_is_counted_layer_by_layer(script):
    full_codec = script("full_codec")
    geometry = Geometry(
        8, 1, 1, channels=(2, 4), latent_channels=1, codebook_size=16, res_blocks=(0, 0), middle_blocks=0
    )
    with torch.device("meta"):
        counts = full_codec.multiply_accumulates(VoxelVQVAE(geometry))
    # 27 taps into 2 channels at 8³; 8 taps from 2 to 4 at 4³; 27 taps from 4 to 2 at 4³
    assert counts["Encoder"] == 8**3 * 2 * 27 + 4**3 * 4 * 2 * 8 + 4**3 * 2 * 4 * 27
    # 27 taps from 1 to 4 at 4³; 27 taps from 4 to 16 at 4³, shuffled to 2 at 8³; 27 taps from 2 to 1 at 8³
    assert counts["Decoder"] == 4**3 * 4 * 27 + 4**3 * 16 * 4 * 27 + 8**3 * 2 * 27
    assert counts["codebook"] == 16 * 16 * 4
    for direction in ("encode", "decode"):
        own = full_codec.measured(direction, 2, 1, geometry)
        assert own["seconds"] >= 0 and own["peak_rss_gib"] >= own["of_it_before_the_work_gib"] > 0


def test_reward_throughput_measures_our_client(script, tmp_path: Path):
    rewards = script("reward_throughput")
    rewards.main(answers=1, full_clip=False, out=tmp_path)
    result = read(tmp_path, "reward_throughput")
    assert set(result["judge_client_alone"]) == set(SERVED) and "clip_views_per_second" not in result
    assert all(one["requests_per_second"] > 0 for one in result["judge_client_alone"].values())
    assert all(value > 0 for value in result["tiny_scorers_views_per_second"].values())


def test_metrics_times_a_distance_and_an_evaluation(script, tmp_path: Path):
    model, codec = save_tiny(tmp_path)
    (tmp_path / "two.txt").write_text("a red chair\na blue car\n")
    script("metrics").main(
        rows=8, width=4, objects=2, suite_name=str(tmp_path / "two.txt"), runs=1, model=str(model), codec=str(codec),
        out=tmp_path,
    )  # fmt: skip
    result = read(tmp_path, "metrics")
    assert result["kernel distance"]["seconds"] > 0 and "scikit-learn seconds" not in result["kernel distance"]
    measured = result["evaluation"]
    assert measured["objects"] == 2 and measured["drawing seconds"] > 0 < measured["measuring seconds"]
