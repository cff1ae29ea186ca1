"""`TrellisMesher` against a stand-in package with TRELLIS's public signatures, written to disk and imported as the real one is."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage

from maquette.cli_files import decode
from maquette.codec.model import Geometry, VoxelVQVAE
from maquette.codec.voxel_codec import VoxelCodec
from maquette.config import FINE, Config, StageSpec
from maquette.config_file import dump_config
from maquette.gaussian_views import GaussianPainter, open_mesher
from maquette.generate import generate, paint_texts
from maquette.making import Made, make
from maquette.policy.lockstep import LockstepEngine
from maquette.policy.model import load_policy
from maquette.protocols import Mesher, Sampling
from maquette.rendering.cameras import CAMERAS
from maquette.rendering.rasterise import render
from maquette.shape.files import read_mesh
from maquette.shape.surface import SurfaceMesher
from maquette.shape.trellis import CLIP_TOKENS, GREY, KEPT, TrellisMesher
from maquette.types import Generation, Prompt, Scores, Voxels
from tests.full.layouts import shapellm_folder

WIDE_CODEC = Geometry(64, 1, 1, channels=(1, 2, 2, 2), latent_channels=8, codebook_size=32, res_blocks=(0, 0, 0, 0))
"""64³ voxels, as TRELLIS takes them, in 128 codes."""

CHAIN = (
    StageSpec("coarse", "semantic-plan", ("prompt",), "grey", 1.0, 4, FINE.rewards),
    StageSpec("fine", "visual-detail", ("prompt", "coarse.reasoning"), "colour", 0.0, 4, FINE.rewards),
)

STAND_IN = '''
import torch
from types import SimpleNamespace

class TrellisTextTo3DPipeline:
    """Paints by the length of the text: one triangle at every voxel, its corner at the voxel's centre."""

    def __init__(self):
        self.calls, self.device = [], torch.device("cpu")
        self.text_cond_model = {"tokenizer": lambda text: {"input_ids": [0, *text.split(), 1]}}

    @staticmethod
    def from_pretrained(path):
        pipeline = TrellisTextTo3DPipeline()
        pipeline.path = path
        return pipeline

    def to(self, device):
        self.device = device

    def get_cond(self, prompt):
        assert isinstance(prompt, (list, tuple)) and all(isinstance(p, str) for p in prompt)
        lengths = torch.tensor([len(p) for p in prompt])
        return {"cond": lengths, "neg_cond": torch.zeros_like(lengths), "texts": list(prompt)}

    def sample_slat(self, cond, coords, sampler_params={}):
        assert coords.dtype == torch.int32 and coords.shape[1] == 4
        self.calls.append((cond["texts"], coords, sampler_params))
        noise = torch.randn(len(coords))
        return SimpleNamespace(cond=cond["cond"], coords=coords, noise=noise)

    def decode_slat(self, slat, formats=["mesh", "gaussian", "radiance_field"]):
        found = {name: [] for name in formats}
        for b in range(len(slat.cond)):
            own = slat.coords[slat.coords[:, 0] == b][:, 1:]
            corner = (own + 0.5) / 64 - 0.5
            vertices = torch.cat([corner, corner + 0.01, corner + torch.tensor([0.01, 0, 0])])
            n = len(own)
            faces = torch.stack([torch.arange(n), torch.arange(n) + n, torch.arange(n) + 2 * n], 1)
            shade = torch.full((3 * n, 6), slat.cond[b] / 100.0)
            shade[:, 1] = slat.noise.mean().abs()
            for name in formats:
                found[name].append(SimpleNamespace(vertices=vertices, faces=faces, vertex_attrs=shade, xyz=corner))
        return found
