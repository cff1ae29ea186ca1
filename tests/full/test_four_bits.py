"""A base held in 4 bits (NF4) under adapters, on a GPU: it loads, decodes as it scores, takes an RL step, and is exported whole."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from maquette.config import PolicyConfig
from maquette.policy.adapters import effective_weight, lora_layers
from maquette.policy.export import export_policy
from maquette.policy.logprobs import sequence_logprobs
from maquette.policy.model import Policy, load_policy, open_policy
from maquette.training.loop import train
from tests.full.layouts import shapellm_folder, small_codec
from tests.full.test_policy import decoded, shaken
from tests.full.test_road import full_config

installed = pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")
GPU = "cuda"
WIDE = 64
"""Hidden size of the small checkpoint: scales are kept for blocks of 64 weights."""


def test_without_a_gpu_they_are_refused(tmp_path: Path):
    with pytest.raises(
        ValueError, match=r"4bit needs bitsandbytes \(pip install 'maquette\[full\]'\) and a CUDA device"
    ):
        open_policy(shapellm_folder(tmp_path), weights="4bit", lora_rank=8)


@pytest.mark.gpu
@installed
def test_weights_in_four_bits_score_and_decode_alike(tmp_path: Path):
    folder = shapellm_folder(tmp_path, hidden=WIDE, scale=1.0)
    with pytest.raises(ValueError, match="4bit holds frozen weights only"):
        open_policy(folder, weights="4bit", device=GPU)
    policy = shaken(open_policy(folder, weights="4bit", lora_rank=4, device=GPU), 0.1)
    layer = lora_layers(policy.model)[0]
    assert layer.get_base_layer().weight.dtype == torch.uint8  # two weights a byte
    whole = load_policy(folder).model.model.language_model.layers[0].self_attn.q_proj.weight
    layer.enable_adapters(False)
    error = (effective_weight(layer).float().cpu() - whole).abs().max() / whole.abs().max()
    layer.enable_adapters(True)
    assert 0 < error < 0.16  # half the widest gap between two of NF4's sixteen values
    # Decoding and scoring multiply in bfloat16 in another order; the same weights held in bfloat16 say what that alone costs.
    plain = drift(shaken(open_policy(folder, weights="bfloat16", lora_rank=4, device=GPU), 0.1))
    assert drift(policy).mean() < 2 * plain.mean() and drift(policy).max() < 3 * plain.max()


def drift(policy: Policy) -> torch.Tensor:
    """How far the log-probs of scoring are from those of decoding, at every sampled token."""
    decoded(policy)  # kernels may repack the weights at their first use; what counts is every use after it
    rollouts = decoded(policy)
    return (sequence_logprobs(policy, rollouts).logprobs - rollouts.logprobs)[rollouts.sampled].abs()


@pytest.mark.gpu
@installed
def test_an_rl_step_moves_adapters_and_the_export_is_whole(tmp_path: Path):
    shapellm_folder(tmp_path / "ShapeLLM-7B-omni", hidden=WIDE, layers=1)
    small_codec().save(tmp_path / "codec")
    held = PolicyConfig(device=GPU, weights="4bit", lora_rank=2, gradient_checkpointing=True)
    policy = train(replace(full_config(tmp_path), policy=held), tmp_path / "run")
    adapters = load_file(policy / "adapter_model.safetensors")
    assert max(float(value.abs().max()) for name, value in adapters.items() if "lora_B" in name) > 1e-4
    numbers = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[0])
    assert numbers["sampler_drift"] < 0.1 and numbers["kl"] == pytest.approx(0.0, abs=1e-5)
    out = export_policy(policy, tmp_path / "export", torch.float32)
    assert {p.dtype for p in load_policy(out).parameters()} == {torch.float32}
