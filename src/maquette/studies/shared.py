"""What studies beside one another share: a training whose config is the same to the letter is done once.

Many tables of the paper repeat a row. Studies whose folders lie side by side (`runs/studies/*`) look for it there. A finished cell of
the same config, suite, code and weights is taken over whole, with its evaluation; so is one whose config differs in what cannot act
(`in_effect`). One of the same config but fewer steps *is* the
beginning of the longer training (the learning rate does not decay, and runs go on bit for bit), which goes on from its last checkpoint.
"""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import maquette
from maquette.config import AlgorithmConfig, Config
from maquette.config_file import dump_config
from maquette.tracking import read_metrics
from maquette.training.checkpoint import list_checkpoints
from maquette.training.loop import FREE_KEYS

BEGUN = "begun_from.json"
HEAVY = ("checkpoints", "policy", "samples")
"""What a cell that is taken over leaves where it was: its page needs numbers and answers only."""


def in_effect(config: Config) -> Config:
    """The same training with what cannot act left at its default: with one update a rollout every ratio is 1, and no clip touches it."""
    own, plain = config.algorithm, AlgorithmConfig()
    if own.updates_per_rollout * own.minibatches > 1:
        return config
    return replace(config, algorithm=replace(own, clip_low=plain.clip_low, clip_high=plain.clip_high))


def lineage(config: Config, suite: str, limit: int) -> str:
    """Equal for two cells that differ in nothing but how long they train and what they write beside it.

    What the package does and which weights it ships stand in it too: a cell from before a correction is not the same cell.
    """
    plain = replace(config, **{key: getattr(Config(), key) for key in FREE_KEYS})
    text = json.dumps([dump_config(plain), suite, limit, package_state()])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@functools.cache
def package_state() -> str:
    """Of the package's code, and of the cards of its weights, which change with them."""
    here, state = Path(maquette.__file__).parent, hashlib.sha256()
    for path in sorted([*here.rglob("*.py"), *here.glob("data/*/card.json")]):
        state.update(path.relative_to(here).as_posix().encode() + path.read_bytes())
    return state.hexdigest()


def relatives(out: Path, line: str, key: str = "lineage") -> Iterator[tuple[Path, Mapping[str, object]]]:
    """Finished cells of this lineage (or, by `effect`, of one that comes to the same) in the studies beside `out` and in `out` itself."""
    for path in sorted(out.resolve().parent.glob("*/cells/*/result.json")):
        try:
            result = json.loads(path.read_text())
        except (OSError, json.JSONDecodeError):
            continue  # someone else's folder; its own study says what is wrong with it
        if result.get(key) == line:
            yield path.parent, result


def take_over(out: Path, folder: Path, effect: str, steps: int) -> dict[str, object] | None:
    """The result of a cell that did what comes to this, its evaluation and curves copied into `folder`; None where nobody did."""
    for other, result in relatives(out, effect, "effect"):
        if result["steps"] == steps and other.resolve() != folder.resolve():
            for name in ("evaluation", "run"):
                if (other / name).is_dir():
                    shutil.rmtree(folder / name, ignore_errors=True)
                    shutil.copytree(other / name, folder / name, ignore=shutil.ignore_patterns(*HEAVY))
            return {**result, "taken_from": f"{other.parents[1].name}/{other.name}"}
    return None


def begin_from(out: Path, folder: Path, line: str, steps: int) -> str:
    """Copies the longest training of this lineage that is shorter than `steps` into `folder/run`, to be gone on with.

    Its name, "" where there is none. What was done there is written beside, so that its hours are not counted twice.
    """
    shorter = [
        (int(str(result["steps"])), other)
        for other, result in relatives(out, line)
        if int(str(result["steps"])) < steps and is_whole(other / "run", int(str(result["steps"])))
    ]
    if not shorter or (folder / "run").exists():
        return ""
    done, other = max(shorter)
    partial = folder / ".run"
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(other / "run", partial, ignore=shutil.ignore_patterns("policy"))
    name = f"{other.parents[1].name}/{other.name}"
    (partial / BEGUN).write_text(json.dumps({"begun_from": name, "begun_at_step": done}))
    partial.rename(folder / "run")
    return name


def begun(run: Path) -> dict[str, object]:
    """Where a training was begun: `begun_from` and `begun_at_step`; nothing for one that was trained here from its start."""
    path = run / BEGUN
    return json.loads(path.read_text()) if path.is_file() else {}


def is_whole(run: Path, steps: int) -> bool:
    """Whether a run's last checkpoint and its log are those of its end."""
    found = list_checkpoints(run / "checkpoints")
    return bool(found) and found[-1].name == f"step-{steps:06d}" and len(read_metrics(run / "metrics.jsonl")) == steps
