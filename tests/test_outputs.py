"""Files are written whole or not at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from maquette.outputs import write_text, written, written_folder


def test_a_file_appears_when_its_block_ends(tmp_path: Path) -> None:
    with written(tmp_path / "it.json") as beside:
        beside.write_text("new")
        assert not (tmp_path / "it.json").exists()
        assert beside.suffix == ".json"  # writers that choose a format by the suffix find theirs
        # what a kill would leave now is nothing that a reader of the folder takes for its own
        assert not [path for path in tmp_path.iterdir() if path.is_file()]
        assert not [*tmp_path.glob("*.json"), *tmp_path.rglob("it.json")]
    assert [path.name for path in tmp_path.iterdir()] == ["it.json"]


def test_what_breaks_off_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    write_text(tmp_path / "it.json", "old")
    with pytest.raises(RuntimeError, match="half way"), written(tmp_path / "it.json") as beside:
        beside.write_text("ne")
        raise RuntimeError("half way")
    assert (tmp_path / "it.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["it.json"]


def test_many_writers_of_one_file_leave_one_of_their_texts(tmp_path: Path) -> None:
    texts = [character * 100_000 for character in "abcdefgh"]
    with ThreadPoolExecutor(8) as pool:
        for round_of_writers in range(5):
            list(pool.map(lambda text: write_text(tmp_path / "it.txt", text), texts))
            assert (tmp_path / "it.txt").read_text() in texts, round_of_writers
    assert [path.name for path in tmp_path.iterdir()] == ["it.txt"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_text(tmp_path / "nowhere" / "it.txt", "text")


def test_a_folder_takes_the_others_place_or_leaves_it_as_it_was(tmp_path: Path) -> None:
    with written_folder(tmp_path / "deep" / "policy") as beside:
        (beside / "old.txt").write_text("old")
        assert not (tmp_path / "deep" / "policy").exists()
    with pytest.raises(RuntimeError), written_folder(tmp_path / "deep" / "policy") as beside:
        (beside / "new.txt").write_text("ne")
        raise RuntimeError
    assert [path.name for path in (tmp_path / "deep" / "policy").iterdir()] == ["old.txt"]
    with written_folder(tmp_path / "deep" / "policy") as beside:
        (beside / "new.txt").write_text("new")
    assert [path.name for path in (tmp_path / "deep" / "policy").iterdir()] == ["new.txt"]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["policy"]
