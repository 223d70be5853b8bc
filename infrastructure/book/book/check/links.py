"""A rule on links: each leads to a file of the repository, and to a heading or line that it has.

Prevents a README that points where nothing is. Where a link leads out of the repository nobody
here can tell.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from urllib.parse import unquote

from book.chain.chain import Book
from book.chain.sources import Sources, sources
from book.check import markdown
from book.check.finding import Finding

OUTSIDE = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)
LINES = re.compile(r"L(\d+)(?:C\d+)?(?:-L?(\d+)(?:C\d+)?)?")


def links(book: Book) -> Iterator[Finding]:
    """Links and pictures of Markdown files lead to something, their anchors included."""
    read = sources(book)
    folders = {parent.as_posix() for name in read.names for parent in PurePosixPath(name).parents}
    for name in read.names:
        if name.endswith(".md"):
            for line, target in markdown.links(read.text(name) or ""):
                if not OUTSIDE.match(target):
                    wrong = _wrong(read, folders, name, unquote(target))
                    if wrong is not None:
                        yield Finding(f"the link {target} {wrong[0]}", f"{name}:{line}", wrong[1])


def _wrong(read: Sources, folders: set[str], name: str, target: str) -> tuple[str, str] | None:
    """What is wrong with a link of the file ``name``, and the mend."""
    path, _, anchor = target.partition("#")
    base = "" if path.startswith("/") else PurePosixPath(name).parent.as_posix()
    place = os.path.normpath(f"{base or '.'}/{path}").replace(os.sep, "/") if path else name
    if place not in read.listed and place not in folders:
        return "leads nowhere", "correct the path"
    if not anchor:
        return None
    if place in folders:
        place = f"{place}/README.md".removeprefix("./")
    text = read.text(place)
    if text is None:
        return "leads into what is no text", "link the file alone"
    if place.endswith(".md"):
        known = markdown.anchors(text)
        if anchor.lower() in known:
            return None
        return f"leads to no heading of {place}", f"one of: {', '.join(sorted(known))}"
    spot = LINES.fullmatch(anchor)
    last = len(text.splitlines())
    if spot is None or not all(1 <= int(each) <= last for each in spot.groups() if each):
        return f"leads to no line of {place}", f"it has {last} lines: #L1 to #L{last}"
    return None
