"""The policy: a decoder-only transformer of `transformers` with the restricted head on top.

`load_policy("tiny")` is the shipped Qwen2 (hidden 256, 6 layers, 4 heads / 2 KV, MLP 768, tied embeddings). A folder with a bigger
Qwen2 or Qwen2.5-VL loads the same way; of a vision-language model the text decoder is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int8, Int64
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    PreTrainedModel,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Config,
    Qwen2ForCausalLM,
)
from transformers.utils.logging import disable_progress_bar

from maquette.codec.voxel_codec import VoxelCodec
from maquette.policy.adapters import (
    ADAPTER_CONFIG,
    FrozenBase,
    FrozenStart,
    adapter_base,
    add_lora,
    load_adapter,
    lora_layers,
)
from maquette.policy.devices import four_bits
from maquette.policy.folders import check_model, check_shapes, find_model, refuse_holes
from maquette.policy.head import supports
from maquette.policy.saving import read_beside, save_policy
from maquette.policy.tokenizer import PolicyTokenizer
from maquette.policy.vision import SIDE, image_positions, look_at, with_images
from maquette.runs import read_json
from maquette.types import SeenImage, SegmentKind

MODELS: dict[str, type[PreTrainedModel]] = {
    "qwen2": Qwen2ForCausalLM,
    "qwen2_5_vl": Qwen2_5_VLForConditionalGeneration,
}
"""By `model_type` in a folder's config.json."""

ATTENTION = {"cpu": "eager"}
"""Which of `transformers`' attentions trains fastest, by device type; sdpa elsewhere. On CPUs the fused one's backward pass is
slow (32 × 213 tokens at tiny size, forward and backward: 2.9 s against 3.3 s, in bfloat16 1.1 s against 1.3 s)."""

Outside = Literal["skip", "measure", "learn"]

SampledLogprobs = tuple[Float[Tensor, "n t"], Float[Tensor, "n t"], Float[Tensor, "n t"]]


