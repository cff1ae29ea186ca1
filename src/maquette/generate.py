"""Stops 1 to 5 of the road as one function: prompts → reasoning and codes → voxels → meshes → views, stage by stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor
from torch.nn.functional import pad

from maquette.codec.voxel_codec import VoxelCodec
from maquette.config import StageSpec
from maquette.gaussian_views import GaussianPainter
from maquette.prompts.instructions import SYSTEM, instruction, user_turn
from maquette.protocols import ChatTokenizer, Mesher, RolloutEngine, Sampling
from maquette.rendering.rasterise import render
from maquette.shape.surface import SurfaceMesher
from maquette.tracking import Stopwatch
from maquette.types import Cameras, Generation, Prompt, Rollouts, SeenImage, SegmentKind, StageOutput, Voxels


def generate(
    prompts: Sequence[Prompt],
    stages: Sequence[StageSpec],
    *,
    engine: RolloutEngine,
    codec: VoxelCodec,
    mesher: Mesher,
    cameras: Cameras,
    group_size: int,
    sampling: Sampling,
    render_size: int = 64,
    antialias: bool = True,
    paint_text: Literal["prompt", "reasoning"] = "prompt",
    painter: GaussianPainter | None = None,
    clock: Stopwatch | None = None,
    drawn: Callable[[Generation], None] | None = None,
) -> Generation:
    """`group_size` answers to every prompt, each a chain of `stages`; every stage decoded, meshed and drawn.

    `mesher` makes the meshes of coloured stages; grey ones are the plain iso-surface, whoever paints.
    `paint_text`: what a mesher that paints by text is told of an answer; an answer without reasoning is painted by its prompt.
    `painter` draws the colours of painted stages in the mesher's place.
    A stage's own `max_reasoning` takes the place of the sampling's. Malformed or empty answers are data (`failed`). `clock`
    gathers seconds under `decode`, `shape` and `render`; `drawn` is called after each
    stage with the answers so far. ValueError: no prompts, an empty prompt, an unknown instruction.
    """
    clock = clock or Stopwatch()
    if not prompts:
        raise ValueError("There are no prompts; give at least one.")
    requests, warnings = cut_requests(prompts, engine.tokenizer)
    images = [engine.look_at(prompt.image) if prompt.image else None for prompt in prompts]
    outputs: list[StageOutput] = []
    rows: list[Rollouts] = []
    for index, stage in enumerate(stages):
        turns, shown = _turns(requests, images, stage, outputs, engine.tokenizer, group_size)
        drawing = _stage_sampling(sampling, stage, index)
        with clock("decode"):
            # without a stage before it, the answers of one prompt share its prefill
            rollouts = engine.decode(turns, group_size if not outputs else 1, drawing, shown)
        written = read_answers(rollouts, engine.tokenizer, codec.codes_per_shape)
        texts = paint_texts(requests, written.reasoning, paint_text)
        outputs.append(_shown(written, stage, codec, mesher, texts, cameras, render_size, antialias, painter, clock))
        rows.append(rollouts)
        so_far = Generation(tuple(prompts), group_size, interleave(rows), tuple(outputs), warnings)
        if drawn is not None:
            drawn(so_far)
    return so_far  # pyright: ignore[reportPossiblyUnboundVariable] (a chain has a stage)


@dataclass(frozen=True)
class Written:
    """What a stage's tokens say."""

    reasoning: tuple[str, ...]
    codes: Int64[Tensor, "a c"]
    """-1 in the row of a malformed answer."""


