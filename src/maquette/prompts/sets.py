"""Prompt sets by name or file: the shipped suites, training prompts drawn from the corpus, Toys4K's layout, or your own file."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from maquette.corpus.records import prompt_of
from maquette.corpus.splits import designs
from maquette.prompts.toys4k import is_toys4k, read_toys4k, right_caption
from maquette.types import PartSpec, Prompt

SHIPPED = Path(__file__).parents[1] / "data" / "prompts"
SUITES = ("mini", "mini-dev", "quickstart")
"""Suites made from the corpus: every prompt has the object that it was written about."""
BENCHMARKS = ("mme-3dr",)
"""Suites of texts alone; see the data card beside them."""
CAPTION_LENGTHS = 4
TEXT_COLUMNS = ("text", "prompt", "captions", "caption")
ID_COLUMNS = ("id", "prompt_id", "sha256")
"""What other lists call them; the first that is there counts."""


def load_prompts(name: str, *, count: int = 0, seed: int = 0) -> tuple[Prompt, ...]:
    """The prompts of a set; `count` > 0 takes the first that many.

    `name` is a shipped suite (`mini`, `mini-dev`, `quickstart`, `mme-3dr`), `train` (`count` prompts of random train designs and
    random caption lengths, by `seed`), `toys4k:FOLDER`, or a file: .txt (one prompt a line, as T3Bench's lists), .csv and .json
    (a text by the name of text, prompt, caption or captions; if there, id or sha256, category, family, image), .jsonl (the same, or
    the fields of `Prompt`). An image is a file, its path relative to the prompt file's folder. A list of captions, even one written
    as text, stands for its first. Raises ValueError with the place of the fault.
    """
    if name == "train":
        return train_prompts(count or 1024, seed)
    if is_toys4k(name):
        prompts, where = read_toys4k(name), name
    else:
        prompts, where = _read_file(name)
    if not prompts:
        raise ValueError(f"{where} holds no prompt")
    _refuse_doubles(prompts, where)
    return prompts[:count] if count else prompts


def _read_file(name: str) -> tuple[tuple[Prompt, ...], str]:
    known = (*SUITES, *BENCHMARKS)
    path = SHIPPED / f"{name}.jsonl" if name in known else Path(name)
    if not path.is_file():
        raise ValueError(
            f"no prompt set {name!r}: neither one of {', '.join((*known, 'train'))}, toys4k:FOLDER nor a file"
        )
    readers = {".jsonl": _read_jsonl, ".json": _read_json, ".csv": _read_csv, ".txt": _read_txt}
    if path.suffix not in readers:
        raise ValueError(f"{path}: a prompt file ends in {', '.join(readers)}, not {path.suffix or 'nothing'}")
    try:
        return tuple(readers[path.suffix](path)), str(path)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: byte {error.start} cannot be read; save it as UTF-8") from error


def _refuse_doubles(prompts: Sequence[Prompt], where: str) -> None:
    counts = Counter(p.id for p in prompts)
    if len(counts) != len(prompts):
        twice = next(id for id, n in counts.items() if n > 1)
        raise ValueError(
            f"{where}: {len(prompts)} prompts have only {len(counts)} different ids ({twice!r} stands "
            f"{counts[twice]} times); make each id unique"
        )


def train_prompts(count: int, seed: int) -> tuple[Prompt, ...]:
    """Prompts of train designs, each with a caption length that depends on its place alone."""
    return tuple(prompt_of(d, (seed + i) % CAPTION_LENGTHS) for i, d in enumerate(designs("train", count, seed)))


def prompt_to_json(prompt: Prompt) -> dict[str, object]:
    """The JSON form that `load_prompts` reads back."""
    parts = [{"name": p.name, "count": p.count, "color": p.color, "pattern": p.pattern} for p in prompt.parts]
    parts = [row | ({"material": p.material} if p.material else {}) for row, p in zip(parts, prompt.parts, strict=True)]
    picture = {"image": prompt.image} if prompt.image else {}
    row: dict[str, object] = {
        "id": prompt.id,
        "text": prompt.text,
        "category": prompt.category,
        "family": prompt.family,
        "parts": parts,
    }
    more = {"attributes": prompt.attributes, "relations": prompt.relations, "questions": prompt.questions}
    return row | picture | {key: list(value) for key, value in more.items() if value}


FIELDS = {
    "category", "family", "parts", "attributes", "relations", "questions", "design", "ceiling_iou", "image",
    *TEXT_COLUMNS, *ID_COLUMNS,
}  # fmt: skip


def prompt_from_json(data: Mapping, where: str) -> Prompt:
    """A prompt from its JSON form; ValueError names the place `where` a field is missing or foreign."""
    foreign = set(data) - FIELDS
    key = next((k for k in TEXT_COLUMNS if data.get(k)), "")
    if foreign or not key:
        fault = f"does not know {sorted(foreign)}" if foreign else "needs a `text`"
        raise ValueError(f"{where}: a prompt {fault}; its fields are {sorted(FIELDS)}")
    text = right_caption(data[key], where)
    relations = tuple(tuple(r) for r in data.get("relations", ()))
    if any(len(r) != 3 for r in relations):
        raise ValueError(f"{where}: a relation is [subject, relation, object], not {list(relations)}")
    return Prompt(
        id=str(next((data[k] for k in ID_COLUMNS if data.get(k)), "") or where.rsplit("/", 1)[-1]),
        text=text,
        category=data.get("category", ""),
        family=data.get("family", ""),
        parts=tuple(_part(part, where) for part in data.get("parts", ())),
        attributes=tuple(data.get("attributes", ())),
        relations=relations,  # type: ignore[arg-type]  # three each, checked above
        questions=tuple(data.get("questions", ())),
        image=_beside(data.get("image", ""), where),
    )


def _beside(image: str, where: str) -> str:
    """A picture's path, relative ones counted from the prompt file's folder (`where` is FILE:LINE)."""
    return str(Path(where.rsplit(":", 1)[0]).parent / image) if image else ""


def _part(data: Mapping, where: str) -> PartSpec:
    try:
        return PartSpec(**data)
    except TypeError as error:
        raise ValueError(f"{where}: a part has a name, count, color, pattern and material, not {dict(data)}") from error


def _read_jsonl(path: Path) -> Iterator[Prompt]:
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        if line.strip():
            data = _parsed(line, f"{path}:{number}")
            if not isinstance(data, dict):
                raise ValueError(f"{path}:{number} is a {type(data).__name__}; each line is one JSON object")
            yield prompt_from_json(data, f"{path}:{number}")


def _read_json(path: Path) -> Iterator[Prompt]:
    """A list of objects or of texts, or a mapping of ids to texts."""
    data = _parsed(path.read_text(encoding="utf-8-sig"), str(path))
    if isinstance(data, dict):
        data = [{"id": key, "text": value} for key, value in data.items()]
    if not isinstance(data, list):
        raise ValueError(f"{path} holds a {type(data).__name__}; a prompt file is a list or a mapping of ids to texts")
    for number, row in enumerate(data, 1):
        fields = row if isinstance(row, dict) else {"id": f"{path.stem}-{number:03d}", "text": row}
        yield prompt_from_json(fields, f"{path}:{number}")


def _parsed(text: str, where: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where} is not JSON: {error.msg} at column {error.colno}") from error


def _read_csv(path: Path) -> Iterator[Prompt]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        for number, fields in enumerate(csv.DictReader(file), 2):
            if not any(fields.get(key) for key in TEXT_COLUMNS):
                raise ValueError(
                    f"{path}:{number} has no `text`; the first line must name the columns, one of them `text` or `prompt`"
                )
            known = {k: fields[k] for k in (*TEXT_COLUMNS, *ID_COLUMNS, "category", "family", "image") if fields.get(k)}
            yield prompt_from_json(known, f"{path}:{number}")


def _read_txt(path: Path) -> Iterator[Prompt]:
    """One prompt a line; T3Bench's `prompt_single.txt` and its kin name their category by the file."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    category = path.stem.removeprefix("prompt_") if path.stem.startswith("prompt_") else ""
    for number, line in enumerate(lines, 1):
        if line:
            yield Prompt(id=f"{path.stem}-{number:03d}", text=line, category=category)
