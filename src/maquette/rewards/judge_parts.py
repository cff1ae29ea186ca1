"""Which parts a prompt asks for, and how a judge's findings about them become one number (paper, appendix B.2)."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32

from maquette.rewards.judge_client import JudgeClient, Question
from maquette.rewards.judge_prompts import JudgePrompt
from maquette.types import Mesh, PartSpec, Prompt


@dataclass
class PartLists:
    """The asked parts of each prompt: as its file states them, else by a judge, once per text."""

    client: JudgeClient
    prompt: JudgePrompt
    _known: dict[str, tuple[PartSpec, ...]] = field(default_factory=dict, repr=False)

    def of(self, prompts: Sequence[Prompt]) -> dict[str, tuple[PartSpec, ...]]:
        """By prompt id; () where the judge could not say, or where the text asks for none."""
        new = [p for p in prompts if not p.parts and p.text not in self._known]
        texts = list(dict.fromkeys(p.text for p in new))
        questions = [
            Question(self.prompt.say(prompt=text), self.prompt.parse, self.prompt.system, schema=self.prompt.schema())
            for text in texts
        ]
        for text, answer in zip(texts, self.client.ask(questions) if questions else [], strict=True):
            if answer.value is not None:
                self._known[text] = read_list(answer.value)
        return {p.id: p.parts or self._known.get(p.text, ()) for p in prompts}


def read_list(value: Mapping[str, object]) -> tuple[PartSpec, ...]:
    """A judge's list, one entry per name, at most eight."""
    listed = value["parts"]
    assert isinstance(listed, list)
    found = {part["name"].strip().lower(): int(part["count"]) for part in listed}
    return tuple(PartSpec(name, count) for name, count in found.items() if name)[:8]


def spoken(parts: Sequence[PartSpec]) -> str:
    """>>> spoken([PartSpec("leg", 4, "red"), PartSpec("seat")])
    '4 x red leg, seat'
    """
    words = [" ".join(w for w in (part.color, part.pattern, part.name) if w) for part in parts]
    return ", ".join(f"{p.count} x {word}" if p.count else word for p, word in zip(parts, words, strict=True))


def part_score(value: Mapping[str, object], asked: Sequence[PartSpec]) -> float:
    """In [0, 2]: the mean over the asked parts of existence + completeness. A part that the judge left out is not there."""
    said = value["parts"]
    assert isinstance(said, list)
    by_name = {" ".join(part["name"].lower().split()): part for part in said}
    in_order = len(said) == len(asked)
    total = 0.0
    for index, part in enumerate(asked):
        found = said[index] if in_order else _named(by_name, part.name)
        if found is not None and found["exists"]:
            total += found["exists"] + found["completeness"]
    return total / len(asked)


def _named(said: Mapping[str, dict], name: str) -> dict | None:
    """The entry whose name is, or ends in, the asked one (`front leg` for `leg`), plural or not."""
    wanted = name.lower()
    for key, part in said.items():
        if key.rstrip("s") == wanted.rstrip("s") or key.rstrip("s").endswith(" " + wanted.rstrip("s")):
            return part
    return None


@dataclass(frozen=True)
class PointCloud:
    """Coloured points of a mesh, area-weighted; what a point-cloud model is shown."""

    density: float = 4000.0
    """ρ, points per unit of area (a unit cube has 6); the paper states the rule and not the number."""
    most: int = 10_000
    """Points are thinned to this many."""
    seed: int = 0

    def sample(self, mesh: Mesh) -> Float32[np.ndarray, "m 6"]:
        """x, y, z, r, g, b: ceil(ρ·area) points on every face, uniform in barycentric coordinates, colours between corners'."""
        if not len(mesh.faces):
            return np.zeros((0, 6), np.float32)
        rng = np.random.default_rng(self.seed)
        corners = mesh.vertices[mesh.faces]
        area = 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
        face = np.repeat(np.arange(len(area)), np.ceil(self.density * area).astype(int))
        root, along = np.sqrt(rng.random(len(face))), rng.random(len(face))
        weights = np.stack([1 - root, root * (1 - along), root * along], 1)[:, :, None]
        paint = np.full((len(mesh.vertices), 3), 0.6, np.float32) if mesh.color is None else mesh.color
        points = np.concatenate([(corners[face] * weights).sum(1), (paint[mesh.faces][face] * weights).sum(1)], 1)
        kept = rng.permutation(len(points))[: self.most]
        return points[np.sort(kept)].astype(np.float32)

    def encode(self, mesh: Mesh) -> bytes:
        """A .npy file of `sample`, which the server's adapter reads from the data URL."""
        buffer = io.BytesIO()
        np.save(buffer, self.sample(mesh))
        return buffer.getvalue()
