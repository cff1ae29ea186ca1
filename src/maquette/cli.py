"""The command line. Each command is a typed function that calls the rooms; heavy imports stand inside, so that help is instant."""

from __future__ import annotations

import gc
import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import tyro

from maquette.cli_files import convert_codec, decode, encode, export
from maquette.cli_measuring import command_line, evaluate, leaderboard, report, study
from maquette.cli_supervised import train_codec, train_scorers, warm_start

Positional = tyro.conf.Positional


def generate(
    prompt: Positional[str] = "",
    out: Path = Path("out.glb"),
    model: str = "tiny",
    n: Annotated[int, tyro.conf.arg(aliases=["-n"])] = 1,
    best_of: int = 1,
    picture: Path | None = None,
    seed: int = 0,
    temperature: float | None = None,
    codec: str = "",
    image: Path | None = None,
    paint: Literal["surface", "trellis"] = "surface",
    judges: str = "",
) -> None:
    """Make a 3D object from a sentence, a picture, or both.

    Args:
        prompt: What to make, e.g. "a tall red chair with four legs".
        out: The file to write; .glb, .obj, .ply or .stl.
        model: tiny, tiny-rl, the folder of a run, of adapters or of a model, or a repository in the hub's cache.
        n: How many objects.
        best_of: Keep the best of so many answers, by the model's own rewards.
        picture: Also draw it, as .png, or turning, as .gif or .mp4.
        seed: Same seed, same machine: same object.
        temperature: Below 1: safer and less varied; by default as its run had it (tiny: 1), at full size 0.7.
        codec: Another than the model's own.
        image: A picture of it, for a vision-language model; tiny reads text alone.
        paint: Who makes the mesh: surface has the codec's colours (grey at full size), an installed TRELLIS bakes a texture into a .glb.
        judges: The judges file that --best-of needs for full-size rewards; by default the one that the model's run names.
    """
    with importing():
        from maquette.making import make

    for made in make(
        prompt,
        out,
        model=model,
        count=n,
        best_of=best_of,
        seed=seed,
        temperature=temperature,
        picture=picture,
        codec=codec,
        image=image,
        paint=paint,
        judges=judges,
    ):
        for thought in filter(None, made.reasoning):
            print(shown_as_text(thought))
        print(f"→ {made.path}")


@contextmanager
def importing() -> Iterator[None]:
    """Nobody looks for cycles among the 670,000 objects that imports make and that stay: a fifth of what `generate` took."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def shown_as_text(words: str) -> str:
    """What a model said, without what would control a terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in words)


def train(
    config: Positional[Path],
    out: Path | None = None,
    set: tuple[str, ...] = (),
    resume: Path | None = None,
    dry_run: bool = False,
) -> None:
    """Reinforcement learning by a config, e.g. configs/hi-grpo.yaml.

    Args:
        config: A YAML file with what differs from the defaults.
        out: The run's folder; by default runs/NAME of the config.
        set: Overrides, e.g. --set steps=20 optimiser.lr=1e-5.
        resume: A run's folder to go on in.
        dry_run: Print the resolved config, its tokens, memory and model calls, and stop.
    """
    from maquette.config_file import load_config
    from maquette.runs import is_full_size
    from maquette.training.distributed import end_process
    from maquette.training.full_plan import plan_full
    from maquette.training.loop import train
    from maquette.training.parts import load_parts
    from maquette.training.plan import plan

    resolved = load_config(config, set)
    if dry_run:
        # a full-size model need not be here to be counted
        full = is_full_size(Path(resolved.model))
        print(plan_full(resolved) if full else plan(resolved, load_parts(resolved)))
        return
    folder = resume or out or Path("runs") / config.stem
    trained = train(resolved, folder, resume=resume is not None, command=command_line())
    if trained:
        print(f"→ {trained}")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        end_process()


def score(
    mesh: Positional[Path], prompt: str, picture: Path | None = None, judges: str = "", rewards: tuple[str, ...] = ()
) -> None:
    """Every reward of a mesh, as if it had been the answer to a prompt.

    Args:
        mesh: .glb, .gltf, .obj, .ply or .stl.
        prompt: What it should be.
        picture: Also save the views that the rewards saw, as .png.
        judges: The judges file, for full-size rewards; see configs/full/judges.yaml.
        rewards: Only these, e.g. hps unified judge_parts; by default those of the tiny chain.
    """
    with importing():
        from maquette.making import score_mesh

    for name, value in score_mesh(mesh, prompt, picture, judges, rewards).items():
        print(f"{name:<32}{'not judged: a judge had nothing to go by' if math.isnan(value) else f'{value:.4f}'}")


def quickstart(out: Path = Path("runs/quickstart"), config: Path | None = None) -> None:
    """The whole road in minutes: generate, a few steps of Hi-GRPO, evaluate, report.html.

    Args:
        out: Where to.
        config: Another config than the shipped quickstart's.
    """
    from maquette.quickstart import quickstart

    print(f"→ {quickstart(out, config, command=command_line())}")


def studio(
    runs: Path = Path("runs"),
    model: tuple[str, ...] = (),
    host: str = "127.0.0.1",
    port: int = 8760,
    browser: bool = True,
    judges: str = "",
) -> None:
    """The web page: make objects and turn them, score a mesh, watch trainings, open reports.

    Args:
        runs: The folder of runs: its policies can be asked, its trainings watched; what is made goes to RUNS/studio.
        model: More models, as `generate --model` takes them.
        host: Who may come: by default this machine alone; 0.0.0.0 is everyone who can reach it, and asks for no password.
        port: 0 takes a free one.
        browser: Open it in the browser.
        judges: The judges file for models with full-size rewards; by default the one that each one's run names.
    """
    from maquette.studio.serving import serve

    serve(runs, model, host=host, port=port, browser=browser, judges=judges)


def doctor() -> None:
    """What is installed, which extras, which GPU, and what to do about each gap."""
    from maquette.doctor import examine

    findings = examine()
    for finding in findings:
        print(finding.line())
    if any(finding.state == "fault" for finding in findings):
        raise ValueError("The default installation has faults; see the lines above.")


COMMANDS: dict[str, Callable[..., None]] = {
    "quickstart": quickstart,
    "generate": generate,
    "train": train,
    "evaluate": evaluate,
    "report": report,
    "leaderboard": leaderboard,
    "study": study,
    "score": score,
    "encode": encode,
    "decode": decode,
    "warm-start": warm_start,
    "train-codec": train_codec,
    "train-scorers": train_scorers,
    "convert-codec": convert_codec,
    "export": export,
    "studio": studio,
    "doctor": doctor,
}


def main() -> None:
    """Runs one command; what went wrong is one line on stderr and exit code 1."""
    try:
        tyro.extras.subcommand_cli_from_dict(
            COMMANDS, prog="maquette", description="Text-to-3D generation trained by reinforcement learning."
        )
    except BrokenPipeError:
        # Whoever read the output (`head`) has seen enough. What is still buffered goes nowhere instead of failing again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except (ValueError, OSError) as error:
        print(f"maquette: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("maquette: stopped.", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
