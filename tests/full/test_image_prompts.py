"""Image prompts on a small checkpoint in ShapeLLM-Omni's layout: what is seen, where it stands, decoding, log-probs, and an RL step."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from maquette.maker import Maker
from maquette.policy.lockstep import LockstepEngine
from maquette.policy.logprobs import sequence_logprobs
from maquette.policy.model import Policy, load_policy, open_policy
from maquette.policy.token_requests import refuse_images
from maquette.policy.vision import image_positions, read_image
from maquette.prompts.instructions import SYSTEM, user_turn
from maquette.prompts.sets import load_prompts
from maquette.protocols import Sampling
from maquette.training.batches import rows_of
from maquette.training.loop import train
from maquette.types import Rollouts, SeenImage
from tests.full.layouts import shapellm_folder, small_codec
from tests.full.test_policy import shaken
from tests.full.test_road import full_config

CODES = 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shapellm_folder(tmp_path_factory.mktemp("hub") / "ShapeLLM-7B-omni")


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return painted(tmp_path_factory.mktemp("pictures") / "chair.png", 0)


def painted(path: Path, seed: int) -> Path:
    """A wide picture with an alpha channel."""
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 60, 4), dtype=np.uint8)
    Image.fromarray(pixels, "RGBA").save(path)
    return path


def prompt_of(policy: Policy, image: SeenImage | None, text: str = "a red chair") -> list[int]:
    turn = user_turn(text, "direct", wording="full")
    return policy.tokenizer.chat(turn, SYSTEM["full"], 0 if image is None else len(image.features))


def published(policy: Policy, tokens: Tensor, path: Path, side: int) -> Tensor:
    """Last hidden states by `transformers`' own road: pixels and grid in, features, placing and positions its own."""
    from transformers import Qwen2VLImageProcessorPil

    prepare = Qwen2VLImageProcessorPil(min_pixels=3136, max_pixels=12845056)
    inputs = prepare(images=[read_image(path, side)], return_tensors="pt")
    own = policy.tokenizer.image_frame[1]
    with torch.no_grad():
        return policy.model.model(
            input_ids=tokens,
            pixel_values=inputs["pixel_values"],
            image_grid_thw=inputs["image_grid_thw"],
            mm_token_type_ids=(tokens == own).int(),
            use_cache=False,
        ).last_hidden_state


def test_an_image_turn_is_what_the_chat_template_writes(folder: Path, picture: Path):
    policy = load_policy(folder)
    seen = policy.look_at(picture, side=112)
    assert seen.grid == (4, 4) and seen.features.shape == (16, 32)
    inner = policy.tokenizer.inner
    text = "Please generate a 3D mesh based on the prompt I provided: a red chair"
    pictured = "<|vision_start|>" + "<|image_pad|>" * 16 + "<|vision_end|>"
    expected = inner.apply_chat_template(
        [{"role": "user", "content": pictured + text}], add_generation_prompt=True, tokenize=False
    )
    assert prompt_of(policy, seen) == inner(expected, add_special_tokens=False)["input_ids"]


def test_positions_are_those_of_transformers(folder: Path):
    policy = load_policy(folder)
    own = policy.tokenizer.image_frame[1]
    tokens = torch.tensor([[1, 2, *[own] * 6, 3, 4], [1, 2, 3, *[own] * 3, 5, 6, 0, 0], [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]])
    images = (SeenImage(torch.zeros(6, 32), (2, 3)), SeenImage(torch.zeros(3, 32), (3, 1)), None)
    ours = image_positions(tokens, images, own)
    grids = torch.tensor([[1, 4, 6], [1, 6, 2]])
    theirs, _ = policy.model.model.get_rope_index(tokens, (tokens == own).int(), image_grid_thw=grids)
    assert torch.equal(ours, theirs)
    assert ours[:, 0].tolist() == [
        [0, 1, 2, 2, 2, 2, 2, 2, 5, 6],
        [0, 1, 2, 2, 2, 3, 3, 3, 5, 6],
        [0, 1, 2, 3, 4, 2, 3, 4, 5, 6],
    ]


def test_hidden_states_are_those_of_transformers_own_road(folder: Path, picture: Path):
    policy = load_policy(folder)
    seen = policy.look_at(picture, side=112)
    tokens = torch.tensor([prompt_of(policy, seen)])
    torch.testing.assert_close(
        policy.hidden(tokens, images=(seen,)), published(policy, tokens, picture, 112), atol=1e-4, rtol=1e-4
    )


def decoded(policy: Policy, images: list[SeenImage | None]) -> Rollouts:
    prompts = [prompt_of(policy, image) for image in images]
    return LockstepEngine(policy, CODES).decode(prompts, 2, Sampling(max_reasoning=5, seed=3), images)


