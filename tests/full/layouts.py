"""Tiny random checkpoints in the very layouts of the published ones: file names, key names, config fields, token ids.

Only the widths are small. `real=True` keeps ShapeLLM-Omni's whole vocabulary (159,859 tokens).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from maquette.codec.model import Geometry, VoxelVQVAE
from maquette.codec.vocabulary import MESH_END, MESH_START, mesh_token
from maquette.codec.voxel_codec import VoxelCodec

QWEN_TEXT_TOKENS = 151_643
QWEN_SPECIALS = (
    *(f"<|{name}|>" for name in ("endoftext", "im_start", "im_end", "object_ref_start", "object_ref_end")),
    *(f"<|{name}|>" for name in ("box_start", "box_end", "quad_start", "quad_end", "vision_start", "vision_end")),
    *("<|vision_pad|>", "<|image_pad|>", "<|video_pad|>", "<tool_call>", "</tool_call>", "<|fim_prefix|>"),
    *("<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"),
)
"""Ids 151643 to 151664 of Qwen2.5-VL, in order."""
CHAT_TEMPLATE = (
    "{% for m in messages %}{% if loop.first and m.role != 'system' %}<|im_start|>system\nYou are a helpful assistant."
    "<|im_end|>\n{% endif %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
Order = Literal["start-first", "codes-first", "scattered"]
"""Where `<mesh-start>` stands among the added tokens: the published order is not known, so that all must work."""

FULL_CODEC = Geometry(
    64, 1, 1, channels=(2, 2, 4), latent_channels=8, codebook_size=8192, res_blocks=(1, 1, 1), torso="float16"
)
"""1024 codes of 8192 as published; only the channels are few."""
SMALL_CODEC = Geometry(
    16, 1, 1, channels=(4, 8), latent_channels=8, codebook_size=32, res_blocks=(1, 1), torso="float16"
)
"""128 codes of 32."""


def mesh_names(codebook: int, order: Order) -> list[str]:
    codes = [mesh_token(k) for k in range(codebook)]
    if order == "start-first":
        return [MESH_START, *codes, MESH_END]
    if order == "codes-first":
        return [*codes, MESH_START, MESH_END]
    return [*codes[::-2], MESH_END, *codes[-2::-2], MESH_START]


@lru_cache(maxsize=4)
def shapellm_tokenizer(codebook: int, order: Order, real: bool) -> PreTrainedTokenizerFast:
    """A byte-level BPE with Qwen's special tokens and the mesh tokens behind them."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("Ġ", "c"), ("Ġc", "h"), ("a", "i"), ("ai", "r")]
    vocab = {text: i for i, text in enumerate([*letters, *("".join(pair) for pair in merges)])}
    for i in range(len(vocab), QWEN_TEXT_TOKENS if real else len(vocab)):
        vocab[f"Ġunused{i}"] = i
    inner = Tokenizer(models.BPE(vocab, merges))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in QWEN_SPECIALS])
    inner.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in mesh_names(codebook, order)])
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    )


