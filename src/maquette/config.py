"""Every knob, its default, its meaning. A YAML file under `configs/` holds only what differs; its name is the run's name.

Only `cli.py` and the entry functions of a run see a `Config`; below them everything takes plain values by keyword.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


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
    general_consistency: float = 0.0
    """The same question to the general network, for the study `judges`."""
    appearance: float = 0.0
    """One and the same paint from all sides."""
    aesthetic: float = 0.0
    """Look alone, without the text."""
    parts: float = 0.0
    """Existence and completeness of each part that the prompt asks for."""
    hps: float = 0.0
    """Full size: HPS v2.1, about 0.2 to 0.35, of single views."""
    clip: float = 0.0
    """Full size: CLIP score, the cosine of text and view."""
    clip_aesthetic: float = 0.0
    """Full size: LAION's aesthetic predictor on CLIP ViT-L/14, 1 to 10, of single views."""
    unified: float = 0.0
    """Full size: UnifiedReward-2.0, alignment + coherence + style, 3 to 15, of single views."""
    unified_think: float = 0.0
    """Full size: UnifiedReward-Think's geometric alignment, 1 to 5, of single views."""
    judge_category: float = 0.0
    """Full size: is it what was asked for, 0 or 1, a vision-language model on all views."""
    judge_alignment: float = 0.0
    """Full size: agreement with the prompt, 0 to 1, on all views."""
    judge_geometry: float = 0.0
    """Full size: outline + appearance + parts alike across views, 0 to 3."""
    judge_appearance: float = 0.0
    """Full size: colour + material + texture, 0 to 3, on all views."""
    judge_parts: float = 0.0
    """Full size: existence + completeness of the prompt's parts, 0 to 2, on all views."""
    point_parts: float = 0.0
    """Full size: the same, 0 to 2, by a point-cloud model on coloured points."""


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
    """λ: how much of the next stage's return flows back to this one (the paper: 1.0)."""
    max_reasoning: int = 96
    """Longest reasoning in tokens, its end included; 0: codes at once."""
    rewards: RewardWeights = field(default_factory=RewardWeights)
    """Its judges."""
    from_next_on: Literal["answer", "reasoning"] = "answer"
    """What the next stage's return moves: reasoning and codes (the paper), or the reasoning alone, where the next stage sees no codes."""
    reasoning_weight: float = 1.0
    """Weight of a reasoning token in the stage's loss and its mean; a code's is 1."""


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
    rewards=RewardWeights(preference=0.5, alignment=2.0, appearance=0.5, aesthetic=0.5, parts=2.0),
)


@dataclass(frozen=True)
class AlgorithmConfig:
    """How scores become a gradient; training/advantages.py and training/losses.py."""

    loss: str = "dapo"
    """By its name in training/losses.py (grpo, dapo, dr-grpo, gspo, gspo-token, cispo, raft), or none: sample and score only."""
    advantage: str = "group"
    """By its name in training/advantages.py: (R - mean)/std, R - mean, leave-one-out, ranks, the best alone (RAFT)."""
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
    sampler_cap: float = 0.0
    """Above 0: each token weighs min(π_trainer/π_sampler, cap), which mends the drift of a low-precision or remote sampler."""
    outside_penalty: float = 0.0
    """Weight of -log of the probability inside the support: for exports that others sample without the restriction."""


@dataclass(frozen=True)
class DynamicConfig:
    """Dynamic sampling: groups that teach nothing make room for fresh prompts; training/dynamic.py."""

    enabled: bool = False
    """Off: every group counts, as sampled."""
    rule: Literal["exact", "spread", "band"] = "band"
    """Dropped: equal returns (DAPO) · a spread below `least_spread` · too easy or too hard: a mean outside the band."""
    least_spread: float = 0.02
    """τ: least standard deviation of a group's raw returns."""
    low: float = 0.1
    """Quantile of recent groups' mean returns below which a prompt is too hard."""
    high: float = 0.9
    """Quantile above which it is too easy."""
    window: int = 256
    """So many recent groups make the quantiles; below an eighth of them only equal returns are dropped."""
    budget: float = 3.0
    """Groups generated per step, at most, in batches of prompts_per_step."""


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
    average: float = 0.0
    """Above 0: the policy that is saved is the running mean of the weights with this decay (training/averaging.py)."""
    micro_batch_tokens: int = 8192
    """Tokens (padding included) per forward pass: bounds the memory, changes no result."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the products in the trainer's passes, in lockstep decoding and, on a CPU, in the codec; weights stay as they are held.
    bfloat16 is quicker where the processor has it, and float32 where it has not; the sampler drifts by 1e-2 nats a token (logged)."""


