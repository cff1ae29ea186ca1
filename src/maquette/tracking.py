"""Where numbers, pictures and files go: JSON lines always, trackio, W&B and TensorBoard by choice; whole files; progress; run folders."""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module, metadata
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import numpy as np
from PIL import Image, ImageDraw
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from maquette import __version__
from maquette.outputs import keep_before, make_run_folder, write_text, written
from maquette.protocols import Tracker
from maquette.types import Views

T = TypeVar("T")

QUIET_SECONDS = 10.0


def progress(iterable: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """The same items, with a bar, a rate and the remaining time on stderr; on no terminal a line every ten seconds."""
    if total is None and isinstance(iterable, Sequence):
        total = len(iterable)
    console = Console(stderr=True)
    return _bar(iterable, description, total, console) if console.is_terminal else _lines(iterable, description, total)


class _Rate(ProgressColumn):
    """Items a second."""

    def render(self, task: object) -> Text:
        speed = task.speed or 0.0  # type: ignore[attr-defined]
        return Text(f"{speed:.1f}/s" if speed >= 1 or not speed else f"{1 / speed:.1f} s each")


def _bar(iterable: Iterable[T], description: str, total: int | None, console: Console) -> Iterator[T]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        yield from bar.track(iterable, total=total, description=description)


def _lines(iterable: Iterable[T], description: str, total: int | None) -> Iterator[T]:
    start = said = time.monotonic()
    for done, item in enumerate(iterable, 1):
        yield item
        now = time.monotonic()
        if now - said < QUIET_SECONDS:
            continue
        said, rate = now, done / (now - start)
        rest = f"/{total}, {(total - done) / rate:.0f} s left" if total else ""
        sys.stderr.write(f"{description}: {done}{rest} ({rate:.2f}/s)\n")
        sys.stderr.flush()


@contextmanager
def progress_bar() -> Iterator[Callable[[str, int, int], None]]:
    """`show(what, done, total)`: a bar on stderr where that is a terminal, else a line every ten seconds."""
    console = Console(stderr=True)
    if not console.is_terminal:
        said, began = [time.monotonic()], {"": time.monotonic()}

        def line(what: str, done: int, total: int) -> None:
            now, start = time.monotonic(), began.setdefault(what, time.monotonic())
            if now - said[0] >= QUIET_SECONDS and now > start:
                said[0], rate = now, max(done, 1) / (now - start)
                tell(f"{what}: {done} of at most {total}, {(total - done) / rate:.0f} s left ({rate:.2f}/s)")

        yield line
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), _Rate())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        shown = [""]

        def show(what: str, done: int, total: int) -> None:
            if what != shown[0]:
                shown[0] = what
                bar.reset(task, description=what, total=total)
            bar.update(task, completed=done)

        yield show


class Stopwatch:
    """Adds up seconds by name: `with clock("render"): …`."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


def tell(text: str) -> None:
    """One line for the person who waits, on stderr."""
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(text)


def provenance(command: str = "") -> dict[str, str]:
    """Where a result comes from: command, git commit, time, machine and versions.

    The commit ends in `-dirty` where the package's own files differ from it; results that were written beside do not count. Where
    there is no repository (a container, a copied tree) the variable `MAQUETTE_COMMIT` says which commit it is.
    """
    commit = _git("rev-parse", "--short=12", "HEAD") or os.environ.get("MAQUETTE_COMMIT", "")[:40]
    if commit and _git("status", "--porcelain", "--", "."):
        commit += "-dirty"
    return {
        "command": command,
        "commit": commit or "unknown",
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": f"{platform.system()} {platform.machine()}, {_processor()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "maquette": __version__,
        **{name: metadata.version(name) for name in ("torch", "transformers", "numpy", "numba")},
    }


def _processor() -> str:
    """The processor's own name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"


