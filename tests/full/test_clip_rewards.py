"""HPS, CLIP score and aesthetic: keys by table, numbers against a forward written out in the test, scores as stated."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPModel

from maquette.rewards.clip_models import (
    MEAN,
    STD,
    AestheticHead,
    ClipScorer,
    config_of,
    from_open_clip,
    load_open_clip,
    preprocess,
)
from maquette.rewards.judges_file import read_judges
from tests.full.clip_layouts import (
    JOINT,
    REACH,
    SIDE,
    aesthetic_file,
    clip_folder,
    clip_tokenizer,
    hps_file,
    independent_image,
    independent_text,
    open_clip_weights,
)
from tests.full.test_judge_rewards import two_answers


@pytest.fixture(autouse=True)
def no_progress_bars():
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()


def test_every_key_is_translated_and_the_model_asks_for_no_other():
    weights = from_open_clip(open_clip_weights(190))
    with torch.device("meta"):
        expected = CLIPModel(config_of(weights, activation="gelu", end=189)).state_dict()
    assert {k: v.shape for k, v in weights.items()} == {k: v.shape for k, v in expected.items()}


def test_vit_h_14_has_its_sixteen_heads():
    """HPS's geometry by shapes alone: 1280 wide and 80 a head; text 1024 wide and 64 a head."""
    with torch.device("meta"):
        weights = {
            "vision_model.embeddings.patch_embedding.weight": torch.zeros(1280, 3, 14, 14),
            "vision_model.embeddings.position_embedding.weight": torch.zeros(257, 1280),
            "text_model.embeddings.token_embedding.weight": torch.zeros(49408, 1024),
            "text_model.embeddings.position_embedding.weight": torch.zeros(77, 1024),
            "visual_projection.weight": torch.zeros(1024, 1280),
        }
        for tower, count, width in (("vision_model", 32, 1280), ("text_model", 24, 1024)):
            for layer in range(count):
                weights[f"{tower}.encoder.layers.{layer}.mlp.fc1.weight"] = torch.zeros(4 * width, width)
    config = config_of(weights, activation="gelu", end=49407)
    vision, text = config.vision_config, config.text_config
    assert (vision.num_attention_heads, vision.num_hidden_layers, vision.image_size) == (16, 32, 224)
    assert (text.num_attention_heads, text.num_hidden_layers, text.eos_token_id) == (16, 24, 49407)


def test_embeddings_are_those_of_the_written_out_forward(tmp_path: Path):
    tokenizer = clip_tokenizer(tmp_path)
    weights = hps_file(tmp_path / "HPS_v2.1_compressed.pt", len(tokenizer))
    scorer = ClipScorer(load_open_clip(tmp_path / "HPS_v2.1_compressed.pt"), tokenizer, batch=3)
    rng = np.random.default_rng(0)
    views = rng.integers(0, 256, (2, 2, SIDE, SIDE, 3), dtype=np.uint8)
    flat = preprocess(torch.from_numpy(views).flatten(0, 1), SIDE)
    torch.testing.assert_close(scorer.see(views).flatten(0, 1), independent_image(flat, weights), atol=1e-5, rtol=0)
    texts = ["a red chair", "b", "x" * 200]
    ids = tokenizer(texts, padding=True, truncation=True, max_length=REACH, return_tensors="pt")["input_ids"]
    assert ids.shape[1] == REACH and ids[2, -1] == ids.max()  # cut at 77, the end token kept
    torch.testing.assert_close(scorer.read(texts), independent_text(ids, weights), atol=1e-5, rtol=0)


def test_pixels_are_prepared_as_pil_does_it():
    rng = np.random.default_rng(1)
    small = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    image = np.asarray(Image.fromarray(small).resize((64, 64), Image.Resampling.BICUBIC))
    ours = preprocess(torch.from_numpy(image.copy())[None], SIDE)[0].permute(1, 2, 0).numpy()
    theirs = np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) / 255
    assert np.abs(ours * np.float32(STD) + np.float32(MEAN) - theirs).max() < 1.5 / 255


def judges_file(folder: Path) -> Path:
    tokenizer = clip_tokenizer(folder / "tokenizer")
    hps_file(folder / "HPS_v2.1_compressed.pt", len(tokenizer))
    clip_folder(folder / "clip")
    aesthetic_file(folder / "aesthetic.pth")
    weights = {"hps": "HPS_v2.1_compressed.pt", "clip_tokenizer": "tokenizer", "clip": "clip"}
    weights |= {"clip_l14": "clip", "clip_aesthetic": "aesthetic.pth"}
    (folder / "judges.yaml").write_text(json.dumps({"weights": weights}))
    return folder / "judges.yaml"


