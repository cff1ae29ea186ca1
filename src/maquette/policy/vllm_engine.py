"""`VllmEngine`: rollouts by vLLM (0.30) in this process, under the very distribution that the trainer scores.

Two requests a row (`token_requests`). Log-probs are the processed ones (after the allowed ids and the temperature): they are the
sampler's, kept as a drift monitor. vllm is imported when an engine is opened; `served_engine` asks a vLLM behind an address.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from torch import Tensor

from maquette.policy.adapters import merged_tensors
from maquette.policy.arithmetic import VLLM_SHARE
from maquette.policy.folders import find_model
from maquette.policy.model import Policy
from maquette.policy.token_requests import Drawn, TokenRequest, decode_by_requests, refuse_images
from maquette.protocols import Sampling
from maquette.types import Rollouts, SeenImage


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
        processes: int = 1,
        memory_share: float = VLLM_SHARE,
        longest: int = 4096,
    ) -> VllmEngine:
        """vLLM on the folder that the policy's base was read from, beside the trainer, one in each of `processes`.

        ValueError with the command where vllm is not installed.
        """
        # its engine in this very process: weights are handed over as they lie, which another process could not be given
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        try:
            vllm = import_module("vllm")
        except ImportError as error:
            raise ValueError(
                f"policy.engine=vllm needs vLLM (pip install 'maquette[vllm]'); without it take policy.engine=lockstep. ({error})"
            ) from error
        # each launched process has an engine of its own, on the GPU of its LOCAL_RANK and among the processes that have met already;
        # without this every one of them would take the first GPU
        launched = {"distributed_executor_backend": "external_launcher"} if processes > 1 else {}
        llm = vllm.LLM(
            model=str(find_model(policy.source)),
            dtype="bfloat16",
            max_model_len=longest,
            gpu_memory_utilization=memory_share,
            enable_prefix_caching=True,
            logprobs_mode="processed_logprobs",
            limit_mm_per_prompt={"image": 0, "video": 0},
            **launched,
        )
        engine = cls(policy, codes_per_shape, llm, vllm.SamplingParams)
        engine.load_weights({})
        return engine

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """The policy's present weights, adapters merged, into vLLM's copy; cached prefixes of the old ones are dropped.

        `weights` is not read: the engine shares the trainer's module, where adapters still are apart.
        """

        def take(model: Any) -> None:
            # merged one at a time: all at once they would be a third copy on the GPU
            model.load_weights(merged_tensors(self.policy.model))

        self.llm.apply_model(take)
        self.llm.reset_prefix_cache()

    def look_at(self, image: str) -> SeenImage:
        """As the policy sees it; `decode` then refuses it."""
        return self.policy.look_at(image)

    def decode(
        self,
        prompts: Sequence[Sequence[int]],
        repeats: int,
        sampling: Sampling,
        images: Sequence[SeenImage | None] = (),
    ) -> Rollouts:
        """As `LockstepEngine.decode`; ValueError for image prompts."""
        refuse_images(images)

        def ask(requests: Sequence[TokenRequest]) -> list[Drawn]:
            return self._drawn(requests, sampling)

        return decode_by_requests(self.policy, self.codes_per_shape, prompts, repeats, sampling, ask)

    def _drawn(self, requests: Sequence[TokenRequest], sampling: Sampling) -> list[Drawn]:
        prompts = [{"prompt_token_ids": request.prompt} for request in requests]
        asked = [self._params(request, sampling) for request in requests]
        found = []
        for reply in self.llm.generate(prompts, asked, use_tqdm=False):
            answer = reply.outputs[0]
            tokens = list(answer.token_ids)
            logprobs = [step[token].logprob for step, token in zip(answer.logprobs, tokens, strict=True)]
            found.append(Drawn(tokens, logprobs))
        return found

    def _params(self, request: TokenRequest, sampling: Sampling) -> Any:
        return self.params(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k or -1,
            seed=request.seed,
            allowed_token_ids=request.allowed_token_ids,
            max_tokens=request.max_tokens,
            min_tokens=request.min_tokens,
            stop_token_ids=list(request.stop_token_ids),
            ignore_eos=request.ignore_eos,
            logprobs=0,
            detokenize=False,
        )
