"""A rule on chapters without steps: what they measure is said, for the table of chapters.

Prevents a row of the README that says "none" where a reader looks for a reason to open it.
"""

from __future__ import annotations

from collections.abc import Iterator

from book.chain.chain import Book
from book.check.finding import Finding, at


def chapters(book: Book) -> Iterator[Finding]:
    """A chapter without steps says ``measures`` in its steps.toml."""
    for chapter in book.chapters:
        if not chapter.steps and not chapter.measures:
            yield Finding(
                f"{chapter.name} has no steps and does not say what it measures",
                at(book, chapter.path / "steps.toml"),
                'write measures = "...", for the table in the root README',
            )
