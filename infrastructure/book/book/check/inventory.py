"""Rules on what there is: all that lies on disk is named in a steps.toml, and the other way round.

Prevents a step, a module or an incident that no reader is led to, and that nothing runs.
"""

from __future__ import annotations

from collections.abc import Iterator

from book.chain.chain import Book, Chapter
from book.chain.files import on_disk
from book.check.finding import Finding, at

IGNORED_DIRS = {"incidents", "tests", "exercises"}


def inventory(book: Book) -> Iterator[Finding]:
    """Everything on disk is named in a steps.toml, and everything named is on disk."""
    for chapter in book.chapters:
        steps_toml = at(book, chapter.path / "steps.toml")
        named = {step.short for step in chapter.steps}
        for folder in sorted(path for path in chapter.path.iterdir() if path.is_dir()):
            is_step = bool(set(on_disk(folder)) & {"agent.py", "test_agent.py", "test_lesson.py"})
            if is_step and folder.name not in named and folder.name not in IGNORED_DIRS:
                yield Finding(
                    f"{at(book, folder)} looks like a step and no steps.toml names it",
                    steps_toml,
                    f"add a [[step]] named {folder.name}, or remove the folder",
                )
        yield from _modules(book, chapter)
        yield from _incidents(book, chapter)


def _modules(book: Book, chapter: Chapter) -> Iterator[Finding]:
    steps_toml = at(book, chapter.path / "steps.toml")
    package = chapter.path / chapter.package
    present = {p.stem for p in package.glob("*.py")} - {"__init__"}
    named = {*chapter.modules, *(module for step in chapter.steps for module in step.modules)}
    for module in sorted(named - present):
        yield Finding(
            f"steps.toml names the module {module}, which does not exist",
            steps_toml,
            f"write {at(book, package / module)}.py, or remove the name",
        )
    for module in sorted(present - named):
        yield Finding(
            f"no step brings in the module {chapter.package}/{module}.py",
            at(book, package / f"{module}.py"),
            f'add "{module}" to modules of its step in {steps_toml}',
        )


def _incidents(book: Book, chapter: Chapter) -> Iterator[Finding]:
    steps_toml = at(book, chapter.path / "steps.toml")
    solved = [name for step in chapter.steps for name in step.solves]
    named = {chapter.incident_file(name) for name in (*chapter.shows, *solved)}
    present = set((chapter.path / "incidents").glob("*.py"))
    for path in sorted(named - present):
        yield Finding(
            "steps.toml names an incident that does not exist",
            steps_toml,
            f"write {at(book, path)}, or remove the name from solves",
        )
    for path in sorted(present - named):
        yield Finding(
            f"no step solves the incident {at(book, path)}",
            steps_toml,
            f'add "{path.stem.replace("_", "-")}" to solves of its step',
        )
