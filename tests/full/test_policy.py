"""The full-size classes on a small checkpoint in ShapeLLM-Omni's layout: load, decode, learn by LoRA, save, reload, export."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoTokenizer

from maquette.codec.vocabulary import mesh_token
from maquette.policy.adapters import FrozenBase, adapters_off, effective_weight, lora_layers
from maquette.policy.export import export_policy
from maquette.policy.lockstep import LockstepEngine
from maquette.policy.logprobs import sequence_logprobs
from maquette.policy.model import Policy, load_policy, open_policy, reference_of
from maquette.policy.tokenizer import PolicyTokenizer
from maquette.prompts.instructions import INSTRUCTIONS, SYSTEM, user_turn
from maquette.protocols import Sampling
from maquette.types import Rollouts, SegmentKind
from tests.full.layouts import shapellm_folder, shapellm_tokenizer, write_shards

CODES = 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shapellm_folder(tmp_path_factory.mktemp("hub") / "ShapeLLM-7B-omni")


def shaken(policy: Policy, size: float = 0.5) -> Policy:
    """Adapters as after some training: their product is not zero any more."""
    generator = torch.Generator().manual_seed(1)
    for parameter in policy.parameters():
        if parameter.requires_grad:
            parameter.data += size * torch.randn(parameter.shape, generator=generator)
    return policy


def decoded(policy: Policy, repeats: int = 2) -> Rollouts:
    prompt = policy.tokenizer.chat(user_turn("a red chair", "semantic-plan", wording="full"), SYSTEM["full"])
    return LockstepEngine(policy, CODES).decode([prompt], repeats, Sampling(max_reasoning=5, seed=3))


@pytest.mark.parametrize("order", ["start-first", "codes-first", "scattered"])
def test_mesh_tokens_are_found_by_name_wherever_they_stand(tmp_path: Path, order):
    policy = load_policy(shapellm_folder(tmp_path, order=order))
    inner = shapellm_tokenizer(32, order, False)
    words = policy.tokenizer.vocabulary
    assert words.code_ids.tolist() == [inner.convert_tokens_to_ids(mesh_token(k)) for k in range(32)]
    assert policy.tokenizer.stop_ids == (inner.eos_token_id, inner.convert_tokens_to_ids("<mesh-end>"))
    rollouts = decoded(policy)
    shape = rollouts.tokens[rollouts.segment == SegmentKind.SHAPE].reshape(2, CODES + 1)
    assert (words.codes_of(shape[:, :-1].contiguous()) >= 0).all() and (shape[:, -1] == words.end_id).all()


def test_the_stock_template_and_none_at_all_give_the_same_prompt(folder: Path):
    inner = PolicyTokenizer.load(folder).inner
    own = PolicyTokenizer(inner, 32).chat(["a red chair", (3, 1)], SYSTEM["full"])
    bare = copy.deepcopy(inner)
    bare.chat_template = None
    assert PolicyTokenizer(bare, 32).chat(["a red chair", (3, 1)], SYSTEM["full"]) == own


def test_a_checkpoints_own_template_is_followed_and_user_text_stays_text(folder: Path):
    inner = copy.deepcopy(PolicyTokenizer.load(folder).inner)
    turns = "{% for m in messages %}[{{ m.role }}] {{ m.content | trim }}<|im_end|>{% endfor %}"
    inner.chat_template = turns + "{% if add_generation_prompt %}[answer]{% endif %}"
    tokenizer = PolicyTokenizer(inner, 32)
    ids = tokenizer.chat(["a chair<|im_end|>"], "Be brief.")
    assert inner.decode(ids) == "[system] Be brief.<|im_end|>[user] a chair<|im_end|><|im_end|>[answer]"
    assert ids.count(tokenizer.im_end) == 2


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (
            "{% for m in messages %}x{% endfor %}{% if add_generation_prompt %}y{% endif %}",
            "turn 0 times instead of once",
        ),
        ("{% for m in messages %}{{ m.content }}{% endfor %}", "opens no answer"),
        ("{% for m in %}", "cannot be read"),
    ],
)
def test_a_template_that_cannot_work_is_named(folder: Path, template: str, message: str):
    inner = copy.deepcopy(PolicyTokenizer.load(folder).inner)
    inner.chat_template = template
    with pytest.raises(ValueError, match=message):
        PolicyTokenizer(inner, 32).chat(["a chair"])


def test_a_template_beside_the_tokenizer_is_found(folder: Path, tmp_path: Path):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    template = settings.pop("chat_template")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    (tmp_path / "chat_template.json").write_text(json.dumps({"chat_template": template}))
    assert PolicyTokenizer.load(tmp_path).inner.chat_template == template


def test_the_prompt_is_what_the_chat_template_writes(folder: Path):
    tokenizer = load_policy(folder).tokenizer
    text = user_turn("a red chair", "direct", wording="full")[0]
    assert text == "Please generate a 3D mesh based on the prompt I provided: a red chair"
    expected = tokenizer.inner.apply_chat_template(
        [{"role": "user", "content": text}], add_generation_prompt=True, tokenize=False
    )
    expected_ids = tokenizer.inner(expected, add_special_tokens=False)["input_ids"]
    assert tokenizer.size == "full" and tokenizer.chat((text,), SYSTEM["full"]) == expected_ids


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_every_full_size_request_ends_with_the_published_sentence(name: str):
    sentence = (
        "Please generate a 3D mesh based on the prompt I provided: a red chair"  # a bare prompt is answered in prose
    )
    assert user_turn("a red chair", name, wording="full")[0].endswith(sentence)
    assert user_turn("a red chair", name, plan="four legs", wording="full")[0].endswith(f"{sentence}\nfour legs")


def test_the_cached_decoder_agrees_with_the_vision_language_model(folder: Path):
    policy = shaken(open_policy(folder, lora_rank=4))
    rollouts = decoded(policy)
    ours = sequence_logprobs(policy, rollouts).logprobs
    torch.testing.assert_close(ours[rollouts.sampled], rollouts.logprobs[rollouts.sampled], atol=2e-4, rtol=0)
    whole = policy.model(
        input_ids=rollouts.tokens, use_cache=False
    ).logits  # transformers' own way in, vision tower and all
    states = policy.hidden(rollouts.tokens)
    torch.testing.assert_close(whole, torch.nn.functional.linear(states, policy.head_weight), atol=1e-4, rtol=1e-4)


def test_adapters_learn_alone_and_the_reference_is_the_base(folder: Path):
    policy = open_policy(folder, lora_rank=4, weights="bfloat16")
    learning = [name for name, p in policy.named_parameters() if p.requires_grad]
    assert len(lora_layers(policy.model)) == 2 * 7 and all(".lora_" in name for name in learning)
    assert not any("visual" in name for name in learning)
    assert {p.dtype for p in policy.parameters() if p.requires_grad} == {torch.float32}
    policy = shaken(open_policy(folder, lora_rank=4))
    reference = reference_of(policy)
    rollouts = decoded(policy)
    assert isinstance(reference, FrozenBase)
    base = sequence_logprobs(load_policy(folder), rollouts).logprobs
    torch.testing.assert_close(sequence_logprobs(reference, rollouts).logprobs, base, atol=1e-5, rtol=0)
    moved = (sequence_logprobs(policy, rollouts).logprobs - base).abs()[rollouts.sampled]
    assert moved.max() > 1e-2  # adapters are on again after the reference was asked


def test_the_reference_of_adapters_that_go_on_learning_is_their_start(folder: Path, tmp_path: Path):
    first = shaken(open_policy(folder, lora_rank=4))
    first.save(tmp_path / "policy")
    policy = open_policy(tmp_path / "policy", lora_rank=4)
    reference = reference_of(policy)
    rollouts = decoded(policy)
    start = sequence_logprobs(policy, rollouts).logprobs
    assert torch.equal(sequence_logprobs(reference, rollouts).logprobs, start)  # no divergence before the first update
    off = sequence_logprobs(load_policy(folder), rollouts).logprobs
    assert (start - off).abs()[rollouts.sampled].max() > 1e-2  # which the bare base would have had
    shaken(policy)
    moved = sequence_logprobs(policy, rollouts).logprobs
    before = {name: value.clone() for name, value in policy.state_dict().items()}
    assert torch.equal(sequence_logprobs(reference, rollouts).logprobs, start)
    assert all(torch.equal(value, before[name]) for name, value in policy.state_dict().items())
    assert (moved - start).abs()[rollouts.sampled].max() > 1e-2
    moved.sum().backward()  # what the pass in between changed and put back is no fault to autograd
    kept = sum(value.numel() for value in reference.start.values())
    assert kept == sum(p.numel() for p in policy.parameters() if p.requires_grad)  # the base is not held twice


def test_all_weights_but_the_vision_towers_learn_without_adapters(folder: Path):
    policy = open_policy(folder)
    frozen = {name for name, p in policy.named_parameters() if not p.requires_grad}
    assert frozen and all("visual" in name for name in frozen)
    reference = reference_of(policy)
    assert not any(p.requires_grad for p in reference.parameters())
    assert next(reference.parameters()).data_ptr() != next(policy.parameters()).data_ptr()


def test_gradient_checkpointing_changes_no_gradient(folder: Path):
    found = []
    for saving in (False, True):
        policy = shaken(open_policy(folder, lora_rank=4, gradient_checkpointing=saving))
        layers = policy.decoder.layers
        assert all(layer.gradient_checkpointing is saving and layer.training is saving for layer in layers)
        rollouts = decoded(policy)
        sequence_logprobs(policy, rollouts).logprobs.sum().backward()
        found.append({name: p.grad for name, p in policy.named_parameters() if p.requires_grad})
    for name, gradient in found[0].items():
        assert gradient.abs().max() > 0, name
        torch.testing.assert_close(gradient, found[1][name], atol=1e-5, rtol=1e-4)


def test_a_merged_weight_is_the_base_plus_the_scaled_product(folder: Path):
    policy = shaken(open_policy(folder, lora_rank=4, lora_alpha=8.0))
    layer = lora_layers(policy.model)[0]
    product = layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    torch.testing.assert_close(effective_weight(layer), layer.get_base_layer().weight + 2.0 * product)
    with adapters_off(policy):
        assert torch.equal(effective_weight(layer), layer.get_base_layer().weight)


def test_adapters_saved_and_reloaded_decode_the_same(folder: Path, tmp_path: Path):
    policy = shaken(open_policy(folder, lora_rank=4))
    policy.save(tmp_path / "policy")
    assert json.loads((tmp_path / "policy" / "adapter_config.json").read_text())["base_model_name_or_path"] == str(
        folder
    )
    assert not list((tmp_path / "policy").glob("model*.safetensors"))
    again = load_policy(tmp_path / "policy")
    assert torch.equal(decoded(again).tokens, decoded(policy).tokens)
    going_on = open_policy(tmp_path / "policy", lora_rank=16)  # a rank that the adapters do not have: theirs stays
    assert {p.shape[0] for n, p in going_on.named_parameters() if "lora_A" in n} == {4}
    assert any(p.requires_grad for p in going_on.parameters())


def test_adapters_find_their_base_from_another_working_directory(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(folder.parent)
    open_policy(folder.name, lora_rank=4).save(tmp_path / "policy")
    monkeypatch.chdir(tmp_path)
    assert load_policy("policy").codebook_size == 32


def test_the_merged_export_loads_with_plain_transformers(folder: Path, tmp_path: Path):
    policy = shaken(open_policy(folder, lora_rank=4))
    policy.save(tmp_path / "run" / "policy")
    (tmp_path / "run" / "provenance.yaml").write_text("commit: abc\n")
    out = export_policy(tmp_path / "run" / "policy", tmp_path / "out", torch.float32)
    plain, report = AutoModelForImageTextToText.from_pretrained(out, dtype=torch.float32, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    tokens = decoded(policy).tokens
    with torch.no_grad():
        expected = policy.model(input_ids=tokens, use_cache=False).logits
        torch.testing.assert_close(plain(input_ids=tokens, use_cache=False).logits, expected, atol=2e-3, rtol=1e-3)
    for name in ("config.json", "tokenizer_config.json", "vocab.json", "merges.txt"):
        assert (out / name).read_bytes() == (folder / name).read_bytes()
    assert json.loads((out / "tokenizer_config.json").read_text())["tokenizer_class"] == "Qwen2Tokenizer"
    words = "<|im_start|>user\na red chair<mesh-start><mesh7><mesh-end>"
    assert AutoTokenizer.from_pretrained(out)(words)["input_ids"] == policy.tokenizer.inner(words)["input_ids"]
    stops = json.loads((out / "generation_config.json").read_text())["eos_token_id"]
    assert stops == list(policy.tokenizer.stop_ids)
    card = (out / "README.md").read_text()
    assert "commit: abc" in card and str(folder) in card and "32 mesh codes" in card
    with pytest.raises(ValueError, match="not empty"):
        export_policy(tmp_path / "run" / "policy", out)


def test_whole_weights_are_saved_and_exported_as_older_readers_know_them(folder: Path, tmp_path: Path):
    open_policy(folder).save(tmp_path / "policy")
    out = export_policy(tmp_path / "policy", tmp_path / "out")
    for name in ("config.json", "tokenizer_config.json", "preprocessor_config.json"):
        assert (folder / name).read_bytes() == (tmp_path / "policy" / name).read_bytes() == (out / name).read_bytes()
    assert decoded(load_policy(out)).tokens.shape == decoded(load_policy(folder)).tokens.shape


def test_the_export_has_the_published_key_names(folder: Path, tmp_path: Path):
    from safetensors import safe_open

    out = export_policy(folder, tmp_path / "out")
    names: set[str] = set()
    for path in out.glob("*.safetensors"):
        with safe_open(path, "pt") as opened:
            names |= set(opened.keys())
    index = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]
    assert names == set(index)


def test_half_a_download_says_which_file_is_missing(tmp_path: Path):
    folder = shapellm_folder(tmp_path, shards=3)
    (folder / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(ValueError, match=r"half a download: 1 of 3 weight files are missing.*model-00002-of-00003"):
        load_policy(folder)


def test_a_shard_that_is_cut_short_is_named(tmp_path: Path):
    folder = shapellm_folder(tmp_path)
    shard = folder / "model-00001-of-00002.safetensors"
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"model-00001-of-00002.*cut short"):
        load_policy(folder)


def test_weights_of_another_type_are_refused(tmp_path: Path):
    folder = shapellm_folder(tmp_path)
    write_shards(folder, {"model.layers.0.self_attn.q_proj.weight": torch.zeros(4, 4, dtype=torch.int8)}, 1)
    with pytest.raises(ValueError, match=r"q_proj\.weight is stored as I8.*unquantised"):
        load_policy(folder)


def test_a_missing_mesh_token_is_named(tmp_path: Path):
    folder = shapellm_folder(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_text((folder / name).read_text().replace('"<mesh17>"', '"<mush17>"'))
    with pytest.raises(ValueError, match=r"no <mesh17>"):
        load_policy(folder)


def test_a_repository_that_is_not_there_gives_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ValueError, match="hf download IvanTang/3DGen-R1"):
        load_policy("IvanTang/3DGen-R1")


def test_adapters_without_their_base_are_refused(folder: Path, tmp_path: Path):
    open_policy(folder, lora_rank=4).save(tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": None}))
    with pytest.raises(ValueError, match="does not say which base"):
        load_policy(tmp_path)
