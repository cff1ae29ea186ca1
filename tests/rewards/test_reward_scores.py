"""Every reward on a small generation, with networks of the real size and random weights."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from maquette.config import RewardWeights, StageSpec
from maquette.corpus.catalog import compose
from maquette.corpus.program import COLORS
from maquette.corpus.rasterise import voxelise_design
from maquette.rendering.cameras import CAMERAS
from maquette.rendering.rasterise import render
from maquette.rewards.category import named_family
from maquette.rewards.ensemble import REWARDS, build_ensemble, load_reward
from maquette.rewards.general_consistency import ConsistencyHead
from maquette.rewards.judges_file import FULL_SIZE
from maquette.rewards.networks import QualityNetwork, SemanticNetwork
from maquette.rewards.parts import nearness
from maquette.rewards.pixels import pixels
from maquette.rewards.scorers import reduced
from maquette.rewards.text import Words
from maquette.rewards.weights import load_network, save_network
from maquette.shape.surface import SurfaceMesher
from maquette.types import Generation, Mesh, PartSpec, Prompt, Rollouts, StageOutput, Views, Voxels

FAMILY_NAMES = ("chair", "table")
LISTED = ("a", "red", "chair", "table", "leg", "seat", "top")
CHAIR = Prompt(
    "0", "a red chair with four legs", family="chair", parts=(PartSpec("leg", 4, "red"), PartSpec("seat", 0))
)
UNKNOWN = Prompt("1", "something quite other")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    target = tmp_path_factory.mktemp("scorers")
    words = Words(LISTED)
    save_network(SemanticNetwork(len(words), len(FAMILY_NAMES), len(COLORS)), target / "semantic.safetensors")
    save_network(QualityNetwork(), target / "quality.safetensors")
    save_network(ConsistencyHead(), target / "general.safetensors")
    card = {"words": LISTED, "families": FAMILY_NAMES, "colors": list(COLORS)}
    (target / "card.json").write_text(json.dumps(card))
    return target


def _views(seeds: list[int], size: int = 64, empty: int = -1) -> tuple[Voxels, tuple[Mesh, ...], Views]:
    shapes = [voxelise_design(compose("chair", seed), 32)[0] for seed in seeds]
    occupancy = np.concatenate([s.occupancy for s in shapes])
    color = np.concatenate([s.color for s in shapes if s.color is not None])
    if empty >= 0:
        occupancy[empty] = False
    voxels = Voxels(occupancy, color)
    meshes = tuple(SurfaceMesher().mesh(voxels))
    return voxels, meshes, render(meshes, CAMERAS["maquette-6"], size=size, antialias=True)


def _generation(prompts: tuple[Prompt, ...] = (CHAIR, UNKNOWN)) -> Generation:
    """Two prompts, two answers each; the last answer failed."""
    voxels, meshes, views = _views([0, 1, 2, 3], empty=3)
    failed = np.array([False, False, False, True])
    none = torch.zeros((0, 0))
    whole = torch.zeros(0, dtype=torch.int64)
    rollouts = Rollouts(none.long(), none.to(torch.int8), none.bool(), none, whole, whole)
    codes = torch.zeros((4, 2), dtype=torch.int64)
    stages = tuple(StageOutput(n, ("",) * 4, codes, failed, voxels, meshes, views) for n in ("coarse", "fine"))
    return Generation(prompts, 2, rollouts, stages)


@pytest.mark.parametrize("name", REWARDS)
def test_a_reward_gives_a_value_in_its_range_and_the_worst_to_failures(name: str, folder: Path) -> None:
    reward = load_reward(name, folder=folder)
    assert reward.name == name
    values = reward.score(_generation((CHAIR, CHAIR)), 1)
    assert values.shape == (4,) and values.isfinite().all()
    assert (values[:3] >= 0).all() and (values <= (2 if name == "parts" else 1)).all()
    assert values[3] == reward.worst
    assert (values >= reward.worst).all()


def test_a_judge_without_anything_to_judge_by_is_missing(folder: Path) -> None:
    for name in ("category", "parts"):
        values = load_reward(name, folder=folder).score(_generation(), 0)
        assert values[:2].isfinite().all() and values[2:].isnan().all()


def test_a_number_that_is_none_stops_with_the_rewards_name(folder: Path) -> None:
    for name in ("aesthetic", "parts"):
        ensemble = build_ensemble((StageSpec(rewards=RewardWeights(**{name: 1.0})),), folder=folder)
        network = ensemble.stages[0][0].scorer.network
        before = {key: value.clone() for key, value in network.state_dict().items()}
        generation = replace(_generation(), stages=_generation().stages[:1])
        silent = ensemble.score_stage(generation, 0)[name].isnan().tolist()
        assert silent == [False, False, name == "parts", name == "parts"]
        with torch.no_grad():
            for weights in network.parameters():
                weights.fill_(float("nan"))
        with pytest.raises(ValueError, match=rf"The reward {name} gave NaN to \d of 4 answers of stage coarse"):
            ensemble.score_stage(replace(_generation(), stages=_generation().stages[:1]), 0)
        network.load_state_dict(before)  # it is shared by whoever reads the same folder


def test_the_ensemble_holds_each_stage_to_its_own_rewards(folder: Path) -> None:
    stages = (
        StageSpec(name="coarse", rewards=RewardWeights(preference=1.0, category=1.0)),
        StageSpec(name="fine", rewards=RewardWeights(preference=1.0, parts=0.5)),
    )
    ensemble = build_ensemble(stages, reduce="max", folder=folder)
    scores = ensemble.score(_generation())
    assert scores.names == ("preference", "category", "parts")
    assert scores.values.shape == (3, 4, 2)
    assert scores.values[1, :, 1].isnan().all() and not scores.missing[1, :, 1].any()
    assert scores.missing[1, :, 0].tolist() == [False, False, True, True]
    assert scores.failed.tolist() == [[False] * 2, [False] * 2, [False] * 2, [True] * 2]


def test_the_ensemble_refuses_another_number_of_stages(folder: Path) -> None:
    with pytest.raises(ValueError, match="judges 1 stages, the answers have 2"):
        build_ensemble((StageSpec(rewards=RewardWeights(preference=1.0)),), folder=folder).score(_generation())


def test_every_weight_of_a_stage_names_a_reward() -> None:
    assert set(asdict(RewardWeights())) == {*REWARDS, *FULL_SIZE} and not set(REWARDS) & set(FULL_SIZE)


def test_an_unknown_reward_is_named_with_those_that_exist(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"'beauty'.*aesthetic"):
        load_reward("beauty", folder=folder)


def test_scores_do_not_hang_on_the_company(folder: Path) -> None:
    reward = load_reward("geometry_consistency", folder=folder)
    whole = _generation((CHAIR, CHAIR))
    output = whole.stages[0]
    first = Views(*(getattr(output.views, k)[:2] for k in ("rgb", "depth", "normal", "mask")), output.views.cameras)
    alone = StageOutput(
        "coarse", ("",) * 2, output.codes[:2], output.failed[:2], output.voxels, output.meshes[:2], first
    )
    few = Generation((CHAIR,), 2, whole.rollouts, (alone,))
    torch.testing.assert_close(reward.score(few, 0), reward.score(whole, 0)[:2])


def test_pixels_of_a_larger_render_are_its_mean() -> None:
    views = _views([0], size=128)[2]
    expected = views.rgb[0, 0, :2, :2].astype(float).mean((0, 1)).round() / 127.5 - 1
    np.testing.assert_allclose(pixels(views)[0, 0, :3, 0, 0].numpy(), expected, atol=1e-5)


def test_too_small_views_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 64 pixels, got 32"):
        pixels(_views([0], size=32)[2])


def test_views_are_reduced_as_asked() -> None:
    values = torch.tensor([[0.0, 1.0, 5.0]])
    assert [float(reduced(values, how)) for how in ("max", "mean", "min")] == [5.0, 2.0, 0.0]


def test_nearness_falls_with_the_distance_from_the_wanted_count() -> None:
    certain = torch.eye(13)
    assert nearness(certain, 4)[[0, 2, 4, 6, 9]].tolist() == [0.0, 0.5, 1.0, 0.5, 0.0]
    assert nearness(certain, 0)[[0, 1, 7]].tolist() == [0.0, 1.0, 1.0]
    assert nearness(certain, 30)[12] == 1.0


def test_a_family_is_read_from_the_text_where_none_is_stated() -> None:
    assert named_family(Prompt("0", "Two red office chairs")) == "office chair"
    assert named_family(Prompt("0", "a chair", family="table")) == "table"
    assert named_family(Prompt("0", "une chose")) == ""


def test_wrong_weights_say_which_key_and_shape(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_network(torch.nn.Linear(3, 2), path)
    with pytest.raises(ValueError, match=r"weight has shape \(2, 3\), expected \(2, 4\)"):
        load_network(torch.nn.Linear(4, 2), path)
    with pytest.raises(ValueError, match="key bias is not expected"):
        load_network(torch.nn.Linear(3, 2, bias=False), path)
    path.write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="cut short or no safetensors file"):
        load_network(torch.nn.Linear(3, 2), path)
    with pytest.raises(ValueError, match="no weights at"):
        load_network(torch.nn.Linear(3, 2), tmp_path / "absent.safetensors")
