"""Every knob, its default, its meaning. A YAML file under `configs/` holds only what differs; its name is the run's name.

Only `cli.py` and the entry functions of a run see a `Config`; below them everything takes plain values by keyword.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import tyro
import yaml


@dataclass(frozen=True)
class RewardWeights:
    """Weight of each reward in a stage's sum; 0: not used and not loaded. The paper's "divided by its dimensions" is 1/d."""

    preference: float = 0.0
    """How well a person would like it (HPS v2.1 at full size)."""
    alignment: float = 0.0
    """Agreement of text and views (CLIP, UnifiedReward)."""
    category: float = 0.0
    """Is it the kind of object that was asked for?"""
    geometry_consistency: float = 0.0
    """One and the same solid from all sides: no floaters, no holes, no second face."""
    appearance: float = 0.0
    """One and the same paint from all sides."""
    aesthetic: float = 0.0
    """Look alone, without the text."""
    parts: float = 0.0
    """Existence and completeness of each part that the prompt asks for."""


@dataclass(frozen=True)
class StageSpec:
    """One link of an answer's chain: what it is told, what it sees, how it is judged."""

    name: str = "fine"
    """Unique in the chain; later stages refer to it, e.g. `coarse.reasoning`."""
    instruction: str = "plan-then-fine"
    """Name of the instruction text in prompts/instructions.py."""
    sees: tuple[str, ...] = ("prompt",)
    """What stands in its user turn: prompt, NAME.reasoning, NAME.codes of earlier stages."""
    paint: Literal["grey", "colour"] = "colour"
    """How its mesh is drawn for its rewards."""
    from_next: float = 0.0
    """λ: how much of the next stage's return flows back to this one (FACTS §4: 1.0)."""
    max_reasoning: int = 96
    """Longest reasoning in tokens, its end included; 0: codes at once."""
    rewards: RewardWeights = field(default_factory=RewardWeights)
    """Its judges."""


COARSE = StageSpec(
    name="coarse",
    instruction="semantic-plan",
    paint="grey",
    from_next=1.0,
    rewards=RewardWeights(preference=1.0, alignment=1.0, category=1.0, geometry_consistency=1.0),
)
FINE = StageSpec(
    name="fine",
    instruction="visual-detail",
    sees=("prompt", "coarse.reasoning"),
    rewards=RewardWeights(preference=1.0, alignment=1.0, appearance=1.0, aesthetic=1.0, parts=1.0),
)


@dataclass(frozen=True)
class AlgorithmConfig:
    """How scores become a gradient; training/advantages.py and training/losses.py."""

    loss: Literal["grpo", "dapo", "dr-grpo", "gspo", "gspo-token", "cispo"] = "dapo"
    """Shape of the surrogate and of its mean; `dapo` is the token mean that Hi-GRPO uses (eq. 11)."""
    advantage: Literal["group", "mean", "loo", "rank"] = "group"
    """Normalisation within a group: (R - mean)/std, R - mean, leave-one-out, ranks."""
    mixing: Literal["paper", "standardised"] = "standardised"
    """Parts of one stage: weighted sum of raw values, or each standardised within its group first."""
    clip_low: float = 0.2
    """ε_low: the ratio is clipped below 1 - ε_low."""
    clip_high: float = 0.28
    """ε_high: the ratio is clipped above 1 + ε_high (DAPO: 0.28)."""
    kl: Literal["none", "k1", "k2", "k3"] = "k3"
    """Estimator of the divergence from the frozen base."""
    kl_beta: float = 0.01
    """β: weight of that divergence."""
    entropy_bonus: float = 0.0
    """Weight of the mean entropy, added to the objective."""
    updates_per_rollout: int = 1
    """Passes over each batch of answers; above 1 the clipping begins to matter."""
    minibatches: int = 1
    """Optimiser steps per pass; groups are never split."""


@dataclass(frozen=True)
class OptimiserConfig:
    """AdamW."""

    lr: float = 3e-5
    """Learning rate."""
    warmup_steps: int = 2
    """Steps of linear warm-up."""
    weight_decay: float = 0.0
    """Decoupled weight decay."""
    beta1: float = 0.9
    """Decay of the first moment."""
    beta2: float = 0.99
    """Decay of the second moment."""
    max_grad_norm: float = 1.0
    """Gradients are scaled down to this norm."""
    micro_batch_tokens: int = 8192
    """Tokens (padding included) per forward pass: bounds the memory, changes no result."""


