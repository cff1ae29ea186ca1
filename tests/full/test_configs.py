"""Every full-size config resolves and plans itself without weights; the arithmetic is that of the modules on the meta device."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from maquette.config import PolicyConfig, RewardWeights, StageSpec
from maquette.config_file import load_config
from maquette.policy.adapters import add_lora
from maquette.policy.arithmetic import DecoderSize, Load, decode_seconds, logits_gib, memory, size_of, update_seconds
from maquette.rewards.ensemble import build_ensemble
from maquette.rewards.judges_file import read_judges
from maquette.studies.grid import load_study
from maquette.training.full_plan import (
    IMAGE_TOKENS,
    ask_cost,
    judging_seconds,
    plan_full,
    servers_that_keep_up,
    stage_tokens,
)
from tests.full.layouts import shapellm_folder

FULL = Path(__file__).resolve().parents[2] / "configs" / "full"
RUNS = sorted(path for path in FULL.glob("*.yaml") if path.stem != "judges")


@pytest.fixture(autouse=True)
def from_the_root(monkeypatch: pytest.MonkeyPatch):
    """Configs name the judges file from the checkout's root."""
    monkeypatch.chdir(FULL.parents[1])


def published() -> Qwen2_5_VLForConditionalGeneration:
    """Qwen2.5-VL-7B with ShapeLLM-Omni's rows, on the meta device."""
    text = {"hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28}
    text |= {"num_key_value_heads": 4, "vocab_size": 159_872, "tie_word_embeddings": False}
    vision = {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "out_hidden_size": 3584}
    with torch.device("meta"):
        return Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(text_config=text, vision_config=vision))


def test_the_counts_are_those_of_the_modules():
    model, size = published(), DecoderSize()
    vision = sum(p.numel() for p in model.model.visual.parameters())
    total = sum(p.numel() for p in model.parameters())
    assert (size.vision, size.total) == (vision, total)
    assert size.per_layer == sum(p.numel() for p in model.model.language_model.layers[0].parameters())
    before = set(model.state_dict())
    with torch.device("meta"):
        add_lora(model, 32, 64.0)
    adapters = sum(
        value.numel() for name, value in model.state_dict().items() if name not in before and ".lora_" in name
    )
    assert size.lora(32) == adapters


def test_a_folders_own_config_is_counted(tmp_path: Path):
    folder = shapellm_folder(tmp_path)
    size = size_of(folder)
    assert (size.hidden, size.layers, size.kv_heads, size.rows) == (32, 2, 1, 320)


def test_memory_by_hand():
    size, load = DecoderSize(), Load(rows=16, longest=1500, micro_tokens=4096)
    parts = memory(size, load, weights="bfloat16", lora_rank=32, checkpointing=True, reference=True)
    assert parts["weights"] == pytest.approx(size.total * 2 / 2**30)
    # 2 (k and v) x 4 heads x 128 x 28 layers x 2 bytes = 57,344 bytes a token
    assert parts["decoding: keys and values"] == pytest.approx(16 * 1500 * 57_344 / 2**30)
    assert "second copy for the reference" not in parts
    full = memory(size, load, weights="float32", lora_rank=0, checkpointing=True, reference=True)
    assert full["second copy for the reference"] == full["weights"] == pytest.approx(size.total * 4 / 2**30)
    half = size.layers * size.matrices * 2 / 2**30
    assert full["decoding: stacked matrices"] == parts["decoding: stacked matrices"] == pytest.approx(half)
    assert full["decoding: embedding and head"] == pytest.approx(size.tables * 2 / 2**30)
    assert full["gradients and moments"] == pytest.approx(size.text * 12 / 2**30)
    assert memory(size, load, weights="float32", lora_rank=0, checkpointing=True, reference=False, gpus=8)[
        "weights"
    ] == pytest.approx(full["weights"] / 8)
    whole, restricted = (logits_gib(size, 2048, restricted=r) for r in (False, True))
    assert whole / restricted == pytest.approx(159_872 / 8192) and whole * 2**30 == pytest.approx(1.31e9, rel=0.01)


