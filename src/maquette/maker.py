"""A model that is loaded once and answers one request after another: for the command line and for the studio."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path

import torch

from maquette.gaussian_views import Paint, open_mesher
from maquette.generate import generate, paint_texts, reasoning_limit
from maquette.policy.devices import best_device
from maquette.policy.lockstep import LockstepEngine
from maquette.policy.model import codec_of, load_policy
from maquette.prompts.asked import parts_in
from maquette.protocols import Sampling
from maquette.rendering.cameras import CAMERAS
from maquette.runs import source_of
from maquette.shape.files import write_mesh
from maquette.shape.surface import SurfaceMesher
from maquette.shape.trellis import TrellisMesher
from maquette.types import Generation, Prompt, Voxels

PICTURED = "the object in the picture"
"""What is asked for where a picture comes without words."""


class Maker:
    """A policy with its codec and its chain, ready to answer; full-size models run where there is a GPU."""

    def __init__(self, model: str, codec: str = "", paint: Paint = "surface") -> None:
        """`model` as every command takes it (see `runs.source_of`); `codec`: another than its own.

        ValueError: no such model, or no TRELLIS.
        """
        self.mesher = open_mesher(paint)[0]
        self.source = source_of(model)
        device = best_device() if self.source.full else "cpu"
        self.policy = load_policy(self.source.model, device, torch.float32 if device == "cpu" else torch.bfloat16)
        self.codec = codec_of(self.policy, codec or self.source.codec, device)

    def answer(
        self,
        text: str,
        *,
        answers: int,
        seed: int,
        temperature: float | None = None,
        image: Path | None = None,
        drawn: Callable[[Generation], None] | None = None,
        shown: Callable[[str, int, int], None] | None = None,
        painted: bool = True,
    ) -> Generation:
        """That many answers to one request. A picture may stand beside the text, or in its place; `drawn` as `generate` has it.

        `shown` is told after every token of the stage's name, how many are written, and how many there can be. Not `painted`: all
        meshes are plain iso-surfaces.
        """
        source, codec = self.source, self.codec
        wanted = text.strip() or PICTURED if image else text
        # large judges list the parts themselves
        parts = () if source.full else parts_in(wanted)
        engine = LockstepEngine(self.policy, codec.codes_per_shape, self.policy.dtype)
        batches = [1 if s == source.stages[0] else ceil(answers / engine.rows_at_once) for s in source.stages]
        each = [max(1, reasoning_limit(s)) + codec.codes_per_shape for s in source.stages]
        count = _Count([(s.name, n * b) for s, n, b in zip(source.stages, each, batches, strict=True)], drawn, shown)
        engine.stepped = count.token
        return generate(
            (Prompt("request", wanted, parts=parts, image=str(image or "")),),
            source.stages,
            engine=engine,
            codec=codec,
            mesher=self.mesher if painted else SurfaceMesher(),
            paint_text=source.paint_text,
            cameras=CAMERAS["maquette-6"],
            group_size=answers,
            sampling=Sampling(
                temperature=source.temperature if temperature is None else temperature, top_p=source.top_p, seed=seed
            ),
            render_size=source.render_size,
            drawn=count.stage,
        )

    def write(self, generation: Generation, kept: Sequence[int], paths: Sequence[Path]) -> None:
        """The kept answers' last stage as files; with TRELLIS, .glb files with a baked texture."""
        last = generation.stages[-1]
        if isinstance(self.mesher, TrellisMesher) and paths[0].suffix.lower() == ".glb":
            texts = paint_texts([p.text for p in generation.prompts], last.reasoning, self.source.paint_text)
            self.mesher.textured(Voxels(last.voxels.occupancy[kept]), [texts[i] for i in kept], paths)
            return
        for index, path in zip(kept, paths, strict=True):
            write_mesh(last.meshes[index], path)


class _Count:
    """How far an answer is: tokens of the stage that is being written."""

    def __init__(
        self,
        most: Sequence[tuple[str, int]],
        drawn: Callable[[Generation], None] | None,
        shown: Callable[[str, int, int], None] | None,
    ) -> None:
        self.most, self.drawn, self.shown = most, drawn, shown
        self.done, self.written = 0, 0

    def token(self) -> None:
        self.written += 1
        if self.shown is not None:
            name, most = self.most[self.done]
            self.shown(name, self.written, most)

    def stage(self, so_far: Generation) -> None:
        self.done, self.written = self.done + 1, 0
        if self.drawn is not None:
            self.drawn(so_far)