def paint_texts(requests: Sequence[str], reasoning: Sequence[str], told: Literal["prompt", "reasoning"]) -> list[str]:
    """By what each answer is painted: answers are dealt out evenly over the requests, in order."""
    asked = [text for text in requests for _ in range(len(reasoning) // len(requests))]
    return [own or text for own, text in zip(reasoning, asked, strict=True)] if told == "reasoning" else asked


def cut_requests(prompts: Sequence[Prompt], tokenizer: ChatTokenizer) -> tuple[list[str], tuple[str, ...]]:
    """The prompts' texts, over-long ones cut to the tokenizer's limit, and a sentence for each that was cut."""
    texts, warnings = [], []
    for prompt in prompts:
        cut = tokenizer.encode_cut(prompt.text, tokenizer.prompt_limit)
        texts.append(tokenizer.decode(cut.ids) if cut.warning else prompt.text)
        if cut.warning:
            warnings.append(f"Prompt {prompt.id!r}: {cut.warning}")
    return texts, tuple(warnings)


def _turns(
    requests: Sequence[str],
    images: Sequence[SeenImage | None],
    stage: StageSpec,
    before: Sequence[StageOutput],
    tokenizer: ChatTokenizer,
    group_size: int,
) -> tuple[list[list[int]], list[SeenImage | None]]:
    """Prompt tokens of a stage and the picture of each: a row per prompt for the first stage, one per answer for later ones.

    What sees the prompt sees its picture.
    """
    system, repeats = SYSTEM[tokenizer.size], group_size if before else 1
    turns, shown = [], []
    for answer in range(len(requests) * repeats):
        plan = "\n".join(o.reasoning[answer] for o in before if f"{o.name}.reasoning" in stage.sees)
        seen = [o.codes[answer] for o in before if f"{o.name}.codes" in stage.sees]
        codes = tuple(code for row in seen for code in row.tolist() if code >= 0)
        image = images[answer // repeats]
        pieces = user_turn(requests[answer // repeats], stage.instruction, plan, codes, tokenizer.size)
        turns.append(tokenizer.chat(pieces, system, 0 if image is None else len(image.features)))
        shown.append(image)
    return turns, shown


def _stage_sampling(sampling: Sampling, stage: StageSpec, index: int) -> Sampling:
    """The stage's own length, and random numbers that no other stage has."""
    return replace(sampling, max_reasoning=reasoning_limit(stage), seed=sampling.seed * 16 + index)


def reasoning_limit(stage: StageSpec) -> int:
    """The most tokens of its reasoning, the end included; 0 for an instruction that asks for codes at once."""
    return stage.max_reasoning if instruction(stage.instruction).reasons else 0


def most_sampled(stage: StageSpec, codes_per_shape: int) -> int:
    """The most tokens that an answer to the stage can sample: its end of reasoning, where it is the limit's, is not one of them."""
    return max(1, reasoning_limit(stage)) - 1 + codes_per_shape


def read_answers(rollouts: Rollouts, tokenizer: ChatTokenizer, codes_per_shape: int) -> Written:
    """Strictly parsed: reasoning is what stands before the shape, codes are exact or the answer is malformed."""
    texts, codes = [], []
    for tokens, segment in zip(rollouts.tokens, rollouts.segment, strict=True):
        said = tokens[segment == SegmentKind.REASONING].tolist()
        shape = tokens[segment == SegmentKind.SHAPE].tolist()
        texts.append(tokenizer.decode(said))
        parsed = tokenizer.parse_shape([*said[-1:], *shape], codes_per_shape)
        codes.append(torch.full((codes_per_shape,), -1) if parsed is None else parsed)
    return Written(tuple(texts), torch.stack(codes))


def _shown(
    written: Written,
    stage: StageSpec,
    codec: VoxelCodec,
    mesher: Mesher,
    texts: Sequence[str],
    cameras: Cameras,
    size: int,
    antialias: bool,
    painter: GaussianPainter | None,
    clock: Stopwatch,
) -> StageOutput:
    """From codes to pictures."""
    with clock("shape"):
        voxels = codec.decode(written.codes)
        failed = empty(voxels)
        own = mesher if stage.paint == "colour" else SurfaceMesher()
        meshes = tuple(own.mesh(voxels, texts))
    with clock("render"):
        views = render(meshes, cameras, size=size, antialias=antialias, paint=stage.paint)
        if painter is not None and stage.paint == "colour":
            views = replace(views, rgb=painter.paint(voxels, texts, cameras, size))
    codes = written.codes.masked_fill(torch.from_numpy(failed)[:, None], -1)
    return StageOutput(stage.name, written.reasoning, codes, failed, voxels, meshes, views)


def empty(voxels: Voxels) -> Bool[np.ndarray, " a"]:
    """True for shapes without a single voxel; malformed answers decode to such."""
    return np.asarray(~voxels.occupancy.any((1, 2, 3)))


def interleave(stages: Sequence[Rollouts]) -> Rollouts:
    """The stages' sequences as one batch, ordered by (answer, stage), padded to the longest.

    Stage batches of a answers each become n = a·s rows: answer 0 stage 0, answer 0 stage 1, answer 1 stage 0, …
    """
    width = max(part.tokens.shape[1] for part in stages)
    filler = [
        int(part.tokens[part.segment == SegmentKind.PAD][0]) if (part.segment == 0).any() else 0 for part in stages
    ]

    def rows(columns: list[Tensor], fills: Sequence[int]) -> Tensor:
        wide = [pad(x, (0, width - x.shape[1]), value=fill) for x, fill in zip(columns, fills, strict=True)]
        return torch.stack(wide, 1).flatten(0, 1)

    none = [0] * len(stages)
    answers = len(stages[0].tokens)
    return Rollouts(
        tokens=rows([s.tokens for s in stages], filler),
        segment=rows([s.segment for s in stages], none),
        sampled=rows([s.sampled for s in stages], none),
        logprobs=rows([s.logprobs for s in stages], none),
        answer=torch.arange(answers).repeat_interleave(len(stages)),
        stage=torch.arange(len(stages)).repeat(answers),
        images=tuple(image for row in zip(*(s.images for s in stages), strict=True) for image in row),
    )
