"""The scoreboard: incidents against steps, and why each step misses what it misses.

Prevents a picture that is drawn instead of measured: each cell is a run under trouble, judged by
the incident's own verdict. A trial that crashes makes its cell red, with the reason; the board is
whole all the same. Where the machine was too busy to tell, the cell is not judged.
"""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console

from book.chain.chain import Book, ChainError, Step
from book.replay import present, replay
from book.replay.replay import Story
from book.scoreboard import headlines
from book.stage import trial as trials
from book.stage.processes import Processes
from book.stage.schedule import run_all
from book.stage.simulating import TrialError
from book.stage.trial import Trial
from book.story.incident import Check, Evidence, Run

PACKAGES = ("anthropic", "httpx", "uvicorn", "fastapi", "tenacity")


@dataclass(frozen=True)
class Cell:
    """One incident on one step: what was observed and how it was judged, or what went wrong."""

    story: Story
    step: Step
    run: Run | None
    checks: tuple[Check, ...] = ()
    error: str | None = None
    silent: tuple[str, ...] = ()  # faults that met no request: then nothing is proven
    unjudged: bool = False  # the machine was too busy; ``error`` tells more
    figure: float | None = None  # the headline's; None where it was not measured

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


def ends(book: Book) -> list[Step]:
    """The states that readers meet: the baseline, and each chapter's last step."""
    return [book.steps[0], *(chapter.steps[-1] for chapter in book.chapters if chapter.steps)]


def all_stories(book: Book) -> list[Story]:
    """Every incident of the book, in the order of the steps that solve them."""
    return [
        story
        for chapter in book.chapters
        if any(step.solves for step in chapter.steps)
        for story in replay.stories(book, chapter)
    ]


def measure(
    book: Book, seed: int, out: Console, *, incident: str | None, all_steps: bool
) -> list[Cell]:
    """Run and judge what a person asked for, with progress shown on ``out``.

    Raises ChainError for an incident that the book does not have.
    """
    steps = list(book.steps) if all_steps else ends(book)
    told = all_stories(book)
    names = [story.incident.name for story in told]
    if incident is not None and incident not in names:
        raise ChainError(f"there is no incident {incident!r}. Valid: {', '.join(names)}")
    wanted = [(s, step) for s in told if incident in (None, s.incident.name) for step in steps]
    with (
        tempfile.TemporaryDirectory(prefix="book-") as scratch,
        Processes(trials.IMPORTS, Path(scratch)) as processes,
        present.progress(out, trials_of(wanted, seed)) as on_done,
    ):
        return fill(wanted, seed, processes, on_done)


def fill(
    wanted: Sequence[tuple[Story, Step]],
    seed: int,
    processes: Processes,
    on_done: Callable[[Trial, bool], None],
) -> list[Cell]:
    """Run what the wanted cells need, each trial once, and judge them."""
    trials = trials_of(wanted, seed)
    seen: dict[tuple[str, str, bool], Run | TrialError] = {}
    for trial, run in run_all(trials, processes, on_done, keep_errors=True):
        seen[_key(trial)] = run
    return [_cell(story, step, seen) for story, step in wanted]


def trials_of(wanted: Iterable[tuple[Story, Step]], seed: int) -> list[Trial]:
    """What has to run: each cell's step, the step before the solver, calm runs where asked for."""
    found: dict[tuple[str, str, bool], Trial] = {}
    for story, step in wanted:
        steps = [(story.before, False), (step, False)]
        steps += [(step, True)] if story.incident.needs_calm else []
        for each, calm in steps:
            trial = Trial(each, story.incident, seed, calm=calm)
            found.setdefault(_key(trial), trial)
    return list(found.values())


def _key(trial: Trial) -> tuple[str, str, bool]:
    return trial.incident.name, trial.step.name, trial.calm


def _cell(story: Story, step: Step, seen: dict[tuple[str, str, bool], Run | TrialError]) -> Cell:
    incident = story.incident
    needed = [
        seen[incident.name, step.name, False],
        seen[incident.name, story.before.name, False],
        seen.get((incident.name, step.name, True)),
    ]
    failed = next((each for each in needed if isinstance(each, TrialError)), None)
    run, before, calm = needed
    if failed is not None or not isinstance(run, Run) or not isinstance(before, Run):
        return Cell(story, step, None, error=f"the trial crashed: {_one_line(failed)}")
    evidence = Evidence(run, before, calm if isinstance(calm, Run) else None)
    try:
        checks = (*incident.promise(run), *incident.cure(evidence))
        figure = incident.headline.of(run)
    except Exception as error:  # noqa: BLE001 - an incident may be wrong in any way: its cell is red
        return Cell(story, step, run, error=f"the verdict crashed: {_one_line(error)}")
    return Cell(story, step, run, checks, silent=tuple(incident.silent(run)), figure=figure)


def _one_line(error: object) -> str:
    lines = str(error).strip().splitlines() or [""]
    last = f" ... {lines[-1].strip()}" if len(lines) > 1 else ""
    return f"{type(error).__name__}: {lines[0]}{last}"


def board(book: Book, cells: Sequence[Cell], seed: int) -> dict[str, object]:
    """The board as plain data, for JSON and for the page."""
    steps = list(dict.fromkeys(cell.step for cell in cells))
    told = list({cell.story.incident.name: cell.story for cell in cells}.values())
    return {
        "seed": seed,
        "versions": versions(),
        "machine": {"system": platform.system(), "processors": os.cpu_count() or 1},
        "steps": [{"name": step.name, "title": _title(book, step)} for step in steps],
        "incidents": [
            {
                "name": story.incident.name,
                "story": story.incident.story,
                "chapter": story.solver.name.partition("/")[0],
                "solved_by": story.solver.name,
                "before": story.before.name,
                "headline": headlines.of_incident(story.incident.headline),
            }
            for story in told
        ],
        "cells": [_entry(cell) for cell in cells],
    }


def _title(book: Book, step: Step) -> str:
    """The chapter that a step belongs to; the baseline is chapter 1's."""
    chapter = next((each for each in book.chapters if step in each.steps), book.chapters[0])
    return f"Chapter {chapter.number}: {chapter.title}"


def _entry(cell: Cell) -> dict[str, object]:
    entry: dict[str, object] = {
        "incident": cell.story.incident.name,
        "step": cell.step.name,
        "holds": cell.holds,
        "why": cell.why,
        "error": cell.error,
        "unjudged": cell.unjudged,
        "headline": headlines.of_cell(cell.story, cell.figure, cell.error),
    }
    run = cell.run
    if run is not None:
        entry |= {
            "success": run.success,
            "p50_s": run.latency_s(0.5),
            "p95_s": run.latency_s(0.95),
            "model_requests": len(run.model_requests),
            "cost_usd": str(run.cost_usd),
            "dollars_per_hour": run.dollars_per_hour,
            "tasks": len(run.outcomes),
            "done": run.done,
            "seconds": run.seconds,
            "served_by": run.served_by,
            "exit_code": run.exit_code,
        }
    entry["checks"] = [
        {
            "name": check.name,
            "value": check.value,
            "limit": check.limit,
            "at_most": check.at_most,
            "unit": check.unit,
            "ok": check.ok,
            "applies": check.applies,
        }
        for check in cell.checks
    ]
    return entry


def versions() -> dict[str, str]:
    """Python and the packages whose behaviour the figures depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
