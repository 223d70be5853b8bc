"""The harness is parted into rooms, and imports between them run one way."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import book
from book.chain.chain import Book

ROOT = Path(book.__file__).parent
# What each room may import beside itself; later ones take in what earlier ones may.
MAY_IMPORT = {
    "chain": set[str](),
    "story": set[str](),
    "stage": {"story", "chain"},
    "replay": {"stage", "story", "chain"},
    "testing": {"chain", "stage"},
    "scoreboard": {"replay", "stage", "story", "chain"},
    "lessons": {"chain", "stage"},
    "pages": {"scoreboard", "lessons", "replay", "stage", "story", "chain"},
    "propagation": {"chain"},
    "check": {
        *("pages", "scoreboard", "lessons", "replay", "testing", "propagation"),
        *("stage", "story", "chain"),
    },
}
BESIDE = {"__init__.py", "__main__.py", "cli.py", "upkeep.py", "py.typed"}
MOST_LINES = 250


def modules(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def imported(file: Path) -> Iterator[tuple[int, str]]:
    """What a file imports, by line: ``book.stage.trial`` or ``rich.table``."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: write imports whole"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def test_every_module_stands_in_a_room() -> None:
    rooms = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert rooms == MAY_IMPORT.keys()
    assert {path.name for path in ROOT.iterdir() if path.is_file()} == BESIDE


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_itself_and_the_rooms_that_it_may(room: str) -> None:
    allowed = MAY_IMPORT[room] | {room}
    wrong = [
        f"{file.relative_to(ROOT)}:{line}: {name}"
        for file in modules(room)
        for line, name in imported(file)
        if name.startswith("book.") and name.split(".")[1] not in allowed
    ]
    assert wrong == []


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_says_what_one_comes_for(room: str) -> None:
    assert ast.get_docstring(ast.parse((ROOT / room / "__init__.py").read_text(encoding="utf-8")))


def test_no_module_of_the_harness_imports_a_chapter() -> None:
    packages = {chapter.package for chapter in Book.find().chapters}
    wrong = [
        f"{file.relative_to(ROOT)}:{line}: {name}"
        for file in sorted(ROOT.rglob("*.py"))
        for line, name in imported(file)
        if name.split(".")[0] in packages
    ]
    assert wrong == []


def test_a_module_is_short_enough_to_be_read_from_top_to_bottom() -> None:
    lines = {
        file.relative_to(ROOT).as_posix(): len(file.read_text(encoding="utf-8").splitlines())
        for file in ROOT.rglob("*.py")
    }
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}
