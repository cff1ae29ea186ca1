"""A real HTTP server that answers as a judge does, or stalls, drips, breaks off, talks nonsense, and returns errors."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Reply = Callable[[dict, int], object]
"""(request, number of the request) → text to answer with, or one of the faults below."""

STALL, BREAK_OFF, DRIP, GARBAGE, REFUSAL = "\0stall", "\0break", "\0drip", "\0garbage", "\0refusal"
CUT = "\0cut"
"""Before a text: it stops at the longest answer's length."""


class JudgeServer:
    """`requests` holds every body; `most` the largest number under way at once."""

    def __init__(self, reply: Reply) -> None:
        self.reply, self.requests, self.headers = reply, [], []
        self.under_way = self.most = 0
        self.lock = threading.Lock()
        self.free = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                server.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}/v1"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        with self.lock:
            number = len(self.requests)
            self.requests.append(body)
            self.headers.append(dict(handler.headers))
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        try:
            said = self.reply(body, number)
        finally:
            with self.lock:  # before the answer is sent: who has it may ask again at once
                self.under_way -= 1
        with suppress(OSError):  # the client had hung up
            self.send(handler, said)

    def send(self, handler: BaseHTTPRequestHandler, said: object) -> None:
        if said == STALL:
            self.free.wait(5)
            return
        if isinstance(said, int):
            handler.send_response(said)
            handler.end_headers()
            handler.wfile.write(b'{"error": "as asked"}')
            return
        message = {"content": None, "refusal": "I would rather not."} if said == REFUSAL else {"content": said}
        ended = "stop"
        if isinstance(said, str) and said.startswith(CUT):
            message, ended = {"content": said.removeprefix(CUT)}, "length"
        usage = {"prompt_tokens": 100, "completion_tokens": 10}
        raw = json.dumps({"choices": [{"message": message, "finish_reason": ended}], "usage": usage}).encode()
        raw = b"<html>hello</html>" if said == GARBAGE else raw
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(raw)))
        handler.end_headers()
        if said == BREAK_OFF:
            handler.wfile.write(raw[:20])
        elif said == DRIP:
            for byte in raw[:40]:
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
                time.sleep(0.1)
        else:
            handler.wfile.write(raw)


@contextmanager
def judge(reply: Reply) -> Iterator[JudgeServer]:
    server = JudgeServer(reply)
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.free.set()
        server.http.shutdown()
        server.http.server_close()
        thread.join()
