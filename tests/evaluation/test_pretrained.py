"""CLIP and DINOv2 at micro size from folders on disk: the same classes that read the published weights."""

from __future__ import annotations

import dataclasses
import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from transformers import CLIPConfig, CLIPModel, Dinov2Config, Dinov2Model

from maquette.evaluation.compat import CROSS_KERNEL, GREY_CLIP, grey_views, raw_cell
from maquette.evaluation.extractors import ClipScore, Dinov2Features, InceptionFeatures, pictures
from maquette.evaluation.pretrained import Gathered, Pretrained, compat_numbers, look, set_distances
from maquette.evaluation.protocols import PROTOCOLS
from maquette.evaluation.references import Reference
from maquette.evaluation.systems import load_pretrained
from maquette.rendering.cameras import CAMERAS
from maquette.rendering.rasterise import render
from maquette.shape.voxelise import voxelise_solid
from maquette.types import Mesh, Prompt

BOX = trimesh.creation.box((0.6, 0.5, 0.4))
TEXT = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
VISION = TEXT | {"image_size": 32, "patch_size": 16}


def box(color: tuple[float, float, float]) -> Mesh:
    paint = np.tile(np.array(color, np.float32), (len(BOX.vertices), 1))
    return Mesh(np.asarray(BOX.vertices, np.float32), np.asarray(BOX.faces, np.int32), paint)


RED, BLUE = box((0.9, 0.1, 0.1)), box((0.1, 0.1, 0.9))
PROMPTS = (Prompt("r", "a red box. It is plain."), Prompt("b", "a blue box"))


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """A CLIP that spells by letters, and a DINOv2."""
    folder = tmp_path_factory.mktemp("weights")
    letters = [chr(c) for c in range(97, 123)] + ["."]
    vocabulary = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    clip = folder / "clip"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ends = {"vocab_size": len(vocabulary), "bos_token_id": 54, "eos_token_id": 55, "pad_token_id": 55}
        text = TEXT | ends | {"max_position_embeddings": 12}
        CLIPModel(CLIPConfig(text_config=text, vision_config=VISION, projection_dim=8)).save_pretrained(clip)
        Dinov2Model(Dinov2Config(**TEXT | {"image_size": 224, "patch_size": 56})).save_pretrained(folder / "dino")
    (clip / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(vocabulary)}))
    (clip / "merges.txt").write_text("#version: 0.2\n")
    kind = {"tokenizer_class": "CLIPTokenizer", "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>"}
    (clip / "tokenizer_config.json").write_text(json.dumps(kind | {"pad_token": "<|endoftext|>"}))
    return folder


def references() -> dict[str, Reference]:
    meant = {"r": RED, "b": BLUE}
    return {k: Reference(False, lambda r, m=m: voxelise_solid(m, r), lambda m=m: m) for k, m in meant.items()}


def test_a_clip_score_is_the_mean_over_views_and_cuts_long_texts(weights: Path):
    scorer = ClipScore.load("micro", weights / "clip")
    views = render([RED, BLUE], CAMERAS["trellis-8"], size=48)
    texts = ["a red box", "a blue box " * 30]
    together = scorer.score(texts, views)
    assert together.shape == (2,) and (together >= 0).all() and (together <= 100).all()
    alone = [scorer.score([texts[i]], render([m], CAMERAS["trellis-8"], size=48))[0] for i, m in enumerate((RED, BLUE))]
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="got 1 texts and 2 objects"):
        scorer.score(["a"], views)


def test_colour_reaches_the_networks_and_grey_renders_lose_it(weights: Path):
    extractor = Dinov2Features.load(weights / "dino")
    cameras = CAMERAS["trellis-4"]
    colored = [extractor.features(render([m], cameras, size=64)) for m in (RED, BLUE)]
    assert colored[0].shape[:2] == (1, 4) and np.abs(colored[0] - colored[1]).max() > 1e-3
    grey = [grey_views([m], cameras, 64) for m in (RED, BLUE)]
    np.testing.assert_array_equal(grey[0].rgb, grey[1].rgb)


