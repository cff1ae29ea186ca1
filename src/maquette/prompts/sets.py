"""Prompt sets by name or file: the shipped suites, training prompts drawn from the corpus, or your own file."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

from maquette.corpus.records import prompt_of
from maquette.corpus.splits import designs
from maquette.types import PartSpec, Prompt

SHIPPED = Path(__file__).parents[1] / "data" / "prompts"
SUITES = ("mini", "mini-dev", "quickstart")
CAPTION_LENGTHS = 4


def load_prompts(name: str, *, count: int = 0, seed: int = 0) -> tuple[Prompt, ...]:
    """The prompts of a set; `count` > 0 takes the first that many.

    `name` is a shipped suite (`mini`, `mini-dev`, `quickstart`), `train` (`count` prompts of random train designs and random
    caption lengths, by `seed`), or a file: .txt (one prompt a line), .csv (columns `text` and, if there, `id`, `category`,
    `family`), .jsonl (the fields of `Prompt`). Raises ValueError with the place of the fault.
    """
    if name == "train":
        return train_prompts(count or 1024, seed)
    path = SHIPPED / f"{name}.jsonl" if name in SUITES else Path(name)
    if not path.is_file():
        raise ValueError(f"no prompt set {name!r}: neither one of {', '.join((*SUITES, 'train'))} nor a file")
    readers = {".jsonl": _read_jsonl, ".csv": _read_csv, ".txt": _read_txt}
    if path.suffix not in readers:
        raise ValueError(f"{path}: a prompt file ends in {', '.join(readers)}, not {path.suffix or 'nothing'}")
    prompts = tuple(readers[path.suffix](path))
    if not prompts:
        raise ValueError(f"{path} holds no prompt")
    ids = {p.id for p in prompts}
    if len(ids) != len(prompts):
        raise ValueError(f"{path}: {len(prompts)} prompts have only {len(ids)} different ids; make each id unique")
    return prompts[:count] if count else prompts


def train_prompts(count: int, seed: int) -> tuple[Prompt, ...]:
    """Prompts of train designs, each with a caption length that depends on its place alone."""
    return tuple(prompt_of(d, (seed + i) % CAPTION_LENGTHS) for i, d in enumerate(designs("train", count, seed)))


def prompt_to_json(prompt: Prompt) -> dict[str, object]:
    """The JSON form that `load_prompts` reads back."""
    parts = [{"name": p.name, "count": p.count, "color": p.color, "pattern": p.pattern} for p in prompt.parts]
    return {"id": prompt.id, "text": prompt.text, "category": prompt.category, "family": prompt.family, "parts": parts}


def prompt_from_json(data: dict, where: str) -> Prompt:
    """A prompt from its JSON form; ValueError names the place `where` a field is missing or foreign."""
    known = {"id", "text", "category", "family", "parts", "design", "ceiling_iou"}
    foreign = set(data) - known
    if foreign or not isinstance(data.get("text"), str):
        fault = f"does not know {sorted(foreign)}" if foreign else "needs a `text`"
        raise ValueError(f"{where}: a prompt {fault}; its fields are {sorted(known)}")
    parts = tuple(PartSpec(**part) for part in data.get("parts", ()))
    return Prompt(
        id=str(data.get("id") or where.rsplit("/", 1)[-1]),
        text=data["text"],
        category=data.get("category", ""),
        family=data.get("family", ""),
        parts=parts,
    )


def _read_jsonl(path: Path) -> Iterator[Prompt]:
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.strip():
            try:
                data = json.loads(line)
            except json.JSONDecodeError as error:
                raise ValueError(f"{path}:{number} is not JSON: {error.msg} at column {error.colno}") from error
            yield prompt_from_json(data, f"{path}:{number}")


def _read_csv(path: Path) -> Iterator[Prompt]:
    with path.open(newline="") as file:
        for number, fields in enumerate(csv.DictReader(file), 2):
            if not fields.get("text"):
                raise ValueError(
                    f"{path}:{number} has no `text`; the first line must name the columns, one of them `text`"
                )
            known = {k: fields.get(k) or "" for k in ("id", "text", "category", "family")}
            yield prompt_from_json(known, f"{path}:{number}")


def _read_txt(path: Path) -> Iterator[Prompt]:
    lines = [line.strip() for line in path.read_text().splitlines()]
    for number, line in enumerate(lines, 1):
        if line:
            yield Prompt(id=f"{path.stem}-{number:03d}", text=line)
