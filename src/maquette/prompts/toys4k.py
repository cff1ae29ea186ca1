"""Objects laid out as the paper's evaluation has them: a table of ids and captions, and per object a folder with mesh, views, cameras.

FOLDER/metadata.csv                     columns sha256 and captions (or prompt): a list written as text, longest caption first;
                                        a column category is read where there is one
FOLDER/SHA256/mesh.ply                  in the unit cube, z up
FOLDER/SHA256/transforms.json, 000.png …  24 views and their cameras
"""

from __future__ import annotations

import ast
import csv
import json
from pathlib import Path

from maquette.types import Prompt

PREFIX = "toys4k:"


def is_toys4k(name: str) -> bool:
    """True for `toys4k:FOLDER`."""
    return name.startswith(PREFIX)


def toys4k_folder(name: str) -> Path:
    """The folder in `toys4k:FOLDER`. ValueError where it is none."""
    folder = Path(name.removeprefix(PREFIX))
    if not folder.is_dir():
        raise ValueError(
            f"{folder} is not a folder; write toys4k:FOLDER, the folder with metadata.csv and one folder per object"
        )
    return folder


def read_toys4k(name: str) -> tuple[Prompt, ...]:
    """One prompt per object, however many tables name it: the first caption of its list, the longest as those tables have them.

    ValueError: no table, two tables that disagree about an object, or a caption that cannot be read.
    """
    folder = toys4k_folder(name)
    tables = sorted(folder.glob("*.csv"))
    if not tables:
        raise ValueError(f"{folder} holds no .csv with the columns sha256 and captions")
    found: dict[str, tuple[str, Path]] = {}
    categories: dict[str, str] = {}
    for table in tables:
        with table.open(newline="", encoding="utf-8-sig") as file:
            for number, row in enumerate(csv.DictReader(file), 2):
                id, cell = row.get("sha256") or "", row.get("captions") or row.get("prompt") or ""
                if not id or not cell:
                    raise ValueError(f"{table}:{number} needs the columns sha256 and captions (or prompt)")
                text = right_caption(cell, f"{table}:{number}")
                categories[id] = categories.get(id) or (row.get("category") or "").strip()
                if found.setdefault(id, (text, table))[0] != text:
                    raise ValueError(
                        f"{table}:{number} gives {id} another caption than {found[id][1]}; keep one of the tables"
                    )
    return tuple(Prompt(id=id, text=text, category=categories[id]) for id, (text, _) in found.items())


def mesh_path(folder: Path, id: str) -> Path | None:
    """The object's reference mesh; None where there is none."""
    found = [folder / id / f"mesh{suffix}" for suffix in (".ply", ".glb", ".obj")]
    return next((path for path in found if path.is_file()), None)


def right_caption(value: object, where: str) -> str:
    """The caption that is meant: a text as it is, the first of a list, and the first of a list written as text.

    Tables of this field hold captions as `["A deep red rose …", …]`; a prompt that begins with a bracket and a quotation mark
    was never meant to be scored.
    """
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = _listed(value)
    if isinstance(value, (list, tuple)):
        value = value[0] if value else ""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{where}: a caption is a text or a list of texts, not {value!r}")
    return value.strip()


def _listed(text: str) -> object:
    """The list in a text, by JSON's rules or Python's; the text itself where it is neither."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        pass
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError):
        return text