def test_pictures_are_resized_with_antialiasing_and_normalised():
    views = render([RED], CAMERAS["trellis-4"], size=64)
    checker = np.indices((64, 64)).sum(0) % 2 * 255
    board = np.broadcast_to(checker[..., None], views.rgb.shape).astype(np.uint8)
    small = next(
        pictures(type(views)(board, views.depth, views.normal, views.mask, views.cameras), 16, (0.5,) * 3, (0.5,) * 3)
    )
    assert small.shape == (4, 3, 16, 16) and small.abs().max() < 0.1  # a fine board is grey, not a pattern


def test_everything_under_one_protocol_with_its_record(weights: Path):
    networks = load_pretrained("trellis", f"micro={weights / 'clip'}", weights / "dino", None, True)
    gathered = Gathered()
    failed = np.array([False, True])
    clip = look(networks, PROMPTS, [RED, Mesh(BLUE.vertices[:0], BLUE.faces[:0])], failed, references(), gathered)
    assert clip[1] == 0.0 and 0 <= clip[0] <= 100
    distances, record = set_distances(gathered)
    assert set(distances) == {"KD dino"} and record["KD dino"]["rows"] == [2, 2]  # type: ignore[index]
    assert "it needs 5000 of each" in str(record["FD dino"])
    numbers = compat_numbers(gathered)
    assert set(numbers) == {f"{CROSS_KERNEL}, dino", GREY_CLIP} and 0 < numbers[f"{CROSS_KERNEL}, dino"] <= 1
    assert record["KD dino"]["pairs of one prompt left out"] == 2  # type: ignore[index]
    assert record["KD dino"]["a row"] == "one object, the mean over its views"  # type: ignore[index]
    assert gathered.grey_clip[1] == 0.0 and len(gathered.grey_clip) == 2  # the failed answer counts


def test_a_reference_without_paint_is_compared_in_shape_alone(weights: Path):
    networks = Pretrained(extractors=(Dinov2Features.load(weights / "dino"),), protocol=PROTOCOLS["trellis"])
    seen = []
    for painted in (True, False):
        meant = {k: dataclasses.replace(r, painted=lambda p=painted: p) for k, r in references().items()}
        gathered = Gathered()
        look(networks, PROMPTS, [RED, BLUE], np.array([False, False]), meant, gathered)
        seen.append(np.abs(np.subtract(*gathered.answers["dino"])).max())
    assert seen[0] > 1e-3 and seen[1] == 0 and gathered.bare == {"dino": 2}


def test_a_backbone_goes_by_the_name_that_it_is(weights: Path):
    with pytest.raises(ValueError, match=r"holds a CLIP of width \d+ with patches of \d+, but vit-b-32 has 768 and 32"):
        ClipScore.load("vit-b-32", weights / "clip")
    assert Dinov2Features.load(weights / "dino").name == "dino"  # of no published width: its folder's name


def test_a_suite_of_texts_alone_has_no_distance_and_says_so(weights: Path):
    gathered = Gathered()
    networks = Pretrained(extractors=(Dinov2Features.load(weights / "dino"),), protocol=PROTOCOLS["trellis"])
    look(networks, PROMPTS, [RED, BLUE], np.array([False, False]), {}, gathered)
    assert set_distances(gathered) == ({}, {"KD dino": "not computed: it needs at least 2 reference objects"})


def test_the_published_script_s_text_is_the_cell_cut_at_its_first_full_stop():
    assert raw_cell(["A red rose. Thin.", "rose"]) == '["A red rose'


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nerf", "", None, None, False), "known are maquette"),
        (("trellis", "vit-b-32", None, None, False), "BACKBONE=FOLDER"),
        (("trellis", "vit-b-32=nowhere", None, None, False), "openai/clip-vit-base-patch32"),
        (("trellis", "", Path("nowhere"), None, False), "DINOv2 is read from a folder"),
        (("trellis", "", None, Path("nowhere.pth"), False), "torch-fidelity's weights file"),
        (("trellis", "", None, None, True), "name their weights"),
    ],
)
def test_missing_weights_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        load_pretrained(*arguments)


@pytest.mark.skipif(find_spec("torch_fidelity") is not None, reason="torch-fidelity is installed")
def test_inception_says_what_it_needs(tmp_path: Path):
    (tmp_path / "w.pth").write_bytes(b"")
    with pytest.raises(ValueError, match="pip install torch-fidelity"):
        InceptionFeatures.load(tmp_path / "w.pth")
