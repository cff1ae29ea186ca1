"""`VllmEngine`: rollouts by vLLM (0.30) in this process, under the very distribution that the trainer scores.

Two requests a row: reasoning with text and `<mesh-start>` allowed, then exactly c codes with codes alone allowed. vLLM's prefix cache
makes the second one's prompt, and that of the g answers of a prompt, nearly free. Log-probs are the processed ones (after the
allowed ids and the temperature): they are the sampler's, kept as a drift monitor. vllm is imported when an engine is opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from maquette.policy.adapters import merged_tensors
from maquette.policy.model import Policy
from maquette.policy.sampling import check_sampling
from maquette.protocols import Sampling
from maquette.types import Rollouts, SegmentKind


@dataclass(frozen=True)
class _Row:
    """One answer as it grows."""

    tokens: list[int]
    segment: list[int]
    sampled: list[bool]
    logprobs: list[float]

    def put(self, tokens: Sequence[int], kind: SegmentKind, logprobs: Sequence[float] | None) -> None:
        """Without log-probs the tokens were forced."""
        self.tokens.extend(tokens)
        self.segment.extend([int(kind)] * len(tokens))
        self.sampled.extend([logprobs is not None] * len(tokens))
        self.logprobs.extend(logprobs if logprobs is not None else [0.0] * len(tokens))


class VllmEngine:
    """A `RolloutEngine`. `llm` is a vllm.LLM, `params` its SamplingParams class; `open` makes both."""

    def __init__(self, policy: Policy, codes_per_shape: int, llm: Any, params: Any) -> None:
        self.policy = policy
        self.tokenizer = policy.tokenizer
        self.codes_per_shape = codes_per_shape
        self.llm = llm
        self.params = params

    @classmethod
    def open(
        cls,
        policy: Policy,
        codes_per_shape: int,
        *,
        memory_share: float = 0.4,
        longest: int = 4096,
        tensor_parallel: int = 1,
    ) -> VllmEngine:
        """vLLM on the policy's own source, beside the trainer. ValueError with the command where vllm is not installed."""
        try:
            vllm = import_module("vllm")
        except ImportError as error:
            raise ValueError(
                f"policy.engine=vllm needs vLLM (pip install 'maquette[vllm]'); without it take policy.engine=lockstep. ({error})"
            ) from error
        llm = vllm.LLM(
            model=policy.source,
            dtype="bfloat16",
            max_model_len=longest,
            gpu_memory_utilization=memory_share,
            tensor_parallel_size=tensor_parallel,
            enable_prefix_caching=True,
            logprobs_mode="processed_logprobs",
            limit_mm_per_prompt={"image": 0, "video": 0},
        )
        engine = cls(policy, codes_per_shape, llm, vllm.SamplingParams)
        engine.load_weights({})
        return engine

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """The policy's present weights, adapters merged, into vLLM's copy; cached prefixes of the old ones are dropped.

        `weights` is not read: the engine shares the trainer's module, where adapters still are apart.
        """
        current = [(name, value) for name, value in merged_tensors(self.policy.model)]

        def take(model: Any) -> None:
            model.load_weights(iter(current))

        self.llm.apply_model(take)
        self.llm.reset_prefix_cache()

    def decode(self, prompts: Sequence[Sequence[int]], repeats: int, sampling: Sampling) -> Rollouts:
        """As `LockstepEngine.decode`; row i's random numbers depend on (seed, i) alone."""
        check_sampling(sampling)
        if not prompts or repeats < 1 or min(len(p) for p in prompts) < 1:
            raise ValueError(
                f"Decoding needs prompts of at least one token and repeats ≥ 1, not {len(prompts)} × {repeats}."
            )
        kind = int(SegmentKind.PROMPT)
        rows = [
            _Row(list(p), [kind] * len(p), [False] * len(p), [0.0] * len(p)) for p in prompts for _ in range(repeats)
        ]
        self._reason(rows, sampling)
        self._shape(rows, sampling)
        return self._joined(rows)

    def _reason(self, rows: list[_Row], sampling: Sampling) -> None:
        start, kind = self.tokenizer.vocabulary.start_id, SegmentKind.REASONING
        budget = max(1, sampling.max_reasoning) - 1
        if budget:
            allowed = self.policy.supports[kind].ids.tolist()
            asked = [
                self._params(sampling, 2 * i, allowed, max_tokens=budget, stop_token_ids=[start])
                for i in range(len(rows))
            ]
            for row, (tokens, logprobs) in zip(rows, self._generated(rows, asked), strict=True):
                row.put(tokens, kind, logprobs)
        for row in rows:
            if row.tokens[-1] != start or row.segment[-1] != kind:
                row.put([start], kind, None)

    def _shape(self, rows: list[_Row], sampling: Sampling) -> None:
        kind, c = SegmentKind.SHAPE, self.codes_per_shape
        allowed = self.policy.supports[kind].ids.tolist()
        asked = [
            self._params(sampling, 2 * i + 1, allowed, max_tokens=c, min_tokens=c, ignore_eos=True)
            for i in range(len(rows))
        ]
        for row, (tokens, logprobs) in zip(rows, self._generated(rows, asked), strict=True):
            row.put(tokens, kind, logprobs)
            row.put([self.tokenizer.vocabulary.end_id], kind, None)

    def _params(self, sampling: Sampling, stream: int, allowed: list[int], **lengths: object) -> Any:
        return self.params(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k or -1,
            seed=(sampling.seed * 1_000_003 + stream) % 2**63,
            allowed_token_ids=allowed,
            logprobs=0,
            detokenize=False,
            **lengths,
        )

    def _generated(self, rows: list[_Row], asked: list[Any]) -> list[tuple[list[int], list[float]]]:
        """Tokens and the sampled ones' log-probs, row by row."""
        prompts = [{"prompt_token_ids": list(row.tokens)} for row in rows]
        found = []
        for reply in self.llm.generate(prompts, asked, use_tqdm=False):
            answer = reply.outputs[0]
            tokens = list(answer.token_ids)
            found.append((tokens, [step[token].logprob for step, token in zip(answer.logprobs, tokens, strict=True)]))
        return found

    def _joined(self, rows: list[_Row]) -> Rollouts:
        width = max(len(row.tokens) for row in rows)

        def padded(columns: list[list], fill: float | int, dtype: torch.dtype) -> Tensor:
            return torch.tensor([column + [fill] * (width - len(column)) for column in columns], dtype=dtype)

        return Rollouts(
            padded([row.tokens for row in rows], self.tokenizer.pad, torch.int64),
            padded([row.segment for row in rows], int(SegmentKind.PAD), torch.int8),
            padded([row.sampled for row in rows], False, torch.bool),
            padded([row.logprobs for row in rows], 0.0, torch.float32),
            torch.arange(len(rows)),
            torch.zeros(len(rows), dtype=torch.int64),
        )
