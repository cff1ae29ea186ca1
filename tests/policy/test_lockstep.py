from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from maquette.policy.cached_decoder import Cache, CachedDecoder
from maquette.policy.graphed_step import rounded
from maquette.policy.lockstep import LockstepEngine
from maquette.policy.logprobs import sequence_logprobs
from maquette.policy.model import Policy, load_policy
from maquette.policy.sampling import draw, row_uniforms, truncate
from maquette.protocols import Sampling
from maquette.training.batches import rows_of
from maquette.types import Rollouts, SegmentKind
from tests.policy.micro import CODES, micro_policy

PROMPTS = ("a tall red chair", "two blue wheels under a low car body", "legs")
SAMPLING = Sampling(max_reasoning=12, seed=5)


@pytest.fixture(scope="module")
def policy() -> Policy:
    return micro_policy()


@pytest.fixture(scope="module")
def rollouts(policy: Policy) -> Rollouts:
    return decode(policy, SAMPLING)


def prompts(policy: Policy) -> list[list[int]]:
    return [policy.tokenizer.chat((text,)) for text in PROMPTS]


def decode(policy: Policy, sampling: Sampling, repeats: int = 4, **engine: int) -> Rollouts:
    return LockstepEngine(policy, CODES, **engine).decode(prompts(policy), repeats, sampling)


def reasoning_lengths(rollouts: Rollouts) -> set[int]:
    return set((rollouts.segment == SegmentKind.REASONING).sum(1).tolist())


def short_reasoners() -> Policy:
    """A policy that often ends its reasoning early: the terminator's row of the head points where hidden states point on average."""
    policy = micro_policy(seed=3, scale=4.0)
    with torch.no_grad():
        states = policy.hidden(torch.arange(200)[None])[0]
        row = states.mean(0) * 5 / states.mean(0).square().sum()
        policy.head_weight[policy.tokenizer.vocabulary.start_id] = row
    return policy


