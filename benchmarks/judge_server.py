"""A judge on this machine that always says the same, for what is measured on our side of it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWERS = {
    "unified": "Alignment Score (1-5): 3\nCoherence Score (1-5): 3\nStyle Score (1-5): 3",
    "unified_think": "Geometric Alignment Score (1-5): 3",
    "judge_category": '{"shown": "chair", "asked": "chair", "match": 1}',
    "judge_alignment": '{"reasons": "a chair", "alignment": 0.5}',
    "judge_geometry": '{"outline": 0.5, "appearance": 0.5, "parts": 0.5}',
    "judge_appearance": '{"colour": 0.5, "material": 0.5, "texture": 0.5}',
    "judge_parts": '{"parts": [{"name": "leg", "count": 4, "exists": 1, "completeness": 0.5}]}',
    "point_parts": '{"parts": [{"name": "leg", "count": 4, "exists": 1, "completeness": 0.5}]}',
}


class Server(ThreadingHTTPServer):
    """Takes as many connections at once as are asked for; with the usual five, others wait a second for TCP to try again."""

    request_queue_size = 128


@contextmanager
def answering(text: str, seconds: float = 0.0) -> Iterator[str]:
    """A judge's address that says one thing, to each question after so many seconds."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(seconds)
            raw = json.dumps({"choices": [{"message": {"content": text}}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None: ...

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