def _git(*words: str) -> str:
    """What git says of the folder of this package; "" where there is no git or no repository."""
    command = ["git", "-C", str(Path(__file__).resolve().parent), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


class JsonLines:
    """`metrics.jsonl`, one step a line, and `samples/NAME-STEP.png`: one row of views per answer, captions beneath."""

    def __init__(self, folder: Path | str, *, resume_at: int = 0) -> None:
        self.folder = make_run_folder(folder)
        self.path = self.folder / "metrics.jsonl"
        keep_before(self.path, resume_at)
        self._file = self.path.open("a")

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        clean = {key: (float(value) if math.isfinite(value) else None) for key, value in numbers.items()}
        self._file.write(json.dumps({"step": step, **clean}) + "\n")
        self._file.flush()

    def log_views(self, step: int, name: str, views: Views, captions: Sequence[str]) -> None:
        samples = make_run_folder(self.folder / "samples")
        with written(samples / f"{name}-{step:06d}.png") as beside:
            picture_of(views, captions).save(beside)

    def close(self) -> None:
        self._file.close()


def read_metrics(path: Path | str) -> list[dict[str, float | int | None]]:
    """The lines of a `metrics.jsonl`, oldest first, null where a number was not finite.

    A last line that was cut off by a kill is left out.
    """
    lines: list[dict[str, float | int | None]] = []
    for text in Path(path).read_text().splitlines() if Path(path).exists() else ():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            break
    return lines


def picture_of(views: Views, captions: Sequence[str]) -> Image.Image:
    """Rows of v views, one row per answer, its caption beneath."""
    answers, count, height, width, _ = views.rgb.shape
    line = 14
    sheet = Image.new("RGB", (count * width, answers * (height + line)), "white")
    draw = ImageDraw.Draw(sheet)
    for row in range(answers):
        strip = np.concatenate(list(views.rgb[row]), axis=1)
        sheet.paste(Image.fromarray(strip), (0, row * (height + line)))
        caption = captions[row].encode("latin-1", "replace").decode("latin-1")
        draw.text((2, row * (height + line) + height + 1), caption, fill="black")
    return sheet


PACKAGES = {"tensorboard": "torch.utils.tensorboard", "wandb": "wandb", "trackio": "trackio"}
"""Trackers by choice, and the module that each needs."""


class TensorBoard:
    """Event files in `FOLDER/tensorboard`."""

    def __init__(self, folder: Path | str, *, resume_at: int = 0) -> None:
        module = need_tracker("tensorboard")
        self._writer = module.SummaryWriter(str(Path(folder) / "tensorboard"), purge_step=resume_at or None)

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        for key, value in numbers.items():
            self._writer.add_scalar(key, value, step)

    def log_views(self, step: int, name: str, views: Views, captions: Sequence[str]) -> None:
        self._writer.add_image(name, np.asarray(picture_of(views, captions)), step, dataformats="HWC")

    def close(self) -> None:
        self._writer.close()


class OnlineTracker:
    """Weights & Biases, or trackio, which answers to the same calls. A run that goes on stays one run there too."""

    def __init__(self, name: str, folder: Path | str, settings: Mapping[str, object]) -> None:
        self._module, known = need_tracker(name), Path(folder) / "tracker-id.txt"
        if not known.is_file():
            write_text(known, uuid.uuid4().hex[:8])
        id = known.read_text().strip()
        # trackio knows a run by its name, W&B by its id
        own = {"id": id} if name == "wandb" else {}
        run = f"{Path(folder).name}-{id}"
        self._module.init(project="maquette", name=run, config=dict(settings), resume="allow", **own)

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        self._module.log(dict(numbers), step=step)

    def log_views(self, step: int, name: str, views: Views, captions: Sequence[str]) -> None:
        self._module.log({name: self._module.Image(np.asarray(picture_of(views, captions)))}, step=step)

    def close(self) -> None:
        self._module.finish()


class Trackers:
    """Several trackers as one."""

    def __init__(self, trackers: Sequence[Tracker]) -> None:
        self._trackers = tuple(trackers)

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        for tracker in self._trackers:
            tracker.log(step, numbers)

    def log_views(self, step: int, name: str, views: Views, captions: Sequence[str]) -> None:
        for tracker in self._trackers:
            tracker.log_views(step, name, views, captions)

    def close(self) -> None:
        for tracker in self._trackers:
            tracker.close()


def open_trackers(
    folder: Path | str, names: Sequence[str] = (), *, settings: Mapping[str, object], resume_at: int = 0
) -> Trackers:
    """JSON lines in `folder`, and whatever else `names` asks for (trackio, wandb, tensorboard)."""
    trackers: list[Tracker] = [JsonLines(folder, resume_at=resume_at)]
    for name in names:
        own = (
            TensorBoard(folder, resume_at=resume_at) if name == "tensorboard" else OnlineTracker(name, folder, settings)
        )
        trackers.append(own)
    return Trackers(trackers)


def need_tracker(name: str) -> ModuleType:
    """The module of a tracker by choice. ValueError where it is not installed."""
    try:
        return import_module(PACKAGES[name])
    except ImportError as error:
        raise ValueError(
            f"Tracking by {name} needs the package: pip install {name}, or drop it from `track`."
        ) from error
