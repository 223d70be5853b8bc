"""Runs the rules of ``book check`` and shows the findings, each with its mend."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from book.chain.chain import Book
from book.chain.kept import Kept, digest, shared
from book.check import commands, jobs, lessons
from book.check import incidents as check_incidents
from book.check.finding import Finding
from book.check.rules import READING
from book.replay.closing import FAILED, UNJUDGED
from book.scoreboard.board import Cell
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
    ]
    return jobs.run(asked, processes, kept, on_job)


def run(
    book: Book, out: Console, *, fast: bool, every: bool = False, unjudged: float = 0.25
) -> int:
    """Check everything, or only what needs no code to run; the exit code of what was found.

    With ``every``, incidents run on all steps from the one before their own to the last. Up to
    the share ``unjudged`` of the pairs may stay without a verdict on a busy machine: UNJUDGED.
    """
    began = time.monotonic()
    found: list[Finding] = []
    spoiled: list[Cell] = []
    for rule in READING:
        found += rule(book)
    if not fast:
        with (
            tempfile.TemporaryDirectory(prefix="book-") as scratch,
            Processes((*IMPORTS, *trial.IMPORTS, "book.check.lessons"), Path(scratch)) as processes,
        ):
            kept = Kept(book.root / ".cache" / "book-check.json")

            def on_job(name: str) -> None:
                out.print(f"[dim]ran {escape(name)}")

            try:
                found += lessons_and_commands(book, processes, kept, on_job)
                found += check_incidents.findings(
                    book, processes, kept, on_job, every=every, on_unjudged=spoiled.append
                )
            finally:
                kept.save()  # Ctrl-C keeps what was found out
    found += check_incidents.too_many(book, spoiled, unjudged, every=every)
    for cell in spoiled:
        what = f"{cell.story.incident.name} on {cell.step.name}: {cell.why}"
        out.print(f"[yellow]not judged[/] {escape(what)}", soft_wrap=True)
    for each in found:
        out.print(f"[red]{escape(each.where)}[/]: {escape(each.what)}", soft_wrap=True)
        out.print(f"    mend: {escape(each.mend)}", soft_wrap=True)
    what = f"{len(READING)} rules" + (
        ", what runs code left out" if fast else " and what runs code"
    )
    summary = f"{len(found)} findings" if found else "nothing found"
    summary += f", {len(spoiled)} pairs not judged" if spoiled else ""
    out.print(f"{summary}: {what}, {len(book.steps)} steps, {time.monotonic() - began:.1f} s")
    return FAILED if found else UNJUDGED if spoiled else 0
