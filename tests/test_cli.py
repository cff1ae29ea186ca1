"""The command line: instant help, one clear line for what is wrong, nothing lost."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from maquette.cli import COMMANDS


def maquette(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "maquette.cli", *words], capture_output=True, text=True, cwd=cwd, timeout=120
    )


def fails_with(words: list[str], *parts: str, cwd: Path | None = None) -> None:
    done = maquette(*words, cwd=cwd)
    assert done.returncode == 1, done
    assert done.stderr.strip().count("\n") == 0 and "Traceback" not in done.stderr
    for part in parts:
        assert part in done.stderr


def test_help_imports_nothing_heavy():
    code = "import sys, maquette.cli; sys.exit(bool({'torch', 'numba', 'transformers', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    start = time.monotonic()
    done = maquette("--help")
    assert done.returncode == 0 and all(name in done.stdout for name in COMMANDS)
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str):
    done = maquette(name, "--help")
    assert done.returncode == 0 and "--help" in done.stdout


def test_an_unknown_config_key_names_the_nearest(tmp_path: Path):
    (tmp_path / "run.yaml").write_text("group_siez: 3")
    fails_with(["train", "run.yaml"], "'group_siez'", "did you mean 'group_size'", cwd=tmp_path)


def test_a_missing_config_is_one_line(tmp_path: Path):
    fails_with(["train", "absent.yaml"], "absent.yaml", cwd=tmp_path)


def test_a_missing_model_is_one_line(tmp_path: Path):
    fails_with(["generate", "a chair", "--model", "nowhere"], "nowhere", cwd=tmp_path)


def test_a_missing_mesh_is_one_line(tmp_path: Path):
    fails_with(["score", "absent.glb", "--prompt", "a chair"], "absent.glb", cwd=tmp_path)


def test_wrong_codes_are_one_line(tmp_path: Path):
    (tmp_path / "codes.json").write_text(json.dumps({"codes": ["a"]}))
    fails_with(["decode", "codes.json"], "whole numbers", cwd=tmp_path)


def test_what_cannot_be_measured_or_compared_is_one_line(tmp_path: Path):
    fails_with(["evaluate", "tiny", "--suite", "maxi"], "no prompt set 'maxi'", "mme-3dr", cwd=tmp_path)
    fails_with(["report", "absent", "--out", "r.html"], "absent holds no evaluation.json", cwd=tmp_path)
    fails_with(["study", "paradox"], "no study 'paradox'", "paradigm", cwd=tmp_path)


def test_doctor_names_every_package_and_gap():
    done = maquette("doctor")
    for name in ("python", "torch", "transformers", "gpu", "[studio]", "data/codec"):
        assert name in done.stdout
