"""Camera protocols by name, and the cameras that lie beside a reference object."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maquette.evaluation.protocols import PROTOCOLS, cameras_for, protocol, reference_cameras
from maquette.evaluation.references import of_file
from maquette.rendering.rasterise import render
from maquette.shape.files import read_mesh

SAMPLE = Path(__file__).resolve().parents[3] / "shared" / "toys4k-sample"
ROSE = SAMPLE / "09566ece30a78b841ff9750abe8652b1841db0cfecc092da1f540bde33989532"
needs_sample = pytest.mark.skipif(not SAMPLE.is_dir(), reason="shared/toys4k-sample is not beside the checkout")


def test_trellis_has_eight_views_for_text_and_four_for_distances():
    trellis = protocol("trellis")
    assert trellis.text is not None and trellis.features is not None
    for cameras, count in ((trellis.text, 8), (trellis.features, 4)):
        assert len(cameras.eye) == count and cameras.fov_degrees == 40.0
        np.testing.assert_allclose(np.linalg.norm(cameras.eye, axis=1), 2.0, rtol=1e-6)
        np.testing.assert_allclose(np.degrees(np.arcsin(cameras.eye[:, 2] / 2)), 30.0, rtol=1e-5)
        yaw = np.sort(np.degrees(np.arctan2(cameras.eye[:, 1], cameras.eye[:, 0])) % 360)
        np.testing.assert_allclose(np.diff(yaw), 360 / count, atol=1e-3)
    with pytest.raises(ValueError, match="known are maquette, trellis, 3dgen-r1"):
        protocol("shap-e")


@needs_sample
def test_the_reference_cameras_see_what_the_reference_pictures_show():
    cameras = reference_cameras(ROSE / "transforms.json")
    assert len(cameras.eye) == 24 and cameras.fov_degrees == pytest.approx(40, abs=0.01)
    views = render([read_mesh(ROSE / "mesh.ply")], cameras, size=128)
    overlap = []
    for i in range(24):
        picture = Image.open(ROSE / f"{i:03d}.png").convert("RGBA").resize((128, 128), Image.Resampling.BOX)
        seen, meant = views.mask[0, i], np.asarray(picture)[..., 3] > 127
        overlap.append((seen & meant).sum() / (seen | meant).sum())
    assert min(overlap) > 0.8, overlap


@needs_sample
def test_a_mesh_with_texture_coordinates_and_no_picture_states_no_colour():
    assert read_mesh(ROSE / "mesh.ply").color is None
    assert not of_file(ROSE / "mesh.ply").painted()


def write(path: Path, eye: list[float], back: list[float], angle: float = 0.7, more: list | None = None) -> Path:
    pose = np.eye(4)
    pose[:3, 3], pose[:3, 2] = eye, back
    frames = [{"transform_matrix": pose.tolist(), "camera_angle_x": angle}, *(more or [])]
    path.write_text(json.dumps({"frames": frames}))
    return path


def test_bad_cameras_are_refused(tmp_path: Path):
    path = tmp_path / "transforms.json"
    assert len(reference_cameras(write(path, [0, -2, 0], [0, -1, 0])).eye) == 1
    with pytest.raises(ValueError, match="1 of 1 cameras do not look at the origin"):
        reference_cameras(write(path, [0, -2, 0], [0, 0, 1]))
    second = json.loads(write(path, [0, -2, 0], [0, -1, 0], 0.5).read_text())["frames"]
    with pytest.raises(ValueError, match="several fields of view"):
        reference_cameras(write(path, [0, -2, 0], [0, -1, 0], 0.7, second))
    for text in ("{", "{}", '{"frames": []}', '{"frames": [{"transform_matrix": 3}]}'):
        path.write_text(text)
        with pytest.raises(ValueError, match="holds no cameras"):
            reference_cameras(path)


def test_a_protocol_without_cameras_needs_a_reference():
    own = PROTOCOLS["trellis"].text
    assert cameras_for(own, None) is own
    with pytest.raises(ValueError, match="toys4k:FOLDER"):
        cameras_for(PROTOCOLS["3dgen-r1"].text, None)
