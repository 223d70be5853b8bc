"""A chapter's checklist: every rule of correct code beside the tests that hold it.

Prevents a list that promises more than the tests keep. The rule: each ``[[line]]`` of a chapter's
``checklist.toml`` names tests that exist, or the later chapter that writes them. `book generate`
makes the tables of the chapter's README from it; `book check` looks for every test.
"""

from __future__ import annotations

import ast
import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from book.chain.chain import Book, ChainError, Chapter
from book.chain.sources import sources
from mock_claude.toml_places import line_of

FILE = "checklist.toml"
MARK = "<!-- generated: checklist -->"
HOW = "a [[line]] has section, says, and tests or later"
TEST = re.compile(r"(?P<file>\w[\w.-]*(?:/\w[\w.-]*)*\.py)(?P<names>(?:::[A-Za-z_]\w*)+)")


def _one_line(text: str) -> str:
    if not text.strip() or text != text.strip() or "\n" in text:
        raise ValueError("write one line of text, with no space around it")
    return text


def _test_name(name: str) -> str:
    if not TEST.fullmatch(name):
        raise ValueError("write FILE::TEST or FILE::CLASS::TEST, FILE from tests/ or from a step")
    return name


Text = Annotated[str, AfterValidator(_one_line)]


class Line(BaseModel):
    """One rule, in one sentence, and what holds it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    section: Text
    says: Text
    tests: tuple[Annotated[str, AfterValidator(_test_name)], ...] = ()
    later: Text | None = None  # "chapter 7: streams"

    @model_validator(mode="after")
    def _is_held(self) -> Line:
        if not self.tests and self.later is None:
            raise ValueError("nothing holds it: name its tests, or the chapter that does it later")
        return self


class _Checklist(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    line: tuple[Line, ...] = Field(min_length=1)


class Wrong(NamedTuple):
    """The fields of a finding of `book check`, in its order."""

    what: str
    where: str
    mend: str


def read(chapter: Chapter) -> tuple[Line, ...]:
    """The lines of the chapter's file, which must exist. Raises ChainError where it is wrong."""
    file = chapter.path / FILE
    text = file.read_text(encoding="utf-8")
    try:
        return _Checklist.model_validate(tomllib.loads(text)).line
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        number = int(found[1]) if found else len(text.splitlines())
        raise ChainError(f"{file}:{number}: not valid TOML: {error}") from None
    except ValidationError as error:
        # A misspelt key says more than the missing one that it causes.
        first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        key, reason = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            level = Line if len(first["loc"]) > 1 else _Checklist
            reason = f"unknown key; allowed: {', '.join(level.model_fields)}"
        number = line_of(text, first["loc"])
        raise ChainError(f"{file}:{number}: {key}: {reason}; {HOW}") from None


def table(book: Book, chapter: Chapter) -> str:
    """The generated block: a heading and a table for each section, in the order of the file."""
    lines = read(chapter)
    order = list(dict.fromkeys(line.section for line in lines))
    parts = []
    for section, group in groupby(
        sorted(lines, key=lambda line: order.index(line.section)), lambda line: line.section
    ):
        rows = [f"| {_cell(line.says)} | {_held_by(book, chapter, line)} |" for line in group]
        parts.append("\n".join([f"### {section}", "", "| rule | held by |", "|---|---|", *rows]))
    return "\n\n".join(parts)


def _held_by(book: Book, chapter: Chapter, line: Line) -> str:
    """The tests of a rule, each in words, with a link to the line where it begins."""
    held = []
    for test in line.tests:
        path, name = _place(chapter, test)
        words = ": ".join(part.removeprefix("test_") for part in name.split("::")).replace("_", " ")
        begins = (tests_in(book, path) or {}).get(name)
        anchor = "" if begins is None else f"#L{begins}"
        held.append(f"[{words}]({path.relative_to(chapter.path).as_posix()}{anchor})")
    if line.later is not None:
        held.append(_cell(line.later))
    return "<br>".join(held)


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def _place(chapter: Chapter, test: str) -> tuple[Path, str]:
    """The file of a test, below a step or ``tests/``, and its name in there."""
    name, _, inside = test.partition("::")
    is_step = name.partition("/")[0] in {step.short for step in chapter.steps}
    return chapter.path / ("." if is_step else "tests") / name, inside


class Named(NamedTuple):
    """A test that a checklist names: its file, its name in there, and what it is said to hold."""

    path: Path
    name: str
    says: str


def named(book: Book) -> Iterator[Named]:
    """Every test that a checklist names, whether or not it exists."""
    for chapter in book.chapters:
        if (chapter.path / FILE).is_file():
            for line in read(chapter):
                yield from (Named(*_place(chapter, test), line.says) for test in line.tests)


def findings(book: Book) -> Iterator[Wrong]:
    """Tests that a checklist names and that do not exist; a checklist without a README, or a block
    without a checklist. That a README lacks the block is what ``generate.stale`` finds.
    """
    for chapter in book.chapters:
        file, readme = chapter.path / FILE, chapter.path / "README.md"
        shown = file.relative_to(book.root).as_posix()
        where = readme.relative_to(book.root).as_posix()
        if file.is_file():
            yield from _missing_tests(book, chapter, shown)
            if not readme.is_file():
                mend = f"write it, with {MARK} and <!-- end generated --> in it"
                yield Wrong(f"no README shows {shown}", where, mend)
        elif readme.is_file() and MARK in readme.read_text(encoding="utf-8"):
            what = f"the generated block 'checklist' is made from {FILE}, which does not exist"
            yield Wrong(what, where, f"write {shown}, or remove the block")


def _missing_tests(book: Book, chapter: Chapter, shown: str) -> Iterator[Wrong]:
    text = (chapter.path / FILE).read_text(encoding="utf-8")
    known: dict[Path, dict[str, int] | None] = {}
    for number, line in enumerate(read(chapter)):
        for position, test in enumerate(line.tests):
            path, name = _place(chapter, test)
            if path not in known:
                known[path] = tests_in(book, path)
            names = known[path]
            if names is None or name in names:
                continue
            where = f"{shown}:{line_of(text, ('line', number, 'tests', position))}"
            close = difflib.get_close_matches(name, sorted(names), n=1)
            mend = f"name {close[0]}, or write the test" if close else "write it, or name another"
            file = path.relative_to(book.root).as_posix()
            there = f"{file} has no test {name}" if path.is_file() else f"there is no file {file}"
            yield Wrong(f"{there}, which is said to hold: {line.says}", where, mend)


def tests_in(book: Book, path: Path) -> dict[str, int] | None:
    """The tests in a file, by name, each with its line: functions, CLASS::TEST, and CLASS for all
    of its tests.

    Empty if there is no file; None if it is no Python, which lint says with the place.
    """
    if not path.is_file():
        return {}
    tree = sources(book).parsed(path.relative_to(book.root).as_posix())
    return None if tree is None else dict(_names(tree))


def _names(node: ast.AST, within: str = "") -> Iterable[tuple[str, int]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            if child.name.startswith("test"):
                yield within + child.name, child.lineno
        elif isinstance(child, ast.ClassDef):
            if child.name.startswith("Test"):
                yield within + child.name, child.lineno
                yield from _names(child, f"{within}{child.name}::")
        elif isinstance(child, ast.Assign):  # TestX = StateMachine.TestCase
            for target in child.targets:
                if isinstance(target, ast.Name) and target.id.startswith("Test"):
                    yield within + target.id, child.lineno
        elif isinstance(child, ast.stmt | ast.ExceptHandler):  # if, try, with
            yield from _names(child, within)
