"""The nouns that travel between the stops of the road, and the letters of their axes.

p prompts · g answers per prompt · a = p·g answers (answer i belongs to prompt i // g) · s stages of an answer
n = a·s token sequences · t tokens · c codes per shape · r voxels per side · v views · h w pixels · k reward parts

Geometry is z-up, right-handed, inside the unit cube [-0.5, 0.5]³; x is right, +y is back (an object's front looks to -y).
Voxel (i, j, k) has its centre at ((i, j, k) + 0.5) / r - 0.5. Colours are sRGB in [0, 1] (floats) or 0..255 (uint8).
Arrays made by geometry and rendering are numpy; arrays that a model reads or writes are torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Int8, Int64, UInt8
from torch import Tensor


@dataclass(frozen=True)
class PartSpec:
    """A part that a prompt asks for, e.g. `PartSpec("leg", 4, "red", "striped")`: four red striped legs. 0 and "": not stated."""

    name: str
    count: int = 0
    color: str = ""
    pattern: str = ""
    material: str = ""


@dataclass(frozen=True)
class Prompt:
    """One request. `parts` are what the text asks for; "" and () stand for 'not stated'."""

    id: str
    text: str
    category: str = ""
    """The suite's category, e.g. `mechanical`."""
    family: str = ""
    """The kind of object, e.g. `chair`."""
    parts: tuple[PartSpec, ...] = ()
    attributes: tuple[str, ...] = ()
    """Qualities of the whole or of a part, in the text's own words, e.g. `slightly bent`."""
    relations: tuple[tuple[str, str, str], ...] = ()
    """(subject, relation, object), e.g. `("chick", "stands on", "feet")`."""
    questions: tuple[str, ...] = ()
    """What a judge is asked about it; "yes" is the right answer to each."""
    image: str = ""
    """File of a picture of what to make, which a policy with eyes sees beside the text; rewards read the text alone."""


class SegmentKind(IntEnum):
    """What a token belongs to."""

    PAD = 0
    PROMPT = 1
    REASONING = 2
    SHAPE = 3


@dataclass(frozen=True)
class SeenImage:
    """A picture as a vision-language policy reads it: k = rows · columns features in the places of its image tokens."""

    features: Float[Tensor, "k d"]
    grid: tuple[int, int]
    """Rows and columns."""


@dataclass(frozen=True)
class Rollouts:
    """n = a·s token sequences, right-padded; row n is answer `answer[n]`, stage `stage[n]`, ordered by (answer, stage).

    Example, one answer of one stage with c = 3 codes (`.` marks sampled = False):
        tokens   <user> a red chair <assistant> | four legs <mesh-start> | <mesh7> <mesh1> <mesh7> | <mesh-end>
        segment  PROMPT …                       | REASONING …            | SHAPE …                 | SHAPE
        sampled  .  .  .  .  .                  | yes  yes  yes          | yes yes yes             | .
    A `<mesh-start>` that was forced at the length limit, and every `<mesh-end>`, is not sampled.
    """

    tokens: Int64[Tensor, "n t"]
    segment: Int8[Tensor, "n t"]
    sampled: Bool[Tensor, "n t"]
    """True where the policy chose the token: only these carry log-probs, advantages and gradients."""
    logprobs: Float32[Tensor, "n t"]
    """As the sampler saw them, of token t given tokens < t, restricted and with temperature; 0 where not sampled."""
    answer: Int64[Tensor, " n"]
    stage: Int64[Tensor, " n"]
    images: tuple[SeenImage | None, ...] = ()
    """What each row's image tokens stand for; () where no row has any."""


@dataclass(frozen=True)
class Voxels:
    """Solid shapes on a cubic grid, axes (x, y, z). Colours of empty voxels are 0 and mean nothing."""

    occupancy: Bool[np.ndarray, "a r r r"]
    color: Float32[np.ndarray, "a r r r 3"] | None = None
    density: Float32[np.ndarray, "a r r r"] | None = None
    """How sure a decoder is that a voxel is occupied, 0 to 1, above 0.5 where `occupancy` says so; None: it is known."""

    def __len__(self) -> int:
        return len(self.occupancy)

    @property
    def resolution(self) -> int:
        return self.occupancy.shape[-1]


