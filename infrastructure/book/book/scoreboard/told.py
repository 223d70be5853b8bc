"""Figures of incidents that READMEs tell: tables that are written from runs, never by hand.

Prevents the proud figure of another commit. A block stands between ``generated: KIND of INCIDENT
..., measured=DIGEST`` and ``end generated`` in comments of a Markdown file. KIND ``headlines`` has
a row an incident; ``whole`` has one incident with the share of all tasks answered beside its
headline, for what a cure costs. The digest says of which code, incidents and texts the table is, so
a change of either makes it stale; ``book generate --measured`` writes both from what
``make chapter-NN`` keeps, and runs what is not known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from book.chain.chain import Book, ChainError, Step
from book.chain.contents import digest
from book.chain.deciding import Deciding
from book.chain.files import replace
from book.chain.sources import sources
from book.replay.cells import Cell, all_stories
from book.scoreboard import board, headlines

SEED = 7
DIGITS = 12
BLOCK = re.compile(
    r"(?P<open><!-- generated: (?P<kind>[a-z]+) of (?P<names>[^,\n]*?)"
    r"(?:, measured(?:=(?P<digest>\w*))?)? -->\n)"
    r"(?P<body>.*?)"
    r"(?P<close><!-- end generated)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Told:
    """A block: where it stands, what it is to tell, and what it says now."""

    file: str
    line: int
    place: int  # among the blocks of its file
    kind: str
    names: tuple[str, ...]
    body: str
    digest: str


def blocks(book: Book) -> Iterator[Told]:
    """Every block of such figures, in Markdown files."""
    read = sources(book)
    for name in read.names:
        text = (read.text(name) or "") if name.endswith(".md") else ""
        for place, found in enumerate(BLOCK.finditer(text)):
            line = text.count("\n", 0, found.start()) + 1
            said = found["kind"], tuple(found["names"].split()), found["body"]
            yield Told(name, line, place, *said, found["digest"] or "")


def wrong(book: Book, told: Told) -> str | None:
    """Why nobody can write this block; None if one can."""
    known = _solvers(book)
    if told.kind not in TABLES:
        return f"there is no table {told.kind!r}; there are {', '.join(TABLES)}"
    if unknown := [name for name in told.names if name not in known]:
        return f"there is no incident {', '.join(unknown)}; there are {', '.join(known)}"
    if not told.names or (told.kind == "whole" and len(told.names) > 1):
        return "name one incident" if told.kind == "whole" else "name an incident or more"
    return None


def key(book: Book, deciding: Deciding, told: Told, body: str) -> str:
    """What a block rests on, as one short text: code, incidents, seed, and its own rows."""
    solvers = _solvers(book)
    parts = [told.kind, *told.names, *body.split("\n")]
    for name in told.names:
        solver = solvers[name]
        file = book.chapter(solver.name.partition("/")[0]).incident_file(name)
        before = book.before(solver)
        parts += [deciding.told(file, before, step, SEED) for step in (before, solver)]
    return digest(parts)[:DIGITS]


def write(book: Book, out: Console) -> list[Path]:
    """Write all blocks anew from kept results, and from runs where there are none; what changed.

    Raises ChainError for a block that cannot be written, or a pair that could not be judged.
    """
    every = list(blocks(book))
    for told in every:
        if reason := wrong(book, told):
            raise ChainError(f"{told.file}:{told.line}: {reason}")
    cells = _cells(book, {name for told in every for name in told.names}, out)
    deciding = Deciding(book)
    written: list[Path] = []
    for told in every:
        body = TABLES[told.kind]([cells[name] for name in told.names])
        mark = f"measured={key(book, deciding, told, body)}"
        path = book.root / told.file
        text = path.read_text(encoding="utf-8")
        old = list(BLOCK.finditer(text))[told.place]
        opened = f"<!-- generated: {told.kind} of {' '.join(told.names)}, {mark} -->\n"
        fresh = text[: old.start()] + opened + body + text[old.start("close") :]
        if fresh != text:
            replace(path, fresh.encode())
            written += [path] if path not in written else []
    return written


def _solvers(book: Book) -> dict[str, Step]:
    return {name: step for step in book.steps for name in step.solves}


def _cells(book: Book, names: set[str], out: Console) -> dict[str, tuple[Cell, Cell]]:
    """For each of these incidents the step before and the solving one."""
    chosen = [story for story in all_stories(book) if story.incident.name in names]
    wanted = [(story, step) for story in chosen for step in (story.before, story.solver)]
    cells = board.asked(book, wanted, SEED, out)
    for cell in cells:
        if cell.error is not None or cell.run is None:
            raise ChainError(f"{cell.story.incident.name} on {cell.step.name}: {cell.why}")
    pairs = zip(cells[::2], cells[1::2], strict=True)
    return {before.story.incident.name: (before, after) for before, after in pairs}


def _headlines(cells: Sequence[tuple[Cell, Cell]]) -> str:
    head = "| when this happens | measured | step before | this step | which step |"
    rows = [head, "|---|---|---|---|---|"]
    for before, after in cells:
        incident = before.story.incident
        figures = " | ".join(map(_figure, (before, after)))
        told = f"{incident.symptom} | {incident.headline.words} | {figures}"
        rows.append(f"| {told} | {after.step.short} |")
    return _lines(rows)


def _whole(cells: Sequence[tuple[Cell, Cell]]) -> str:
    ((before, after),) = cells
    names = " | ".join(cell.step.short for cell in (before, after))
    rows = [f"| {before.story.incident.name}, seed {SEED} | {names} |", "|---|---|---|"]
    shown = " | ".join(map(_figure, (before, after)))
    rows.append(f"| {before.story.incident.headline.words} | {shown} |")
    shares = [cell.run.success for cell in (before, after) if cell.run is not None]
    shown = " | ".join(f"{share * 100:.1f}".removesuffix(".0") + "%" for share in shares)
    return _lines([*rows, f"| all tasks answered | {shown} |"])


def _figure(cell: Cell) -> str:
    return headlines.figure(cell.story, cell.figure, cell.error)


def _lines(rows: Sequence[str]) -> str:
    return "".join(f"{row}\n" for row in rows)


TABLES: dict[str, Callable[[Sequence[tuple[Cell, Cell]]], str]] = {
    "headlines": _headlines,
    "whole": _whole,
}