def tokenizer_files(folder: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    """What stands beside tokenizer.json as versions 4 of transformers wrote it: its class by name, vocab.json and merges.txt."""
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"]))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(" ".join(pair) + "\n" for pair in model["merges"]))
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
    added = {str(i): {"content": token.content, **flags} for i, token in tokenizer.added_tokens_decoder.items()}
    settings = {"add_bos_token": False, "add_prefix_space": False, "added_tokens_decoder": added, "bos_token": None}
    settings |= {"additional_special_tokens": list(QWEN_SPECIALS[1:14]), "chat_template": CHAT_TEMPLATE}
    settings |= {"clean_up_tokenization_spaces": False, "eos_token": "<|im_end|>", "errors": "replace"}
    settings |= {"model_max_length": 131072, "pad_token": "<|endoftext|>", "padding_side": "right", "unk_token": None}
    settings |= {"split_special_tokens": False, "tokenizer_class": "Qwen2Tokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2))
    (folder / "chat_template.jinja").unlink(missing_ok=True)


def shapellm_config(tokenizer: PreTrainedTokenizerFast, hidden: int, layers: int) -> dict[str, object]:
    """config.json as the published checkpoint has it: text fields on top, mrope under `rope_scaling`."""
    ids = tokenizer.get_vocab()
    vision = {"depth": 2, "hidden_act": "silu", "hidden_size": 32, "intermediate_size": 48, "num_heads": 4}
    vision |= {"in_chans": 3, "out_hidden_size": hidden, "patch_size": 14, "spatial_merge_size": 2, "window_size": 112}
    vision |= {"spatial_patch_size": 14, "fullatt_block_indexes": [1], "tokens_per_second": 2, "temporal_patch_size": 2}
    return {
        "architectures": ["Qwen2_5_VLForConditionalGeneration"],
        "attention_dropout": 0.0,
        "bos_token_id": ids["<|endoftext|>"],
        "eos_token_id": ids["<|im_end|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
        "vision_token_id": ids["<|vision_pad|>"],
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "hidden_act": "silu",
        "hidden_size": hidden,
        "initializer_range": 0.02,
        "intermediate_size": 2 * hidden,
        "max_position_embeddings": 128_000,
        "max_window_layers": layers,
        "model_type": "qwen2_5_vl",
        "num_attention_heads": 2,
        "num_hidden_layers": layers,
        "num_key_value_heads": 1,
        "rms_norm_eps": 1e-06,
        "rope_theta": 1_000_000.0,
        "sliding_window": 32768,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "transformers_version": "4.51.3",
        "use_cache": True,
        "use_sliding_window": False,
        "vision_config": vision,
        "rope_scaling": {"type": "mrope", "mrope_section": [hidden // 8, hidden // 16, hidden // 16]},
        "vocab_size": -(-len(tokenizer) // 64) * 64,
    }


def shapellm_weights(config: dict[str, object], seed: int, scale: float) -> dict[str, Tensor]:
    """Random weights under the published keys (`model.layers…`, `visual.blocks…`, `lm_head.weight`), in bfloat16."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen2_5_VLForConditionalGeneration._from_config(Qwen2_5_VLConfig(**config))
    renamed = {"model.language_model.": "model.", "model.visual.": "visual."}
    weights: dict[str, Tensor] = {}
    for name, value in model.state_dict().items():
        key = next((name.replace(new, old, 1) for new, old in renamed.items() if name.startswith(new)), name)
        weights[key] = (value * (scale if value.dim() > 1 else 1.0)).bfloat16().contiguous()
    return weights


def shapellm_folder(
    folder: Path,
    *,
    real: bool = False,
    codebook: int = 32,
    order: Order = "start-first",
    hidden: int = 32,
    layers: int = 2,
    shards: int = 2,
    seed: int = 0,
    scale: float = 4.0,
) -> Path:
    """`yejunliang23/ShapeLLM-7B-omni` in small: tokenizer files, config.json, sharded safetensors with their index."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = shapellm_tokenizer(8192 if real else codebook, order, real)
    tokenizer.save_pretrained(folder)
    tokenizer_files(folder, tokenizer)
    config = shapellm_config(tokenizer, hidden, layers)
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    stops = [config["eos_token_id"], config["bos_token_id"]]
    (folder / "generation_config.json").write_text(json.dumps({"do_sample": True, "eos_token_id": stops}))
    image = {"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]}
    image |= {"min_pixels": 3136, "max_pixels": 12845056, "patch_size": 14, "temporal_patch_size": 2, "merge_size": 2}
    image |= {"image_processor_type": "Qwen2VLImageProcessor", "processor_class": "Qwen2_5_VLProcessor"}
    (folder / "preprocessor_config.json").write_text(json.dumps(image))
    write_shards(folder, shapellm_weights(config, seed, scale), shards)
    return folder


def write_shards(folder: Path, weights: dict[str, Tensor], shards: int) -> None:
    """model-00001-of-0000N.safetensors … and model.safetensors.index.json."""
    names: Sequence[str] = sorted(weights)
    index: dict[str, str] = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05d}-of-{shards:05d}.safetensors"
        part = names[shard * len(names) // shards : (shard + 1) * len(names) // shards]
        save_file({name: weights[name] for name in part}, folder / file, metadata={"format": "pt"})
        index |= dict.fromkeys(part, file)
    size = sum(w.numel() * w.element_size() for w in weights.values())
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {"total_size": size}, "weight_map": index})
    )


def codec_bin(path: Path, geometry: Geometry = FULL_CODEC, seed: int = 0) -> Path:
    """`3DVQVAE.bin`: a plain state dict, its torso in float16."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = VoxelVQVAE(geometry)
        torch.nn.init.normal_(model.vq.embeddings.weight)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), path)
    return path


def small_codec(seed: int = 0) -> VoxelCodec:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return VoxelCodec(VoxelVQVAE(SMALL_CODEC))
