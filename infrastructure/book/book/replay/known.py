"""What is known of incidents on steps: shared by `check`, the scoreboard, `run` and chapter 1.

Prevents two lies: a result that a busy machine made and that then stays, and a picture from
results that are not there. Kept is only what agrees with steps.toml, with the key of all that
decides it and when it was measured; every judged run leaves its figures as an observation.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from book.chain.chain import Book, Step
from book.chain.deciding import Deciding, Watched
from book.chain.kept import Kept, now
from book.replay.cells import Cell, agrees, must_hold
from book.replay.observations import Observations
from book.replay.replay import Story
from book.story.incident import Check, Run

Key: TypeAlias = Callable[[Deciding], str]
FOLDER = "BOOK_RESULTS"  # a variable: where results lie, if not in .cache


@dataclass(frozen=True)
class Observed:
    """A run that was kept without a cell, what was said of it, and when."""

    run: Run
    holds: bool
    measured: str


@dataclass
class Known:
    """Kept results of one state of the repository; with ``fresh`` none is used, all are made."""

    book: Book
    kept: Kept
    observations: Observations
    fresh: bool = False
    disproved: dict[tuple[str, str], str] = field(default_factory=dict)  # when it was kept

    @cached_property
    def watched(self) -> Watched:
        return Watched(self.book)

    def key(self, story: Story, step: Step, seed: int) -> str:
        """What decides the result of a pair."""
        return self._make(story, step, seed)(self.watched.began)

    def when(self, story: Story, step: Step, seed: int) -> str | None:
        """When the pair was found to be as steps.toml says; None if that is not known."""
        if self.fresh:
            return None
        cell = _cell(self.kept.get(self.key(story, step, seed)), story, step, None)
        # A change of steps.toml may ask the opposite of what was kept.
        if cell is None or cell.holds != must_hold(self.book, story, step):
            return None
        return cell.measured

    def cell(self, story: Story, step: Step, seed: int) -> Cell | None:
        """The cell with its figures; None if it is not known, or its figures are gone."""
        if self.when(story, step, seed) is None:
            return None
        value: Any = self.kept.get(self.key(story, step, seed))
        run = self.observations.read(str(value.get("observation")))
        return None if run is None else _cell(value, story, step, run)

    def keep(self, cell: Cell, seed: int) -> None:
        """Write the run down, and keep the result if it agrees with steps.toml.

        One that does not agree, and comes from a run that was made, disproves what was kept. What
        was measured while files changed belongs to no state of them.
        """
        if cell.run is None or cell.error is not None:
            return
        measured = cell.measured or now()
        name = self._write(cell.run, cell.story.incident.name, measured)
        key = self.key(cell.story, cell.step, seed)
        if agrees(self.book, cell):
            if self._still(key, self._make(cell.story, cell.step, seed)):
                checks = [asdict(check) for check in cell.checks]
                told = {"measured": measured, "holds": cell.holds, "why": cell.why}
                told |= {"figure": cell.figure}  # from texts, which an observation has not
                self.kept.put(key, {**told, "checks": checks, "observation": name})
        elif (value := self.kept.get(key)) is not None:
            self.disproved[cell.story.incident.name, cell.step.name] = str(value.get("measured"))
            self.kept.drop(key)

    def note(self, run: Run, incident: str) -> None:
        """Write down a judged run that makes no cell."""
        self._write(run, incident, now())

    def observed(self, make: Key) -> Observed | None:
        """What ``keep_observed`` kept under a key that names another way to run."""
        value = None if self.fresh else self.kept.get(make(self.watched.began))
        if not isinstance(value, dict):
            return None
        run = self.observations.read(str(value.get("observation")))
        if run is None:
            return None
        return Observed(run, bool(value.get("holds")), str(value.get("measured")))

    def keep_observed(self, make: Key, incident: str, run: Run, *, holds: bool, ok: bool) -> None:
        """Write a run down, and keep it with what was said of it if that is as it must be."""
        key, measured = make(self.watched.began), now()
        name = self._write(run, incident, measured)
        if ok and self._still(key, make):
            self.kept.put(key, {"measured": measured, "holds": holds, "observation": name})
        elif not ok:
            self.kept.drop(key)

    def _write(self, run: Run, incident: str, measured: str) -> str | None:
        try:
            return self.observations.write(run, incident, measured)
        except OSError as error:
            where = self.observations.folder
            self.kept.notice(f"{where}: observations could not be written: {error.strerror}")
            return None

    def _make(self, story: Story, step: Step, seed: int) -> Key:
        file = incident_file(self.book, story)
        return lambda deciding: deciding.pair(file, story.before, step, seed)

    def _still(self, key: str, make: Key) -> bool:
        if self.watched.still(key, make):
            return True
        self.kept.notice("files changed while incidents ran: those results are not kept")
        return False


@contextmanager
def opened(book: Book, *, fresh: bool = False) -> Iterator[Known]:
    """The results of this repository; what comes to be known is saved, Ctrl-C included."""
    folder = Path(os.environ.get(FOLDER) or book.root / ".cache")
    known = Known(book, Kept(folder / "results.json"), Observations(folder / "observations"), fresh)
    try:
        yield known
    finally:
        known.kept.save()
        known.observations.tidy()


def incident_file(book: Book, story: Story) -> Path:
    chapter = book.chapter(story.solver.name.partition("/")[0])
    return chapter.incident_file(story.incident.name)


def _cell(value: Any, story: Story, step: Step, run: Run | None) -> Cell | None:
    """A kept cell; None where it is not whole."""
    try:
        checks = tuple(Check(**each) for each in value["checks"])
        told = {"measured": str(value["measured"]), "figure": value["figure"]}
        cell = Cell(story, step, run, checks, kept=True, **told)
        return cell if cell.holds == value["holds"] else None
    except (KeyError, TypeError):
        return None
