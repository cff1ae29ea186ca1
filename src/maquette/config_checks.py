"""What a config may not say: every contradiction is one sentence, before any time is spent."""

from __future__ import annotations

import math
from dataclasses import asdict

from maquette.config import AlgorithmConfig, Config, DynamicConfig, OptimiserConfig, StageSpec


def check(config: Config) -> None:
    """ValueError for a tree that cannot be run, before any time is spent."""
    _check_chain(config.stages)
    ones = ("prompts_per_step", "answered_in", "steps", "checkpoint_every", "keep_checkpoints", "probe_prompts")
    least = dict.fromkeys(ones, 1) | {"group_size": 2, "probe_every": 0, "sample_every": 0, "render_size": 16}
    for key, bound in least.items():
        if asdict(config)[key] < bound:
            raise ValueError(f"{key} is {asdict(config)[key]}; it must be at least {bound}.")
    if not 0 < config.temperature < math.inf:
        raise ValueError(f"temperature is {config.temperature}; rollouts need a finite one above 0.")
    _check_optimiser(config.optimiser)
    if config.policy.lora_rank < 0 or not 0 < config.policy.lora_alpha < math.inf:
        raise ValueError(
            f"policy.lora_rank is {config.policy.lora_rank}, policy.lora_alpha {config.policy.lora_alpha}; "
            "a rank is at least 0 (0: no adapters), an alpha above 0 and finite."
        )
    if config.prompt_count < config.prompts_per_step:
        raise ValueError(f"prompt_count {config.prompt_count} is less than prompts_per_step {config.prompts_per_step}.")
    if config.algorithm.updates_per_rollout < 1 or not 1 <= config.algorithm.minibatches <= config.prompts_per_step:
        raise ValueError("updates_per_rollout must be at least 1, minibatches between 1 and prompts_per_step.")
    _check_algorithm(config.algorithm)
    _check_dynamic(config.dynamic)


def _check_optimiser(optimiser: OptimiserConfig) -> None:
    if not 0 < optimiser.max_grad_norm < math.inf:
        raise ValueError(
            f"optimiser.max_grad_norm is {optimiser.max_grad_norm}; it must be above 0 and finite (0 would undo every "
            "update; for no limit take a large one, as 1e9)."
        )
    for key in ("lr", "weight_decay", "warmup_steps"):
        value = getattr(optimiser, key)
        if not 0 <= value < math.inf:
            raise ValueError(f"optimiser.{key} is {value}; it must be at least 0 and finite.")
    for key in ("beta1", "beta2", "average"):
        value = getattr(optimiser, key)
        if not 0 <= value < 1:
            raise ValueError(f"optimiser.{key} is {value}; a running mean's decay is 0 to below 1 (0: none is kept).")
    if optimiser.micro_batch_tokens < 1:
        raise ValueError(f"optimiser.micro_batch_tokens is {optimiser.micro_batch_tokens}; it must be at least 1.")


def _check_chain(stages: tuple[StageSpec, ...]) -> None:
    names = [stage.name for stage in stages]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"stages need at least one entry and names of their own, not {names}.")
    for index, stage in enumerate(stages):
        known = {"prompt"} | {f"{name}.{what}" for name in names[:index] for what in ("reasoning", "codes")}
        for what in stage.sees:
            if what not in known:
                raise ValueError(f"Stage {stage.name} sees {what!r}; it can see {', '.join(sorted(known))}.")
        for key, value in {"from_next": stage.from_next, "reasoning_weight": stage.reasoning_weight}.items():
            if not 0 <= value < math.inf:
                raise ValueError(f"Stage {stage.name} has {key} = {value}; it must be at least 0 and finite.")
        if stage.max_reasoning < 0:
            raise ValueError(f"Stage {stage.name} has max_reasoning = {stage.max_reasoning}; it must be at least 0.")
        for key, value in asdict(stage.rewards).items():
            if not math.isfinite(value):
                raise ValueError(f"Stage {stage.name} weighs the reward {key} by {value}; give it a finite weight.")
        if not any(asdict(stage.rewards).values()) and not stage.from_next:
            raise ValueError(f"Stage {stage.name} has no reward and nothing flows back to it: give it one.")
        if stage.from_next and stage.from_next_on == "reasoning" and not stage.max_reasoning:
            raise ValueError(f"Stage {stage.name} does not reason (max_reasoning 0), so from_next_on must be answer.")
    if stages[-1].from_next:
        raise ValueError(f"Stage {names[-1]} is the last: nothing can flow back to it; set its from_next to 0.")


def _check_algorithm(algorithm: AlgorithmConfig) -> None:
    for key in ("clip_low", "clip_high", "kl_beta", "entropy_bonus", "sampler_cap", "outside_penalty"):
        value = getattr(algorithm, key)
        if not 0 <= value < math.inf:
            raise ValueError(f"algorithm.{key} is {value}; it must be at least 0 and finite.")
    if algorithm.loss == "raft" and algorithm.advantage != "best":
        raise ValueError(
            f"algorithm.loss is raft, algorithm.advantage is {algorithm.advantage}: raft imitates chosen answers, so take best."
        )


def _check_dynamic(dynamic: DynamicConfig) -> None:
    if not 0 <= dynamic.low < dynamic.high <= 1:
        raise ValueError(
            f"dynamic.low and dynamic.high are {dynamic.low} and {dynamic.high}; quantiles need 0 ≤ low < high ≤ 1."
        )
    if not 1 <= dynamic.budget < math.inf or dynamic.window < 1:
        raise ValueError(
            f"dynamic.budget is {dynamic.budget}, dynamic.window {dynamic.window}; both must be at least 1 and finite."
        )
    if not 0 <= dynamic.least_spread < math.inf:
        raise ValueError(
            f"dynamic.least_spread is {dynamic.least_spread}; a standard deviation is at least 0 and finite."
        )
