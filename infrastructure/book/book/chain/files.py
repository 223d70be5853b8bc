"""Which files of a step are inherited along the chain, and which are its own.

The one answer that checking, diffing, propagating, copying and exporting share. A step inherits
every file of the step before but that step's own ones; ``changes`` in steps.toml names those that
it adds, alters or removes.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from book.chain.chain import Book, Step

OWN = ("README.md", "test_lesson.py", "pyproject.toml")
WIRING = ("agent.py", "tools.py", "config.py", "service.py", ".env.example")
WIRING_LIMIT = 40  # changed lines between neighbouring steps
IGNORED = {
    *("__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis"),
    *(".cache", ".venv", ".uv", ".env", "notes.jsonl"),
}
UNFINISHED = ".book-part"  # how a file that is still being written ends


def on_disk(folder: Path) -> list[str]:
    """Names of the files in a step's folder that belong to the repository, sorted."""
    return [name for name in listed(folder) if (folder / name).is_file()]


def listed(folder: Path) -> list[str]:
    """The same with what is no plain file, such as a symbolic link that leads nowhere.

    Git decides what belongs (tracked, or new and not ignored); without git, every file that is not
    a cache, a secret or a note.
    """
    asked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "."],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if asked.returncode == 0:
        names = {name for name in asked.stdout.split("\0") if name}
    else:
        every = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
        found = (path.relative_to(folder) for path in every)
        names = {path.as_posix() for path in found if not IGNORED.intersection(path.parts)}
    return sorted(n for n in names if (folder / n).is_symlink() or (folder / n).exists())


def texts(book: Book) -> Iterator[Path]:
    """Every text file of the repository."""
    for name in on_disk(book.root):
        path = book.root / name
        if path.suffix in {".md", ".py", ".toml", ".yml", ".yaml", ".example", ".json", ".sh"}:
            yield path


def inherited(book: Book, step: Step) -> list[str]:
    """Names of the files that ``step`` shares with the chain: all but its own, sorted.

    Names that it declares are included even where the file is gone, so that a removal is seen.
    """
    place = book.steps.index(step)
    names = {name for name in on_disk(book.steps[0].path) if name not in OWN}
    for earlier in book.steps[1 : place + 1]:
        names |= {name for name in earlier.changes if name not in OWN}
    return sorted(names)


def changed_lines(before: Path, after: Path) -> tuple[int, int]:
    """Lines added and removed between two files, as ``git diff --numstat`` counts them.

    A file that exists on one side only has no changes to count: it is new, or gone.
    """
    if not (before.is_file() and after.is_file()):
        return 0, 0
    counted = subprocess.run(
        ["git", "diff", "--no-index", "--numstat", "--", str(before), str(after)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if not counted.stdout.strip():
        return 0, 0
    added, removed, _ = counted.stdout.split(maxsplit=2)
    return (0, 0) if added == "-" else (int(added), int(removed))


def replace(path: Path, content: bytes, mode: int | None = None) -> None:
    """Write a file in one go: a Ctrl-C leaves the old bytes or the new ones, never half.

    ``mode`` are the permission bits; without it an existing file keeps its own.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if mode is None and path.exists():
        mode = path.stat().st_mode
    part = path.with_name(f".{path.name}{UNFINISHED}")
    try:
        part.write_bytes(content)
        if mode is not None:
            part.chmod(mode & 0o777)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
