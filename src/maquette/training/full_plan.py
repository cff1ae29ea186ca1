"""The dry run of a full-size config: tokens, memory, requests and time from arithmetic alone; no weights are needed or read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import ceil
from pathlib import Path

from maquette.config import Config, StageSpec
from maquette.config_file import dump_config
from maquette.policy.arithmetic import (
    DecoderSize,
    Load,
    Machine,
    decode_seconds,
    judge_seconds,
    logits_gib,
    memory,
    size_of,
    update_seconds,
)
from maquette.prompts.instructions import SYSTEM, user_turn
from maquette.prompts.sets import load_prompts
from maquette.rendering.cameras import CAMERAS
from maquette.rewards.judge_prompts import JudgePrompt
from maquette.rewards.judges_file import ABOUT_PARTS, FULL_SIZE, IN_PROCESS, Judges, read_judges

CODES = 1024
ROWS_AT_ONCE = 64
IMAGE_TOKENS = (512 // 28) ** 2 + 2
"""Of a picture of 512 × 512, and the two that frame it."""
CHARACTERS_PER_TOKEN = 3.5
"""Qwen's tokenizer on English prompts reads about 4; the estimate is on the long side."""
ANSWER_TOKENS = {"lines": 80.0, "json": 120.0}
"""What a judge writes; UnifiedReward's numbers have 15 digits, a token each; UnifiedReward-Think, which reasons first, about 500."""


def plan_full(config: Config) -> str:
    """The resolved config, then sequences, memory on each GPU, judges' requests, and where the time goes."""
    if config.cameras not in CAMERAS:
        raise ValueError(f"There is no camera protocol {config.cameras!r}; known are {', '.join(CAMERAS)}.")
    folder = Path(config.model)
    size = size_of(folder) if (folder / "config.json").is_file() else DecoderSize()
    prompts = load_prompts(config.prompts, count=config.prompt_count)
    longest = max(len(prompt.text) for prompt in prompts)
    pictured = IMAGE_TOKENS if any(prompt.image for prompt in prompts) else 0
    lengths = [stage_tokens(config.stages, index, longest, pictured) for index in range(len(config.stages))]
    own, answers = config.policy, config.prompts_per_step * config.group_size
    load = Load(min(ROWS_AT_ONCE, answers), max(sum(part) for part in lengths), config.optimiser.micro_batch_tokens)
    reference = config.algorithm.kl != "none" and config.algorithm.kl_beta > 0
    parts = memory(
        size,
        load,
        weights=own.weights,
        lora_rank=own.lora_rank,
        checkpointing=own.gradient_checkpointing,
        reference=reference,
        decoding="float32" if own.weights == config.optimiser.precision == "float32" else "bfloat16",
        engine=own.engine,
    )
    lines = [dump_config(config), f"model          {config.model}: {size.total / 1e9:.2f} billion weights"]
    lines[-1] += f", of which {learning(config, size) / 1e6:,.1f} million learn"
    lines.append(f"prompts        {len(prompts)} in {config.prompts}")
    lines.append(
        f"a step         {config.prompts_per_step} prompts x {config.group_size} answers x {len(lengths)} stages"
    )
    for stage, (prompt, reasoning, codes) in zip(config.stages, lengths, strict=True):
        total = prompt + reasoning + codes
        lines.append(
            f"  {stage.name:<13}up to {total} tokens: {prompt} prompt, {reasoning} reasoning, {codes - 1} codes"
        )
    lines.append("memory         GiB on one GPU, without sharding")
    lines += [f"  {name:<38}{value:8.2f}" for name, value in parts.items()]
    lines.append(f"  {'together':<38}{sum(parts.values()):8.2f}")
    lines.append(f"  logits of a pass: {_logits(size, load)}")
    return "\n".join([*lines, *judge_lines(config, lengths, size, load, reference)])


def learning(config: Config, size: DecoderSize) -> int:
    """Weights that learn."""
    return size.lora(config.policy.lora_rank) if config.policy.lora_rank else size.text


def stage_tokens(stages: Sequence[StageSpec], index: int, longest: int, pictured: int = 0) -> tuple[int, int, int]:
    """Prompt, reasoning and shape tokens of a stage at most, for prompts of at most that many characters and a picture's tokens."""
    stage = stages[index]
    turn = user_turn("x" * max(1, longest), stage.instruction, wording="full")[0]
    text = f"{SYSTEM['full']}system user assistant {turn}"
    seen = pictured
    for before in stages[:index]:
        seen += before.max_reasoning if f"{before.name}.reasoning" in stage.sees else 0
        seen += CODES + 2 if f"{before.name}.codes" in stage.sees else 0
    return ceil(len(text) / CHARACTERS_PER_TOKEN) + 12 + seen, stage.max_reasoning, CODES + 1


