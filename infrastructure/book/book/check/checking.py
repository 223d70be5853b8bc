"""Runs all of ``book check``: the rules that read, then what runs code, kept by content."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from book.chain.chain import Book, ChainError
from book.chain.deciding import Watched
from book.chain.kept import Kept
from book.check import collecting, commands, jobs, lessons, lock, reading
from book.check import incidents as check_incidents
from book.check.draw import Draw, Shard
from book.check.finding import Finding
from book.replay import known as knowing
from book.replay.closing import FAILED, UNJUDGED
from book.stage import trial
from book.stage.processes import Processes
from book.testing.running import IMPORTS


def lessons_and_commands(
    book: Book,
    processes: Processes,
    kept: Kept,
    on_job: Callable[[str], None],
    *,
    watched: Watched | None = None,
    fresh: bool = False,
    shard: Shard | None = None,
) -> list[Finding]:
    """The lessons on the steps around them, and the commands of READMEs."""
    asked = [
        *lessons.lesson_jobs(book, processes),
        *commands.command_jobs(book, processes),
        *collecting.collecting_jobs(book, processes),
        *lock.lock_jobs(book, processes, on_job),
    ]
    picked = asked if shard is None else shard.of(asked)
    return jobs.run(picked, processes, kept, watched or Watched(book), on_job, fresh=fresh)


@dataclass(frozen=True)
class Wanted:
    """How much to check. ``every`` asks incidents on all steps from the one before their own to the
    last; ``fresh`` uses no kept result; ``shard`` runs a share of what runs code; ``draw`` asks
    later steps only as long as its time allows. Up to the share ``unjudged`` of the pairs may stay
    without a verdict on a busy machine."""

    every: bool = False
    fresh: bool = False
    shard: Shard | None = None
    draw: Draw | None = None
    unjudged: float = 0.25

    @classmethod
    def of(
        cls,
        book: Book,
        *,
        every: bool,
        fresh: bool,
        shard: str,
        draw_s: float | None,
        unjudged: float,
    ) -> Wanted:
        """As a person writes it; raises ChainError for a shard or a draw that is none."""
        drawn = None if draw_s is None else Draw.of(draw_s, book.root)
        if drawn is not None and every:
            raise ChainError("--every asks all later steps and --draw some: choose one")
        if not 0 <= unjudged <= 1:
            raise ChainError(f"a share of pairs is 0 to 1, not {unjudged}")
        return cls(every, fresh, Shard.parse(shard) if shard else None, drawn, unjudged)


def run(book: Book, out: Console, wanted: Wanted) -> int:
    """Check what is wanted and show what was found: 0, FAILED, or UNJUDGED where nothing is wrong
    but that a busy machine allowed no verdict on some pairs.

    `reading.run` leaves out what runs code.
    """
    began = time.monotonic()
    found = reading.findings(book)
    with (
        knowing.opened(book, fresh=wanted.fresh) as known,  # Ctrl-C keeps what was found out
        tempfile.TemporaryDirectory(prefix="book-") as scratch,
        Processes((*IMPORTS, *trial.IMPORTS, "book.check.lessons"), Path(scratch)) as processes,
    ):

        def on_job(name: str) -> None:
            out.print(f"[dim]ran {escape(name)}")

        found += lessons_and_commands(
            book,
            processes,
            known.kept,
            on_job,
            watched=known.watched,
            fresh=wanted.fresh,
            shard=wanted.shard,
        )
        asked = check_incidents.ask(
            book,
            processes,
            known,
            on_job,
            every=wanted.every,
            shard=wanted.shard,
            draw=wanted.draw,
        )
        found += asked.findings
    found += check_incidents.too_many(asked, wanted.unjudged)
    for cell in asked.unjudged:
        what = f"{cell.story.incident.name} on {cell.step.name}: {cell.why}"
        out.print(f"[yellow]not judged[/] {escape(what)}", soft_wrap=True)
    rest = f"and what runs code ({asked.ran} pairs of incident and step run, "
    rest += f"{asked.known} known from earlier, {len(asked.unjudged)} not judged)"
    reading.show(book, out, found, rest, began, asked.lines)
    return FAILED if found else UNJUDGED if asked.unjudged else 0


def measure(book: Book) -> list[Path]:
    """Write the measured figures of READMEs anew; the files that changed."""
    with (
        tempfile.TemporaryDirectory(prefix="book-") as scratch,
        Processes((), Path(scratch)) as processes,
    ):
        return commands.measure(book, processes)
