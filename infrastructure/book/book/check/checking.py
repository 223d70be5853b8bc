"""Runs the rules of ``book check`` and shows the findings, each with its mend."""

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
from book.check import collecting, commands, jobs, lessons
from book.check import incidents as check_incidents
from book.check.draw import Draw, Shard
from book.check.finding import Finding
from book.check.rules import READING
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
    ]
    picked = asked if shard is None else shard.of(asked)
    return jobs.run(picked, processes, kept, watched or Watched(book), on_job, fresh=fresh)


@dataclass(frozen=True)
class Wanted:
    """How much to check. ``fast`` leaves out what runs code; ``every`` asks incidents on all steps
    from the one before their own to the last; ``fresh`` uses no kept result; ``shard`` runs a
    share of what runs code; ``draw`` asks later steps only as long as its time allows. Up to the
    share ``unjudged`` of the pairs that run may stay without a verdict on a busy machine."""

    fast: bool = False
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
        shard: str,
        draw_s: float | None,
        fast: bool = False,
        every: bool = False,
        fresh: bool = False,
        unjudged: float = 0.25,
    ) -> Wanted:
        """As a person writes it; raises ChainError for a shard or a draw that is none."""
        drawn = None if draw_s is None else Draw.of(draw_s, book.root)
        if drawn is not None and every:
            raise ChainError("--every asks all later steps and --draw some: choose one")
        if not 0 <= unjudged <= 1:
            raise ChainError(f"a share of pairs is 0 to 1, not {unjudged}")
        part = Shard.parse(shard) if shard else None
        return cls(fast, every, fresh, part, drawn, unjudged)


def run(book: Book, out: Console, wanted: Wanted) -> int:
    """Check what is wanted and show what was found: 0, FAILED, or UNJUDGED where nothing is wrong
    but that a busy machine allowed no verdict on some pairs."""
    began = time.monotonic()
    found: list[Finding] = []
    for rule in READING:
        found += rule(book)
    asked = check_incidents.Asked()
    if not wanted.fast:
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
    for each in found:
        out.print(f"[red]{escape(each.where)}[/]: {escape(each.what)}", soft_wrap=True)
        out.print(f"    mend: {escape(each.mend)}", soft_wrap=True)
    for line in asked.lines:
        out.print(escape(line), soft_wrap=True)
    what = f"{len(READING)} rules"
    if wanted.fast:
        what += ", what runs code left out"
    else:
        what += f" and what runs code ({asked.ran} pairs of incident and step run, "
        what += f"{asked.known} known from earlier)"
    summary = f"{len(found)} findings" if found else "nothing found"
    summary += f", {len(asked.unjudged)} pairs not judged" if asked.unjudged else ""
    out.print(f"{summary}: {what}, {len(book.steps)} steps, {time.monotonic() - began:.1f} s")
    return FAILED if found else UNJUDGED if asked.unjudged else 0