def check_rows(name: str, vertices: int, faces: Int[np.ndarray, "F 3"], color: np.ndarray | None) -> None:
    """What `Mesh.check` asks of a mesh that is still in parts."""
    if len(faces) and not 0 <= faces.min() <= faces.max() < vertices:
        worst = int(faces.max() if faces.max() >= vertices else faces.min())
        raise ValueError(f"{name} has {vertices} vertices but a face names vertex {worst}.")
    if color is not None and color.shape != (vertices, 3):
        raise ValueError(f"{name} has {vertices} vertices but colours of shape {list(color.shape)}.")


@dataclass(frozen=True)
class Mesh:
    """One triangle mesh. `color` is per vertex; None is unpainted (drawn grey)."""

    vertices: Float32[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    color: Float32[np.ndarray, "V 3"] | None = None

    def check(self, name: str) -> None:
        """ValueError where a face names a vertex that is not there, or colours are not one a vertex: compiled loops do not look."""
        check_rows(name, len(self.vertices), self.faces, self.color)


@dataclass(frozen=True)
class Cameras:
    """v pinhole cameras that look at the origin."""

    eye: Float32[np.ndarray, "v 3"]
    """World positions, in the units of the unit cube."""
    fov_degrees: float
    """Vertical = horizontal field of view; pictures are square."""
    name: str = ""
    """The protocol's name, kept in every record, e.g. `maquette-6`."""


@dataclass(frozen=True)
class Views:
    """Rendered pictures of a meshes from v cameras."""

    rgb: UInt8[np.ndarray, "a v h w 3"]
    depth: Float32[np.ndarray, "a v h w"]
    """Distance along the view axis; 0 where nothing is seen."""
    normal: Float32[np.ndarray, "a v h w 3"]
    """Unit normals in world axes; 0 where nothing is seen."""
    mask: Bool[np.ndarray, "a v h w"]
    cameras: Cameras

    def __len__(self) -> int:
        return len(self.rgb)


@dataclass(frozen=True)
class StageOutput:
    """What one stage of every answer became, from text to pictures."""

    name: str
    reasoning: tuple[str, ...]
    """One text per answer; "" where the stage does not reason."""
    codes: Int64[Tensor, "a c"]
    """-1 in the whole row of a failed answer."""
    failed: Bool[np.ndarray, " a"]
    """True where the answer is malformed or its shape is empty; its mesh is empty and its views are background."""
    voxels: Voxels
    meshes: tuple[Mesh, ...]
    views: Views


@dataclass(frozen=True)
class Generation:
    """All of one batch: p prompts, g answers each, every stage with its reasoning, codes, shapes and views."""

    prompts: tuple[Prompt, ...]
    group_size: int
    rollouts: Rollouts
    stages: tuple[StageOutput, ...]
    warnings: tuple[str, ...] = ()
    """What had to be done to a request, e.g. that it was too long and cut."""

    def prompt_of(self, answer: int) -> Prompt:
        return self.prompts[answer // self.group_size]


@dataclass(frozen=True)
class Scores:
    """Raw reward parts. A part that a stage does not use is NaN in that column; nothing here is mixed or normalised."""

    names: tuple[str, ...]
    values: Float[Tensor, "k a s"]
    missing: Bool[Tensor, "k a s"]
    """The judge failed (never the answer's fault): left out of the part's group statistics, contributes 0."""
    failed: Bool[Tensor, "a s"]
    """The answer is malformed: it holds each part's stated worst value."""


@dataclass(frozen=True)
class Batch:
    """A minibatch of sequences for one update, with everything a loss may need."""

    rollouts: Rollouts
    advantages: Float[Tensor, "n t"]
    weights: Float[Tensor, "n t"]
    """What each token counts in the loss and in its mean; 0 where not sampled."""
    old_logprobs: Float[Tensor, "n t"] | None
    """The trainer's own before the first update; None where this is the first and only one (every ratio is then 1)."""
    reference_logprobs: Float[Tensor, "n t"] | None