class Policy(nn.Module):
    """Final. Every pass of training and scoring goes through `forward`, so that DDP and FSDP wrappers see it."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PolicyTokenizer,
        source: str = "",
        files: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer
        self.source = source
        """What it was loaded from, kept in an adapter's config; "" for a new one."""
        self.files = dict(files or {})
        """Texts of what lay beside the weights (`saving.BESIDE`), kept where it is saved: older readers find what they know."""
        self.brought_adapters = False  # whether it was loaded with some: its reference then has them too
        self.supports = supports(tokenizer, self.head_weight.shape[0])

    @property
    def decoder(self) -> Any:
        """The stack of layers, from token ids to hidden states: a module whose attributes transformers does not declare."""
        return self.model.get_decoder()

    @property
    def head_weight(self) -> Float[Tensor, "vocabulary d"]:
        head: Any = self.model.get_output_embeddings()
        return head.weight

    @property
    def dtype(self) -> torch.dtype:
        """Of the head, and of what is not an adapter."""
        return self.head_weight.dtype

    @property
    def codebook_size(self) -> int:
        return self.tokenizer.vocabulary.codebook_size

    def hidden(
        self,
        tokens: Int64[Tensor, "n t"],
        positions: Int64[Tensor, "n t"] | None = None,
        mask: Bool[Tensor, "n 1 t t"] | None = None,
        images: Sequence[SeenImage | None] = (),
    ) -> Float[Tensor, "n t d"]:
        """Last hidden states, after the final norm.

        Rows are right-padded: what is real never looks at the padding, so causal attention (no mask) is right for them. Packed
        rows bring their own positions and a mask (True: may look). Rows with pictures have the positions of these.
        """
        if not any(images):
            out = self.decoder(input_ids=tokens, position_ids=positions, attention_mask=mask, use_cache=False)
            return out.last_hidden_state
        own = self.tokenizer.image_frame[1]
        embedded = with_images(tokens, images, own, self.decoder.embed_tokens.weight)
        places = image_positions(tokens, images, own)
        return self.decoder(inputs_embeds=embedded, position_ids=places, use_cache=False).last_hidden_state

    def look_at(self, image: str | Path, side: int = SIDE) -> SeenImage:
        """What the vision tower makes of a picture; see `policy.vision.look_at`."""
        return look_at(self.model, self.source, image, side)

    def head(self, hidden: Float[Tensor, "m d"], kind: SegmentKind) -> Float[Tensor, "m k"]:
        """Logits of the rows that a segment of this kind allows, in the order of `supports[kind].ids`."""
        return self.supports[kind].logits(hidden, self.head_weight)

    def forward(
        self,
        tokens: Int64[Tensor, "n t"],
        segment: Int8[Tensor, "n t"],
        sampled: Bool[Tensor, "n t"],
        temperature: float = 1.0,
        outside: Outside = "skip",
        images: tuple[SeenImage | None, ...] = (),
    ) -> SampledLogprobs:
        """Log-prob, entropy and (unless skipped) log of the mass that the whole head gives to the support; 0 where not sampled.

        The head is applied only where a token was sampled, to the rows of that token's kind; the whole of it only for the mass,
        `measure` without gradient, `learn` with it.
        """
        states = self.hidden(tokens, images=images)[:, :-1]
        result = states.new_zeros(3, *tokens.shape, dtype=torch.float32)
        logprob, entropy, kept = result.unbind()
        for kind in (SegmentKind.REASONING, SegmentKind.SHAPE):
            here = (sampled & (segment == kind))[:, 1:]
            if not here.any():
                continue
            where = torch.nn.functional.pad(here, (1, 0))
            picked = states[here]
            logits = self.head(picked, kind).float() / temperature
            rows = self.supports[kind].rows.to(tokens.device)[tokens[where]]
            logp = logits.log_softmax(-1)
            logprob = logprob.masked_scatter(where, logp.gather(1, rows[:, None])[:, 0])
            entropy = entropy.masked_scatter(where, -(logp.exp() * logp).sum(-1))
            if outside != "skip":
                with torch.no_grad() if outside == "measure" else nullcontext():
                    kept = kept.masked_scatter(where, self._kept(picked, logits, temperature))
        return logprob, entropy, kept

    def _kept(
        self, hidden: Float[Tensor, "m d"], inside: Float[Tensor, "m k"], temperature: float
    ) -> Float[Tensor, " m"]:
        """log(mass of the support) under the whole head."""
        everything = (torch.nn.functional.linear(hidden, self.head_weight).float() / temperature).logsumexp(-1)
        return (inside.logsumexp(-1) - everything).clamp(max=0.0)

    def save(self, folder: Path, dtype: torch.dtype = torch.float32, *, write: bool = True) -> None:
        """Hugging Face layout: config.json, model.safetensors (values in `dtype`), tokenizer.json.

        Of a policy with adapters these alone are written, with the name of their base; `export_policy` merges the two.
        With weights that are sharded over processes, every process calls it and one of them has `write`. The folder is written beside
        first: it is there whole or, after a kill, as it was before.
        """
        save_policy(self.model, self.tokenizer, folder, dtype, self.files, write=write)


