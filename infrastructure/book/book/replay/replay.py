"""Replays an incident on the step before and on the step that solves it, and judges both.

Prevents an incident that was tuned until it passed: the step before must miss, the solving step
must hold, both must keep the promise without the trouble, and every fault rule must have fired.
A run that the machine spoiled is not judged, and neither is what would be compared with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from book.chain.chain import Book, ChainError, Chapter, Step
from book.stage import trial as trials
from book.stage.by_roles import roles_without_file
from book.stage.processes import Processes
from book.stage.schedule import run_all
from book.stage.services.errors import ServiceMissing
from book.stage.simulating import TrialError
from book.stage.trial import Trial
from book.stage.waiting import Waited, too_busy
from book.story.incident import Check, Evidence, Incident, Run, load


@dataclass(frozen=True)
class Row:
    """A trial, what was observed, and how it was judged. ``expected`` is None for a contrast."""

    trial: Trial
    run: Run
    checks: tuple[Check, ...]
    expected: bool | None

    @property
    def holds(self) -> bool:
        return all(check.ok for check in self.checks)

    @property
    def silent_rules(self) -> list[str]:
        """Trouble that met no request: then nothing was proven. A calm run has none."""
        return [] if self.trial.calm else self.trial.incident.silent(self.run)


@dataclass(frozen=True)
class Replay:
    """One incident under one seed: what was judged, and why the other trials were not."""

    incident: Incident
    seed: int
    rows: tuple[Row, ...]
    unjudged: tuple[tuple[Trial, str], ...] = ()
    skipped: str | None = None  # a server is missing here: which, and the line that installs it

    @property
    def before(self) -> Row | None:
        """The step before, under trouble; None where it was not judged."""
        return self._expected(False)

    @property
    def solver(self) -> Row | None:
        """The solving step under trouble; None where it was not judged."""
        return self._expected(True)

    def _expected(self, holds: bool) -> Row | None:
        trouble = (row for row in self.rows if not row.trial.calm)
        return next((row for row in trouble if row.expected is holds), None)

    @property
    def is_better(self) -> bool | None:
        """Whether the headline is better on the solving step than on the step before; None where
        one of the two was not judged."""
        if self.before is None or self.solver is None:
            return None
        return self.incident.headline.is_better(self.before.run, self.solver.run)

    def shown(self, row: Row | None) -> str:
        """The headline figure of a row, with its unit."""
        return "not judged" if row is None else self.incident.headline.shown(row.run)

    @property
    def problems(self) -> list[str]:
        """What is not as steps.toml says; empty when all is well."""
        found = []
        for row in self.rows:
            where = f"{row.trial.name}{', calm' if row.trial.calm else ''}"
            if row.silent_rules:
                found.append(f"{where}: no request met the fault {', '.join(row.silent_rules)}")
            if row.expected is True and not row.holds:
                missed = "; ".join(str(check) for check in row.checks if not check.ok)
                found.append(f"{where}: must hold, but {missed}")
            if row is self.solver and self.is_better is False:
                said = f"{self.shown(self.before)} -> {self.shown(row)}"
                words = self.incident.headline.words
                found.append(f"{where}: the headline is no better: {words} {said}")
            if row.expected is False and row.holds:
                found.append(f"{where}: must miss its verdict under this trouble, but holds")
        return found


# Trials with what each must show: hold, miss, or None where it is for comparison only.
Planned: TypeAlias = list[tuple[Trial, bool | None]]


@dataclass(frozen=True)
class Story:
    """An incident with the two steps that it is told on."""

    incident: Incident
    before: Step
    solver: Step


def stories(book: Book, chapter: Chapter, wanted: str | None = None) -> list[Story]:
    """The chapter's incidents in the order of its steps, or the one that is wanted."""
    names = {name: step for step in chapter.steps for name in step.solves}
    if not names:
        raise ChainError(f"{chapter.name} has no incident yet; `book list` shows what there is")
    if wanted is not None and wanted not in names:
        raise ChainError(f"{chapter.name} has no incident {wanted!r}. Valid: {', '.join(names)}")
    return [
        Story(played(chapter.incident_file(name), step), book.before(step), step)
        for name, step in names.items()
        if wanted in (None, name)
    ]


