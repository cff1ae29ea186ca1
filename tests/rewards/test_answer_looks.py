"""A policy's answers as looks that scorers learn from: labels by hand, what they teach, and what they must not."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from maquette.codec.voxel_codec import VoxelCodec
from maquette.config import Config
from maquette.corpus.splits import designs
from maquette.rendering.cameras import CAMERAS
from maquette.rendering.rasterise import render
from maquette.rewards.answer_looks import ANSWERS, look_of, loose_share
from maquette.rewards.damage import Grid
from maquette.rewards.dataset import grid_of, half_of, make_data, scorer_data
from maquette.rewards.figures import answer_figures, quality_figures
from maquette.rewards.looks import UNSURE, Labels, Look, Pictures, read_data
from maquette.rewards.networks import Judged, Seen
from maquette.rewards.quality_losses import consistency_loss, quality_loss
from maquette.rewards.scorers import load_quality, load_semantic
from maquette.rewards.semantic_losses import Learner, better_answers, nearer_loss, semantic_loss
from maquette.shape.surface import SurfaceMesher
from maquette.training.answering import answering_by
from maquette.types import Prompt, StageOutput, Voxels
from tests.tiny import save_tiny


def stage(occupancy: np.ndarray, color: np.ndarray | None, paint: str) -> StageOutput:
    """A stage that drew these shapes."""
    voxels = Voxels(occupancy, color)
    meshes = tuple(SurfaceMesher().mesh(voxels))
    views = render(meshes, CAMERAS["maquette-6"], size=64, antialias=True, paint=paint)
    a = len(occupancy)
    return StageOutput("", ("",) * a, torch.zeros((a, 1)).long(), ~occupancy.any((1, 2, 3)), voxels, meshes, views)


def near_and_nothing(prompts: Sequence[Prompt], seed: int) -> tuple[StageOutput, StageOutput]:
    """Answers that are the object meant itself, and an empty shape."""
    half = (design for design in designs("train", 100, 1) if half_of(design) == 0)
    meant = {f"{d.family}-{d.seed}": d for _, d in zip(range(4), half, strict=False)}
    found = [next(d for d in meant.values() if str(d.seed) in p.id) for p in prompts]
    stages = []
    for coarse in (True, False):
        grids = [grid_of(design, 32, coarse=coarse) for design in found]
        empty = np.zeros_like(grids[0].occupancy)
        occupancy = np.stack([x for g in grids for x in (g.occupancy, empty)])
        color = np.stack([x for g in grids for x in (g.color, np.zeros_like(g.color))])
        stages.append(stage(occupancy, color, "grey" if coarse else "colour"))
    return stages[0], stages[1]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Pictures:
    folder = tmp_path_factory.mktemp("pictures")
    make_data(folder, split="train", objects=4, seed=1, half=0, chunk=4, answering=near_and_nothing)
    return read_data(folder)


def test_loose_pieces_by_hand() -> None:
    grid = np.zeros((8, 8, 8), bool)
    assert loose_share(grid) == 0.0
    grid[:2, :2, :2] = True
    grid[2, 2, 2] = True  # touches with its corner
    assert loose_share(grid) == 0.0
    grid[6, 6, 6] = True
    assert loose_share(grid) == pytest.approx(1 / 10)


def test_an_answers_label_is_its_distance_from_the_object_meant() -> None:
    meant = np.zeros((16, 16, 16), bool)
    meant[4:8, 4:8, 4:8] = True
    drawn = np.zeros_like(meant)
    drawn[4:8, 4:8, 6:10] = True  # half of 64 is common, 96 either
    own = Grid(meant, np.full((16, 16, 16, 3), 0.5, np.float32), np.zeros((16, 16, 16), np.int8), (1,))
    color = np.full((1, 16, 16, 16, 3), 0.6, np.float32)
    look = look_of(own, stage(drawn[None], color, "colour"), 0, 2, grey=False)
    assert look.geometry == pytest.approx(1 - 32 / 96) and look.paint == pytest.approx(0.2, abs=1e-6)
    assert look.answer and look.counts == look.colors == (UNSURE, UNSURE) and look.loose == 0.0
    assert look_of(own, stage(drawn[None], color, "colour"), 0, 2, grey=True).paint == 0.0
    nothing = look_of(own, stage(np.zeros((1, 16, 16, 16), bool), color, "colour"), 0, 1, grey=False)
    assert nothing.geometry == 1.0 and nothing.loose == 0.0


def test_answers_stand_after_the_objects_own_looks(data: Pictures) -> None:
    assert data.rows([0, 1], [5, 8]).shape == (2, 6, 64, 64, 4)
    for labels in data.labels:
        assert len(labels.looks) == 5 + 2 * ANSWERS and labels.known == 5 and labels.asked in (2, 3)
        assert [look.grey for look in labels.looks[5:]] == [False, False, True, True]
        assert [look.geometry for look in labels.looks[5:]] == [0.0, 1.0, 0.0, 1.0]
    better = better_answers(data.labels, range(5, 9))
    assert better.nonzero()[:, :2].unique(dim=0).tolist() == [[0, 1], [2, 3]]  # within a paint, the nearer first
    # what was there before looks as it did
    empty = data.rows([0], [6])[0]
    assert (empty[..., 3] == 0).all() and data.rows([0], [5])[0][..., 3].any()


def test_figures_of_answers_are_right_for_what_is_plain(data: Pictures) -> None:
    figures = answer_figures(load_semantic(), load_quality(), data)
    assert figures["answer_pairs_colour"] == figures["answer_pairs_grey"] == 4
    assert figures["alignment_nearer_answer_colour"] >= 0.75  # the object itself before nothing at all
    assert figures["preference_object_before_answer_grey"] >= 0.5
    known = quality_figures(load_quality(), data)
    assert known.keys() >= {"aesthetic_rank_correlation", "preference_pairs_mean"}


def known_only(data: Pictures) -> list[Labels]:
    return [replace(one, looks=one.looks[:5]) for one in data.labels]


def test_answers_teach_order_and_loose_pieces_only(data: Pictures) -> None:
    """No gradient reaches category, parts, aesthetic and appearance from an answer; preference and alignment have one."""
    labels, a = data.labels, len(data.labels)
    rows = 9 * a
    judged = Judged(*(torch.zeros(shape, requires_grad=True) for shape in ((rows, 3), (rows, 3), (rows,), (rows,))))
    quality_loss(judged, labels).backward()
    assert judged.preference.grad[5 * a :].abs().sum() > 0
    for values in (judged.aesthetic, judged.geometry, judged.appearance):
        assert (values.grad[5 * a :] == 0).all() and values.grad[: 5 * a].abs().sum() > 0

    loose = [replace(one, looks=(*one.looks[:8], replace(one.looks[8], loose=0.5))) for one in labels]
    logits = torch.zeros(rows, requires_grad=True)
    consistency_loss(logits, loose, "geometry").backward()
    assert (logits.grad[8 * a :] > 0).all() and (logits.grad[5 * a : 8 * a] == 0).all()  # a step lowers what is loose


def test_alignment_learns_which_answer_is_nearer(data: Pictures) -> None:
    semantic, a = load_semantic(), len(data.labels)
    learner = Learner(semantic.network, semantic.words, semantic.families, ("leg", "seat"))
    text = semantic.read([one.captions[one.asked] for one in data.labels])
    views = torch.zeros((9, a, 3, 128))
    views[5], views[6] = text.unsqueeze(1), -text.unsqueeze(1)
    views[7], views[8] = text.unsqueeze(1), -text.unsqueeze(1)

    def loss(views: torch.Tensor) -> float:
        seen = Seen(torch.zeros((9 * a, 3, 64, 113)), views.flatten(0, 1), torch.zeros((9 * a, 128)))
        with torch.no_grad():
            return float(nearer_loss(learner, seen, data.labels))

    assert loss(views) < 0.01 < 1.0 < loss(-views)
    with torch.no_grad():
        without = Seen(torch.zeros((5 * a, 3, 64, 113)), views[:5].flatten(0, 1), torch.zeros((5 * a, 128)))
        assert float(nearer_loss(learner, without, known_only(data))) == 0.0


def test_category_and_parts_leave_answers_out(data: Pictures) -> None:
    semantic, a = load_semantic(), len(data.labels)
    learner = Learner(semantic.network, semantic.words, semantic.families, ("leg", "seat"))
    fine = torch.rand((9 * a, 3, 64, 113), requires_grad=True)  # its last channel is coverage
    joint = torch.randn((9 * a, 128), requires_grad=True)
    views = torch.nn.functional.normalize(torch.randn((9 * a, 3, 128)), dim=-1).requires_grad_()
    semantic_loss(learner, Seen(fine, views, joint), data.labels, np.random.default_rng(0)).backward()
    assert (fine.grad[5 * a :] == 0).all() and (joint.grad[5 * a :] == 0).all()
    assert fine.grad[: 5 * a].abs().sum() > 0 and views.grad[5 * a : 7 * a].abs().sum() > 0


def test_pictures_with_and_without_answers_do_not_mix(tmp_path: Path) -> None:
    sizes = {"objects": 100, "held_out": 100, "seed": 0, "codec": None}
    for name in ("heldout", "scorers"):
        make_data(tmp_path / name, split="train", objects=2, seed=1, half=0, chunk=2)
    assert len(scorer_data(tmp_path, **sizes)[0]) == 2  # a chunk that is there is taken
    with pytest.raises(ValueError, match="choose another folder"):
        scorer_data(tmp_path, **sizes, answering=near_and_nothing)


def test_labels_from_before_answers_are_still_read() -> None:
    old = Look(grey=False, geometry=0.0, paint=0.0, counts=(1,), colors=(2,))
    assert not old.answer and old.loose == 0.0
    assert Labels("chair", ("a", "b", "c", "d"), ("leg",), 1.0, (old,)).known == 1


def test_a_policy_answers_each_prompt_twice_in_two_stages(tmp_path: Path) -> None:
    model, codec = save_tiny(tmp_path)
    answer = answering_by(str(model), VoxelCodec.load(str(codec)))
    prompts = [Prompt("a", "a red chair"), Prompt("b", "a blue car")]
    coarse, fine = answer(prompts, 3)
    assert len(coarse.views) == len(fine.views) == 2 * ANSWERS
    assert coarse.name == Config().stages[0].name and fine.views.cameras.name == "maquette-6"
    again = answer(prompts, 3)
    assert torch.equal(again[1].codes, fine.codes) and not torch.equal(answer(prompts, 4)[1].codes, fine.codes)
