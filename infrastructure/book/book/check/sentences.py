"""A rule on paragraphs after a code block: each begins a sentence of its own.

Prevents a sentence whose subject is a block of code: a fragment for a search engine, a screen
reader and who translates. What comes before the block says what it does, what comes after begins
anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from book.chain.chain import Book
from book.chain.sources import sources
from book.check import markdown
from book.check.finding import Finding

COMMENT = re.compile(r"\s*<!--.*-->\s*$")
# What may stand before the first letter: marks of quotation and emphasis, brackets, dots.
BEGINS = re.compile(r"\s*(?:[>*_\[(\"'.\u201c\u2018\u00ab\u2026]\s*)*(?P<letter>[^\W\d_])")
NO_PARAGRAPH = re.compile(r"\s*(?:[-*+]\s|\d+[.)]\s|#{1,6}\s|\||<[a-z/!])")


def sentences(book: Book) -> Iterator[Finding]:
    """No paragraph after a code block begins in lower case; a name that does stands in code."""
    read = sources(book)
    for name in read.names:
        if not name.endswith(".md"):
            continue
        after = False  # whether nothing but space stands between here and a code block
        for line in markdown.lines(read.text(name) or ""):
            if line.fenced:
                after = True
            elif line.text.strip() and not COMMENT.match(line.text):
                begins = None if NO_PARAGRAPH.match(line.text) else BEGINS.match(line.text)
                if after and begins is not None and begins["letter"].islower():
                    yield Finding(
                        f"the paragraph after a code block begins {line.text.strip()[:30]!r}",
                        f"{name}:{line.number}",
                        "say before the block what it does, and begin a sentence after it",
                    )
                after = False
