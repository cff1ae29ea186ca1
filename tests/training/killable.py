"""A micro run for the kill tests: `python -m tests.training.killable FOLDER` goes on wherever FOLDER stands."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from maquette.training.loop import run
from tests.training.toys import LowCodes, Redness, micro_config, micro_parts


def killable_config():
    return micro_config(steps=12, checkpoint_every=1)


def go_on(folder: Path) -> None:
    """From the newest checkpoint in `folder`, or from the start, to the end."""
    torch.set_num_threads(1)
    config = killable_config()
    run(config, micro_parts(config, LowCodes(), Redness()), folder)


if __name__ == "__main__":
    go_on(Path(sys.argv[1]))
