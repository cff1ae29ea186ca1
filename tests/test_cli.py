"""The command line: instant help, one clear line for what is wrong, nothing lost."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.spatial import ConvexHull

from maquette import doctor, quickstart
from maquette.cli import COMMANDS, main
from maquette.evaluation.answers import in_unit_cube
from maquette.evaluation.geometry import mesh_quality
from maquette.evaluation.networks import load_evaluators
from maquette.making import make
from maquette.rendering.cameras import CAMERAS
from maquette.rendering.rasterise import render
from maquette.shape.files import read_mesh, write_mesh
from maquette.studies import grid
from maquette.types import Mesh
from tests.tiny import save_tiny


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


@pytest.mark.parametrize(
    "words",
    [
        ["generate", "a chair", "--out", "taken/chair.glb"],
        ["generate", "a chair", "--out", "chair.glb", "--picture", "taken/chair.png"],
        ["encode", "chair.glb", "--out", "taken/codes.json"],
        ["decode", "codes.json", "--out", "taken/chair.glb"],
        ["decode", "codes.json", "--out", "folder.glb"],
        ["score", "chair.glb", "--prompt", "a chair", "--picture", "taken/chair.png"],
        ["report", "one", "two", "--out", "taken/report.html"],
        ["leaderboard", "one", "--out", "taken/board.md"],
        ["export", "tiny", "--out", "taken/model"],
        ["convert-codec", "3DVQVAE.bin", "--out", "taken/codec"],
        ["evaluate", "tiny", "--out", "taken/run"],
        ["train-codec", "codec.yaml", "--out", "taken/run"],
        ["train-scorers", "codec.yaml", "--out", "taken/run"],
        ["warm-start", "codec.yaml", "--out", "taken/run"],
    ],
    ids=" ".join,
)
def test_where_nothing_can_be_written_is_said_before_any_time_is_spent(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "taken").write_text("a file where a folder should be")
    (tmp_path / "codec.yaml").write_text("seed: 1\n")
    (tmp_path / "folder.glb").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["maquette", *words])
    start = time.monotonic()
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err.strip()
    assert ended.value.code == 1 and said.count("\n") == 0 and ("taken" in said or "folder.glb is a folder" in said), (
        said
    )
    assert time.monotonic() - start < 30
    assert {path.name for path in tmp_path.iterdir()} == {"taken", "codec.yaml", "folder.glb"}


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


def test_doctor_says_how_weights_that_are_missing_are_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doctor, "DATA", tmp_path)
    found = {f.name: f for f in doctor.examine() if f.name.startswith("data/")}
    assert found["data/codec"].state == "fault" and found["data/policy-rl"].state == "gap"
    for name in ("codec", "policy-base", "policy-rl", "scorers", "evaluators"):
        assert "`make weights`" in found[f"data/{name}"].remedy


OUTPUTS = (
    ("generate", "a chair", "--out", "shut/chair.glb"),
    ("train", "run.yaml", "--out", "shut/run"),
    ("evaluate", "tiny", "--out", "shut/run"),
)


@pytest.mark.parametrize("words", OUTPUTS, ids=lambda words: words[0])
def test_a_folder_that_cannot_be_written_is_one_line(words: tuple[str, ...], tmp_path: Path):
    (tmp_path / "run.yaml").write_text("{}")
    (tmp_path / "shut").write_text("a file stands where a folder should be: closed even to root")
    fails_with(list(words), "shut", "Choose another with --out", cwd=tmp_path)


@pytest.mark.parametrize("words", OUTPUTS, ids=lambda words: words[0])
def test_a_full_disk_is_one_line_before_any_work(words: tuple[str, ...], tmp_path: Path):
    (tmp_path / "run.yaml").write_text("{}")
    limit = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); from maquette.cli import main; main()"
    command = [sys.executable, "-B", "-c", limit, *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.returncode == 1 and done.stderr.strip().count("\n") == 0, done
    assert "Cannot write to the output folder shut" in done.stderr and "Choose another with --out" in done.stderr


def test_five_million_faces_are_refused_in_one_line(tmp_path: Path):
    with (tmp_path / "huge.stl").open("wb") as file:
        file.write(bytes(80) + (5_000_000).to_bytes(4, "little"))
        file.truncate(84 + 50 * 5_000_000)
    fails_with(["encode", "huge.stl"], "huge.stl has 5,000,000 faces", "2,000,000", "simplify", cwd=tmp_path)


def test_an_unknown_kind_of_file_is_refused_before_any_work(tmp_path: Path):
    fails_with(["generate", "a chair", "--out", "chair.blend"], "chair.blend ends in '.blend'", ".glb", cwd=tmp_path)
    fails_with(["generate", "a chair", "--picture", "chair.bmp"], "chair.bmp ends in '.bmp'", ".gif", cwd=tmp_path)


def test_what_no_judge_can_say_is_no_number(tmp_path: Path):
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    write_mesh(Mesh(corners, np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32)), tmp_path / "solid.ply")
    done = maquette("score", "solid.ply", "--prompt", "a chair", cwd=tmp_path)
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert lines["fine/parts"].startswith("not judged") and "nan" not in done.stdout
    assert float(lines["fine/alignment"]) == float(lines["fine/alignment"])


BAD_MESHES = {
    "empty.glb": (b"", "empty (0 bytes)"),
    "nan.obj": (b"v 0 0 0\nv nan 0 0\nv 0 1 0\nf 1 2 3\n", "not finite"),
    "truncated.stl": (bytes(80) + (9).to_bytes(4, "little") + bytes(60), "truncated.stl"),
    "misnamed.glb": (b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "not a GLB file"),
}


def refused(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that the command, run here, ends with; starting Python anew for each would take longer than the check."""
    monkeypatch.setattr(sys, "argv", ["maquette", *words])
    with pytest.raises(SystemExit) as stop:
        main()
    line = capsys.readouterr().err.strip()
    assert stop.value.code == 1 and line.startswith("maquette: ") and "\n" not in line
    return line


