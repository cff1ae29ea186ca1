"""Answers and advantages → new weights, with the numbers that say how far they moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor, nn

from maquette.config import AlgorithmConfig, OptimiserConfig
from maquette.policy.logprobs import LogProbs, sequence_logprobs
from maquette.policy.model import Outside
from maquette.policy.sharding import whole
from maquette.tracking import Stopwatch
from maquette.training.advantages import token_advantages
from maquette.training.averaging import remember
from maquette.training.batches import denominators, micro_batch_rows, minibatch_rows, rows_of, take, token_weights
from maquette.training.distributed import Processes
from maquette.training.losses import LOSSES, Denominators, LossInputs, LossSettings, clip_fraction, divergence
from maquette.types import Batch, Rollouts, SegmentKind


@dataclass(frozen=True)
class Learner:
    """Who learns, from whom it may not stray, and by which rule."""

    policy: nn.Module
    reference: nn.Module | None
    optimizer: torch.optim.Optimizer
    algorithm: AlgorithmConfig
    optimiser: OptimiserConfig
    temperature: float
    reasoning_weights: tuple[float, ...] = ()
    """Weight of a reasoning token, by stage; empty: 1 in each."""
    processes: Processes = field(default_factory=Processes)

    @property
    def settings(self) -> LossSettings:
        own = self.algorithm
        return LossSettings(own.clip_low, own.clip_high, own.kl, own.kl_beta, own.entropy_bonus, own.outside_penalty)

    def score(self, policy: nn.Module, rollouts: Rollouts, *, outside: Outside = "skip") -> LogProbs:
        """Log-probs in the precision of the run; every pass of the trainer goes through here."""
        device = next(policy.parameters()).device.type
        with torch.autocast(device, torch.bfloat16, enabled=self.optimiser.precision == "bfloat16"):
            return sequence_logprobs(policy, rollouts, self.temperature, outside=outside)

    def looks_outside(self, *, first: bool) -> Outside:
        """The mass outside the support is measured in each update's first micro-batch; where it is penalised, learnt in all."""
        if self.algorithm.outside_penalty:
            return "learn"
        return "measure" if first else "skip"

    @property
    def on_policy(self) -> bool:
        """One update per rollout: the old policy is the present one, so its log-probs need no pass of their own."""
        return self.algorithm.updates_per_rollout * self.algorithm.minibatches == 1


def make_optimizer(policy: nn.Module, settings: OptimiserConfig) -> torch.optim.AdamW:
    """AdamW over every weight of the policy."""
    betas = (settings.beta1, settings.beta2)
    return torch.optim.AdamW(policy.parameters(), lr=settings.lr, betas=betas, weight_decay=settings.weight_decay)


def set_learning_rate(optimizer: torch.optim.Optimizer, settings: OptimiserConfig, step: int) -> float:
    """Linear warm-up, then constant."""
    rate = settings.lr * min(1.0, (step + 1) / max(1, settings.warmup_steps))
    for group in optimizer.param_groups:
        group["lr"] = rate
    return rate


