"""Rewards that a vision-language model gives: UnifiedReward on single views, Qwen2.5-VL on all of them, parts one by one."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from maquette.rewards.judge_client import Answer, JudgeClient, Question
from maquette.rewards.judge_parts import PartLists, part_score, spoken
from maquette.rewards.judge_prompts import JudgePrompt
from maquette.rewards.scorers import Reduce, reduced, stated
from maquette.tracking import tell
from maquette.types import Generation, Mesh, PartSpec, StageOutput

CONSTANT_AFTER = 64
"""Answers that are all alike before a judge is called constant."""
MEANINGS = {
    "unified": "closer to the text, more coherent, better looking, in single views",
    "unified_think": "geometry closer to the text, in single views",
    "judge_category": "the kind of object that was asked for",
    "judge_alignment": "closer to the prompt",
    "judge_geometry": "one and the same solid from all sides",
    "judge_appearance": "smoother colour, more real material, more plausible texture",
    "judge_parts": "more of the asked parts there, whole and in the right number",
    "point_parts": "more of the asked parts there, whole and in the right number, as points",
}


@runtime_checkable
class Pointed(Protocol):
    """Turns meshes into what a point-cloud model is shown."""

    def encode(self, mesh: Mesh) -> bytes: ...


@dataclass
class JudgedReward:
    """One prompt file asked of one model. NaN where the judge gave no answer: never held against the shape."""

    name: str
    client: JudgeClient
    prompt: JudgePrompt
    lists: PartLists | None = None
    """Where the asked parts come from; only for prompts about parts."""
    reduce: Reduce = "max"
    """Of single views (the paper: max)."""
    points: Pointed | None = None
    _seen: list[float] = field(default_factory=list, repr=False)
    _said: bool = field(default=False, repr=False)

    @property
    def higher_is(self) -> str:
        return MEANINGS[self.name]

    @property
    def worst(self) -> float:
        return self.prompt.worst

    def score(self, generation: Generation, stage: int) -> Float[Tensor, " a"]:
        """Failed answers get `worst` without being shown; ValueError (`JudgeGone`) where nobody answers."""
        output = generation.stages[stage]
        answers = range(len(output.failed))
        asked = self.lists.of(generation.prompts) if self.lists else {}
        questions, owners = [], []
        for answer in answers:
            prompt = generation.prompt_of(answer)
            if output.failed[answer] or (self.lists and not asked[prompt.id]):
                continue
            own = self._questions(output, answer, prompt.text, asked.get(prompt.id, ()))
            questions += own
            owners += [answer] * len(own)
        replies = self.client.ask(questions)
        values = torch.full((len(answers),), torch.nan)
        for answer in answers:
            own = [reply for reply, owner in zip(replies, owners, strict=True) if owner == answer]
            values[answer] = self._one(own, asked.get(generation.prompt_of(answer).id, ()))
        self._warn_if_constant(values[~values.isnan()].tolist())
        failed = torch.from_numpy(output.failed)
        askable = torch.tensor([not self.lists or bool(asked[generation.prompt_of(a).id]) for a in answers])
        return stated(torch.where(failed & askable, torch.tensor(self.worst), values), output.failed, self.worst)

    def _questions(self, output: StageOutput, answer: int, text: str, parts: Sequence[PartSpec]) -> list[Question]:
        if self.prompt.views == "points":
            if self.points is None:
                raise ValueError(
                    f"{self.name} shows point clouds and was given none: their density stands under `points:`, a key of its own at the "
                    "top of the judges file."
                )
            shown = [(self.points.encode(output.meshes[answer]),)]
        else:
            pictures = tuple(png(view) for view in output.views.rgb[answer])
            shown = [(picture,) for picture in pictures] if self.prompt.views == "each" else [pictures]
        count = len(output.views.rgb[answer])
        said = self.prompt.say(prompt=text, views=count, parts=spoken(parts))
        schema = self.prompt.schema() if self.prompt.format == "json" else None
        media = "application/x-npy" if self.prompt.views == "points" else "image/png"
        return [Question(said, self.prompt.parse, self.prompt.system, images, media, schema) for images in shown]

    def _one(self, replies: Sequence[Answer], parts: Sequence[PartSpec]) -> float:
        """One number of an answer's views; views that the judge left out do not count."""
        values = [reply.value for reply in replies if reply.value is not None]
        if not values:
            return float("nan")
        if self.lists:
            return part_score(values[0], parts)
        return float(reduced(torch.tensor([[float(v["score"]) for v in values]]), self.reduce))  # type: ignore[arg-type]

    def _warn_if_constant(self, values: list[float]) -> None:
        self._seen = [*self._seen, *values][-CONSTANT_AFTER:]
        if not self._said and len(self._seen) == CONSTANT_AFTER and len(set(self._seen)) == 1:
            self._said = True
            tell(
                f"The judge {self.name} ({self.client.settings.model}) gave {self._seen[0]:g} to all of the last "
                f"{CONSTANT_AFTER} answers: it carries no signal. Look at its prompt and its server before going on."
            )


def png(rgb: UInt8[np.ndarray, "h w 3"]) -> bytes:
    """The same bytes for the same pixels."""
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
