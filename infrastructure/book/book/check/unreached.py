"""A rule on modules that nobody imports: what no command, step or incident reaches is dead.

Prevents code that is tested, documented and never used. An import in a test does not count, since
a test is what keeps dead code looking alive.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from book.chain.chain import Book
from book.chain.sources import Sources, sources
from book.check.finding import Finding
from book.check.imports import TEST, owner
from book.check.projects import packages
from book.testing import exceptions

ENTRIES = {"agent.py", "service.py", "__main__.py"}  # what `python FILE` or a server starts
STARTED = {"incidents", "exercises", "."}  # folders of a chapter whose files are started by path


def unused_modules(book: Book) -> Iterator[Finding]:
    """Every module is reached from something that runs; a test's helper from a test."""
    read = sources(book)
    homes = packages(book)
    tests = {name for name in read.python if TEST.fullmatch(PurePosixPath(name).name)}
    code = [name for name in read.python if name not in tests]
    started = {name for name in code if _starts(book, read, name)} | _declared(book, homes)
    started |= {each.file for each in exceptions.read(book).elsewhere} & read.listed
    alive = _reached(read, homes, started)
    helped = _reached(read, homes, started | tests)
    for name in code:
        path = PurePosixPath(name)
        helper = not ({"tests", "slow"}.isdisjoint(path.parts))
        if path.name != "__init__.py" and name not in (helped if helper else alive):
            by_test = " but tests" if name in helped and not helper else ""
            yield Finding(
                f"nobody{by_test} imports {path.stem}",
                name,
                "use it from what runs (a step, an incident, a command), or remove it",
            )


def _starts(book: Book, read: Sources, name: str) -> bool:
    path = PurePosixPath(name)
    if path.name in ENTRIES or read.facts(name).runs:
        return True
    whose = owner(book, name)
    shown = {chapter.demonstration for chapter in book.chapters}
    return (whose is not None and whose.part in STARTED) or (book.root / name) in shown


def _declared(book: Book, homes: dict[str, str]) -> set[str]:
    """Files that a pyproject names as commands or plug-ins."""
    found = set()
    for name in sources(book).names:
        if PurePosixPath(name).name == "pyproject.toml":
            project = sources(book).toml(name).get("project", {})
            groups = [project.get("scripts", {}), *project.get("entry-points", {}).values()]
            for group in groups:
                for target in group.values():
                    found |= _files(sources(book), homes, name, str(target).partition(":")[0])
    return found


def _reached(read: Sources, homes: dict[str, str], started: set[str]) -> set[str]:
    reached, waiting = set(started), sorted(started)
    while waiting:
        name = waiting.pop()
        facts = read.facts(name)
        wanted = {dotted for _, dotted in read.imported(name)}
        wanted |= {text for _, text in facts.dotted if facts.loads or "." in text}
        for dotted in wanted:
            new = _files(read, homes, name, dotted) - reached
            reached |= new
            waiting += new
    return reached


def _files(read: Sources, homes: dict[str, str], importer: str, dotted: str) -> set[str]:
    """The files that an import of ``dotted`` runs: a package's, or one beside the importer."""
    top, *parts = dotted.split(".")
    if top not in homes:
        # Beside the importer; a chapter's folder is on the path of all that is in it.
        folder = importer.rpartition("/")[0]
        above = folder.rpartition("/")[0]
        places = (folder, above, f"{above}/demonstration")
        return {f"{place}/{top}.py".lstrip("/") for place in places} & read.listed
    base = homes[top]
    found = {f"{base}/__init__.py"}
    for part in parts:
        found.add(f"{base}/{part}.py")
        base = f"{base}/{part}"
        found.add(f"{base}/__init__.py")
    return found & read.listed
