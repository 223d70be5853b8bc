"""``book diff``: the lesson between two steps; first the wiring, then each new module whole.

Prevents a lesson that drowns in its diff: a comparison of two folders mixes the few lines that
matter with READMEs and tests that are new everywhere. The rule: only files that the chain inherits
are compared; a pattern is read whole, since nothing stood in its place before.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

from book.chain import files
from book.chain.chain import Book, ChainError, Chapter, Step

CONTEXT = 3  # lines around a change
THEME = "ansi_dark"  # the terminal's own sixteen colours
PLACE = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@.*")


@dataclass(frozen=True)
class Line:
    """One line of a diff: ``sign`` is ``+``, ``-``, a blank, or a backslash before git's remark."""

    sign: str
    text: str
    old: int | None = None  # line numbers, from 1
    new: int | None = None


@dataclass(frozen=True)
class Hunk:
    place: str  # "@@ -1,2 +3,4 @@ class Agent:"
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class FileDiff:
    """How one file changed. ``summary`` counts its lines, or says new, gone or binary."""

    name: str
    before: Path
    after: Path
    summary: str
    hunks: tuple[Hunk, ...]


@dataclass(frozen=True)
class Module:
    path: Path
    shown: str  # from the root of the repository


@dataclass(frozen=True)
class Lesson:
    """What a reader sees between two steps: ``steps`` are those after ``before``, to the last."""

    before: Step
    steps: tuple[Step, ...]
    files: tuple[FileDiff, ...]
    modules: tuple[Module, ...]


def show(book: Book, a: Step, b: Step, out: Console) -> None:
    """The lesson from ``a`` to ``b``. Raises ChainError unless ``a`` comes before ``b``."""
    _print(_blocks(lesson(book, a, b)), out)


def show_chapter(book: Book, chapter: Chapter, out: Console) -> None:
    """Each lesson of a chapter. Raises ChainError if it has no step."""
    if not chapter.steps:
        package = (chapter.path / chapter.package).relative_to(book.root).as_posix()
        raise ChainError(f"{chapter.name} adds no step to the chain; read its package, {package}/")
    told = [lesson(book, book.before(step), step) for step in chapter.steps]
    _print([block for each in told for block in _blocks(each)], out)


def lesson(book: Book, a: Step, b: Step) -> Lesson:
    """Compare two steps. Raises ChainError for a wrong order or a module that does not exist."""
    first, last = book.steps.index(a), book.steps.index(b)
    if first == last:
        raise ChainError(f"both are {a.name}; a lesson lies between two steps")
    if first > last:
        raise ChainError(f"{a.name} comes after {b.name}; swap them: A={b.name} B={a.name}")
    steps = book.steps[first + 1 : last + 1]
    changed = (_compare(name, a.path / name, b.path / name) for name in _names(book, b))
    modules = dict.fromkeys(module for step in steps for module in _modules(book, step))
    return Lesson(a, steps, tuple(each for each in changed if each is not None), tuple(modules))


def _names(book: Book, step: Step) -> list[str]:
    """agent.py first: it shows where the pattern is plugged in."""
    order = {name: place for place, name in enumerate(files.WIRING)}
    return sorted(files.inherited(book, step), key=lambda name: order.get(name, len(order)))


def _modules(book: Book, step: Step) -> list[Module]:
    packages = [each.path / each.package for each in book.chapters if step in each.steps]
    found = []
    for path in (folder / f"{name}.py" for folder in packages for name in step.modules):
        shown = path.relative_to(book.root).as_posix()
        if not path.is_file():
            raise ChainError(f"{step.name} adds the module {path.stem}, but there is no {shown}")
        found.append(Module(path, shown))
    return found