def judge_lines(
    config: Config, lengths: Sequence[tuple[int, int, int]], size: DecoderSize, load: Load, reference: bool
) -> list[str]:
    """Requests a step by reward, then the step's seconds and the judge servers that keep up with the rollouts."""
    judges = read_judges(Path(config.judges)) if config.judges else None
    answers = config.prompts_per_step * config.group_size
    views = len(CAMERAS[config.cameras].eye)
    lines = ["judgements     a step, nothing cached"]
    stages: list[dict[str, float]] = []
    for stage in config.stages:
        busy: dict[str, float] = {}
        for name, weight in asdict(stage.rewards).items():
            if weight:
                requests, seconds = ask_cost(name, judges, config, answers, views)
                if requests and judges is not None:
                    busy[judges.asked(name)] = busy.get(judges.asked(name), 0.0) + seconds
                who = f"{requests} requests" if requests else f"in process, {answers * views} views"
                lines.append(f"  {stage.name + '/' + name:<28}{who}")
        stages.append(busy)
    machine, batches = Machine(), ceil(answers / ROWS_AT_ONCE)
    rollouts = batches * decode_seconds(size, load, sum(r + c for _, r, c in lengths))
    tokens = answers * sum(sum(part) for part in lengths)
    lora, checkpointing = config.policy.lora_rank > 0, config.policy.gradient_checkpointing
    update = update_seconds(size, tokens, lora=lora, checkpointing=checkpointing, reference=reference)
    lines.append(
        f"time           seconds a step on one {machine.name}, reckoned (decoding at {machine.lockstep_bandwidth:.0%} of its bandwidth,"
    )
    lines[-1] += f" served judges at {machine.served_bandwidth:.0%}, {machine.reached_flops:.0%} of its arithmetic)"
    alone = dict.fromkeys(name for busy in stages for name in busy)
    waiting = judging_seconds(stages, dict.fromkeys(alone, 1))
    lines.append(
        f"  rollouts {rollouts:.0f}, update {update:.0f}, judges {waiting:.0f} with one server (a GPU) a model"
    )
    servers = servers_that_keep_up(stages, rollouts)
    said = ", ".join(f"{count} of {name}" for name, count in servers.items()) or "none"
    lines.append(f"  judge servers that take no longer than the rollouts: {said}")
    return lines


def judging_seconds(stages: Sequence[Mapping[str, float]], servers: Mapping[str, int]) -> float:
    """How long a step waits for its judges: stage after stage, its models at the same time, each model's work shared by its servers.

    `stages` has one server's seconds by model, for each stage.
    """
    return sum(max((busy[name] / servers[name] for name in busy), default=0.0) for busy in stages)


def servers_that_keep_up(stages: Sequence[Mapping[str, float]], budget: float) -> dict[str, int]:
    """By model, the fewest servers with which a step's judging takes at most `budget` seconds, each added where it saves most."""
    servers = dict.fromkeys((name for busy in stages for name in busy), 1)
    while judging_seconds(stages, servers) > budget:
        more = {name: judging_seconds(stages, servers | {name: servers[name] + 1}) for name in servers}
        least = min(more.values())
        # where several models are equally slow, no single server helps: the busiest of them gets it
        tied = [name for name, seconds in more.items() if seconds == least]
        servers[max(tied, key=lambda name: max(busy.get(name, 0.0) / servers[name] for busy in stages))] += 1
    return servers


def ask_cost(name: str, judges: Judges | None, config: Config, answers: int, views: int) -> tuple[int, float]:
    """Requests and one server's seconds for a reward in a step; 0 for what runs in process."""
    if name not in FULL_SIZE:
        return 0, 0.0
    if judges is None:
        raise ValueError(f"The reward {name} needs a judges file: set judges=configs/full/judges.yaml or your own.")
    if name in IN_PROCESS:
        return 0, 0.0
    prompt = judges.prompt(name)
    requests = answers * (views if prompt.views == "each" else 1)
    extra = config.prompts_per_step if name in ABOUT_PARTS else 0
    shown = 1 if prompt.views == "each" else views
    tokens = shown * ceil(config.render_size / 28) ** 2 + len(prompt.text) / CHARACTERS_PER_TOKEN
    return requests + extra, judge_seconds(requests + extra, tokens, _written(prompt))


def _written(prompt: JudgePrompt) -> float:
    return 500.0 if prompt.name == "unified_think" else ANSWER_TOKENS[prompt.format]


def _logits(size: DecoderSize, load: Load) -> str:
    restricted = logits_gib(size, load.micro_tokens, restricted=True)
    whole = logits_gib(size, load.micro_tokens, restricted=False)
    return f"{restricted:.2f} GiB over the codes, {whole:.2f} GiB it would be over all {size.rows:,} rows"
