"""Rules on incidents: a check of the cure is missed by somebody; a setting reaches the solver.

Prevents a verdict that looks stricter than it is, by checks which every step passes, and a setting
that is written down, shown, and dropped in silence because no step knows its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from book.chain.chain import Book, Step
from book.check.finding import Finding, at
from book.replay.cells import Cell, unmissed
from book.replay.replay import Story
from book.stage import trial as trials
from book.stage.processes import Processes
from book.stage.schedule import run_all
from book.stage.services.errors import ServiceMissing
from book.stage.simulating import TrialError
from book.stage.trial import Trial
from book.story.incident import Evidence, Incident, IncidentError, Run, load
from mock_claude import FaultScriptError

NAME = re.compile(r"^(?:# ?)?((?:AGENT|ANTHROPIC)_[A-Z0-9_]+)=", re.MULTILINE)
MEND = "tighten the limit so that the step before or a contrast misses it; or say guard=True"


def settings(book: Book) -> Iterator[Finding]:
    """The solving step declares every setting of its incidents, later steps the later ones."""
    for chapter in book.chapters:
        solvers = {name: step for step in chapter.steps for name in step.solves}
        for name, solver in solvers.items():
            file = chapter.incident_file(name)
            if not file.is_file():
                continue  # that it does not exist is another rule's
            try:
                incident = load(file)
            except (IncidentError, FaultScriptError) as error:
                yield Finding(str(error), at(book, file), "mend the incident")
                continue
            yield from undeclared(book, incident, file, solver)


def undeclared(book: Book, incident: Incident, file: Path, solver: Step) -> Iterator[Finding]:
    """Settings of one incident that nobody reads who should."""
    known = declared(solver)
    later: set[str] = set()
    for step in book.steps[book.steps.index(solver) + 1 :]:
        later |= declared(step)
    given = dict.fromkeys(incident.settings, "settings")
    given |= {name: f"the contrast {c.label!r}" for c in incident.contrasts for name in c.settings}
    for name, place in given.items():
        if name not in known:
            mend = f"name one of {', '.join(sorted(known))}"
            if name in later and place == "settings":
                mend = "move it to later_settings, for the steps that know it"
            what = f"{solver.name} declares no {name}, which {place} of {incident.name} sets"
            yield Finding(what, _line(book, file, name), mend)
    for name in incident.later_settings:
        if name in known:
            what = f"{solver.name} declares {name} itself"
            yield Finding(what, _line(book, file, name), "move it to settings")
        elif name not in later:
            what = f"no step after {solver.name} declares {name}"
            mend = f"name one of {', '.join(sorted(later - known)) or 'none: take it away'}"
            yield Finding(what, _line(book, file, name), mend)


def declared(step: Step) -> set[str]:
    """The variables of a step, as its .env.example lists them; its own tests hold that to it."""
    example = step.path / ".env.example"
    return set(NAME.findall(example.read_text(encoding="utf-8"))) if example.is_file() else set()


def nobody_misses(book: Book, cell: Cell, file: Path, processes: Processes) -> Iterator[Finding]:
    """Checks of the cure that neither the step before (``cell``) nor a contrast misses.

    Contrasts are run only where the step before leaves something open.
    """
    story, run = cell.story, cell.run
    if run is None or cell.error is not None:
        return
    open_still = {check.name for check in unmissed(cell)}
    try:
        for seen in _contrasts(story, run, processes) if open_still else ():
            open_still -= {check.name for check in story.incident.cure(seen) if not check.ok}
    except ServiceMissing:
        return  # the solving step's own pair says so
    except TrialError as error:
        yield Finding(f"a contrast could not be run: {error}", at(book, file), "mend the contrast")
        return
    for name in sorted(open_still):
        what = f"nobody misses the check {name!r}: {story.before.name} holds it"
        what += ", and so does every contrast" if story.incident.contrasts else ""
        yield Finding(what, _line(book, file, name), MEND)


def _contrasts(story: Story, before: Run, processes: Processes) -> Iterator[Evidence]:
    incident = story.incident
    if not incident.contrasts:
        return
    trouble = Trial(story.solver, incident, before.seed)
    planned = [trials.variant(trouble, c.label, c.settings) for c in incident.contrasts]
    planned += (
        [Trial(story.solver, incident, before.seed, calm=True)] if incident.needs_calm else []
    )
    done = []
    runs = list(run_all(planned, processes, lambda trial, ok: None, keep_errors=True))
    for _, run in runs:  # when all have ended: one that is left stops the processes of the others
        if isinstance(run, TrialError):
            raise run
        done.append(run)
    calm = done[-1] if incident.needs_calm else None
    yield from (Evidence(run, before, calm) for run in done[: len(incident.contrasts)])


def _line(book: Book, file: Path, text: str) -> str:
    lines = file.read_text(encoding="utf-8").splitlines()
    return at(book, file, next((n for n, line in enumerate(lines, 1) if text in line), 1))
