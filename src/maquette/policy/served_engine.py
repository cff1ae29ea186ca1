"""`ServedVllmEngine`: rollouts by vLLM servers (0.30), on whatever machines; nothing of vllm is imported here.

Tokens go over the OpenAI-compatible `/v1/completions` with vLLM's own fields (`allowed_token_ids`, `min_tokens`, `ignore_eos`,
`return_token_ids`), one request a row. Weights go by the server's own LoRA routes: each version is an adapter of a new name
(`/v1/load_lora_adapter`), the one before it is then unloaded. A new name is also what keeps cached prefixes apart: vLLM's
keys hold the adapter's name. So only adapters are sent; a run in which every weight learns decodes in process.

Start each server on a disk that it shares with the trainer:

    VLLM_ALLOW_RUNTIME_LORA_UPDATING=True vllm serve MODEL --enable-lora --max-loras 2 --max-lora-rank 64 \\
        --logprobs-mode processed_logprobs --generation-config vllm
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import torch
from torch import Tensor

from maquette.policy.adapters import lora_layers, save_adapter
from maquette.policy.model import Policy
from maquette.policy.saving import gathered
from maquette.policy.token_requests import Drawn, TokenRequest, decode_by_requests, refuse_images
from maquette.posting import RETRIED, TooLong, first_words, post
from maquette.protocols import Sampling
from maquette.types import Rollouts, SeenImage


@dataclass(frozen=True)
class ServerSettings:
    """vLLM servers that all hold the policy's base."""

    addresses: tuple[str, ...]
    """Up to and with `/v1`, e.g. http://gpu-1:8000/v1; rows are dealt over them in turn."""
    folder: Path
    """Where adapters are written for the servers to read: a path that means the same to them."""
    key_env: str = ""
    """Environment variable that holds the API key; "" for none."""
    timeout: float = 600.0
    """Seconds for one row."""
    retries: int = 4
    """Further tries after the first, each at the next address."""
    backoff: float = 1.0
    """Seconds before the first retry, doubled each time."""
    concurrency: int = 64
    """Rows under way at a time, over all addresses."""


