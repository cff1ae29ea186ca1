"""Studies: every grid loads, one cell runs end to end at micro size, the queue shares work, and the page says what is not known."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from maquette.config import Config
from maquette.evaluation.metrics import Interval
from maquette.evaluation.results import Evaluation, ObjectResult, save_evaluation
from maquette.studies.bases import against_bases
from maquette.studies.claims import verdict
from maquette.studies.grid import STUDIES, Cell, Row, config_of, load_study, plan_cells
from maquette.studies.page import write_page
from maquette.studies.page_html import figure_html
from maquette.studies.paid import last_tokens, paid_at, paid_by_tokens, quarter_rewards
from maquette.studies.queue import STALE_SECONDS, claimed, finish, is_done
from maquette.studies.run import (
    StudySettings,
    run_study,
    train_and_evaluate,
    trained_seconds,
)
from maquette.studies.shared import in_effect
from maquette.tracking import read_metrics
from tests.tiny import save_tiny

MICRO = """
title: Micro - does it run?
question: One row of one step against the base.
source: Table 0
fixed: all but the name.
steps: 1
rows:
  - {name: base, chain: grpo.yaml, paper: {clip: 22.7, kd: 0.249}}
  - {name: One step, config: grpo.yaml, paper: {clip: 24.3}}
  - {name: Later, config: grpo.yaml, needs: dynamic sampling}
claims:
  - {says: Training helps., better: One step, worse: base}
  - {of: ours, says: Later helps., better: Later, worse: base}