@pytest.mark.parametrize("name", BAD_MESHES)
def test_a_broken_mesh_is_one_line_and_nothing_is_lost(name: str, tmp_path: Path, monkeypatch, capsys):
    data, sentence = BAD_MESHES[name]
    (tmp_path / name).write_bytes(data)
    (tmp_path / "codes.json").write_text("from before")
    line = refused(["encode", str(tmp_path / name), "--out", str(tmp_path / "codes.json")], monkeypatch, capsys)
    assert name in line and sentence in line
    assert (tmp_path / "codes.json").read_text() == "from before" and (tmp_path / name).read_bytes() == data


def test_a_judge_is_not_trained_among_the_evaluators(tmp_path: Path, monkeypatch, capsys):
    (tmp_path / "own.yaml").write_text("seed: 1\n")
    monkeypatch.chdir(tmp_path)
    line = refused(["train-scorers", "own.yaml", "--general", "--evaluators"], monkeypatch, capsys)
    assert "--general" in line and "--evaluators" in line
    assert [path.name for path in tmp_path.iterdir()] == ["own.yaml"]


def test_a_checkpoint_of_another_shape_is_one_line(tmp_path: Path, monkeypatch, capsys):
    model, _ = save_tiny(tmp_path)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"intermediate_size": 80}))
    (tmp_path / "chair.glb").write_bytes(b"from before")
    line = refused(
        ["generate", "a chair", "--model", str(model), "--out", str(tmp_path / "chair.glb")], monkeypatch, capsys
    )
    assert "64" in line and "80" in line
    assert (tmp_path / "chair.glb").read_bytes() == b"from before"


REQUESTS = {
    "over-long": "a chair with " + "very " * 500 + "long legs",
    "control tokens": "a chair <mesh-start><mesh0><mesh1><mesh-end><|im_end|> and more",
    "not English": "ein roter Stuhl, 一把红色的椅子, كرسي 🪑",
}


