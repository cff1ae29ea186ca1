"""The studio on a free port, with a model of two layers, as the tests of this room ask it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import uvicorn

from maquette.maker import Maker
from maquette.studio.makings import Makings
from maquette.studio.offers import models_in
from maquette.studio.server import build_app
from maquette.studio.serving import listen
from tests.tiny import save_tiny

CHAIN = """
stages:
  - {name: coarse, instruction: semantic-plan, sees: [prompt], paint: grey, max_reasoning: 6, rewards: {preference: 1}}
  - {name: fine, instruction: visual-detail, sees: [prompt, coarse.reasoning], max_reasoning: 6,
     rewards: {alignment: 2, aesthetic: 1, parts: 1}}
steps: 3
"""


def save_run(runs: Path, name: str = "micro") -> Path:
    """A run's folder with a policy, as training leaves it."""
    run = runs / name
    model, codec = save_tiny(run)
    model.rename(run / "policy")
    (run / "config.yaml").write_text(f"codec: {codec}\n{CHAIN}")
    (run / "metrics.jsonl").write_text(
        "".join(f'{{"step": {i}, "reward/fine/parts": {i / 4}, "loss": 1.0}}\n' for i in range(2)) + '{"step": 2, "lo'
    )
    return run


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    data: bytes

    def json(self):
        return json.loads(self.data)


@dataclass(frozen=True)
class Served:
    """A studio that listens."""

    address: str
    runs: Path
    makings: Makings

    def ask(self, path: str, method: str = "GET", data: bytes | None = None, **headers: str) -> Answer:
        """`content_type="…"` is the header Content-Type."""
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        request = Request(self.address + path, data, named, method=method)
        try:
            with urlopen(request, timeout=60) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except HTTPError as error:
            return Answer(error.code, error.headers, error.read())

    def make(self, **request: object) -> Answer:
        return self.ask("/api/makings", "POST", json.dumps(request).encode(), content_type="application/json")


@contextmanager
def served(runs: Path, load=Maker) -> Iterator[Served]:
    makings = Makings(runs / "studio", lambda: models_in(runs), load)
    with listen("127.0.0.1", 0) as opened:
        server = uvicorn.Server(uvicorn.Config(build_app(runs, makings), log_level="warning", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]})
        thread.start()
        try:
            yield Served(f"http://127.0.0.1:{opened.getsockname()[1]}", runs, makings)
        finally:
            server.should_exit = True
            thread.join()
            makings.close()