def test_the_plan_counts_the_engine_that_decodes():
    size, load = DecoderSize(), Load(rows=16, longest=1500, micro_tokens=4096)
    own = {"weights": "bfloat16", "lora_rank": 32, "checkpointing": True, "reference": True}
    shared = memory(size, load, engine="vllm", **own)
    decoding = {name: value for name, value in shared.items() if "decoding" in name}
    assert decoding["decoding: vLLM's own weights"] == pytest.approx(size.total * 2 / 2**30)
    assert sum(decoding.values()) == pytest.approx(0.4 * 80e9 / 2**30)
    away = memory(size, load, engine="vllm-server", **own)
    assert away == {name: value for name, value in shared.items() if "decoding" not in name}
    said = plan_full(load_config(FULL / "hi-grpo.yaml", ["policy.engine=vllm"]))
    assert "vLLM's own weights" in said and "stacked matrices" not in said


def test_the_table_of_the_docs_is_this_arithmetic():
    lines = (FULL.parents[1] / "docs" / "full-size.md").read_text().split("## Memory and time")[1].splitlines()
    rows = {
        cells[1].strip(): [float(x) for x in cells[2:6]]
        for line in lines[4:]
        if len(cells := line.split("|")) == 7 and "-" not in cells[2]
    }
    settings = (
        (8, {"weights": "bfloat16", "lora_rank": 32}),
        (64, {"weights": "bfloat16", "lora_rank": 32}),
        (64, {"weights": "4bit", "lora_rank": 32}),
        (16, {"weights": "float32", "lora_rank": 0, "gpus": 8}),
    )
    names = {
        "weights": ["weights"],
        "reference": ["second copy for the reference"],
        "gradients and moments": ["gradients and moments"],
        "decoding: stacked matrices": ["decoding: stacked matrices"],
        "decoding: embedding and head": ["decoding: embedding and head"],
        "decoding: keys and values": ["decoding: keys and values"],
        "activations (checkpointed) and logits": ["activations", "logits of the codes alone"],
        "codec": ["codec"],
    }
    assert set(rows) == {*names, "together"}
    for column, (answers, own) in enumerate(settings):
        parts = memory(DecoderSize(), Load(answers, 1600, 6144), checkpointing=True, reference=True, **own)
        for name, summed in names.items():
            assert rows[name][column] == pytest.approx(sum(parts.get(one, 0.0) for one in summed), abs=0.051), (
                name,
                column,
            )
        assert rows["together"][column] == pytest.approx(sum(parts.values()), abs=0.51)


def test_eight_answers_by_lora_fit_one_80_gb_gpu():
    config = load_config(FULL / "hi-grpo.yaml", ["prompts_per_step=1"])
    lengths = [sum(stage_tokens(config.stages, i, 200)) for i in range(2)]
    load = Load(8, max(lengths), config.optimiser.micro_batch_tokens)
    parts = memory(DecoderSize(), load, weights="bfloat16", lora_rank=32, checkpointing=True, reference=True)
    assert 30 < sum(parts.values()) < 72  # some of 80 GB (74.5 GiB) stays for the allocator


def test_time_is_bound_by_bandwidth_and_by_arithmetic():
    size = DecoderSize()
    one, many = (decode_seconds(size, Load(rows, 1000, 0), 1000) for rows in (1, 64))
    assert one < many < 4 * one  # weights dominate: 64 rows cost little more than one
    lora = update_seconds(size, 10_000, lora=True, checkpointing=False, reference=False)
    assert update_seconds(size, 10_000, lora=False, checkpointing=False, reference=False) == pytest.approx(1.5 * lora)
    assert update_seconds(size, 10_000, lora=True, checkpointing=True, reference=True) == pytest.approx(2 * lora)


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.stem)
def test_every_full_config_plans_itself_without_weights(path: Path):
    config = replace(load_config(path), prompt_count=32)
    said = plan_full(config)
    assert "8.3" in said.split("billion")[0].splitlines()[-1]
    for part in (
        "memory",
        "together",
        "judgements",
        "rollouts",
        "judge servers",
        "1024 codes",
        *(s.name for s in config.stages),
    ):
        assert part in said
    assert not Path(config.model).exists()


