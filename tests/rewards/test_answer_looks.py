"""A policy's answers as looks that scorers learn from: labels by hand, what they teach, and what they must not."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from maquette.codec.voxel_codec import VoxelCodec
from maquette.config import Config
from maquette.corpus.program import COLORS
from maquette.corpus.splits import designs
from maquette.rendering.cameras import CAMERAS
from maquette.rendering.rasterise import render
from maquette.rewards.answer_looks import ANSWERS, look_of, loose_share, part_of
from maquette.rewards.damage import Grid
from maquette.rewards.dataset import grid_of, half_of, make_data, scorer_data
from maquette.rewards.figures import answer_figures, quality_figures
from maquette.rewards.looks import UNSURE, Labels, Look, Pictures, read_data
from maquette.rewards.networks import Judged, Seen
from maquette.rewards.quality_losses import compared, consistency_loss, quality_loss, severity_of
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


def two_legs() -> tuple[tuple[str, ...], Grid]:
    """A seat of 8 × 8 × 2 voxels on two legs apart, red and blue; its part names and its grid."""
    part = np.full((16, 16, 16), -1, np.int8)
    part[4:12, 4:12, 8:10] = 0
    part[4:6, 4:6, 2:8] = part[10:12, 10:12, 2:8] = 1
    color = np.zeros((16, 16, 16, 3), np.float32)
    color[part == 0], color[part == 1] = COLORS["red"], COLORS["blue"]
    return ("seat", "leg"), Grid(part >= 0, color, part, (1, 2))


def test_an_answers_label_is_its_distance_from_the_object_meant() -> None:
    names, meant = two_legs()
    whole = look_of(names, meant, stage(meant.occupancy[None], meant.color[None], "colour"), 0, grey=False)
    red, blue = list(COLORS).index("red"), list(COLORS).index("blue")
    assert (whole.geometry, whole.paint, whole.loose) == (0.0, 0.0, 0.0) and whole.answer
    assert whole.counts == (1, 2) and whole.colors == (red, blue)

    drawn = meant.occupancy.copy()
    drawn[10:12, 10:12, 2:8] = False  # 24 of the 176 voxels
    lighter = np.where(drawn[..., None], meant.color + 0.1, 0.0).astype(np.float32)
    look = look_of(names, meant, stage(drawn[None], lighter[None], "colour"), 0, grey=False)
    assert look.geometry == pytest.approx(24 / 176) and look.paint == pytest.approx(0.2, abs=1e-6)
    assert look.counts == (1, 1) and look.colors == (red, blue)
    grey = look_of(names, meant, stage(drawn[None], None, "grey"), 0, grey=True)
    assert grey.paint == 0.0 and grey.counts == (1, 1) and grey.colors == (UNSURE, UNSURE)


def test_what_a_parts_place_does_not_tell_is_unsure() -> None:
    names, meant = two_legs()
    half = meant.occupancy.copy()
    half[10:12, 10:12, 2:5] = False  # half of one leg
    patched = meant.color.copy()
    patched[4:8] = COLORS["green"]  # half of the seat, and one leg
    look = look_of(names, meant, stage(half[None], patched[None], "colour"), 0, grey=False)
    assert look.counts == (1, UNSURE) and look.colors == (UNSURE, UNSURE)
    nothing = look_of(names, meant, stage(np.zeros((1, 16, 16, 16), bool), None, "grey"), 0, grey=True)
    assert nothing.geometry == 1.0 and nothing.loose == 0.0 and nothing.counts == (0, 0)
    touching = replace(meant, counts=(1, 4))  # four legs of which two touch cannot be counted one by one
    assert part_of(touching, 1, meant.occupancy, None) == (4, UNSURE)
    assert part_of(touching, 1, half, None) == (4, UNSURE) and part_of(touching, 1, half[::-1], None)[0] != 4


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
    assert figures["answer_parts_absent_auc"] > 0.9  # everything is there, or nothing
    assert 0.4 < figures["answer_parts_count"] <= 1.0 and 0.3 < figures["answer_parts_colour"] <= 1.0
    known = quality_figures(load_quality(), data)
    assert known.keys() >= {"aesthetic_rank_correlation", "preference_pairs_mean"}


DISTANCES = (0.3, 0.9, 0.3, 0.9)


def with_looks(labels: Labels, answers: Sequence[Look]) -> Labels:
    """The labels with other looks in the place of the answers'."""
    return replace(labels, looks=(*labels.looks[:5], *answers))