"""


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_loads_with_every_config_that_it_would_run(name: str):
    study = load_study(name)
    cells = plan_cells(study)
    configs = {cell.id: config_of(cell) for cell in cells}
    assert len(configs) == len(cells) == 3 * len([row for row in study.rows if not row.needs])
    assert study.claims and study.source and study.fixed
    trained = [c for c in cells if c.row.config]
    assert all(configs[c.id].seed == c.seed and configs[c.id].steps == c.steps for c in trained)
    # No two rows of a study are the same training under two names.
    settings = [repr(dataclasses.replace(configs[c.id], seed=0)) for c in trained if c.seed == 0]
    assert len(set(settings)) == len(settings)


def test_one_training_has_one_number_of_the_paper_s_whatever_table_it_stands_in():
    said: dict[str, dict[str, set[tuple]]] = {}
    for name in STUDIES:
        for cell in plan_cells(load_study(name)):
            if cell.row.config and cell.seed == 0 and cell.row.paper:
                config = repr(dataclasses.replace(config_of(cell), steps=cell.steps))
                said.setdefault(config, {}).setdefault(str(sorted(cell.row.paper.items())[:1]), set()).add(
                    (name, cell.row.name)
                )
    assert len(said) > 15
    assert not {tuple(numbers) for numbers in said.values() if len(numbers) > 1}


def test_claims_of_the_paper_point_where_its_numbers_point():
    unlike = []
    for name in STUDIES:
        study = load_study(name)
        paper = {row.name: row.paper["clip"] for row in study.rows if "clip" in row.paper}
        for claim in study.claims:
            if not {claim.better, claim.worse} <= set(paper):
                continue
            if paper[claim.better] <= paper[claim.worse]:
                unlike.append((name, claim.says))
    assert unlike == []


def test_data_scales_prompts_and_iterations_scale_steps():
    data = [config_of(c) for c in plan_cells(load_study("data"), steps=40)][:4]
    assert [c.prompt_count for c in data] == [60, 90, 120, 180] and {c.steps for c in data} == {40}
    longer = [config_of(c) for c in plan_cells(load_study("iterations"), steps=40)][:3]
    assert [c.steps for c in longer] == [40, 80, 120] and {c.prompt_count for c in longer} == {60}


def test_rows_that_would_see_the_same_prompts_are_refused(tmp_path: Path):
    with pytest.raises(
        ValueError, match=r"'prompts ×3' has 180 prompts, and 44 steps of 4 draw 176.*--steps 45 or more"
    ):
        run_study("data", tmp_path / "short", StudySettings(steps=44), most_cells=0)
    page = run_study("data", tmp_path / "long", StudySettings(steps=45), most_cells=0)
    said = (
        "Drawn at least: prompts ×1 60 prompts 3.0 times, prompts ×1.5 90 prompts 2.0 times, prompts ×2 120 prompts 1.5"
    )
    assert said in page.with_suffix(".md").read_text()
    assert "Drawn at least" not in run_study("views", tmp_path / "v", StudySettings(), most_cells=0).read_text()


def test_a_page_says_what_was_set_for_all_of_its_rows(tmp_path: Path):
    changed = StudySettings(set=("algorithm.kl_beta=0.2", "optimiser.average=0.96"), limit=20)
    text = run_study("paradigm", tmp_path / "a", changed, most_cells=0).with_suffix(".md").read_text()
    assert "Set for every cell: `algorithm.kl_beta=0.2`, `optimiser.average=0.96`.\nIn this the rows differ" in text
    assert "Measured on `mini-dev` (its first 20 prompts)" in text
    assert "Set for" not in run_study("paradigm", tmp_path / "b", StudySettings(), most_cells=0).read_text()


def test_the_sequence_ratio_has_a_clip_that_can_act_on_it_and_the_plan_alone_may_be_paid():
    (gspo,) = [c for c in plan_cells(load_study("algorithms"), steps=9)[:11] if c.row.name.startswith("GSPO")]
    loss = config_of(gspo).algorithm
    assert (loss.loss, loss.updates_per_rollout, loss.clip_low, loss.clip_high) == ("gspo", 2, 3e-4, 4e-4)
    kinds = [config_of(c).stages[0].from_next_on for c in plan_cells(load_study("stages"))[:4]]
    assert kinds == ["answer", "answer", "answer", "reasoning"]


def test_the_paper_s_headline_stands_in_the_paradigm_study():
    paper = {row.name: dict(row.paper) for row in load_study("paradigm").rows}
    assert paper["base, no reasoning"] == {"clip": 22.7, "kd": 0.249} and paper["Hi-GRPO, full loss"] == {
        "clip": 29.3,
        "kd": 0.156,
    }


def test_a_clip_that_cannot_act_is_no_other_training():
    rows = {c.row.name: config_of(c) for c in plan_cells(load_study("algorithms"), steps=9)[:11]}
    means = [rows["dynamic sampling, token mean" + more] for more in ("", ", decoupled clip", ", no KL")]
    assert in_effect(means[0]) == in_effect(means[1]) != in_effect(means[2])
    twice = [rows["token mean" + more + ", two updates"] for more in ("", ", decoupled clip")]
    assert in_effect(twice[0]) != in_effect(twice[1]) and in_effect(twice[1]) == twice[1]


def test_a_budget_shortens_runs_and_never_takes_a_seed():
    study = load_study("iterations")  # shares 1 + 2 + 3 per seed
    cells = plan_cells(study, budget=100)
    assert len({c.seed for c in cells}) == 3 and sum(c.steps for c in cells) <= 100 and cells[0].steps == 5
    with pytest.raises(ValueError, match="at least 3 seeds, not 2"):
        plan_cells(study, seeds=2)
    with pytest.raises(ValueError, match="must be at least 18"):
        plan_cells(study, budget=17)
    with pytest.raises(ValueError, match="not both"):
        plan_cells(study, steps=3, budget=100)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("name: Later", "name: base"), "names of their own"),
        (("worse: base", "worse: nothing"), "'nothing', which is no row"),
        (("of: ours", "of: mine"), "is of 'mine'; known are the paper"),
        (("steps: 1", "stepz: 1"), "stepz"),
        (("paper: {clip: 24.3}", "papper: {clip: 24.3}"), "row 2: does not know .*papper"),
        (("title: Micro - does it run?", "title: ["), "is not YAML"),
    ],
)
def test_a_wrong_study_is_refused_with_its_place(tmp_path: Path, change: tuple[str, str], message: str):
    path = tmp_path / "micro.yaml"
    path.write_text(MICRO.replace(*change))
    with pytest.raises(ValueError, match=message):
        load_study(str(path))
    with pytest.raises(ValueError, match="known are paradigm"):
        load_study("paradox")


def micro_study(tmp_path: Path) -> tuple[str, StudySettings]:
    """The study above with a policy and a codec of micro size, a suite of two prompts."""
    model, codec = save_tiny(tmp_path)
    (tmp_path / "micro.yaml").write_text(MICRO)
    (tmp_path / "two.txt").write_text("a red chair\na blue car\n")
    overrides = (f"model={model}", f"codec={codec}", "prompts_per_step=1", "group_size=2", "prompt_count=2",
                 "stages.0.max_reasoning=4", "stages.0.rewards.parts=0", "stages.0.rewards.alignment=0",
                 f"prompts={tmp_path / 'two.txt'}")  # fmt: skip
    return str(tmp_path / "micro.yaml"), StudySettings(suite=str(tmp_path / "two.txt"), set=overrides)


def test_a_cell_is_trained_evaluated_written_down_and_not_done_again(tmp_path: Path):
    name, settings = micro_study(tmp_path)
    (cell,) = [c for c in plan_cells(load_study(name)) if c.row.name == "One step" and c.seed == 1]
    out = tmp_path / "study"

    def only_this(one: Cell, config: Config, folder: Path) -> dict[str, object] | None:
        if one.id != cell.id:
            raise ValueError("left out of this test")
        return train_and_evaluate(one, config, folder, settings, [*settings.set, "policy.device=cpu"], "test")

    page = run_study(name, out, settings, device="cpu", work=only_this)
    (line,) = [json.loads(text) for text in (out / "results.jsonl").read_text().splitlines()]
    assert (line["row"], line["seed"], line["steps"]) == ("One step", 1, 1)
    assert line["rewards"] and line["measures"]["failed"]["n"] == 2 and line["provenance"]["commit"]
    text = page.with_suffix(".md").read_text()
    assert "In 1 of 6 cells also `policy.device=cpu`." in text
    assert "1 of 6 cells are done (3 seeds)" in text and "not run: dynamic sampling" in text
    assert "not run: failed (ValueError: left out of this test)" in text and "Training helps. → **not run**" in text
    assert (
        "Of 1 claims of the paper 1 were not run; of 1 claims of ours 1 were not run." in text
        and line["tokens"] > 0
        and "| One step | 1 | 0 k | 1 |" in text
    )
    assert '<b class="said not">not run</b>' in page.read_text() and "<h2>Curves</h2>" in page.read_text()
    assert "rose in every seed in none of the trained rows" in text  # one step has one quarter: nothing can have risen
    assert "| 24.3 |" in text and "22.7" in text and 'src="http' not in page.read_text()
    assert line["paid_by_tokens"] == [
        [line["tokens"], pytest.approx(sum(line["rewards"].values()) / len(line["rewards"]), abs=1e-5)]
    ]
    assert "| rewards at 0 k tokens |" in text
    calls = []
    run_study(name, out, settings, work=lambda one, config, folder: calls.append(one.id))
    assert (
        calls and cell.id not in calls[:1] and len(calls) == 1
    )  # asked to stop at the first; the done one is passed over
    with pytest.raises(ValueError, match="with other settings"):
        run_study(name, out, dataclasses.replace(settings, seeds=4))


def test_a_training_that_a_neighbour_did_is_taken_over_and_a_shorter_one_gone_on_with(tmp_path: Path):
    name, settings = micro_study(tmp_path)
    longer = tmp_path / "longer.yaml"
    longer.write_text(MICRO.replace("Micro -", "Longer -").replace("steps: 1\nrows", "steps: 2\nrows"))
    other = tmp_path / "other.yaml"
    other.write_text(MICRO.replace("One step", "Same under another name"))

    def cell_of(study: str, out: Path) -> Path:
        cell = next(c for c in plan_cells(load_study(study)) if c.row.config and c.seed == 1)

        def only_this(one: Cell, config: Config, folder: Path) -> dict[str, object] | None:
            if one.id != cell.id:
                raise ValueError("left out of this test")
            return train_and_evaluate(one, config, folder, settings, settings.set, "test")

        run_study(study, out, settings, work=only_this)
        return out / "cells" / cell.id

    alone = cell_of(str(longer), tmp_path / "apart" / "longer")
    first = cell_of(name, tmp_path / "studies" / "micro")
    same = cell_of(str(other), tmp_path / "studies" / "other")
    said = json.loads((same / "result.json").read_text())
    assert said["taken_from"] == f"micro/{first.name}" and said["row"] == "Same under another name"
    assert said["measures"] == json.loads((first / "result.json").read_text())["measures"]
    assert (same / "run" / "metrics.jsonl").is_file() and not (same / "run" / "checkpoints").exists()
    assert "1 cells taken from others whose configs are the same" in (same.parents[1] / "page.md").read_text()
    joined = cell_of(str(longer), tmp_path / "studies" / "longer")
    assert json.loads((joined / "run" / "checkpoints" / "step-000002" / "state.json").read_text())["step"] == 2
    result = json.loads((joined / "result.json").read_text())
    assert "taken_from" not in result and (result["begun_from"], result["begun_at_step"]) == (f"micro/{first.name}", 1)
    lines = [read_metrics(folder / "run" / "metrics.jsonl") for folder in (first, joined, alone)]
    assert lines[1][0] == lines[0][0]  # its first step, seconds and all, is the neighbour's
    timed = ("seconds/", "memory", "tokens_per_second")
    assert {k: v for k, v in lines[1][1].items() if not k.startswith(timed)} == {
        k: v for k, v in lines[2][1].items() if not k.startswith(timed)
    }


def test_a_config_that_does_not_load_stops_a_study_before_any_time_is_spent(tmp_path: Path):
    name, settings = micro_study(tmp_path)
    with pytest.raises(ValueError, match=r"row 'base'.*group_siez"):
        run_study(name, tmp_path / "study", dataclasses.replace(settings, set=("group_siez=3",)))
    assert not (tmp_path / "study").exists()


def test_a_cell_belongs_to_one_process_and_is_free_when_that_dies(tmp_path: Path):
    cell = tmp_path / "cell"
    with claimed(cell) as mine:
        held = json.loads((cell / "claim").read_text())
        assert mine and (held["host"], held["pid"]) == (socket.gethostname(), os.getpid()) and len(held["token"]) == 32
        with claimed(cell) as second:
            assert not second
        assert (cell / "claim").is_file()
    assert not (cell / "claim").exists()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (cell / "claim").write_text(json.dumps({"host": socket.gethostname(), "pid": gone.pid}))
    with claimed(cell) as mine:
        assert mine


def test_a_claim_of_another_machine_is_free_when_it_is_old(tmp_path: Path):
    cell = tmp_path / "cell"
    cell.mkdir()
    (cell / "claim").write_text(json.dumps({"host": "elsewhere", "pid": 1}))
    with claimed(cell) as mine:
        assert not mine
    with claimed(cell, now=lambda: time.time() + STALE_SECONDS + 1) as mine:
        assert mine
    finish(cell, {"row": "x"})
    assert is_done(cell)
    with claimed(cell) as mine:
        assert not mine


WORKER = """
import sys, time
from pathlib import Path
from maquette.studies.queue import claimed, finish
out, name = Path(sys.argv[1]), sys.argv[2]
while not (out / "go").exists():
    time.sleep(0.001)
