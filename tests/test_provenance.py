"""Where a result comes from is said also where the package lies in no repository."""

from __future__ import annotations

import pytest

from maquette import tracking


@pytest.fixture
def no_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "_git", lambda *words: "")
    monkeypatch.delenv("MAQUETTE_COMMIT", raising=False)


def test_without_a_repository_the_commit_is_unknown_or_what_the_variable_says(
    no_repository: None, monkeypatch: pytest.MonkeyPatch
):
    assert tracking.provenance("a command")["commit"] == "unknown"
    monkeypatch.setenv("MAQUETTE_COMMIT", "0123456789ab")
    assert tracking.provenance("a command")["commit"] == "0123456789ab"


def test_a_repository_outweighs_the_variable(monkeypatch: pytest.MonkeyPatch):
    answers = {"rev-parse": "fedcba987654", "status": ""}
    monkeypatch.setattr(tracking, "_git", lambda *words: answers[words[0]])
    monkeypatch.setenv("MAQUETTE_COMMIT", "0123456789ab")
    assert tracking.provenance("a command")["commit"] == "fedcba987654"
