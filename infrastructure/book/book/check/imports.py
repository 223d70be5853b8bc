"""Rules on imports: they run to earlier chapters only.

Prevents later code that leaks into an earlier chapter, where no reader can follow it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from book.chain.chain import Book
from book.check.finding import Finding, at


def imports(book: Book) -> Iterator[Finding]:
    """A chapter imports the packages of earlier chapters and its own, never of later ones."""
    numbers = {chapter.package: chapter.number for chapter in book.chapters}
    for chapter in book.chapters:
        folders = [chapter.path / chapter.package, chapter.path / "tests"]
        folders += [step.path for step in chapter.steps]
        for path in sorted(file for folder in folders for file in folder.rglob("*.py")):
            for line, package in _imported(path):
                if numbers.get(package, 0) > chapter.number:
                    yield Finding(
                        f"{chapter.name} imports {package} of chapter {numbers[package]}",
                        at(book, path, line),
                        "imports run to earlier chapters only: pass it in, or move the code",
                    )
    for path in sorted(book.steps[0].path.glob("*.py")):
        for line, package in _imported(path):
            if package in numbers:
                yield Finding(
                    f"the reference agent imports {package}",
                    at(book, path, line),
                    "the baseline uses no chapter's package",
                )


def _imported(path: Path) -> Iterator[tuple[int, str]]:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError:
        return  # lint says so, with the place
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module.split(".")[0]