for index in range(30):
    with claimed(out / str(index)) as mine:
        if mine:
            with (out / "log").open("a") as log:
                log.write(f"{index} {name}\\n")
            time.sleep(0.002)
            finish(out / str(index), {"by": name})
"""


def test_processes_that_start_over_dead_claims_at_once_do_each_cell_once(tmp_path: Path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for index in range(30):
        (tmp_path / str(index)).mkdir()
        (tmp_path / str(index) / "claim").write_text(json.dumps({"host": socket.gethostname(), "pid": gone.pid}))
    workers = [subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path), name]) for name in "abc"]
    (tmp_path / "go").touch()
    assert [worker.wait(60) for worker in workers] == [0, 0, 0]
    done = [line.split()[0] for line in (tmp_path / "log").read_text().splitlines()]
    assert sorted(map(int, done)) == list(range(30))
    assert not list(tmp_path.glob("*/claim")) and not list(tmp_path.glob("*/.claim-*"))


def test_a_page_holds_trained_rows_against_the_base(tmp_path: Path):
    (tmp_path / "micro.yaml").write_text(MICRO.replace("needs: dynamic sampling", "steps: 1"))
    study = load_study(str(tmp_path / "micro.yaml"))
    level = {"base": 0.2, "One step": 0.3, "Later": 0.2}
    found = {row: {seed: evaluation(value, seed) for seed in range(3)} for row, value in level.items()}
    text = against_bases(study, found)
    assert "less that of “base”" in text and text.startswith("## Against the base")
    assert "| One step | **+0.100 [+0.100, +0.100]** | – |" in text  # its objects were not measured in IoU
    assert "| Later | +0.000 [+0.000, +0.000] | – |" in text
    assert figure_html("**+0.1 [+0.0, +0.2]**") == '<b class="said agrees">+0.1</b><small>[+0.0, +0.2]</small>'
    assert figure_html("**-0.1 [-0.2, -0.0]**").startswith('<b class="said disagrees">')
    assert figure_html("0.1 [0.0, 0.2]") == "<b>0.1</b><small>[0.0, 0.2]</small>" and figure_html("–") == "–"
    assert against_bases(study, {"base": found["base"]}) == against_bases(study, {"Later": found["Later"]}) == ""


def test_hours_and_tokens_are_of_the_whole_training(tmp_path: Path):
    assert trained_seconds(tmp_path) == last_tokens(tmp_path) == 0.0
    lines = [{"step": i, "seconds/step": 1.5, "tokens/total": 100.0 * (i + 1)} for i in range(4)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"step": 4, "sec')
    assert trained_seconds(tmp_path) == 6.0 and last_tokens(tmp_path) == 400.0
    paid = [{"step": i, "reward/fine/parts": 0.1 * i, "reward/fine/clip": None if i == 7 else 1.0} for i in range(8)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in paid))
    assert quarter_rewards(tmp_path) == pytest.approx({"reward/fine/parts": 0.65, "reward/fine/clip": 1.0})
    assert quarter_rewards(tmp_path, last=False)["reward/fine/parts"] == pytest.approx(0.05)
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "begun_from.json").write_text('{"begun_from": "micro/row-seed-0", "begun_at_step": 1}')
    assert trained_seconds(tmp_path) == 4.5  # what was trained elsewhere was counted there


def test_trainings_are_compared_where_they_had_spent_the_same(tmp_path: Path):
    """Two rows of eight steps, one of which samples twice as much a step: at the cheaper one's end it stands at its fourth."""
    (tmp_path / "micro.yaml").write_text(MICRO.replace("needs: dynamic sampling", "steps: 1"))
    study = load_study(str(tmp_path / "micro.yaml"))
    cells = plan_cells(study, steps=8)
    for cell in cells:
        folder = tmp_path / "out" / "cells" / cell.id
        (folder / "evaluation").mkdir(parents=True)
        save_evaluation(evaluation(0.0, cell.seed), folder / "evaluation")
        if cell.row.config:
            (folder / "run").mkdir()
            size = 200.0 if cell.row.name == "Later" else 100.0
            lines = [
                {"step": i, "tokens/total": size * (i + 1), "reward/a": 0.1 * i, "reward/b": None} for i in range(8)
            ]
            (folder / "run" / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        finish(folder, {"hours": 0.1, "paid_by_tokens": paid_by_tokens(folder / "run")})
        (folder / "run" / "metrics.jsonl").unlink(missing_ok=True)  # the numbers are in the result
    text = write_page(study, cells, tmp_path / "out", suite="`two`").with_suffix(".md").read_text()
    table = text.split("## What the evidence says")[0]
    head, _, *rows = (line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("|"))
    place = head.index("rewards at 1 k tokens")
    assert {row[0]: row[place] for row in rows} == {"base": "–", "One step": "0.650", "Later": "0.300"}
    assert paid_at([[10.0, 1.0]], 9.0) is None and "sampled as many as the cheapest one" in text


def test_a_fault_of_torch_ends_a_cell_and_not_the_study(tmp_path: Path):
    (tmp_path / "micro.yaml").write_text(MICRO)

    def work(cell: Cell, config: Config, folder: Path) -> dict[str, object] | None:
        raise RuntimeError("CUDA out of memory")

    page = run_study(str(tmp_path / "micro.yaml"), tmp_path / "out", StudySettings(), work=work)
    assert "not run: failed (RuntimeError: CUDA out of memory)" in page.with_suffix(".md").read_text()


def evaluation(shift: float, seed: int, category: str = "rare") -> Evaluation:
    def row(i: int) -> ObjectResult:
        value = 0.1 * i + shift + 0.01 * ((i * 7 + seed * 3) % 5)
        return ObjectResult(f"p{i}", "t", category if i % 2 else "", "", False, value, *[float("nan")] * 5)

    return Evaluation("s", "suite", seed, tuple(row(i) for i in range(12)), Interval(1.0, 0.0, 2.0, 12), {})


def test_the_verdict_needs_three_seeds_and_an_interval_without_zero():
    claim = load_study("mixing").claims[0]

    def found(gains: list[float], seeds: int = 3) -> dict[str, dict[int, Evaluation]]:
        return {
            claim.worse: {s: evaluation(0.0, s) for s in range(seeds)},
            claim.better: {s: evaluation(gains[s], s) for s in range(seeds)},
        }

    assert verdict(claim, {})[0] == "not run"
    said, gain = verdict(claim, found([0.2, 0.25, 0.3]))
    assert said == "agrees" and gain is not None and gain.value == pytest.approx(0.25)
    assert verdict(claim, found([-0.2, -0.25, -0.3]))[0] == "disagrees"
    assert verdict(claim, found([-0.2, 0.0, 0.3]))[0] == "cannot be decided"
    assert verdict(claim, found([0.2, 0.2], seeds=2))[0] == "cannot be decided with 2 of 3 seeds"


def test_a_cell_s_folder_has_a_name_of_its_own():
    assert Cell(Row("Hi-GRPO, full loss"), 2, 5).id == "hi-grpo-full-loss-seed-2"


def test_a_claim_may_be_of_a_category_against_all_others_or_of_what_was_paid():
    claim = dataclasses.replace(load_study("mixing").claims[0], category="rare", more_than_others=True)

    def lifted(seed: int, rare: float, others: float) -> Evaluation:
        before = evaluation(0.0, seed)
        rows = [
            dataclasses.replace(r, alignment=r.alignment + (rare if r.category == "rare" else others))
            for r in before.objects
        ]
        return dataclasses.replace(before, objects=tuple(rows))

    base = {s: evaluation(0.0, s) for s in range(3)}
    same = {s: lifted(s, 0.3, 0.3) for s in range(3)}
    said, gain = verdict(claim, {claim.worse: base, claim.better: same})
    assert said == "cannot be decided" and gain is not None and gain.value == pytest.approx(0.0)
    said, gain = verdict(claim, {claim.worse: base, claim.better: {s: lifted(s, 0.5, 0.1) for s in range(3)}})
    assert said == "agrees" and gain is not None and gain.value == pytest.approx(0.4)
    paid = dataclasses.replace(load_study("mixing").claims[0], measure="rewards")
    assert verdict(paid, {claim.worse: base, claim.better: same})[0] == "not run"
    earned = {paid.worse: {0: 0.1, 1: 0.2, 2: 0.1}, paid.better: {0: 0.3, 1: 0.4, 2: 0.31}}
    said, gain = verdict(paid, {}, earned)
    assert said == "agrees" and gain is not None and gain.value == pytest.approx(0.61 / 3)


def test_three_seeds_of_one_sign_decide_nothing_by_that_alone():
    """Where there is no difference, one verdict in twenty may be wrong, of rewards as of objects."""
    rng = np.random.default_rng(0)
    claim = dataclasses.replace(load_study("mixing").claims[0], measure="rewards")
    wrong = 0
    for draw in rng.normal(size=(400, 3)):
        said, _ = verdict(
            claim, {}, {claim.worse: dict.fromkeys(range(3), 0.0), claim.better: dict(enumerate(draw.tolist()))}
        )
        wrong += said in ("agrees", "disagrees")
    assert wrong <= 32
    objects = 0
    for draw in rng.normal(size=(100, 3)):
        found = {
            claim.worse: {s: evaluation(0.0, 0) for s in range(3)},
            claim.better: {s: evaluation(draw[s], 0) for s in range(3)},
        }
        objects += verdict(dataclasses.replace(claim, measure="alignment"), found)[0] in ("agrees", "disagrees")
    assert objects <= 11
