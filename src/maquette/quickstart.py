"""The whole road in minutes: make objects → a few steps of Hi-GRPO → evaluate base, tuned and shipped → report.html."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from maquette.config_file import load_config
from maquette.evaluation.report import write_report
from maquette.evaluation.systems import evaluate_model
from maquette.making import make
from maquette.outputs import make_run_folder
from maquette.runs import SHIPPED, is_shipped, source_of
from maquette.tracking import provenance, tell
from maquette.training.loop import train

HOMES = (Path(__file__).parent / "data" / "configs", Path(__file__).resolve().parents[2] / "configs")
"""Where the shipped config lies: in the package of a wheel, else in the checkout."""
CONFIG = next((home / "quickstart.yaml" for home in HOMES if home.is_dir()), HOMES[-1] / "quickstart.yaml")
SUITE = "quickstart"
WISHES = ("a tall red chair with four legs", "a small blue car", "a green tree with a brown trunk")
NOTES = (
    "The tuned policy has taken only a few steps: look at how the parts move, not at how far they have come.",
    "What measures here never rewarded: other networks, other training data, other seeds.",
)


def quickstart(out: Path, config: Path | None = None, *, command: str = "") -> Path:
    """The report's path. Run again, a finished training is not repeated; everything else is made anew."""
    make_run_folder(out)
    shipped = is_shipped("tiny-rl")
    tell("1/4  Objects from the shipped policy")
    for path in make_wishes(out / "objects", WISHES, model="tiny-rl" if shipped else "tiny"):
        tell(f"     → {path}")
    tell("2/4  A few steps of Hi-GRPO from the shipped base")
    run = out / "hi-grpo"
    resolved = load_config(config or CONFIG)
    train(resolved, run, resume=(run / "config.yaml").exists(), command=command)
    tell("3/4  Evaluation by networks that never rewarded")
    models = {"base": "tiny", "tuned": str(run)} | ({"shipped": "tiny-rl"} if shipped else {})
    systems = evaluate_all(out, models, command)
    tell("4/4  Report")
    notes = (*NOTES, about_shipped(shipped))
    return write_report(out / "report.html", systems, title="Maquette quickstart", runs=[run], notes=notes)


def about_shipped(shipped: bool) -> str:
    """Where the third system of the report comes from, by its card."""
    if not shipped:
        return "This checkout carries no trained policy; base and tuned stand alone."
    card = json.loads((SHIPPED["tiny-rl"] / "card.json").read_text())
    return f"The shipped policy took {card['steps']} steps from the same base ({SHIPPED['tiny-rl'].name}/card.json): more than these."


def make_wishes(folder: Path, wishes: Sequence[str], *, model: str) -> list[Path]:
    """A GLB and a picture of each wish."""
    made = []
    for number, wish in enumerate(wishes):
        name = folder / f"{number}-{wish.replace(' ', '-')}.glb"
        made += make(
            wish,
            name,
            model=model,
            count=1,
            best_of=1,
            seed=0,
            temperature=1.0,
            picture=name.with_suffix(".png"),
        )
    return [one.path for one in made]


def evaluate_all(out: Path, models: dict[str, str], command: str) -> list[Path]:
    """An evaluation folder per model, all on the same prompts with the same seed."""
    folders = []
    for name, model in models.items():
        source = source_of(model)
        folder = make_run_folder(out / "evaluation" / name)
        evaluate_model(
            source.model,
            SUITE,
            folder,
            stages=source.stages,
            codec=source.codec,
            system=name,
            provenance=dict(provenance(command)),
        )
        folders.append(folder)
    return folders