def played(file: Path, solver: Step) -> Incident:
    """The incident. ChainError names a role of it, or a server, that the solving step has not."""
    incident = load(file)
    if incident.redis and "redis" not in (*solver.services, *incident.services, *incident.own):
        raise ChainError(
            f"{file}: redis= sets up a server that {solver.name} does not use; add "
            'services=("redis",) to the incident or to the step in steps.toml, or leave it out'
        )
    files = sorted(each.name for each in solver.path.glob("*.py"))
    for role in roles_without_file(incident.roles, files):
        raise ChainError(
            f"{file}: role {role.name!r} runs {role.runs}, which {solver.name} has not. "
            f"Its files: {', '.join(files)}"
        )
    return incident


def with_settings(story: Story, chosen: Sequence[str]) -> Story:
    """The story with settings of the reader's own (``NAME=VALUE``) in place of the incident's.

    Raises ChainError for a name that the solving step's ``.env.example`` does not list.
    """
    example = (story.solver.path / ".env.example").read_text(encoding="utf-8")
    known = sorted(set(re.findall(r"^(?:# )?(AGENT_[A-Z_]+)=", example, re.MULTILINE)))
    settings = dict(story.incident.settings)
    for each in chosen:
        name, equals, value = each.partition("=")
        if not equals or name not in known:
            raise ChainError(f"no setting NAME=VALUE: {each!r}. Names: {', '.join(known)}")
        settings[name] = value
    return replace(story, incident=replace(story.incident, settings=settings))


def plan(story: Story, seed: int) -> Planned:
    """The trials of a story with what each must show; the one that lasts longest comes first."""
    incident, before, solver = story.incident, story.before, story.solver
    trouble = Trial(solver, incident, seed)
    return [
        (Trial(before, incident, seed), False),
        (trouble, True),
        *((trials.variant(trouble, c.label, c.settings), None) for c in incident.contrasts),
        (Trial(solver, incident, seed, calm=True), True),
        (Trial(before, incident, seed, calm=True), True),
    ]


def replay(
    told: Sequence[tuple[Story, int]],
    processes: Processes,
    on_done: Callable[[Trial, bool], None],
    *,
    is_too_busy: Callable[[Waited], bool] = too_busy,
) -> Iterator[Replay]:
    """Replay stories, each under its seed, and yield each as soon as it is complete, in order.

    Trials of several stories run side by side. Raises TrialError where one cannot be run.
    """
    plans = [plan(story, seed) for story, seed in told]
    each = [trial for planned in plans for trial, _ in planned]
    runs = run_all(each, processes, on_done, is_too_busy=is_too_busy)
    for (story, seed), planned in zip(told, plans, strict=True):
        yield judge(story.incident, seed, planned, [run for _, run in islice(runs, len(planned))])


def judge(
    incident: Incident,
    seed: int,
    planned: Sequence[tuple[Trial, bool | None]],
    runs: Sequence[Run | TrialError],
) -> Replay:
    """Apply the verdict: the promise to every run, the cure to the runs under trouble.

    The first planned trial is that of the step before the solving one. An error in a run's place
    leaves it unjudged, and what is compared with it. Where a server is missing the incident is
    skipped, whole.
    """
    absent = next((run for run in runs if isinstance(run, ServiceMissing)), None)
    if absent is not None:
        return Replay(incident, seed, (), skipped=str(absent))
    before = runs[0]
    calm = {
        trial.step.name: run for (trial, _), run in zip(planned, runs, strict=True) if trial.calm
    }
    rows: list[Row] = []
    unjudged: list[tuple[Trial, str]] = []
    for (trial, expected), run in zip(planned, runs, strict=True):
        start, quiet = (run, run) if trial.calm else (before, calm[trial.step.name])
        if isinstance(run, Run) and isinstance(start, Run) and isinstance(quiet, Run):
            checks = list(incident.promise(run))
            if not trial.calm:
                checks += incident.cure(Evidence(run, start, quiet))
            rows.append(Row(trial, run, tuple(checks), expected))
        else:
            spoiled = next(each for each in (run, start, quiet) if isinstance(each, TrialError))
            unjudged.append((trial, str(spoiled)))
    return Replay(incident, seed, tuple(rows), tuple(unjudged))