def test_the_judges_study_can_be_run_at_full_size():
    rows = {row.name: row for row in load_study("judges").rows if row.needs}
    assert len(rows) == 2
    used = []
    for row in rows.values():
        config = load_config(FULL.parent / row.config, row.set)
        assert "judge servers" in plan_full(replace(config, prompt_count=32))
        used.append({name for name, weight in asdict(config.stages[0].rewards).items() if weight})
    assert used[0] ^ used[1] == {"judge_geometry", "geometry_consistency"}
    small = build_ensemble(
        (StageSpec(rewards=RewardWeights(geometry_consistency=1.0)),), judges=str(FULL / "judges.yaml")
    )
    assert small.names == ("geometry_consistency",)


def test_a_pictures_tokens_are_counted():
    stages = load_config(Path("configs/full/hi-grpo.yaml")).stages
    plain, pictured = (stage_tokens(stages, 1, 40, tokens)[0] for tokens in (0, IMAGE_TOKENS))
    assert pictured - plain == 18 * 18 + 2


def test_requests_are_one_a_view_or_one_an_answer():
    judges, config = read_judges(FULL / "judges.yaml"), load_config(FULL / "paper.yaml")
    asked = {
        name: ask_cost(name, judges, config, 64, 6)[0] for name in ("hps", "unified", "judge_category", "judge_parts")
    }
    assert asked == {"hps": 0, "unified": 384, "judge_category": 64, "judge_parts": 64 + config.prompts_per_step}


def test_judges_of_a_stage_work_at_the_same_time_and_stages_one_after_another():
    stages = [{"think": 40.0, "qwen": 4.0}, {"unified": 9.0, "qwen": 8.0}, {}]
    assert judging_seconds(stages, {"think": 1, "qwen": 1, "unified": 1}) == 40 + 9
    assert judging_seconds(stages, {"think": 4, "qwen": 1, "unified": 1}) == 10 + 9
    found = servers_that_keep_up(stages, 19.0)
    assert found == {"think": 4, "qwen": 1, "unified": 1}
    assert servers_that_keep_up(stages, 18.0) == {"think": 5, "qwen": 1, "unified": 1}
    tied = [{"a": 10.0, "b": 10.0}]  # one more server for either alone saves nothing
    assert servers_that_keep_up(tied, 5.0) == {"a": 2, "b": 2}
    assert servers_that_keep_up([{}], 1.0) == {}


def test_the_documents_count_of_judge_servers_is_the_plans():
    said = plan_full(replace(load_config(FULL / "hi-grpo.yaml"), prompt_count=32)).splitlines()[-2:]
    written = " ".join((FULL.parents[1] / "docs" / "full-size.md").read_text().split())
    waiting = said[0].split("judges ")[1].split()[0]
    assert f"its judges {waiting} s with one server (a GPU) a model" in written
    assert f"{said[1].split(': ')[1]} keep up" in written


def test_unified_rewards_three_long_numbers_fit_its_longest_answer():
    judges = read_judges(FULL / "judges.yaml")  # 78 tokens in its authors' example, digits being one each
    assert judges.client("unified").settings.max_tokens >= 128


def test_the_shipped_judges_file_names_a_model_for_every_reward_of_the_configs():
    judges = read_judges(FULL / "judges.yaml")
    record = "\n".join(judges.record())
    assert "unified v1" in record and "Qwen/Qwen2.5-VL-7B-Instruct at http://localhost:8001/v1" in record
    assert all(judges.client(name).settings.addresses for name in judges.tree["rewards"])


def test_the_papers_sums_are_in_its_config():
    coarse, fine = load_config(FULL / "paper.yaml").stages
    assert (coarse.rewards.hps, coarse.rewards.unified_think, coarse.rewards.judge_category) == (1, 1, 1)
    assert (fine.rewards.unified, fine.rewards.judge_appearance, fine.rewards.judge_parts) == pytest.approx(
        (1 / 3, 1 / 3, 0.5)
    )
    assert (coarse.from_next, load_config(FULL / "paper.yaml").algorithm.mixing) == (1.0, "paper")


def test_a_missing_judges_file_is_said_in_the_plan():
    config = replace(load_config(FULL / "paper.yaml"), judges="", prompt_count=16, policy=PolicyConfig())
    with pytest.raises(ValueError, match="hps needs a judges file"):
        plan_full(config)
