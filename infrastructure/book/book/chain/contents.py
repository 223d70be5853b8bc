"""The repository's files at one moment: which there are, what is in them, and what changed since.

Prevents a digest that costs more than what it saves: git is asked once and each file is read once,
however many results rest on it.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path, PurePosixPath

from book.chain.files import on_disk


class Contents:
    """The files below ``root``, as they were when they were first asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._hashes: dict[Path, str] = {}
        self._states: dict[Path, tuple[int, int] | None] = {}
        self._wholes: dict[Path, list[Path]] = {}

    @cached_property
    def names(self) -> list[str]:
        """All files that belong to the repository, sorted."""
        return on_disk(self.root)

    def whole(self, folder: Path) -> list[Path]:
        """All files of the repository below a folder."""
        if folder not in self._wholes:
            self._wholes[folder] = self._below(self.names, folder)
        return self._wholes[folder]

    def lines(self, files: Iterable[Path], below: Path | None = None) -> list[str]:
        """``name hash`` of each file, its name below the root or below another folder."""
        base = self.root if below is None else below
        return [f"{file.relative_to(base).as_posix()} {self._hash(file)}" for file in files]

    def is_stale(self) -> bool:
        """Whether a file that was asked for has changed since, or one has come or gone.

        What ran meanwhile may have run on either state, so its result belongs to none.
        """
        if any(_state(file) != state for file, state in self._states.items()):
            return True
        names = on_disk(self.root) if self._wholes else []
        return any(self._below(names, f) != files for f, files in self._wholes.items())

    def _below(self, names: list[str], folder: Path) -> list[Path]:
        within = folder.relative_to(self.root).as_posix() + "/"
        first = bisect_left(names, within)
        last = bisect_left(names, within[:-1] + "0")  # "0" comes after "/"
        return [self.root / name for name in names[first:last]]

    def _hash(self, file: Path) -> str:
        if file not in self._hashes:
            self._states[file] = _state(file)
            try:
                self._hashes[file] = hashlib.sha256(file.read_bytes()).hexdigest()
            except FileNotFoundError:
                self._hashes[file] = "missing"
        return self._hashes[file]


def is_test(name: str) -> bool:
    """Whether a file, by its name below a folder, is there for tests only."""
    path = PurePosixPath(name)
    tests = path.suffix == ".py" and (path.stem.startswith("test_") or path.stem == "conftest")
    return tests or "tests" in path.parts[:-1]


def digest(parts: Iterable[str]) -> str:
    """One hash of all parts, in their order; no two lists share one."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(hashlib.sha256(part.encode("utf-8", "surrogatepass")).digest())
    return whole.hexdigest()


def _state(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