@dataclass(frozen=True)
class Config:
    """A reinforcement-learning run: `maquette train CONFIG`."""

    model: str = "tiny"
    """Start and frozen reference: tiny (shipped), a run's folder, or a model folder."""
    codec: str = "tiny"
    """Shape codec: tiny (shipped) or a folder."""
    prompts: str = "train"
    """Prompt set: train, or a .txt/.csv/.jsonl file of yours (mini and mini-dev measure; do not train on them)."""
    prompt_count: int = 2000
    """How many of them; fixed by the set's own order."""
    steps: int = 100
    """Batches of rollouts."""
    prompts_per_step: int = 4
    """p."""
    group_size: int = 8
    """g: answers per prompt."""
    temperature: float = 1.0
    """Of the rollouts, and of every log-prob."""
    seed: int = 0
    """Of prompt order and sampling; same seed, same machine: same run."""
    stages: tuple[StageSpec, ...] = (COARSE, FINE)
    """The chain. One stage: GRPO and its kin; two: Hi-GRPO."""
    algorithm: AlgorithmConfig = field(default_factory=AlgorithmConfig)
    """From scores to gradient."""
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    """From gradient to weights."""
    reduce: Literal["max", "mean", "min"] = "mean"
    """How a judge of single views makes one score of v (the paper: max)."""
    cameras: str = "maquette-6"
    """Camera protocol of the reward views, by its name in rendering/cameras.py."""
    render_size: int = 64
    """Pixels per side of a reward view."""
    sample_every: int = 5
    """Steps between pictures in `samples/`; 0: never."""
    checkpoint_every: int = 10
    """Steps between checkpoints."""
    keep_checkpoints: int = 2
    """The newest k stay."""
    track: tuple[Literal["trackio", "wandb", "tensorboard"], ...] = ()
    """Trackers beside the JSON lines that are always written."""


@dataclass(frozen=True)
class CodecConfig:
    """`maquette train-codec CONFIG`: see codec/train.py."""

    steps: int = 4000
    """Optimiser steps."""
    batch_size: int = 16
    """Objects per step."""
    lr: float = 2e-3
    """Peak learning rate."""
    objects: int = 6000
    """Train compositions in the pool."""
    seed: int = 0
    """Of weights, data and order."""


@dataclass(frozen=True)
class WarmStartConfig:
    """`maquette warm-start CONFIG`: see policy/warm_start.py."""

    steps: int = 6000
    """Optimiser steps."""
    batch_size: int = 16
    """Sequences per step, drawn from every chain that will be compared."""
    lr: float = 1e-3
    """Peak learning rate."""
    objects: int = 20000
    """Train compositions in the pool."""
    codec: str = "tiny"
    """Whose codes are learnt."""
    seed: int = 0
    """Of weights, data and order."""


@dataclass(frozen=True)
class ScorersConfig:
    """`maquette train-scorers CONFIG`: see rewards/train.py."""

    steps: int = 1500
    """Optimiser steps per network."""
    objects: int = 4000
    """Train compositions rendered for it."""
    codec: str = "tiny"
    """Scorers judge what went through codec, mesher and renderer."""
    seed: int = 0
    """Of weights, data and order."""


K = TypeVar("K")


def load_config(path: Path | str, overrides: Sequence[str] = (), *, kind: type[K] = Config) -> K:  # type: ignore[assignment]
    """The tree that a YAML file and `key=value` overrides describe; `stages.0.max_reasoning=64` reaches into lists.

    The file becomes flags and tyro is the only parser of values. ValueError: unreadable file, unknown key (the nearest
    known one is named), a value that does not fit, or a tree that contradicts itself.
    """
    try:
        tree = yaml.safe_load(Path(path).read_text()) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, Mapping):
        raise ValueError(f"{path} holds a {type(tree).__name__}; a config is a mapping of keys to values.")
    flags = _flatten(tree) | dict(_override(text) for text in overrides)
    for key in flags:
        _check_key(key, kind, str(path))
    return parse_flags(flags, kind)


def parse_flags(flags: Mapping[str, list[str]], kind: type[K]) -> K:
    """`{"optimiser.lr": ["1e-5"]}` → the tree; lists of stages grow to the largest index that is named."""
    default = kind()
    indices = [int(match[1]) for match in (re.match(r"stages\.(\d+)\.", key) for key in flags) if match]
    if indices and isinstance(default, Config):
        given = "stages.length" in flags
        chain = [] if given else list(default.stages)
        chain += [StageSpec()] * (1 + max(indices) - len(chain))
        default = Config(stages=tuple(chain))
    words = [word for key, values in flags.items() if key != "stages.length" for word in (f"--{key}", *values)]
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint), contextlib.redirect_stdout(complaint):
            config = tyro.cli(kind, args=words, default=default, config=(tyro.conf.FlagConversionOff,))
    except SystemExit as stop:
        raise ValueError(_sentence(complaint.getvalue())) from stop
    if isinstance(config, Config):
        check(config)
    return config


