"""What `--model` means: a shipped policy, the folder of a run, or the folder of a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from maquette.config import Config, StageSpec
from maquette.config_file import load_config

SHIPPED = {"tiny-rl": Path(__file__).parent / "data" / "policy-rl"}
"""Policies in the package beside `tiny`, the base that `load_policy` knows by name."""


@dataclass(frozen=True)
class Source:
    """A policy with the codec and the chain of stages that it was trained with."""

    model: str
    codec: str
    stages: tuple[StageSpec, ...]


def is_shipped(name: str) -> bool:
    """Whether this checkout carries the policy of that name."""
    return name in SHIPPED and (SHIPPED[name] / "config.json").is_file()


def source_of(name: str) -> Source:
    """`tiny` and `tiny-rl` are shipped; a run's folder brings its own chain; any other folder answers by the default chain."""
    default = Config()
    if name in SHIPPED:
        return Source(str(SHIPPED[name]), default.codec, default.stages)
    path = Path(name)
    for run, model in ((path, path / "policy"), (path.parent, path)):
        if (run / "config.yaml").is_file() and (model / "config.json").is_file():
            config = load_config(run / "config.yaml")
            return Source(str(model), config.codec, config.stages)
    return Source(name, default.codec, default.stages)
