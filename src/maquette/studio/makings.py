"""What the studio makes: one request after another, in a thread; every stage is on disk as soon as it is drawn.

FOLDER/ID/making.json        the request, what was thought, what each answer is worth; rewritten, whole, after every stage
FOLDER/ID/STAGE-N.glb, .webp the shape and the picture of answer N
"""

from __future__ import annotations

import json
import math
import re
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image

from maquette.maker import Maker
from maquette.making import ensemble_of, judged
from maquette.outputs import make_run_folder, write_text, written
from maquette.rendering.sheets import portraits
from maquette.rewards.ensemble import Ensemble
from maquette.runs import source_of
from maquette.shape.files import write_mesh
from maquette.tracking import Stopwatch
from maquette.types import Generation, Mesh, StageOutput

MOST_ANSWERS, MOST_LETTERS, MOST_WAITING = 16, 10_000, 20
PICTURE_SIZE = 288
State = Literal["waiting", "running", "done", "failed", "stopped"]
OPEN = ("waiting", "running")
ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{8}")


@dataclass(frozen=True)
class Request:
    """One sentence, and how it is to be answered."""

    text: str
    model: str = "tiny"
    answers: int = 4
    seed: int = 0
    temperature: float | None = None
    """None: as the model was trained."""

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise ValueError("The prompt is empty: say what to make.")
        if len(self.text) > MOST_LETTERS:
            raise ValueError(f"The prompt has {len(self.text)} letters; at most {MOST_LETTERS} are read.")
        if not 1 <= self.answers <= MOST_ANSWERS:
            raise ValueError(f"There can be 1 to {MOST_ANSWERS} answers, not {self.answers}.")
        if not 0 <= self.seed < 2**31:
            raise ValueError(f"The seed is {self.seed}; it must be from 0 to {2**31 - 1}.")
        if self.temperature is not None and not 0.05 <= self.temperature <= 2:
            raise ValueError(f"The temperature is {self.temperature:g}; it must be from 0.05 to 2.")


def request_from(data: object) -> Request:
    """A request from outside. ValueError: not a mapping, a field that is unknown or of another kind, or out of range."""
    kinds = {"text": str, "model": str, "answers": int, "seed": int, "temperature": (int, float, type(None))}
    if not isinstance(data, Mapping) or "text" not in data:
        raise ValueError("A request is a mapping with a text.")
    for key, value in data.items():
        if key not in kinds:
            raise ValueError(f"A request has no {key!r}; its fields are {', '.join(kinds)}.")
        if not isinstance(value, kinds[key]) or isinstance(value, bool):
            raise ValueError(f"{key} is {value!r}, which is of the wrong kind.")
    return Request(**data)


@dataclass
class Making:
    """A request and what has become of it so far."""

    id: str
    request: Request
    state: State = "waiting"
    share: float = 0.0
    """Of the stage that is being written, how much is."""
    error: str = ""
    stages: list[dict[str, Any]] = field(default_factory=list)
    """By stage its name and, for each answer, `reasoning`, `failed` and `stem` (the name of its files)."""
    rewards: list[dict[str, float | None]] = field(default_factory=list)
    """Of each answer, `stage/reward`; null where a judge had nothing to go by."""
    order: list[int] = field(default_factory=list)
    """Answers, best first, by the chain's own weights; those without a shape last."""
    warnings: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


class Stopped(RuntimeError):
    """Someone asked for it."""


