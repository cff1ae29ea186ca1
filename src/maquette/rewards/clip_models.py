"""CLIP networks by transformers, whichever layout their weights are in; no open_clip and no torchvision needed.

HPS v2.1 (arXiv 2306.09341) is an open_clip ViT-H/14 in a .pt; LAION's aesthetic predictor is a small head on OpenAI's ViT-L/14.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn.functional import interpolate, normalize
from transformers import AutoTokenizer, CLIPConfig, CLIPModel, PreTrainedTokenizerBase

from maquette.codec.model import read_tree

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
"""Of every CLIP's pixels."""

BLOCK = (
    (r"ln_1\.(\w+)", r"layer_norm1.\1"),
    (r"ln_2\.(\w+)", r"layer_norm2.\1"),
    (r"attn\.out_proj\.(\w+)", r"self_attn.out_proj.\1"),
    (r"mlp\.c_fc\.(\w+)", r"mlp.fc1.\1"),
    (r"mlp\.c_proj\.(\w+)", r"mlp.fc2.\1"),
)
TABLE = (
    (r"logit_scale", r"logit_scale"),
    (r"token_embedding\.weight", r"text_model.embeddings.token_embedding.weight"),
    (r"positional_embedding", r"text_model.embeddings.position_embedding.weight"),
    (r"ln_final\.(\w+)", r"text_model.final_layer_norm.\1"),
    (r"visual\.class_embedding", r"vision_model.embeddings.class_embedding"),
    (r"visual\.positional_embedding", r"vision_model.embeddings.position_embedding.weight"),
    (r"visual\.conv1\.weight", r"vision_model.embeddings.patch_embedding.weight"),
    (r"visual\.ln_pre\.(\w+)", r"vision_model.pre_layrnorm.\1"),
    (r"visual\.ln_post\.(\w+)", r"vision_model.post_layernorm.\1"),
)
"""open_clip's keys → transformers'; blocks by `BLOCK`, projections transposed, q, k and v cut out of one matrix."""
TOWERS = {
    "transformer.resblocks.": "text_model.encoder.layers.",
    "visual.transformer.resblocks.": "vision_model.encoder.layers.",
}
IGNORED = ("attn_mask",)


