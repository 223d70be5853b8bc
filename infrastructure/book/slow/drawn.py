"""Of several kinds that cost alike, the commit draws some for the slow tests; at night all run.

BOOK_EVERY=1 asks for all, as the nightly workflow does.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

from book.chain.chain import Book
from book.check.draw import Draw

T = TypeVar("T")


def drawn(what: str, kinds: Sequence[T], count: int = 1) -> list[T]:
    """So many of ``kinds``, in their order; ``what`` they are makes each draw one of its own."""
    if os.environ.get("BOOK_EVERY") == "1" or count >= len(kinds):
        return list(kinds)
    places = Draw.of(0.0, Book.find().root).taken(range(len(kinds)), lambda n: f"{what} {n}").order
    return [kinds[place] for place in sorted(places[:count])]
