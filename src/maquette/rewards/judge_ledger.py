"""What asking a judge has come to: counts, tokens, seconds, and the words of what was not answered."""

from __future__ import annotations

from dataclasses import dataclass, field

KEPT_WORDS = 64
"""Refused answers whose words are kept until they are handed out."""


@dataclass(frozen=True)
class Refused:
    """A question without an answer: why, and the judge's own words."""

    why: str
    text: str


@dataclass
class Ledger:
    """Sums since they were last taken."""

    asked: int = 0
    cached: int = 0
    missing: int = 0
    retried: int = 0
    seconds: float = 0.0
    """Of every `ask`; those that run at the same time count each."""
    requests: int = 0
    waited: float = 0.0
    """Seconds of all requests, of which several are under way at a time."""
    longest: float = 0.0
    """Seconds of the slowest request."""
    tokens_in: int = 0
    tokens_out: int = 0
    refused: list[Refused] = field(default_factory=list)
    """The newest `KEPT_WORDS`."""

    def note(self, why: str, text: str) -> None:
        """One more question without an answer."""
        self.missing += 1
        self.refused = [*self.refused, Refused(why, text[:2000])][-KEPT_WORDS:]

    def note_request(self, seconds: float) -> None:
        """One more request, answered or not."""
        self.requests += 1
        self.waited += seconds
        self.longest = max(self.longest, seconds)

    def numbers(self, price_in: float, price_out: float) -> dict[str, float]:
        """Counts, tokens, cost (prices are per million tokens), seconds, and a request's mean and longest seconds."""
        cost = (self.tokens_in * price_in + self.tokens_out * price_out) / 1e6
        counts = {"asked": self.asked, "cached": self.cached, "missing": self.missing, "retried": self.retried}
        tokens = {"tokens_in": self.tokens_in, "tokens_out": self.tokens_out, "cost": cost, "seconds": self.seconds}
        latency = {"latency": self.waited / max(1, self.requests), "latency_longest": self.longest}
        return {name: float(value) for name, value in (counts | tokens | latency).items()}
