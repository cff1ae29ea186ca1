"""Supervised training of the base policy on a mixture of every chain that will be compared.

The loss is the cross-entropy of the restricted head (chains' reasoning with its terminator, and codes; prompts are not learnt), so
that RL goes on from the very distribution that was taught.

    python -m maquette.policy.warm_start --out runs/base --steps 2500      # killed: the same command goes on

Speed on a small CPU: batches of like length instead of padding, the head at learnt positions only, bfloat16 products (2.2 times
float32 with AVX-512 BF16), plain attention (its backward is faster than the fused one's at this length).
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy

from maquette.cards import went_on_from
from maquette.codec.voxel_codec import VoxelCodec
from maquette.outputs import make_run_folder, write_text
from maquette.policy.chains import LessonBatch, LessonPlan, heldout_batches
from maquette.policy.folders import find_model
from maquette.policy.lessons import Lessons, fingerprint, prepare_lessons
from maquette.policy.model import Policy, load_policy, new_policy, tiny_config
from maquette.policy.tokenizer import PolicyTokenizer, train_tokenizer
from maquette.policy.warm_state import WarmState, average, load_state, new_state, save_state, schedule
from maquette.precision import products
from maquette.prompts.instructions import INSTRUCTIONS
from maquette.tracking import JsonLines, progress, provenance
from maquette.types import SegmentKind

HELDOUT, HELDOUT_SEED = 96, 7_000_001
"""How many objects, and which, a warm start measures itself by."""
TOKENIZER_SENTENCES = 60_000
SEEN = 48
"""Objects of the pool that are measured beside the held-out ones."""


@dataclass(frozen=True)
class Recipe:
    """The numbers of a warm start."""

    steps: int = 2500
    """Optimiser steps. Only the cool-down depends on it: a run in its plateau may be given more steps, or fewer, and resumed."""
    batch_size: int = 32
    """Sequences per step (about 210 tokens each)."""
    lr: float = 3e-3
    """Peak, of Muon (scaled to AdamW's size) and AdamW."""
    warmup: int = 100
    """Steps of linear warm-up."""
    cooldown: int = 1200
    """Last steps, in which the rate falls to zero."""
    weight_decay: float = 0.05
    """Of the layers' matrices."""
    ema: float = 0.998
    """Decay of the averaged weights."""
    max_grad_norm: float = 1.0
    """Gradients are scaled down to this norm."""
    bfloat16: bool = True
    """Products in bfloat16 under autocast where the processor has it, weights and sums in float32."""
    seed: int = 0
    """Of weights and order."""
    log_every: int = 20
    evaluate_every: int = 500
    checkpoint_every: int = 250
    keep_every: int = 0
    """Steps between policies of averaged weights kept under `kept/`, for a curve of what they answer (benchmarks/plateau.py); 0: none."""


def lesson_loss(policy: Policy, batch: LessonBatch) -> dict[SegmentKind, tuple[Float[Tensor, ""], int]]:
    """Summed cross-entropy and the number of learnt tokens, by kind of segment."""
    states = policy.hidden(batch.tokens)[:, :-1]
    found = {}
    for kind in (SegmentKind.REASONING, SegmentKind.SHAPE):
        here = (batch.learnt & (batch.segment == kind))[:, 1:]
        rows = policy.supports[kind].rows[batch.tokens[:, 1:][here]]
        logits = policy.head(states[here], kind).float()
        found[kind] = (cross_entropy(logits, rows, reduction="sum"), len(rows))
    return found


@torch.no_grad()
def evaluate(
    policy: Policy, heldout: Mapping[str, Sequence[LessonBatch]], bfloat16: bool, name: str = "heldout"
) -> dict[str, float]:
    """Mean loss in nats a token, by chain and kind of segment: `heldout/plan/reasoning`, and `heldout/all` over every token."""
    numbers: dict[str, float] = {}
    total, tokens = 0.0, 0
    for chain, batches in heldout.items():
        sums = {SegmentKind.REASONING: [0.0, 0], SegmentKind.SHAPE: [0.0, 0]}
        for batch in batches:
            with products("cpu", bfloat16):
                parts = lesson_loss(policy, batch)
            for kind, (loss, count) in parts.items():
                sums[kind][0] += float(loss)
                sums[kind][1] += count
        for kind, (loss, count) in sums.items():
            if count:
                numbers[f"{name}/{chain}/{kind.name.lower()}"] = loss / count
            total, tokens = total + loss, tokens + int(count)
    return numbers | {f"{name}/all": total / tokens}


def train_step(state: WarmState, batch: LessonBatch, recipe: Recipe) -> dict[str, float]:
    """One optimiser step on the token mean. ValueError before the weights are touched where the loss is not finite."""
    with products("cpu", recipe.bfloat16):
        parts = lesson_loss(state.policy, batch)
    loss = torch.stack([part for part, _ in parts.values()]).sum() / sum(count for _, count in parts.values())
    if not torch.isfinite(loss):
        raise ValueError(f"The loss is {float(loss)} at step {state.step}; lower the learning rate {recipe.lr}.")
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(state.policy.parameters(), recipe.max_grad_norm)
    rate = recipe.lr * schedule(state.step, recipe.steps, recipe.warmup, recipe.cooldown)
    state.optimiser.step(rate)
    state.step += 1
    average(state, recipe.ema)
    by_kind = {
        f"loss/{kind.name.lower()}": float(part.detach()) / max(1, count) for kind, (part, count) in parts.items()
    }
    return {
        "loss": float(loss.detach()),
        **by_kind,
        "grad_norm": float(norm),
        "lr": rate,
        "tokens": float(batch.tokens.numel()),
    }


def run(
    state: WarmState, plan: LessonPlan, heldout: Mapping[str, Sequence[LessonBatch]], recipe: Recipe, folder: Path
) -> None:
    """Train from `state.step` to the end; metrics.jsonl, `last.safetensors` and, at the plateau's end, `plateau.safetensors`.

    Measured on `heldout` and, as `seen/all`, on as many of its own objects: a gap between the two asks for more objects, not more steps.
    """
    tracker = JsonLines(folder, resume_at=state.step + 1)
    plateau = max(1, recipe.steps - recipe.cooldown)
    seen = heldout_batches(plan.lessons.first(SEEN), plan.tokenizer, recipe.batch_size, plan.wording)
    pool: list[LessonBatch] = []
    begun, before = time.perf_counter(), state.seconds
    state.policy.train()
    for step in progress(range(state.step, recipe.steps), "warm start", recipe.steps - state.step):
        if not pool or step % plan.pool == 0:
            pool = plan.batches(step - step % plan.pool)
        numbers = train_step(state, pool[step % plan.pool], recipe)
        state.seconds = before + time.perf_counter() - begun
        if state.step % recipe.evaluate_every == 0 or state.step == recipe.steps:
            tracker.log(state.step, numbers | {"seconds": state.seconds} | _evaluated(state, heldout, seen, recipe))
        elif state.step % recipe.log_every == 0:
            tracker.log(state.step, numbers | {"seconds": state.seconds})
        if state.step == plateau:
            save_state(state, folder / "plateau.safetensors")
        if state.step % recipe.checkpoint_every == 0 or state.step == recipe.steps:
            save_state(state, folder / "last.safetensors")
        if recipe.keep_every and state.step % recipe.keep_every == 0:
            with averaged_weights(state):
                state.policy.save(folder / "kept" / f"{state.step:06d}", torch.bfloat16)
    state.policy.eval()
    tracker.close()


def _evaluated(
    state: WarmState,
    heldout: Mapping[str, Sequence[LessonBatch]],
    seen: Mapping[str, Sequence[LessonBatch]],
    recipe: Recipe,
) -> dict[str, float]:
    """Held-out losses of the weights and, under `ema/`, of the averaged ones, with these on objects of the pool."""
    plain = evaluate(state.policy, heldout, recipe.bfloat16)
    with averaged_weights(state):
        smooth = evaluate(state.policy, heldout, recipe.bfloat16)
        known = evaluate(state.policy, seen, recipe.bfloat16, "seen")
    return plain | {"ema/heldout/all": smooth["heldout/all"], "ema/seen/all": known["seen/all"]}


@contextlib.contextmanager
def averaged_weights(state: WarmState):
    """The policy holds the averaged weights inside, its own again after."""
    own = {name: value.detach().clone() for name, value in state.policy.named_parameters()}
    try:
        _put(state.policy, state.averaged)
        yield
    finally:
        _put(state.policy, own)


@torch.no_grad()
def _put(policy: Policy, weights: Mapping[str, Tensor]) -> None:
    for name, value in policy.named_parameters():
        value.copy_(weights[name])


def base_tokenizer(folder: Path, lessons: Lessons, text_tokens: int, codebook_size: int) -> PolicyTokenizer:
    """The tokenizer in `folder`, or one learnt from the lessons' sentences and the instructions, and kept there."""
    if (folder / "tokenizer.json").is_file():
        return PolicyTokenizer.load(folder)
    told = [one.tiny for one in INSTRUCTIONS.values()] * 200
    sentences = [text for text, _ in zip(lessons.sentences(), range(TOKENIZER_SENTENCES), strict=False)]
    tokenizer = PolicyTokenizer(train_tokenizer([*sentences, *told], text_tokens, codebook_size), codebook_size)
    tokenizer.save(folder)
    return tokenizer


def warm_start(
    out: Path,
    *,
    codec: str = "tiny",
    objects: int = 20_000,
    heldout: int = HELDOUT,
    text_tokens: int = 1500,
    recipe: Recipe = Recipe(),
    start: str = "",
    lessons: Path | None = None,
    command: str = "",
) -> Policy:
    """Train a base policy into `out` and return it; run again, it goes on where it was.

    `start` names a policy to go on from (the supervised control of an RL run): its tokenizer is kept, the optimisers are new.
    `lessons` is the folder of prepared objects (default: inside `out`), which several runs may share. The result is written to
    `out/policy` with card.json: the averaged weights or the last ones, whichever has the lower held-out loss.
    """
    folder, shapes = make_run_folder(out), VoxelCodec.load(codec, bfloat16=recipe.bfloat16)
    store = lessons or folder / "lessons"
    train = prepare_lessons(store, shapes, "train", objects, recipe.seed)
    held = prepare_lessons(store, shapes, "heldout", heldout, HELDOUT_SEED)
    if start:
        policy = load_policy(start)
    else:
        tokenizer = base_tokenizer(folder / "tokenizer", train, text_tokens, shapes.codebook_size)
        policy = new_policy(tokenizer, tiny_config(len(tokenizer)), recipe.seed)
    state = new_state(policy, recipe.lr, recipe.weight_decay)
    if (folder / "last.safetensors").is_file():
        load_state(state, folder / "last.safetensors")
    plan = LessonPlan(train, policy.tokenizer, recipe.batch_size, recipe.seed)
    measured = heldout_batches(held, policy.tokenizer, recipe.batch_size)
    run(state, plan, measured, recipe, folder)
    data = {"objects": objects, "codec": fingerprint(shapes), "start": start}
    finish(state, measured, recipe, folder, data, command or f"python -m maquette.policy.warm_start --out {folder}")
    return policy


def finish(
    state: WarmState,
    heldout: Mapping[str, Sequence[LessonBatch]],
    recipe: Recipe,
    folder: Path,
    data: Mapping[str, str | int],
    command: str,
) -> None:
    """Keep the better of last and averaged weights in the policy, and write it with its card."""
    figures = evaluate(state.policy, heldout, bfloat16=False)
    with averaged_weights(state):
        smooth = evaluate(state.policy, heldout, bfloat16=False)
    averaged = smooth["heldout/all"] < figures["heldout/all"]
    if averaged:
        _put(state.policy, state.averaged)
    state.policy.save(folder / "policy", torch.bfloat16)
    card = {
        "what": "base policy: supervised on five chains, restricted head",
        "data": dict(data),
        **(went_on_from(find_model(str(data["start"]))) if data.get("start") else {}),
        "recipe": asdict(recipe),
        "steps_done": state.step,
        "seconds": round(state.seconds),
        "averaged": averaged,
        "heldout_nats_per_token": {
            k.removeprefix("heldout/"): round(v, 4) for k, v in (smooth if averaged else figures).items()
        },
        **provenance(command),
    }
    write_text(folder / "policy" / "card.json", json.dumps(card, indent=1) + "\n")


def main() -> None:
    """The command above."""
    import tyro

    tyro.cli(warm_start)


if __name__ == "__main__":
    main()
