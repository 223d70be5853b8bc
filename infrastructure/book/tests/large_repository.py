"""A repository of 60 steps, 60 short incidents and 12 packages, as the book will be one day.

Package N imports package N - 1, and the steps of chapter N import package N; simulator, harness and
lock are copies of this repository's.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from book.chain.chain import Book

CHAPTERS, STEPS = 12, 5
INCIDENT = '''"""{name}: one word is asked for."""

from pathlib import Path

from book.story.incident import Headline, Incident, Run, Task, Workload, at_least
from mock_claude import FaultScript


def workload(seed: int) -> Workload:
    return Workload((Task('Say "{name}".', ("{name}",)),), 1, 20.0)


INCIDENT = Incident(
    name="{name}",
    story="A short one.",
    faults=FaultScript.load(Path(__file__).with_suffix(".toml")),
    workload=workload,
    settings={{}},
    promise=lambda run: [at_least("success", run.success, 1.0)],
    symptom="one word is missing",
    headline=Headline("tasks done", "%", "higher", lambda run: run.success),
    cure=lambda seen: [],
)
'''
FAULTS = '[[rule]]\nname = "refused"\nattempts = 3\nfault = "status"\nstatus = 529\n'
STEP = '[[step]]\nname = "{name}"\nlesson = "One."\nchanges = ["agent.py"]\nsolves = ["{solves}"]\n'
PROJECT = '[project]\nname = "{name}"\nversion = "0.1.0"\n'


def make(root: Path) -> Book:
    """Write it into the empty folder ``root``."""
    here = Book.find().root
    for folder in ("infrastructure/mock-claude/mock_claude", "infrastructure/book/book"):
        without = shutil.ignore_patterns("__pycache__")
        shutil.copytree(here / folder, root / folder, ignore=without)
    for name in ("uv.lock", "pyproject.toml", "README.md", "Makefile", ".gitignore"):
        shutil.copy2(here / name, root / name)
    _step(here, root / "reference-agent", "")
    shutil.copy2(here / "reference-agent" / "pyproject.toml", root / "reference-agent")
    for number in range(1, CHAPTERS + 1):
        _chapter(here, root, number)
    return Book(root)


def chapter_of(root: Path, number: int) -> Path:
    return root / "chapters" / f"chapter-{number:02}-words"


def package_of(number: int) -> str:
    return f"words_{'abcdefghijkl'[number - 1]}"


def _chapter(here: Path, root: Path, number: int) -> None:
    folder, package = chapter_of(root, number), package_of(number)
    before = f"import {package_of(number - 1)}\n" if number > 1 else ""
    _write(folder / package / "__init__.py", f'"""Package {number}."""\n\n{before}')
    _write(folder / package / "one.py", '"""A module."""\n')
    _write(folder / "pyproject.toml", PROJECT.format(name=folder.name))
    _write(folder / "README.md", f"# Chapter {number}\n")
    text = f'title = "Words"\npackage = "{package}"\nmodules = ["one"]\n'
    for place in range(1, STEPS + 1):
        name = "complete" if place == STEPS else f"with-{number:02}-{place}"
        solves = f"trouble-{number:02}-{place}"
        text += STEP.format(name=name, solves=solves)
        _step(here, folder / name, f"import {package}  # {place}\n")
        file = folder / "incidents" / f"{solves.replace('-', '_')}.py"
        _write(file, INCIDENT.format(name=solves))
        _write(file.with_suffix(".toml"), FAULTS)
    _write(folder / "steps.toml", text)


def _step(here: Path, folder: Path, imports: str) -> None:
    for name in ("agent.py", "tools.py", "config.py", ".env.example", "test_agent.py", "README.md"):
        text = (here / "reference-agent" / name).read_text(encoding="utf-8")
        _write(folder / name, text + (imports if name == "agent.py" else ""))
    _write(folder / "test_lesson.py", "def test_nothing() -> None:\n    assert False\n")


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
