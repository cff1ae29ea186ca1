"""Contact sheets and turntables: sizes, captions, files that open."""

from __future__ import annotations

import imageio.v2 as imageio
import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from maquette.rendering.cameras import CAMERAS
from maquette.rendering.rasterise import render
from maquette.rendering.sheets import PAGE, contact_sheet, portraits, turntable
from maquette.types import Mesh

TETRAHEDRON = Mesh(
    np.float32([[-0.4, -0.3, -0.4], [0.4, -0.3, -0.4], [0, 0.4, -0.4], [0, 0, 0.5]]),
    np.int32([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]]),
    np.float32([[0.9, 0.1, 0.1], [0.1, 0.6, 0.2], [0.2, 0.3, 0.9], [0.9, 0.8, 0.2]]),
)


def test_a_sheet_of_views_shows_every_view_once():
    views = render([TETRAHEDRON] * 3, CAMERAS["trellis-4"], size=40)
    page = np.asarray(contact_sheet(views, columns=1))
    background = (np.abs(page.astype(int) - round(0.9 * 255)).max(axis=2) == 0).sum()
    assert page.shape[1] == 2 * 20 + 4 * 40
    assert background >= (views.rgb == round(0.9 * 255)).all(axis=-1).sum()
    assert (page[0] == PAGE).all() and (page[-1] == PAGE).all()


def test_captions_take_their_own_space_and_long_ones_are_cut_short():
    tiles = portraits([TETRAHEDRON] * 4, size=64)[:, 0]
    plain = contact_sheet(tiles, columns=2)
    short = contact_sheet(tiles, ["one", "two", "three", "четыре – naïve"], columns=2)
    long = contact_sheet(tiles, ["a word " * 200, "x" * 500, "", "four"], columns=2)
    assert plain.height < short.height < long.height < short.height + 200
    assert plain.width == short.width == long.width
    assert contact_sheet(tiles, columns=2, title="Title").height > plain.height
    with pytest.raises(ValueError, match="4 pictures but 1 captions"):
        contact_sheet(tiles, ["one"])
    with pytest.raises(ValueError, match="not 0"):
        contact_sheet([])


def test_a_sheet_takes_pictures_of_different_sizes():
    page = contact_sheet([Image.new("L", (30, 20)), Image.new("RGBA", (50, 60))], ["a", "b"])
    assert page.mode == "RGB" and page.width > 30 + 50


@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
def test_a_turntable_turns(tmp_path, suffix):
    path = tmp_path / "new" / f"turn{suffix}"
    turntable(TETRAHEDRON, path, frames=8, size=47, seconds=1.0)
    if suffix == ".mp4":
        assert imageio_ffmpeg.count_frames_and_secs(path) == (8, 1.0)
    else:
        frames = imageio.mimread(path)
        assert len(frames) == 8 and frames[0].shape[:2] == (48, 48)
        assert np.abs(frames[0][..., :3].astype(int) - frames[3][..., :3]).max() > 60
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_turntable_that_cannot_be_written_says_why(tmp_path):
    with pytest.raises(ValueError, match=r"'\.avi'; turntables are written as \.gif or \.mp4"):
        turntable(TETRAHEDRON, tmp_path / "a.avi")
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="cannot be written"):
        turntable(TETRAHEDRON, tmp_path / "file" / "a.gif", frames=2, size=16)
