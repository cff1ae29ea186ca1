"""What a full-size name stands for: a run, adapters alone, an export; half a model, and a codec of another size."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from maquette.config import FINE, Config, StageSpec
from maquette.config_file import dump_config
from maquette.evaluation.systems import evaluate_named, policy_system
from maquette.generate import generate
from maquette.maker import Maker
from maquette.policy.export import export_policy
from maquette.policy.lockstep import LockstepEngine
from maquette.policy.model import load_policy, open_policy
from maquette.prompts.sets import load_prompts
from maquette.protocols import Sampling
from maquette.rendering.cameras import CAMERAS
from maquette.runs import DIRECT, PUBLISHED_CODEC, THINKING, Source, is_full_size, source_of
from maquette.shape.files import write_mesh
from maquette.shape.surface import SurfaceMesher
from maquette.training.parts import load_parts
from maquette.types import Mesh, Voxels
from tests.full.layouts import shapellm_folder, small_codec
from tests.tiny import save_tiny

CHAIN = (
    StageSpec("coarse", "semantic-plan", ("prompt",), "grey", 1.0, 4, FINE.rewards),
    StageSpec("fine", "visual-detail", ("prompt", "coarse.reasoning"), "colour", 0.0, 4, FINE.rewards),
)


def full_run(folder: Path) -> Path:
    """A run's folder as `train` leaves it: adapters of a checkpoint in ShapeLLM-Omni's layout, beside their config."""
    shapellm_folder(folder / "base")
    small_codec().save(folder / "codec")
    open_policy(folder / "base", lora_rank=2).save(folder / "run" / "policy")
    config = Config(model=str(folder / "base"), codec=str(folder / "codec"), stages=CHAIN, paint_text="reasoning")
    (folder / "run" / "config.yaml").write_text(dump_config(config))
    return folder / "run"


def test_a_run_is_full_size_where_its_base_is(tmp_path: Path):
    run = full_run(tmp_path)
    for name in (run, run / "policy"):
        codec, policy = str(tmp_path / "codec"), str(run / "policy")
        assert source_of(str(name)) == Source(policy, codec, CHAIN, 0.7, 0.7, full=True, paint_text="reasoning")
        assert is_full_size(Path(name))
    maker = Maker(str(run))
    made = maker.answer("a red chair", answers=1, seed=0)
    assert [stage.name for stage in made.stages] == ["coarse", "fine"]


def test_the_sampling_of_a_tiny_run_is_its_own(tmp_path: Path):
    run = tmp_path / "run"
    save_tiny(run)[0].rename(run / "policy")
    (run / "config.yaml").write_text(dump_config(replace(Config(), temperature=0.8)))
    found = source_of(str(run))
    assert (found.temperature, found.top_p, found.full) == (0.8, 1.0, False)


def test_adapters_alone_have_their_bases_chain(tmp_path: Path):
    run = full_run(tmp_path)
    alone = (run / "policy").rename(tmp_path / "adapters")
    expected = Source(str(alone), PUBLISHED_CODEC, (DIRECT,), 0.7, 0.7, full=True)
    assert source_of(str(alone)) == expected


def test_an_export_keeps_the_chain_of_its_run(tmp_path: Path):
    run = full_run(tmp_path)
    out = export_policy(run / "policy", tmp_path / "exporter1")
    again = out.rename(tmp_path / "elsewhere")  # what was published and fetched lies beside no run
    assert source_of(str(again)) == replace(source_of(str(run)), model=str(again))


def test_the_published_name_alone_says_that_it_reasons(tmp_path: Path):
    for name, chain in {
        "3DGen-R1": THINKING,
        "my-3dgen-r1": THINKING,
        "chair1": DIRECT,
        "exporter1": DIRECT,
        "r1": DIRECT,
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps({"model_type": "qwen2_5_vl"}))
        assert source_of(str(tmp_path / name)).stages == (chain,), name
    assert source_of("IvanTang/3DGen-R1").stages == (THINKING,)
    assert source_of("yejunliang23/ShapeLLM-7B-omni").stages == (DIRECT,)


def test_a_temperature_of_0_gets_its_sentence():
    with pytest.raises(ValueError, match=r"temperature is 0\.0; it must be above 0"):
        Maker("tiny").answer("a chair", answers=1, seed=0, temperature=0.0)


@pytest.mark.parametrize("gone", ["model.layers.1.mlp.up_proj.weight", "visual.merger.ln_q.weight", "lm_head.weight"])
def test_a_weight_that_no_file_has_is_named(tmp_path: Path, gone: str):
    """As half a conversion leaves it: neither the shard nor the index knows of it."""
    folder = shapellm_folder(tmp_path, shards=1)
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    del index["weight_map"][gone]
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    shard = folder / "model-00001-of-00001.safetensors"
    weights = load_file(shard)
    del weights[gone]
    save_file(weights, shard, metadata={"format": "pt"})
    tail = gone.removeprefix("model.").removeprefix("visual.")
    with pytest.raises(ValueError, match=rf"has no weight .*{tail}.*half a model"):
        load_policy(folder)


def test_a_weight_of_another_shape_is_named(tmp_path: Path):
    folder = shapellm_folder(tmp_path, shards=1)
    shard = folder / "model-00001-of-00001.safetensors"
    weights = load_file(shard) | {"model.norm.weight": torch.ones(7)}
    save_file(weights, shard, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"shape.* of the weight .*norm\.weight.*half a model"):
        load_policy(folder)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors.index.json", "tokenizer.json"])
def test_a_file_that_is_cut_short_is_named(tmp_path: Path, file: str):
    folder = shapellm_folder(tmp_path)
    (folder / file).write_text((folder / file).read_text()[:-50])
    with pytest.raises(ValueError, match=rf"{file} is cut short"):
        load_policy(folder)


@pytest.mark.parametrize("name", ["<|im_start|>", "<|im_end|>"])
def test_a_missing_token_of_the_chat_is_named(tmp_path: Path, name: str):
    folder = shapellm_folder(tmp_path)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (folder / file).write_text((folder / file).read_text().replace(name, name.replace("im", "am")))
    with pytest.raises(ValueError, match=rf"no {name.replace('|', '[|]')}"):
        load_policy(folder)


def test_a_codec_of_another_codebook_is_refused(tmp_path: Path):
    shapellm_folder(tmp_path / "model", codebook=16)
    small_codec().save(tmp_path / "codec")
    with pytest.raises(ValueError, match=r"writes 16 codes, the codec .* reads 32: take the codec"):
        Maker(str(tmp_path / "model"), str(tmp_path / "codec"))


def test_a_gpu_that_is_not_there_is_said_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    for device in ("cuda", "cuda:1"):
        with pytest.raises(ValueError, match=rf"policy\.device is {device} and this machine shows 0 GPUs"):
            load_parts(replace(Config(), policy=replace(Config().policy, device=device)))


def test_a_full_size_run_is_evaluated_as_it_is_sampled(tmp_path: Path):
    run, prompts = full_run(tmp_path), tmp_path / "prompts.txt"
    prompts.write_text("a red chair\na blue car\n")
    done = evaluate_named(str(run), str(prompts), tmp_path / "out", seed=3)
    assert (done.provenance["temperature"], done.provenance["top_p"]) == (0.7, 0.7)
    assert len(done.objects) == 2 and done.provenance["chain"] == ["coarse", "fine"]
    maker, asked = Maker(str(run)), load_prompts(str(prompts))
    drawn = policy_system(str(run / "policy"), stages=CHAIN, codec=str(tmp_path / "codec"), seed=3)(asked)
    expected = generate(
        asked,
        CHAIN,
        engine=LockstepEngine(maker.policy, maker.codec.codes_per_shape),
        codec=maker.codec,
        mesher=SurfaceMesher(),
        cameras=CAMERAS["maquette-6"],
        group_size=1,
        sampling=Sampling(temperature=0.7, top_p=0.7, seed=3 + zlib.crc32(asked[0].id.encode())),
    )
    assert torch.equal(drawn.rollouts.tokens, expected.rollouts.tokens)
    with pytest.raises(ValueError, match=r"writes 32 codes, the codec tiny reads"):
        policy_system(str(run / "policy"), stages=CHAIN, codec="tiny", seed=3)


class Painter:
    """In TRELLIS's place: what the iso-surface is, all in red; remembers by what texts it was asked to paint."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def mesh(self, voxels: Voxels, texts: Sequence[str] | None = None) -> list[Mesh]:
        self.texts += texts or []
        red = np.float32([0.82, 0.12, 0.12])
        return [replace(m, color=np.tile(red, (len(m.vertices), 1))) for m in SurfaceMesher().mesh(voxels)]


