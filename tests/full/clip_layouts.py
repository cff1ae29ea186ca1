"""Tiny random CLIPs in open_clip's and in transformers' layouts, a tokenizer, the aesthetic head, and an independent forward.

The forward is written from the papers' formulas over open_clip's own key names: no module of transformers takes part in it.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import conv2d, gelu, layer_norm, linear
from transformers import CLIPTokenizerFast

from maquette.rewards.clip_models import from_open_clip

WIDTH, TEXT_WIDTH, JOINT, LAYERS, PATCH, SIDE, REACH = 128, 64, 24, 2, 8, 32, 77
VISION_HEADS, TEXT_HEADS = WIDTH // 64, TEXT_WIDTH // 64


def clip_tokenizer(folder: Path) -> CLIPTokenizerFast:
    """CLIP's byte-pair layout with its letters alone: every character a token, the end token the highest id."""
    letters = [chr(c) for c in range(33, 127)]
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": REACH, "pad_token": "<|endoftext|>"}
    settings |= {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    tokenizer = CLIPTokenizerFast.from_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return tokenizer


def open_clip_weights(words: int, seed: int = 0) -> dict[str, Tensor]:
    """Every key of an open_clip `CLIP`, random."""
    made = torch.Generator().manual_seed(seed)

    def random(*shape: int, scale: float = 0.2) -> Tensor:
        return torch.randn(*shape, generator=made) * scale

    def norm(name: str, width: int) -> dict[str, Tensor]:
        return {f"{name}.weight": 1 + random(width), f"{name}.bias": random(width)}

    def block(name: str, width: int) -> dict[str, Tensor]:
        sizes = {"attn.in_proj_": (3 * width, width), "attn.out_proj.": (width, width)}
        sizes |= {"mlp.c_fc.": (4 * width, width), "mlp.c_proj.": (width, 4 * width)}
        found = norm(f"{name}ln_1", width) | norm(f"{name}ln_2", width)
        for key, shape in sizes.items():
            found |= {f"{name}{key}weight": random(*shape, scale=0.08), f"{name}{key}bias": random(shape[0])}
        return found

    places = (SIDE // PATCH) ** 2 + 1
    weights = {"logit_scale": torch.tensor(4.6), "positional_embedding": random(REACH, TEXT_WIDTH)}
    weights |= {"text_projection": random(TEXT_WIDTH, JOINT), "token_embedding.weight": random(words, TEXT_WIDTH)}
    weights |= {"visual.class_embedding": random(WIDTH), "visual.positional_embedding": random(places, WIDTH)}
    weights |= {"visual.proj": random(WIDTH, JOINT), "visual.conv1.weight": random(WIDTH, 3, PATCH, PATCH)}
    weights |= norm("visual.ln_pre", WIDTH) | norm("visual.ln_post", WIDTH) | norm("ln_final", TEXT_WIDTH)
    for layer in range(LAYERS):
        weights |= block(f"visual.transformer.resblocks.{layer}.", WIDTH)
        weights |= block(f"transformer.resblocks.{layer}.", TEXT_WIDTH)
    return weights


def blocks(x: Tensor, w: dict[str, Tensor], prefix: str, heads: int, causal: bool) -> Tensor:
    """Pre-norm transformer blocks, [n t d], attention written out."""
    n, t, d = x.shape
    mask = torch.full((t, t), -torch.inf).triu(1) if causal else torch.zeros(t, t)
    for layer in range(LAYERS):
        p = f"{prefix}{layer}."
        h = layer_norm(x, (d,), w[p + "ln_1.weight"], w[p + "ln_1.bias"])
        mixed = linear(h, w[p + "attn.in_proj_weight"], w[p + "attn.in_proj_bias"])
        q, k, v = (part.view(n, t, heads, d // heads).transpose(1, 2) for part in mixed.split(d, -1))
        seen = ((q @ k.transpose(-1, -2)) * (d // heads) ** -0.5 + mask).softmax(-1) @ v
        x = x + linear(
            seen.transpose(1, 2).reshape(n, t, d), w[p + "attn.out_proj.weight"], w[p + "attn.out_proj.bias"]
        )
        h = layer_norm(x, (d,), w[p + "ln_2.weight"], w[p + "ln_2.bias"])
        h = gelu(linear(h, w[p + "mlp.c_fc.weight"], w[p + "mlp.c_fc.bias"]))
        x = x + linear(h, w[p + "mlp.c_proj.weight"], w[p + "mlp.c_proj.bias"])
    return x


def independent_image(pixels: Tensor, w: dict[str, Tensor]) -> Tensor:
    """Unit embeddings of normalised pixels [n 3 h w]."""
    patches = conv2d(pixels, w["visual.conv1.weight"], stride=PATCH).flatten(2).transpose(1, 2)
    start = w["visual.class_embedding"].expand(len(pixels), 1, -1)
    x = torch.cat([start, patches], 1) + w["visual.positional_embedding"]
    x = layer_norm(x, (WIDTH,), w["visual.ln_pre.weight"], w["visual.ln_pre.bias"])
    x = blocks(x, w, "visual.transformer.resblocks.", VISION_HEADS, causal=False)
    pooled = layer_norm(x[:, 0], (WIDTH,), w["visual.ln_post.weight"], w["visual.ln_post.bias"]) @ w["visual.proj"]
    return pooled / pooled.norm(dim=-1, keepdim=True)


def independent_text(ids: Tensor, w: dict[str, Tensor]) -> Tensor:
    """Unit embeddings of ids [n t], pooled at the first end token, which has the highest id."""
    x = w["token_embedding.weight"][ids] + w["positional_embedding"][: ids.shape[1]]
    x = blocks(x, w, "transformer.resblocks.", TEXT_HEADS, causal=True)
    x = layer_norm(x, (TEXT_WIDTH,), w["ln_final.weight"], w["ln_final.bias"])
    pooled = x[torch.arange(len(ids)), ids.argmax(1)] @ w["text_projection"]
    return pooled / pooled.norm(dim=-1, keepdim=True)


def hps_file(path: Path, words: int, seed: int = 0) -> dict[str, Tensor]:
    """`HPS_v2.1_compressed.pt`: the state dict under `state_dict`."""
    weights = open_clip_weights(words, seed)
    torch.save({"epoch": 10, "state_dict": weights}, path)
    return weights


def clip_folder(folder: Path, seed: int = 1) -> Path:
    """A CLIP in transformers' layout, with its tokenizer."""
    from transformers import CLIPModel

    from maquette.rewards.clip_models import config_of

    words = len(clip_tokenizer(folder))
    weights = from_open_clip(open_clip_weights(words, seed))
    model = CLIPModel(config_of(weights, activation="quick_gelu", end=words - 1))
    model.load_state_dict(weights)
    model.save_pretrained(folder)
    return folder


def aesthetic_file(path: Path, width: int = JOINT) -> dict[str, Tensor]:
    """`sac+logos+ava1-l14-linearMSE.pth`."""
    made = torch.Generator().manual_seed(2)
    sizes, weights = (width, 1024, 128, 64, 16, 1), {}
    for place, a, b in zip("02467", sizes, sizes[1:], strict=False):
        weights |= {f"layers.{place}.weight": torch.randn(b, a, generator=made) / a**0.5}
        weights |= {f"layers.{place}.bias": torch.randn(b, generator=made)}
    torch.save(weights, path)
    return weights
