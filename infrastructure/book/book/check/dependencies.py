"""Rules on dependencies: what a project imports it declares, and what it declares it imports.

Prevents a package that works only where something else happens to be installed, and a dependency
that everybody installs for nobody. A step is a copy of the agent in its chapter's project: it may
use what that project, the reference agent and the chapters that the project needs declare.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import PurePosixPath

from book.chain.chain import BASELINE, Book
from book.chain.sources import Sources, sources
from book.check.finding import Finding
from book.check.imports import AGENTS, HARNESS_HOME, owner
from book.check.projects import FILE, Project, distribution, packages, project_of, projects
from book.testing.units import SLOW


def undeclared(book: Book) -> Iterator[Finding]:
    """Every import from outside the standard library is declared by the file's project."""
    read, found = sources(book), projects(book)
    ours = _ours(book, found)
    for file in read.python:
        project = project_of(found, file)
        if project is None:
            continue
        product = _is_product(book, project, file)
        allowed = _allowed(book, found, project, file, product=product)
        for line, name, source in sorted(set(_outside(read, file, ours))):
            if name not in allowed and name != project.name:
                place = f"{project.folder}/{FILE}".lstrip("/")
                table = "[project] dependencies" if product else "its group dev"
                yield Finding(
                    f"{source} is imported and {project.name} does not declare {name}",
                    f"{file}:{line}",
                    f"add {name} to {table} in {place}, then uv lock; or do without it; or, where "
                    "it may be missing, say why in [tool.book.not-declared]",
                )


def unimported(book: Book) -> Iterator[Finding]:
    """Every declared dependency is imported, or listed with the reason why it need not be."""
    read, found = sources(book), projects(book)
    ours = _ours(book, found)
    users: dict[str, dict[bool, set[str]]] = {each.folder: {} for each in found}
    for file in read.python:
        project = project_of(found, file)
        if project is not None:
            product = _is_product(book, project, file)
            used = users[project.folder].setdefault(product, set())
            used |= {name for _, name, _ in _outside(read, file, ours)}
            used |= {distribution(name) for _, name in _by_name(read, file)}
    everywhere = {name for sets in users.values() for used in sets.values() for name in used}
    members = {each.name for each in found}
    for project in found:
        file = f"{project.folder}/{FILE}".lstrip("/")
        sets = users[project.folder]
        used = set[str]().union(*sets.values()) if project.folder else everywhere | members
        reasons = project.not_imported
        listed = [(name, sets.get(True, set())) for name in project.needs]
        listed += [(name, used) for group in project.groups.values() for name in group]
        for name, where in listed:
            if name not in where and not reasons.get(name, "").strip():
                yield Finding(
                    f"{project.name} declares {name}, which nothing of it imports",
                    _line(read, file, name),
                    f"remove it, then uv lock; or say why in [tool.book.not-imported] of {file}",
                )
        for name in sorted(reasons.keys() - _declared(project)):
            yield Finding(
                f"a reason is given for {name}, which {project.name} does not declare",
                _line(read, file, name),
                "remove it from [tool.book.not-imported]",
            )


def _declared(project: Project) -> set[str]:
    return {*project.needs, *(name for group in project.groups.values() for name in group)}


def _ours(book: Book, found: list[Project]) -> dict[str, str]:
    """The workspace's packages: import name to project name."""
    named = {each.package: each.name for each in found if each.package}
    return {package: named.get(package, package) for package in packages(book)}


def _is_product(book: Book, project: Project, file: str) -> bool:
    """Whether a file is what the project gives to others, not what tests or measures it."""
    whose = owner(book, file)
    if whose is not None:
        return whose.is_product(file)
    return project.package is not None and file.startswith(f"{project.folder}/{project.package}/")


def _allowed(
    book: Book, found: list[Project], project: Project, file: str, *, product: bool
) -> set[str]:
    whose = owner(book, file)
    allowed = {*project.needs, *(n for n, why in project.not_declared.items() if why.strip())}
    if whose is not None and whose.part == "step":
        by_name = {each.name: each for each in found}
        waiting = [*project.needs, BASELINE]  # the chain begins there
        while waiting:
            needed = by_name.get(waiting.pop())
            if needed is not None:
                new = set(needed.needs) - allowed
                allowed |= new
                waiting += new
    if not product:
        for each in (found[0], project):
            allowed |= {name for group in each.groups.values() for name in group}
    return allowed


def _outside(read: Sources, file: str, ours: dict[str, str]) -> Iterator[tuple[int, str, str]]:
    """What a file imports from another distribution: line, distribution, top-level module."""
    folder = PurePosixPath(file).parent
    places = [folder, folder.parent, folder.parent / "demonstration"]
    if folder.name == SLOW:  # its conftest puts the helpers of quick tests on the path
        places.append(folder.parent / "tests")
    if PurePosixPath(file).name == "conftest.py":
        places.append(folder / "tests")
    for line, dotted in read.imported(file):
        top = dotted.partition(".")[0]
        if top in ours:
            yield line, ours[top], top
        elif top not in sys.stdlib_module_names and not (
            top in AGENTS and file.startswith(HARNESS_HOME)  # runs in a step's process
        ):
            beside = ((place / f"{top}.py").as_posix() for place in places)
            if not any(name in read.listed for name in beside):
                yield line, distribution(top), top


def _by_name(read: Sources, file: str) -> list[tuple[int, str]]:
    """Modules that a file may load by name, because a text of it is one."""
    facts = read.facts(file)
    return [(line, text.partition(".")[0]) for line, text in facts.dotted if facts.loads]


def _line(read: Sources, file: str, name: str) -> str:
    """Where a pyproject names a distribution."""
    for number, line in read.lines(file):
        if name in line.lower().replace("_", "-") and not line.lstrip().startswith("name"):
            return f"{file}:{number}"
    return file
