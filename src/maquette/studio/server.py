"""The studio's addresses, and who may use them: this machine's own browser, unless told otherwise."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request as Asked
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from maquette.evaluation.report import PAGE as REPORT_PAGE
from maquette.evaluation.report import VIEWER
from maquette.making import score_mesh
from maquette.shape.files import read_mesh, write_mesh
from maquette.studio.makings import Making, Makings, request_from, rounded
from maquette.studio.offers import models_in, pages_in, training, trainings_in

PAGE = Path(__file__).parent / "page"
T = TypeVar("T")
STATIC = {
    "studio.js": PAGE / "studio.js",
    "studio.css": PAGE / "studio.css",
    "base.css": REPORT_PAGE / "report.css",
    "common.js": REPORT_PAGE / "common.js",
    "viewer.js": VIEWER / "viewer.min.js",
}
UPLOAD_BYTES, REQUEST_BYTES = 64 * 2**20, 2**17
SHOWN = 60
LOOPBACK = ("127.0.0.1", "localhost")
OWN_PAGES = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'"
REPORTS = (
    "sandbox allow-scripts allow-downloads; "
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
)
"""A report is a file: its scripts run, but not as the studio."""


class Studio:
    """What the addresses answer."""

    def __init__(self, runs: Path, makings: Makings, models: Sequence[str] = ()) -> None:
        self.runs, self.makings, self.models = runs, makings, tuple(models)

    async def page(self, asked: Asked) -> Response:
        return FileResponse(PAGE / "studio.html")

    async def static(self, asked: Asked) -> Response:
        return FileResponse(found(STATIC.get(asked.path_params["name"])))

    async def offers(self, asked: Asked) -> Response:
        """Models, pages, trainings."""
        offers = {"models": list(models_in(self.runs, self.models)), "pages": pages_in(self.runs)}
        return JSONResponse(offers | {"trainings": trainings_in(self.runs)})

    async def listed(self, asked: Asked) -> Response:
        return JSONResponse([shown(making) for making in self.makings.newest(SHOWN)])

    async def make(self, asked: Asked) -> Response:
        try:
            making = self.makings.submit(request_from(json.loads(await body(asked, "application/json", REQUEST_BYTES))))
        except ValueError as error:
            raise HTTPException(422, sentence(error)) from error
        return JSONResponse(shown(making), 201)

    async def making(self, asked: Asked) -> Response:
        return JSONResponse(shown(found(self.makings.get(asked.path_params["id"]))))

    async def stop(self, asked: Asked) -> Response:
        making = found(self.makings.get(asked.path_params["id"]))
        self.makings.stop(making.id)
        return JSONResponse(shown(making))

    async def file(self, asked: Asked) -> Response:
        """A shape or a picture of a making; shapes in another format are written anew."""
        making = found(self.makings.get(asked.path_params["id"]))
        stem, suffix = asked.path_params["stem"], "." + asked.path_params["suffix"]
        stems = {answer["stem"] for stage in making.stages for answer in stage["answers"]}
        kept = found(self.makings.folder / making.id / f"{stem}.glb" if stem in stems else None)
        if suffix in (".glb", ".webp"):
            return FileResponse(
                found(kept.with_suffix(suffix)), filename=None if suffix == ".webp" else f"{stem}{suffix}"
            )
        if suffix not in (".obj", ".ply", ".stl"):
            raise HTTPException(404, "There is no such format; there are .glb, .obj, .ply and .stl.")
        data = await run_in_threadpool(converted, kept, suffix)
        return Response(data, headers={"content-disposition": f'attachment; filename="{stem}{suffix}"'})

    async def score(self, asked: Asked) -> Response:
        """Rewards of an uploaded mesh as an answer to `prompt`."""
        name, prompt = unquote(asked.headers.get("x-file-name", "")), asked.query_params.get("prompt", "")
        data = await body(asked, "application/octet-stream", UPLOAD_BYTES)
        if not prompt.strip():
            raise HTTPException(422, "The prompt is empty: say what the mesh should be.")
        try:
            rewards = await run_in_threadpool(self.makings.alone(lambda: judge(data, name, prompt)).result)
        except ValueError as error:
            raise HTTPException(422, sentence(error)) from error
        return JSONResponse({key: rounded(value) for key, value in rewards.items()})

    async def training(self, asked: Asked) -> Response:
        return JSONResponse(found(training(self.runs, asked.path_params["name"])))

    async def sample(self, asked: Asked) -> Response:
        """A picture of best or worst answers of a training."""
        known = found(training(self.runs, asked.path_params["name"]))
        name = asked.path_params["sample"]
        return FileResponse(
            found(self.runs / str(known["name"]) / "samples" / name if name in known["samples"] else None)
        )  # type: ignore[operator]

    async def report(self, asked: Asked) -> Response:
        name = asked.path_params["name"]
        path = found(self.runs / name if name in pages_in(self.runs) else None)
        return FileResponse(path, headers={"content-security-policy": REPORTS})


def build_app(runs: Path, makings: Makings, models: Sequence[str] = (), hosts: Sequence[str] = LOOPBACK) -> Starlette:
    """The web application; `hosts` are the names that it answers to, so that no foreign site can pass itself off as this one."""
    studio = Studio(runs, makings, models)
    routes = [
        Route("/", studio.page),
        Route("/static/{name}", studio.static),
        Route("/api/offers", studio.offers),
        Route("/api/makings", studio.listed),
        Route("/api/makings", studio.make, methods=["POST"]),
        Route("/api/makings/{id}", studio.making),
        Route("/api/makings/{id}", studio.stop, methods=["DELETE"]),
        Route("/files/{id}/{stem}.{suffix}", studio.file),
        Route("/api/score", studio.score, methods=["POST"]),
        Route("/api/trainings/{name:path}", studio.training),
        Route("/samples/{name:path}/{sample}", studio.sample),
        Route("/runs/{name:path}", studio.report),
    ]
    guards = [Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts)), Middleware(Guard)]
    return Starlette(routes=routes, middleware=guards, exception_handlers={HTTPException: said})


class Guard:
    """Refuses what another site's page asks this one to do, and tells browsers what this one's pages may."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        asked = Asked(scope)
        if asked.method not in ("GET", "HEAD") and asked.headers.get("sec-fetch-site", "none") not in (
            "same-origin",
            "none",
        ):
            return await JSONResponse({"error": "Another site may not ask for that."}, 403)(scope, receive, send)

        async def answered(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name.lower() for name, _ in message["headers"]}
                rules = {
                    "content-security-policy": OWN_PAGES,
                    "x-content-type-options": "nosniff",
                    "cache-control": "no-cache",
                }
                more = [(k.encode(), v.encode()) for k, v in rules.items() if k.encode() not in own]
                message["headers"] = [*message["headers"], *more]
            await send(message)

        await self.app(scope, receive, answered)