def test_cached_decoding_agrees_with_the_full_forward(folder: Path, picture: Path, tmp_path: Path):
    policy = shaken(open_policy(folder, lora_rank=4))
    first, second = policy.look_at(picture, side=112), policy.look_at(painted(tmp_path / "b.png", 1), side=56)
    rollouts = decoded(policy, [first, None, second])  # unlike lengths, and one without a picture, in one batch
    assert [image is None for image in rollouts.images] == [False, False, True, True, False, False]
    ours = sequence_logprobs(policy, rollouts).logprobs
    torch.testing.assert_close(ours[rollouts.sampled], rollouts.logprobs[rollouts.sampled], atol=2e-4, rtol=0)
    part = rows_of(rollouts, torch.tensor([4, 0]))
    assert part.images == (second, first)
    again = sequence_logprobs(policy, part).logprobs
    torch.testing.assert_close(again[0], ours[4, : again.shape[1]], atol=1e-4, rtol=0)


def test_what_is_seen_changes_what_is_said(folder: Path, picture: Path, tmp_path: Path):
    policy = load_policy(folder)
    other = policy.look_at(painted(tmp_path / "b.png", 1), side=112)
    rollouts = decoded(policy, [policy.look_at(picture, side=112)])
    swapped = replace(rollouts, images=(other, other))
    difference = sequence_logprobs(policy, rollouts).logprobs - sequence_logprobs(policy, swapped).logprobs
    assert difference.abs().max() > 1e-3
    # one prompt with two pictures is two prompts: neither shares the other's prefill
    pair = decoded(policy, [rollouts.images[0], other])
    scored = sequence_logprobs(policy, pair).logprobs
    torch.testing.assert_close(scored[pair.sampled], pair.logprobs[pair.sampled], atol=2e-4, rtol=0)


def test_an_rl_step_on_an_image_prompt_moves_adapters_alone(folder: Path, picture: Path, tmp_path: Path):
    small_codec().save(tmp_path / "codec")
    config = full_config(tmp_path)
    (tmp_path / "prompts.jsonl").write_text(json.dumps({"id": "a", "text": "a red chair", "image": str(picture)}))
    config = replace(config, model=str(folder), prompts=str(tmp_path / "prompts.jsonl"))
    adapters = load_file(train(config, tmp_path / "run") / "adapter_model.safetensors")
    assert max(float(value.abs().max()) for name, value in adapters.items() if "lora_B" in name) > 1e-4
    assert not any("visual" in name for name in adapters)
    numbers = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[0])
    assert numbers["sampler_drift"] < 1e-3 and numbers["kl"] == pytest.approx(0.0, abs=1e-5)


def test_a_prompt_file_names_its_pictures_beside_itself(tmp_path: Path):
    for name, text in {
        "a.jsonl": '{"text": "a chair", "image": "pictures/chair.png"}',
        "a.csv": "text,image\na chair,pictures/chair.png\n",
        "a.json": '[{"text": "a chair", "image": "pictures/chair.png"}]',
    }.items():
        (tmp_path / name).write_text(text)
        assert load_prompts(str(tmp_path / name))[0].image == str(tmp_path / "pictures" / "chair.png")


def test_a_picture_may_come_without_words(folder: Path, picture: Path, tmp_path: Path):
    small_codec().save(tmp_path / "codec")
    generation = Maker(str(folder), str(tmp_path / "codec")).answer("", answers=1, seed=0, image=picture)
    assert generation.prompts[0].text == "the object in the picture"
    assert generation.rollouts.images[0] is not None and generation.rollouts.images[0].grid == (18, 18)


def test_the_tiny_policy_has_no_eyes(picture: Path):
    with pytest.raises(ValueError, match=r"carries the image .*chair\.png, and tiny reads text alone: take a vision"):
        Maker("tiny").answer("a chair", answers=1, seed=0, image=picture)


def test_what_is_no_picture_is_said_so(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ValueError, match=r"There is no image at .*none\.png"):
        read_image(tmp_path / "none.png")
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(ValueError, match=r"a\.png cannot be read as an image"):
        read_image(tmp_path / "a.png")
    monkeypatch.setattr("maquette.policy.vision.MOST_PIXELS", 100)
    with pytest.raises(ValueError, match="60 x 40 pixels; an image prompt may have 100"):
        read_image(painted(tmp_path / "b.png", 0))


def test_a_checkpoint_without_its_processor_is_named(tmp_path: Path, picture: Path):
    policy = load_policy(shapellm_folder(tmp_path))
    (tmp_path / "preprocessor_config.json").unlink()
    with pytest.raises(ValueError, match=r"preprocessor_config\.json is missing"):
        policy.look_at(picture)


def test_vllm_is_sent_no_pictures():
    with pytest.raises(ValueError, match=r"vllm decodes no image prompts: take policy\.engine=lockstep"):
        refuse_images([None, SeenImage(torch.zeros(4, 8), (2, 2))])