def test_colours_are_measured_of_a_model_that_something_paints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run, prompts, painter = full_run(tmp_path), tmp_path / "prompts.txt", Painter()
    prompts.write_text("a red chair\na blue car\n")
    bare = evaluate_named(str(run), str(prompts), tmp_path / "bare", seed=3)
    assert bare.provenance["paint"].endswith("colours are not measured")
    assert all(math.isnan(row.colors_shown) and math.isnan(row.color_accuracy) for row in bare.objects)
    monkeypatch.setattr("maquette.evaluation.systems.open_mesher", lambda paint: (painter, None))
    done = evaluate_named(str(run), str(prompts), tmp_path / "painted", seed=3, paint="trellis")
    assert done.provenance["painted by"] == "trellis" and "paint" not in done.provenance
    assert painter.texts == [row.reasoning[-1] or row.text for row in done.objects]
    assert [row.colors_shown for row in done.objects] == [
        0.0 if row.failed else float("red" in row.text) for row in done.objects
    ]


def test_painting_is_for_models_and_needs_trellis(tmp_path: Path):
    run, prompts = full_run(tmp_path), tmp_path / "prompts.txt"
    prompts.write_text("a red chair\n")
    with pytest.raises(ValueError, match="TRELLIS is not installed"):
        evaluate_named(str(run), str(prompts), tmp_path / "out", paint="trellis")
    (tmp_path / "meshes").mkdir()
    corners = np.float32([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    tetrahedron = Mesh(corners, np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]))
    write_mesh(tetrahedron, tmp_path / "meshes" / "prompts-001.glb")
    with pytest.raises(ValueError, match="measured as they are"):
        evaluate_named(str(tmp_path / "meshes"), str(prompts), tmp_path / "out", paint="trellis")
