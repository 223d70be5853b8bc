"""Blocks of text that are made from the chain, so that no table is kept true by hand.

A block stands between ``generated: NAME`` and ``end generated`` in a comment of its file. `book
check` reports a stale one; `book generate` writes them all. Blocks that other rooms make, such as
the workflow's list of units, are handed in by whoever knows those rooms.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from book.chain import checklist, without_make
from book.chain.chain import Book, Chapter, Step
from book.chain.files import WIRING, changed_lines, inherited, replace

BLOCK = re.compile(
    r"(?P<open>(?P<lead>[ ]*)(?:<!--|#) generated: (?P<name>[a-z]+)(?: -->)?\n)"
    r"(?P<body>.*?)"
    r"(?P<close>[ ]*(?:<!--|#) end generated)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Stale:
    """A file whose generated block is missing or not what the chain makes it."""

    path: Path
    line: int
    reason: str
    fresh: str | None  # the whole file as it should be; None where the block is missing


Blocks = dict[str, Callable[[], str]]  # by name, each with what makes its text
Handed = Mapping[Path, Blocks]  # by file, below the root


def stale(book: Book, handed: Handed) -> list[Stale]:
    """Every generated block that is out of date, in the order of the chain."""
    wanted = [*_wanted(book), *((book.root / path, made) for path, made in handed.items())]
    return [found for path, blocks in wanted for found in _compare(path, blocks)]


def write(book: Book, handed: Handed) -> list[Path]:
    """Bring all blocks up to date; the files that changed."""
    written = []
    for found in stale(book, handed):
        if found.fresh is not None:
            replace(found.path, found.fresh.encode())
            written.append(found.path)
    return written


def _wanted(book: Book) -> Iterator[tuple[Path, Blocks]]:
    root: Blocks = {"chapters": partial(chapters_table, book), "commands": without_make.table}
    yield book.root / "README.md", root
    for chapter in book.chapters:
        blocks: Blocks = {"steps": partial(steps_table, chapter)} if chapter.steps else {}
        if (chapter.path / checklist.FILE).is_file():
            blocks["checklist"] = partial(checklist.table, book, chapter)
        yield chapter.path / "README.md", blocks
    for step in book.steps[1:]:
        yield step.path / "README.md", {"changes": partial(changes_table, book, step)}


def _compare(path: Path, blocks: Blocks) -> Iterator[Stale]:
    if not path.is_file():
        return  # that it is missing is another rule's finding
    text = path.read_text(encoding="utf-8")
    present = {match["name"]: match for match in BLOCK.finditer(text)}
    for name in sorted(blocks.keys() - present.keys()):
        yield Stale(path, 1, f"the generated block {name!r} is missing", None)

    def renew(match: re.Match[str]) -> str:
        make = blocks.get(match["name"])
        return (
            match[0] if make is None else f"{match['open']}{_body(match, make())}{match['close']}"
        )

    fresh = BLOCK.sub(renew, text)
    if fresh != text:
        old, new = text.splitlines(), fresh.splitlines()
        same = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), 0)
        yield Stale(path, same + 1, "the generated block is out of date", fresh)


def _body(match: re.Match[str], made: str) -> str:
    lead: str = match["lead"]
    return "".join(f"{lead}{line}\n" if line else "\n" for line in made.splitlines())


def chapters_table(book: Book) -> str:
    """The root README's table of chapters."""
    rows = ["| chapter | steps | incidents | package |", "|---|---|---|---|"]
    for chapter in book.chapters:
        folder = chapter.path.relative_to(book.root).as_posix()
        steps = ", ".join(f"[{s.short}]({folder}/{s.short})" for s in chapter.steps)
        first = book.steps[0].name
        steps = steps or f"[{first}]({first}), the baseline"
        incidents = ", ".join(name for s in chapter.steps for name in s.solves)
        incidents = incidents or f"measures {chapter.measures or 'nothing yet'}"
        title = f"{chapter.number} [{chapter.title}]({folder})"
        rows.append(f"| {title} | {steps} | {incidents} | [`{chapter.package}`]({folder}) |")
    return "\n".join(rows)


def steps_table(chapter: Chapter) -> str:
    """A chapter README's table of steps."""
    rows = ["| step | lesson | modules | solves |", "|---|---|---|---|"]
    for step in chapter.steps:
        modules = ", ".join(f"[`{m}`]({chapter.package}/{m}.py)" for m in step.modules) or "none"
        solves = ", ".join(step.solves) or "none"
        rows.append(f"| [{step.short}]({step.short}) | {step.lesson} | {modules} | {solves} |")
    return "\n".join(rows)


def changes_table(book: Book, step: Step) -> str:
    """A step README's table of what differs from the step before."""
    before = book.before(step)
    above = os.path.relpath(before.path, step.path).replace(os.sep, "/")
    rows = [f"Against [{before.name}]({above}):", "", "| file | added | removed |", "|---|---|---|"]
    for name in inherited(book, step):
        old, new = before.path / name, step.path / name
        if new.is_file() and not old.is_file():
            rows.append(f"| [`{name}`]({name}) | new | |")
        elif old.is_file() and not new.is_file():
            rows.append(f"| `{name}` | | gone |")
        elif old.is_file() and old.read_bytes() != new.read_bytes():
            added, removed = changed_lines(old, new)
            rows.append(f"| [`{name}`]({name}) | {added} | {removed} |")
    return "\n".join(rows)


def wiring_changes(book: Book, step: Step) -> dict[str, int]:
    """Changed lines (added and removed) of each wiring file against the step before."""
    before = book.before(step)
    counts = {n: sum(changed_lines(before.path / n, step.path / n)) for n in WIRING}
    return {name: count for name, count in counts.items() if count}