class ServedVllmEngine:
    """A `RolloutEngine`. ValueError names the address that does not answer, or what it answered."""

    def __init__(self, policy: Policy, codes_per_shape: int, settings: ServerSettings) -> None:
        if not settings.addresses:
            raise ValueError(
                "policy.engine=vllm-server needs addresses: set policy.servers, e.g. http://localhost:8000/v1."
            )
        if not lora_layers(policy.model):
            raise ValueError(
                "policy.engine=vllm-server sends adapters, and here every weight learns: set policy.lora_rank, or take "
                "policy.engine=vllm or lockstep."
            )
        self.policy = policy
        self.tokenizer = policy.tokenizer
        self.codes_per_shape = codes_per_shape
        self.settings = settings
        self.version = 0
        self._run = f"maquette-{os.getpid()}-{time.time_ns():x}"
        self.load_weights({})

    @property
    def name(self) -> str:
        """What the servers call the adapters that now decode; of another run another."""
        return f"{self._run}-{self.version}"

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """The policy's present adapters to every server, under a new name; the old ones are unloaded and their folder removed.

        `weights` is not read: the engine shares the trainer's module, where adapters stand apart.
        """
        old, self.version = (self.name if self.version else ""), self.version + 1
        path = (self.settings.folder / self.name).resolve()
        save_adapter(self.policy.model, path, gathered(self.policy.model, torch.float32, adapters=True))
        for address in self.settings.addresses:
            self._ask(address, "load_lora_adapter", {"lora_name": self.name, "lora_path": str(path)})
        if old:
            for address in self.settings.addresses:
                self._ask(address, "unload_lora_adapter", {"lora_name": old})
            shutil.rmtree(self.settings.folder / old)

    def look_at(self, image: str) -> SeenImage:
        """As the policy sees it; `decode` then refuses it."""
        return self.policy.look_at(image)

    def decode(
        self,
        prompts: Sequence[Sequence[int]],
        repeats: int,
        sampling: Sampling,
        images: Sequence[SeenImage | None] = (),
    ) -> Rollouts:
        """As `LockstepEngine.decode`; ValueError for image prompts, or where no server answers."""
        refuse_images(images)

        def ask(requests: Sequence[TokenRequest]) -> list[Drawn]:
            with ThreadPoolExecutor(min(self.settings.concurrency, len(requests))) as pool:
                return list(pool.map(lambda pair: self._drawn(pair[0], pair[1], sampling), enumerate(requests)))

        return decode_by_requests(self.policy, self.codes_per_shape, prompts, repeats, sampling, ask)

    def _drawn(self, index: int, request: TokenRequest, sampling: Sampling) -> Drawn:
        body = {
            "model": self.name,
            "prompt": request.prompt,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
            "seed": request.seed,
            "allowed_token_ids": request.allowed_token_ids,
            "max_tokens": request.max_tokens,
            "min_tokens": request.min_tokens,
            "stop_token_ids": list(request.stop_token_ids),
            "ignore_eos": request.ignore_eos,
            "logprobs": 0,
            "return_token_ids": True,
        }
        known = self.settings.addresses
        raw, last = b"", ""
        for attempt in range(self.settings.retries + 1):
            address = known[(index + attempt) % len(known)]
            if attempt:
                time.sleep(min(30.0, self.settings.backoff * 2 ** (attempt - 1)))
            try:
                raw = self._post(address, "completions", body)
                break
            except (OSError, HTTPException) as error:
                last = f"{address}: {error or type(error).__name__}"
        else:
            raise ValueError(
                f"No server decodes after {self.settings.retries + 1} tries, the last at {last}. Start it and go on with --resume."
            )
        return read_completion(raw, request, address)

    def _ask(self, address: str, route: str, body: Mapping[str, object]) -> None:
        try:
            self._post(address, route, body)
        except (OSError, HTTPException) as error:
            raise ValueError(
                f"The server at {address} does not take adapters ({route}): {error or type(error).__name__}. Start it with "
                "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True and --enable-lora, on a disk where it can read "
                f"{self.settings.folder.resolve()}."
            ) from error

    def _post(self, address: str, route: str, body: Mapping[str, object]) -> bytes:
        """The answer's body. OSError and HTTPException for what may pass, ValueError for what the server refuses."""
        headers = {"Content-Type": "application/json"}
        if self.settings.key_env:
            headers["Authorization"] = f"Bearer {os.environ.get(self.settings.key_env, '')}"
        try:
            status, raw = post(
                f"{address.rstrip('/')}/{route}", json.dumps(body).encode(), headers, self.settings.timeout
            )
        except TooLong as error:
            raise ValueError(f"The server at {address}: its answer {error}.") from error
        if status in RETRIED or (status != 200 and route != "completions"):
            raise HTTPException(f"status {status}: {first_words(raw)}")
        if status != 200:
            raise ValueError(f"The server at {address} refuses the request: status {status}: {first_words(raw)}.")
        return raw


def read_completion(raw: bytes, request: TokenRequest, address: str) -> Drawn:
    """Tokens and their log-probs. ValueError where a server answers otherwise than it was asked: then it is not the vLLM it should be."""
    try:
        choice = json.loads(raw)["choices"][0]
        tokens, logprobs = choice["token_ids"], choice["logprobs"]["token_logprobs"]
        drawn = Drawn([int(token) for token in tokens], [float(value) for value in logprobs])
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError(
            f"The server at {address} sends no token ids with log-probs (vLLM's return_token_ids): {first_words(raw)}."
        ) from error
    foreign = set(drawn.tokens) - set(request.allowed_token_ids)
    count = len(drawn.tokens)
    if foreign or len(drawn.logprobs) != count or not max(1, request.min_tokens) <= count <= request.max_tokens:
        raise ValueError(
            f"The server at {address} drew {count} tokens with {len(drawn.logprobs)} log-probs, {len(foreign)} of them not allowed; "
            f"asked were {max(1, request.min_tokens)} to {request.max_tokens} allowed ones: is it vLLM 0.30?"
        )
    return drawn
