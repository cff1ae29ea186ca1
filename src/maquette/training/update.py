"""Answers and advantages → new weights, with the numbers that say how far they moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor, nn

from maquette.config import AlgorithmConfig, OptimiserConfig
from maquette.policy.logprobs import LogProbs, sequence_logprobs
from maquette.policy.model import Outside
from maquette.policy.sharding import whole
from maquette.precision import products
from maquette.tracking import Stopwatch
from maquette.training.advantages import token_advantages
from maquette.training.averaging import remember
from maquette.training.batches import denominators, micro_batch_rows, minibatch_rows, rows_of, take, token_weights
from maquette.training.distributed import Processes
from maquette.training.losses import LOSSES, Denominators, LossInputs, LossSettings
from maquette.training.measures import SUMS, add, measure, of_pass, over_all
from maquette.types import Batch, Rollouts


@dataclass(frozen=True)
class Learner:
    """Who learns, from whom it may not stray, and by which rule."""

    policy: nn.Module
    reference: nn.Module | None
    optimizer: torch.optim.Optimizer
    algorithm: AlgorithmConfig
    optimiser: OptimiserConfig
    temperature: float
    longest: tuple[int, ...]
    """The most tokens that a sequence of each stage can sample."""
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
        with products(device, self.optimiser.precision == "bfloat16"):
            return sequence_logprobs(policy, rollouts, self.temperature, outside=outside)

    def looks_outside(self, *, watched: bool) -> Outside:
        """The mass outside the support is measured in some micro-batches (see `watched`); where it is penalised, learnt in all."""
        if self.algorithm.outside_penalty:
            return "learn"
        return "measure" if watched else "skip"

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
    """Every pass and minibatch over one rollout; metrics are means over sampled tokens, of the first pass; of the last what is clipped.

    `rollouts` and `advantages` are this process's own; metrics are those of all processes. Raises ValueError for a loss or
    gradient that is not finite, before the optimiser sees it.
    """
    processes = learner.processes
    batch = make_batch(learner, rollouts, advantages, clock)
    first_group = sum(processes.gather(int(rollouts.answer.max()) // group_size + 1)[: processes.rank])
    measured: list[list[dict[str, float]]] = []
    for epoch in range(learner.algorithm.updates_per_rollout):
        dealt = minibatch_rows(
            rollouts.answer,
            learner.algorithm.minibatches,
            group_size=group_size,
            seed=(*seed, epoch),
            first_group=first_group,
        )
        longest = torch.tensor(learner.longest, dtype=torch.float32)
        counts = [of_all(denominators(batch, rows, longest), learner) for rows in dealt]
        measured.append([optimise(learner, batch, r, c, clock) for r, c in zip(dealt, counts, strict=True)])
    first, last = of_pass(measured[0]), of_pass(measured[-1])
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
    """Log-probs without gradient, in micro-batches as the update has them."""
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
    """One optimiser step over one minibatch, of which `rows` are this process's; what `measures.SUMS` names, summed, and the norm."""
    processes = learner.processes
    sums: dict[str, float] = dict.fromkeys(SUMS, 0.0)
    learner.optimizer.zero_grad(set_to_none=True)
    parts = passes(learner, batch.rollouts, rows)
    looked_at = watched([some if real else some[:0] for some, real in parts], batch.rollouts.stage)
    for index, (some, real) in enumerate(parts):
        part = take(batch, some)
        with processes.accumulating(learner.policy, last=index == len(parts) - 1):
            with clock("forward"):
                scored = learner.score(
                    learner.policy, part.rollouts, outside=learner.looks_outside(watched=index in looked_at)
                )
                inputs = loss_inputs(part, scored, learner.algorithm.sampler_cap)
                value = LOSSES[learner.algorithm.loss](inputs, counts, learner.settings)
            with clock("backward"):
                # Wrappers average gradients over processes; what is wanted is their sum.
                (value * (processes.count if real else 0)).backward()
        if real:
            measured = measure(
                learner.algorithm.loss, part.rollouts, inputs, scored, learner.settings, watched=index in looked_at
            )
            add(sums, measured | {"loss": float(value.detach())})
    sums = over_all(sums, processes)
    _refuse_nonfinite("loss", sums["loss"])
    with clock("backward"):
        norm = clip_gradients(learner)
        _refuse_nonfinite("gradient norm", norm)
        learner.optimizer.step()
        remember(learner.optimizer, learner.optimiser.average)
    return sums | {"grad_norm": norm}


def watched(parts: Sequence[Int64[Tensor, " _"]], stage: Int64[Tensor, " n"]) -> set[int]:
    """Micro-batches (sorted by length, each of these rows) that hold the middle one of each stage's sequences."""
    if not parts:
        return set()
    rows = torch.cat(list(parts))
    owner = torch.repeat_interleave(torch.arange(len(parts)), torch.tensor([len(part) for part in parts]))
    own = stage[rows]
    return {int(owner[places[len(places) // 2]]) for s in own.unique() for places in [(own == s).nonzero().flatten()]}


def clip_gradients(learner: Learner) -> float:
    """Scales the gradients down to `max_grad_norm`; what comes out is the norm that they had, over all shards."""
    norm = torch.nn.utils.clip_grad_norm_(list(learner.policy.parameters()), learner.optimiser.max_grad_norm)
    return float(whole(norm))


def of_all(counts: Denominators, learner: Learner) -> Denominators:
    """One process's counts → everybody's, where the policy is."""
    both = torch.stack([counts.tokens, counts.sequences]).double()
    device = next(learner.policy.parameters()).device
    tokens, sequences = learner.processes.total(both.flatten()).float().view_as(both).to(device)
    return Denominators(tokens, sequences, counts.longest.to(device))


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


def _refuse_nonfinite(what: str, value: float) -> None:
    if not torch.isfinite(torch.tensor(value)):
        raise ValueError(
            f"The {what} is {value}; the step was stopped before the optimiser saw it. Lower lr or kl_beta."
        )
