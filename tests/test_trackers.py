"""What is sent to trackers by choice: stand-in modules that keep every call."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from maquette import tracking
from maquette.config import Config
from maquette.tracking import need_tracker, open_trackers, read_metrics
from maquette.training.loop import check_folder
from maquette.types import Cameras, Views


class Service(ModuleType):
    """As Weights & Biases and trackio are called."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.begun: list[dict[str, object]] = []
        self.logged: list[tuple[int, dict[str, object]]] = []
        self.finished = 0

    def init(self, **settings: object) -> None:
        self.begun.append(settings)

    def log(self, numbers: dict[str, object], step: int) -> None:
        self.logged.append((step, numbers))

    def Image(self, pixels: np.ndarray) -> tuple[int, ...]:
        return pixels.shape

    def finish(self) -> None:
        self.finished += 1


@pytest.fixture(params=["wandb", "trackio"])
def service(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Service:
    module = Service(request.param)
    monkeypatch.setitem(sys.modules, request.param, module)
    return module


def views() -> Views:
    rgb = np.zeros((2, 1, 8, 8, 3), np.uint8)
    depth = np.zeros((2, 1, 8, 8), np.float32)
    return Views(
        rgb, depth, np.zeros((2, 1, 8, 8, 3), np.float32), depth > 0, Cameras(np.zeros((1, 3), np.float32), 40.0)
    )


def test_numbers_pictures_and_settings_arrive(service: Service, tmp_path: Path):
    trackers = open_trackers(tmp_path / "run", [service.__name__], settings={"lr": 0.1})
    trackers.log(0, {"loss": 1.5})
    trackers.log_views(0, "best", views(), ["a", "b"])
    trackers.close()
    (begun,) = service.begun
    assert begun["config"] == {"lr": 0.1} and str(begun["name"]).startswith("run-")
    assert service.logged == [(0, {"loss": 1.5}), (0, {"best": (2 * 22, 8, 3)})] and service.finished == 1
    assert read_metrics(tmp_path / "run" / "metrics.jsonl") == [{"step": 0, "loss": 1.5}]


def test_a_run_that_goes_on_is_the_same_run_there(service: Service, tmp_path: Path):
    for step in range(2):
        open_trackers(tmp_path / "run", [service.__name__], settings={}, resume_at=step).close()
    open_trackers(tmp_path / "other" / "run", [service.__name__], settings={}).close()
    first, again, other = service.begun
    assert first == again and first["resume"] == "allow" and other["name"] != first["name"]
    assert (first.get("id") is not None) is (service.__name__ == "wandb")


def test_a_package_that_is_missing_is_named_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setitem(sys.modules, "wandb", None)  # Python's own way to say that there is none
    with pytest.raises(ValueError, match="Tracking by wandb needs the package: pip install wandb"):
        need_tracker("wandb")
    with pytest.raises(ValueError, match="Tracking by wandb"):
        check_folder(Config(track=("wandb",)), tmp_path / "run", resume=False)
    assert not (tmp_path / "run").exists()


def test_tensorboard_writes_events(tmp_path: Path):
    pytest.importorskip("tensorboard")
    trackers = open_trackers(tmp_path, ["tensorboard"], settings={})
    trackers.log(0, {"loss": 1.5})
    trackers.log_views(0, "best", views(), ["a", "b"])
    trackers.close()
    assert list((tmp_path / "tensorboard").glob("events.*"))


def test_progress_of_unknown_length_says_its_rate_and_what_is_left(monkeypatch: pytest.MonkeyPatch, capsys):
    clock = iter([0.0, 0.0, 0.0, 0.0, 20.0, 20.0])
    monkeypatch.setattr(tracking.time, "monotonic", lambda: next(clock, 20.0))
    with tracking.progress_bar() as show:
        show("decode", 0, 100)
        show("decode", 40, 100)
    assert "decode: 40 of at most 100, 30 s left (2.00/s)" in capsys.readouterr().err
