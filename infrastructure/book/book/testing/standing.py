"""The tests that stand on disk, read as text: which there are, and which pytest would take in.

Prevents a test that nobody runs: one whose file, folder, class or name pytest passes over, or one
that a second of its name replaces. Nothing here imports pytest.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import TypeAlias

from book.chain import sources as files
from book.chain.chain import Book
from book.chain.walking import walk
from book.testing import exceptions
from book.testing.units import Unit, slow_units, units

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
COLLECTED_FILES = ("test_*.py", "*_test.py")
FOLDERS = {"tests", "slow"}
PASSED_OVER = (".*", "*.egg", "_darcs", "build", "CVS", "dist", "node_modules", "venv", "{arch}")


@dataclass(frozen=True)
class Source:
    """A Python file that holds tests or what tests use. ``name`` is its path from the root."""

    name: str
    path: Path
    text: str = field(repr=False, compare=False)
    tree: ast.Module = field(repr=False, compare=False)
    nodes: tuple[ast.AST, ...] = field(repr=False, compare=False)  # the whole tree, once

    @property
    def is_collected(self) -> bool:
        return _is_collected(self.path)


@dataclass(frozen=True)
class Definition:
    """A ``def test…``: ``within`` are the classes, or functions, around it."""

    source: Source
    name: str
    line: int
    within: tuple[str, ...]
    lost: str = ""  # why pytest passes over it
    mend: str = ""

    @property
    def key(self) -> str:
        """As pytest names it: file, classes and name joined by ``::``, the file from the root."""
        return "::".join((self.source.name, *self.within, self.name))

    @property
    def where(self) -> str:
        return f"{self.source.name}:{self.line}"


def sources(book: Book, below: Sequence[Path] | None = None) -> list[Source]:
    """Every file of tests, and what lies in a folder of tests; others where they hold a test.

    Of the whole repository, or ``below`` some folders. What is no Python is left out: lint says so,
    with the place.
    """
    found, read = [], files.sources(book)
    for name in read.python:
        path, text = book.root / name, read.text(name) or ""
        asked = below is None or any(path.is_relative_to(folder) for folder in below)
        if asked and ("def test_" in text or _is_collected(path) or is_test_folder(name)):
            tree = read.parsed(name)
            if tree is not None:
                found.append(Source(name, path, text, tree, read.nodes(name)))
    return [each for each in found if _holds_tests(each)]


def _is_collected(path: Path) -> bool:
    return any(fnmatch(path.name, pattern) for pattern in COLLECTED_FILES)


def _holds_tests(source: Source) -> bool:
    in_place = source.is_collected or is_test_folder(source.name)
    return in_place or any(
        isinstance(node, FUNCTIONS) and node.name.startswith("test_") for node in source.nodes
    )


def is_test_folder(name: str) -> bool:
    return bool(FOLDERS & set(Path(name).parts[:-1])) or Path(name).name == "conftest.py"


def places(book: Book) -> list[tuple[Unit, Path]]:
    """The folders that each unit's pytest looks at."""
    every = (*units(book), *slow_units(book))
    return [(unit, unit.path / each) for unit in every for each in unit.tests]


def all_definitions(book: Book, found: list[Source]) -> Iterator[Definition]:
    """Each ``def test…`` of these files, and why pytest would pass over it, if it would."""
    known, bases = places(book), inherited_names(found)
    elsewhere = {each.file for each in exceptions.read(book).elsewhere}
    for source in found:
        if source.name in elsewhere:
            continue
        holders = [unit for unit, folder in known if source.path.is_relative_to(folder)]
        yield from definitions(source, holders, bases)


