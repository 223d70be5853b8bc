"""Rules on steps: nothing drifts, a lesson stays small, a step is a complete example.

Prevents sixty copies of an agent that differ where nobody meant them to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from book.chain import generate
from book.chain.chain import Book
from book.chain.files import OWN, WIRING_LIMIT, inherited, on_disk
from book.check.finding import Finding, at

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)#\s]+)[^)]*\)")
COMPLETE = ("agent.py", "tools.py", "config.py", ".env.example", "test_agent.py", "README.md")


def drift(book: Book) -> Iterator[Finding]:
    """Rule 1: undeclared files are identical to the step before; declared ones really differ."""
    for step in book.steps[1:]:
        before = book.before(step)
        steps_toml = at(book, step.path.parent / "steps.toml")
        for name in inherited(book, step):
            old, new = before.path / name, step.path / name
            same = _content(old) == _content(new)
            declared = name in step.changes
            if not declared and not same:
                yield Finding(
                    f"{step.name}/{name} differs from {before.name} and is not declared",
                    at(book, new),
                    f"carry the edit: book propagate {before.name}; or take it back: "
                    f"cp {at(book, old)} {at(book, new)}; or declare {name} in {steps_toml}",
                )
            if declared and same and (old.is_file() or not new.is_file()):
                yield Finding(
                    f"{step.name} declares {name}, which does not differ from {before.name}",
                    steps_toml,
                    f'remove "{name}" from changes of {step.short} in {steps_toml}',
                )
        known = {*inherited(book, step), *OWN}
        for name in sorted(set(on_disk(step.path)) - known):
            yield Finding(
                f"{step.name} has a file that nothing declares: {name}",
                at(book, step.path / name),
                f"remove it, or add it to changes of {step.short} in {steps_toml}",
            )


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def size_of_lessons(book: Book) -> Iterator[Finding]:
    """Rule 4: the wiring of a lesson changes at most forty lines."""
    for step in book.steps[1:]:
        counts = generate.wiring_changes(book, step)
        total = sum(counts.values())
        if total > WIRING_LIMIT:
            largest = max(counts, key=lambda name: counts[name])
            yield Finding(
                f"{step.name} changes {total} lines of wiring; {WIRING_LIMIT} are allowed",
                at(book, step.path / largest),
                f"move code into the package, or improve the seam: book diff {step.name}",
            )


def completeness(book: Book) -> Iterator[Finding]:
    """Rule 5: a step is a complete example."""
    for step in book.steps:
        first = step is book.steps[0]
        for name in (*COMPLETE, *(() if first else ("test_lesson.py",))):
            if not (step.path / name).is_file():
                yield Finding(f"{step.name} has no {name}", at(book, step.path / name), "write it")
        readme = step.path / "README.md"
        if readme.is_file():
            yield from _bullets(book, readme, readme.read_text(encoding="utf-8"), first)
        tests = step.path / "test_agent.py"
        if tests.is_file():
            source = tests.read_text(encoding="utf-8")
            if "simulator" not in source or "def test_" not in source:
                yield Finding(
                    f"{step.name} has no test against the simulator",
                    at(book, tests),
                    "write one that takes the fixture `simulator`",
                )


def _bullets(book: Book, readme: Path, text: str, first: bool) -> Iterator[Finding]:
    bullets = re.findall(r"^- .+", text.split("\n## ")[0], re.MULTILINE)
    if len(bullets) != 3 or any("TODO" in bullet for bullet in bullets):
        yield Finding("a step begins with three bullets", at(book, readme), "write three")
    elif not LINK.search(bullets[0]):
        what = "its files" if first else "its module"
        yield Finding(f"the first bullet links {what}", at(book, readme), "add the link")
