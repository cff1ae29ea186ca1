"""Judges behind an OpenAI-compatible address: asked in parallel, retried with jitter, balanced over addresses, answered once.

What a judge says wrong is data (`Answer.missing`);
an address that cannot be reached at all stops the run with its name and its last answer.
"""

from __future__ import annotations

import base64
import json
import os
import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from maquette.posting import RETRIED, TooLong, first_words, post
from maquette.rewards.judge_cache import JudgeCache
from maquette.rewards.judge_faults import NotAny, NotThis, Parser, Unreadable, Value, read
from maquette.rewards.judge_ledger import Ledger, Refused

LONGEST_WAIT = 30.0
OWN_FAULT = (400, 413, 422)
"""Statuses by which a server refuses one question (a filter, a size) and not the next one."""
REFUSED_IN_A_ROW = 64
"""Questions without a single answer between them after which a judge that refuses them counts as gone."""


class JudgeGone(ValueError):
    """No address answers, or they refuse the request itself: the run should stop rather than train on nothing."""


@dataclass(frozen=True)
class JudgeSettings:
    """One model at one or more addresses."""

    addresses: tuple[str, ...]
    """Up to and with `/v1`, e.g. http://localhost:8000/v1."""
    model: str
    """As the server calls it."""
    key_env: str = ""
    """Environment variable that holds the API key; "" for none."""
    timeout: float = 120.0
    """Seconds for one answer, from the first byte sent to the last one read."""
    retries: int = 4
    """Further tries after the first; of an answer that cannot be read at most one."""
    backoff: float = 1.0
    """Seconds before the first retry; doubled each time, times a random number from 0.5 to 1.5."""
    concurrency: int = 32
    """Questions under way at a time, over all addresses."""
    max_tokens: int = 512
    """Longest answer."""
    structured: bool = True
    """Ask for the answer's JSON schema; switch off for servers without it (answers are checked either way)."""
    price_in: float = 0.0
    """Per million tokens read, for the log."""
    price_out: float = 0.0
    """Per million tokens written."""
    when_gone: str = "stop"
    """stop, or go-on: without this judge's scores, saying so."""


@dataclass(frozen=True)
class Question:
    """One request; its content decides the cache key."""

    text: str
    parse: Parser
    system: str = ""
    images: tuple[bytes, ...] = ()
    """Pictures, or whatever `media` says."""
    media: str = "image/png"
    schema: Value | None = None


@dataclass(frozen=True)
class Answer:
    """What came of a question: a value, or the reason why there is none and the judge's own words."""

    value: Value | None
    text: str = ""
    missing: str = ""
    cached: bool = False
    refused: bool = False
    """The server would not take the question."""


