"""Runs all of ``book check``: the rules that read, then what runs code, kept by content."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from book.chain.chain import Book
from book.chain.kept import Kept, digest, shared
from book.check import commands, jobs, lessons, lock, reading
from book.check import incidents as check_incidents
from book.check.finding import Finding
from book.stage import trial
from book.stage.processes import Processes
from book.testing.running import IMPORTS


def lessons_and_commands(
    book: Book, processes: Processes, kept: Kept, on_job: Callable[[str], None]
) -> list[Finding]:
    """The lessons on the steps around them, and the commands of READMEs."""
    world = digest(path.read_bytes() for path in shared(book))
    asked = [
        *lessons.lesson_jobs(book, processes, world),
        *commands.command_jobs(book, processes, world),
        *lock.lock_jobs(book, processes, on_job),
    ]
    return jobs.run(asked, processes, kept, on_job)


def run(book: Book, out: Console, *, every: bool = False) -> bool:
    """Check everything; whether nothing was found. `reading.run` leaves out what runs code.

    With ``every``, incidents run on all steps from the one before their own to the last.
    """
    began = time.monotonic()
    found = reading.findings(book)
    with (
        tempfile.TemporaryDirectory(prefix="book-") as scratch,
        Processes((*IMPORTS, *trial.IMPORTS, "book.check.lessons"), Path(scratch)) as processes,
    ):
        kept = Kept(book.root / ".cache" / "book-check.json")

        def on_job(name: str) -> None:
            out.print(f"[dim]ran {escape(name)}")

        try:
            found += lessons_and_commands(book, processes, kept, on_job)
            found += check_incidents.findings(book, processes, kept, on_job, every=every)
        finally:
            kept.save()  # Ctrl-C keeps what was found out
    reading.show(book, out, found, "and what runs code", began)
    return not found


def measure(book: Book) -> list[Path]:
    """Write the measured figures of READMEs anew; the files that changed."""
    with (
        tempfile.TemporaryDirectory(prefix="book-") as scratch,
        Processes((), Path(scratch)) as processes,
    ):
        return commands.measure(book, processes)
