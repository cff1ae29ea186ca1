"""The judges file: which model stands behind each full-size reward, where it answers, and where weights lie."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
import yaml

from maquette.protocols import Reward
from maquette.rewards.clip_models import AestheticHead, ClipScorer
from maquette.rewards.clip_rewards import ClipAesthetic, TextAndView
from maquette.rewards.judge_client import JudgeClient, JudgeSettings
from maquette.rewards.judge_parts import PartLists, PointCloud
from maquette.rewards.judge_prompts import PROMPTS, JudgePrompt, load_prompt
from maquette.rewards.judge_rewards import MEANINGS, JudgedReward
from maquette.rewards.scorers import Reduce

IN_PROCESS = ("hps", "clip", "clip_aesthetic")
SERVED = tuple(MEANINGS)
FULL_SIZE = (*IN_PROCESS, *SERVED)
"""Names of the rewards that need this file."""
ABOUT_PARTS = ("judge_parts", "point_parts")
TOP = ("cache", "device", "prompts", "models", "rewards", "weights", "points", "levels")
FLOATS = {"timeout", "backoff", "price_in", "price_out"}
WEIGHTS = ("hps", "clip", "clip_aesthetic", "clip_tokenizer", "clip_l14")


@dataclass
class Judges:
    """Rewards by name, each loaded when it is first asked for; models and addresses are shared."""

    tree: Mapping[str, Any]
    folder: Path
    """Relative paths in the file start here."""
    clients: dict[str, JudgeClient] = field(default_factory=dict)
    scorers: dict[tuple[str, str], ClipScorer] = field(default_factory=dict)

    def reward(self, name: str, reduce: Reduce) -> Reward:
        """ValueError names what the file lacks for it."""
        if name in IN_PROCESS:
            return self._in_process(name, reduce)
        prompt = self.prompt(name)
        lists = None
        if name in ABOUT_PARTS:
            lists = PartLists(self.client("list_parts"), self.prompt("list_parts"))
        cloud = self.tree.get("points", {})
        density = {"density": float(cloud["density"])} if "density" in cloud else {}
        points = PointCloud(**(cloud | density)) if prompt.views == "points" else None
        return JudgedReward(name, self.client(name), prompt, lists, reduce, points)

    def prompt(self, name: str) -> JudgePrompt:
        folder = self.tree.get("prompts")
        return load_prompt(name, self.folder / folder if folder else PROMPTS)

    def asked(self, name: str) -> str:
        """The model, by its name in the file, that this question goes to. ValueError where the file says nothing of it."""
        model = self.tree.get("rewards", {}).get(name)
        if model is None:
            raise ValueError(f"The judges file says nothing of {name}: add it under `rewards:` with the model to ask.")
        if model not in self.tree.get("models", {}):
            raise ValueError(f"The judges file gives {name} to {model!r}, which is not under `models:`.")
        return model

    def client(self, name: str) -> JudgeClient:
        """Of the model that the file gives this question to."""
        return self.model(self.asked(name))

    def levels(self) -> tuple[str, ...]:
        """The models that measure in an evaluation: those under `levels:`, or all. ValueError where there is none, or one unknown."""
        models = self.tree.get("models", {})
        names = tuple(self.tree.get("levels", models))
        for name in names:
            if name not in models:
                raise ValueError(f"The judges file lists {name!r} under `levels:`, which is not under `models:`.")
        if not names:
            raise ValueError("The judges file names no model: add one under `models:`.")
        return names

    def model(self, model: str) -> JudgeClient:
        """The client of a model under `models:`."""
        if model not in self.clients:
            settings = self.tree["models"][model]
            _refuse_unknown(settings, [f.name for f in fields(JudgeSettings)], f"models.{model}")
            known = settings | {"addresses": tuple(settings.get("addresses", ()))} | _floats(settings, model)
            cache = self.tree.get("cache")
            self.clients[model] = JudgeClient(JudgeSettings(**known), self._path(cache) if cache else None)
        return self.clients[model]

    def record(self) -> list[str]:
        """What was asked of whom, for the run's record: prompts with version and digest, models, addresses."""
        lines = []
        for name, model in self.tree.get("rewards", {}).items():
            own = self.tree.get("models", {}).get(model, {})
            where = ", ".join(own.get("addresses", ())) or "no address"
            lines.append(f"{self.prompt(name).label}: {own.get('model', model)} at {where}")
        return lines + [f"{name}: {path}" for name, path in self.tree.get("weights", {}).items()]

    def costs(self) -> dict[str, float]:
        """Numbers of every model since the last call, as `judge/MODEL/asked` and so on."""
        return {f"judge/{m}/{k}": v for m, client in self.clients.items() for k, v in client.take().items()}

    def refusals(self) -> list[dict[str, str]]:
        """Judge, reason and words of every question that got no answer since the last call."""
        return [
            {"judge": name, "why": refused.why, "text": refused.text}
            for name, client in self.clients.items()
            for refused in client.refusals()
        ]

    def _in_process(self, name: str, reduce: Reduce) -> Reward:
        weights = self.tree.get("weights", {})
        backbone = "clip_l14" if name == "clip_aesthetic" else name
        for key in {name, backbone}:
            if key not in weights:
                raise ValueError(f"The judges file has no weights for {name}: add `{key}` under `weights:`.")
        if name == "hps" and "clip_tokenizer" not in weights:
            raise ValueError("HPS brings no tokenizer: add `clip_tokenizer` (any CLIP's folder) under `weights:`.")
        scorer = self._scorer(weights[backbone], weights.get("clip_tokenizer", "") if name == "hps" else "")
        if name == "clip_aesthetic":
            head = AestheticHead.load(self._path(weights[name]))
            return ClipAesthetic(scorer, head, reduce)
        return TextAndView(name, scorer, reduce)  # type: ignore[arg-type]

    def _scorer(self, weights: str, tokenizer: str) -> ClipScorer:
        device = self.tree.get("device", "cpu")
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise ValueError(f"The judges file says device: {device} and this machine shows none; set device: cpu.")
        dtype = torch.float32 if device == "cpu" else torch.bfloat16
        found = self.scorers.get((weights, tokenizer))
        if found is None:
            places = (str(p) if (p := self._path(name)).exists() else name for name in (weights, tokenizer))
            found = ClipScorer.open(*places, device=device, dtype=dtype)
            self.scorers[weights, tokenizer] = found
        return found

    def _path(self, name: str) -> Path:
        return self.folder / Path(name).expanduser() if name else Path("\0")


