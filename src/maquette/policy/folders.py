"""Where a model lies on disk, and whether all of it is there: before any of it is read, and in what was read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError, safe_open

from maquette.runs import SHIPPED, read_json

FLOATS = ("F32", "BF16", "F16")
"""Types of weights that a policy may be stored in, by their safetensors names."""


def find_model(source: str | Path) -> Path:
    """The folder of a shipped policy, a run's `policy`, a local folder, or a hub repository (`owner/name`) in the hub's cache.

    Nothing is downloaded: ValueError gives the command that fetches a repository which is not there.
    """
    if str(source) in SHIPPED:
        return SHIPPED[str(source)]
    folder = Path(source)
    if (folder / "config.yaml").is_file() and (folder / "policy").is_dir():
        return folder / "policy"
    if folder.is_dir() or not re.fullmatch(r"[\w.-]+/[\w.-]+", str(source)):
        return folder
    try:
        return Path(snapshot_download(str(source), local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, HfHubHTTPError) as error:
        raise ValueError(
            f"There is no policy at {source}: no such folder, and no such repository in the hub's cache. "
            f"Fetch it with: hf download {source}"
        ) from error


def lasting(source: str) -> str:
    """A source as a file may name it: a local folder's whole path, which another working directory finds too; other names as they are."""
    return str(Path(source).resolve()) if source and source not in SHIPPED and Path(source).is_dir() else source


def check_model(folder: Path) -> None:
    """ValueError with the first fault: no config, a shard that is missing or cut short, weights of another type than floats."""
    if not (folder / "config.json").is_file():
        raise ValueError(f"There is no policy at {folder}: config.json is missing.")
    for path in weight_files(folder):
        _check_shard(path)


def weight_files(folder: Path) -> list[Path]:
    """Every safetensors file of a model. ValueError names those that an index asks for and that are not there."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        names = sorted(set(read_json(index).get("weight_map", {}).values()))
    elif (folder / "model.safetensors").is_file():
        names = ["model.safetensors"]
    elif any(folder.glob("*.bin")):
        raise ValueError(f"{folder} has its weights as .bin files: convert them to safetensors first.")
    else:
        raise ValueError(f"{folder} has no weights: model.safetensors is missing, and so is its index.")
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise ValueError(
            f"{folder} is half a download: {len(missing)} of {len(names)} weight files are missing, the first is "
            f"{missing[0]}. Run `hf download` again; it goes on where it stopped."
        )
    return [folder / name for name in names]


def weights_digest(path: Path) -> str:
    """Tells weights apart: sixteen hexadecimal digits of the sizes of their files and of 64 KiB at sixteen places in each.

    `path` is one file of weights or a folder of them. A whole read would take a minute at 7 B; a training moves every weight.
    """
    files = [path] if path.is_file() else sorted(p for p in path.glob("*") if p.suffix in (".safetensors", ".bin"))
    digest = sha256()
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.name} {size}".encode())
        with file.open("rb") as opened:
            for place in range(16):
                opened.seek(size * place // 16)
                digest.update(opened.read(2**16))
    return digest.hexdigest()[:16]


def check_shapes(folder: Path, expected: Mapping[str, Sequence[int]]) -> None:
    """ValueError names the first weight whose shape is not what config.json asks for; unknown names are left to the loader."""
    for path in weight_files(folder):
        with safe_open(path, "pt") as opened:
            for key in opened.keys():  # noqa: SIM118 (not a dict)
                found = opened.get_slice(key).get_shape()
                if key in expected and list(found) != list(expected[key]):
                    raise ValueError(
                        f"{path}: {key} has shape {list(found)}, but {folder.name}/config.json asks for {list(expected[key])}; "
                        "take the config that these weights were saved with."
                    )


def _check_shard(path: Path) -> None:
    try:
        with safe_open(path, "pt") as opened:
            types = {key: opened.get_slice(key).get_dtype() for key in opened.keys()}  # noqa: SIM118 (not a dict)
    except SafetensorError as error:
        raise ValueError(f"{path} is cut short or no safetensors file ({error}); download it again.") from error
    for key, kind in types.items():
        if kind not in FLOATS:
            raise ValueError(
                f"{path}: {key} is stored as {kind}; a policy is read from {', '.join(FLOATS)} weights. Take the "
                "unquantised checkpoint, and policy.weights=4bit to hold it in 4 bits."
            )


def refuse_holes(folder: Path, report: Mapping[str, Any]) -> None:
    """ValueError for a weight that no file has, or has in another shape: transformers would draw it at random and go on."""
    odd = sorted(map(str, report["missing_keys"])) or sorted(str(key[0]) for key in report["mismatched_keys"])
    if odd:
        why = "has no weight" if report["missing_keys"] else "has another shape, by its config.json, of the weight"
        raise ValueError(
            f"{folder} {why} {odd[0]} ({len(odd)} in all): it is half a model; download or convert it again."
        )