class JudgeClient:
    """Answers in the order of the questions. Safe to share between rewards."""

    def __init__(self, settings: JudgeSettings, cache: Path | None = None, seed: int = 0) -> None:
        if not settings.addresses or settings.retries < 0 or settings.concurrency < 1 or settings.timeout <= 0:
            raise ValueError(
                f"The judge {settings.model} needs an address, retries of at least 0, a concurrency of at least 1 and a "
                f"timeout above 0, not {len(settings.addresses)}, {settings.retries}, {settings.concurrency}, {settings.timeout}."
            )
        if settings.key_env and settings.key_env not in os.environ:
            raise ValueError(f"The judge {settings.model} wants its key in ${settings.key_env}, which is not set.")
        self.settings = settings
        self.cache = JudgeCache(cache) if cache else None
        self.ledger = Ledger()
        self._load = dict.fromkeys(settings.addresses, 0)
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(settings.concurrency)
        self._refused_since, self._answered = 0, False
        self._random = random.Random(seed)

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Raises `JudgeGone` where nobody answers any more, or every question is refused."""
        begun = time.perf_counter()
        # more threads than slots: whoever waits to ask again holds no slot, and keeps no other question back
        with ThreadPoolExecutor(min(2 * self.settings.concurrency, max(1, len(questions)))) as pool:
            answers = list(pool.map(self._one, questions))
        refused = [answer for answer in answers if answer.refused]
        with self._lock:
            self.ledger.seconds += time.perf_counter() - begun
            since, answered = self._refused_since, self._answered
        gone = len(refused) == len(answers) and (not answered or since >= REFUSED_IN_A_ROW)
        if refused and gone and self.settings.when_gone == "stop":
            raise JudgeGone(f"The judge {self.settings.model} refuses every question: {refused[0].missing}.")
        return answers

    def take(self) -> dict[str, float]:
        """Numbers for the log since the last call: counts, tokens, cost, seconds, and a request's mean and longest seconds."""
        with self._lock:
            old, self.ledger = self.ledger, Ledger(refused=self.ledger.refused)
        return old.numbers(self.settings.price_in, self.settings.price_out)

    def refusals(self) -> list[Refused]:
        """What was not answered since the last call, the newest of it."""
        with self._lock:
            old, self.ledger.refused = self.ledger.refused, []
        return old

    def _one(self, question: Question) -> Answer:
        body = request_body(question, self.settings)
        if known := self._known(body, question):
            with self._lock:
                self.ledger.asked, self.ledger.cached = self.ledger.asked + 1, self.ledger.cached + 1
            return known
        answer = self._tried(body, question)
        with self._lock:
            self.ledger.asked += 1
            self._answered = self._answered or not answer.refused
            self._refused_since = self._refused_since + 1 if answer.refused else 0
            if answer.value is None:
                self.ledger.note(answer.missing, answer.text)
        if answer.value is not None and self.cache:
            self.cache.put(body, answer.text)
        return answer

    def _known(self, body: bytes, question: Question) -> Answer | None:
        """The cache's answer; one that cannot be read (any more) is as none."""
        text = self.cache.get(body) if self.cache else None
        if text is None:
            return None
        try:
            return Answer(question.parse(text), text, cached=True)
        except ValueError:
            return None

    def _tried(self, body: bytes, question: Question) -> Answer:
        """The first readable answer; missing where words came that could not be read, gone where none ever came.

        At temperature 0 the same words come again: what cannot be read is asked once more and no oftener, and without a pause.
        """
        last, heard, failed = "", "", ""
        for attempt in range(self.settings.retries + 1):
            if attempt:
                self._pause(attempt if failed else 0)
            with self._slots:
                address = self._borrow(failed)
                try:
                    text = self._post(address, body)
                    return Answer(read(text, question.parse), text)
                except NotThis as error:
                    return Answer(None, error.text, f"{address}: {error}", refused=error.by_server)
                except NotAny as error:
                    raise JudgeGone(f"The judge at {address} refuses the request: {error}.") from error
                except (OSError, HTTPException) as error:
                    last, failed = f"{address}: {error or type(error).__name__}", address
                except Unreadable as error:
                    again, last, failed = bool(heard), f"{address}: {error}", ""
                    heard = error.text or heard or str(error)
                    if again:
                        break
                finally:
                    with self._lock:
                        self._load[address] -= 1
        if heard or self.settings.when_gone == "go-on":
            return Answer(None, heard, last)
        raise JudgeGone(
            f"The judge {self.settings.model} does not answer after {self.settings.retries + 1} tries, the last at {last}. "
            "Start it and go on with --resume, or set when_gone: go-on in the judges file."
        )

    def _pause(self, attempt: int) -> None:
        """Before a question is asked again; none for an attempt of 0."""
        with self._lock:
            self.ledger.retried += 1
            jitter = self._random.uniform(0.5, 1.5)
        if attempt:
            time.sleep(min(LONGEST_WAIT, self.settings.backoff * 2 ** (attempt - 1) * jitter))

    def _borrow(self, avoid: str) -> str:
        """The address with the fewest questions under way, another than the one that just failed where there is one."""
        with self._lock:
            usable = [address for address in self._load if address != avoid] or list(self._load)
            chosen = min(usable, key=self._load.__getitem__)
            self._load[chosen] += 1
        return chosen

    def _post(self, address: str, body: bytes) -> str:
        """The judge's text. OSError and HTTPException for the wire, ValueError for what is no completion."""
        headers = {"Content-Type": "application/json"}
        if self.settings.key_env:
            headers["Authorization"] = f"Bearer {os.environ[self.settings.key_env]}"
        begun = time.perf_counter()
        try:
            status, raw = post(f"{address.rstrip('/')}/chat/completions", body, headers, self.settings.timeout)
        except TooLong as error:
            raise Unreadable(str(error), "") from error
        finally:
            with self._lock:
                self.ledger.note_request(time.perf_counter() - begun)
        if status in RETRIED:
            raise HTTPException(f"status {status}: {first_words(raw)}")
        if status in OWN_FAULT:
            raise NotThis(f"status {status}: {first_words(raw)}", first_words(raw), by_server=True)
        if status != 200:
            raise NotAny(f"status {status}: {first_words(raw)}")
        try:
            reply = json.loads(raw)
            choice = reply["choices"][0]
            message, ended = choice["message"], choice.get("finish_reason")
            text = message.get("content")
        except (json.JSONDecodeError, UnicodeDecodeError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise Unreadable("is no chat completion", first_words(raw)) from error
        usage = reply.get("usage") or {}
        with self._lock:
            self.ledger.tokens_in += int(usage.get("prompt_tokens") or 0)
            self.ledger.tokens_out += int(usage.get("completion_tokens") or 0)
        if not isinstance(text, str) or not text.strip():
            raise Unreadable("is a refusal or empty", str(message.get("refusal") or "(empty)"))
        if ended == "length":  # what is cut off may still read as numbers, and would be cut off again
            raise NotThis(f"the answer is cut off at max_tokens = {self.settings.max_tokens}: {text[-200:]!r}", text)
        return text


def request_body(question: Question, settings: JudgeSettings) -> bytes:
    """The request as JSON, the same bytes for the same question: they are the cache's key too."""
    pictures = [
        {"type": "image_url", "image_url": {"url": data_url(image, question.media)}} for image in question.images
    ]
    user = {"role": "user", "content": [*pictures, {"type": "text", "text": question.text}]}
    system = [{"role": "system", "content": question.system}] if question.system else []
    body: Value = {
        "model": settings.model,
        "messages": [*system, user],
        "temperature": 0,
        "max_tokens": settings.max_tokens,
    }
    if question.schema and settings.structured:
        form = {"name": "judgement", "schema": question.schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": form}
    return json.dumps(body, sort_keys=True).encode()


def data_url(content: bytes, media: str = "image/png") -> str:
    """The bytes inside the address, so that judges need no access to files."""
    return f"data:{media};base64," + base64.b64encode(content).decode()
