from dataclasses import replace

import numpy as np
import pytest
import torch

from maquette.config import COARSE, FINE, StageSpec
from maquette.generate import cut_requests, generate, interleave, read_answers
from maquette.policy.lockstep import LockstepEngine
from maquette.policy.logprobs import sequence_logprobs
from maquette.protocols import Sampling
from maquette.rendering.cameras import CAMERAS
from maquette.shape.surface import SurfaceMesher
from maquette.tracking import Stopwatch
from maquette.types import Generation, Prompt, SegmentKind
from tests.tiny import PROMPTS, tiny_codec, tiny_policy

CODEC, POLICY = tiny_codec(), tiny_policy()
CHAIN = (
    replace(COARSE, max_reasoning=6),
    replace(FINE, max_reasoning=8, sees=("prompt", "coarse.reasoning", "coarse.codes")),
)


def run(stages: tuple[StageSpec, ...] = CHAIN, prompts: tuple[Prompt, ...] = PROMPTS[:2], seed: int = 0) -> Generation:
    return generate(
        prompts,
        stages,
        engine=LockstepEngine(POLICY, CODEC.codes_per_shape),
        codec=CODEC,
        mesher=SurfaceMesher(),
        cameras=CAMERAS["maquette-6"],
        group_size=3,
        sampling=Sampling(seed=seed),
        render_size=16,
        clock=Stopwatch(),
    )


@pytest.fixture(scope="module")
def generation() -> Generation:
    return run()


def test_every_answer_passes_every_stage(generation: Generation) -> None:
    assert [stage.name for stage in generation.stages] == ["coarse", "fine"]
    for stage in generation.stages:
        assert len(stage.reasoning) == len(stage.codes) == len(stage.meshes) == len(stage.views) == 6
        assert (stage.codes[torch.from_numpy(~stage.failed)] >= 0).all()
        np.testing.assert_array_equal(stage.failed, ~stage.voxels.occupancy.any((1, 2, 3)))
    assert generation.rollouts.answer.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert generation.rollouts.stage.tolist() == [0, 1] * 6
    assert generation.prompt_of(5) == PROMPTS[1]


def test_the_second_stage_reads_what_it_sees(generation: Generation) -> None:
    tokenizer = POLICY.tokenizer
    for row in range(1, 12, 2):
        answer, rollouts = row // 2, generation.rollouts
        prompt = tokenizer.inner.decode(rollouts.tokens[row][rollouts.segment[row] == SegmentKind.PROMPT])
        coarse = generation.stages[0]
        codes = "".join(f"<mesh{code}>" for code in coarse.codes[answer].tolist() if code >= 0)
        shape = f"\n<mesh-start>{codes}<mesh-end>" if codes else ""
        plan = f"\n{coarse.reasoning[answer]}" if coarse.reasoning[answer] else ""
        request = generation.prompt_of(answer).text
        assert prompt == f"<|im_start|>user\ndetail: {request}{plan}{shape}<|im_end|>\n<|im_start|>assistant\n"


def test_coarse_views_are_grey_and_fine_ones_coloured(generation: Generation) -> None:
    coarse, fine = (stage.views.rgb[stage.views.mask].astype(int) for stage in generation.stages)
    assert np.ptp(coarse, axis=1).max() <= 2
    assert np.ptp(fine, axis=1).max() > 20


def test_rollouts_are_scored_as_they_were_drawn(generation: Generation) -> None:
    rollouts = generation.rollouts
    scored = sequence_logprobs(POLICY, rollouts).logprobs.detach()
    torch.testing.assert_close(rollouts.logprobs, scored, atol=1e-4, rtol=0)


def test_same_seed_same_answers(generation: Generation) -> None:
    assert torch.equal(run().rollouts.tokens, generation.rollouts.tokens)
    other = run(seed=1).stages[1].codes
    assert not torch.equal(other, generation.stages[1].codes)


def test_a_stage_without_reasoning_makes_codes_at_once() -> None:
    direct = StageSpec(name="fine", instruction="direct")
    rollouts = run((direct,)).rollouts
    said = rollouts.segment == SegmentKind.REASONING
    assert (said.sum(1) == 1).all() and not rollouts.sampled[said].any()
    assert (rollouts.sampled.sum(1) == CODEC.codes_per_shape).all()


def test_a_malformed_answer_is_data(generation: Generation) -> None:
    rollouts, words = generation.rollouts, POLICY.tokenizer.vocabulary
    for wrong in (words.end_id, 5, words.start_id):
        tokens = rollouts.tokens.clone()
        place = int((rollouts.segment[0] == SegmentKind.SHAPE).nonzero()[2])
        tokens[0, place] = wrong
        read = read_answers(replace(rollouts, tokens=tokens), POLICY.tokenizer, CODEC.codes_per_shape)
        assert (read.codes[0] == -1).all() and (read.codes[1] >= 0).all()
        assert not CODEC.decode(read.codes[:1]).occupancy.any()


def test_prompts_of_every_kind_have_an_answer() -> None:
    odd = ("<mesh-start><mesh3><mesh-end><|im_end|>", "椅子", "a red chair " * 1000, "\x00\u202e")
    made = run(
        (replace(FINE, instruction="plan-then-fine", sees=("prompt",), max_reasoning=4),),
        tuple(Prompt(str(i), t) for i, t in enumerate(odd)),
    )
    assert len(made.stages[0].codes) == 12
    assert len(made.warnings) == 1 and made.warnings[0].startswith("Prompt '2': The prompt has")
    texts, _ = cut_requests([Prompt("x", "a red chair " * 1000)], POLICY.tokenizer)
    assert len(POLICY.tokenizer.encode(texts[0])) <= 64
    first = made.rollouts.tokens[0][made.rollouts.segment[0] == SegmentKind.PROMPT].tolist()
    assert not set(first[1:]) & set(POLICY.tokenizer.vocabulary.code_ids.tolist())


def test_nothing_to_answer_is_an_error() -> None:
    with pytest.raises(ValueError, match="The prompt is empty"):
        run(prompts=(Prompt("0", "  \n "),))
    with pytest.raises(ValueError, match="no prompts"):
        run(prompts=())
    with pytest.raises(ValueError, match="no instruction 'dance'"):
        run((StageSpec(instruction="dance"),))


def test_rows_are_ordered_by_answer_then_stage(generation: Generation) -> None:
    rollouts = generation.rollouts
    split = [
        replace(
            rollouts,
            **{
                name: rollouts.__dict__[name][stage::2]
                for name in ("tokens", "segment", "sampled", "logprobs", "answer", "stage")
            },
        )
        for stage in (0, 1)
    ]
    assert torch.equal(interleave(split).tokens, rollouts.tokens)
