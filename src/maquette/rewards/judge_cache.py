"""Judges' answers on disk, by the content of the question: the same views asked again cost nothing, whoever asks."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from maquette.outputs import write_text


@dataclass(frozen=True)
class JudgeCache:
    """One small file an answer, two levels deep; written beside and renamed, so that processes may share it."""

    folder: Path

    def get(self, body: bytes) -> str | None:
        """The text that answered these very bytes, or None. A file that cannot be read is as none."""
        try:
            return json.loads(self._path(body).read_text())["text"]
        except (OSError, json.JSONDecodeError, KeyError, TypeError):
            return None

    def put(self, body: bytes, text: str) -> None:
        """Keep an answer. A full or read-only disk is no reason to stop judging: OSError is left to no one."""
        path = self._path(body)
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, json.dumps({"text": text}))

    def _path(self, body: bytes) -> Path:
        name = hashlib.sha256(body).hexdigest()
        return self.folder / name[:2] / f"{name[2:]}.json"
