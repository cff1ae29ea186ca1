"""`VllmEngine` without vLLM: a stand-in with its interface samples from the policy's own logits, so that log-probs can be compared."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import Tensor

from maquette.config import PolicyConfig
from maquette.generate import read_answers
from maquette.policy import vllm_engine
from maquette.policy.adapters import add_lora, lora_layers, merged_tensors
from maquette.policy.logprobs import sequence_logprobs
from maquette.policy.model import open_policy
from maquette.policy.vllm_engine import VllmEngine
from maquette.protocols import RolloutEngine, Sampling
from maquette.runs import SHIPPED
from maquette.training.parts import open_engine
from maquette.types import SegmentKind
from tests.policy.micro import CODES, micro_policy


@dataclass
class Params:
    """vllm.SamplingParams' fields that the engine sets."""

    temperature: float
    top_p: float
    top_k: int
    seed: int
    allowed_token_ids: list[int]
    logprobs: int
    detokenize: bool
    max_tokens: int
    min_tokens: int = 0
    stop_token_ids: list[int] = field(default_factory=list)
    ignore_eos: bool = False


class StandIn:
    """vllm.LLM: whole-prefix forward passes, allowed ids, temperature, processed log-probs, stop ids kept in the tokens."""

    def __init__(self, policy) -> None:
        self.policy, self.asked, self.resets, self.taken = policy, [], 0, {}

    def generate(self, prompts: list[dict], params: list[Params], use_tqdm: bool) -> list[SimpleNamespace]:
        self.asked += params
        return [
            SimpleNamespace(outputs=[self._one(p["prompt_token_ids"], s)]) for p, s in zip(prompts, params, strict=True)
        ]

    @torch.no_grad()
    def _one(self, prompt: list[int], params: Params) -> SimpleNamespace:
        generator = torch.Generator().manual_seed(params.seed)
        tokens, steps, allowed = [], [], torch.tensor(params.allowed_token_ids)
        while len(tokens) < params.max_tokens:
            states = self.policy.hidden(torch.tensor([prompt + tokens]))[0, -1]
            logits = (self.policy.head_weight @ states)[allowed] / params.temperature
            place = int(torch.multinomial(logits.softmax(-1), 1, generator=generator))
            token = int(allowed[place])
            tokens.append(token)
            steps.append({token: SimpleNamespace(logprob=float(logits.log_softmax(-1)[place]))})
            if token in params.stop_token_ids:
                break
        return SimpleNamespace(token_ids=tokens, logprobs=steps)

    def apply_model(self, function) -> None:
        function(self)

    def load_weights(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        self.taken = dict(weights)

    def reset_prefix_cache(self) -> None:
        self.resets += 1


def engine_of(policy) -> VllmEngine:
    return VllmEngine(policy, CODES, StandIn(policy), Params)


@pytest.mark.parametrize("reasoning", [0, 6])
def test_rollouts_are_well_formed_and_their_logprobs_are_the_trainers(reasoning: int):
    policy = micro_policy(scale=3.0)
    engine = engine_of(policy)
    assert isinstance(engine, RolloutEngine)
    prompts = [policy.tokenizer.chat(("a tall red chair",)), policy.tokenizer.chat(("wheels",))]
    rollouts = engine.decode(prompts, 3, Sampling(temperature=0.8, max_reasoning=reasoning, seed=5))
    written = read_answers(rollouts, policy.tokenizer, CODES)
    assert rollouts.tokens.shape[0] == 6 and (written.codes >= 0).all()
    scored = sequence_logprobs(policy, rollouts, 0.8).logprobs
    torch.testing.assert_close(scored[rollouts.sampled], rollouts.logprobs[rollouts.sampled], atol=1e-4, rtol=0)
    assert (rollouts.sampled & (rollouts.segment == SegmentKind.SHAPE)).sum() == 6 * CODES
    if not reasoning:
        assert not (rollouts.sampled & (rollouts.segment == SegmentKind.REASONING)).any()  # <mesh-start> was forced
    lengths = (rollouts.segment == SegmentKind.REASONING).sum(1)
    assert lengths.max() <= max(1, reasoning) and rollouts.tokens[0, : len(prompts[0])].tolist() == prompts[0]


def test_every_row_has_its_own_seed_and_exact_lengths():
    policy = micro_policy()
    engine = engine_of(policy)
    prompt = policy.tokenizer.chat(("a car",))
    first = engine.decode([prompt], 4, Sampling(max_reasoning=4, seed=1))
    asked = engine.llm.asked
    assert len({p.seed for p in asked}) == 8 and all(p.logprobs == 0 and p.top_k == -1 for p in asked)
    shape = [p for p in asked if p.ignore_eos]
    assert len(shape) == 4 and {(p.min_tokens, p.max_tokens) for p in shape} == {(CODES, CODES)}
    assert set(shape[0].allowed_token_ids) == set(policy.tokenizer.vocabulary.code_ids.tolist())
    again = engine_of(policy).decode([prompt], 4, Sampling(max_reasoning=4, seed=1))
    assert torch.equal(first.tokens, again.tokens)


def test_adapters_are_merged_under_the_bases_names_when_weights_are_sent():
    policy = micro_policy()
    names = set(policy.model.state_dict())
    add_lora(policy.model, 2, 4.0)
    layer = lora_layers(policy.model)[0]
    layer.lora_B["default"].weight.data.fill_(0.1)
    engine = engine_of(policy)
    engine.load_weights(policy.state_dict())
    assert set(engine.llm.taken) == names and engine.llm.resets == 1
    key = next(name for name in names if name.endswith("layers.0.self_attn.q_proj.weight"))
    product = 2.0 * layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    torch.testing.assert_close(engine.llm.taken[key], layer.get_base_layer().weight + product)


def test_vllm_is_opened_in_this_process(monkeypatch: pytest.MonkeyPatch):
    """Its engine must not be a process of its own when it is told to take weights: it reads that when it is imported."""
    seen: list[str | None] = []

    def imported(name: str) -> ModuleType:
        seen.append(os.environ.get("VLLM_ENABLE_V1_MULTIPROCESSING"))
        raise ImportError(name)

    monkeypatch.delenv("VLLM_ENABLE_V1_MULTIPROCESSING", raising=False)
    monkeypatch.setattr(vllm_engine, "import_module", imported)
    with pytest.raises(ValueError, match="needs vLLM"):
        VllmEngine.open(micro_policy(), CODES)
    assert seen == ["0"]


@pytest.mark.parametrize("processes", [1, 4])
@pytest.mark.parametrize("kind", ["run", "adapters", "tiny"])
def test_vllm_opens_the_folder_that_the_weights_came_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, processes: int
):
    micro_policy().save(tmp_path / "run" / "policy")
    (tmp_path / "run" / "config.yaml").write_text("steps: 1\n")
    source, folder = str(tmp_path / "run"), tmp_path / "run" / "policy"
    if kind == "adapters":
        open_policy(source, lora_rank=2).save(tmp_path / "adapters")
        source = str(tmp_path / "adapters")
    elif kind == "tiny":
        source, folder = "tiny", SHIPPED["tiny"]
    policy = open_policy(source)
    told: dict[str, object] = {}

    def llm(**settings: object) -> StandIn:
        told.update(settings)
        return StandIn(policy)

    monkeypatch.setattr(vllm_engine, "import_module", lambda name: SimpleNamespace(LLM=llm, SamplingParams=Params))
    engine = open_engine(PolicyConfig(engine="vllm"), policy, CODES, "bfloat16", processes)
    assert isinstance(engine, VllmEngine) and engine.llm.resets == 1
    launched = {"distributed_executor_backend": "external_launcher"} if processes > 1 else {}
    assert told == launched | {
        "model": str(folder),
        "dtype": "bfloat16",
        "max_model_len": 4096,
        "gpu_memory_utilization": 0.4,
        "enable_prefix_caching": True,
        "logprobs_mode": "processed_logprobs",
        "limit_mm_per_prompt": {"image": 0, "video": 0},
    }
    assert set(engine.llm.taken) == {name for name, _ in merged_tensors(policy.model)}


def test_weights_are_merged_one_at_a_time(monkeypatch: pytest.MonkeyPatch):
    """A list of them would be a whole copy beside the trainer's and vLLM's."""
    engine = engine_of(micro_policy())
    alive: list[int] = []

    def merged(model: object) -> Iterator[tuple[str, Tensor]]:
        for number in range(5):
            alive.append(number)
            yield f"w{number}", torch.zeros(1)

    def load(weights: Iterable[tuple[str, Tensor]]) -> None:
        for count, _ in enumerate(weights, 1):
            assert len(alive) == count

    monkeypatch.setattr(vllm_engine, "merged_tensors", merged)
    engine.llm.load_weights = load
    engine.load_weights({})
    assert len(alive) == 5


def test_without_vllm_the_command_is_given():
    with pytest.raises(ValueError, match=r"needs vLLM \(pip install 'maquette\[vllm\]'\).*lockstep"):
        VllmEngine.open(micro_policy(), CODES)


def test_nothing_to_decode_is_refused():
    with pytest.raises(ValueError, match="at least one token"):
        engine_of(micro_policy()).decode([], 1, Sampling())