def update(
    learner: Learner,
    rollouts: Rollouts,
    advantages: Float64[Tensor, "a s k"],
    *,
    group_size: int,
    seed: tuple[int, int],
    clock: Stopwatch,
) -> dict[str, float]:
    """Every pass and minibatch over one rollout; metrics are means over sampled tokens, of the first pass unless said.

    `rollouts` and `advantages` are this process's own; metrics are those of all processes. Raises ValueError for a loss or
    gradient that is not finite, before the optimiser sees it.
    """
    processes = learner.processes
    batch = make_batch(learner, rollouts, advantages, clock)
    longest = processes.most(int(rollouts.sampled.sum(1).max()))
    first_group = sum(processes.gather(int(rollouts.answer.max()) // group_size + 1)[: processes.rank])
    measured: list[dict[str, float]] = []
    for epoch in range(learner.algorithm.updates_per_rollout):
        dealt = minibatch_rows(
            rollouts.answer,
            learner.algorithm.minibatches,
            group_size=group_size,
            seed=(*seed, epoch),
            first_group=first_group,
        )
        for rows in dealt:
            own = denominators(batch, rows, advantages.shape[1], longest)
            measured.append(optimise(learner, batch, rows, of_all(own, learner), clock))
    first, last = measured[0], measured[-1]
    return first | {"clip_fraction": last["clip_fraction"], "ratio_max": last["ratio_max"]}


def make_batch(learner: Learner, rollouts: Rollouts, advantages: Float64[Tensor, "a s k"], clock: Stopwatch) -> Batch:
    """Rollouts with each token's advantage and weight, the reference's log-probs, and the old ones where they will differ.

    With the advantage `best` only the chosen answers count.
    """
    used = learner.settings.kl != "none" and learner.settings.kl_beta > 0
    with clock("logprobs"):
        reference = frozen(learner, learner.reference, rollouts) if used and learner.reference is not None else None
        old = None if learner.on_policy else frozen(learner, learner.policy, rollouts)
    own = token_advantages(rollouts, advantages)
    weights = token_weights(rollouts, learner.reasoning_weights or (1.0,) * advantages.shape[1])
    if learner.algorithm.advantage == "best":
        weights = weights * (own != 0)
    return Batch(rollouts, own, weights, old, reference)


@torch.no_grad()
def frozen(learner: Learner, policy: nn.Module, rollouts: Rollouts) -> Float[Tensor, "n t"]:
    """Log-probs without gradient, computed in the very micro-batches of the update, so that ratios are exactly 1."""
    result = torch.zeros_like(rollouts.logprobs)
    for rows, real in passes(learner, rollouts, torch.arange(len(rollouts.answer))):
        part = rows_of(rollouts, rows)
        scored = learner.score(policy, part).logprobs.cpu()
        if real:
            result[rows, : part.tokens.shape[1]] = scored
    return result


def passes(learner: Learner, rollouts: Rollouts, rows: Int64[Tensor, " m"]) -> list[tuple[Int64[Tensor, " _"], bool]]:
    """The micro-batches of `rows`, as many on every process; False marks one that only keeps step with the others.

    Processes with sharded weights fetch them from each other in every pass, so none may make fewer passes than another.
    """
    found = micro_batch_rows(rows_of(rollouts, rows), learner.optimiser.micro_batch_tokens) if len(rows) else []
    missing = learner.processes.most(len(found)) - len(found)
    return [(rows[part], True) for part in found] + [(torch.zeros(1, dtype=torch.int64), False)] * missing


def optimise(
    learner: Learner, batch: Batch, rows: Int64[Tensor, " m"], counts: Denominators, clock: Stopwatch
) -> dict[str, float]:
    """One optimiser step over one minibatch, of which `rows` are this process's."""
    processes = learner.processes
    sums = dict.fromkeys(SUMS, 0.0)
    learner.optimizer.zero_grad(set_to_none=True)
    parts = passes(learner, batch.rollouts, rows)
    for index, (some, real) in enumerate(parts):
        part = take(batch, some)
        with processes.accumulating(learner.policy, last=index == len(parts) - 1):
            with clock("forward"):
                scored = learner.score(learner.policy, part.rollouts, outside=learner.looks_outside(first=index == 0))
                inputs = loss_inputs(part, scored, learner.algorithm.sampler_cap)
                value = LOSSES[learner.algorithm.loss](inputs, counts, learner.settings)
            with clock("backward"):
                # Wrappers average gradients over processes; what is wanted is their sum.
                (value * (processes.count if real else 0)).backward()
        if real:
            measured = measure(part.rollouts, inputs, scored, learner.settings, first=index == 0)
            _add(sums, measured | {"loss": float(value.detach())})
    sums = over_all(sums, processes)
    _refuse_nonfinite("loss", sums["loss"])
    with clock("backward"):
        norm = clip_gradients(learner)
        _refuse_nonfinite("gradient norm", norm)
        learner.optimizer.step()
        remember(learner.optimizer, learner.optimiser.average)
    return summarise(sums) | {"loss": sums["loss"], "grad_norm": norm}


def clip_gradients(learner: Learner) -> float:
    """Scales the gradients down to `max_grad_norm`; what comes out is the norm that they had, over all shards."""
    norm = torch.nn.utils.clip_grad_norm_(list(learner.policy.parameters()), learner.optimiser.max_grad_norm)
    return float(whole(norm))


def of_all(counts: Denominators, learner: Learner) -> Denominators:
    """One process's counts → everybody's, where the policy is."""
    both = torch.stack([counts.tokens, counts.sequences]).double()
    device = next(learner.policy.parameters()).device
    tokens, sequences = learner.processes.total(both.flatten()).float().view_as(both).to(device)
    return Denominators(tokens, sequences, counts.longest)


def over_all(sums: Mapping[str, float], processes: Processes) -> dict[str, float]:
    """One process's sums → everybody's, and the largest of the ratios."""
    own = torch.tensor([sums[name] for name in SUMS], dtype=torch.float64)
    total = dict(zip(SUMS, processes.total(own).tolist(), strict=True))
    return total | {"ratio_max": float(processes.largest(own)[SUMS.index("ratio_max")])}


def _add(sums: dict[str, float], more: Mapping[str, float]) -> None:
    for name, number in more.items():
        sums[name] = max(sums[name], number) if name == "ratio_max" else sums[name] + number


def loss_inputs(batch: Batch, scored: LogProbs, sampler_cap: float = 0.0) -> LossInputs:
    """Everything on the policy's device; without old log-probs the present ones stand in, detached."""
    device = scored.logprobs.device
    reference, sampled = batch.reference_logprobs, batch.rollouts.sampled.to(device)
    old = scored.logprobs.detach() if batch.old_logprobs is None else batch.old_logprobs.to(device)
    advantages = batch.advantages.to(device)
    if sampler_cap:
        advantages = advantages * sampler_correction(old, batch.rollouts.logprobs.to(device), sampled, sampler_cap)
    return LossInputs(
        logprobs=scored.logprobs,
        old_logprobs=old,
        reference_logprobs=None if reference is None else reference.to(device),
        entropy=scored.entropy,
        advantages=advantages,
        sampled=sampled,
        weights=batch.weights.to(device),
        stage=batch.rollouts.stage.to(device),
        kept=scored.kept,
    )


def sampler_correction(
    old: Float[Tensor, "n t"], sampler: Float[Tensor, "n t"], sampled: Bool[Tensor, "n t"], cap: float
) -> Float[Tensor, "n t"]:
    """min(π_old/π_sampler, cap) of every sampled token, 1 elsewhere: V-trace's truncated importance weights (arXiv 1802.01561, §4.1)."""
    return torch.where(sampled, old - sampler, 0.0).exp().clamp(max=cap)


SUMS = (
    "loss",
    "tokens",
    "drift",
    "clip",
    "ratio_max",
    "kl",
    "kl_tokens",
    "reasoning_tokens",
    "reasoning_entropy",
    "shape_tokens",
    "shape_entropy",
    "outside",
    "outside_tokens",
)
"""What is added up over micro-batches and processes; of `ratio_max` the largest."""


@torch.no_grad()
def measure(
    rollouts: Rollouts, inputs: LossInputs, scored: LogProbs, settings: LossSettings, *, first: bool
) -> dict[str, float]:
    """Sums over sampled tokens (and their counts), to be added up over micro-batches."""
    sampled = inputs.sampled
    sums = {
        "tokens": sampled.sum(),
        "drift": ((inputs.old_logprobs - rollouts.logprobs.to(sampled.device)).abs() * sampled).sum(),
        "clip": clip_fraction(inputs, settings),
        "ratio_max": torch.where(sampled, inputs.logprobs - inputs.old_logprobs, 0.0).exp().max(),
    }
    if inputs.reference_logprobs is not None:
        sums["kl"] = (divergence(inputs.logprobs, inputs.reference_logprobs, "k3") * sampled).sum()
        sums["kl_tokens"] = sampled.sum()
    for kind in (SegmentKind.REASONING, SegmentKind.SHAPE):
        here = sampled & (rollouts.segment.to(sampled.device) == kind)
        name = kind.name.lower()
        sums |= {f"{name}_tokens": here.sum(), f"{name}_entropy": (scored.entropy * here).sum()}
    if first:
        sums |= {"outside": -(torch.expm1(scored.kept) * sampled).sum(), "outside_tokens": sampled.sum()}
    return {name: float(value) for name, value in sums.items()}


def summarise(sums: Mapping[str, float]) -> dict[str, float]:
    """Sums → means per token."""
    tokens = max(1.0, sums["tokens"])
    means = {
        "sampler_drift": sums["drift"] / tokens,
        "clip_fraction": sums["clip"] / tokens,
        "ratio_max": sums["ratio_max"],
        "outside_mass": sums["outside"] / max(1.0, sums["outside_tokens"]),
        "sampled_tokens": sums["tokens"],
    }
    if sums["kl_tokens"]:
        means["kl"] = sums["kl"] / sums["kl_tokens"]
    for name in ("reasoning", "shape"):
        if sums[f"{name}_tokens"]:
            means[f"entropy/{name}"] = sums[f"{name}_entropy"] / sums[f"{name}_tokens"]
    return means


def _refuse_nonfinite(what: str, value: float) -> None:
    if not torch.isfinite(torch.tensor(value)):
        raise ValueError(
            f"The {what} is {value}; the step was stopped before the optimiser saw it. Lower lr or kl_beta."
        )
