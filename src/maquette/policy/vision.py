"""Image prompts: a picture through the frozen vision tower of a Qwen2.5-VL, and the places that its tokens stand at.

The tower never learns, so that a picture is looked at once and what it became travels with the answers: log-probs, old, new and
reference, read the same features. Positions are written out for every token (multimodal rotary embedding, arXiv 2409.12191 §2.1):
text counts on one axis, the tokens of a picture have a row and a column, and text goes on after the longer side.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from PIL import Image, UnidentifiedImageError
from torch import Tensor, nn
from transformers import PreTrainedModel, Qwen2_5_VLForConditionalGeneration

from maquette.policy.folders import find_model
from maquette.runs import read_json
from maquette.types import SeenImage

SIDE = 512
"""Pixels: what ShapeLLM-Omni was shown (512 × 512 on white), 324 tokens after the processor's rounding."""
MOST_PIXELS = 64_000_000
"""A picture of more is refused before it is unpacked."""
PROCESSOR = "preprocessor_config.json"


def read_image(path: Path, side: int = SIDE) -> Image.Image:
    """The picture on white, padded to a square and scaled to `side` × `side`. ValueError where it is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # its size is looked at here
            with Image.open(path) as opened:
                if opened.width * opened.height > MOST_PIXELS:
                    raise ValueError(
                        f"{path} has {opened.width} x {opened.height} pixels; an image prompt may have {MOST_PIXELS}."
                    )
                picture = opened.convert("RGBA")
    except FileNotFoundError as error:
        raise ValueError(f"There is no image at {path}.") from error
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError) as error:
        raise ValueError(f"{path} cannot be read as an image (.png, .jpg, .webp): {error}.") from error
    longest = max(picture.size)
    square = Image.new("RGBA", (longest, longest), "white")
    square.alpha_composite(picture, ((longest - picture.width) // 2, (longest - picture.height) // 2))
    return square.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)


@torch.no_grad()
def look_at(model: PreTrainedModel, source: str, path: str | Path, side: int = SIDE) -> SeenImage:
    """What the tower makes of a picture, prepared as `preprocessor_config.json` beside the weights says.

    ValueError for a policy without eyes (the tiny one), a folder without that file, or a file that is no picture.
    """
    if not isinstance(model, Qwen2_5_VLForConditionalGeneration):
        raise ValueError(
            f"The prompt carries the image {path}, and {source or 'this policy'} reads text alone: take a vision-language model, "
            "e.g. --model yejunliang23/ShapeLLM-7B-omni."
        )
    tower = model.model.visual
    inputs = image_processor(source)(images=[read_image(Path(path), side)], return_tensors="pt")
    pixels, grid = inputs["pixel_values"].to(tower.device, tower.dtype), inputs["image_grid_thw"].to(tower.device)
    features = tower(pixels, grid_thw=grid).pooler_output
    merge = tower.spatial_merge_size
    return SeenImage(features.detach(), (int(grid[0, 1]) // merge, int(grid[0, 2]) // merge))


def image_processor(source: str):
    """The checkpoint's own image processor, by the file that lies beside its weights."""
    from transformers import Qwen2VLImageProcessorPil  # the one that needs no torchvision

    file = find_model(source) / PROCESSOR
    if not file.is_file():
        raise ValueError(f"{file} is missing: a picture cannot be prepared without it. Run `hf download` again.")
    known = read_json(file)
    own = {key: known[key] for key in Qwen2VLImageProcessorPil.valid_kwargs.__annotations__ if key in known}
    also = {key: known[key] for key in ("image_mean", "image_std", "size") if key in known}
    return Qwen2VLImageProcessorPil(**own | also)


def image_positions(
    tokens: Int64[Tensor, "n t"], images: Sequence[SeenImage | None], image_token: int
) -> Int64[Tensor, "axes n t"]:
    """(time, row, column) of every token, rows and columns counting from where the picture begins.

    A row `2 words, a picture of 2 × 3, 2 words` stands at
        time    0 1 | 2 2 2 2 2 2 | 5 6
        row     0 1 | 2 2 2 3 3 3 | 5 6
        column  0 1 | 2 3 4 2 3 4 | 5 6
    """
    n, t = tokens.shape
    places = torch.arange(t).expand(3, n, t).clone()
    for row, image in enumerate(images):
        if image is None:
            continue
        first = int((tokens[row] == image_token).nonzero()[0])
        high, wide = image.grid
        stop = first + high * wide
        places[0, row, first:stop] = first
        places[1, row, first:stop] = first + torch.arange(high).repeat_interleave(wide)
        places[2, row, first:stop] = first + torch.arange(wide).repeat(high)
        places[:, row, stop:] += max(high, wide) - high * wide
    return places.to(tokens.device)


def with_images(
    tokens: Int64[Tensor, "n t"], images: Sequence[SeenImage | None], image_token: int, embedding: Float[Tensor, "v d"]
) -> Float[Tensor, "n t d"]:
    """Embedded tokens, a picture's features in the place of its own. ValueError where their numbers differ."""
    marked = tokens == image_token
    for row, image in enumerate(images):
        held, wanted = int(marked[row].sum()), 0 if image is None else len(image.features)
        if held != wanted:
            raise ValueError(f"Row {row} holds {held} image tokens, its picture has {wanted}.")
    embedded = nn.functional.embedding(tokens, embedding)
    features = torch.cat([image.features.to(embedded.device, embedded.dtype) for image in images if image is not None])
    return embedded.masked_scatter(marked[..., None], features)