@dataclass(frozen=True)
class PolicyConfig:
    """How the policy is held, what of it learns, and who decodes; the defaults fit the tiny size."""

    device: str = "cpu"
    """Where policy and codec live: cpu, cuda, cuda:1."""
    weights: Literal["float32", "bfloat16", "4bit"] = "float32"
    """Held as; bfloat16 and 4bit are for bases under adapters, full fine-tuning wants float32."""
    lora_rank: int = 0
    """Rank of the adapters that learn; 0: every weight learns (never the vision tower's)."""
    lora_alpha: float = 64.0
    """Their product is scaled by alpha / rank."""
    gradient_checkpointing: bool = False
    """Layers are computed again in the backward pass: a third more time, a tenth of the activations."""
    engine: Literal["lockstep", "vllm", "vllm-server"] = "lockstep"
    """Who decodes: this process's own weights in step, vLLM in this process, or vLLM behind `servers`."""
    servers: tuple[str, ...] = ()
    """Addresses of vLLM servers up to and with /v1, for engine vllm-server."""
    served_adapters: str = "runs/served-adapters"
    """Folder where adapters are written for those servers to read."""


@dataclass(frozen=True)
class Config:
    """A reinforcement-learning run: `maquette train CONFIG`."""

    model: str = "tiny"
    """Start and frozen reference: tiny or tiny-rl (shipped), a run's folder, or a model folder."""
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
    answered_in: int = 1
    """Parts in which a step's prompts are answered one after the other: less memory, and something to do while judges work."""
    judged_beside: bool = False
    """Each stage of each part is scored on a thread of its own while the next one is decoded: for judges that compute elsewhere."""
    seed: int = 0
    """Of prompt order and sampling; same seed, same machine: same run."""
    stages: tuple[StageSpec, ...] = (COARSE, FINE)
    """The chain. One stage: GRPO and its kin; two: Hi-GRPO."""
    algorithm: AlgorithmConfig = field(default_factory=AlgorithmConfig)
    """From scores to gradient."""
    dynamic: DynamicConfig = field(default_factory=DynamicConfig)
    """Which groups are worth an update."""
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    """From gradient to weights."""
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    """How the model is held and decoded."""
    mesher: Literal["surface", "trellis", "trellis-gaussians"] = "surface"
    """Who makes meshes of voxels: the iso-surface, an installed TRELLIS with its paint, or the iso-surface painted by its Gaussians."""
    paint_text: Literal["prompt", "reasoning"] = "prompt"
    """What TRELLIS is told of an answer (the paper does not say)."""
    judges: str = ""
    """YAML file with the addresses, weights and models of the full-size rewards; see configs/full/judges.yaml."""
    reduce: Literal["max", "mean", "min"] = "mean"
    """How a judge of single views makes one score of v (the paper: max)."""
    cameras: str = "maquette-6"
    """Camera protocol of the reward views, by its name in rendering/cameras.py."""
    render_size: int = 64
    """Pixels per side of a reward view."""
    probe_every: int = 10
    """Steps between looks of the evaluators, which never reward, at answers to held-out prompts (training/probe.py); 0: never."""
    probe_prompts: int = 16
    """So many of mini-dev, always the same ones with the same random numbers."""
    sample_every: int = 5
    """Steps between pictures in `samples/`; 0: never."""
    checkpoint_every: int = 10
    """Steps between checkpoints."""
    keep_checkpoints: int = 2
    """The newest k stay."""
    track: tuple[Literal["trackio", "wandb", "tensorboard"], ...] = ()
    """Trackers beside the JSON lines that are always written."""
