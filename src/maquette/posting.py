"""One request over HTTP, for judges and for served engines. Plain `http.client`: no SDK, so that stock GPU images need nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPSConnection
from urllib.parse import urlsplit

RETRIED = (408, 409, 425, 429, 500, 502, 503, 504)
"""Statuses that may pass; every other one is the request's own fault."""
MOST_BYTES = 4 << 20
"""An answer longer than this is broken off."""


class TooLong(ValueError):
    """The answer was broken off."""


def post(url: str, body: bytes, headers: Mapping[str, str], timeout: float) -> tuple[int, bytes]:
    """Status and answer of one POST, all of it within `timeout` seconds, however slowly bytes drip in.

    OSError and HTTPException for the wire, `TooLong` for an answer of more than MOST_BYTES.
    """
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    until = time.monotonic() + timeout
    connection = kind(parts.hostname or "", parts.port, timeout=timeout)
    try:
        connection.request("POST", parts.path, body, dict(headers))
        response = connection.getresponse()
        chunks: list[bytes] = []
        while chunk := response.read1(65536):
            chunks.append(chunk)
            if time.monotonic() > until:
                raise TimeoutError(f"no whole answer within {timeout:g} s")
            if sum(map(len, chunks)) > MOST_BYTES:
                raise TooLong(f"is longer than {MOST_BYTES} bytes")
            if connection.sock is not None:
                connection.sock.settimeout(max(0.01, until - time.monotonic()))
        raw, promised = b"".join(chunks), response.getheader("Content-Length")
        if promised and len(raw) < int(promised):
            raise ConnectionError(f"the answer broke off after {len(raw)} of {promised} bytes")
        return response.status, raw
    finally:
        connection.close()


def first_words(raw: bytes) -> str:
    """The beginning of an answer, for a message."""
    return " ".join(raw[:300].decode(errors="replace").split())