def unsure(look: Look) -> Look:
    """A look of whose parts nothing is known."""
    nothing = (UNSURE,) * len(look.counts)
    return replace(look, counts=nothing, colors=nothing)


def known_only(data: Pictures) -> list[Labels]:
    return [replace(one, looks=one.looks[:5]) for one in data.labels]


def test_answers_teach_that_the_object_is_better_and_loose_pieces_only(data: Pictures) -> None:
    """No gradient reaches aesthetic and appearance from an answer; preference holds it below the object, and not below another answer."""
    labels, a = data.labels, len(data.labels)
    rows = 9 * a
    judged = Judged(*(torch.zeros(shape, requires_grad=True) for shape in ((rows, 3), (rows, 3), (rows,), (rows,))))
    quality_loss(judged, labels).backward()
    assert judged.preference.grad[6 * a : 7 * a].sum() > 0  # a step lowers it
    for values in (judged.aesthetic, judged.geometry, judged.appearance):
        assert (values.grad[5 * a :] == 0).all() and values.grad[: 5 * a].abs().sum() > 0
    # two answers of unlike distance from what was meant: the object is held above both, alike
    far = [
        with_looks(one, [replace(x, geometry=g) for x, g in zip(one.looks[5:], DISTANCES, strict=True)])
        for one in labels
    ]
    judged = Judged(*(torch.zeros(shape, requires_grad=True) for shape in ((rows, 3), (rows, 3), (rows,), (rows,))))
    severity = torch.from_numpy(np.stack([severity_of(one) for one in far], 1)).float()
    pairs = compared(
        severity, torch.tensor([x.grey for x in far[0].looks]), torch.tensor([x.answer for x in far[0].looks])
    )
    assert pairs[0, 5].all() and pairs[0, 6].all() and pairs[3, 7].all()
    assert (
        not pairs[5:].any() and not pairs[:, 5:].transpose(1, 2)[severity > 0].any()
    )  # nothing but what is undamaged is held above an answer

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


def test_category_leaves_answers_out_and_parts_take_what_is_known(data: Pictures) -> None:
    semantic, a = load_semantic(), len(data.labels)
    learner = Learner(semantic.network, semantic.words, semantic.families, ("leg", "seat"))

    def gradients(labels: Sequence[Labels]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        torch.manual_seed(0)
        fine = torch.rand((9 * a, 3, 64, 113), requires_grad=True)  # its last channel is coverage
        joint = torch.randn((9 * a, 128), requires_grad=True)
        views = torch.nn.functional.normalize(torch.randn((9 * a, 3, 128)), dim=-1).requires_grad_()
        semantic_loss(learner, Seen(fine, views, joint), labels, np.random.default_rng(0)).backward()
        return fine.grad, joint.grad, views.grad

    fine, joint, views = gradients(data.labels)
    assert (
        fine[5 * a : 6 * a].abs().sum() > 0 and fine[: 5 * a].abs().sum() > 0 and views[5 * a : 7 * a].abs().sum() > 0
    )
    unknown = [with_looks(one, [unsure(x) for x in one.looks[5:]]) for one in data.labels]
    fine, joint, _ = gradients(unknown)
    assert (fine[5 * a :] == 0).all() and (joint[5 * a :] == 0).all() and joint[: 5 * a].abs().sum() > 0


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