def read_judges(path: Path) -> Judges:
    """ValueError: no such file, no YAML, a key of another name (the nearest is named)."""
    if not path.is_file():
        raise ValueError(f"There is no judges file at {path}; configs/full/judges.yaml is one to start from.")
    try:
        tree = yaml.safe_load(path.read_text()) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, Mapping):
        raise ValueError(f"{path} holds a {type(tree).__name__}; a judges file is a mapping.")
    _refuse_unknown(tree, TOP, str(path))
    _refuse_unknown(tree.get("rewards", {}), (*SERVED, "list_parts"), "rewards")
    _refuse_unknown(tree.get("weights", {}), WEIGHTS, "weights")
    _refuse_unknown(tree.get("points", {}), [f.name for f in fields(PointCloud)], "points")
    return Judges(tree, path.parent)


def _floats(settings: Mapping[str, Any], model: str) -> dict[str, float]:
    """The settings that are numbers with a point, which YAML may have written without one."""
    found = {}
    for name in FLOATS & settings.keys():
        try:
            found[name] = float(settings[name])
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"models.{model}.{name} is {settings[name]!r} in the judges file; it is a number."
            ) from error
    return found


def _refuse_unknown(given: Mapping[str, Any], known: tuple[str, ...] | list[str], where: str) -> None:
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1, 0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}."
            raise ValueError(f"Unknown key {key!r} in the judges file ({where}): {hint}")
