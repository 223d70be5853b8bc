"""Rules on imports: they run to earlier chapters only, and product code knows no simulator.

Prevents later code that leaks into an earlier chapter, where no reader can follow it, and a package
that works only beside this repository. An import by name at run time counts as one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from book.chain.chain import Book, Chapter
from book.chain.sources import Sources, sources
from book.check.finding import Finding

SIMULATOR, HARNESS = "mock_claude", "book"
SIMULATOR_HOME, HARNESS_HOME = "infrastructure/mock-claude/", "infrastructure/book/book/"
# What a file of tests is called; these may use simulator and harness.
TEST = re.compile(r"(?:test\w*|\w+_test|conftest)\.py")
AGENTS = {"agent", "tools", "config", "service"}  # modules of a step, that no package can import


@dataclass(frozen=True)
class Owner:
    """Whose file it is: a chapter's number (0: the reference agent), and what part of it."""

    name: str
    number: int
    part: str  # package, step, or the folder: tests, incidents, exercises, demonstration, "."

    def is_product(self, file: str) -> bool:
        test = TEST.fullmatch(PurePosixPath(file).name) is not None
        return self.part == "package" or (self.part == "step" and not test)


def owner(book: Book, file: str) -> Owner | None:
    """The chapter that a file belongs to; None for infrastructure and what is beside it."""
    path = book.root / file
    first = book.steps[0]
    if path.is_relative_to(first.path):
        return Owner("the reference agent", 0, "step")
    for chapter in book.chapters:
        if path.is_relative_to(chapter.path):
            return Owner(chapter.name, chapter.number, _part(chapter, file, book))
    return None


def _part(chapter: Chapter, file: str, book: Book) -> str:
    inside = (book.root / file).relative_to(chapter.path).parts
    if inside[0] in {step.short for step in chapter.steps}:
        return "step"
    if inside[0] == chapter.package:
        return "package"
    return inside[0] if len(inside) > 1 else "."


def imports(book: Book) -> Iterator[Finding]:
    """A chapter's files import the packages of earlier chapters and its own, no later ones."""
    read = sources(book)
    numbers = {chapter.package: chapter.number for chapter in book.chapters}
    for file in read.python:
        whose = owner(book, file)
        if whose is None:
            continue
        for line, package in _packages(read, file, numbers):
            if numbers[package] > whose.number:
                first = whose.number == 0
                yield Finding(
                    f"{whose.name} imports {package} of chapter {numbers[package]}",
                    f"{file}:{line}",
                    "the baseline uses no chapter's package"
                    if first
                    else "imports run to earlier chapters only: pass it in, or move the code",
                )


def _packages(read: Sources, file: str, wanted: dict[str, int]) -> Iterator[tuple[int, str]]:
    """The wanted packages that a file imports, by statement, by name at run time, or in a text."""
    facts = read.facts(file)
    seen = {(line, dotted.partition(".")[0]) for line, dotted in read.imported(file)}
    seen.update(facts.in_texts)
    for line, text in facts.dotted if facts.loads else ():
        seen.add((line, text.partition(".")[0]))
    yield from sorted(each for each in seen if each[1] in wanted)


def foreign(book: Book) -> Iterator[Finding]:
    """Packages and agents import neither simulator nor harness; these import no chapter."""
    read = sources(book)
    packages = {chapter.package: chapter.number for chapter in book.chapters}
    tools = {SIMULATOR: 0, HARNESS: 0}
    for file in read.python:
        whose = owner(book, file)
        if whose is not None and whose.is_product(file):
            for line, package in _packages(read, file, tools):
                yield Finding(
                    f"{whose.name} imports {package} in product code",
                    f"{file}:{line}",
                    "product code does not know that it is tested: pass it in, or move the test",
                )
            agents = dict.fromkeys(AGENTS, 0) if whose.part == "package" else {}
            for line, module in _packages(read, file, agents):
                yield Finding(
                    f"the package of {whose.name} imports {module}, a step's module",
                    f"{file}:{line}",
                    "a step imports packages, never the other way round: pass it in",
                )
        elif file.startswith(SIMULATOR_HOME):
            for line, package in _packages(read, file, packages | {HARNESS: 0}):
                yield Finding(
                    f"the simulator imports {package}",
                    f"{file}:{line}",
                    "the simulator is useful on its own: pass it in, or move the code",
                )
        elif file.startswith(HARNESS_HOME):
            for line, package in _packages(read, file, packages):
                yield Finding(
                    f"the harness imports {package} of chapter {packages[package]}",
                    f"{file}:{line}",
                    "what a chapter shows is its own: move it to the chapter's demonstration",
                )
