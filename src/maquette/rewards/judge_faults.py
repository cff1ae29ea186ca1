"""What may be wrong with one reply of a judge, and how a reply is read."""

from __future__ import annotations

from collections.abc import Callable

Value = dict[str, object]
Parser = Callable[[str], Value]
"""Takes the judge's text; ValueError where it is no answer to the question."""


class Unreadable(ValueError):
    """A reply that answers no question; `text` are its words."""

    def __init__(self, why: str, text: str) -> None:
        super().__init__(f"the reply {why}: {text[:200]!r}")
        self.text = text


def read(text: str, parse: Parser) -> Value:
    """The value that a judge's text stands for; `Unreadable` keeps the text of one that stands for none."""
    try:
        return parse(text)
    except ValueError as error:
        raise Unreadable(str(error), text) from error


class NotThis(Exception):
    """This question gets no answer, however often it is asked; `text` are the judge's words."""

    def __init__(self, why: str, text: str, by_server: bool = False) -> None:
        super().__init__(why)
        self.text, self.by_server = text, by_server


class NotAny(Exception):
    """The server understood and will not, whatever is asked."""
