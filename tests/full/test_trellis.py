"""`TrellisMesher` against a stand-in package with TRELLIS's public signatures, written to disk and imported as the real one is."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from maquette.protocols import Mesher
from maquette.shape.trellis import CLIP_TOKENS, GREY, TrellisMesher
from maquette.types import Voxels

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
                found[name].append(SimpleNamespace(vertices=vertices, faces=faces, vertex_attrs=shade))
        return found
'''
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
    ((texts, coords, settings),) = mesher.pipeline.calls
    assert texts == ["a red chair", "a car"] and settings == {"steps": 12, "cfg_strength": 3.0}
    assert coords.tolist() == [[0, 10, 20, 60], [1, 5, 5, 5], [1, 6, 5, 5]]
    assert mesher.pipeline.path == "microsoft/TRELLIS-text-xlarge"


def test_answers_are_batched_and_the_same_shape_is_painted_the_same(installed: None):
    mesher = opened(shapes_at_once=1)
    first, second = mesher.mesh(shapes(), ["a", "b", "c"]), mesher.mesh(shapes(), ["a", "b", "c"])
    assert len(mesher.pipeline.calls) == 4
    assert np.array_equal(first[0].color, second[0].color)


def test_long_texts_are_cut_at_clips_tokens_with_a_warning(installed: None):
    mesher = opened()
    mesher.mesh(shapes(), ["word " * 200, "", ""])
    texts, _, _ = mesher.pipeline.calls[0]
    assert len(texts[0].split()) == CLIP_TOKENS - 2 and texts[1] == GREY
    assert mesher.warnings == [
        "The paint's text has 202 tokens; TRELLIS reads 77: only the first 75 of 200 words were used."
    ]


def test_files_get_a_baked_texture(installed: None, tmp_path: Path):
    paths = [tmp_path / "out" / f"{i}.glb" for i in range(3)]
    opened().textured(shapes(), None, paths)
    assert [path.exists() for path in paths] == [True, False, True] and paths[0].read_bytes()[:4] == b"glTF"


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
