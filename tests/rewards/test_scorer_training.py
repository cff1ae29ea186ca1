"""The recipes of scorers and evaluators run from nothing to files that load, and take up where they were cut off."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from maquette.corpus.splits import designs
from maquette.evaluation.networks import load_evaluators
from maquette.evaluation.train import train_evaluators
from maquette.rendering.cameras import CAMERAS
from maquette.rendering.rasterise import render
from maquette.rewards.dataset import half_of, make_data
from maquette.rewards.ensemble import REWARDS, load_reward
from maquette.rewards.figures import general_figures, part_f1, retrieval
from maquette.rewards.general_consistency import ConsistencyHead
from maquette.rewards.looks import UNSURE, read_data
from maquette.rewards.scorers import load_semantic
from maquette.rewards.semantic_losses import falsified
from maquette.rewards.train import train_scorers
from maquette.rewards.train_general import fit_head
from maquette.shape.surface import SurfaceMesher
from maquette.types import Voxels


def test_pictures_are_labelled_and_not_made_twice(tmp_path: Path) -> None:
    make_data(tmp_path, split="train", objects=3, seed=1, half=0, chunk=2)
    first = (tmp_path / "000.npy").stat().st_mtime_ns
    data = read_data(tmp_path)
    assert len(data) == 4
    assert data.rows([0, 3], [0, 4]).shape == (2, 6, 64, 64, 4)
    for labels in data.labels:
        fine, _, _, coarse, _ = labels.looks
        assert fine.geometry == fine.paint == coarse.geometry == coarse.paint == 0.0
        assert coarse.grey and not fine.grey and UNSURE not in fine.counts
    make_data(tmp_path, split="train", objects=4, seed=1, half=0, chunk=2)
    assert (tmp_path / "000.npy").stat().st_mtime_ns == first


def test_a_folder_without_pictures_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no pictures in"):
        read_data(tmp_path)


def test_the_halves_share_no_design() -> None:
    seeds = [d.seed for d in designs("train", 20, 3)]
    halves = [half_of(d) for d in designs("train", 20, 3)]
    assert halves == [s % 2 for s in seeds] and 0 < sum(halves) < 20


def test_a_falsified_text_differs_in_one_word_or_not_at_all() -> None:
    rng = np.random.default_rng(0)
    said = "a red chair with four blue legs"
    for _ in range(20):
        changed = falsified(said, rng).split()
        assert sum(x != y for x, y in zip(said.split(), changed, strict=True)) == 1
    assert falsified("a chair", rng) == "a chair"


def test_retrieval_counts_equal_texts_as_found() -> None:
    similarity = np.array([[0.1, 0.9, 0.0], [0.0, 0.9, 0.1], [0.5, 0.4, 0.3]], np.float32)
    rng = np.random.default_rng(0)
    assert retrieval(similarity, ["a", "a", "b"], rng, rounds=1) == pytest.approx(2 / 3)


def test_part_f1_by_hand() -> None:
    # One hit, one wrong count (a false claim and a miss), one invented part, one missed part.
    assert part_f1(np.array([4, 3, 1, 0, 0]), np.array([4, 2, 0, 2, 0])) == pytest.approx(2 * 1 / (3 + 3))


def test_the_general_judges_head_learns_and_its_network_stays(tmp_path: Path) -> None:
    make_data(tmp_path, split="train", objects=8, seed=2, half=0, chunk=8)
    data = read_data(tmp_path)
    shipped = load_semantic()
    before = {key: value.clone() for key, value in shipped.network.state_dict().items()}
    torch.manual_seed(0)
    head = ConsistencyHead()
    untrained = general_figures(shipped, head, data)
    fit_head(shipped, head, data, steps=25, seed=0, batch=4)
    assert all(torch.equal(value, before[key]) for key, value in shipped.network.state_dict().items())
    trained = general_figures(shipped, head, data)
    assert trained["general_consistency_pairs"] >= max(0.8, untrained["general_consistency_pairs"])


@pytest.mark.slow
def test_both_recipes_from_nothing_to_loadable_files(tmp_path: Path) -> None:
    folder, judges = tmp_path / "scorers", tmp_path / "evaluators"
    few = {"data": tmp_path / "data", "codec": "", "objects": 100, "held_out": 100, "steps": 3}
    figures = train_scorers(folder=folder, **few)
    expected = {"preference_pairs_max", "category_accuracy_colour", "parts_f1_clean", "general_consistency_pairs"}
    assert expected <= figures.keys()
    again = train_scorers(folder=folder, **few)
    assert again == pytest.approx(figures)
    for name in REWARDS:
        assert load_reward(name, folder=folder).name == name
    assert "family_accuracy" in train_evaluators(folder=judges, **few)
    assert json.loads((judges / "card.json").read_text())["seed"] == 100
    evaluators = load_evaluators(judges)
    nothing = Voxels(np.zeros((2, 32, 32, 32), bool), np.zeros((2, 32, 32, 32, 3), np.float32))
    views = render(SurfaceMesher().mesh(nothing), CAMERAS["maquette-6"], size=64)
    assert evaluators.alignment(["a red chair", ""], views).shape == (2,)
    seen = evaluators.attributes(views)
    assert seen.family(0) in seen.families and seen.count(0, "leg") >= 0 and seen.count(0, "no such part") == -1
    np.testing.assert_allclose(seen.count_probability.sum(-1), 1.0, rtol=1e-4)
    assert evaluators.features(views).shape == (2, 192)
    one, both = evaluators.dual, evaluators.words.encode(["a red chair", "a much longer text about a red chair"])
    alone = one.embed_text(evaluators.words.encode(["a red chair"]))
    torch.testing.assert_close(one.embed_text(both)[:1], alone)
