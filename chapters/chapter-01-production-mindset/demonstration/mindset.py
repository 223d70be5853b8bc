"""Chapter 1's demonstration: a friendly day, a bad one, and what they say about readiness.

Prevents the opinion: every figure is from this run, or from the price table with its source. The
baseline does its friendly day, then meets every incident that exists, beside the step that solves
it; what is ranked is what those steps won.
"""

from __future__ import annotations

import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from rich.console import Console

from book.chain.chain import Book, ChainError, Chapter, Step
from book.replay import known as knowing
from book.replay import present
from book.replay.cells import all_stories
from book.replay.replay import Story
from book.stage import trial
from book.stage.processes import Processes
from book.stage.schedule import run_all
from book.stage.services.errors import ServiceMissing
from book.stage.simulating import TooBusy
from book.stage.trial import Trial
from book.story.incident import Incident, Run, load
from readiness.checklist import Proof, Score, score, with_proofs
from readiness.cost_projection import Call, Task
from readiness.slo import SLI, SLO, ErrorBudget

import mindset_known
from mindset_known import FRIENDLY, Seen

TARGET = "0.99"  # of tasks answered rightly; a promise that this chapter makes up
DAYS = 30
AT_ONCE = 10  # trials: figures here are counts, which suffer less from neighbours than latencies


@dataclass(frozen=True)
class Told:
    """One incident as seen in this run: on the baseline, and on the step that solves it."""

    story: Story
    baseline: Run
    solved: Run
    holds: bool  # the incident's verdict on the baseline


@dataclass(frozen=True)
class Won:
    """What one step would win on days like this: failed tasks that it saves, and dollars."""

    step: Step
    incidents: tuple[str, ...]
    failed_before: int
    failed_after: int
    tasks: int
    usd_before: Decimal
    usd_after: Decimal

    @property
    def tasks_won(self) -> int:
        return self.failed_before - self.failed_after

    @property
    def usd_won(self) -> Decimal:
        return self.usd_before - self.usd_after


def show(
    book: Book,
    chapter: Chapter,
    out: Console,
    *,
    seed: int,
    by: str,
    revenue: str,
    fresh: bool = False,
) -> None:
    """Run it and show it: ``by`` ranks the changes, ``revenue`` is US dollars earned a minute.

    What is known from earlier commands is not run again, unless ``fresh`` asks for it. Raises
    ChainError for another ranking, or a revenue that is no number of 0 or more, and TooBusy, at its
    end where it can, when the machine was too busy for some of it.
    """
    import mindset_terminal

    if by not in ("tasks", "usd"):
        raise ChainError(f"changes are ranked by tasks or usd, not {by!r}")
    try:
        revenue_usd = Decimal(revenue)
    except ArithmeticError:
        revenue_usd = Decimal("NaN")
    if not revenue_usd.is_finite() or revenue_usd < 0:
        raise ChainError(f"revenue is US dollars a minute, 0 or more, not {revenue!r}")
    spoiled: list[str] = []
    with knowing.opened(book, fresh=fresh) as known:
        seen = mindset_known.seen(book, chapter, seed, known)
        planned = [each for each in trials(book, chapter, seed) if _is_new(each, seen)]
        if planned:
            with (
                tempfile.TemporaryDirectory(prefix="book-") as scratch,
                Processes(trial.IMPORTS, Path(scratch)) as processes,
                present.progress(out, planned) as on_done,
            ):
                done = list(run_all(planned, processes, on_done, at_once=AT_ONCE))
            runs = {key(each): run for each, run in done if isinstance(run, Run)}
            for absent in dict.fromkeys(str(r) for _, r in done if isinstance(r, ServiceMissing)):
                out.print(f"skipped, and not counted: {absent}", markup=False)
            spoiled = [str(run) for _, run in done if isinstance(run, TooBusy)]
            seen |= mindset_known.judged(book, chapter, seed, known, runs)
    friendly_day = seen.get((FRIENDLY, book.steps[0].name, False))
    told = tell(book, seen)
    if friendly_day is None or not told:
        raise TooBusy(spoiled[0])
    calm = friendly_day.run
    mindset_terminal.days(out, calm, told)
    mindset_terminal.earlier(out, list(seen.values()))
    mindset_terminal.checklist(out, readiness(chapter, told))
    mindset_terminal.error_budget(out, calm, told, revenue_usd)
    mindset_terminal.costs(out, calm)
    mindset_terminal.changes(out, told, by)
    if spoiled:
        raise TooBusy("\n".join([*spoiled, "the figures above leave these incidents out"]))