def tiny_config(vocabulary: int, hidden: int = 256, layers: int = 6, heads: int = 4, mlp: int = 768) -> Qwen2Config:
    """The tiny size's numbers; the others are for tests."""
    return Qwen2Config(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=mlp,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=max(1, heads // 2),
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=None,
    )


def new_policy(tokenizer: PolicyTokenizer, config: Qwen2Config, seed: int) -> Policy:
    """Random weights by `seed`; the caller's random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen2ForCausalLM._from_config(config, attn_implementation=ATTENTION["cpu"])
    return Policy(model.eval(), tokenizer)


def codec_of(policy: Policy, source: str, device: str = "cpu", bfloat16: bool = False) -> VoxelCodec:
    """The codec at `source`, as `VoxelCodec.load` has it. ValueError where its codebook has another size than the policy's."""
    codec = VoxelCodec.load(source, device, bfloat16=bfloat16)
    if policy.codebook_size != codec.codebook_size:
        raise ValueError(
            f"The model {policy.source} writes {policy.codebook_size} codes, the codec {source} reads "
            f"{codec.codebook_size}: take the codec that the model was trained with."
        )
    return codec


Weights = Literal["float32", "bfloat16", "4bit"]
"""How a policy's weights are held; 4bit (NF4, bitsandbytes) only under adapters and on a GPU."""


def load_policy(
    source: str | Path,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    quantise: bool = False,
    read_on: str = "",
) -> Policy:
    """`tiny` or `tiny-rl` (shipped), the folder of a run or of a model in Hugging Face layout, a repository in the hub's cache,
    or a folder of adapters (with its base).

    It will compute on `device`; `read_on` is where its weights lie until something else takes them there (sharding).
    Raises ValueError where there is no model, half of one, one of an unknown kind, or with another vocabulary than its tokenizer's.
    """
    folder = find_model(source)
    if (folder / ADAPTER_CONFIG).is_file():
        policy = load_policy(adapter_base(folder), device, dtype, quantise, read_on)
        load_adapter(policy.model, folder)
        policy.model.eval()
        policy.brought_adapters = True
        return policy
    check_model(folder)
    kind = read_json(folder / "config.json").get("model_type", "")
    if kind not in MODELS:
        raise ValueError(f"{folder} holds a model of type {kind!r}; a policy is one of {', '.join(MODELS)}.")
    disable_progress_bar()
    config = AutoConfig.from_pretrained(folder)
    tokenizer = PolicyTokenizer.load(folder)
    rows = config.get_text_config().vocab_size
    if len(tokenizer) > rows:
        raise ValueError(f"{folder}: the tokenizer has {len(tokenizer)} tokens, the model only {rows} rows.")
    with torch.device("meta"):
        check_shapes(folder, {name: value.shape for name, value in MODELS[kind](config).state_dict().items()})
    attention = ATTENTION.get(torch.device(device).type, "sdpa")
    settings = {"dtype": dtype, "attn_implementation": attention, "use_safetensors": True}
    if quantise:
        settings |= {"quantization_config": four_bits(device), "device_map": {"": device}}
    loaded: Any = MODELS[kind].from_pretrained(
        folder, config=config, output_loading_info=True, ignore_mismatched_sizes=True, **settings
    )
    model, report = loaded
    refuse_holes(folder, report)
    return Policy(
        (model if quantise else model.to(read_on or device)).eval(), tokenizer, str(source), read_beside(folder)
    )


def open_policy(
    source: str | Path,
    *,
    device: str = "cpu",
    weights: Weights = "float32",
    lora_rank: int = 0,
    lora_alpha: float = 64.0,
    gradient_checkpointing: bool = False,
    seed: int = 0,
    read_on: str = "",
) -> Policy:
    """A policy that is ready to learn: adapters (rank > 0) or every weight but the vision tower's; `read_on` as in `load_policy`.

    Adapters that `source` brings go on learning whatever `lora_rank` says. ValueError: 4-bit weights without adapters.
    """
    dtype = torch.float32 if weights == "float32" else torch.bfloat16
    policy = load_policy(source, device, dtype, quantise=weights == "4bit", read_on=read_on)
    if lora_rank and not policy.brought_adapters:
        add_lora(policy.model, lora_rank, lora_alpha, seed)
    elif weights == "4bit" and not policy.brought_adapters:
        raise ValueError("policy.weights=4bit holds frozen weights only: set policy.lora_rank to 16 or more.")
    elif not policy.brought_adapters and isinstance(policy.model, Qwen2_5_VLForConditionalGeneration):
        policy.model.model.visual.requires_grad_(False)
    if gradient_checkpointing:
        # only modules in training mode recompute; these models have no dropout, so that nothing else changes
        policy.model.activation_checkpointing_enable({"use_reentrant": False})
        policy.train()
    return policy


def reference_of(policy: Policy, *, device: str = "cpu", weights: Weights = "float32", read_on: str = "") -> nn.Module:
    """The frozen start of `policy`: itself with fresh adapters off or loaded ones as they are now, or a copy where every weight learns."""
    if policy.brought_adapters:
        return FrozenStart(policy)
    if lora_layers(policy.model):
        return FrozenBase(policy)
    dtype = torch.float32 if weights == "float32" else torch.bfloat16
    return load_policy(policy.source, device, dtype, read_on=read_on).requires_grad_(False)
