"""What `--model` means: a shipped policy, the folder of a run, or the folder of a model."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import yaml

from maquette.config import FINE, Config, StageSpec
from maquette.config_file import dump_config, load_config

DATA = Path(__file__).parent / "data"
SHIPPED = {"tiny": DATA / "policy-base", "tiny-rl": DATA / "policy-rl"}
"""Policies in the package, by the names that every command takes."""
CHAIN = "maquette.yaml"
"""In a policy's own folder: what `source_of` reads there, see `kept_chain`."""
KEPT = ("codec", "temperature", "paint_text", "render_size", "reduce", "stages")


@dataclass(frozen=True)
class Source:
    """A policy with the codec, the chain of stages and the sampling that it was made for."""

    model: str
    codec: str
    stages: tuple[StageSpec, ...]
    temperature: float = 1.0
    top_p: float = 1.0
    full: bool = False
    """Whether it is a vision-language model, which wants a GPU."""
    paint_text: Literal["prompt", "reasoning"] = "prompt"
    """What TRELLIS is told of an answer."""
    judges: str = ""
    """The judges file that its config names; "" for none. A folder that travels (`kept_chain`) names none."""
    render_size: int = 64
    """Pixels a side of the views that its rewards were shown."""
    reduce: Literal["max", "mean", "min"] = "mean"
    """How its judges of single views make one score."""


PUBLISHED_CODEC = "yejunliang23/3DVQVAE"
PUBLISHED_SAMPLING = 0.7
"""Temperature and top-p of every full-size model, trained further or not (ShapeLLM-Omni, arXiv 2506.01853, §4.2)."""
WEIGHTS = ("config.json", "adapter_config.json")
"""A folder with one of these is a policy."""
DIRECT = StageSpec("fine", "direct", max_reasoning=0, rewards=FINE.rewards)
THINKING = StageSpec("fine", "direct-free", max_reasoning=512, rewards=FINE.rewards)
"""3DGen-R1 was trained to reason before its codes; the request is the same sentence."""
REASONS = re.compile(r"(?<![a-z0-9])3dgen-r1(?![a-z0-9])", re.IGNORECASE)
"""Its published name, in a folder's name."""


def is_shipped(name: str) -> bool:
    """Whether this checkout carries the policy of that name."""
    return name in SHIPPED and (SHIPPED[name] / "config.json").is_file()


def source_of(name: str) -> Source:
    """`tiny` and `tiny-rl` are shipped; a run's folder and an exported one bring their own chain; adapters alone have their base's.

    A published vision-language model, by folder or hub name, answers the published sentence through the published codec; any
    other folder answers by the default chain.
    """
    path = Path(name)
    for file, model in (
        (path / "config.yaml", path / "policy"),
        (path.parent / "config.yaml", path),
        (path / CHAIN, path),
    ):
        if file.is_file() and is_policy(model):
            return _told(load_config(file), model)
    if base := base_of(path):
        return replace(source_of(base), model=name)
    if is_full_size(path):
        chain = (THINKING,) if REASONS.search(path.name) else (DIRECT,)
        return Source(name, PUBLISHED_CODEC, chain, PUBLISHED_SAMPLING, PUBLISHED_SAMPLING, full=True)
    default = Config()
    return Source(name, default.codec, default.stages)


def _told(config: Config, model: Path) -> Source:
    """A policy with the config that it was trained by."""
    full = is_full_size(model)
    temperature, top_p = (PUBLISHED_SAMPLING, PUBLISHED_SAMPLING) if full else (config.temperature, 1.0)
    seen = {"judges": config.judges, "render_size": config.render_size, "reduce": config.reduce}
    return Source(str(model), config.codec, config.stages, temperature, top_p, full, config.paint_text, **seen)


def kept_chain(source: Source) -> str:
    """What an exported policy's folder keeps of how it is asked, as YAML: a config of a few keys."""
    told = {name: getattr(source, name) for name in KEPT}
    tree = yaml.safe_load(dump_config(replace(Config(), **told)))
    return yaml.safe_dump({key: tree[key] for key in KEPT}, sort_keys=False)


def is_policy(folder: Path) -> bool:
    """Whether a model or adapters lie there."""
    return any((folder / name).is_file() for name in WEIGHTS)


def is_full_size(path: Path) -> bool:
    """Whether a name stands for a Qwen2.5-VL: its folder's config (of adapters: their base's) says so, or it is a hub name."""
    if base := base_of(path):
        return is_full_size(Path(base))
    if (path / "config.yaml").is_file() and is_policy(path / "policy"):
        return is_full_size(path / "policy")
    if (path / "config.json").is_file():
        return read_json(path / "config.json").get("model_type") == "qwen2_5_vl"
    return not path.exists() and bool(re.fullmatch(r"[\w.-]+/[\w.-]+", str(path)))


def base_of(folder: Path) -> str:
    """The base that the adapters in a folder name; "" where there are no adapters, or none is named."""
    file = folder / "adapter_config.json"
    return str(read_json(file).get("base_model_name_or_path") or "") if file.is_file() else ""


def read_json(path: Path) -> dict[str, Any]:
    """ValueError with the file's name where it is cut short or holds no mapping."""
    try:
        tree = json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is cut short or no JSON ({error}); download or write it again.") from error
    if not isinstance(tree, dict):
        raise ValueError(f"{path} holds a {type(tree).__name__}; it must be a mapping.")
    return tree
