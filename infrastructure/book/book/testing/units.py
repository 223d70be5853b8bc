"""Units: the folders whose tests and types are checked together, each apart from the others.

Two step folders both hold a module named ``agent``, so no check may take in two of them. Everything
that tests, or plans tests, asks here what there is.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from book.chain import generate
from book.chain.chain import Book, ChainError, Chapter, Step

WORKFLOW = Path(".github/workflows/tests.yml")
SLOW = "slow"  # the folder of tests that take minutes, and what to ask `book test` for


@dataclass(frozen=True)
class Unit:
    """A folder whose tests and types are checked together.

    ``types`` are the paths below ``path`` that mypy reads; ``tests`` those that pytest collects.
    """

    name: str
    path: Path
    tests: tuple[str, ...]
    types: tuple[str, ...]


def units(book: Book) -> list[Unit]:
    """Every folder that has tests, in the order of the chain; then what holds it together."""
    found = [_step_unit(book.steps[0])]
    for chapter in book.chapters:
        found.append(_chapter_unit(chapter))
        found += [_step_unit(step) for step in chapter.steps]
    for name, package in (("mock-claude", "mock_claude"), ("book", "book")):
        folder = book.root / "infrastructure" / name
        found.append(Unit(f"infrastructure/{name}", folder, ("tests",), _code(folder, package)))
    found.append(Unit("repository", book.root, ("tests",), ("tests",)))
    return found


def slow_units(book: Book) -> list[Unit]:
    """The folders whose tests take minutes: asked for by name, never run among all others.

    Their types belong to the unit around them.
    """
    folders = {unit.path: unit.name for unit in units(book) if (unit.path / SLOW).is_dir()}
    return [Unit(f"{name}/{SLOW}", path, (SLOW,), ()) for path, name in folders.items()]


def _code(folder: Path, package: str) -> tuple[str, ...]:
    scripts = sorted(path.name for path in folder.glob("*.py"))
    return (package, "tests", *([SLOW] if (folder / SLOW).is_dir() else []), *scripts)


def _step_unit(step: Step) -> Unit:
    return Unit(step.name, step.path, (".",), (".",))


def _chapter_unit(chapter: Chapter) -> Unit:
    extra = tuple(n for n in ("incidents", "demonstration") if (chapter.path / n).is_dir())
    name = f"{chapter.name}/{chapter.package}"
    return Unit(name, chapter.path, ("tests",), (*_code(chapter.path, chapter.package), *extra))


def blocks(book: Book) -> generate.Handed:
    """The generated block of the workflow: everything that `book test` knows."""

    def line() -> str:
        return f"ALL_UNITS: '{json.dumps([unit.name for unit in units(book)])}'"

    return {WORKFLOW: {"units": line}}


def changed(book: Book, since: str) -> list[Unit]:
    """The units that a change since the commit ``since`` can break, in order.

    What all use (simulator, harness, project files) touches every unit; a chapter's package its
    own chapter and the later ones; a step folder itself. Raises ChainError for an unknown commit.
    """
    listed = subprocess.run(
        ["git", "diff", "--name-only", f"{since}...HEAD"],
        cwd=book.root,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if listed.returncode:
        raise ChainError(f"git knows no commit {since!r}: {listed.stderr.strip()}")
    every = units(book)
    touched: set[str] = set()
    for name in listed.stdout.splitlines():
        parts = Path(name).parts
        owners = [unit for unit in every if (book.root / name).is_relative_to(unit.path)]
        owner = max(owners, key=lambda unit: len(unit.path.parts))
        if parts[0] == "infrastructure" or parts[-1] in ("pyproject.toml", "uv.lock"):
            return every
        if owner.path in {chapter.path for chapter in book.chapters}:
            touched |= {unit.name for unit in every[every.index(owner) :]}
        touched |= {owner.name, "repository"}
    return [unit for unit in every if unit.name in touched]


def chosen(book: Book, wanted: str | None) -> list[Unit]:
    """The units of a chapter, one step, or one folder; ``slow`` for all that take minutes.

    Raises ChainError for anything else.
    """
    every, slow = units(book), slow_units(book)
    if wanted is None:
        return every
    if wanted == SLOW:
        return slow
    exact = [unit for unit in every if wanted.strip("/") in (unit.name, unit.path.name)]
    exact += [unit for unit in slow if wanted.strip("/") == unit.name]
    if exact:
        return exact
    try:
        chapter = book.chapter(wanted)
    except ChainError:
        pass
    else:
        return [unit for unit in every if unit.name.startswith(f"{chapter.name}/")]
    try:
        return [unit for unit in every if unit.name == book.step(wanted).name]
    except ChainError:
        names = ", ".join([*(c.name for c in book.chapters), *(unit.name for unit in every), SLOW])
        raise ChainError(f"there is nothing to test called {wanted!r}. Valid: {names}") from None
