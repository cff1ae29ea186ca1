"""Who works on what: a folder per cell, claimed by a file that only one process can make. Works over any file system that is shared.

cells/ID/claim         held by a process; touched every half minute, free for all after ten without a touch
cells/ID/result.json   done
cells/ID/error.txt     what went wrong the last time; the cell is free again
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from maquette.outputs import write_text

TOUCH_SECONDS, STALE_SECONDS = 30.0, 600.0


def is_done(cell: Path) -> bool:
    """Whether the cell has its result."""
    return (cell / "result.json").is_file()


def finish(cell: Path, result: dict[str, object]) -> None:
    """Write the result, whole or not at all."""
    write_text(cell / "result.json", json.dumps(result, indent=1, allow_nan=False))
    (cell / "error.txt").unlink(missing_ok=True)


@contextmanager
def claimed(cell: Path, now: Callable[[], float] = time.time) -> Iterator[bool]:
    """True for the one process that now holds the cell; it is given back at the end, and when the process dies, by its age."""
    cell.mkdir(parents=True, exist_ok=True)
    claim, token = cell / "claim", uuid.uuid4().hex
    _drop_if_stale(claim, now())
    if is_done(cell) or not _make(claim, token):
        yield False
        return
    stop = threading.Event()
    thread = threading.Thread(target=_keep_touching, args=(claim, stop), daemon=True)
    thread.start()
    try:
        # Someone may have finished it between the look and the claim.
        yield not is_done(cell)
    finally:
        stop.set()
        thread.join()
        if _token(claim) == token:
            claim.unlink(missing_ok=True)


def _make(claim: Path, token: str) -> bool:
    """Makes the file, which succeeds for one process only."""
    try:
        handle = os.open(claim, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        return False
    with os.fdopen(handle, "w") as file:
        json.dump({"host": socket.gethostname(), "pid": os.getpid(), "token": token}, file)
    return True


def _token(claim: Path) -> str:
    """Which of all claims that ever stood here this is; "" where none stands or it is being written."""
    try:
        return json.loads(claim.read_text()).get("token", "")
    except (OSError, json.JSONDecodeError):
        return ""


def _keep_touching(claim: Path, stop: threading.Event) -> None:
    while not stop.wait(TOUCH_SECONDS):
        try:
            os.utime(claim)
        except OSError:
            # Its folder was taken away under it; the work's own writing will say so.
            return


def _drop_if_stale(claim: Path, now: float) -> None:
    """Takes away the claim of a process that is gone.

    Between the look and the renaming another process may have done the same and made a claim of its own; what was renamed is
    therefore looked at again, and put back where it is not the one that was stale.
    """
    seen = _token(claim)  # before the look: a claim that is made after it has another token
    grave = claim.with_name(f".claim-{uuid.uuid4().hex}")
    try:
        if now - claim.stat().st_mtime < STALE_SECONDS and not _died_here(claim):
            return
        claim.rename(grave)
        if _token(grave) != seen:
            os.link(grave, claim)
    except (FileNotFoundError, FileExistsError):
        return
    finally:
        grave.unlink(missing_ok=True)


def _died_here(claim: Path) -> bool:
    """Whether its process was on this machine and is no more."""
    try:
        holder = json.loads(claim.read_text())
        if holder["host"] != socket.gethostname():
            return False
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return True
    except (json.JSONDecodeError, KeyError, PermissionError):
        # Just being written, or another user's.
        return False
    return False
