"""Rules on what a file is besides its bytes: its mode, a symbolic link, the mark of types.

Prevents a step that differs from the one before where no diff shows it, a link that Windows checks
out as a text, and a package whose types nobody's checker believes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from book.chain.chain import Book
from book.chain.files import inherited
from book.chain.sources import sources
from book.check.finding import Finding
from book.check.projects import packages


def modes(book: Book) -> Iterator[Finding]:
    """No symbolic links; what is executable says how it is run, and the other way round."""
    for name in sources(book).names:
        path = book.root / name
        if path.is_symlink():
            yield Finding(
                f"{name} is a symbolic link",
                name,
                "put the file itself there; what steps share belongs to a package",
            )
        elif os.name == "posix":  # elsewhere a file has no such bit
            runs, says = _is_executable(path), _has_interpreter(path)
            if runs and not says:
                yield Finding(
                    f"{name} is executable and does not begin with #!", name, f"chmod -x {name}"
                )
            elif says and not runs:
                yield Finding(
                    f"{name} begins with #! and is not executable",
                    name,
                    f"chmod +x {name}, or remove its first line",
                )
    yield from _of_steps(book)


def _of_steps(book: Book) -> Iterator[Finding]:
    for step in book.steps[1:]:
        before = book.before(step)
        for name in inherited(book, step):
            old, new = before.path / name, step.path / name
            if not (old.is_file() and new.is_file()) or os.name != "posix":
                continue
            if _is_executable(old) != _is_executable(new):
                shown = new.relative_to(book.root).as_posix()
                sign = "+" if _is_executable(old) else "-"
                yield Finding(
                    f"{step.name}/{name} has another mode than in {before.name}",
                    shown,
                    f"chmod {sign}x {shown}",
                )


def typed(book: Book) -> Iterator[Finding]:
    """Every package says that it is typed."""
    read = sources(book)
    for package, home in packages(book).items():
        marker = f"{home}/py.typed"
        if marker not in read.listed:
            yield Finding(
                f"the package {package} has no py.typed, so its types count for nothing outside",
                marker,
                f"touch {marker}",
            )


def _is_executable(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & 0o111)
    except OSError:
        return False


def _has_interpreter(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return False
