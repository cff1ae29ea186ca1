"""The whole road at full-size layout: 1024 codes a stage, a Hi-GRPO step by LoRA, a checkpoint, a resume, an export."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoTokenizer

from maquette.codec.published import convert_codec
from maquette.config import Config, OptimiserConfig, PolicyConfig, RewardWeights, StageSpec
from maquette.policy.export import export_policy
from maquette.policy.model import load_policy
from maquette.runs import source_of
from maquette.training.loop import train
from maquette.training.parts import load_parts
from tests.full.layouts import codec_bin, shapellm_folder, small_codec


def full_config(folder: Path) -> Config:
    """Two stages of up to 4 words and 1024 codes each, one prompt, two answers."""
    (folder / "prompts.txt").write_text("a red chair\n")
    rewards = RewardWeights(preference=1.0, aesthetic=1.0)
    return Config(
        model=str(folder / "ShapeLLM-7B-omni"),
        codec=str(folder / "codec"),
        prompts=str(folder / "prompts.txt"),
        prompt_count=1,
        prompts_per_step=1,
        group_size=2,
        steps=1,
        stages=(
            StageSpec("coarse", "semantic-plan", ("prompt",), "grey", 1.0, 4, rewards),
            StageSpec("fine", "visual-detail", ("prompt", "coarse.reasoning"), "colour", 0.0, 4, rewards),
        ),
        policy=PolicyConfig(lora_rank=2, gradient_checkpointing=True),
        optimiser=OptimiserConfig(lr=1e-2, warmup_steps=0),
        render_size=64,
        sample_every=1,
        checkpoint_every=1,
    )


@pytest.mark.parametrize("real", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_load_generate_learn_save_reload_export(tmp_path: Path, real: bool):
    """`real`: 159,859 tokens and 1024 codes a stage; the fast run has few words, 32 mesh tokens and 128 codes."""
    shapellm_folder(tmp_path / "ShapeLLM-7B-omni", real=real, codebook=32, hidden=16, layers=1, order="codes-first")
    if real:
        convert_codec(codec_bin(tmp_path / "3DVQVAE.bin"), tmp_path / "codec")
    else:
        small_codec().save(tmp_path / "codec")
    codes = 1024 if real else 128
    config, run = full_config(tmp_path), tmp_path / "run"
    policy = train(config, run)
    base = load_policy(config.model)
    assert len(base.tokenizer) == (159_859 if real else 316)
    adapters = load_file(policy / "adapter_model.safetensors")
    assert max(float(value.abs().max()) for name, value in adapters.items() if "lora_B" in name) > 1e-4  # it learnt
    numbers = json.loads((run / "metrics.jsonl").read_text().splitlines()[0])
    assert numbers["sampler_drift"] < 1e-3 and numbers["sampled_tokens"] >= 2 * 2 * codes
    assert numbers["kl"] == pytest.approx(0.0, abs=1e-5)  # the reference is the base, and nothing had moved yet
    state = load_file(run / "checkpoints" / "step-000001" / "state.safetensors")
    assert all(".lora_" in name for name in state if name.startswith("policy."))

    train(replace(config, steps=2), run, resume=True)
    second = json.loads((run / "metrics.jsonl").read_text().splitlines()[1])
    assert second["kl"] > 0
    assert source_of(str(run)).model == str(policy)

    out = export_policy(policy, tmp_path / "export", torch.float32)
    plain = AutoModelForImageTextToText.from_pretrained(out, dtype=torch.float32)
    trained = load_policy(policy)
    tokens = torch.tensor([trained.tokenizer.chat(("a red chair",))])
    with torch.no_grad():
        expected = trained.model(input_ids=tokens, use_cache=False).logits
        torch.testing.assert_close(plain(input_ids=tokens, use_cache=False).logits, expected, atol=1e-3, rtol=1e-3)
    assert AutoTokenizer.from_pretrained(out).convert_tokens_to_ids("<mesh-end>") == trained.tokenizer.vocabulary.end_id


def test_a_step_with_all_weights_moves_every_one_but_the_vision_towers(tmp_path: Path):
    base = shapellm_folder(tmp_path / "ShapeLLM-7B-omni", hidden=16, layers=1)
    small_codec().save(tmp_path / "codec")
    config = full_config(tmp_path)
    config = replace(config, policy=replace(config.policy, lora_rank=0))
    policy = train(config, tmp_path / "run")
    before, after = load_policy(base).state_dict(), load_policy(policy).state_dict()
    still = {name for name, value in after.items() if torch.equal(value, before[name])}
    assert {name for name in after if "visual" in name} <= still
    moved = [name for name in after if name not in still]
    assert any("embed_tokens" in name for name in moved) and any("lm_head" in name for name in moved)
    assert all(
        any(part in name for name in moved) for part in ("q_proj", "k_proj", "v_proj", "o_proj", "down_proj", "norm")
    )
    assert (policy / "config.json").read_bytes() == (base / "config.json").read_bytes()


def test_a_codec_of_another_codebook_is_refused_before_any_time_is_spent(tmp_path: Path):
    shapellm_folder(tmp_path / "ShapeLLM-7B-omni", codebook=16)
    small_codec().save(tmp_path / "codec")
    with pytest.raises(ValueError, match=r"writes 16 codes, the codec .* reads 32: take the codec"):
        load_parts(full_config(tmp_path))
