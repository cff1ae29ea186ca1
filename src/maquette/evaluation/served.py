"""Judges of the three levels behind an address: the file and the client are those of the rewards, the models must not be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import yaml
from jaxtyping import UInt8

from maquette.config import Config
from maquette.config_file import load_config
from maquette.evaluation.extractors import backbone_of
from maquette.evaluation.judges import LEVELS, PROMPT_VERSION, Ask, level_score, yes_or_no
from maquette.rewards.judge_client import JudgeClient, Question
from maquette.rewards.judge_prompts import read_object
from maquette.rewards.judge_rewards import png
from maquette.rewards.judges_file import read_judges

NUMBER, WORDS = {"type": "number", "minimum": 0, "maximum": 1}, {"type": "string"}
FIELDS = dict.fromkeys(LEVELS, NUMBER) | {"reason": WORDS}


def open_judges(path: Path, run: Path | None = None) -> tuple[dict[str, Ask], list[str]]:
    """Each model that a judges file lists under `levels:` (all of its models where it lists none), and lines for the record.

    Judges go by what their servers call them, so that scores of two evaluations under one name are one model's. ValueError: no such
    file, a name that is not under `models:`, one model twice, or a model that rewarded the policy of the folder `run`: what measures is
    never what rewards.
    """
    file = read_judges(path)
    rewarded = rewarding_models(run) if run else set()
    asks: dict[str, Ask] = {}
    lines: list[str] = []
    for client in map(file.model, file.levels()):
        settings = client.settings
        if settings.model in rewarded:
            raise ValueError(
                f"{settings.model} rewarded {run}: what measures is never what rewards; name another model under levels: in {path}."
            )
        if settings.model in asks:
            raise ValueError(
                f"{path} names {settings.model} as two judges, which would agree with itself: give one entry both addresses."
            )
        asks[settings.model] = asking(client)
        lines.append(f"{settings.model} ({PROMPT_VERSION}) at {', '.join(settings.addresses)}")
    return asks, lines


def asking(client: JudgeClient) -> Ask:
    """A client as the levels want it: text and pictures in, the answer's JSON out; ValueError keeps what it said instead."""

    def ask(text: str, pictures: Sequence[UInt8[np.ndarray, "h w 3"]], questions: int) -> Mapping[str, object]:
        images = tuple(png(picture) for picture in pictures)
        read = partial(read_levels, questions=questions)
        answer = client.ask([Question(text, read, images=images, schema=level_schema(questions))])[0]
        if answer.value is None:
            raise ValueError(f"{answer.missing or 'no answer'}; it said {answer.text[:200]!r}")
        return answer.value

    return ask


def level_schema(questions: int) -> dict[str, object]:
    """Of an answer: a score a level, a reason, and one yes or no for each question."""
    answers = {"type": "array", "items": WORDS, "minItems": questions, "maxItems": questions}
    fields = FIELDS | {"answers": answers}
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def read_levels(text: str, questions: int = 0) -> dict[str, object]:
    """The JSON of an answer with all that was asked for; ValueError for another one, which the client asks for again."""
    answer = read_object(text)
    for level in LEVELS:
        level_score(answer, level)
    if questions:
        yes_or_no(answer, questions)
    return answer


def rewarding_models(run: Path) -> set[str]:
    """Names, as their servers call them, of the models whose scores trained the policy in the folder `run` (a run, or its policy).

    Those of the runs that it started from count too, and what a run's record says counts even where its judges file was changed since.
    """
    found: set[str] = set()
    for config, trained in _trainings(run):
        recorded = _recorded(config.with_name("provenance.yaml"))
        found |= recorded
        if trained.judges and (Path(trained.judges).is_file() or not recorded):
            found |= _named(run, Path(trained.judges))
    return found


def _trainings(run: Path) -> Iterator[tuple[Path, Config]]:
    """The config of a run, and of those that it started from."""
    seen: set[Path] = set()
    while (config := _config_of(run)) and config not in seen:
        seen.add(config)
        trained = load_config(config)
        yield config, trained
        run = Path(trained.model)


def refuse_rewarding_clip(backbone: str, run: Path) -> None:
    """ValueError where a CLIP of that backbone rewarded the policy in the folder `run`, or one that it started from."""
    if backbone and backbone in rewarding_clips(run):
        raise ValueError(
            f"a CLIP {backbone} rewarded {run}: what measures is never what rewards; name weights of another backbone with --clip."
        )


def rewarding_clips(run: Path) -> set[str]:
    """Backbones of the CLIPs whose scores trained the policy in the folder `run`; the aesthetic score stands on ViT-L/14."""
    found: set[str] = set()
    for _, trained in _trainings(run):
        rewards = [stage.rewards for stage in trained.stages]
        if any(r.clip_aesthetic for r in rewards):
            found.add("vit-l-14")
        if any(r.clip for r in rewards):
            found.add(backbone_of(str(read_judges(Path(trained.judges)).tree.get("weights", {}).get("clip", ""))))
    return found


def _config_of(run: Path) -> Path | None:
    places = (run, run.parent) if run.exists() else ()
    return next((place.resolve() / "config.yaml" for place in places if (place / "config.yaml").is_file()), None)


def _recorded(path: Path) -> set[str]:
    """From lines such as `unified v1 3f9c21d0: MODEL at ADDRESS`, which `Judges.record` wrote when the run began."""
    lines = (yaml.safe_load(path.read_text()) or {}).get("judges", []) if path.is_file() else []
    return {match[1] for line in lines if (match := re.match(r"\w+ v\d+ \w+: (.+) at ", line))}


def _named(run: Path, judges: Path) -> set[str]:
    if not judges.is_file():
        raise ValueError(
            f"{run} was rewarded by the judges in {judges}, which is not there: put it back, so that none of them measures too."
        )
    file = read_judges(judges)
    return {file.model(name).settings.model for name in set(file.tree.get("rewards", {}).values())}
