"""A real HTTP server with the routes of `vllm serve` that the engine speaks to; it samples with the adapters that it is told to load."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import torch

from maquette.policy.model import Policy, load_policy


class VllmServer:
    """`requests` holds (route, body). `fault`, where it answers, is a status to send or raw bytes instead of the truth."""

    def __init__(self, fault: Callable[[str, int], int | bytes | None] = lambda route, number: None) -> None:
        self.policies: dict[str, Policy] = {}
        self.requests: list[tuple[str, dict]] = []
        self.fault, self.lock = fault, threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with server.lock:  # one model, one answer at a time
                    status, raw = server.answer(self.path.removeprefix("/v1/"), body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}/v1"

    def answer(self, route: str, body: dict) -> tuple[int, bytes]:
        self.requests.append((route, body))
        fault = self.fault(route, len(self.requests))
        if isinstance(fault, int):
            return fault, b'{"error": {"message": "as asked"}}'
        if fault is not None:
            return 200, fault
        if route == "load_lora_adapter":
            self.policies[body["lora_name"]] = load_policy(Path(body["lora_path"]))
            return 200, b"Success: LoRA adapter added."
        if route == "unload_lora_adapter":
            del self.policies[body["lora_name"]]
            return 200, b"Success: LoRA adapter removed."
        if route == "completions" and body["model"] in self.policies:
            return 200, json.dumps({"choices": [draw(self.policies[body["model"]], body)]}).encode()
        return 404, b'{"error": {"message": "The model does not exist."}}'


@torch.no_grad()
def draw(policy: Policy, body: dict) -> dict:
    """One choice: whole-prefix passes, allowed ids, temperature, processed log-probs; a stop token stays among the ids."""
    generator = torch.Generator().manual_seed(body["seed"])
    tokens, logprobs, allowed = [], [], torch.tensor(body["allowed_token_ids"])
    while len(tokens) < body["max_tokens"]:
        states = policy.hidden(torch.tensor([body["prompt"] + tokens]))[0, -1]
        logits = (policy.head_weight @ states)[allowed] / body["temperature"]
        place = int(torch.multinomial(logits.softmax(-1), 1, generator=generator))
        tokens.append(int(allowed[place]))
        logprobs.append(float(logits.log_softmax(-1)[place]))
        if tokens[-1] in body["stop_token_ids"] and len(tokens) >= body["min_tokens"]:
            break
    named = {"tokens": [str(token) for token in tokens], "token_logprobs": logprobs}
    return {"index": 0, "text": "", "logprobs": named, "finish_reason": "length", "token_ids": tokens}


@contextmanager
def vllm_server(fault: Callable[[str, int], int | bytes | None] = lambda route, number: None) -> Iterator[VllmServer]:
    server = VllmServer(fault)
    thread = threading.Thread(target=server.http.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        server.http.server_close()
        thread.join()
