"""The seams: what a stop must promise so that another can stand in its place. Each has two real implementations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from jaxtyping import Float, Int64
from torch import Tensor

from maquette.types import Generation, Mesh, Prompt, Rollouts, SeenImage, Views, Voxels


@runtime_checkable
class Mesher(Protocol):
    """Turns voxels into meshes; texts (one per shape) may guide the paint."""

    def mesh(self, voxels: Voxels, texts: Sequence[str] | None = None) -> list[Mesh]:
        """One mesh per shape; an empty shape gives a mesh without faces, never an exception."""
        ...


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn. Rollouts for training use temperature only (top_p = 1, top_k = 0)."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    max_reasoning: int = 96
    """Longest reasoning segment in tokens, its terminator included; 0: the stage does not reason."""
    seed: int = 0
    first_row: int = 0
    """Place of the first row in the whole batch, of which this may be a part: row i's random numbers depend on seed and first_row + i."""


@dataclass(frozen=True)
class CutText:
    """Encoded text, and what was done to it: `warning` is "" or one sentence."""

    ids: list[int]
    warning: str = ""


@runtime_checkable
class ChatTokenizer(Protocol):
    """Text and codes ↔ tokens; user text never becomes a control token."""

    prompt_limit: int
    """Longest request in tokens; what is over is cut off with a warning."""
    size: Literal["tiny", "full"]
    """Which wording of the instructions the model was taught."""

    def encode_cut(self, text: str, limit: int) -> CutText: ...

    def chat(self, pieces: Sequence[str | tuple[int, ...]], system: str = "", image_tokens: int = 0) -> list[int]: ...

    def decode(self, ids: Sequence[int]) -> str: ...

    def parse_shape(self, ids: Sequence[int], codes_per_shape: int) -> Int64[Tensor, " c"] | None:
        """The codes of exactly `<mesh-start>`, c codes, `<mesh-end>`; None for anything else."""
        ...


@runtime_checkable
class RolloutEngine(Protocol):
    """Decodes one stage of many answers: prompt tokens → reasoning → exactly c codes."""

    @property
    def tokenizer(self) -> ChatTokenizer: ...

    def look_at(self, image: str) -> SeenImage:
        """What the policy sees of a picture. ValueError where it has no eyes, or where there is no picture."""
        ...

    def decode(
        self,
        prompts: Sequence[Sequence[int]],
        repeats: int,
        sampling: Sampling,
        images: Sequence[SeenImage | None] = (),
    ) -> Rollouts:
        """len(prompts)·repeats rows, prompt-major; `answer` counts rows, `stage` is 0 (the caller renumbers).

        `images`: the picture of each prompt, () where none has one.
        """
        ...

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take over the trainer's current weights; engines that share the trainer's module need do nothing."""
        ...


@runtime_checkable
class Reward(Protocol):
    """One judge of rendered answers."""

    name: str

    @property
    def worst(self) -> float:
        """The stated value of a failed answer."""
        ...

    @property
    def higher_is(self) -> str:
        """What a higher value means, in words for the report, e.g. `closer to the text`."""
        ...

    def score(self, generation: Generation, stage: int) -> Float[Tensor, " a"]:
        """One value per answer; a failed answer gets `worst`. NaN is missing, and for served judges and `Choosy` rewards alone."""
        ...


@runtime_checkable
class Choosy(Protocol):
    """A reward that has nothing to say about some prompts: all of their answers are NaN."""

    def has_words_for(self, prompt: Prompt) -> bool:
        """Whether it judges the answers to this prompt."""
        ...


@runtime_checkable
class Tracker(Protocol):
    """Where numbers and pictures go."""

    def log(self, step: int, numbers: Mapping[str, float]) -> None: ...

    def log_views(self, step: int, name: str, views: Views, captions: Sequence[str]) -> None: ...

    def close(self) -> None: ...
