"""A study: rows of configs, each with the paper's own numbers, times seeds. Declared in configs/studies/NAME.yaml."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import yaml

from maquette.config import Config
from maquette.config_file import load_config
from maquette.evaluation.results import MEASURES

HOMES = (Path(__file__).resolve().parents[3] / "configs", Path(__file__).resolve().parents[1] / "data" / "configs")
"""Of a checkout, and of an installed package."""
CONFIGS = next((home for home in HOMES if (home / "studies").is_dir()), HOMES[0])
STUDIES = ("paradigm", "algorithms", "rewards", "data", "iterations", "judges", "stages", "mixing", "views")
"""In the order in which they are worth running."""
FEWEST_SEEDS = 3
REWARDS_PAID = "rewards"
CLAIMANTS = ("the paper", "the seed article", "ours")

K = TypeVar("K")


@dataclass(frozen=True)
class Row:
    """One row of the table."""

    name: str
    config: str = ""
    """A file under configs/; empty: nothing is trained, the base model stands for itself under `chain`."""
    chain: str = "hi-grpo.yaml"
    """Whose chain of stages the base model answers by, where nothing is trained."""
    set: tuple[str, ...] = ()
    """Overrides, `key=value`, as `--set` takes them."""
    steps: float = 1.0
    """Training length, as a multiple of the study's steps."""
    paper: Mapping[str, float] = field(default_factory=dict)
    """The paper's numbers, as it prints them: clip, kd (×100)."""
    needs: str = ""
    """What a run of this row lacks here; it is then listed and not run."""


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper or the seed article that two rows can speak to."""

    says: str
    better: str
    worse: str
    """Names of rows: the claim is that the first beats the second."""
    category: str = ""
    """Only over objects of this category; "" all."""
    more_than_others: bool = False
    """The claim is of the category's difference over that of all other objects."""
    of: str = "the paper"
    """Whose claim it is: the paper, the seed article or ours. Each is counted apart."""
    measure: str = "alignment"
    """What decides: a measure of an evaluation (`alignment` as CLIP in the paper), or `rewards`, what the policy was paid at the end."""


@dataclass(frozen=True)
class Study:
    """A grid of rows × seeds, what it asks, and what its answers are held against."""

    name: str
    title: str
    question: str
    source: str
    """Where the paper's column stands."""
    fixed: str
    """What all rows share, and what ×1 means where something is scaled."""
    steps: int
    """Training steps at ×1, where no other number is asked for."""
    rows: tuple[Row, ...]
    claims: tuple[Claim, ...] = ()
    split: str = ""
    """A category that is also reported apart."""


@dataclass(frozen=True)
class Cell:
    """One training and its evaluation."""

    row: Row
    seed: int
    steps: int

    @property
    def id(self) -> str:
        """The cell's folder."""
        return f"{re.sub(r'[^a-z0-9]+', '-', self.row.name.lower()).strip('-')}-seed-{self.seed}"


def load_study(name: str) -> Study:
    """A study by its name, or by the path of a YAML file of yours. ValueError: unknown, or a field that is wrong, by name."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else CONFIGS / "studies" / f"{name}.yaml"
    if not path.is_file():
        raise ValueError(f"there is no study {name!r}; known are {', '.join(STUDIES)}, or a .yaml file of yours")
    try:
        data = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(data, Mapping):
        raise ValueError(f"{path} holds a {type(data).__name__}; a study is a mapping")
    rows = tuple(
        _read(Row, _numbers(row, f"{path}, row {i}"), f"{path}, row {i}")
        for i, row in enumerate(data.get("rows", ()), 1)
    )
    claims = tuple(_read(Claim, claim, f"{path}, claim {i}") for i, claim in enumerate(data.get("claims", ()), 1))
    study = _read(Study, {**data, "name": path.stem, "rows": rows, "claims": claims}, str(path))
    _check(study, path)
    return study


def _read(kind: type[K], data: Mapping[str, Any], where: str) -> K:
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    foreign = set(data) - known if isinstance(data, Mapping) else {str(data)}
    if foreign:
        raise ValueError(f"{where}: does not know {sorted(foreign)}; its fields are {sorted(known)}")
    try:
        return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()})
    except TypeError as error:
        raise ValueError(f"{where}: {error}") from error


def _numbers(row: object, where: str) -> Mapping[str, Any]:
    """A row's `steps` and `paper` as floats, whatever YAML made of them."""
    if not isinstance(row, Mapping):
        raise ValueError(f"{where}: a row is a mapping with a name, not {row!r}")
    try:
        paper = {key: float(value) for key, value in row.get("paper", {}).items()}
        return {**row, "paper": paper, "steps": float(row.get("steps", 1))}
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{where}: steps and the numbers under paper must be numbers: {error}") from error


