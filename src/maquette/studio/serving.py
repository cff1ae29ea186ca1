"""`maquette studio`: opens the port, says where, serves until Ctrl-C."""

from __future__ import annotations

import socket
import threading
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from maquette.outputs import make_run_folder
from maquette.tracking import tell

NEEDED = "The studio needs two small packages: pip install 'maquette[studio]', or pip install starlette uvicorn."


def serve(runs: Path, models: Sequence[str], *, host: str, port: int, browser: bool, judges: str = "") -> None:
    """`judges` as `generate` takes it. ValueError: the packages are missing, a model is not there, the folder cannot be written to, or the
    port is taken.
    """
    try:
        import uvicorn

        from maquette.studio.server import LOOPBACK, build_app
    except ImportError as error:
        raise ValueError(NEEDED) from error
    from maquette.studio.makings import Makings
    from maquette.studio.offers import models_in

    for model in models:
        if not Path(model).exists() and "/" not in model and model not in models_in(runs):
            raise ValueError(
                f"There is no model {model!r}: --model takes the folder of a run or of a model, or a hub name."
            )
    makings = Makings(make_run_folder(runs) / "studio", lambda: models_in(runs, models), judges=judges)
    with listen(host, port) as opened:
        address = f"http://{'localhost' if host in LOOPBACK else host}:{opened.getsockname()[1]}"
        tell(f"The studio is at {address} (Ctrl-C ends it); what it makes goes to {runs / 'studio'}.")
        if host not in LOOPBACK:
            tell(f"Everyone who can reach {host} can use it, and is asked for no password.")
        if browser:
            threading.Timer(0.5, webbrowser.open, (address,)).start()
        app = build_app(runs, makings, models, LOOPBACK if host in LOOPBACK else ("*",))
        try:
            uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[opened])
        finally:
            tell("The studio ends; a stage that is at work is finished first.")
            makings.close()


def listen(host: str, port: int) -> socket.socket:
    """The open port. ValueError where it cannot be had."""
    try:
        return socket.create_server((host, port))
    except (OSError, OverflowError) as error:
        raise ValueError(f"Cannot listen on {host}:{port} ({error}): choose another --port, or --host.") from error