def from_open_clip(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same weights under transformers' keys. Raises ValueError naming a key that the table does not know."""
    found: dict[str, Tensor] = {}
    for key, value in weights.items():
        if key in IGNORED:
            continue
        if key in ("text_projection", "visual.proj"):
            found["text_projection.weight" if key[0] == "t" else "visual_projection.weight"] = value.t().contiguous()
            continue
        found |= _translated(key, value)
    return found


def _translated(key: str, value: Tensor) -> dict[str, Tensor]:
    for tower, prefix in TOWERS.items():
        if not key.startswith(tower):
            continue
        number, _, rest = key.removeprefix(tower).partition(".")
        if joined := re.fullmatch(r"attn\.in_proj_(\w+)", rest):
            names = (f"{prefix}{number}.self_attn.{part}_proj.{joined[1]}" for part in "qkv")
            return {name: part.contiguous() for name, part in zip(names, value.chunk(3), strict=True)}
        for old, new in BLOCK:
            if re.fullmatch(old, rest):
                return {f"{prefix}{number}." + re.sub(old, new, rest): value}
    for old, new in TABLE:
        if re.fullmatch(old, key):
            return {re.sub(old, new, key): value}
    raise ValueError(f"the key {key!r} is of no open_clip model that this table knows")


def config_of(weights: Mapping[str, Tensor], *, activation: str, end: int) -> CLIPConfig:
    """The geometry that weights (transformers' keys) have; heads are 64 wide, 80 in ViT-H's vision tower."""
    patch = weights["vision_model.embeddings.patch_embedding.weight"]
    places = weights["vision_model.embeddings.position_embedding.weight"].shape[0] - 1

    def tower(prefix: str, width: int, head: int) -> dict[str, Any]:
        layers = len({key.split(".")[3] for key in weights if key.startswith(f"{prefix}.encoder.layers.")})
        heads = max(1, width // head)
        mlp = weights[f"{prefix}.encoder.layers.0.mlp.fc1.weight"].shape[0]
        sizes: dict[str, Any] = {"hidden_size": width, "intermediate_size": mlp, "num_hidden_layers": layers}
        return sizes | {"num_attention_heads": heads, "hidden_act": activation}

    words = weights["text_model.embeddings.token_embedding.weight"]
    reach = weights["text_model.embeddings.position_embedding.weight"].shape[0]
    text = tower("text_model", words.shape[1], 64)
    text |= {"vocab_size": len(words), "max_position_embeddings": reach, "eos_token_id": end, "bos_token_id": end - 1}
    width = patch.shape[0]
    vision = tower("vision_model", width, 80 if width == 1280 else 64)
    vision |= {"patch_size": patch.shape[-1], "image_size": round(places**0.5) * patch.shape[-1]}
    joint = weights["visual_projection.weight"].shape[0]
    return CLIPConfig(text_config=text, vision_config=vision, projection_dim=joint)


def load_open_clip(
    path: Path, *, activation: str = "gelu", device: str = "cpu", dtype: torch.dtype = torch.float32
) -> CLIPModel:
    """A .pt of open_clip's layout (`state_dict` inside or not), read without running code. ValueError where it does not fit."""
    weights = read_nested(path)
    try:
        translated = from_open_clip(weights)
        end = len(translated["text_model.embeddings.token_embedding.weight"]) - 1
        config = config_of(translated, activation=activation, end=end)
    except (KeyError, ValueError) as error:
        raise ValueError(f"{path} is no CLIP in open_clip's layout: {' '.join(map(str, error.args))}.") from error
    with torch.device("meta"):
        model = CLIPModel(config)
    expected = model.state_dict()
    for key, value in translated.items():
        if key not in expected or expected[key].shape != value.shape:
            wanted = list(expected[key].shape) if key in expected else "nothing"
            raise ValueError(f"{path}: {key} has shape {list(value.shape)}, expected {wanted}.")
    if missing := expected.keys() - translated.keys():
        raise ValueError(f"{path} has nothing for {sorted(missing)[0]}.")
    model.load_state_dict(translated, assign=True)
    for module in model.modules():  # tables of positions are no weights, and were made on the meta device
        for name, buffer in list(module.named_buffers(recurse=False)):
            if buffer.is_meta:
                setattr(module, name, torch.arange(buffer.shape[-1])[None])
    moved: Any = model
    return moved.to(device, dtype).eval().requires_grad_(False)


def read_nested(path: Path) -> dict[str, Tensor]:
    """A state dict that may lie under `state_dict`; tensors only. ValueError where the file is missing or is none."""
    if not path.is_file():
        raise ValueError(f"There are no weights at {path}.")
    tree = read_tree(path)
    inner = tree.get("state_dict", tree) if isinstance(tree, dict) else tree
    if not isinstance(inner, dict) or not all(isinstance(value, Tensor) for value in inner.values()):
        raise ValueError(f"{path} must hold a plain state dict of tensors by key, under state_dict or alone.")
    return {key.removeprefix("module."): value for key, value in inner.items()}


@dataclass
class ClipScorer:
    """Unit embeddings of views and texts; the same views asked again cost nothing."""

    model: CLIPModel
    tokenizer: PreTrainedTokenizerBase
    batch: int = 64
    """Views at a time."""
    _last: tuple[UInt8[np.ndarray, "a v h w 3"], Tensor] | None = field(default=None, repr=False)

    @classmethod
    def open(
        cls, weights: str, tokenizer: str, *, device: str, dtype: torch.dtype, activation: str = "gelu"
    ) -> ClipScorer:
        """`weights`: a .pt of open_clip's layout, or a folder or cached repository of transformers'.

        ValueError with the place where the tokenizer or the weights are not there, or are cut short.
        """
        where = tokenizer or weights
        try:
            words = AutoTokenizer.from_pretrained(where, local_files_only=True)
        except (OSError, ValueError) as error:
            raise ValueError(f"There is no CLIP tokenizer at {where}: {_fetch(where)}") from error
        if Path(weights).suffix in (".pt", ".pth", ".bin"):
            return cls(load_open_clip(Path(weights), activation=activation, device=device, dtype=dtype), words)
        try:
            loaded: Any = CLIPModel.from_pretrained(
                weights, dtype=dtype, local_files_only=True, output_loading_info=True, ignore_mismatched_sizes=True
            )
            model, report = loaded
        except (OSError, SafetensorError, json.JSONDecodeError) as error:
            why = "is cut short" if isinstance(error, SafetensorError) else "is not there, or is half a download"
            raise ValueError(f"The CLIP at {weights} {why}: {_fetch(weights)}") from error
        if odd := sorted(map(str, (*report["missing_keys"], *report["mismatched_keys"]))):
            raise ValueError(f"The CLIP at {weights} has no weight {odd[0]} that fits its config: {_fetch(weights)}")
        return cls(model.to(device).eval().requires_grad_(False), words)

    @torch.inference_mode()
    def see(self, rgb: UInt8[np.ndarray, "a v h w 3"]) -> Float[Tensor, "a v d"]:
        """On the CPU, in float32."""
        if self._last is None or self._last[0] is not rgb:
            flat = torch.from_numpy(rgb).flatten(0, 1)
            parts = [self._see(part) for part in flat.split(self.batch)]
            self._last = (rgb, torch.cat(parts).unflatten(0, rgb.shape[:2]))
        return self._last[1]

    def _see(self, pixels: UInt8[Tensor, "n h w 3"]) -> Float[Tensor, "n d"]:
        weight = self.model.visual_projection.weight
        sizes: Any = self.model.config.vision_config
        ready = preprocess(pixels.to(weight.device), sizes.image_size).to(weight.dtype)
        pooled = self.model.vision_model(pixel_values=ready).pooler_output
        return normalize(self.model.visual_projection(pooled).float(), dim=-1).cpu()

    @torch.inference_mode()
    def read(self, texts: Sequence[str]) -> Float[Tensor, "n d"]:
        """Texts are cut at the model's 77 tokens, their end token kept."""
        sizes: Any = self.model.config.text_config
        reach = sizes.max_position_embeddings
        ids = self.tokenizer(list(texts), padding=True, truncation=True, max_length=reach, return_tensors="pt")
        weight = self.model.text_projection.weight
        pooled = self.model.text_model(input_ids=ids["input_ids"].to(weight.device)).pooler_output
        return normalize(self.model.text_projection(pooled).float(), dim=-1).cpu()


def _fetch(place: str) -> str:
    """What to do about files that are not there: a repository's name is no folder."""
    if re.fullmatch(r"[\w.-]+/[\w.-]+", place) and not Path(place).exists():
        return f"fetch it with `hf download {place}`."
    return "put its files there again, or name its place in the judges file."


def preprocess(pixels: UInt8[Tensor, "n h w 3"], side: int) -> Float[Tensor, "n 3 side side"]:
    """CLIP's input from square views: bicubic with antialiasing, as PIL does it (rows, whole levels, columns, whole levels), normalised."""
    image = pixels.permute(0, 3, 1, 2).float()
    if image.shape[-1] != side:
        for size in ((image.shape[-2], side), (side, side)):
            image = interpolate(image, size, mode="bicubic", antialias=True).round().clamp(0, 255)
    mean, std = (torch.tensor(x, device=image.device)[:, None, None] for x in (MEAN, STD))
    return (image / 255 - mean) / std


class AestheticHead(nn.Module):
    """LAION's predictor on unit embeddings of ViT-L/14 (`sac+logos+ava1-l14-linearMSE.pth`): linear layers alone, 1 to 10."""

    SIZES = (768, 1024, 128, 64, 16, 1)

    def __init__(self, sizes: Sequence[int] = SIZES) -> None:
        super().__init__()
        # the published module has dropout between its layers, which leaves gaps in their numbers
        places = ("0", "2", "4", "6", "7")
        self.layers = nn.ModuleDict({p: nn.Linear(a, b) for p, a, b in zip(places, sizes, sizes[1:], strict=False)})

    @classmethod
    def load(cls, path: Path) -> AestheticHead:
        """ValueError naming the first key of another name or shape."""
        weights = read_nested(path)
        try:
            inputs = [weights[f"layers.{p}.weight"].shape[1] for p in ("0", "2", "4", "6", "7")]
        except KeyError as error:
            raise ValueError(f"{path} is no aesthetic predictor: it has no {error.args[0]}.") from error
        except IndexError as error:
            raise ValueError(f"{path} is no aesthetic predictor: its layers are no matrices.") from error
        head = cls((*inputs, 1))
        expected = {key: list(value.shape) for key, value in head.state_dict().items()}
        found = {key: list(value.shape) for key, value in weights.items()}
        for key in sorted(expected.keys() | found.keys()):
            if found.get(key) != expected.get(key):
                shapes = (found.get(key, "nothing"), expected.get(key, "nothing"))
                raise ValueError(f"{path} is no aesthetic predictor: it has {shapes[0]} at {key}, not {shapes[1]}.")
        head.load_state_dict(weights)
        return head.eval().requires_grad_(False)

    def forward(self, embedding: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
        for layer in self.layers.values():
            embedding = layer(embedding)
        return embedding[..., 0]
