"""Training learns, resumes exactly, and keeps its codebook alive."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from maquette import tracking
from maquette.codec import losses, moving_codebook
from maquette.codec.model import Geometry
from maquette.codec.quantiser import kmeans, nearest
from maquette.codec.shape_store import ShapeStore, corpus_store, store
from maquette.codec.train import Recipe, batch_at, learning_rate, train_codec
from maquette.codec.voxel_codec import COARSE_GREY
from maquette.types import Voxels

SMALL = Geometry(
    16, 4, 4, channels=(8, 16, 24), latent_channels=4, codebook_size=64, res_blocks=(0, 1, 1), middle_blocks=1
)
QUICK = Recipe(
    steps=24, batch=8, learning_rate=4e-3, warmup=3, quantise_after=0.5, kmeans_shapes=24, kmeans_iterations=4,
    log_every=4, checkpoint_every=12, measured_shapes=8, precision="float32",
)  # fmt: skip


def boxes(count: int, seed: int = 0) -> ShapeStore:
    """One coloured box per shape, its coarse version one voxel larger."""
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(count):
        low, size = rng.integers(1, 5, 3), rng.integers(4, 9, 3)
        fine, coarse = np.zeros((1, 16, 16, 16), bool), np.zeros((1, 16, 16, 16), bool)
        fine[0][tuple(slice(a, a + b) for a, b in zip(low, size, strict=True))] = True
        coarse[0][tuple(slice(a - 1, a + b + 1) for a, b in zip(low, size, strict=True))] = True
        color = np.where(fine[..., None], rng.choice([0.0, 0.2, 1.0], 3).astype(np.float32), np.float32(0))
        pairs.append((Voxels(fine, color), Voxels(coarse)))
    return store(pairs)


def rows_of(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def test_a_store_that_could_not_be_written_leaves_the_earlier_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    boxes(3).save(tmp_path / "shapes.npz")
    before = (tmp_path / "shapes.npz").read_bytes()

    def breaks_off(file, **arrays: object) -> None:
        file.write(b"PK half")
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez", breaks_off)
    with pytest.raises(OSError, match="No space left"):
        boxes(5).save(tmp_path / "shapes.npz")
    assert (tmp_path / "shapes.npz").read_bytes() == before


def test_a_store_that_is_cut_short_is_named(tmp_path: Path):
    path = tmp_path / "shapes.npz"
    boxes(3).save(path)
    whole = path.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"shapes\.npz is cut short or no store of shapes") as caught:
            ShapeStore.load(path)
        assert "\n" not in str(caught.value)


def test_training_shows_its_progress_and_its_card_names_the_command(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setattr(tracking, "QUIET_SECONDS", 0.0)
    train_codec(
        tmp_path, boxes(32), boxes(8, seed=1), geometry=SMALL, recipe=QUICK, command="maquette train-codec mine.yaml"
    )
    assert "train the codec: 12/24, " in capsys.readouterr().err
    assert json.loads((tmp_path / "card.json").read_text())["command"] == "maquette train-codec mine.yaml"


def test_stored_shapes_come_back_as_they_were(tmp_path: Path):
    shapes = boxes(5)
    shapes.save(tmp_path / "shapes.npz")
    again = ShapeStore.load(tmp_path / "shapes.npz")
    rows = np.array([4, 0, 4])
    voxels = again.fine_voxels(rows)
    assert np.array_equal(voxels.occupancy, shapes.fine_voxels(rows).occupancy)
    assert np.allclose(voxels.color[0], voxels.color[2]) and set(np.unique(voxels.color.round(2))) <= {0, 0.2, 1}
    assert (again.coarse_voxels(rows).occupancy & voxels.occupancy).sum() == voxels.occupancy.sum()


def test_a_batch_depends_on_seed_and_step_alone():
    shapes = boxes(20)
    assert torch.equal(batch_at(shapes, 3, QUICK, seed=1), batch_at(shapes, 3, QUICK, seed=1))
    assert not torch.equal(batch_at(shapes, 3, QUICK, seed=1), batch_at(shapes, 4, QUICK, seed=1))
    batch = batch_at(shapes, 3, QUICK, seed=1)
    coarse = batch[-round(QUICK.batch * QUICK.coarse_share) :]
    assert torch.equal(coarse[:, 1], coarse[:, 0] * COARSE_GREY)


def test_it_learns(tmp_path: Path):
    recipe = replace(QUICK, steps=120, checkpoint_every=60, quantise_after=0.4)
    train_codec(tmp_path, boxes(64), boxes(8, seed=1), geometry=SMALL, recipe=recipe)
    rows = rows_of(tmp_path)
    ious = [row["fine_iou"] for row in rows if "fine_iou" in row]
    shape = [row["shape"] for row in rows if "shape" in row]
    assert ious[-1] > 0.1 and shape[-1] < 0.85 * shape[0]
    assert (tmp_path / "model.safetensors").is_file() and (tmp_path / "config.json").is_file()


def test_a_stopped_run_goes_on_to_the_same_end(tmp_path: Path):
    shapes, held = boxes(32), boxes(8, seed=1)
    whole = train_codec(tmp_path / "whole", shapes, held, geometry=SMALL, recipe=QUICK, threads=1)
    half = replace(QUICK, checkpoint_every=7)

    class Stopped(Exception):
        pass

    class StopsAt14(ShapeStore):
        def coarse_voxels(self, rows: np.ndarray) -> Voxels:
            calls.append(1)
            if len(calls) == 16:
                raise Stopped
            return super().coarse_voxels(rows)

    calls: list[int] = []
    with pytest.raises(Stopped):
        stopping = StopsAt14(**vars(shapes))
        train_codec(tmp_path / "parts", stopping, held, geometry=SMALL, recipe=half, threads=1)
    parts = train_codec(tmp_path / "parts", shapes, held, geometry=SMALL, recipe=half, threads=1)
    for (name, a), b in zip(whole.model.state_dict().items(), parts.model.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5, msg=name)


def test_a_checkpoint_of_another_shape_is_refused(tmp_path: Path):
    train_codec(tmp_path, boxes(32), boxes(8, seed=1), geometry=SMALL, recipe=QUICK)
    other = replace(SMALL, codebook_size=32)
    with pytest.raises(ValueError, match=r"vq\.embeddings\.weight has shape \[64, 16\].*expects \[32, 16\]"):
        train_codec(tmp_path, boxes(32), boxes(8, seed=1), geometry=other, recipe=QUICK)


def test_kmeans_finds_separate_clusters_and_wants_enough_vectors():
    generator = torch.Generator().manual_seed(0)
    middles = torch.eye(6) * 10
    vectors = (middles[:, None] + 0.1 * torch.randn(6, 50, 6, generator=generator)).flatten(0, 1)
    centres = kmeans(vectors, 6, 10, generator)
    assert torch.cdist(middles, centres).min(1).values.max() < 0.2
    with pytest.raises(ValueError, match="300 vectors for 400 codes"):
        kmeans(vectors, 400, 1, generator)


def test_moving_codebook_follows_its_vectors_and_revives_dead_codes():
    generator = torch.Generator().manual_seed(0)
    vectors = torch.tensor([[0.0, 0.0], [0.2, 0.0], [5.0, 5.0]])
    book = moving_codebook.MovingCodebook(torch.tensor([2.0, 0.01]), torch.tensor([[2.0, 0.0], [-1.0, -1.0]]))
    codes = nearest(vectors, book.codes)
    assert codes.tolist() == [0, 0, 0]
    moving_codebook.move(book, vectors[:2], codes[:2], decay=0.5)
    assert torch.allclose(book.codes[0], torch.tensor([0.55, 0.0]))  # (2 + 0.2) / (2 + 2)
    assert torch.allclose(book.codes[1], torch.tensor([-100.0, -100.0]))  # nobody chose it: it stays
    assert moving_codebook.revive(book, vectors, codes, 0.05, generator) == 1
    assert any(torch.allclose(book.codes[1], v) for v in vectors)


def test_losses_by_hand():
    target = torch.zeros(1, 2, 2, 2)
    target[0, 0] = 1
    perfect = (target * 2 - 1) * 50
    assert losses.occupancy_loss(perfect, target) < 1e-6
    assert losses.dice(torch.full_like(target, -50), target).mean() == pytest.approx(1 - 1 / 5)
    color = torch.full((1, 3, 2, 2, 2), 0.5)
    assert losses.color_loss(torch.zeros_like(color), color, target[:, :]) == pytest.approx(0, abs=1e-6)
    flat = torch.zeros(1, 8, 8, 8)
    flat[0, 3:5] = 1
    assert losses.beside_surface(flat)[0, :, 4, 4].tolist() == [0, 0, 1, 1, 1, 1, 0, 0]
    assert losses.beside_surface(torch.ones(1, 4, 4, 4)).sum() == 0


def test_learning_rate_warms_up_and_falls_to_a_hundredth():
    assert learning_rate(0, QUICK) < learning_rate(2, QUICK)
    assert learning_rate(QUICK.steps, QUICK) == pytest.approx(QUICK.learning_rate / 100)


def test_shapes_that_were_kept_are_those_that_are_asked_for(tmp_path: Path):
    first, more = corpus_store(tmp_path, "train", 2, 0, 16), corpus_store(tmp_path, "train", 3, 0, 16)
    other, again = corpus_store(tmp_path, "train", 2, 1, 16), corpus_store(tmp_path, "train", 2, 0, 16)
    assert (len(first), len(more)) == (2, 3) and np.array_equal(first.fine, again.fine)
    assert np.array_equal(more.fine[:2], first.fine) and not np.array_equal(other.fine, first.fine)
