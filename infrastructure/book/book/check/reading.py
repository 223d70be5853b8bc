"""The half of ``book check`` that only reads: quick, and without a package that tests need."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from book.chain.chain import Book
from book.check.editions import not_looked
from book.check.finding import Finding
from book.check.rules import READING


def findings(book: Book) -> list[Finding]:
    """What the rules that read have found, in their order.

    Meanwhile nothing looks for cycles: in the trees of all files there are none to free, and to
    look through them again and again takes a quarter of the time.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        return [each for rule in READING for each in rule(book)]
    finally:
        if collects:
            gc.enable()


def run(book: Book, out: Console) -> bool:
    """Show what they find; whether nothing was found."""
    began = time.monotonic()
    found = findings(book)
    show(book, out, found, "what runs code left out", began)
    return not found


def show(
    book: Book,
    out: Console,
    found: list[Finding],
    rest: str,
    began: float,
    lines: Sequence[str] = (),
) -> None:
    """Each finding with its mend, what else is to be said, and a closing line."""
    for each in found:
        out.print(f"[red]{escape(each.where)}[/]: {escape(each.what)}", soft_wrap=True)
        out.print(f"    mend: {escape(each.mend)}", soft_wrap=True)
    for line in (*lines, *not_looked(book)):
        out.print(escape(line), soft_wrap=True)
    summary = f"{len(found)} findings" if found else "nothing found"
    rules = f"{len(READING)} rules, {rest}, {len(book.steps)} steps"
    out.print(f"{summary}: {rules}, {time.monotonic() - began:.1f} s")