def _is_new(trial: Trial, seen: Mapping[tuple[str, str, bool], Seen]) -> bool:
    """Whether it has to run; a calm run serves the verdict on the run under trouble only."""
    return (trial.incident.name, trial.step.name, False) not in seen


def key(trial: Trial) -> tuple[str, str, bool]:
    """What tells this chapter's trials apart."""
    return trial.incident.name, trial.step.name, trial.calm


def friendly(chapter: Chapter) -> Incident:
    """The chapter's friendly day."""
    return load(chapter.incident_file(FRIENDLY))


def trials(book: Book, chapter: Chapter, seed: int) -> list[Trial]:
    """The friendly day on the baseline; each incident on the baseline and on its solving step."""
    first = book.steps[0]
    found = [Trial(first, friendly(chapter), seed)]
    for story in all_stories(book):
        crowded = replace(story.incident, trials_at_once=AT_ONCE)
        found += [Trial(first, crowded, seed), Trial(story.solver, crowded, seed)]
        found += [Trial(first, crowded, seed, calm=True)] if crowded.needs_calm else []
    return found


def tell(book: Book, seen: Mapping[tuple[str, str, bool], Seen]) -> list[Told]:
    """Each incident on the baseline and on its solving step; one that lacks a run is left out."""
    first = book.steps[0].name
    told = []
    for story in all_stories(book):
        name = story.incident.name
        baseline, solved = (
            seen.get((name, first, False)),
            seen.get((name, story.solver.name, False)),
        )
        if baseline is not None and solved is not None:
            told.append(Told(story, baseline.run, solved.run, baseline.holds))
    return told


def readiness(chapter: Chapter, told: Sequence[Told]) -> Score:
    """The checklist, scored by what held in this run."""
    listed = tomllib.loads((chapter.path / "proofs.toml").read_text(encoding="utf-8"))
    listed.pop("planned", None)  # of these, which nobody has yet; `book check` reads it
    proofs = {key: [_proof(name) for name in names] for key, names in listed.items()}
    evidence = {f"incident:{each.story.incident.name}": each.holds for each in told}
    return score(with_proofs(proofs), evidence)


def _proof(name: str) -> Proof:
    kind, _, what = name.partition(":")
    return Proof(kind, what)  # type: ignore[arg-type]  # Proof refuses another kind by name


def budget(calm: Run, told: Sequence[Told]) -> tuple[SLO, SLI, ErrorBudget]:
    """The error budget of 30 days: 29 like the friendly one, one with every incident in it.

    Each day has as many tasks as the bad one had; the friendly ones fail as often as was observed.
    """
    slo = SLO(TARGET)
    tasks = sum(len(each.baseline.outcomes) for each in told)
    done = sum(each.baseline.done for each in told)
    good = Fraction(calm.done, len(calm.outcomes)) * tasks * (DAYS - 1) + done
    sli = SLI(round(good), tasks * DAYS)
    return slo, sli, slo.error_budget(sli)


def ranked(told: Sequence[Told], *, by: str = "tasks") -> list[Won]:
    """The steps that solve these incidents; first what wins most tasks, or ``by="usd"`` dollars."""
    steps = list(dict.fromkeys(each.story.solver for each in told))
    won = [_won(step, [each for each in told if each.story.solver == step]) for step in steps]
    if by == "usd":
        return sorted(won, key=lambda each: (-each.usd_won, -each.tasks_won))
    return sorted(won, key=lambda each: (-each.tasks_won, -each.usd_won))


def _won(step: Step, told: Sequence[Told]) -> Won:
    return Won(
        step=step,
        incidents=tuple(each.story.incident.name for each in told),
        failed_before=sum(len(each.baseline.outcomes) - each.baseline.done for each in told),
        failed_after=sum(len(each.solved.outcomes) - each.solved.done for each in told),
        tasks=sum(len(each.baseline.outcomes) for each in told),
        usd_before=sum((each.baseline.cost_usd for each in told), Decimal(0)),
        usd_after=sum((each.solved.cost_usd for each in told), Decimal(0)),
    )


def tasks_of(calm: Run) -> list[Task]:
    """The model calls of each task of a day on which tasks came one after the other."""
    return [
        [
            Call.of(each.model or "", each)
            for each in calm.model_requests
            if outcome.began_s <= each.at_s < outcome.ended_s and each.all_input_tokens
        ]
        for outcome in calm.outcomes
    ]