def test_answers_have_the_stated_form(policy: Policy, rollouts: Rollouts) -> None:
    words = policy.tokenizer.vocabulary
    given = prompts(policy)
    for row, (tokens, segment) in enumerate(zip(rollouts.tokens, rollouts.segment, strict=True)):
        real = tokens[segment != 0].tolist()
        prompt = given[row // 4]
        assert real[: len(prompt)] == prompt
        answer = real[len(prompt) :]
        cut = answer.index(words.start_id)
        assert cut < SAMPLING.max_reasoning
        assert not set(answer[:cut]) & policy.tokenizer.control
        assert words.parse(answer[cut:], CODES).codes is not None
        kinds = segment[segment != 0].tolist()
        assert kinds == [1] * len(prompt) + [2] * (cut + 1) + [3] * (CODES + 1)
        assert not rollouts.sampled[row][tokens == words.end_id].any()
    assert (rollouts.answer == torch.arange(12)).all() and (rollouts.stage == 0).all()


def test_sampler_and_trainer_have_one_distribution(policy: Policy) -> None:
    for sampling in (SAMPLING, replace(SAMPLING, temperature=0.7), replace(SAMPLING, max_reasoning=0)):
        for model in (policy, short_reasoners()):
            drawn = decode(model, sampling)
            scored = sequence_logprobs(model, drawn, sampling.temperature)
            torch.testing.assert_close(drawn.logprobs, scored.logprobs.detach(), atol=1e-4, rtol=0)
            for rows in torch.arange(len(drawn.tokens)).split(5):  # alone, with less padding
                alone = sequence_logprobs(model, rows_of(drawn, rows), sampling.temperature).logprobs.detach()
                together = scored.logprobs.detach()[rows, : alone.shape[1]]
                torch.testing.assert_close(alone, together, atol=1e-5, rtol=0)
            assert (drawn.logprobs[~drawn.sampled] == 0).all()
            assert int(drawn.sampled.sum()) > 12 * CODES or sampling.max_reasoning == 0


def test_the_unrestricted_head_would_disagree(policy: Policy, rollouts: Rollouts) -> None:
    hidden = policy.hidden(rollouts.tokens)[:, :-1]
    whole = (hidden @ policy.head_weight.T).log_softmax(-1)
    picked = whole.gather(2, rollouts.tokens[:, 1:, None])[..., 0]
    here = rollouts.sampled[:, 1:]
    assert (rollouts.logprobs[:, 1:][here] - picked[here]).abs().max() > 0.1
    scored = sequence_logprobs(policy, rollouts, outside="measure")
    missing = scored.kept[:, 1:][here]
    torch.testing.assert_close(rollouts.logprobs[:, 1:][here] + missing, picked[here], atol=1e-3, rtol=0)


def test_reasoning_lengths_vary_and_the_last_start_is_forced() -> None:
    model = short_reasoners()
    drawn = decode(model, SAMPLING, repeats=16)
    assert len(reasoning_lengths(drawn)) > 3
    start = model.tokenizer.vocabulary.start_id
    for tokens, segment, sampled in zip(drawn.tokens, drawn.segment, drawn.sampled, strict=True):
        place = int((tokens == start).nonzero()[-1])
        length = int((segment == SegmentKind.REASONING).sum())
        assert bool(sampled[place]) == (length < SAMPLING.max_reasoning)


def test_a_row_does_not_know_its_batch() -> None:
    model = short_reasoners()
    whole = decode(model, SAMPLING, repeats=4)
    parts = decode(model, SAMPLING, repeats=4, rows_at_once=4)
    assert torch.equal(whole.tokens, parts.tokens)
    first = LockstepEngine(model, CODES).decode(prompts(model)[:1], 2, SAMPLING)
    width = first.tokens.shape[1]
    real = first.segment != 0
    assert torch.equal(whole.tokens[:2, :width][real], first.tokens[real])


def test_same_seed_same_answer_other_seed_other(policy: Policy, rollouts: Rollouts) -> None:
    assert torch.equal(decode(policy, SAMPLING).tokens, rollouts.tokens)
    other = decode(policy, replace(SAMPLING, seed=6)).tokens
    assert other.shape != rollouts.tokens.shape or not torch.equal(other, rollouts.tokens)


def test_the_engine_reads_current_weights(policy: Policy) -> None:
    source, target = micro_policy(seed=1), micro_policy(seed=2)
    engine = LockstepEngine(target, CODES)
    before = engine.decode(prompts(target), 1, SAMPLING)
    engine.load_weights(source.state_dict())
    after = engine.decode(prompts(target), 1, SAMPLING)
    expected = decode(source, SAMPLING, repeats=1)
    assert torch.equal(after.tokens, expected.tokens)
    assert before.tokens.shape != after.tokens.shape or not torch.equal(before.tokens, after.tokens)


def test_bfloat16_stays_near(policy: Policy) -> None:
    model = micro_policy(scale=3.0)
    drawn = LockstepEngine(model, CODES, dtype=torch.bfloat16).decode(prompts(model), 4, SAMPLING)
    scored = sequence_logprobs(model, drawn).logprobs.detach()
    assert (drawn.logprobs - scored).abs()[drawn.sampled].mean() < 0.1


def test_gradients_reach_the_decoder(policy: Policy, rollouts: Rollouts) -> None:
    policy.zero_grad()
    sequence_logprobs(policy, rollouts).logprobs.sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in policy.model.get_decoder().layers.parameters())
    policy.zero_grad()


def test_bad_requests_are_one_sentence(policy: Policy) -> None:
    engine = LockstepEngine(policy, CODES)
    with pytest.raises(ValueError, match="temperature is 0"):
        engine.decode(prompts(policy), 1, replace(SAMPLING, temperature=0.0))
    with pytest.raises(ValueError, match="at least one token"):
        engine.decode([[]], 1, SAMPLING)
    with pytest.raises(ValueError, match="this model reads 1024"):
        engine.decode([[1] * 1020], 1, SAMPLING)