async def said(asked: Asked, error: Exception) -> Response:
    """What went wrong, as one sentence."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)


async def body(asked: Asked, kind: str, most: int) -> bytes:
    """What was sent, if it is of that kind: one that a foreign page's form cannot send; and no longer than `most` bytes."""
    if asked.headers.get("content-type", "").split(";")[0] != kind:
        raise HTTPException(415, f"Send it as {kind}.")
    data = bytearray()
    async for chunk in asked.stream():
        data += chunk
        if len(data) > most:
            raise HTTPException(413, f"That is more than {most / 2**20:g} MB, the most that is read.")
    return bytes(data)


def found(thing: T | None) -> T:
    """It, or 404; a path must be a file."""
    if thing is None or (isinstance(thing, Path) and not thing.is_file()):
        raise HTTPException(404, "There is no such thing here.")
    return thing


def judge(data: bytes, name: str, prompt: str) -> dict[str, float]:
    """Rewards of a mesh in memory, by the default chain; its format is that of its name."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"upload{Path(name).suffix[:8]}"
        path.write_bytes(data)
        try:
            return score_mesh(path, prompt, None)
        except ValueError as error:
            raise ValueError(sentence(error).replace(path.name, Path(name).name or "the file")) from error


def converted(path: Path, suffix: str) -> bytes:
    """A mesh file's bytes in another format."""
    with tempfile.TemporaryDirectory() as folder:
        write_mesh(read_mesh(path), Path(folder) / f"it{suffix}")
        return (Path(folder) / f"it{suffix}").read_bytes()


def shown(making: Making) -> dict[str, object]:
    return asdict(making)


def sentence(error: Exception) -> str:
    return " ".join(str(error).split())
