"""A rule on the figures that READMEs tell of incidents: they are of this code, and nobody's own.

Prevents a first screen that was measured on another commit, or typed.
"""

from __future__ import annotations

from collections.abc import Iterator

from book.chain.chain import Book
from book.chain.deciding import Deciding
from book.check.figures import WRITE
from book.check.finding import Finding
from book.scoreboard import told


def told_figures(book: Book) -> Iterator[Finding]:
    """A table of measured figures carries the digest of what decides them and of its own rows."""
    deciding = Deciding(book)
    for block in told.blocks(book):
        where = f"{block.file}:{block.line}"
        if reason := told.wrong(book, block):
            yield Finding(f"nobody can write this table: {reason}", where, "correct its mark")
        elif block.digest != told.key(book, deciding, block, block.body):
            yield Finding("the figures of incidents are of other code, or typed", where, WRITE)
