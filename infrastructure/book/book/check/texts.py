"""Rules on what is made from the chain: generated blocks are fresh, checklists name real tests.

Prevents a README that was true once.
"""

from __future__ import annotations

from collections.abc import Iterator

from book.chain import checklist, generate
from book.chain.chain import Book
from book.check.finding import Finding, at
from book.testing import units


def generated(book: Book) -> Iterator[Finding]:
    """Generated blocks are fresh."""
    for each in generate.stale(book, units.blocks(book)):
        mend = "book generate"
        if each.fresh is None:
            mend = "add the two marker comments (any other README shows them), then book generate"
        yield Finding(each.reason, at(book, each.path, each.line), mend)


def checklists(book: Book) -> Iterator[Finding]:
    """Every test that a chapter's checklist names exists."""
    return (Finding(*each) for each in checklist.findings(book))