def check(config: Config) -> None:
    """ValueError for a tree that cannot be run, before any time is spent."""
    names = [stage.name for stage in config.stages]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"stages need at least one entry and names of their own, not {names}.")
    for index, stage in enumerate(config.stages):
        known = {"prompt"} | {f"{name}.{what}" for name in names[:index] for what in ("reasoning", "codes")}
        for what in stage.sees:
            if what not in known:
                raise ValueError(f"Stage {stage.name} sees {what!r}; it can see {', '.join(sorted(known))}.")
        if stage.from_next < 0:
            raise ValueError(f"Stage {stage.name} has from_next = {stage.from_next}; λ must be at least 0.")
        if not any(asdict(stage.rewards).values()) and not stage.from_next:
            raise ValueError(f"Stage {stage.name} has no reward and nothing flows back to it: give it one.")
    if config.stages[-1].from_next:
        raise ValueError(f"Stage {names[-1]} is the last: nothing can flow back to it; set its from_next to 0.")
    least = {"group_size": 2, "prompts_per_step": 1, "steps": 1, "checkpoint_every": 1, "keep_checkpoints": 1}
    for key, bound in least.items():
        if asdict(config)[key] < bound:
            raise ValueError(f"{key} is {asdict(config)[key]}; it must be at least {bound}.")
    if config.prompt_count < config.prompts_per_step:
        raise ValueError(f"prompt_count {config.prompt_count} is less than prompts_per_step {config.prompts_per_step}.")
    if config.algorithm.updates_per_rollout < 1 or not 1 <= config.algorithm.minibatches <= config.prompts_per_step:
        raise ValueError("updates_per_rollout must be at least 1, minibatches between 1 and prompts_per_step.")


def dump_config(config: object) -> str:
    """The whole tree as YAML, as `load_config` reads it back."""
    return yaml.safe_dump(_plain(asdict(config)), sort_keys=False)  # type: ignore[call-overload]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value


def _flatten(tree: Any, prefix: str = "") -> dict[str, list[str]]:
    if isinstance(tree, Mapping):
        items = {str(key): value for key, value in tree.items()}
    elif isinstance(tree, list) and any(isinstance(item, Mapping) for item in tree):
        items = {str(index): value for index, value in enumerate(tree)}
    else:
        return {prefix: [str(item) for item in (tree if isinstance(tree, list) else [tree])]}
    flat = {f"{prefix}.length": [str(len(items))]} if isinstance(tree, list) else {}
    for key, value in items.items():
        flat |= _flatten(value, f"{prefix}.{key}" if prefix else key)
    return flat


def _override(text: str) -> tuple[str, list[str]]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--set takes key=value, not {text!r}.")
    return key.strip().replace("-", "_"), value.split(",") if value else []


def _check_key(key: str, kind: type, where: str) -> None:
    known = list(leaves(kind))
    plain = re.sub(r"^stages\.\d+", "stages.N", key)
    if plain in known or plain == "stages.length":
        return
    ends = {name.rsplit(".", 1)[-1]: name for name in known}
    near = difflib.get_close_matches(plain, known, 1, 0.6) or [
        ends[end] for end in difflib.get_close_matches(plain.rsplit(".", 1)[-1], list(ends), 1, 0.4)
    ]
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}."
    raise ValueError(f"Unknown key {key!r} ({where}): {hint}")


def leaves(kind: type, prefix: str = "") -> dict[str, Any]:
    """Dotted names of all leaves of a tree and their defaults; a stage's stand once, under `stages.N`."""
    found: dict[str, Any] = {}
    for part in fields(kind):
        default = part.default_factory() if callable(part.default_factory) else part.default
        if part.name == "stages":
            found |= leaves(StageSpec, "stages.N.")
        elif is_dataclass(default):
            found |= leaves(type(default), f"{prefix}{part.name}.")
        else:
            found[prefix + part.name] = default
    return found


def _sentence(complaint: str) -> str:
    """tyro's boxed complaint as one line, without its help."""
    lines = [line.strip(" │╭╮╰╯─-") for line in complaint.splitlines()]
    body = [line for line in lines[1:] if line]
    stop = next(
        (i for i, line in enumerate(body) if line.startswith(("Argument helptext", "For full", "Perhaps"))), len(body)
    )
    return " ".join(body[:stop])
