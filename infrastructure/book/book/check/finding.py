"""What a rule of ``book check`` says: what is wrong, where, and what mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from book.chain.chain import Book


@dataclass(frozen=True)
class Finding:
    """What is wrong, where (FILE or FILE:LINE, from the root), and how to mend it."""

    what: str
    where: str
    mend: str


Rule = Callable[[Book], Iterator[Finding]]


def at(book: Book, path: Path, line: int | None = None) -> str:
    name = path.relative_to(book.root).as_posix()
    return name if line is None else f"{name}:{line}"
