"""Our mapping of open_clip's layout against open_clip itself, random weights: where it can be installed (it needs torchvision)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from maquette.rewards.clip_models import ClipScorer, load_open_clip, preprocess
from tests.full.clip_layouts import clip_tokenizer

open_clip = pytest.importorskip("open_clip", reason="open_clip is not installed")
SMALL = {
    "embed_dim": 48,
    "vision_cfg": {"image_size": 56, "layers": 3, "width": 128, "patch_size": 14},
    "text_cfg": {"context_length": 77, "vocab_size": 190, "width": 64, "heads": 1, "layers": 3},
}
"""ViT-H/14's shape in small."""
TALL = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 28, "layers": 1, "width": 1280, "head_width": 80, "patch_size": 14},
    "text_cfg": {"context_length": 77, "vocab_size": 190, "width": 1024, "heads": 16, "layers": 1},
}
"""ViT-H/14's own widths and heads (HPS v2.1), one layer of each tower."""


def made(config: dict, quick_gelu: bool, seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    model = open_clip.CLIP(**config, quick_gelu=quick_gelu).eval()
    for parameter in model.parameters():
        if parameter.dim() < 2:
            torch.nn.init.normal_(parameter, 0.5, 0.2)  # norms and biases as after training, not ones and zeros
    return model


@torch.no_grad()
@pytest.mark.parametrize(("config", "quick"), [(SMALL, False), (SMALL, True), (TALL, False)])
def test_embeddings_are_open_clips(tmp_path: Path, config: dict, quick: bool):
    theirs = made(config, quick)
    torch.save({"state_dict": theirs.state_dict()}, tmp_path / "clip.pt")
    tokenizer = clip_tokenizer(tmp_path / "words")
    assert len(tokenizer) == config["text_cfg"]["vocab_size"]
    ours = ClipScorer(load_open_clip(tmp_path / "clip.pt", activation="quick_gelu" if quick else "gelu"), tokenizer)
    side = config["vision_cfg"]["image_size"]
    views = np.random.default_rng(0).integers(0, 256, (2, 3, side, side, 3), dtype=np.uint8)
    pixels = preprocess(torch.from_numpy(views).flatten(0, 1), side)
    seen = theirs.encode_image(pixels, normalize=True)
    texts = ["a red chair", "nine blue whales with tails", "x" * 200]
    ids = tokenizer(texts, padding="max_length", truncation=True, max_length=77, return_tensors="pt")["input_ids"]
    # open_clip pads with 0 and pools at the highest id, which is the end token
    first_end = (ids == ids.max()).int().argmax(1)
    ids = torch.where(torch.arange(77) > first_end[:, None], 0, ids)
    read = theirs.encode_text(ids, normalize=True)
    apart = (ours.see(views).flatten(0, 1) - seen).abs().max(), (ours.read(texts) - read).abs().max()
    print(f"{side}² quick_gelu={quick}: image {apart[0]:.1e}, text {apart[1]:.1e}")  # noqa: T201 (shown by -s)
    assert max(apart) < 2e-6


def test_pixels_are_open_clips(tmp_path: Path):
    ready = open_clip.image_transform(224, is_train=False)
    picture = np.random.default_rng(1).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(picture).resize((64, 64)).resize((300, 300)))
    for pixels in (picture, smooth):
        theirs = ready(Image.fromarray(pixels))
        ours = preprocess(torch.from_numpy(pixels.copy())[None], 224)[0]
        # at most one level of 256, by PIL's fixed-point rounding
        assert (ours - theirs).abs().max() < 1.01 / 255 / 0.26
        print(f"pixels: {(ours - theirs).abs().max():.1e}, mean {(ours - theirs).abs().mean():.1e}")  # noqa: T201
