"""YAML and `key=value` → the tree of config.py, by way of flags, so that tyro is the only parser of values."""

from __future__ import annotations

import contextlib
import difflib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import tyro
import yaml

from maquette.config import Config, StageSpec
from maquette.config_checks import check

K = TypeVar("K")


def load_config(path: Path | str, overrides: Sequence[str] = (), *, kind: type[K] = Config) -> K:  # type: ignore[assignment]
    """The tree that a YAML file and `key=value` overrides describe; `stages.0.max_reasoning=64` reaches into lists.

    The file becomes flags and tyro is the only parser of values. ValueError: unreadable file, unknown key (the nearest
    known one is named), a value that does not fit, or a tree that contradicts itself.
    """
    try:
        tree = yaml.safe_load(Path(path).read_text()) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, Mapping):
        raise ValueError(f"{path} holds a {type(tree).__name__}; a config is a mapping of keys to values.")
    flags = _flatten(tree) | dict(_override(text) for text in overrides)
    for key in flags:
        _check_key(key, kind, str(path))
    return parse_flags(flags, kind)


def parse_flags(flags: Mapping[str, list[str]], kind: type[K]) -> K:
    """`{"optimiser.lr": ["1e-5"]}` → the tree; lists of stages grow to the largest index that is named."""
    default = kind()
    indices = [int(match[1]) for match in (re.match(r"stages\.(\d+)\.", key) for key in flags) if match]
    if indices and isinstance(default, Config):
        given = "stages.length" in flags
        chain = [] if given else list(default.stages)
        chain += [StageSpec()] * (1 + max(indices) - len(chain))
        default = Config(stages=tuple(chain))
    words = [word for key, values in flags.items() if key != "stages.length" for word in (f"--{key}", *values)]
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint), contextlib.redirect_stdout(complaint):
            config = tyro.cli(kind, args=words, default=default, config=(tyro.conf.FlagConversionOff,))
    except SystemExit as stop:
        raise ValueError(_sentence(complaint.getvalue())) from stop
    if isinstance(config, Config):
        check(config)
    return config


def dump_config(config: object) -> str:
    """The whole tree as YAML, as `load_config` reads it back."""
    return yaml.safe_dump(_plain(asdict(config)), sort_keys=False)  # type: ignore[call-overload]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (tuple, list)) else value


def _flatten(tree: Any, prefix: str = "") -> dict[str, list[str]]:
    if isinstance(tree, Mapping):
        items = {str(key): value for key, value in tree.items()}
    elif isinstance(tree, list) and any(isinstance(item, Mapping) for item in tree):
        items = {str(index): value for index, value in enumerate(tree)}
    else:
        return {prefix: [str(item) for item in (tree if isinstance(tree, list) else [tree])]}
    flat = {f"{prefix}.length": [str(len(items))]} if isinstance(tree, list) else {}
    for key, value in items.items():
        flat |= _flatten(value, f"{prefix}.{key}" if prefix else key)
    return flat


def _override(text: str) -> tuple[str, list[str]]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--set takes key=value, not {text!r}.")
    words = [word.title() if word in ("true", "false") else word for word in value.split(",")]  # as YAML writes them
    return key.strip().replace("-", "_"), words if value else []


def _check_key(key: str, kind: type, where: str) -> None:
    known = list(leaves(kind))
    plain = re.sub(r"^stages\.\d+", "stages.N", key)
    if plain in known or plain == "stages.length":
        return
    ends = {name.rsplit(".", 1)[-1]: name for name in known}
    near = difflib.get_close_matches(plain, known, 1, 0.6) or [
        ends[end] for end in difflib.get_close_matches(plain.rsplit(".", 1)[-1], list(ends), 1, 0.4)
    ]
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}."
    raise ValueError(f"Unknown key {key!r} ({where}): {hint}")


def leaves(kind: type, prefix: str = "") -> dict[str, Any]:
    """Dotted names of all leaves of a tree and their defaults; a stage's stand once, under `stages.N`."""
    found: dict[str, Any] = {}
    for part in fields(kind):
        default = part.default_factory() if callable(part.default_factory) else part.default
        if part.name == "stages":
            found |= leaves(StageSpec, "stages.N.")
        elif is_dataclass(default):
            found |= leaves(type(default), f"{prefix}{part.name}.")
        else:
            found[prefix + part.name] = default
    return found


def _sentence(complaint: str) -> str:
    """tyro's boxed complaint as one line, without its help."""
    lines = [line.strip(" │╭╮╰╯─-") for line in complaint.splitlines()]
    body = [line for line in lines[1:] if line]
    stop = next(
        (i for i, line in enumerate(body) if line.startswith(("Argument helptext", "For full", "Perhaps"))), len(body)
    )
    return " ".join(body[:stop])
