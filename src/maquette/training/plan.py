"""`maquette train CONFIG --dry-run`: what a run would do and need, counted before any time is spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from maquette.config import Config
from maquette.config_file import dump_config
from maquette.generate import most_sampled, reasoning_limit
from maquette.policy.tokenizer import PolicyTokenizer
from maquette.prompts.instructions import user_turn
from maquette.training.parts import Parts
from maquette.types import Prompt

FLOAT = 4
ACTIVATIONS = 18
"""Floats of width `hidden` that one token keeps per layer for the backward pass (attention, norms, and the MLP's three)."""


@dataclass(frozen=True)
class StagePlan:
    """Tokens of one sequence of a stage, at most."""

    name: str
    prompt: int
    reasoning: int
    codes: int
    rewards: tuple[str, ...]

    @property
    def tokens(self) -> int:
        return self.prompt + self.reasoning + self.codes + 1


def plan(config: Config, parts: Parts) -> str:
    """The resolved config, then per step: sequences, tokens, model calls, pictures; then memory."""
    stages = plan_stages(config, parts.policy.tokenizer, parts.codec.codes_per_shape, parts.prompts)
    answers = config.prompts_per_step * config.group_size
    trained = answers * sum(most_sampled(stage, parts.codec.codes_per_shape) for stage in config.stages)
    passes = config.algorithm.updates_per_rollout
    old = 0 if passes * config.algorithm.minibatches == 1 else 1
    views = len(parts.cameras.eye)
    lines = [dump_config(config), f"prompts        {len(parts.prompts)} in {config.prompts}"]
    lines.append(
        f"a step         {config.prompts_per_step} prompts x {config.group_size} answers x {len(stages)} stages"
    )
    if config.dynamic.enabled:
        most = int(config.prompts_per_step * config.dynamic.budget)
        lines.append(f"  dynamic       by {config.dynamic.rule}: up to {most} prompts, all that follows in proportion")
    for stage in stages:
        judged = ", ".join(stage.rewards) or "nothing (its return flows from the next stage)"
        lines.append(f"  {stage.name:<13}up to {stage.tokens} tokens a sequence, judged by {judged}")
    lines += [
        f"tokens         up to {trained} sampled a step, {trained * config.steps:,} in {config.steps} steps",
        f"decoding       up to {sum(max(1, s.reasoning) + s.codes for s in stages)} steps in lockstep",
        f"passes         {passes} forward and backward, {old} for old log-probs, "
        f"{1 if parts.reference else 0} by the frozen reference, over {answers * len(stages)} sequences",
        f"pictures       {answers * len(stages) * views} of {config.render_size} x {config.render_size} pixels",
        f"judgements     {answers * sum(len(stage.rewards) for stage in stages)}",
        f"memory         about {memory_gib(config, parts, stages):.1f} GiB beside Python and its libraries",
    ]
    return "\n".join(lines)


def plan_stages(
    config: Config, tokenizer: PolicyTokenizer, codes: int, prompts: Sequence[Prompt]
) -> tuple[StagePlan, ...]:
    """The longest sequence of each stage: longest prompt, longest reasoning of what it sees, all its codes."""
    spent: dict[str, int] = {}
    plans = []
    for stage in config.stages:
        longest = max(len(tokenizer.chat(user_turn(prompt.text, stage.instruction))) for prompt in prompts)
        seen = sum(spent.get(what, 0) for what in stage.sees)
        rewards = tuple(name for name, weight in asdict(stage.rewards).items() if weight)
        plans.append(StagePlan(stage.name, longest + seen, reasoning_limit(stage), codes, rewards))
        spent |= {f"{stage.name}.reasoning": reasoning_limit(stage), f"{stage.name}.codes": codes + 2}
    return tuple(plans)


def memory_gib(config: Config, parts: Parts, stages: Sequence[StagePlan]) -> float:
    """Weights with gradients, moments and mean, one micro-batch's activations and logits, the cache of keys and values, the views."""
    model = parts.policy.model.config.get_text_config()
    weights = sum(parameter.numel() for parameter in parts.policy.parameters())
    copies = 4 + (parts.reference is not None) + (config.optimiser.average > 0)
    tokens = config.optimiser.micro_batch_tokens
    activations = tokens * (ACTIVATIONS * model.hidden_size * model.num_hidden_layers + 3 * parts.policy.codebook_size)
    answers = config.prompts_per_step * config.group_size
    width = model.hidden_size // model.num_attention_heads * model.num_key_value_heads
    cache = answers * max(stage.tokens for stage in stages) * 2 * width * model.num_hidden_layers
    pixels = answers * len(stages) * len(parts.cameras.eye) * config.render_size**2
    return ((weights * copies + activations + cache) * FLOAT + pixels * 20) / 2**30
