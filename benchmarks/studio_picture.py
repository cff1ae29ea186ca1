"""The README's picture of the studio: four answers of `tiny-rl` to its sentence, first seed, unpicked; needs Chromium.

python benchmarks/studio_picture.py        # writes docs/figures/studio.png
"""

from __future__ import annotations

import shutil
import subprocess
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn
from PIL import Image

from maquette.studio.makings import Makings, Request
from maquette.studio.offers import models_in
from maquette.studio.server import build_app
from maquette.studio.serving import listen

PICTURE = Path(__file__).parents[1] / "docs" / "figures" / "studio.png"
REQUEST = Request("a tall red chair with four legs", "tiny-rl", answers=4, temperature=0.7)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--virtual-time-budget=8000",
    "--window-size=1240,1120",
)


def main() -> None:
    """Makes, opens the page, and photographs it."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        raise SystemExit("There is no Chromium here; install one.")
    with TemporaryDirectory() as folder, listen("127.0.0.1", 0) as opened:
        runs = Path(folder)
        makings = Makings(runs / "studio", lambda: models_in(runs))
        makings.wait(makings.submit(REQUEST).id)
        server = uvicorn.Server(uvicorn.Config(build_app(runs, makings), log_level="warning"))
        serving = threading.Thread(target=server.run, kwargs={"sockets": [opened]})
        serving.start()
        address = f"http://127.0.0.1:{opened.getsockname()[1]}/"
        subprocess.run(
            [browser, *FLAGS, f"--screenshot={PICTURE}", address], check=True, timeout=120, stderr=subprocess.DEVNULL
        )
        server.should_exit = True
        serving.join()
        makings.close()
    Image.open(PICTURE).convert("RGB").quantize(128).save(PICTURE, optimize=True)
    print(f"→ {PICTURE}")


if __name__ == "__main__":
    main()
