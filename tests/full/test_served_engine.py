"""`ServedVllmEngine` against a real HTTP server with vLLM's routes, which samples from the adapters that it was sent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from maquette.config import PolicyConfig
from maquette.generate import read_answers
from maquette.policy.logprobs import sequence_logprobs
from maquette.policy.model import Policy, load_policy, open_policy
from maquette.policy.served_engine import ServedVllmEngine, ServerSettings
from maquette.protocols import RolloutEngine, Sampling
from maquette.training.distributed import Processes
from maquette.training.parts import open_engine, shared_by
from maquette.types import SeenImage, SegmentKind
from tests.full.layouts import shapellm_folder
from tests.full.test_policy import shaken
from tests.full.test_road import full_config
from tests.full.vllm_server import vllm_server

CODES = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shapellm_folder(tmp_path_factory.mktemp("hub") / "ShapeLLM-7B-omni")


@pytest.fixture
def policy(folder: Path) -> Policy:
    return shaken(open_policy(folder, lora_rank=2))


def settings(folder: Path, *addresses: str) -> ServerSettings:
    return ServerSettings(addresses, folder / "adapters", backoff=0.01, timeout=20.0)


def prompts(policy: Policy) -> list[list[int]]:
    return [policy.tokenizer.chat(("a tall red chair",)), policy.tokenizer.chat(("wheels",))]


def test_served_rollouts_are_well_formed_and_follow_the_trainers_weights(policy: Policy, tmp_path: Path):
    with vllm_server() as server, vllm_server() as other:
        engine = ServedVllmEngine(policy, CODES, settings(tmp_path, server.address, other.address))
        assert isinstance(engine, RolloutEngine)
        sampling = Sampling(temperature=0.8, max_reasoning=5, seed=5)
        rollouts = engine.decode(prompts(policy), 2, sampling)
        assert (read_answers(rollouts, policy.tokenizer, CODES).codes >= 0).all()
        scored = sequence_logprobs(policy, rollouts, 0.8).logprobs
        torch.testing.assert_close(scored[rollouts.sampled], rollouts.logprobs[rollouts.sampled], atol=2e-4, rtol=0)
        # rows are dealt over both servers
        assert {sum(route == "completions" for route, _ in one.requests) for one in (server, other)} == {4}
        old = engine.name
        shaken(policy)
        engine.load_weights(policy.state_dict())
        assert list(server.policies) == [engine.name] != [old] and not (tmp_path / "adapters" / old).exists()
        again = engine.decode(prompts(policy), 2, sampling)
        scored = sequence_logprobs(policy, again, 0.8).logprobs
        torch.testing.assert_close(scored[again.sampled], again.logprobs[again.sampled], atol=2e-4, rtol=0)
        assert not torch.equal(again.logprobs[:, -CODES:], rollouts.logprobs[:, -CODES:])


def test_each_request_says_exactly_what_may_come(policy: Policy, tmp_path: Path):
    with vllm_server() as server:
        engine = ServedVllmEngine(policy, CODES, settings(tmp_path, server.address))
        engine.decode(prompts(policy)[:1], 3, Sampling(max_reasoning=4, seed=1, first_row=7))
        bodies = [body for route, body in server.requests if route == "completions"]
        shapes = [body for body in bodies if body["ignore_eos"]]
        assert len(bodies) == 6 and len(shapes) == 3 and len({body["seed"] for body in bodies}) == 6
        assert all(b["logprobs"] == 0 and b["return_token_ids"] and b["top_k"] == 0 for b in bodies)
        assert {(b["min_tokens"], b["max_tokens"]) for b in shapes} == {(CODES, CODES)}
        assert set(shapes[0]["allowed_token_ids"]) == set(policy.tokenizer.vocabulary.code_ids.tolist())
        thought = next(body for body in bodies if not body["ignore_eos"])
        assert thought["stop_token_ids"] == [policy.tokenizer.vocabulary.start_id] and thought["max_tokens"] == 3
        # random numbers belong to the row's place in the whole batch
        part = engine.decode(prompts(policy)[:1], 1, Sampling(max_reasoning=4, seed=1, first_row=8))
        whole = engine.decode(prompts(policy)[:1], 2, Sampling(max_reasoning=4, seed=1, first_row=7))
        one, two = (r.tokens[-1][r.segment[-1] == SegmentKind.SHAPE] for r in (part, whole))
        assert torch.equal(one, two)


def test_what_may_pass_is_tried_again_at_the_next_address(policy: Policy, tmp_path: Path):
    def busy(route: str, number: int) -> int | None:
        return 503 if route == "completions" else None

    with vllm_server(busy) as server, vllm_server() as other:
        engine = ServedVllmEngine(policy, CODES, settings(tmp_path, server.address, other.address))
        rollouts = engine.decode(prompts(policy), 1, Sampling(max_reasoning=0, seed=0))
        assert len(rollouts.tokens) == 2
        assert sum(route == "completions" for route, _ in server.requests) == 1


def test_nobody_there_is_said_with_the_address(policy: Policy, tmp_path: Path):
    with vllm_server() as server:
        engine = ServedVllmEngine(policy, CODES, replace(settings(tmp_path, server.address), retries=1))
        address = server.address
    with pytest.raises(ValueError, match=rf"No server decodes after 2 tries, the last at {address}.*--resume"):
        engine.decode(prompts(policy), 1, Sampling(max_reasoning=0))
    with pytest.raises(ValueError, match="does not take adapters"):
        ServedVllmEngine(policy, CODES, settings(tmp_path, address))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (400, "refuses the request: status 400"),
        (b'{"choices": [{"text": "hello"}]}', "sends no token ids with log-probs"),
        (b'{"choices": [{"token_ids": [1], "logprobs": {"token_logprobs": [-1.0]}}]}', "drew 1 tokens with 1 log-probs, 1 of"),
        (b"<html>", "sends no token ids"),
    ],
)  # fmt: skip
def test_a_server_that_does_otherwise_is_not_believed(policy: Policy, tmp_path: Path, fault: int | bytes, said: str):
    with vllm_server(lambda route, number: fault if route == "completions" else None) as server:
        engine = ServedVllmEngine(policy, CODES, settings(tmp_path, server.address))
        with pytest.raises(ValueError, match=said):
            engine.decode(prompts(policy), 1, Sampling(max_reasoning=0))


def test_a_server_without_adapters_gives_the_command(policy: Policy, tmp_path: Path):
    with (
        vllm_server(lambda route, number: 404) as server,
        pytest.raises(ValueError, match=r"load_lora_adapter\): status 404.*VLLM_ALLOW_RUNTIME_LORA_UPDATING"),
    ):
        ServedVllmEngine(policy, CODES, settings(tmp_path, server.address))


def test_what_cannot_be_served_is_refused(folder: Path, policy: Policy, tmp_path: Path):
    with pytest.raises(ValueError, match=r"needs addresses: set policy\.servers"):
        open_engine(PolicyConfig(engine="vllm-server"), policy, CODES, "float32")
    with pytest.raises(ValueError, match=r"every weight learns: set policy\.lora_rank"):
        ServedVllmEngine(load_policy(folder), CODES, settings(tmp_path, "http://localhost:1/v1"))
    served = replace(full_config(tmp_path), policy=PolicyConfig(engine="vllm-server"), prompts_per_step=2)
    with pytest.raises(ValueError, match="adapters are sent by one; launch one"):
        shared_by(served, Processes(0, 2))
    with vllm_server() as server:
        engine = ServedVllmEngine(policy, CODES, settings(tmp_path, server.address))
        with pytest.raises(ValueError, match="decodes no image prompts"):
            engine.decode(prompts(policy)[:1], 1, Sampling(), [SeenImage(torch.zeros(1, 4), (1, 1))])