class Makings:
    """All of them, oldest first, and the one thread that works."""

    def __init__(
        self,
        folder: Path,
        models: Callable[[], Mapping[str, str]],
        load: Callable[[str], Maker] = Maker,
        judges: str = "",
    ) -> None:
        """`models`: what may be asked for now, by name, as `load` takes it. What an earlier studio made in the folder is found again."""
        self.folder, self._models, self._load, self._judges = make_run_folder(folder), models, load, judges
        self._lock = threading.Lock()
        self._all = {making.id: making for making in map(read_making, sorted(folder.glob("*/making.json"))) if making}
        self._futures: dict[str, Future[None]] = {}
        self._asked_to_stop: set[str] = set()
        self._loaded: tuple[str, Maker, Ensemble] | None = None
        self._thread = ThreadPoolExecutor(1, "studio")

    def submit(self, request: Request) -> Making:
        """Takes its turn. ValueError: no such model, or too many wait already."""
        if request.model not in (models := self._models()):
            raise ValueError(f"There is no model {request.model!r} here; there are {', '.join(models)}.")
        making = Making(f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{uuid.uuid4().hex[:8]}", request)
        with self._lock:
            waiting = sum(other.state in OPEN for other in self._all.values())
            if waiting >= MOST_WAITING:
                raise ValueError(
                    f"{waiting} requests are waiting already; that is the most. Try again when one is done."
                )
            self._all[making.id] = making
        self._keep(making)
        future = self._thread.submit(self._make, making, models[request.model])
        self._futures[making.id] = future
        future.add_done_callback(lambda done: self._end(making, done))
        return making

    def stop(self, id: str) -> None:
        """Asks for the end of one that waits (at once) or runs (after its token or stage); what it has made stays."""
        self._asked_to_stop.add(id)
        if future := self._futures.get(id):
            future.cancel()

    def get(self, id: str) -> Making | None:
        return self._all.get(id)

    def newest(self, count: int) -> list[Making]:
        """The last so many, newest first."""
        with self._lock:
            return sorted(self._all.values(), key=lambda making: making.id, reverse=True)[:count]

    def wait(self, id: str) -> None:
        """Until it is done, failed or stopped."""
        if future := self._futures.get(id):
            while not future.done() or self._all[id].state in OPEN:
                time.sleep(0.01)

    def alone(self, work: Callable[[], Any]) -> Future[Any]:
        """Other work that wants the machine to itself, such as judging a mesh; it takes its turn."""
        return self._thread.submit(work)

    def close(self) -> None:
        """Ends after the running stage; those that wait are stopped."""
        for id in list(self._futures):
            self.stop(id)
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _make(self, making: Making, model: str) -> None:
        clock = Stopwatch()
        self._refuse_stopped(making)
        making.state = "running"
        self._keep(making)
        with clock("load"):
            if self._loaded is None or self._loaded[0] != model:
                self._loaded = None  # the memory of one is given back before the next one is read
                ensemble = ensemble_of(source_of(model), self._judges)  # before time goes into what nobody could judge
                self._loaded = (model, self._load(model), ensemble)
        (_, maker, ensemble), wanted = self._loaded, making.request

        def drawn(so_far: Generation) -> None:
            grey = maker.source.stages[len(making.stages)].paint == "grey"
            making.share = 0.0
            making.stages.append(self._shown(making.id, so_far.stages[-1], grey))
            self._keep(making)
            self._refuse_stopped(making)

        def shown(name: str, done: int, most: int) -> None:
            making.share = round(done / most, 2)
            self._refuse_stopped(making)

        with clock("make"):
            own = {"answers": wanted.answers, "seed": wanted.seed, "temperature": wanted.temperature}
            generation = maker.answer(wanted.text, **own, drawn=drawn, shown=shown)
        making.warnings = list(generation.warnings)
        with clock("judge"):
            self._judge(making, maker, ensemble, generation)
        making.seconds = {name: round(seconds, 2) for name, seconds in clock.seconds.items()}

    def _shown(self, id: str, stage: StageOutput, grey: bool) -> dict[str, Any]:
        """Writes the stage's shapes and pictures, in grey where it is judged so, and says what is there."""
        answers = []
        for number, (mesh, failed) in enumerate(zip(stage.meshes, stage.failed, strict=True), 1):
            stem = f"{stage.name}-{number}"
            if not failed:
                mesh = Mesh(mesh.vertices, mesh.faces) if grey else mesh
                write_mesh(mesh, self.folder / id / f"{stem}.glb")
                with written(self.folder / id / f"{stem}.webp") as beside:
                    Image.fromarray(portraits([mesh], size=PICTURE_SIZE)[0, 0]).save(beside, quality=90)
            answers.append({"reasoning": stage.reasoning[number - 1], "failed": bool(failed), "stem": stem})
        return {"name": stage.name, "answers": answers}

    @staticmethod
    def _judge(making: Making, maker: Maker, ensemble: Ensemble, generation: Generation) -> None:
        scores, worth = judged(generation, maker.source.stages, ensemble)
        worth[torch.from_numpy(generation.stages[-1].failed)] = -torch.inf
        making.rewards = [
            {
                f"{stage.name}/{name}": rounded(float(scores.values[k, a, s]))
                for s, stage in enumerate(maker.source.stages)
                for k, name in enumerate(scores.names)
                if asdict(stage.rewards)[name]
            }
            for a in range(len(worth))
        ]
        making.order = worth.argsort(descending=True, stable=True).tolist()

    def _refuse_stopped(self, making: Making) -> None:
        if making.id in self._asked_to_stop:
            raise Stopped

    def _end(self, making: Making, done: Future[None]) -> None:
        """Whatever went wrong is the making's error; the thread goes on to the next."""
        fault = None if done.cancelled() else done.exception()
        if done.cancelled() or isinstance(fault, Stopped):
            making.state = "stopped"
        elif fault is not None:
            making.state, making.error = "failed", " ".join(str(fault).split()) or type(fault).__name__
        else:
            making.state = "done"
        self._keep(making)

    def _keep(self, making: Making) -> None:
        folder = self.folder / making.id
        folder.mkdir(exist_ok=True)
        write_text(folder / "making.json", json.dumps(asdict(making), indent=1))


def rounded(value: float) -> float | None:
    """As JSON can say it."""
    return round(value, 4) if math.isfinite(value) else None


def read_making(path: Path) -> Making | None:
    """What an earlier studio left; None for a file that is no making. One that was not done when it ended is stopped now."""
    try:
        data = json.loads(path.read_text())
        data["request"] = request_from(data["request"])
        making = Making(**{f.name: data[f.name] for f in fields(Making)})
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if making.id != path.parent.name or not ID.fullmatch(making.id):
        return None
    if making.state in OPEN:
        making.state = "stopped"
    return making
