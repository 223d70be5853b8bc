"""Cells: one incident on one step, run under trouble and judged by the incident's own verdict.

Prevents a judgement of its own for each who asks: `check`, the scoreboard and kept results stand
on these. A trial or a verdict that crashes makes a cell that says why, and the others are whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from book.chain.chain import Book, Step
from book.chain.kept import now
from book.replay import replay
from book.replay.replay import Replay, Story
from book.stage.processes import Processes
from book.stage.schedule import run_all
from book.stage.services.errors import ServiceMissing
from book.stage.simulating import TooBusy, TrialError
from book.stage.trial import Trial
from book.stage.waiting import Waited, too_busy
from book.story.incident import Check, Evidence, Run

# Trials of one seed that were made: by incident, step, and whether they were calm.
Seen: TypeAlias = dict[tuple[str, str, bool], Run | TrialError]


@dataclass(frozen=True)
class Cell:
    """One incident on one step: what was observed and how it was judged, or what went wrong."""

    story: Story
    step: Step
    run: Run | None
    checks: tuple[Check, ...] = ()
    error: str | None = None
    unjudged: bool = False  # there is no verdict: the machine was too busy; ``error`` tells more
    skipped: bool = False  # nor will there be one: a server is missing here, as ``error`` tells
    silent: tuple[str, ...] = ()  # faults that met no request: then nothing is proven
    promised: int = 0  # how many of the checks are the promise's; the others judge the cure
    better: bool = True  # of the solving step: whether its headline is better than the one before
    figure: float | None = None  # the headline's, of this run
    measured: str | None = None  # when: 2026-11-28T12:10:03Z
    kept: bool = False  # whether an earlier command measured it

    @property
    def holds(self) -> bool:
        return self.error is None and not self.silent and all(check.ok for check in self.checks)

    @property
    def why(self) -> str:
        """Why the cell is red, in one line; empty where it is green."""
        if self.error is not None:
            return self.error
        if self.silent:
            return f"no request met the fault {', '.join(self.silent)}"
        return next((str(check) for check in self.checks if not check.ok), "")


def all_stories(book: Book) -> list[Story]:
    """Every incident of the book, in the order of the steps that solve them."""
    return [
        story
        for chapter in book.chapters
        if any(step.solves for step in chapter.steps)
        for story in replay.stories(book, chapter)
    ]


def must_hold(book: Book, story: Story, step: Step) -> bool:
    """What steps.toml says of a pair: an incident holds from the step on that solves it."""
    return book.steps.index(step) >= book.steps.index(story.solver)


def agrees(book: Book, cell: Cell) -> bool:
    """Whether a cell proves what steps.toml says; one with an error proves nothing."""
    if cell.error is not None or cell.silent or cell.run is None:
        return False
    if not cell.better or unmissed(cell):
        return False
    return cell.holds == must_hold(book, cell.story, cell.step)


def unmissed(cell: Cell) -> list[Check]:
    """Checks of the cure that the step before holds, though they guard nothing; else none."""
    if cell.step != cell.story.before:
        return []
    own = cell.checks[cell.promised :]
    return [check for check in own if check.applies and check.ok and not check.guard]


def fill(
    wanted: Sequence[tuple[Story, Step]],
    seed: int,
    processes: Processes,
    on_done: Callable[[Trial, bool], None],
    on_cell: Callable[[Cell], None] = lambda cell: None,
    seen: Seen | None = None,
    is_too_busy: Callable[[Waited], bool] = too_busy,
) -> list[Cell]:
    """Run what the wanted cells need, each trial once, and judge them.

    ``on_cell`` is called for each as soon as it is judged: what is told there outlives a Ctrl-C.
    ``seen`` holds the trials that an earlier call made, and takes those of this one.
    """
    seen = {} if seen is None else seen
    trials = [each for each in trials_of(wanted, seed) if _key(each) not in seen]
    cells: dict[int, Cell] = {}

    def judge() -> None:
        for place, (story, step) in enumerate(wanted):
            needs = _needs(story, step, seed)
            if place not in cells and all(_key(each) in seen for each in needs):
                cells[place] = _cell(story, step, seen)
                on_cell(cells[place])

    for trial, run in run_all(
        trials, processes, on_done, keep_errors=True, is_too_busy=is_too_busy
    ):
        seen[_key(trial)] = run
        judge()
    judge()
    return [cells[place] for place in range(len(wanted))]


def trials_of(wanted: Iterable[tuple[Story, Step]], seed: int) -> list[Trial]:
    """What has to run: each cell's step, the step before the solver, calm runs where asked for."""
    found: dict[tuple[str, str, bool], Trial] = {}
    for story, step in wanted:
        for trial in _needs(story, step, seed):
            found.setdefault(_key(trial), trial)
    return list(found.values())


def of_replay(story: Story, done: Replay) -> list[Cell]:
    """The cells that a replay measured: the steps of its story, under trouble."""
    return [
        Cell(
            story,
            row.trial.step,
            row.run,
            row.checks,
            silent=tuple(row.silent_rules),
            promised=len(story.incident.promise(row.run)),
            better=row.trial.step != story.solver or done.is_better is not False,
            figure=story.incident.headline.of(row.run),
            measured=now(),
        )
        for row in done.rows
        if row.expected is not None and not row.trial.calm
    ]


def _needs(story: Story, step: Step, seed: int) -> list[Trial]:
    steps = [(story.before, False), (step, False)]
    steps += [(step, True)] if story.incident.needs_calm else []
    return [Trial(each, story.incident, seed, calm=calm) for each, calm in steps]


def _key(trial: Trial) -> tuple[str, str, bool]:
    return trial.incident.name, trial.step.name, trial.calm


def _cell(story: Story, step: Step, seen: Seen) -> Cell:
    incident = story.incident
    needed = [
        seen[incident.name, step.name, False],
        seen[incident.name, story.before.name, False],
        seen.get((incident.name, step.name, True)),
    ]
    errors = [each for each in needed if isinstance(each, TrialError)]
    errors.sort(key=lambda error: isinstance(error, TooBusy))  # a crash says more
    failed = errors[0] if errors else None
    run, before, calm = needed
    absent = next((each for each in errors if isinstance(each, ServiceMissing)), None)
    if absent is not None:
        return Cell(story, step, None, error=str(absent), unjudged=True, skipped=True)
    if isinstance(failed, TooBusy):
        return Cell(story, step, None, error=str(failed), unjudged=True)
    if failed is not None or not isinstance(run, Run) or not isinstance(before, Run):
        return Cell(story, step, None, error=f"the trial crashed: {_one_line(failed)}")
    evidence = Evidence(run, before, calm if isinstance(calm, Run) else None)
    try:
        promised = incident.promise(run)
        checks = (*promised, *incident.cure(evidence))
        better = step != story.solver or incident.headline.is_better(before, run)
        figure = incident.headline.of(run)
    except Exception as error:  # noqa: BLE001 - an incident may be wrong in any way: its cell is red
        return Cell(story, step, run, error=f"the verdict crashed: {_one_line(error)}")
    silent = tuple(incident.silent(run))
    return Cell(
        story,
        step,
        run,
        checks,
        silent=silent,
        promised=len(promised),
        better=better,
        figure=figure,
        measured=now(),
    )


def _one_line(error: object) -> str:
    lines = str(error).strip().splitlines() or [""]
    last = f" ... {lines[-1].strip()}" if len(lines) > 1 else ""
    return f"{type(error).__name__}: {lines[0]}{last}"