'''
DRAWING = """
import numpy as np
import torch

def render_frames(sample, extrinsics, intrinsics, options={}, colors_overwrite=None, verbose=True, **kwargs):
    side, frames = options["resolution"], []
    for extr, intr in zip(extrinsics, intrinsics):
        assert extr.shape == (4, 4) and intr.shape == (3, 3)
        frame = np.full((side, side, 3), int(options["bg_color"][0] * 255 + 0.5), np.uint8)
        seen = sample.xyz @ extr[:3, :3].T + extr[:3, 3]
        assert (seen[:, 2] > options["near"]).all() and (seen[:, 2] < options["far"]).all()
        place = (seen / seen[:, 2:]) @ intr.T
        inside = ((place[:, :2] >= 0) & (place[:, :2] < 1)).all(1)
        column, row = (place[inside, :2] * side).long().unbind(1)
        frame[row, column] = (255, 0, 0)
        frames.append(frame)
    return {"color": frames, "depth": [None] * len(frames)}
"""
BAKING = """
def to_glb(app_rep, mesh, simplify=0.95, fill_holes=True, fill_holes_max_size=0.04, texture_size=1024, debug=False, verbose=True):
    import trimesh
    return trimesh.Trimesh(mesh.vertices.numpy(), mesh.faces.numpy(), process=False)
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The stand-in on the path, and gone afterwards."""
    for folder, text in (("pipelines", STAND_IN), ("utils", "")):
        (tmp_path / "trellis" / folder).mkdir(parents=True)
        (tmp_path / "trellis" / folder / "__init__.py").write_text(text)
    (tmp_path / "trellis" / "__init__.py").write_text("")
    (tmp_path / "trellis" / "utils" / "postprocessing_utils.py").write_text(BAKING)
    (tmp_path / "trellis" / "utils" / "render_utils.py").write_text(DRAWING)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "trellis"]:
        del sys.modules[name]


def shapes() -> Voxels:
    occupied = np.zeros((3, 64, 64, 64), bool)
    occupied[0, 10, 20, 60] = occupied[2, 5:7, 5, 5] = True
    return Voxels(occupied)


def opened(**changes: object) -> TrellisMesher:
    mesher = TrellisMesher.open(device="cpu")
    for name, value in changes.items():
        setattr(mesher, name, value)
    return mesher


def test_our_voxels_go_in_and_coloured_z_up_meshes_come_out(installed: None):
    mesher = opened()
    assert isinstance(mesher, Mesher)
    meshes = mesher.mesh(shapes(), ["a red chair", "nothing", "a car"])
    assert [len(mesh.faces) for mesh in meshes] == [1, 0, 2]  # the empty shape is an empty mesh
    assert meshes[0].vertices[0] == pytest.approx((np.array([10, 20, 60]) + 0.5) / 64 - 0.5)
    assert meshes[0].color[0, 0] == pytest.approx(len("a red chair") / 100)
    first, second = mesher.pipeline.calls
    assert (first[0], second[0]) == (["a red chair"], ["a car"]) and first[2] == {"steps": 12, "cfg_strength": 3.0}
    assert (first[1].tolist(), second[1].tolist()) == ([[0, 10, 20, 60]], [[0, 5, 5, 5], [0, 6, 5, 5]])
    assert mesher.pipeline.path == "microsoft/TRELLIS-text-xlarge"


def test_the_same_shape_and_text_are_painted_the_same_whoever_stands_beside_them(installed: None):
    mesher, both = opened(), shapes()
    first, second = mesher.mesh(both, ["a", "b", "c"]), mesher.mesh(both, ["a", "b", "c"])
    alone = mesher.mesh(Voxels(both.occupancy[2:]), ["c"])[0]
    assert np.array_equal(first[2].color, second[2].color) and np.array_equal(first[2].color, alone.color)


def test_a_training_s_shapes_are_painted_together(installed: None):
    mesher = opened(shapes_at_once=8)
    meshes = mesher.mesh(shapes(), ["a red chair", "nothing here", "a car"])
    ((texts, coords, _),) = mesher.pipeline.calls
    assert texts == ["a red chair", "a car"] and coords.tolist() == [[0, 10, 20, 60], [1, 5, 5, 5], [1, 6, 5, 5]]
    assert [len(mesh.faces) for mesh in meshes] == [1, 0, 2]


def test_long_texts_are_cut_at_clips_tokens_with_a_warning(installed: None):
    mesher = opened()
    mesher.mesh(shapes(), ["word " * 200, "", ""])
    texts = [call[0][0] for call in mesher.pipeline.calls]
    assert len(texts[0].split()) == CLIP_TOKENS - 2 and texts[1] == GREY
    assert mesher.warnings == [
        "The paint's text has 202 tokens; TRELLIS reads 77: only the first 75 of 200 words were used."
    ]


def test_a_long_run_keeps_its_newest_warnings_and_tells_the_first(installed: None, capsys: pytest.CaptureFixture[str]):
    mesher = opened()
    for extra in range(KEPT + 10):
        mesher.cut("word " * (200 + extra))
    assert len(mesher.warnings) == KEPT and f"of {200 + KEPT + 9} words" in mesher.warnings[-1]
    assert capsys.readouterr().err.count("TRELLIS reads") == 3


def test_files_get_a_baked_texture(installed: None, tmp_path: Path):
    paths = [tmp_path / "out" / f"{i}.glb" for i in range(3)]
    opened().textured(shapes(), None, paths)
    assert [path.exists() for path in paths] == [True, False, True] and paths[0].read_bytes()[:4] == b"glTF"


def test_gaussians_are_drawn_where_our_own_renderer_sees_the_shape(installed: None):
    mesher, cameras = opened(), CAMERAS["maquette-6"]
    voxels = shapes()
    voxels.occupancy[0] = False
    voxels.occupancy[0, 44:48, 20:24, 38:44] = True  # off centre on every axis, so that a flip or a wrong axis shows
    pictures = GaussianPainter(mesher).paint(voxels, ["a", "b", "c"], cameras, 64)
    assert pictures.shape == (3, 6, 64, 64, 3) and (pictures[1] == 230).all()  # the empty shape is background
    ours = render(SurfaceMesher().mesh(voxels), cameras, size=64)
    for view in range(6):
        red = (pictures[0, view] == (255, 0, 0)).all(-1)
        assert red.any() and ndimage.binary_dilation(ours.mask[0, view], iterations=2)[red].all()
    assert abs(int(ours.rgb[1, 0, 0, 0, 0]) - 230) <= 1  # one and the same background
    assert [call[0] for call in mesher.pipeline.calls] == [["a"], ["c"]]


def test_painted_stages_show_gaussians_and_grey_ones_the_surface(installed: None, tmp_path: Path):
    shapellm_folder(tmp_path / "model", codebook=32)
    policy, network = load_policy(tmp_path / "model"), VoxelVQVAE(WIDE_CODEC)
    torch.nn.init.constant_(network.Decoder.out_layer[2].bias, 100.0)  # whatever the codes say, the whole cube
    codec = VoxelCodec(network)
    chain = (StageSpec("coarse", "direct", paint="grey"), StageSpec("fine", "direct", paint="colour"))
    made = generate(
        (Prompt("p", "a red chair"),),
        chain,
        engine=LockstepEngine(policy, codec.codes_per_shape),
        codec=codec,
        mesher=SurfaceMesher(),
        cameras=CAMERAS["trellis-4"],
        group_size=1,
        sampling=Sampling(seed=1),
        render_size=32,
        painter=GaussianPainter(opened()),
    )
    red = [(stage.views.rgb == (255, 0, 0)).all(-1).any() for stage in made.stages]
    assert red == [False, True] and not any(stage.failed.any() for stage in made.stages)


def test_the_config_chooses_who_paints(installed: None, monkeypatch: pytest.MonkeyPatch):
    assert open_mesher("surface")[1] is None
    on_cpu = opened()
    monkeypatch.setattr(TrellisMesher, "open", lambda shapes_at_once: on_cpu)  # its default device is a GPU
    mesher, painter = open_mesher("trellis-gaussians")
    assert isinstance(mesher, SurfaceMesher) and isinstance(painter, GaussianPainter)
    assert isinstance(open_mesher("trellis")[0], TrellisMesher) and open_mesher("trellis")[1] is None


@pytest.fixture
def wide(tmp_path: Path) -> tuple[str, str]:
    """A checkpoint in ShapeLLM-Omni's layout and a codec of 64³ voxels whose every shape is the whole cube, as a run of Hi-GRPO."""
    run = tmp_path / "run"
    shapellm_folder(run / "policy", codebook=32)
    config = Config(model="base", codec=str(tmp_path / "codec"), stages=CHAIN, paint_text="reasoning")
    (run / "config.yaml").write_text(dump_config(config))
    network = VoxelVQVAE(WIDE_CODEC)
    torch.nn.init.constant_(network.Decoder.out_layer[2].bias, 100.0)
    VoxelCodec(network).save(tmp_path / "codec")
    return str(run), str(tmp_path / "codec")


@pytest.fixture
def on_cpu(installed: None, monkeypatch: pytest.MonkeyPatch) -> TrellisMesher:
    """What `open` gives where its default device, a GPU, is not there."""
    mesher = opened()
    monkeypatch.setattr(TrellisMesher, "open", lambda shapes_at_once=1: mesher)
    return mesher


def request(model: str, out: Path, **changes: Any) -> list[Made]:
    settings = {"count": 2, "best_of": 1, "seed": 0, "picture": None, "paint": "trellis"}
    return make("a red chair", out, model=model, **settings | changes)


def test_generate_bakes_textures(on_cpu: TrellisMesher, wide: tuple[str, str], tmp_path: Path):
    made = request(wide[0], tmp_path / "chair.glb")
    assert [one.path.read_bytes()[:4] for one in made] == [b"glTF", b"glTF"]
    assert made[1].path.name == "chair-2.glb"
    texts = [call[0][0] for call in on_cpu.pipeline.calls]  # the second stage alone, once
    said = [(one.reasoning[-1] or "a red chair").split()[:75] for one in made]  # the reasoning by its config
    assert [text.split() for text in texts] == said


def test_other_files_and_pictures_get_trellis_vertex_colours(
    on_cpu: TrellisMesher, wide: tuple[str, str], tmp_path: Path
):
    (made,) = request(wide[0], tmp_path / "chair.ply", count=1, picture=tmp_path / "chair.png")
    color = read_mesh(made.path).color
    assert color is not None and (tmp_path / "chair.png").exists()
    # the grey coarse stage is the iso-surface: TRELLIS was asked for one of two
    assert len(on_cpu.pipeline.calls) == 1


def test_what_is_baked_of_the_best_is_the_paint_that_was_judged(
    on_cpu: TrellisMesher, wide: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    noise: list[torch.Tensor] = []
    judged_by: list[int] = []
    sample = on_cpu.pipeline.sample_slat

    def remembered(*given: Any) -> Any:
        made = sample(*given)
        noise.append(made.noise)
        return made

    class Last:
        """Likes the last answer best."""

        def score(self, generation: Generation) -> Scores:
            judged_by.append(len(generation.stages[-1].meshes))
            answers, failed = torch.arange(2.0)[None, :, None].expand(1, 2, 2), torch.zeros(2, 2, dtype=torch.bool)
            return Scores(("preference",), answers, failed[None], failed)

    monkeypatch.setattr(on_cpu.pipeline, "sample_slat", remembered)
    monkeypatch.setattr("maquette.making.ensemble_of", lambda source, judges: Last())
    request(wide[0], tmp_path / "chair.glb", count=1, best_of=2)
    assert judged_by == [2] and len(noise) == 3
    assert torch.equal(noise[2], noise[1]) and on_cpu.pipeline.calls[2][0] == on_cpu.pipeline.calls[1][0]


def test_generate_without_trellis_gives_the_commands(tmp_path: Path):
    with pytest.raises(ValueError, match=r"not installed.*git clone.*--paint surface"):
        request("tiny", tmp_path / "chair.glb")


def test_decode_bakes_a_texture_by_its_prompt(on_cpu: TrellisMesher, wide: tuple[str, str], tmp_path: Path):
    (tmp_path / "codes.json").write_text(json.dumps({"codes": [0] * 128}))
    decode(tmp_path / "codes.json", tmp_path / "a.glb", wide[1], paint="trellis", prompt="a red chair")
    assert (tmp_path / "a.glb").read_bytes()[:4] == b"glTF"
    assert on_cpu.pipeline.calls[0][0] == ["a red chair"]


def test_answers_are_painted_by_their_prompt_or_by_what_they_said():
    said = ["four legs", "", "a round roof", "two wheels"]
    assert paint_texts(["a chair", "a car"], said, "prompt") == ["a chair", "a chair", "a car", "a car"]
    assert paint_texts(["a chair", "a car"], said, "reasoning") == [
        "four legs",
        "a chair",
        "a round roof",
        "two wheels",
    ]


def test_a_run_paints_by_what_its_config_says(on_cpu: TrellisMesher, wide: tuple[str, str], tmp_path: Path):
    policy, codec = load_policy(wide[0]), VoxelCodec.load(wide[1])
    for told in ("prompt", "reasoning"):
        made = generate(
            (Prompt("p", "a red chair"),),
            CHAIN,
            engine=LockstepEngine(policy, codec.codes_per_shape),
            codec=codec,
            mesher=on_cpu,
            cameras=CAMERAS["trellis-4"],
            group_size=2,
            sampling=Sampling(seed=1),
            render_size=32,
            paint_text=told,
        )
        expected = (
            ["a red chair"] * 2 if told == "prompt" else [text or "a red chair" for text in made.stages[1].reasoning]
        )
        told_to_paint = [call[0][0] for call in on_cpu.pipeline.calls]  # grey stages are not painted
        assert [text.split() for text in told_to_paint] == [text.split()[:75] for text in expected]
        on_cpu.pipeline.calls.clear()


def test_what_does_not_fit_is_said(installed: None):
    with pytest.raises(ValueError, match="64³ voxels, not 32³"):
        opened().mesh(Voxels(np.ones((1, 32, 32, 32), bool)), ["a"])
    with pytest.raises(ValueError, match="3 shapes and 1 texts"):
        opened().mesh(shapes(), ["a"])


def test_without_trellis_the_commands_are_given():
    with pytest.raises(
        ValueError, match=r"not installed.*git clone.*hf download microsoft/TRELLIS-text-xlarge.*mesher=surface"
    ):
        TrellisMesher.open()
