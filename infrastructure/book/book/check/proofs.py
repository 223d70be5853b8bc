"""A rule on ``proofs.toml``: what proves a line of readiness exists, or is on the list of plans.

Prevents a line that waits for ever for an incident which somebody named otherwise, and a plan that
is still called one when it is there.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from book.chain.chain import Book
from book.chain.sources import sources
from book.check.finding import Finding
from book.check.names import is_target, targets

FILE, PLANNED = "proofs.toml", "planned"


def proofs(book: Book) -> Iterator[Finding]:
    """Incidents and commands that a chapter's proofs name exist, or are planned."""
    read = sources(book)
    incidents = {
        name
        for chapter in book.chapters
        for name in (*chapter.shows, *(each for step in chapter.steps for each in step.solves))
    }
    patterns = targets(read.text("Makefile") or "")
    for chapter in book.chapters:
        file = (chapter.path / FILE).relative_to(book.root).as_posix()
        listed = read.toml(file)
        planned = listed.pop(PLANNED, [])
        named: set[str] = set()
        for names in listed.values():
            for kind, _, what in (str(name).partition(":") for name in names):
                if kind not in ("incident", "test"):
                    continue
                named.add(what)
                call = re.fullmatch(r"make ([a-z0-9-]+)(?: .*)?", what)
                there = what in incidents
                if kind == "test":
                    there = call is not None and is_target(book, patterns, call[1])
                where = _line(book, file, f"{kind}:{what}")
                if not there and what not in planned:
                    close = difflib.get_close_matches(what, [*incidents, *planned], n=1)
                    hint = f"did you mean {close[0]}? or" if close else "name what exists, or"
                    yield Finding(
                        f"{chapter.name}'s proofs name {what}, which nobody has",
                        where,
                        f"{hint} add it to {PLANNED} in {file}",
                    )
                if there and what in planned:
                    yield Finding(
                        f"{what} is planned, and is there",
                        _line(book, file, what),
                        f"remove it from {PLANNED} in {file}",
                    )
        for what in planned:
            where = _line(book, file, str(what))
            if what not in named:
                yield Finding(
                    f"{what} is planned, and no line of the checklist needs it",
                    where,
                    f"name it in the line that it proves, or remove it from {PLANNED}",
                )
            if planned.count(what) > 1:
                yield Finding(f"{what} is planned twice", where, "remove one of the two")


def _line(book: Book, file: str, name: str) -> str:
    """Where a name stands between quotes."""
    numbers = [number for number, line in sources(book).lines(file) if f'"{name}"' in line]
    return f"{file}:{numbers[0]}" if numbers else file
