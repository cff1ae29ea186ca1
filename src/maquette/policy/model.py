"""The policy: a decoder-only transformer of `transformers` with the restricted head on top.

`load_policy("tiny")` is the shipped Qwen2 (hidden 256, 6 layers, 4 heads / 2 KV, MLP 768, tied embeddings). A folder with a bigger
Qwen2 or Qwen2.5-VL loads the same way; of a vision-language model the text decoder is used.
"""

from __future__ import annotations

import json
from contextlib import nullcontext
from importlib.resources import files
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int8, Int64
from torch import Tensor, nn
from transformers import AutoConfig, PreTrainedModel, Qwen2_5_VLForConditionalGeneration, Qwen2Config, Qwen2ForCausalLM
from transformers.utils.logging import disable_progress_bar

from maquette.policy.head import supports
from maquette.policy.sharding import whole
from maquette.policy.tokenizer import PolicyTokenizer
from maquette.types import SegmentKind

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

    def __init__(self, model: PreTrainedModel, tokenizer: PolicyTokenizer) -> None:
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer
        self.supports = supports(tokenizer, self.head_weight.shape[0])

    @property
    def decoder(self) -> nn.Module:
        """The stack of layers, from token ids to hidden states."""
        return self.model.get_decoder()

    @property
    def head_weight(self) -> Float[Tensor, "vocabulary d"]:
        return self.model.get_output_embeddings().weight

    @property
    def codebook_size(self) -> int:
        return self.tokenizer.vocabulary.codebook_size

    def hidden(
        self,
        tokens: Int64[Tensor, "n t"],
        positions: Int64[Tensor, "n t"] | None = None,
        mask: Bool[Tensor, "n 1 t t"] | None = None,
    ) -> Float[Tensor, "n t d"]:
        """Last hidden states, after the final norm.

        Rows are right-padded: what is real never looks at the padding, so causal attention (no mask) is right for them. Packed
        rows bring their own positions and a mask (True: may look).
        """
        out = self.decoder(input_ids=tokens, position_ids=positions, attention_mask=mask, use_cache=False)
        return out.last_hidden_state

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
    ) -> SampledLogprobs:
        """Log-prob, entropy and (unless skipped) log of the mass that the whole head gives to the support; 0 where not sampled.

        The head is applied only where a token was sampled, to the rows of that token's kind; the whole of it only for the mass,
        `measure` without gradient, `learn` with it.
        """
        states = self.hidden(tokens)[:, :-1]
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
        whole = (torch.nn.functional.linear(hidden, self.head_weight).float() / temperature).logsumexp(-1)
        return (inside.logsumexp(-1) - whole).clamp(max=0.0)

    def save(self, folder: Path, dtype: torch.dtype = torch.float32, *, write: bool = True) -> None:
        """Hugging Face layout: config.json, model.safetensors (values in `dtype`), tokenizer.json.

        With weights that are sharded over processes, every process calls it and one of them has `write`.
        """
        stored: dict[int, Tensor] = {}
        state: dict[str, Tensor] = {}
        for name, value in self.model.state_dict(keep_vars=True).items():
            if id(value) not in stored:  # tied weights stay one tensor, so that they are written once
                stored[id(value)] = whole(value.detach()).to("cpu", dtype)
            state[name] = stored[id(value)]
        if not write:
            return
        folder.mkdir(parents=True, exist_ok=True)
        disable_progress_bar()  # transformers draws one on stderr for what takes milliseconds
        self.model.save_pretrained(folder, state_dict=state)
        self.tokenizer.save(folder)


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


def load_policy(source: str | Path, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Policy:
    """`tiny` (shipped) or a folder in Hugging Face layout.

    Raises ValueError where there is no model, of an unknown kind, or with another vocabulary than its tokenizer's.
    """
    folder = Path(str(files("maquette") / "data" / "policy-base")) if source == "tiny" else Path(source)
    if not (folder / "config.json").is_file():
        raise ValueError(f"There is no policy at {folder}: config.json is missing.")
    kind = json.loads((folder / "config.json").read_text()).get("model_type", "")
    if kind not in MODELS:
        raise ValueError(f"{folder} holds a model of type {kind!r}; a policy is one of {', '.join(MODELS)}.")
    disable_progress_bar()
    config = AutoConfig.from_pretrained(folder)
    tokenizer = PolicyTokenizer.load(folder)
    rows = config.get_text_config().vocab_size
    if len(tokenizer) > rows:
        raise ValueError(f"{folder}: the tokenizer has {len(tokenizer)} tokens, the model only {rows} rows.")
    attention = ATTENTION.get(torch.device(device).type, "sdpa")
    model = MODELS[kind].from_pretrained(
        folder, config=config, dtype=dtype, attn_implementation=attention, use_safetensors=True
    )
    return Policy(model.to(device).eval(), tokenizer)
