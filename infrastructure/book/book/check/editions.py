"""Rules on EDITIONS.md and CITATION.cff: every printing has its entry, and the version is its tag.

Prevents a printed book whose reader finds nothing about it. The tags of printings are
``edition-1.0`` and so on; a clone without tags can tell nothing, and says so.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

from book.chain.chain import Book
from book.chain.sources import sources
from book.check import markdown
from book.check.finding import Finding

FILE, CITATION = "EDITIONS.md", "CITATION.cff"
TAG = re.compile(r"edition-(\d+(?:\.\d+)*)")
VERSION = re.compile(r"version:\s*[\"']?([^\s\"'#]+)")


def editions(book: Book) -> Iterator[Finding]:
    """Each tag of a printing has a heading in EDITIONS.md; the citation has the newest's number."""
    read, printed = sources(book), tags(book)
    text = read.text(FILE)
    if text is None:
        yield Finding(f"there is no {FILE}", FILE, "write it: what each printing changed")
    headings = {word for title in markdown.headings(text or "") for word in TAG.finditer(title)}
    told = {found[0] for found in headings}
    for tag in printed if text is not None else ():
        if tag not in told:
            mend = f"write `## {tag}`: what changed, page, wrong words, right words, commit"
            yield Finding(f"the printing {tag} has no entry", FILE, mend)
    yield from _cited(book, printed)


def _cited(book: Book, printed: list[str]) -> Iterator[Finding]:
    read = sources(book)
    if CITATION not in read.listed:
        return
    project = read.toml("pyproject.toml").get("project", {})
    wanted = TAG.fullmatch(printed[-1]) if printed else None
    version = wanted[1] if wanted else str(project.get("version", ""))
    for number, line in read.lines(CITATION):
        if (said := VERSION.match(line)) and said[1] != version:
            yield Finding(
                f"the version to cite is {version}, not {said[1]}",
                f"{CITATION}:{number}",
                f"write version: {version}",
            )


def not_looked(book: Book) -> Iterator[str]:
    """What `book check` says where it could not look."""
    if not tags(book):
        yield f"{FILE}: no tag edition-* is known here, so nobody looked for their entries"


def tags(book: Book) -> list[str]:
    """The tags of printings, oldest first; none where git knows none, or is not there."""
    try:
        asked = subprocess.run(
            ["git", "tag", "--list", "edition-*"],
            cwd=book.root,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
    except OSError:
        return []
    found = [line for line in asked.stdout.splitlines() if TAG.fullmatch(line)]
    return sorted(found, key=lambda tag: [int(part) for part in tag[8:].split(".")])