def _compare(name: str, before: Path, after: Path) -> FileDiff | None:
    """None if both are alike. A file on one side only is compared with nothing."""
    old, new = (path.read_bytes() if path.is_file() else None for path in (before, after))
    if old == new:
        return None
    if b"\0" in (old or b"") + (new or b""):
        return FileDiff(name, before, after, "binary", ())
    added, removed = files.changed_lines(before, after)
    summary = f"+{added} -{removed}"
    if old is None or new is None:
        count = len((old or new or b"").splitlines())
        summary = f"{'new' if old is None else 'gone'}, {count} line{'s' * (count != 1)}"
    return FileDiff(name, before, after, summary, _hunks(before, after))


def _hunks(before: Path, after: Path) -> tuple[Hunk, ...]:
    """As git tells them, so that they agree with the lines that git counts."""
    sides = [str(path) if path.is_file() else os.devnull for path in (before, after)]
    shape = ("--no-color", "--no-ext-diff", "--no-textconv", "--inter-hunk-context=0")
    command = ["git", "-c", "diff.suppressBlankEmpty=false", "diff", "--no-index", *shape]
    printed = subprocess.run(
        [*command, f"--unified={CONTEXT}", "--", *sides], capture_output=True, check=False
    ).stdout.decode("utf-8", errors="replace")
    hunks: list[tuple[str, list[Line]]] = []
    old = new = 0
    for line in printed.split("\n")[:-1]:
        if place := PLACE.match(line):
            old, new = int(place[1]), int(place[2])
            hunks.append((line, []))
        elif hunks:
            sign, text = line[0], line[1:]
            in_old, in_new = sign in " -", sign in " +"
            numbers = old if in_old else None, new if in_new else None
            hunks[-1][1].append(Line(sign, text, *numbers))
            old, new = old + in_old, new + in_new
    return tuple(Hunk(place, tuple(lines)) for place, lines in hunks)


@dataclass(frozen=True)
class _Block:
    text: str
    lexer: str = ""  # none for a heading


def _blocks(told: Lesson) -> Iterator[_Block]:
    before, last = told.before.name, told.steps[-1]
    summary = " · ".join(f"{each.name} {each.summary}" for each in told.files)
    changed = f"Changed since {before}: {summary or 'none of its files'}"
    if len(told.steps) == 1:
        yield _Block(last.name)
        yield _Block(f"{last.lesson}\n{changed}", "text")
    else:
        yield _Block(f"From {before} to {last.name}")
        yield _Block("\n".join([*(f"{s.name}: {s.lesson}" for s in told.steps), changed]), "text")
    for each in told.files:
        lines = [f"--- {before}/{each.name}", f"+++ {last.name}/{each.name}"]
        for hunk in each.hunks:
            lines += [hunk.place, *(line.sign + line.text for line in hunk.lines)]
        if not each.hunks:
            lines.append(f"({each.summary})")
        yield _Block("\n".join(lines), "diff")
    for module in told.modules:
        yield _Block(f"New module: {module.shown}")
        yield _Block(module.path.read_text(encoding="utf-8", errors="replace"), "python")


def _print(blocks: Iterable[_Block], out: Console) -> None:
    """In colour on a terminal that wants it, paged where it is longer than the screen."""
    blocks = list(blocks)
    if isinstance(out.file, io.TextIOWrapper):  # an old code page may lack a character of a module
        out.file.reconfigure(errors="replace")
    plain = not out.is_terminal or out.no_color
    lines = sum(block.text.count("\n") + 2 for block in blocks)
    paged = out.is_terminal and out.file.isatty() and lines > out.height
    if paged:
        os.environ.setdefault("LESS", "FRX")  # as git does: without R, less prints colours as codes
    with out.pager(styles=True) if paged else nullcontext():
        for block in blocks:
            text = Text(block.text, style="" if block.lexer or plain else "bold underline")
            if block.lexer and not plain:
                colours = Syntax("", block.lexer, theme=THEME, background_color="default")
                text = colours.highlight(block.text)
            text.rstrip()
            out.print(text, end="\n\n", soft_wrap=True)