def test_hps_clip_and_aesthetic_score_views_and_reduce_them(tmp_path: Path):
    judges = read_judges(judges_file(tmp_path))
    generation = two_answers()
    views = torch.from_numpy(generation.stages[0].views.rgb)
    weights = torch.load(tmp_path / "HPS_v2.1_compressed.pt", weights_only=True)["state_dict"]
    tokenizer = clip_tokenizer(tmp_path / "tokenizer")
    text = independent_text(tokenizer(["a red chair"], return_tensors="pt")["input_ids"], weights)[0]
    cosines = (independent_image(preprocess(views.flatten(0, 1), SIDE), weights) @ text).view(2, 6)
    best, mean = (judges.reward("hps", how).score(generation, 0) for how in ("max", "mean"))
    torch.testing.assert_close(best, cosines.amax(1), atol=1e-5, rtol=0)
    torch.testing.assert_close(mean, cosines.mean(1), atol=1e-5, rtol=0)
    clip = judges.reward("clip", "mean")
    assert clip.score(generation, 0).abs().max() <= 1 and clip.higher_is == "closer to the prompt's text"

    head = aesthetic_file(tmp_path / "again.pth")
    x = judges.reward("clip_aesthetic", "mean").scorer.see(generation.stages[0].views.rgb)
    for place in "02467":
        x = x @ head[f"layers.{place}.weight"].T + head[f"layers.{place}.bias"]
    torch.testing.assert_close(
        judges.reward("clip_aesthetic", "mean").score(generation, 0), x[..., 0].mean(1), atol=1e-5, rtol=1e-5
    )
    failed = two_answers(failed=(True, False))
    assert [float(judges.reward(n, "max").score(failed, 0)[0]) for n in ("hps", "clip", "clip_aesthetic")] == [0, 0, 1]


def test_views_are_looked_at_once_whoever_asks(tmp_path: Path):
    judges = read_judges(judges_file(tmp_path))
    clip, aesthetic = judges.reward("clip", "max"), judges.reward("clip_aesthetic", "max")
    assert clip.scorer is aesthetic.scorer
    rgb = two_answers().stages[0].views.rgb
    assert clip.scorer.see(rgb) is aesthetic.scorer.see(rgb)


def test_foreign_weights_are_refused_by_key(tmp_path: Path):
    weights = open_clip_weights(190)
    torch.save(weights | {"visual.trunk.cls_token": torch.zeros(1)}, tmp_path / "odd.pt")
    with pytest.raises(ValueError, match=r"'visual\.trunk\.cls_token' is of no open_clip model"):
        load_open_clip(tmp_path / "odd.pt")
    torch.save({k: v for k, v in weights.items() if k != "ln_final.bias"}, tmp_path / "short.pt")
    with pytest.raises(ValueError, match=r"nothing for text_model\.final_layer_norm\.bias"):
        load_open_clip(tmp_path / "short.pt")
    with pytest.raises(ValueError, match="no weights at"):
        load_open_clip(tmp_path / "absent.pt")
    torch.save({"layers.0.weight": torch.zeros(4, JOINT)}, tmp_path / "head.pth")
    with pytest.raises(ValueError, match=r"no aesthetic predictor: it has no layers\.2\.weight"):
        AestheticHead.load(tmp_path / "head.pth")


@pytest.mark.parametrize(
    ("name", "cut", "sentence"),
    [
        ("hps", "HPS_v2.1_compressed.pt", r"HPS_v2\.1_compressed\.pt cannot be read as weights: it is truncated"),
        ("clip_aesthetic", "aesthetic.pth", r"aesthetic\.pth cannot be read as weights: it is truncated"),
        ("clip", "clip/model.safetensors", r"The CLIP at .* is cut short: put its files there again"),
    ],
)
def test_half_a_download_is_one_sentence(tmp_path: Path, name: str, cut: str, sentence: str):
    judges = read_judges(judges_file(tmp_path))
    found = tmp_path / cut
    found.write_bytes(found.read_bytes()[: found.stat().st_size // 2])
    with pytest.raises(ValueError, match=sentence):
        judges.reward(name, "mean")


def test_what_is_no_state_dict_is_refused(tmp_path: Path):
    for tree in ({"state_dict": [1, 2]}, [torch.zeros(1)], {"state_dict": {"a": 1}}):
        torch.save(tree, tmp_path / "odd.pt")
        with pytest.raises(ValueError, match=r"odd\.pt must hold a plain state dict"):
            load_open_clip(tmp_path / "odd.pt")


def test_a_misshapen_aesthetic_head_is_refused_by_key(tmp_path: Path):
    weights = aesthetic_file(tmp_path / "head.pth")
    for odd, sentence in (
        ({"layers.4.bias": torch.zeros(9)}, r"it has \[9\] at layers\.4\.bias, not \[64\]"),
        ({"layers.2.weight": torch.zeros(128)}, "its layers are no matrices"),
        ({"layers.9.bias": torch.zeros(9)}, r"it has \[9\] at layers\.9\.bias, not nothing"),
    ):
        torch.save(weights | odd, tmp_path / "odd.pth")
        with pytest.raises(ValueError, match=f"no aesthetic predictor: {sentence}"):
            AestheticHead.load(tmp_path / "odd.pth")


def test_a_missing_tokenizer_or_weight_of_clip_is_named(tmp_path: Path):
    hps_file(tmp_path / "hps.pt", 190)
    words = {"device": "cpu", "dtype": torch.float32}
    with pytest.raises(ValueError, match=r"no CLIP tokenizer at no/where: fetch it with `hf download no/where`"):
        ClipScorer.open(str(tmp_path / "hps.pt"), "no/where", **words)
    clip_tokenizer(tmp_path / "words")
    with pytest.raises(ValueError, match=r"The CLIP at no/where is not there, .* `hf download no/where`"):
        ClipScorer.open("no/where", str(tmp_path / "words"), **words)
    folder = clip_folder(tmp_path / "clip")
    weights = load_file(folder / "model.safetensors")
    del weights["visual_projection.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"no weight visual_projection\.weight that fits its config"):
        ClipScorer.open(str(folder), "", **words)
