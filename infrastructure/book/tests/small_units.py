"""A small repository of a chapter, a step and all packages, and ``book test`` on it."""

from __future__ import annotations

import subprocess
from collections.abc import Collection
from pathlib import Path

from book.chain.chain import Book
from book.stage.processes import Processes
from book.testing.deciding import Tree
from book.testing.jobs import Jobs
from book.testing.keeping import Green
from book.testing.report import Report
from book.testing.units import chosen

STEPS = """
title = "Trials"
package = "trials"

[[step]]
name = "first"
lesson = "One thing."
changes = ["agent.py"]
"""
PROJECT = """
[project]
name = "{name}"
version = "1"
dependencies = [{needs}]

[dependency-groups]
dev = [{dev}]

[tool.uv.build-backend]
module-name = "{module}"
"""
CHAPTER = "chapters/chapter-02-trials"
FILES = {
    "pyproject.toml": "",
    "uv.lock": "",
    ".gitignore": ".cache/\n__pycache__/\n",
    "reference-agent/pyproject.toml": PROJECT.format(
        name="reference-agent", needs="", dev='"mock-claude"', module=""
    ),
    "reference-agent/test_agent.py": "def test_one() -> None: pass\n",
    f"{CHAPTER}/steps.toml": STEPS,
    f"{CHAPTER}/pyproject.toml": PROJECT.format(
        name="Chapter_02.trials", needs='"mock-claude>=1"', dev='"reference-agent"', module="trials"
    ),
    f"{CHAPTER}/README.md": "words\n",
    f"{CHAPTER}/trials/__init__.py": "",
    f"{CHAPTER}/tests/test_trials.py": "def test_one() -> None: pass\n",
    f"{CHAPTER}/first/agent.py": "VALUE = 1\n",
    f"{CHAPTER}/first/data.csv": "1\n",
    f"{CHAPTER}/first/test_first.py": "def test_one(): pass\ndef test_two(): pass\n",
    f"{CHAPTER}/first/test_second.py": "def test_three() -> None: pass\n",
    "infrastructure/mock-claude/pyproject.toml": PROJECT.format(
        name="mock-claude", needs="", dev="", module="mock_claude"
    ),
    "infrastructure/mock-claude/mock_claude/cities.csv": "Lisbon\n",
    "infrastructure/mock-claude/tests/test_mock.py": "def test_one() -> None: pass\n",
    "infrastructure/book/pyproject.toml": PROJECT.format(
        name="book", needs='"mock-claude"', dev="", module="book"
    ),
    "infrastructure/book/tests/test_book.py": "def test_one() -> None: pass\n",
    "tests/test_repository.py": "def test_one() -> None: pass\n",
}
FIRST = f"{CHAPTER}/first"


class Small:
    """A small repository and ``book test`` on it, by default with pytest alone."""

    def __init__(self, root: Path, scratch: Path, processes: Processes) -> None:
        self.root = root
        self.scratch = scratch
        self.processes = processes
        for name, text in FILES.items():
            self.write(name, text)
        subprocess.run(["git", "init", "-q", "--template="], cwd=root, check=True)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def run_tests(
        self,
        unit: str | None = "first",
        *,
        examples: int | None = 20,
        everything: bool = False,
        kinds: Collection[str] = ("pytest",),
        patience_s: float = 60.0,
    ) -> list[Report]:
        book = Book(self.root)
        scratch = self.scratch / str(len(list(self.scratch.iterdir())))
        scratch.mkdir()
        green = Green(book, examples, everything=everything)
        jobs = Jobs(
            book,
            self.processes,
            scratch,
            green,
            patience_s=patience_s,
            seed="import os\n",
            kinds=kinds,
        )
        return jobs.run(chosen(book, unit), lambda report: None)

    def kept(self, unit: str | None = "first") -> dict[str, tuple[int, int, int]]:
        """A run: by unit how many tests passed, failed, and were not run at all."""
        return {each.unit: (each.passed, each.failed, each.kept) for each in self.run_tests(unit)}

    def keys(self) -> dict[str, str]:
        """Under which key each unit's tests are kept now."""
        tree = Tree(Book(self.root), 20)
        return {
            unit.name: tree.key("pytest", unit.name, tree.deciding(unit)) for unit in tree.units
        }
