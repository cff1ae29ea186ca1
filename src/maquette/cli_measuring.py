"""The commands that measure and compare: evaluate, report, leaderboard, study. As in cli.py, heavy imports stand inside."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import tyro

Positional = tyro.conf.Positional


def evaluate(
    model: Positional[str],
    suite: str = "mini-dev",
    out: Path | None = None,
    name: str = "",
    seed: int = 0,
    limit: int = 0,
    answers: int = 1,
    paint: Literal["surface", "trellis"] = "surface",
    protocol: str = "maquette",
    clip: str = "",
    dinov2: Path | None = None,
    inception: Path | None = None,
    compat_3dgen_r1: bool = False,
    judges: Path | None = None,
) -> None:
    """Measure a model, or a folder of meshes that any system made, on a suite by networks that never rewarded it.

    Args:
        model: As `generate --model` takes it, or a folder of PROMPT_ID.glb (further answers: PROMPT_ID/2.glb …).
        suite: mini, mini-dev, quickstart, mme-3dr, toys4k:FOLDER, or a prompt file of yours.
        out: Where to; by default runs/evaluation/MODEL-SUITE.
        name: What the tables call it; by default the model's last name.
        seed: Of the sampling; of a folder of meshes: which draw of its system it is.
        limit: Only the first so many prompts; 0: all.
        answers: Answers per prompt: the first is measured, all say how much they vary.
        paint: Who makes a model's meshes: surface has the codec's colours (none at full size), trellis an installed TRELLIS's.
        protocol: Cameras of pretrained networks: maquette, trellis or 3dgen-r1.
        clip: CLIP score by BACKBONE=FOLDER, e.g. vit-b-32=weights/clip.
        dinov2: Folder with DINOv2's weights, for kernel distances.
        inception: torch-fidelity's Inception-v3 weights, for kernel distances.
        compat_3dgen_r1: Also what the paper's published script computes, under names that say what it is.
        judges: A judges file, as configs/full/judges.yaml is: its models score geometry, semantics and texture.
    """
    from maquette.evaluation.entries import entries_of, markdown_table
    from maquette.evaluation.served import open_judges
    from maquette.evaluation.systems import evaluate_named, load_pretrained
    from maquette.outputs import make_run_folder
    from maquette.tracking import provenance

    networks = load_pretrained(protocol, clip, dinov2, inception, compat_3dgen_r1)
    asks, asked = open_judges(judges, Path(model)) if judges else ({}, [])
    name = name or Path(model).name
    folder = make_run_folder(out or Path("runs/evaluation") / f"{name}-{Path(suite).stem}")
    record = {**provenance(command_line()), "judges": asked}
    settings = {"limit": limit, "system": name, "networks": networks, "judges": asks, "provenance": record}
    done = evaluate_named(model, suite, folder, seed=seed, answers=answers, paint=paint, **settings)
    print(markdown_table(entries_of([done])) + f"\n→ {folder}")


def report(
    systems: Positional[tuple[Path, ...]],
    out: Path = Path("report.html"),
    title: str = "Evaluation",
    runs: tuple[Path, ...] = (),
) -> None:
    """One page (and its tables as .md and .json) from evaluation folders on one suite, side by side.

    Args:
        systems: Folders that `maquette evaluate` wrote; the others are compared with the first.
        out: The page.
        title: Its heading.
        runs: Training runs whose curves are drawn.
    """
    from maquette.evaluation.report import write_report
    from maquette.outputs import output_file

    output_file(out)
    print(f"→ {write_report(out, systems, title=title, runs=runs)}")


def leaderboard(places: Positional[tuple[Path, ...]], out: Path = Path("leaderboard.md"), rank_by: str = "") -> None:
    """Many evaluations as one leaderboard: a table per suite and way of measuring.

    Args:
        places: Folders that hold evaluations, at any depth.
        out: The .md to write; a .json of the same lies beside it.
        rank_by: The measure that orders it; by default the small evaluators' alignment where they know the words, else CLIP or a judge.
    """
    from maquette.evaluation.leaderboard import write_leaderboard
    from maquette.outputs import output_file

    output_file(out)
    print(f"→ {write_leaderboard(out, places, rank_by)}")


def study(
    name: Positional[str],
    out: Path | None = None,
    steps: int = 0,
    budget: int = 0,
    seeds: int = 3,
    suite: str = "mini-dev",
    limit: int = 0,
    cells: int = 0,
    set: tuple[str, ...] = (),
    device: str = "",
    page_only: bool = False,
) -> None:
    """One of the paper's ablations: a grid of configs and seeds, resumable, and a page with our table beside the paper's.

    Start it as often as you like, here or on other machines that see the folder: each takes the next cell that nobody works on.

    Args:
        name: rewards, algorithms, paradigm, data, iterations, judges, stages, mixing or views.
        out: The study's folder; by default runs/studies/NAME.
        steps: Steps of each training at ×1; 0: the study's own.
        budget: Steps of all cells and seeds together; sets `steps`, never the seeds.
        seeds: Trainings per row; at least three.
        suite: What to evaluate on.
        limit: Only the first so many prompts; 0: all.
        cells: Stop after so many cells; 0: when none is left.
        set: Overrides of every cell's config, e.g. --set prompts_per_step=2.
        device: Where this process trains, e.g. cuda; others may use another, and the page says which cells did. By default the configs'.
        page_only: Only write the page from what is there.
    """
    from maquette.studies.run import StudySettings, run_study

    folder = out or Path("runs") / "studies" / name
    settings = StudySettings(steps, budget, seeds, suite, limit, set)
    most = 0 if page_only else cells or -1
    print(f"→ {run_study(name, folder, settings, most_cells=most, device=device, command=command_line())}")


def command_line() -> str:
    """As it was typed."""
    return " ".join(["maquette", *sys.argv[1:]])
