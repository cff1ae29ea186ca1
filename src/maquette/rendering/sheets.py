"""Pictures for people: portraits, contact sheets with captions, turntables as GIF or MP4."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import matplotlib
import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from maquette.outputs import written
from maquette.rendering.cameras import CAMERAS, ring
from maquette.rendering.rasterise import render
from maquette.types import Cameras, Mesh, Views

PAGE = (250, 250, 249)
INK = (52, 52, 56)
MARGIN, GAP = 20, 14
MOST_LINES = 6
"""Longer captions end in an ellipsis."""


def portraits(
    meshes: Sequence[Mesh], cameras: Cameras = CAMERAS["front-3q"], *, size: int = 320
) -> UInt8[np.ndarray, "a v h w 3"]:
    """Pictures by studio light with sixteen samples a pixel: slower than what is scored, and better to look at."""
    rgb = render(meshes, cameras, size=2 * size, antialias=True, light="studio").rgb
    pairs = rgb.reshape(*rgb.shape[:2], size, 2, size, 2, 3)
    return np.round(pairs.mean(axis=(3, 5), dtype=np.float32)).astype(np.uint8)


def contact_sheet(
    pictures: Views | Sequence[Image.Image] | UInt8[np.ndarray, "a h w 3"],
    captions: Sequence[str] = (),
    columns: int = 0,
    title: str = "",
) -> Image.Image:
    """One page: a tile per object (of `Views`: its views in a row) with its caption below; 0 columns: a landscape page."""
    tiles = _tiles(pictures)
    if not tiles:
        raise ValueError("A contact sheet needs at least 1 picture, not 0.")
    if captions and len(captions) != len(tiles):
        raise ValueError(f"There are {len(tiles)} pictures but {len(captions)} captions.")
    width, height = max(t.width for t in tiles), max(t.height for t in tiles)
    columns = min(columns or max(1, round((1.6 * len(tiles) * height / width) ** 0.5)), len(tiles))
    font = _font(min(max(width // 18, 10), 16))
    texts = [_wrapped(caption, font, width) for caption in captions] or [""] * len(tiles)
    line = sum(font.getmetrics()) + 3
    rows = [range(start, min(start + columns, len(tiles))) for start in range(0, len(tiles), columns)]
    below = [max(text.count("\n") + 1 if text else 0 for text in (texts[i] for i in row)) * line for row in rows]
    heading = _font(20)
    top = MARGIN + (sum(heading.getmetrics()) + GAP if title else 0)
    page_height = top + sum(height + extra + 2 * GAP for extra in below) - GAP + MARGIN // 2
    page = Image.new("RGB", (2 * MARGIN + columns * (width + GAP) - GAP, page_height), PAGE)
    draw = ImageDraw.Draw(page)
    draw.text((MARGIN, MARGIN - 4), title, fill=INK, font=heading)
    for row, extra in zip(rows, below, strict=True):
        for column, i in enumerate(row):
            left = MARGIN + column * (width + GAP)
            page.paste(tiles[i], (left, top))
            draw.multiline_text((left + 2, top + height + 6), texts[i], fill=INK, font=font, spacing=3)
        top += height + extra + 2 * GAP
    return page


def _font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings along: Pillow's own font lacks all but the commonest letters."""
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)


def _tiles(pictures: Views | Sequence[Image.Image] | UInt8[np.ndarray, "a h w 3"]) -> list[Image.Image]:
    if isinstance(pictures, Views):
        return [Image.fromarray(np.concatenate(list(views), axis=1)) for views in pictures.rgb]
    return [p.convert("RGB") if isinstance(p, Image.Image) else Image.fromarray(p) for p in pictures]


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """The text in lines no wider than `width` pixels, at most six; words longer than a line are cut."""
    lines = [""]
    for word in text.split():
        while font.getlength(word) > width and len(word) > 1:
            fits = max(1, int(len(word) * width / font.getlength(word)) - 1)
            lines, word = [*lines, word[:fits]] if lines[-1] else [*lines[:-1], word[:fits], ""], word[fits:]
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], lines[MOST_LINES - 1][:-1].rstrip() + "…"]
    return "\n".join(lines)


def turntable(mesh: Mesh, path: str | Path, frames: int = 48, size: int = 320, seconds: float = 4.0) -> None:
    """One turn of the mesh, `.gif` or `.mp4` by the path's suffix; raises ValueError for another one."""
    path = Path(path)
    if path.suffix.lower() not in (".gif", ".mp4"):
        raise ValueError(f"{path.name} ends in {path.suffix!r}; turntables are written as .gif or .mp4.")
    size += size % 2  # H.264 wants even sides
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written(path) as beside:
            pictures = portraits([mesh], ring(frames, 20.0, 3.0, 30.0, start=30.0), size=size)[0]
            (_write_gif if path.suffix.lower() == ".gif" else _write_mp4)(pictures, beside, seconds)
    except OSError as error:
        raise ValueError(f"{path} cannot be written ({error.strerror}): choose another folder or make room.") from error


def _write_gif(pictures: UInt8[np.ndarray, "v h w 3"], path: Path, seconds: float) -> None:
    """All frames on one palette, undithered, so that the background does not flicker."""
    strip = Image.fromarray(np.concatenate(list(pictures[:: max(1, len(pictures) // 8)]), axis=1))
    palette = strip.quantize(255, method=Image.Quantize.MEDIANCUT)
    images = [Image.fromarray(p).quantize(palette=palette, dither=Image.Dither.NONE) for p in pictures]
    pause = round(1000 * seconds / len(images))
    images[0].save(path, save_all=True, append_images=images[1:], duration=pause, loop=0, optimize=False)


def _write_mp4(pictures: UInt8[np.ndarray, "v h w 3"], path: Path, seconds: float) -> None:
    rate = len(pictures) / seconds
    opened: Any = imageio.get_writer(path, fps=rate, codec="libx264", quality=8, macro_block_size=2)
    with opened as writer:
        for picture in pictures:
            writer.append_data(picture)
