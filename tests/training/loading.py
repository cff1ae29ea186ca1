"""One process of the test of loading: `python -m torch.distributed.run … -m tests.training.loading CONFIG FOLDER`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch
from torch import nn
from torch.distributed.tensor import DTensor

from maquette.config_file import load_config
from maquette.policy.model import load_policy
from maquette.policy.sharding import whole
from maquette.training import parts
from maquette.training.distributed import Processes, end_process


def held(module: nn.Module) -> int:
    """Bytes of weights that this process has itself."""
    local = (p.to_local() if isinstance(p, DTensor) else p for p in module.parameters())
    return sum(p.numel() * p.element_size() for p in local)


def main(config: Path, folder: Path) -> None:
    processes, times = Processes.join(), {}
    opened = parts.open_policy

    def open_slowly(*given: object, **named: object) -> nn.Module:
        times["began"] = time.time()
        time.sleep(0.5)  # two that did not wait for each other would overlap
        policy = opened(*given, **named)
        times["ended"] = time.time()
        return policy

    parts.open_policy = open_slowly
    made = parts.load_parts(load_config(config), processes)
    expected = load_policy(made.policy.source)
    state = {name: whole(value) for name, value in made.policy.state_dict().items()}
    same = all(torch.equal(state[name], value) for name, value in expected.state_dict().items())
    seen = {"rank": processes.rank, **times, "own": held(made.policy), "whole": held(expected), "same": same}
    seen["reference own"] = held(made.reference)
    (folder / f"rank-{processes.rank}.json").write_text(json.dumps(seen))
    processes.leave()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
    end_process()