def test_draws_follow_the_distribution() -> None:
    probabilities = torch.tensor([0.5, 0.0, 0.3, 0.2])
    uniform = row_uniforms(0, range(20_000), 1)[:, 0]
    column, logprob = draw(probabilities.log().expand(20_000, 4), uniform, Sampling())
    shares = torch.bincount(column, minlength=4) / 20_000
    torch.testing.assert_close(shares, probabilities, atol=0.01, rtol=0)
    torch.testing.assert_close(logprob.exp(), probabilities[column])


def test_truncation_by_hand() -> None:
    logp = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    np.testing.assert_allclose(truncate(logp, 0, 0.7).exp()[0], [0.625, 0.375, 0, 0], atol=1e-6)
    np.testing.assert_allclose(truncate(logp, 1, 1.0).exp()[0], [1, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(truncate(logp, 3, 0.5).exp()[0], [1, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(truncate(logp, 0, 0.01).exp()[0], [1, 0, 0, 0], atol=1e-6)


def test_saved_and_loaded_is_the_same_policy(policy: Policy, rollouts: Rollouts, tmp_path: Path) -> None:
    policy.save(tmp_path)
    again = load_policy(tmp_path)
    assert (tmp_path / "model.safetensors").stat().st_size < 4 * sum(p.numel() for p in policy.parameters()) + 10_000
    torch.testing.assert_close(
        sequence_logprobs(again, rollouts).logprobs, sequence_logprobs(policy, rollouts).logprobs, atol=1e-5, rtol=0
    )
    with pytest.raises(ValueError, match=r"config\.json is missing"):
        load_policy(tmp_path / "nowhere")
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(ValueError, match="type 'llama'"):
        load_policy(tmp_path)


def test_rows_of_one_prompt_prefill_once(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    plain = CachedDecoder.prefill

    def counting(self: CachedDecoder, tokens: Tensor, *rest: object) -> tuple[Tensor, Cache]:
        read.append(len(tokens))
        return plain(self, tokens, *rest)

    monkeypatch.setattr(CachedDecoder, "prefill", counting)
    engine, given = LockstepEngine(policy, CODES), prompts(policy)
    shared = engine.decode(given, 4, SAMPLING)
    assert read == [3]
    listed = engine.decode([prompt for prompt in given for _ in range(4)], 1, SAMPLING)
    assert read == [3, 3] and torch.equal(shared.tokens, listed.tokens)


def test_a_part_of_the_batch_is_answered_as_in_the_whole(policy: Policy, rollouts: Rollouts) -> None:
    part = LockstepEngine(policy, CODES).decode(prompts(policy)[1:], 4, replace(SAMPLING, first_row=4))
    real = part.segment != 0
    assert torch.equal(part.tokens[real], rollouts.tokens[4:, : part.tokens.shape[1]][real])


def test_slots_that_a_graph_reads_beyond_the_filled_change_nothing(policy: Policy) -> None:
    given = torch.tensor([[5, 6, 7]])
    states = []
    for rounding in (False, True):
        decoder = CachedDecoder(policy.decoder, torch.float32)
        _, cache = decoder.prefill(given, torch.tensor([3]), torch.tensor([0, 0]), 300)
        for index in range(4):
            filled = rounded(4 + index, 300) if rounding else 4 + index
            states.append(decoder.step(torch.tensor([8 + index, 9]), cache, filled))
            cache.slots.add_(1)
    torch.testing.assert_close(torch.cat(states[:4]), torch.cat(states[4:]), atol=1e-5, rtol=0)


@pytest.mark.gpu
def test_graphs_step_as_the_plain_decoder_does() -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    model = micro_policy().cuda()
    drawn = LockstepEngine(model, CODES).decode(prompts(model), 4, SAMPLING)
    scored = sequence_logprobs(model, drawn).logprobs.detach().cpu()
    torch.testing.assert_close(drawn.logprobs, scored, atol=1e-3, rtol=0)
