"""Which files decide a unit's results, and a key of their content and of all else that decides.

These are the unit's own files and the projects that its pyproject.toml needs, through any number of
others, without what belongs to those projects alone: their tests, documents and inner units.
"""

from __future__ import annotations

import hashlib
import platform
import re
import stat
import sys
import tomllib
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath

import mock_claude
from book.chain.chain import Book
from book.chain.contents import digest
from book.chain.files import on_disk
from book.stage import processes
from book.testing.units import Unit, slow_units, units

ALWAYS = ("pyproject.toml", "uv.lock", "tests/exceptions.toml")
ALONE = ("tests", "slow", "incidents")  # of a project that others need
DOCUMENTS = ".md"


class Tree:
    """The repository as it is now: which files decide a unit's results, and a key of them."""

    def __init__(self, book: Book, examples: int | None) -> None:
        self.book = book
        self.examples = examples
        self.names = on_disk(book.root)
        self.all_names = frozenset(self.names)
        self.units = [*units(book), *slow_units(book)]
        self._hashes: dict[str, str] = {}

    @cached_property
    def projects(self) -> dict[str, tuple[PurePosixPath, set[str], str]]:
        """Each project of the workspace: its folder, the projects that it needs, its module."""
        found = {}
        for name in self.names:
            if PurePosixPath(name).name == "pyproject.toml" and name != "pyproject.toml":
                read = tomllib.loads((self.book.root / name).read_text(encoding="utf-8"))
                project = read.get("project", {})
                lists = [project.get("dependencies", [])]
                lists += project.get("optional-dependencies", {}).values()
                lists += read.get("dependency-groups", {}).values()
                needs = {_plain(need) for one in lists for need in one if isinstance(need, str)}
                module = read.get("tool", {}).get("uv", {}).get("build-backend", {})
                folder = PurePosixPath(name).parent
                of = _plain(project.get("name", name))
                found[of] = (folder, needs, str(module.get("module-name", "")))
        return found

    def needed(self, unit: Unit) -> set[str]:
        """The projects that a unit's own one needs, itself included."""
        here = self._within(unit)
        found = {
            name for name, (folder, *_) in self.projects.items() if here.is_relative_to(folder)
        }
        waiting = list(found)
        while waiting:
            for need in self.projects[waiting.pop()][1] & self.projects.keys() - found:
                found.add(need)
                waiting.append(need)
        return found

    def deciding(self, unit: Unit) -> frozenset[str]:
        """The files that are known to decide a unit's results."""
        here = self._within(unit)
        if here == PurePosixPath("."):
            return self.all_names
        others = [self._within(other) for other in self.units]
        inner = [other for other in others if other != here and other.is_relative_to(here)]
        own = {name for name in self._below(here) if not _in(name, inner)}
        own |= {name for name in ALWAYS if name in self.all_names}
        secret = (here / ".env").as_posix()  # git ignores it, the agent does not
        if (self.book.root / secret).is_file():
            own.add(secret)
        for project in self.needed(unit):
            folder = self.projects[project][0]
            aside = [other for other in others if other != folder and other.is_relative_to(folder)]
            aside += [folder / alone for alone in ALONE]
            own |= {
                name
                for name in self._below(folder)
                if not _in(name, aside) and not name.endswith(DOCUMENTS)
            }
        return frozenset(own)

    def imports_more(self, unit: Unit, cache: Path) -> bool:
        """Whether mypy, by its cache, read a module of a project that the unit does not need."""
        others = self.projects.keys() - self.needed(unit)
        modules = {self.projects[other][2] for other in others} - {""}
        seen = {path.name.partition(".")[0] for path in cache.glob("*/*")}
        return self._within(unit) != PurePosixPath(".") and bool(modules & seen)

    def key(self, what: str, of: str, names: Iterable[str]) -> str:
        """Of these files as they are now, and of all that decides every result."""
        said = (what, of, str(self.examples), platform.python_version(), sys.implementation.name)
        system = (platform.system(), platform.machine())
        parts = [*said, *system, self.harness]
        parts += [self._hash(name) for name in sorted(names)]
        return f"{what} {digest(parts)}"

    @cached_property
    def harness(self) -> str:
        """What runs all tests, wherever it is installed: this room, and the fixtures for all."""
        files = [*Path(__file__).parent.glob("*.py"), Path(processes.__file__)]
        fixtures = Path(mock_claude.__file__).parent
        files += [path for path in fixtures.rglob("*") if "__pycache__" not in path.parts]
        return digest(_sum(path.read_bytes()) for path in sorted(files) if path.is_file())

    def _within(self, unit: Unit) -> PurePosixPath:
        return PurePosixPath(unit.path.relative_to(self.book.root).as_posix())

    def _below(self, folder: PurePosixPath) -> Iterator[str]:
        return (name for name in self.names if name.startswith(f"{folder}/"))

    def _hash(self, name: str) -> str:
        if name not in self._hashes:
            path = self.book.root / name
            mode = path.lstat().st_mode
            kind = "x" if mode & stat.S_IXUSR else "-"
            link = str(path.readlink()) if stat.S_ISLNK(mode) else ""
            self._hashes[name] = digest((name, kind, link, _sum(path.read_bytes())))
        return self._hashes[name]


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _plain(requirement: str) -> str:
    """The name in a requirement, as indexes compare names."""
    named = re.match(r"[A-Za-z0-9._-]+", requirement)
    return re.sub(r"[-_.]+", "-", named[0]).lower() if named else requirement


def _in(name: str, folders: Iterable[PurePosixPath]) -> bool:
    return any(name.startswith(f"{folder}/") for folder in folders)
