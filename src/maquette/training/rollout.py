"""A step's answers and what the judges say to them, at once or while the next answers are decoded."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from types import TracebackType

from maquette.config import Config
from maquette.generate import generate
from maquette.protocols import Sampling
from maquette.rewards.ensemble import Ensemble, StageScores
from maquette.tracking import Stopwatch
from maquette.training.dynamic import Collected, RunState, collect
from maquette.training.groups import Answered, gather_groups
from maquette.training.parts import Parts
from maquette.types import Generation, Prompt


def collect_groups(config: Config, parts: Parts, step: int, state: RunState, clock: Stopwatch) -> Collected:
    """The step's batch of groups: rolled out and scored, in several rounds where sampling is dynamic."""

    def answer(prompts: tuple[Prompt, ...], number: int) -> Answered:
        shares = parts.processes.shares(len(prompts))
        mine = shares[parts.processes.rank]
        own = prompts[mine.start : mine.stop] or prompts[:1]
        # sharded weights are fetched together for every decoding, so that all divide what they have into as many parts
        pieces = min(config.answered_in, *(max(1, len(share)) for share in shares))
        first_row = mine.start * config.group_size
        return answered(config, parts, own, step, clock, pieces=pieces, number=number, first_row=first_row)

    return collect(
        answer,
        parts.prompts,
        config.stages,
        state,
        settings=config.dynamic,
        size=config.prompts_per_step,
        seed=config.seed,
        mixing=config.algorithm.mixing,
        processes=parts.processes,
    )


def answered(
    config: Config,
    parts: Parts,
    prompts: Sequence[Prompt],
    step: int,
    clock: Stopwatch,
    *,
    pieces: int = 1,
    number: int = 0,
    first_row: int = 0,
) -> Answered:
    """Scored answers to this process's prompts of a round, in so many pieces. The clock's `score` is the time one waits.

    Random numbers are a function of seed, step, round, and a row's place in the whole round, whatever the pieces.
    """
    made: list[Generation] = []
    with Scoring(parts.ensemble, beside=config.judged_beside) as scoring:
        for start, some in divided(prompts, pieces):
            row = first_row + start * config.group_size
            made.append(roll_out(config, parts, some, step, clock, scoring, number=number, first_row=row))
        with clock("score"):
            scores = [parts.ensemble.joined(piece, said) for piece, said in zip(made, scoring.said(), strict=True)]
    rounds = [Answered(piece, own) for piece, own in zip(made, scores, strict=True)]
    if len(rounds) == 1:
        return rounds[0]
    return gather_groups(rounds, [(i, group) for i, one in enumerate(made) for group in range(len(one.prompts))])


def divided(prompts: Sequence[Prompt], pieces: int) -> list[tuple[int, Sequence[Prompt]]]:
    """Consecutive pieces of sizes unlike by at most one, each with its first place; there are at least as many prompts."""
    edges = [len(prompts) * i // pieces for i in range(pieces + 1)]
    return [(a, prompts[a:b]) for a, b in pairwise(edges)]


def roll_out(
    config: Config,
    parts: Parts,
    prompts: Sequence[Prompt],
    step: int,
    clock: Stopwatch,
    scoring: Scoring,
    *,
    number: int,
    first_row: int,
) -> Generation:
    """Answers to one part of a round's prompts; every stage goes to the judges as soon as it is drawn."""
    scoring.begin()
    return generate(
        prompts,
        config.stages,
        engine=parts.engine,
        codec=parts.codec,
        mesher=parts.mesher,
        cameras=parts.cameras,
        group_size=config.group_size,
        sampling=Sampling(
            temperature=config.temperature, seed=config.seed * 1_000_003 + step + (number << 40), first_row=first_row
        ),
        render_size=config.render_size,
        paint_text=config.paint_text,
        painter=parts.painter,
        clock=clock,
        drawn=scoring.stage,
    )


class Scoring:
    """Judges on a thread of their own, in the order of what they are given; or, not `beside`, when they are waited for.

    One thread, since judges remember what they saw last. What they compute on this machine's cores is taken from the decoding; what they
    wait for (a server, another device) is not. The scores are the same either way.
    """

    def __init__(self, ensemble: Ensemble, *, beside: bool) -> None:
        self.ensemble = ensemble
        self._thread = ThreadPoolExecutor(1, "judges") if beside else None
        self._given: list[list[Future[StageScores] | Generation]] = []

    def __enter__(self) -> Scoring:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread:
            self._thread.shutdown(cancel_futures=True)

    def begin(self) -> None:
        """What follows are the stages of another part of the answers."""
        self._given.append([])

    def stage(self, so_far: Generation) -> None:
        """The newest stage of these answers is drawn."""
        last = len(so_far.stages) - 1
        work = self._thread.submit(self.ensemble.score_stage, so_far, last) if self._thread else so_far
        self._given[-1].append(work)

    def said(self) -> list[list[StageScores]]:
        """Every stage's scores by part; waits for them. Raises what a judge raised."""
        return [[self._score(work, s) for s, work in enumerate(part)] for part in self._given]

    def _score(self, work: Future[StageScores] | Generation, stage: int) -> StageScores:
        return work.result() if isinstance(work, Future) else self.ensemble.score_stage(work, stage)
