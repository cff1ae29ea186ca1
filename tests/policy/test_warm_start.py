import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from maquette.cards import went_on_from
from maquette.policy.chains import CHAINS, LessonPlan, collate, heldout_batches, write_sequence
from maquette.policy.lessons import Lessons, Texts, prepare_lessons
from maquette.policy.model import load_policy, new_policy, tiny_config
from maquette.policy.warm_start import Recipe, evaluate, finish, lesson_loss, run, train_step
from maquette.policy.warm_state import WarmState, load_state, new_state, save_state, schedule
from maquette.runs import SHIPPED
from maquette.tracking import read_metrics
from maquette.types import SegmentKind
from tests.policy.micro import CODEBOOK, CODES, micro_policy, micro_tokenizer
from tests.tiny import tiny_codec

RECIPE = Recipe(
    steps=6,
    batch_size=4,
    lr=1e-2,
    warmup=2,
    cooldown=2,
    bfloat16=False,
    log_every=2,
    evaluate_every=3,
    checkpoint_every=3,
)


def toy_lessons(count: int = 24) -> Lessons:
    """Shapes that follow from the words, so that there is something to learn."""
    colors, things = ("red", "blue", "green"), ("chair", "car")
    texts, rows = [], []
    for index in range(count):
        color, thing = index % 3, index % 2
        name = f"a {colors[color]} {things[thing]}"
        texts.append(Texts((name, f"{name} with four legs"), f"a low {things[thing]}", f"four {colors[color]} legs"))
        rows.append([(7 * color + 13 * thing + j) % CODEBOOK for j in range(CODES)])
    fine = np.array(rows, np.int16)
    return Lessons(tuple(texts), fine, (fine + 1) % CODEBOOK)


