"""The commands that train what reinforcement learning stands on: warm-start, train-codec, train-scorers. Heavy imports stand inside."""

from __future__ import annotations

from pathlib import Path

import tyro

from maquette.cli_measuring import command_line

Positional = tyro.conf.Positional


def warm_start(config: Positional[Path], out: Path | None = None, set: tuple[str, ...] = ()) -> None:
    """Supervised training of a base policy, e.g. configs/warm-start.yaml; run again, it goes on where it was.

    Args:
        config: A YAML file with what differs from the defaults.
        out: The run's folder; by default runs/NAME of the config.
        set: Overrides, e.g. --set steps=20.
    """
    from maquette.config_file import load_config
    from maquette.config_supervised import WarmStartConfig
    from maquette.policy.warm_start import Recipe, warm_start

    c = load_config(config, set, kind=WarmStartConfig)
    folder = out or Path("runs") / config.stem
    recipe = Recipe(
        steps=c.steps, batch_size=c.batch_size, lr=c.lr, cooldown=c.cooldown, keep_every=c.keep_every, seed=c.seed
    )
    warm_start(folder, codec=c.codec, objects=c.objects, recipe=recipe, start=c.start, command=command_line())
    print(f"→ {folder}")


def train_codec(config: Positional[Path], out: Path | None = None, set: tuple[str, ...] = ()) -> None:
    """Training of the shape codec, e.g. configs/codec.yaml; run again, it goes on where it was.

    Args:
        config: A YAML file with what differs from the defaults.
        out: The run's folder; by default runs/NAME of the config.
        set: Overrides, e.g. --set steps=20.
    """
    from maquette.codec.train import Recipe, train_codec
    from maquette.config_file import load_config
    from maquette.config_supervised import CodecConfig
    from maquette.outputs import make_run_folder

    c = load_config(config, set, kind=CodecConfig)
    folder = make_run_folder(out or Path("runs") / config.stem)
    recipe = Recipe(steps=c.steps, batch=c.batch, learning_rate=c.learning_rate)
    train_codec(
        folder,
        recipe=recipe,
        train_shapes=c.train_shapes,
        heldout_shapes=c.heldout_shapes,
        seed=c.seed,
        command=command_line(),
    )
    print(f"→ {folder}")


def train_scorers(
    config: Positional[Path],
    out: Path | None = None,
    set: tuple[str, ...] = (),
    evaluators: bool = False,
    general: bool = False,
) -> None:
    """Training of the small scorers that reward, or of the evaluators that never do, e.g. configs/scorers.yaml, or configs/evaluators.yaml.

    Args:
        config: A YAML file with what differs from the defaults.
        out: The folder of pictures and weights; by default runs/NAME of the config.
        set: Overrides, e.g. --set steps=20.
        evaluators: The evaluators: other data, another seed, another architecture.
        general: Only the general judge's head, onto the scorers that are in the folder, or a copy of the shipped ones.
    """
    if evaluators and general:
        raise ValueError("--general trains a judge and --evaluators what never judges: give one of the two.")
    from maquette.codec.voxel_codec import VoxelCodec
    from maquette.config_file import load_config
    from maquette.config_supervised import ScorersConfig
    from maquette.evaluation.train import train_evaluators
    from maquette.outputs import make_run_folder
    from maquette.rewards.scorers import SCORERS
    from maquette.rewards.train import train_scorers
    from maquette.rewards.train_general import train_general
    from maquette.training.answering import answering_by

    c = load_config(config, set, kind=ScorersConfig)
    folder = make_run_folder(out or Path("runs") / config.stem)
    how = {"folder": folder / "weights", "data": folder / "data", "codec": c.codec, "command": command_line()}
    how |= {"objects": c.objects, "held_out": c.held_out, "seed": c.seed}
    if evaluators:
        figures = train_evaluators(**how, steps=c.steps)
    else:
        how["answering"] = answering_by(c.answers, VoxelCodec.load(c.codec, bfloat16=True)) if c.answers else None
        start = SCORERS if c.start == "tiny" else Path(c.start) if c.start else None
        figures = train_general(**how) if general else train_scorers(**how, steps=c.steps, peak=c.peak, start=start)
    print("\n".join(f"{name:<42}{value:.3f}" for name, value in figures.items()) + f"\n→ {folder / 'weights'}")
