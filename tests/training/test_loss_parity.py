"""Loss and gradient of every algorithm against two others: a plain-Python float64 reference, and TRL where it is installed."""

from __future__ import annotations

import itertools
import warnings
from collections import defaultdict
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from maquette.training.losses import LOSSES, Denominators, LossInputs, LossSettings
from maquette.training.update import sampler_correction
from tests.training.loss_reference import Case, gradient, value

LENGTHS = (5, 3, 4, 1, 5, 2)
LONGEST = [6, 9]


def batch(seed: int, *, on_policy: bool = False, stages: int = 2, per_token: bool = True) -> dict[str, Tensor]:
    """Six sequences in float64, ratios from about a half to two, so that both clips act."""
    generator = torch.Generator().manual_seed(seed)

    def draw(scale: float) -> Tensor:
        return torch.randn(6, 5, generator=generator, dtype=torch.float64) * scale

    old = -draw(1.0).abs() - 0.5
    advantages = draw(1.0) if per_token else draw(1.0)[:, :1].expand(6, 5)
    return {
        "logps": old.clone() if on_policy else old + draw(0.35),
        "old": old,
        "reference": old + draw(0.3),
        "entropy": draw(1.0).abs(),
        "sampler": old + draw(0.4),
        "advantages": advantages,
        "sampled": torch.arange(5) < torch.tensor(LENGTHS)[:, None],
        "stage": torch.arange(6) % stages,
    }


def ours(
    name: str, data: dict[str, Tensor], weights: Tensor, settings: LossSettings, advantages: Tensor | None = None
) -> tuple[float, Tensor]:
    """Value and gradient of the trainer's own loss."""
    logps = data["logps"].clone().requires_grad_()
    stage, summed = data["stage"], weights.sum(1)
    count = int(stage.max()) + 1
    empty = torch.zeros(count, dtype=torch.float64)
    sequences = empty.index_add(0, stage, (summed > 0).double())
    counts = Denominators(
        empty.index_add(0, stage, summed), sequences, torch.tensor(LONGEST[:count], dtype=torch.float64)
    )
    loss = LOSSES[name](
        LossInputs(
            logprobs=logps,
            old_logprobs=data["old"],
            reference_logprobs=data["reference"],
            entropy=data["entropy"],
            advantages=data["advantages"] if advantages is None else advantages,
            sampled=data["sampled"],
            weights=weights,
            stage=stage,
        ),
        counts,
        settings,
    )
    (slope,) = torch.autograd.grad(loss, logps)
    return float(loss.detach()), slope


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(("kl", "bonus"), [("none", 0.0), ("k1", 0.0), ("k2", 0.05), ("k3", 0.0)])
@pytest.mark.parametrize("on_policy", [True, False])
def test_value_and_gradient_equal_the_reference(name: str, kl: str, bonus: float, on_policy: bool):
    for seed, stages in ((0, 1), (1, 2)):
        data = batch(seed, on_policy=on_policy, stages=stages)
        weights = data["sampled"].double() * torch.tensor([0.5, 1.0, 1.0, 1.0, 2.0], dtype=torch.float64)
        weights[4] *= seed  # with the first seed one sequence does not count
        case = Case(
            *(data[key].tolist() for key in ("old", "reference", "entropy", "advantages", "sampled")),
            weight=weights.tolist(),
            stage=data["stage"].tolist(),
            longest=LONGEST,
            low=0.15,
            high=0.3,
            kl=kl,
            beta=0.1,
            bonus=bonus,
        )
        loss, slope = ours(name, data, weights, LossSettings(0.15, 0.3, kl, 0.1, bonus))
        logps = data["logps"].tolist()
        assert loss == pytest.approx(value(name, logps, logps, case), rel=1e-9)
        expected = torch.tensor(gradient(name, logps, case), dtype=torch.float64)
        torch.testing.assert_close(slope, expected, atol=1e-7, rtol=1e-6)


def test_the_reference_notices_a_flipped_sign_and_a_shifted_mask():
    data = batch(2)
    weights = data["sampled"].double()
    right = ours("dapo", data, weights, LossSettings(kl="none"))[1]
    flipped = ours("dapo", data | {"advantages": -data["advantages"]}, weights, LossSettings(kl="none"))[1]
    shifted = data | {"sampled": data["sampled"].roll(1, 1)}
    moved = ours("dapo", shifted, shifted["sampled"].double(), LossSettings(kl="none"))[1]
    assert (right - flipped).abs().max() > 1e-2 and (right - moved).abs().max() > 1e-2


