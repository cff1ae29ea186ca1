"""Lists of other people: Toys4K's layout, T3Bench's texts, CSV and JSON with their own names for things."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from maquette.prompts.sets import load_prompts
from maquette.prompts.toys4k import mesh_path, right_caption, toys4k_folder

SAMPLE = Path(__file__).resolve().parents[3] / "shared" / "toys4k-sample"
ROSE = "09566ece30a78b841ff9750abe8652b1841db0cfecc092da1f540bde33989532"


@pytest.mark.skipif(not SAMPLE.is_dir(), reason="shared/toys4k-sample is not beside the checkout")
def test_the_paper_s_sample_object_is_read_once_with_its_longest_caption():
    (prompt,) = load_prompts(f"toys4k:{SAMPLE}")
    assert prompt.id == ROSE
    assert prompt.text.startswith("A deep red rose with smooth, gently curled petals") and prompt.text.endswith(
        "thorns."
    )
    mesh = mesh_path(toys4k_folder(f"toys4k:{SAMPLE}"), prompt.id)
    assert mesh is not None and mesh.name == "mesh.ply"


def table(folder: Path, name: str, captions: list[str], id: str = "a", column: str = "captions") -> None:
    cell = json.dumps(captions).replace('"', '""')
    (folder / name).write_text(f'sha256,{column}\n{id},"{cell}"\n')


def test_two_tables_of_one_object_give_one_prompt_and_must_agree(tmp_path: Path):
    table(tmp_path, "a.csv", ["a long red chair", "a chair"])
    table(tmp_path, "b.csv", ["a long red chair"], column="prompt")
    assert [(p.id, p.text) for p in load_prompts(f"toys4k:{tmp_path}")] == [("a", "a long red chair")]
    (tmp_path / "b.csv").write_text("sha256,prompt,category\na,a long red chair,spatial\n")
    assert [p.category for p in load_prompts(f"toys4k:{tmp_path}")] == ["spatial"]
    table(tmp_path, "b.csv", ["a blue chair"])
    with pytest.raises(ValueError, match="another caption"):
        load_prompts(f"toys4k:{tmp_path}")


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("a chair", "a chair"),
        ('["a \\"tall\\" chair", "chair"]', 'a "tall" chair'),
        ("['a chair\\'s leg', 'leg']", "a chair's leg"),
        (["a chair", "chair"], "a chair"),
        ("[sic] a chair", "[sic] a chair"),
    ],
)
def test_the_right_caption(cell, text):
    assert right_caption(cell, "here") == text


@pytest.mark.parametrize("cell", ["[]", "", "  ", '[""]', "[1, 2]", 5])
def test_no_caption_is_an_error_with_its_place(cell):
    with pytest.raises(ValueError, match="here: a caption"):
        right_caption(cell, "here")


def test_a_folder_without_tables_and_no_folder(tmp_path: Path):
    with pytest.raises(ValueError, match="holds no"):
        load_prompts(f"toys4k:{tmp_path}")
    with pytest.raises(ValueError, match="not a folder"):
        load_prompts("toys4k:nowhere")
    (tmp_path / "a.csv").write_text("id,words\nx,y\n")
    with pytest.raises(ValueError, match="csv:2 needs the columns"):
        load_prompts(f"toys4k:{tmp_path}")


def test_t3bench_lists_and_other_people_s_columns(tmp_path: Path):
    (tmp_path / "prompt_single.txt").write_bytes("\ufeffA cactus.\r\nA wooden barrel\r\n".encode())
    single = load_prompts(str(tmp_path / "prompt_single.txt"))
    assert [(p.text, p.category) for p in single] == [("A cactus.", "single"), ("A wooden barrel", "single")]
    (tmp_path / "a.csv").write_text('sha256,captions,aesthetic\nx,"[""a red chair"", ""chair""]",5.1\n')
    assert [(p.id, p.text) for p in load_prompts(str(tmp_path / "a.csv"))] == [("x", "a red chair")]
    (tmp_path / "b.json").write_text('{"m1": "a cup", "m2": ["a jug", "jug"]}')
    assert [(p.id, p.text) for p in load_prompts(str(tmp_path / "b.json"))] == [("m1", "a cup"), ("m2", "a jug")]
    (tmp_path / "c.json").write_text('["a cup", {"prompt_id": 7, "prompt": "a jug", "category": "spatial"}]')
    assert [p.id for p in load_prompts(str(tmp_path / "c.json"))] == ["c-001", "7"]


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("a.jsonl", b"[1]\n", "each line is one JSON object"),
        ("a.jsonl", b'{"text": "x", "parts": [{"nam": "leg"}]}', "a part has a name"),
        ("a.jsonl", b'{"text": "x", "relations": [["a", "b"]]}', "subject, relation, object"),
        ("a.json", b"3", "holds a int"),
        ("a.txt", b"caf\xe9\n", "not UTF-8"),
        ("a.jsonl", b'{"id": "x", "text": "a"}\n{"id": "x", "text": "b"}', "'x' stands 2 times"),
    ],
)
def test_bad_lists_are_named_with_their_fault(tmp_path: Path, file, content, message):
    (tmp_path / file).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_prompts(str(tmp_path / file))