def definitions(source: Source, holders: list[Unit], bases: set[str]) -> Iterator[Definition]:
    """Those of one file. ``holders`` are the units that look at it, ``bases`` the classes that
    tests anywhere inherit from.
    """
    lost, mend = "", ""
    if not holders:
        lost = "lies in no folder of tests"
        mend = "move it to tests/ of its package, or into a step's test_agent.py"
    elif len(holders) > 1:
        lost = f"is collected twice, by {' and '.join(unit.name for unit in holders)}"
        mend = "move it below one of them"
    elif (folder := _passed_over(source, holders[0])) is not None:
        lost = f"lies in {folder}/, a folder that pytest passes over"
        mend = "give the folder another name"
    elif not source.is_collected:
        lost = f"stands in {source.path.name}, which pytest does not collect"
        mend = f"name the file test_{source.path.name}"
    yield from _walk(source, source.tree.body, (), (lost, mend), bases if holders else set())


def _passed_over(source: Source, holder: Unit) -> str | None:
    """A folder around a file, below its unit, whose name pytest does not look into."""
    inside = source.path.relative_to(holder.path).parts[:-1]
    return next((p for p in inside if any(fnmatch(p, each) for each in PASSED_OVER)), None)


def _walk(
    source: Source,
    body: list[ast.stmt],
    within: tuple[str, ...],
    lost: tuple[str, str],
    bases: set[str],
) -> Iterator[Definition]:
    for node in body:
        if isinstance(node, FUNCTIONS):
            if node.name.startswith("test") and not is_fixture(node):
                yield Definition(source, node.name, node.lineno, within, *lost)
            inner = (f"stands inside of {node.name}", "move it to the top of the file")
            yield from _walk(source, _nested(node), (*within, node.name), inner, bases)
        elif isinstance(node, ast.ClassDef):
            passed_over = _class_lost(node)
            inherited = node.name in bases and passed_over and source_of_base(lost)
            inside = ("", "") if inherited else (lost if lost[0] else passed_over or lost)
            yield from _walk(source, node.body, (*within, node.name), inside, bases)
        else:
            yield from _walk(source, _statements(node), within, lost, bases)


def source_of_base(lost: tuple[str, str]) -> bool:
    """A base class may stand in a file that pytest does not collect; its heirs are collected."""
    return not lost[0] or "pytest does not collect" in lost[0]


def _nested(function: Function) -> list[ast.stmt]:
    """What is defined inside of a function under a test's name, and not used there."""
    inner = [e for e in walk(function) if isinstance(e, FUNCTIONS) and e is not function]
    used = {e.id for e in walk(function) if isinstance(e, ast.Name)} if inner else set()
    return [e for e in inner if e.name.startswith("test_") and e.name not in used]


def _class_lost(node: ast.ClassDef) -> tuple[str, str] | None:
    """Why pytest passes over a class's tests."""
    if any(last_name(base).endswith("TestCase") for base in node.bases):
        return None
    if not node.name.startswith("Test"):
        return f"is in the class {node.name}", f"name the class Test{node.name.removeprefix('_')}"
    for each in node.body:
        if isinstance(each, FUNCTIONS) and each.name in ("__init__", "__new__"):
            return f"is in {node.name}, which has {each.name}", "use a fixture in its place"
        if isinstance(each, ast.Assign) and ast.unparse(each) == "__test__ = False":
            return f"is in {node.name}, which says __test__ = False", "take that line away"
    return None


def inherited_names(found: list[Source]) -> set[str]:
    """Classes that collected classes inherit from, also by way of others."""
    classes = [n for each in found for n in each.nodes if isinstance(n, ast.ClassDef)]
    names = {node.name for node in classes if _class_lost(node) is None}
    own = set(names)
    while True:
        more = {last_name(base) for node in classes if node.name in names for base in node.bases}
        if more <= names:
            return names - own
        names |= more


def is_fixture(node: Function) -> bool:
    return any(last_name(each) == "fixture" for each in node.decorator_list)


def _statements(node: ast.stmt) -> list[ast.stmt]:
    """The statements directly in an if, try, with, for or match."""
    found = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            found.append(child)
        elif isinstance(child, ast.ExceptHandler | ast.match_case):
            found += child.body
    return found


def last_name(node: ast.expr) -> str:
    """``fixture`` of ``@pytest.fixture(scope="module")``."""
    while isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
