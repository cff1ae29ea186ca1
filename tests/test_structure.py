"""The shape of the project: who may import whom, how long things may be, and what may stand nowhere."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "maquette"

ORDER: tuple[set[str], ...] = (
    {"types"},
    {"protocols", "config", "config_supervised"},
    {"config_checks"},
    {"config_file"},
    {"runs"},
    {"outputs"},
    {"tracking", "optimisers", "precision", "posting", "tensor_files", "cards"},
    {"shape", "rendering"},
    {"corpus", "gaussian_views"},
    {"codec", "prompts"},
    {"rewards", "policy"},
    {"generate"},
    {"evaluation"},
    {"training"},
    {"studies"},
    {"maker"},
    {"making", "doctor"},
    {"studio"},
    {"quickstart"},
    {"cli_files", "cli_measuring"},
    {"cli_supervised"},
    {"cli"},
    {"__main__"},
)
"""The road: a module imports only from further left, or from its own room."""
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}

FILE_LINES, FUNCTION_LINES = 300, 50

# Put together here, so that this file holds no host's name either.
INDEX_HOSTS = tuple(
    rf"{name}\.{ending}" for name, ending in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"))
)
FORBIDDEN = (
    *INDEX_HOSTS,
    r"except Exception\b",
    r"except BaseException\b",
    r"except:",
    r"\bhasattr\(",
    r"\b(TODO|FIXME|XXX)\b",
    r"(^|[\s\"'`(=])/(work|root|home)/",
)

FILES = sorted(SOURCE.rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "maquette":
            modules |= {f"maquette.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module or "")
    return {name.split(".")[1] for name in modules if name.startswith("maquette.")} - {"__version__"}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_come_from_further_left(path: Path):
    room = room_of(path)
    if room == "__init__":
        return
    assert room in RANK, f"{room} has no place in the order of rooms"
    wrong = {other for other in imported_rooms(path) if other != room and RANK[other] >= RANK[room]}
    assert not wrong, f"{name_of(path)} imports {sorted(wrong)}, which stand further right"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_and_functions_stay_short(path: Path):
    text = path.read_text()
    assert text.count("\n") <= FILE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= FUNCTION_LINES, f"{node.name} has {lines} lines"


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    names = [ROOT / name for name in listed.stdout.splitlines()]
    kinds = {".py", ".md", ".yaml", ".toml", ".lock", ".json", ".html", ".txt", ""}
    return [path for path in names if path.suffix in kinds and path.is_file() and path != Path(__file__).resolve()]


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_what_may_stand_nowhere(pattern: str):
    found = [
        f"{name_of(path)}:{number}"
        for path in tracked()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if re.search(pattern, line)
    ]
    assert not found


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_nothing_is_hollow(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        assert not (isinstance(node, ast.Raise) and "NotImplemented" in ast.dump(node)), name_of(path)


def test_the_lock_pins_every_dependency_and_torch_first():
    lines = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "torch==2.13.0"
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][0-9A-Za-z.]*", line) for line in lines)
    pinned = {re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", text)[0]).lower() for text in project["dependencies"]}
    assert wanted <= pinned, wanted - pinned


def test_shipped_weights_stay_under_forty_megabytes():
    sizes = {
        str(path.relative_to(ROOT)): path.stat().st_size for path in (ROOT / "src/maquette/data").rglob("*.safetensors")
    }
    assert len(sizes) >= 5 and sum(sizes.values()) <= 40_000_000, sizes