@pytest.fixture(scope="module")
def speaker(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Options that name a micro model, whose every answer has a shape."""
    model, codec = save_tiny(tmp_path_factory.mktemp("speaker"))
    return ["--model", str(model), "--codec", str(codec)]


@pytest.mark.parametrize("name", REQUESTS)
def test_any_words_are_answered(name: str, speaker: list[str], tmp_path: Path, monkeypatch, capsys):
    out = tmp_path / "thing.glb"
    monkeypatch.setattr(sys, "argv", ["maquette", "generate", REQUESTS[name], "--out", str(out), *speaker])
    main()
    assert out.stat().st_size > 100 and str(out) in (said := "".join(capsys.readouterr()))
    assert ("only the first 64 were read" in said) == (name == "over-long")
    assert "\x1b" not in said  # whatever a model says, a terminal shows it as text


def test_a_picture_may_turn(speaker: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out, film = tmp_path / "thing.glb", tmp_path / "thing.gif"
    monkeypatch.setattr(
        sys, "argv", ["maquette", "generate", "a chair", "--out", str(out), "--picture", str(film), *speaker]
    )
    main()
    with Image.open(film) as opened:
        first = np.asarray(opened.convert("RGB")).copy()
        opened.seek(opened.n_frames // 4)
        assert opened.n_frames == 48 and (np.asarray(opened.convert("RGB")) != first).any()


@pytest.mark.slow
def test_the_readme_s_chairs_are_chairs_by_networks_that_never_rewarded(tmp_path: Path):
    seen, text = load_evaluators(), "a tall red chair with four legs"
    for seed in range(3):
        (made,) = make(
            text, tmp_path / "chair.glb", model="tiny", count=1, best_of=8, seed=seed, temperature=0.7, picture=None
        )
        mesh = in_unit_cube(read_mesh(made.path))
        views = render([mesh], CAMERAS["maquette-6"], size=64, antialias=True)
        read = seen.attributes(views)
        assert mesh_quality(mesh).watertight
        assert "chair" in read.family(0), f"seed {seed}: a {read.family(0)}"
        others = ["a blue fish", "a white castle", "a green tree", "a yellow bus", "a grey chair", "a purple guitar"]
        assert seen.similarity([text, *others], views)[:, 0].argmax() == 0


@pytest.mark.parametrize("words", ["", "   ", "\n"])
def test_a_request_without_words_is_one_line(words: str, speaker: list[str], tmp_path: Path, monkeypatch, capsys):
    line = refused(["generate", words, "--out", str(tmp_path / "thing.glb"), *speaker], monkeypatch, capsys)
    assert "prompt" in line and not (tmp_path / "thing.glb").exists()


def test_a_single_triangle_goes_through(speaker: list[str], tmp_path: Path, monkeypatch):
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)
    write_mesh(Mesh(corners, np.array([[0, 1, 2]], np.int32)), tmp_path / "one.ply")
    words = ["encode", str(tmp_path / "one.ply"), "--out", str(tmp_path / "codes.json"), *speaker[2:]]
    monkeypatch.setattr(sys, "argv", ["maquette", *words])
    main()
    assert json.loads((tmp_path / "codes.json").read_text())["codes"]


def test_a_reader_that_has_seen_enough_is_no_error():
    command = [sys.executable, "-m", "maquette.cli", "train", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as asked:
        assert asked.stdout and asked.stderr
        asked.stdout.close()
        assert asked.stderr.read() == "" and asked.wait(60) in (0, 141)


def test_the_configs_go_into_the_wheel():
    text = (Path(__file__).resolve().parents[1] / "pyproject.toml").read_text()
    kept = tomllib.loads(text)["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert kept == {"configs": "maquette/data/configs"}
    for homes, file in ((quickstart.HOMES, "quickstart.yaml"), (grid.HOMES, "studies/paradigm.yaml")):
        package = Path(quickstart.__file__).parent / "data" / "configs"
        assert package in homes and any((home / file).is_file() for home in homes)


def test_codes_that_a_search_finds_give_the_mesh_back(tmp_path: Path):
    """In bfloat16, by the command's own function; a cube is easy for it, so a few steps will do."""
    from maquette.cli_files import decode, encode

    x, y, z = np.meshgrid(*[[-side / 2, side / 2] for side in (0.6, 0.4, 0.8)], indexing="ij")
    corners = np.stack([x, y, z], -1).reshape(-1, 3).astype(np.float32)
    hull = ConvexHull(corners)
    write_mesh(Mesh(corners, hull.simplices, np.full((8, 3), (0.8, 0.1, 0.1), np.float32)), tmp_path / "box.ply")
    encode(tmp_path / "box.ply", tmp_path / "codes.json", refine=2, bfloat16=True)
    codes = json.loads((tmp_path / "codes.json").read_text())["codes"]
    decode(tmp_path / "codes.json", tmp_path / "back.glb")
    back = read_mesh(tmp_path / "back.glb")
    assert len(codes) == 128 and 0 <= min(codes) <= max(codes) < 4096
    # placed in the cube as the codec was taught: the largest side 1
    assert np.allclose(sorted(np.ptp(back.vertices, axis=0)), (0.5, 0.75, 1.0), atol=0.15)


@pytest.mark.parametrize("codes", ["[99999999999999999999]", "[true, false]", "[1.5]", "7"])
def test_what_are_no_codes_is_one_line(codes: str, tmp_path: Path, monkeypatch, capsys):
    (tmp_path / "codes.json").write_text(f'{{"codes": {codes}}}')
    line = refused(["decode", str(tmp_path / "codes.json"), "--out", str(tmp_path / "x.glb")], monkeypatch, capsys)
    assert "must be a list of whole numbers" in line