def trl_trainer() -> type:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trl = pytest.importorskip("trl", reason="TRL is the loss oracle of the [dev] extra; it is not installed")
        return trl.GRPOTrainer


TRL_LOSS = {
    "grpo": ("grpo", "token"),
    "dapo": ("dapo", "token"),
    "dr-grpo": ("dr_grpo", "token"),
    "gspo": ("grpo", "sequence"),
    "cispo": ("cispo", "token"),
}
"""Ours → TRL's `loss_type` and `importance_sampling_level`. TRL 1.16 has neither GSPO-token nor RAFT."""


def trl(
    name: str, data: dict[str, Tensor], *, beta: float, bonus: float, low: float, high: float, cap: float, old: bool
):
    """Value and gradient of TRL's loss, its trainer a stub that holds the settings alone."""
    logps = data["logps"].clone().requires_grad_()
    kind, level = TRL_LOSS[name]
    accelerator = SimpleNamespace(
        num_processes=1, sync_gradients=True, gather=lambda x: x, reduce=lambda x, reduction: x
    )
    stub = SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *a, **k: (logps, data["entropy"], None),
        aux_loss_enabled=False,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        importance_sampling_level=level,
        beta=beta,
        args=SimpleNamespace(use_bias_correction_kl=False, delta=None, steps_per_generation=1),
        epsilon_low=low,
        epsilon_high=1 + high if name == "cispo" else high,  # TRL's CISPO takes the cap itself
        loss_type=kind,
        use_vllm=cap > 0,
        vllm_importance_sampling_correction=cap > 0,
        model=SimpleNamespace(training=True),
        current_gradient_accumulation_steps=1,
        max_completion_length=LONGEST[0],
        accelerator=accelerator,
        _entropy_bonus_enabled=bonus > 0,
        use_adaptive_entropy=False,
        entropy_coef=bonus,
        _metrics=defaultdict(lambda: defaultdict(list)),
    )
    mask = data["sampled"].long()
    inputs = {
        "prompt_ids": torch.zeros(6, 1, dtype=torch.long),
        "prompt_mask": torch.ones(6, 1, dtype=torch.long),
        "completion_ids": torch.zeros(6, 5, dtype=torch.long),
        "completion_mask": mask,
        "advantages": data["advantages"],
        "ref_per_token_logps": data["reference"],
        "num_items_in_batch": mask.sum(),
    }
    if old:
        inputs["old_per_token_logps"] = data["old"]
    if cap:
        inputs["importance_sampling_ratio"] = (data["old"] - data["sampler"]).exp().clamp(max=cap)
    loss = trl_trainer()._compute_loss(stub, None, inputs)
    (slope,) = torch.autograd.grad(loss, logps)
    return float(loss.detach()), slope


@pytest.mark.parametrize("name", TRL_LOSS)
def test_loss_and_gradient_equal_trl_over_the_grid_that_both_have(name: str):
    trl_trainer()
    grid = itertools.product(
        (0.0, 0.02), ((0.2, 0.2), (0.2, 0.28)), (True, False), (True, False), (0.0, 1.5), (0.0, 0.01)
    )
    for beta, (low, high), on_policy, per_token, cap, bonus in grid:
        if bonus and name not in ("dapo", "cispo"):
            continue  # TRL's bonus is a mean over tokens whatever the loss, ours shares the loss's own mean
        data = batch(3, on_policy=on_policy, stages=1, per_token=per_token)
        advantages = data["advantages"]
        if cap:
            advantages = advantages * sampler_correction(data["old"], data["sampler"], data["sampled"], cap)
        settings = LossSettings(low, high, "k3" if beta else "none", beta, bonus)
        loss, slope = ours(name, data, data["sampled"].double(), settings, advantages)
        theirs, expected = trl(name, data, beta=beta, bonus=bonus, low=low, high=high, cap=cap, old=not on_policy)
        assert loss == pytest.approx(theirs, abs=1e-6, rel=1e-6)
        torch.testing.assert_close(slope, expected, atol=1e-6, rtol=1e-6)