def _check(study: Study, path: Path) -> None:
    names = [row.name for row in study.rows]
    ids = {Cell(row, 0, 0).id for row in study.rows}
    if not names or len(ids) != len(names):
        raise ValueError(f"{path}: a study needs rows with names of their own, not {names}")
    for claim in study.claims:
        for name in (claim.better, claim.worse):
            if name not in names:
                raise ValueError(f"{path}: the claim {claim.says!r} names {name!r}, which is no row")
        if claim.measure not in (known := [m.name for m in MEASURES] + [REWARDS_PAID]):
            raise ValueError(
                f"{path}: the claim {claim.says!r} is decided by {claim.measure!r}; known are {', '.join(known)}"
            )
        if claim.of not in CLAIMANTS:
            raise ValueError(f"{path}: the claim {claim.says!r} is of {claim.of!r}; known are {', '.join(CLAIMANTS)}")
        if claim.more_than_others and not claim.category:
            raise ValueError(
                f"{path}: the claim {claim.says!r} compares a category with all others; say which category"
            )
    if study.steps < 1:
        raise ValueError(f"{path}: steps is {study.steps}; a training has at least 1")


def plan_cells(study: Study, *, steps: int = 0, budget: int = 0, seeds: int = FEWEST_SEEDS) -> tuple[Cell, ...]:
    """Every cell that can be run, seed by seed, so that a study that is broken off has whole tables.

    `budget` is the steps of all trainings together: it shortens them, and never takes a seed away. ValueError: fewer than three
    seeds, both `steps` and `budget`, or a budget too small for one step each.
    """
    if seeds < FEWEST_SEEDS:
        raise ValueError(
            f"a study has at least {FEWEST_SEEDS} seeds, not {seeds}: shorten its runs instead (--steps or --budget)"
        )
    if steps and budget:
        raise ValueError(f"give either --steps {steps} or --budget {budget}, not both")
    rows = [row for row in study.rows if not row.needs]
    weight = sum(row.steps for row in rows if row.config) * seeds
    unit = int(budget / weight) if budget else steps or study.steps
    if unit < 1:
        raise ValueError(
            f"a budget of {budget} steps is less than one step for each of {weight:g} shares; it must be at least {weight:g}"
        )
    return tuple(Cell(row, seed, round(unit * row.steps) if row.config else 0) for seed in range(seeds) for row in rows)


def config_of(cell: Cell, overrides: Sequence[str] = ()) -> Config:
    """The cell's whole config. A row without training has its chain's, for model, codec and stages. ValueError for what does not load."""
    own = (f"steps={cell.steps}",) if cell.row.config else ()
    path = CONFIGS / (cell.row.config or cell.row.chain)
    try:
        return load_config(path, (*overrides, *cell.row.set, *own, f"seed={cell.seed}"))
    except (ValueError, OSError) as error:
        raise ValueError(f"row {cell.row.name!r}: {error}") from error


def check_prompts(cells: Sequence[Cell], configs: Sequence[Config]) -> None:
    """ValueError where rows differ in nothing but how many prompts they have, and one is too short to draw all of its own.

    Two such rows would see the same prompts under two names. Dynamic sampling may draw more; how many is not known before.
    """
    groups: dict[str, list[tuple[Cell, Config]]] = {}
    for cell, config in zip(cells, configs, strict=True):
        if cell.row.config:
            groups.setdefault(repr(replace(config, prompt_count=0)), []).append((cell, config))
    for members in groups.values():
        if len({config.prompt_count for _, config in members}) < 2:
            continue
        cell, config = max(members, key=lambda member: member[1].prompt_count)
        if config.steps * config.prompts_per_step < config.prompt_count:
            raise ValueError(
                f"row {cell.row.name!r} has {config.prompt_count} prompts, and {config.steps} steps of {config.prompts_per_step} draw "
                f"{config.steps * config.prompts_per_step}: it would not be what its name says. Give --steps "
                f"{-(-config.prompt_count // config.prompts_per_step)} or more, or lower prompt_count in the study's file."
            )