def new_run(seed: int = 0) -> tuple[WarmState, LessonPlan]:
    tokenizer = micro_tokenizer()
    policy = new_policy(tokenizer, tiny_config(len(tokenizer), hidden=32, layers=2, heads=4, mlp=64), seed)
    return new_state(policy, RECIPE.lr, 0.05), LessonPlan(toy_lessons(), tokenizer, RECIPE.batch_size, seed=1, pool=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("warm")


def test_every_chain_is_written_as_it_will_be_asked() -> None:
    lessons, tokenizer = toy_lessons(), micro_tokenizer()
    expected = {
        "plan": ("plan: a blue car", "a low car", "coarse"),
        "detail": ("detail: a blue car\na low car", "four blue legs", "fine"),
        "direct": ("make: a blue car", "", "fine"),
        "plan-fine": ("plan and make: a blue car", "a low car", "fine"),
        "detail-codes": ("detail: a blue car\na low car\nCODES", "four blue legs", "fine"),
    }
    shapes = {which: "".join(f"<mesh{code}>" for code in getattr(lessons, which)[1]) for which in ("coarse", "fine")}
    for chain in CHAINS:
        told = write_sequence(lessons, 1, chain, 0, tokenizer)
        user, said, shape = expected[chain.name]
        user = user.replace("CODES", f"<mesh-start>{shapes['coarse']}<mesh-end>")
        answer = f"{said}<mesh-start>{shapes[shape]}<mesh-end>"
        text = f"<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n{answer}"
        assert tokenizer.inner.decode(told.tokens) == text
        learnt = [t for t, yes in zip(told.tokens, told.learnt, strict=True) if yes]
        start = "<mesh-start>" if said else ""
        assert tokenizer.inner.decode(learnt) == f"{said}{start}{shapes[shape]}"
    assert abs(sum(chain.share for chain in CHAINS) - 1) < 1e-9


def test_the_loss_is_minus_the_log_prob_that_rl_will_use() -> None:
    policy, lessons = micro_policy(), toy_lessons()
    batch = collate(
        [write_sequence(lessons, i, CHAINS[i % 5], 0, policy.tokenizer) for i in range(6)], policy.tokenizer.pad
    )
    logprobs, _, _ = policy(batch.tokens, batch.segment, batch.learnt)
    for kind, (loss, count) in lesson_loss(policy, batch).items():
        here = batch.learnt & (batch.segment == kind)
        assert count == int(here.sum())
        torch.testing.assert_close(loss, -logprobs[here].sum(), rtol=1e-5, atol=1e-3)


def test_batches_depend_on_seed_and_step_alone() -> None:
    plan = new_run()[1]
    first, again, later = plan.batches(0), plan.batches(0), plan.batches(4)
    assert all(torch.equal(a.tokens, b.tokens) for a, b in zip(first, again, strict=True))
    assert any(
        a.tokens.shape != b.tokens.shape or not torch.equal(a.tokens, b.tokens)
        for a, b in zip(first, later, strict=True)
    )
    assert len(first) == 4 and all(b.tokens.shape[0] == 4 and b.tokens.shape[1] % 16 == 0 for b in first)


def test_a_killed_run_goes_on_bit_for_bit(folder: Path) -> None:
    whole, plan = new_run()
    held = heldout_batches(toy_lessons(4), plan.tokenizer, 4)
    run(whole, plan, held, RECIPE, folder / "whole")
    part, plan = new_run()
    short = replace(RECIPE, steps=6)
    for step in range(3):
        train_step(part, plan.batches(0)[step], short)
    save_state(part, folder / "part.safetensors")
    resumed, plan = new_run(seed=9)
    load_state(resumed, folder / "part.safetensors")
    assert resumed.step == 3
    run(resumed, plan, held, RECIPE, folder / "resumed")
    for (name, a), b in zip(whole.policy.named_parameters(), resumed.policy.parameters(), strict=True):
        assert torch.equal(a, b), name
        assert torch.equal(whole.averaged[name], resumed.averaged[name]), name
    lines = read_metrics(folder / "whole" / "metrics.jsonl")
    assert [line["step"] for line in lines] == [2, 3, 4, 6]
    assert {"heldout/plan/reasoning", "heldout/direct/shape", "ema/heldout/all", "ema/seen/all"} <= lines[1].keys()
    assert (folder / "whole" / "plateau.safetensors").is_file()


def test_policies_kept_on_the_way_have_the_averaged_weights(folder: Path) -> None:
    state, plan = new_run()
    held = heldout_batches(toy_lessons(4), plan.tokenizer, 4)
    run(state, plan, held, replace(RECIPE, steps=4, keep_every=2), folder / "keeps")
    assert sorted(kept.name for kept in (folder / "keeps" / "kept").iterdir()) == ["000002", "000004"]
    for name, value in load_policy(folder / "keeps" / "kept" / "000004").named_parameters():
        assert torch.equal(value, state.averaged[name].bfloat16().float()), name
    early = dict(load_policy(folder / "keeps" / "kept" / "000002").named_parameters())
    assert any(not torch.equal(early[name], value.bfloat16().float()) for name, value in state.averaged.items())


def test_it_learns_and_is_saved_with_its_card(folder: Path) -> None:
    state, plan = new_run()
    held = heldout_batches(toy_lessons(6), plan.tokenizer, 6)
    recipe = replace(RECIPE, steps=60, cooldown=20)
    before = evaluate(state.policy, held, bfloat16=False)["heldout/all"]
    for step in range(recipe.steps):
        train_step(state, plan.batches(step - step % 4)[step % 4], recipe)
    after = evaluate(state.policy, held, bfloat16=False)
    assert after["heldout/all"] < 0.5 * before
    finish(state, held, recipe, folder, {"objects": 24}, "by hand")
    again = load_policy(folder / "policy")
    assert (folder / "policy" / "card.json").is_file()
    assert again.tokenizer.size == "tiny" and again.tokenizer.prompt_limit == 64
    assert evaluate(again, held, bfloat16=False)["heldout/all"] < 0.6 * before


def test_a_card_names_every_training_that_the_policy_went_through(folder: Path) -> None:
    state, plan = new_run()
    held = heldout_batches(toy_lessons(4), plan.tokenizer, 4)
    for name, start in (("first", ""), ("second", "first/policy"), ("third", "second/policy")):
        data: dict[str, str | int] = {"objects": 24, "start": str(folder / start) if start else ""}
        finish(state, held, RECIPE, folder / name, data, f"command of the {name}")
    third = json.loads((folder / "third" / "policy" / "card.json").read_text())
    second = third["went on from"]
    first = second["went on from"]
    assert [card["command"] for card in (third, second, first)] == [
        f"command of the {n}" for n in ("third", "second", "first")
    ]
    assert (
        first["recipe"]["lr"] == RECIPE.lr and {"commit", "date", "seconds", "heldout_nats_per_token"} <= first.keys()
    )
    assert "went on from" not in first and went_on_from(folder / "elsewhere") == {}
    assert went_on_from(SHIPPED["tiny"])["went on from"]["went on from"]["seconds"] > 0  # type: ignore[index]


def test_a_checkpoint_of_another_shape_says_which(folder: Path) -> None:
    state, _ = new_run()
    save_state(state, folder / "narrow.safetensors")
    tokenizer = micro_tokenizer()
    wide = new_policy(tokenizer, tiny_config(len(tokenizer), hidden=48, layers=2, heads=4, mlp=64), 0)
    with pytest.raises(ValueError, match=r"embed_tokens.weight has shape \(\d+, 32\), expected \(\d+, 48\)"):
        load_state(new_state(wide, 1e-3, 0.0), folder / "narrow.safetensors")


def test_the_rate_rises_stays_and_falls() -> None:
    assert [schedule(s, 10, 2, 4) for s in range(10)] == [0.5, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25]


def test_lessons_are_made_once(folder: Path) -> None:
    codec = tiny_codec()
    made = prepare_lessons(folder / "lessons", codec, "train", 3, seed=5)
    assert made.fine.shape == made.coarse.shape == (3, codec.codes_per_shape)
    stamp = (folder / "lessons" / "train-5-000000.safetensors").stat().st_mtime_ns
    again = prepare_lessons(folder / "lessons", codec, "train", 2, seed=5)
    assert (folder / "lessons" / "train-5-000000.safetensors").stat().st_mtime_ns == stamp
    assert again.texts == made.texts[:2] and np.array_equal(again.fine, made.fine[:2])
    assert all(text.captions and text.plan and text.description for text in made.texts)
    prepare_lessons(folder / "lessons", tiny_codec(seed=1), "train", 2, seed=5)
    assert (folder / "lessons" / "train-5-000000.safetensors").stat().st_mtime_ns != stamp
    assert len(list(made.sentences())) == sum(len(t.captions) + 2 for t in made.texts)


@pytest.mark.parametrize("inside", [True, False], ids=["inside a line", "two lines short"])
def test_lessons_whose_texts_are_cut_short_are_made_anew(tmp_path: Path, inside: bool) -> None:
    codec = tiny_codec()
    made = prepare_lessons(tmp_path, codec, "train", 3, seed=5)
    words = tmp_path / "train-5-000000.jsonl"
    lines = words.read_text().splitlines(keepends=True)
    words.write_text("".join(lines)[: -len(lines[2]) // 2] if inside else lines[0])
    assert prepare_lessons(tmp_path, codec, "train", 3, seed=5).texts == made.texts
    assert words.read_text() == "".join(lines)


def test_padding_is_never_learnt() -> None:
    for batch in LessonPlan(toy_lessons(), micro_tokenizer(), 4, seed=0, pool=2).batches(0):
        assert not batch.learnt[batch.segment == SegmentKind.PAD].any()
        assert not batch.learnt[batch.segment == SegmentKind.PROMPT].any()
