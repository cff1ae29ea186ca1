"""Pretrained networks that measure, from folders on this machine: CLIP scores, DINOv2 and Inception-v3 features. Nothing is fetched.

CLIP sees what the reward of that name sees. For features, pictures are resized as clean-fid found right (arXiv 2104.11222): bicubic,
anti-aliased, in floating point, not rounded in between.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.nn.functional import interpolate

from maquette.rewards.clip_models import ClipScorer
from maquette.types import Views

CLIP_BACKBONES = {
    "vit-b-32": "openai/clip-vit-base-patch32",
    "vit-l-14": "openai/clip-vit-large-patch14",
    "open-clip-h-14": "laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
}
"""Names for the record and where their weights are to be had; they are read from a folder of yours."""
TOWERS = {"vit-b-32": (768, 32), "vit-l-14": (1024, 14), "open-clip-h-14": (1280, 14)}
"""Width and patch of their vision towers: a name must be that of its weights."""
DINOV2_SIZES = {384: "dinov2-small", 768: "dinov2-base", 1024: "dinov2-large", 1536: "dinov2-giant"}
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BATCH = 32


@dataclass(frozen=True)
class ClipScore:
    """100 × the cosine of text and view, never below 0, mean over an object's views (arXiv 2104.08718)."""

    name: str
    """The backbone, kept in every record: scores of two backbones are not comparable."""
    network: ClipScorer

    @classmethod
    def load(cls, name: str, folder: Path) -> ClipScore:
        """`folder` holds model and tokenizer as transformers saves them. ValueError where it does not, or holds another backbone."""
        _need_folder(folder, f"CLIP {name}", CLIP_BACKBONES.get(name, ""))
        _check_tower(name, folder)
        return cls(name, ClipScorer.open(str(folder), "", device="cpu", dtype=torch.float32))

    def score(self, texts: Sequence[str], views: Views) -> Float32[np.ndarray, " a"]:
        """Text i with object i. Texts longer than the model reads are cut. ValueError where their numbers differ."""
        if len(texts) != len(views):
            raise ValueError(f"a CLIP score needs one text per object, got {len(texts)} texts and {len(views)} objects")
        cosine = torch.einsum("ad,avd->av", self.network.read(texts), self.network.see(views.rgb))
        return (100 * cosine.clamp_min(0).mean(1)).float().numpy()


@dataclass(frozen=True)
class Dinov2Features:
    """The class token of DINOv2 at 224²."""

    name: str
    model: nn.Module

    @classmethod
    def load(cls, folder: Path) -> Dinov2Features:
        _need_folder(folder, "DINOv2", "facebook/dinov2-base")
        model = transformers.Dinov2Model.from_pretrained(folder, local_files_only=True)
        return cls(DINOV2_SIZES.get(model.config.hidden_size, folder.name), model.eval().requires_grad_(False))

    @torch.inference_mode()
    def features(self, views: Views) -> Float32[np.ndarray, "a v d"]:
        """One row per view; average an object's before comparing sets of objects."""
        parts = [
            self.model(pixel_values=p).last_hidden_state[:, 0]
            for p in pictures(views, 224, IMAGENET_MEAN, IMAGENET_STD)
        ]
        return torch.cat(parts).unflatten(0, (len(views), -1)).float().numpy()


@dataclass(frozen=True)
class InceptionFeatures:
    """Inception-v3's 2048 pooled features by torch-fidelity (which carries the original graph)."""

    name: str
    model: nn.Module

    @classmethod
    def load(cls, weights: Path) -> InceptionFeatures:
        """`weights` is torch-fidelity's `pt_inception-2015-12-05-6726825d.pth` on this machine."""
        if not weights.is_file():
            raise ValueError(
                f"{weights} is not there: Inception features need torch-fidelity's weights file on this machine"
            )
        try:
            module = import_module("torch_fidelity.feature_extractor_inceptionv3")
        except ImportError as error:
            raise ValueError(
                "Inception features need torch-fidelity and torchvision: pip install torch-fidelity"
            ) from error
        extractor = module.FeatureExtractorInceptionV3(
            "inception", ["2048"], feature_extractor_weights_path=str(weights)
        )
        return cls("inception-v3", extractor.eval())

    @torch.inference_mode()
    def features(self, views: Views) -> Float32[np.ndarray, "a v d"]:
        """One row per view."""
        flat = torch.from_numpy(views.rgb).flatten(0, 1).permute(0, 3, 1, 2)
        parts = [self.model(part.contiguous())[0] for part in flat.split(BATCH)]
        return torch.cat(parts).unflatten(0, (len(views), -1)).float().numpy()


def pictures(
    views: Views, size: int, mean: Sequence[float], std: Sequence[float]
) -> Iterator[Float[Tensor, "n 3 s s"]]:
    """All views of all objects in batches, resized and normalised."""
    flat = torch.from_numpy(views.rgb).flatten(0, 1)
    shift, scale = torch.tensor(mean).view(3, 1, 1), torch.tensor(std).view(3, 1, 1)
    for part in flat.split(BATCH):
        image = part.permute(0, 3, 1, 2).float() / 255
        if image.shape[-1] != size:
            image = interpolate(image, size=(size, size), mode="bicubic", antialias=True).clamp(0, 1)
        yield (image - shift) / scale


def _need_folder(folder: Path, what: str, origin: str) -> None:
    if not (folder / "config.json").is_file():
        hint = f" ({origin})" if origin else ""
        raise ValueError(
            f"{folder} holds no config.json: {what} is read from a folder with the weights of {what}{hint}"
        )


def backbone_of(weights: str) -> str:
    """The backbone's name of a CLIP by its folder's geometry, or by the name that it is published under; else the place itself."""
    published = {origin: name for name, origin in CLIP_BACKBONES.items()}
    if weights in published:
        return published[weights]
    shapes = {shape: name for name, shape in TOWERS.items()}
    return shapes.get(_tower(Path(weights)), weights) if (Path(weights) / "config.json").is_file() else weights


def _tower(folder: Path) -> tuple[int, int]:
    """Width and patch of a CLIP's vision tower."""
    tower: Any = transformers.CLIPConfig.from_pretrained(folder, local_files_only=True).vision_config
    return tower.hidden_size, tower.patch_size


def _check_tower(name: str, folder: Path) -> None:
    """ValueError where a known backbone's name is given to weights of another geometry."""
    found, meant = _tower(folder), TOWERS.get(name)
    if meant and found != meant:
        raise ValueError(
            f"{folder} holds a CLIP of width {found[0]} with patches of {found[1]}, but {name} has {meant[0]} and {meant[1]}: "
            "scores go by this name, so name the backbone that it is"
        )
