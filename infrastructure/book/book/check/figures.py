"""Figures that README blocks print: exact, unless a block says that they were measured.

Prevents two lies: a count that changed and that nobody noticed because figures were set aside, and
a duration of last year's code. In a block ``console check`` all that is printed is exact. In a
block ``console check measured=DIGEST`` figures with a unit of time, money, rate or share may differ
between runs, within bounds; the digest says for which code they were written down, and
``book generate --measured`` writes both anew. Whole numbers without such a unit are counts and stay
exact there, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from book.chain.chain import Book
from book.chain.deciding import Deciding
from book.chain.sources import sources
from book.check.finding import Finding
from book.check.names import CONSOLE

FAR, FAR_SHARE = 0.20, 5.0  # a share's bound is in points
CHECK, MEASURED = "check", "measured"
ASIDE = ("live", "uv")  # a key, or a uv on the PATH, is needed: nothing runs them by itself
DIGITS = 12
WRITE = "book generate --measured"
FIGURE = re.compile(
    r"(?P<money>[$€£]\s?)?(?<![\w.,])(?P<number>\d+(?:,\d{3})*(?:\.\d+)?)"
    r"(?P<unit>\s?(?:%|[nmµ]?s|min|h|seconds?|minutes?|hours?|milliseconds?|x|times|USD|dollars?|"
    r"[kMG]i?B|(?:[a-z]+)?/(?:s|min|h)|[a-z]+ (?:per|a|an) (?:second|minute|hour))(?![\w/]))?"
)


@dataclass(frozen=True)
class Block:
    """A block of a README whose commands are run, and what is said of its figures."""

    file: str
    line: int
    body: str
    measured: str | None  # the digest that it carries; None where every figure is exact


def blocks(book: Book) -> Iterator[Block]:
    """Every block marked ``console check``."""
    read = sources(book)
    for name in read.names:
        if name.endswith(".md"):
            text = read.text(name) or ""
            for found in CONSOLE.finditer(text):
                marked: list[str] = found["mark"].split()
                if marked[:1] == [CHECK]:
                    line = text[: found.start()].count("\n") + 1
                    marks = [word.partition("=") for word in marked[1:]]
                    digests = [of for mark, _, of in marks if mark == MEASURED]
                    yield Block(name, line, found["body"], digests[0] if digests else None)


def code_key(book: Book, body: str) -> str:
    """What decides a block's figures, as one short text: its commands and all code but tests."""
    commands = "\n".join(line for line in body.splitlines() if line.startswith("$ "))
    return Deciding(book).printed(commands)[:DIGITS]


def measured_figures(book: Book) -> Iterator[Finding]:
    """A block of measured figures says for which code; other marks are unknown."""
    read = sources(book)
    for name in read.names:
        for number, line in read.lines(name) if name.endswith(".md") else ():
            mark = re.match(r"```console +(\S.*)$", line)
            words = mark[1].split() if mark else []
            known = words[:1] == [CHECK] and all(w.startswith(MEASURED) for w in words[1:])
            known |= len(words) == 1 and words[0] in ASIDE
            if mark and not known:
                yield Finding(
                    f"nobody knows the mark {mark[1]!r}",
                    f"{name}:{number}",
                    f"write ```console, ```console {CHECK}, ```console {CHECK} {MEASURED}, "
                    "or where it runs nowhere by itself ```console live (needs a key) or uv",
                )
    for block in blocks(book):
        if block.measured is None:
            continue
        where = f"{block.file}:{block.line}"
        printed = "\n".join(line for line in block.body.splitlines() if line[:2] != "$ ")
        if not any(_kind(found) for found in FIGURE.finditer(printed)):
            mend = f"write ```console {CHECK}: what it prints is exact"
            yield Finding("no figure of this block is measured", where, mend)
        elif block.measured != code_key(book, block.body):
            yield Finding("the measured figures are of other code", where, WRITE)


def differs(expected: str, printed: str, *, measured: bool) -> str | None:
    """What is not as it stands there, in a few words; None if all is. White space is folded."""
    old, new = " ".join(expected.split()), " ".join(printed.split())
    if old == new:
        return None
    if not measured or _rest(old) != _rest(new):
        return f"it now prints something else: {printed.strip()[-300:]}"
    for was, now in zip(FIGURE.finditer(old), FIGURE.finditer(new), strict=True):
        kind = _kind(was)
        if kind is None:
            continue  # exact, and the same, or the rest would differ
        before, after = _value(was), _value(now)
        far = abs(before - after) > (FAR_SHARE if kind == "%" else FAR * abs(before))
        if far:
            bound = f"{FAR_SHARE:.0f} points" if kind == "%" else f"{FAR:.0%}"
            return f"{was[0].strip()} is now {now[0].strip()}, which is more than {bound} away"
    return None


def _rest(text: str) -> str:
    """A text without the figures that were measured."""
    return FIGURE.sub(lambda found: f"<{_kind(found)}>" if _kind(found) else found[0], text)


def _kind(found: re.Match[str]) -> str | None:
    """The unit of a measured figure; None for a count."""
    if found["money"]:
        return found["money"].strip()
    return found["unit"].strip() if found["unit"] else None


def _value(found: re.Match[str]) -> float:
    return float(found["number"].replace(",", ""))
