"""What judges are asked and how their answers are read: YAML files under data/judge-prompts, each with a version.

A field of an answer is a number in a range, a text (kept, not scored), or a list of parts. Answers come as JSON or as
`Name (1-5): 3.2` lines; either is read strictly: what is missing, out of range or no number is no answer. Two looks of one mark are
taken for it: true and false for a whole 0 or 1, and a number a hair outside its range, as models write that regress to 15 digits.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

PROMPTS = Path(__file__).resolve().parents[1] / "data" / "judge-prompts"
KEYS = {"version", "views", "format", "system", "text", "fields", "score"}
TEXT: dict[str, Any] = {"type": "string"}
HAIR = 0.05
"""By so much a mark may lie outside its range and be taken for the end: left out, it would always be the best views or the worst."""


@dataclass(frozen=True)
class JudgePrompt:
    """One question's wording and the shape of its answer."""

    name: str
    version: int
    digest: str
    """Of the file: two runs with the same digest asked the same thing."""
    text: str
    system: str
    format: Literal["json", "lines"]
    views: Literal["each", "all", "points", "none"]
    """What is shown: one view at a time, all together, a point cloud, or nothing."""
    fields: Mapping[str, Mapping[str, Any]]
    score: tuple[str, ...]
    """Fields that are summed; for parts the mean over parts of existence + completeness."""

    @property
    def label(self) -> str:
        """For the run's record, e.g. `unified v1 3f9c21d0`."""
        return f"{self.name} v{self.version} {self.digest[:8]}"

    @property
    def worst(self) -> float:
        """The lowest sum that an answer can hold: what a failed shape gets."""
        return float(sum(self.fields[name].get("low", 0) for name in self.score))

    def say(self, **words: object) -> str:
        """The text with {prompt}, {views} and {parts} filled in; braces in the words stay as they are."""
        return re.sub(r"\{(prompt|views|parts)\}", lambda m: str(words.get(m[1], m[0])), self.text)

    def schema(self) -> dict[str, Any]:
        """JSON schema of an answer."""
        return _object({name: _field_schema(rule) for name, rule in self.fields.items()})

    def parse(self, text: str) -> dict[str, object]:
        """The answer's fields; `score` holds their sum. ValueError where the text is none."""
        found = _lines(text, self.fields) if self.format == "lines" else read_object(text)
        value = {name: _checked(name, rule, found.get(name)) for name, rule in self.fields.items()}
        if self.score:
            value["score"] = math.fsum(float(value[name]) for name in self.score)  # type: ignore[arg-type]
        return value


def load_prompt(name: str, folder: Path = PROMPTS) -> JudgePrompt:
    """The file `name`.yaml of `folder`, of the shipped ones where that has none. ValueError: no such file, or a broken one."""
    path = folder / f"{name}.yaml"
    path = path if path.is_file() else PROMPTS / f"{name}.yaml"
    if not path.is_file():
        raise ValueError(f"There is no judge prompt {name!r} in {folder}, nor is one shipped.")
    raw = path.read_bytes()
    try:
        tree = yaml.safe_load(raw)
        fields = tree["fields"]
        numeric = tuple(key for key, rule in fields.items() if "high" in rule)
        prompt = JudgePrompt(
            name=name,
            version=int(tree["version"]),
            digest=hashlib.sha256(raw).hexdigest(),
            text=tree["text"],
            system=tree.get("system", ""),
            format=tree["format"],
            views=tree["views"],
            fields=fields,
            score=tuple(tree.get("score", numeric)),
        )
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} is no judge prompt: {' '.join(str(error).split())}.") from error
    if unknown := set(tree) - KEYS:
        raise ValueError(f"{path} has the unknown key {sorted(unknown)[0]!r}; known are {', '.join(sorted(KEYS))}.")
    return prompt


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _field_schema(rule: Mapping[str, Any]) -> dict[str, Any]:
    unit = {"type": "number", "minimum": 0, "maximum": 1}
    if rule.get("parts"):
        part = _object({"name": TEXT, "exists": unit | {"type": "integer"}, "completeness": unit})
        return {"type": "array", "items": part}
    if rule.get("listed"):
        return {"type": "array", "items": _object({"name": TEXT, "count": {"type": "integer", "minimum": 0}})}
    if rule.get("text"):
        return TEXT
    return {"type": "integer" if rule.get("whole") else "number", "minimum": rule["low"], "maximum": rule["high"]}


def read_object(text: str) -> dict[str, Any]:
    """The one JSON object in a text, fenced or not."""
    start, end = text.find("{"), text.rfind("}")
    try:
        found = json.loads(text[start : end + 1])
    except json.JSONDecodeError as error:
        raise ValueError("holds no JSON") from error
    if not isinstance(found, dict):
        raise ValueError("holds no JSON object")
    return found


def _lines(text: str, fields: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The last number after each field's own words."""
    found: dict[str, Any] = {}
    for name, rule in fields.items():
        numbers = re.findall(re.escape(rule["line"]) + r"[*\s]*:[*\s]*(-?\d+(?:\.\d+)?)", text)
        if numbers:
            found[name] = float(numbers[-1])
    return found


def _checked(name: str, rule: Mapping[str, Any], value: Any) -> object:
    if rule.get("parts") or rule.get("listed"):
        return _checked_parts(name, rule, value)
    if rule.get("text"):
        return str(value or "")
    return _number(name, value, rule["low"], rule["high"], bool(rule.get("whole")))


def _checked_parts(name: str, rule: Mapping[str, Any], value: Any) -> list[dict[str, object]]:
    if not isinstance(value, list) or not all(isinstance(part, dict) and part.get("name") for part in value):
        raise ValueError(f"has no list of named parts under {name!r}")
    if rule.get("listed"):
        return [{"name": str(p["name"]), "count": int(_number("count", p.get("count"), 0, 1000, True))} for p in value]
    return [
        {
            "name": str(p["name"]),
            "exists": _number("exists", p.get("exists"), 0, 1, True),
            "completeness": _number("completeness", p.get("completeness"), 0, 1, False),
        }
        for p in value
    ]


def _number(name: str, value: Any, low: float | int, high: float | int, whole: bool) -> float:
    if isinstance(value, bool) and whole and (low, high) == (0, 1):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"has no number for {name!r}")
    if not low - HAIR <= value <= high + HAIR or (whole and value != int(value)):
        raise ValueError(f"gives {value} for {name!r}, which must be {'whole and ' if whole else ''}{low} to {high}")
    return float(min(max(value, low), high))
