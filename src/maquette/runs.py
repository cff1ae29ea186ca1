"""What `--model` means: a shipped policy, the folder of a run, or the folder of a model."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from maquette.config import FINE, Config, StageSpec
from maquette.config_file import load_config

DATA = Path(__file__).parent / "data"
SHIPPED = {"tiny": DATA / "policy-base", "tiny-rl": DATA / "policy-rl"}
"""Policies in the package, by the names that every command takes."""


@dataclass(frozen=True)
class Source:
    """A policy with the codec, the chain of stages and the sampling that it was trained with."""

    model: str
    codec: str
    stages: tuple[StageSpec, ...]
    temperature: float = 1.0
    top_p: float = 1.0
    full: bool = False
    """Whether it is a vision-language model, which wants a GPU."""


PUBLISHED_CODEC = "yejunliang23/3DVQVAE"
WEIGHTS = ("config.json", "adapter_config.json")
"""A folder with one of these is a policy."""
DIRECT = StageSpec("fine", "direct", max_reasoning=0, rewards=FINE.rewards)
THINKING = StageSpec("fine", "direct-free", max_reasoning=512, rewards=FINE.rewards)
"""3DGen-R1 was trained to reason before its codes; the request is the same sentence."""


def is_shipped(name: str) -> bool:
    """Whether this checkout carries the policy of that name."""
    return name in SHIPPED and (SHIPPED[name] / "config.json").is_file()


def source_of(name: str) -> Source:
    """`tiny` and `tiny-rl` are shipped; a run's folder brings its own chain; any other folder answers by the default chain.

    A vision-language model, by folder or hub name, answers the published sentence at the published temperature and top-p
    (ShapeLLM-Omni, arXiv 2506.01853, §4.2: both 0.7) through the published codec.
    """
    default = Config()
    path = Path(name)
    for run, model in ((path, path / "policy"), (path.parent, path)):
        if (run / "config.yaml").is_file() and any((model / name).is_file() for name in WEIGHTS):
            config = load_config(run / "config.yaml")
            return Source(str(model), config.codec, config.stages)
    if is_full_size(path):
        chain = (THINKING,) if "r1" in path.name.lower() else (DIRECT,)
        return Source(name, PUBLISHED_CODEC, chain, temperature=0.7, top_p=0.7, full=True)
    return Source(name, default.codec, default.stages)


def is_full_size(path: Path) -> bool:
    """Whether a name stands for a Qwen2.5-VL: its folder's config says so, or it is a hub name and no folder."""
    if (path / "config.json").is_file():
        return json.loads((path / "config.json").read_text()).get("model_type") == "qwen2_5_vl"
    return not path.exists() and bool(re.fullmatch(r"[\w.-]+/[\w.-]+", str(path)))
