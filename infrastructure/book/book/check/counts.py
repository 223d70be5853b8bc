"""A rule on counts in prose: how many steps, incidents and chapters a text speaks of is true.

Prevents "nine incidents" beside a table of ten. How many tests there are changes with every test,
so no text says it but a block that is run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from book.chain.chain import Book
from book.chain.sources import sources
from book.check import markdown
from book.check.finding import Finding
from book.check.names import CONSOLE

WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    *("nineteen", "twenty"),
)
TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "hundred": 100}
NUMBER = (
    rf"(?:{'|'.join(TENS)})-(?:{'|'.join(WORDS[1:10])})|"
    rf"\d{{1,3}}(?:,\d{{3}})+|\d+|{'|'.join(WORDS[2:])}|{'|'.join(TENS)}"
)
COUNT = re.compile(
    rf"(?<![\w.,:/-])(?P<number>{NUMBER})[*_]*\s+[*_\[]*"
    r"(?:(?!or\b|and\b|to\b|of\b|in\b|such\b)[a-z-]+\s+)?"
    r"(?P<what>incidents|steps|chapters|tests|such failures|such incidents)\b",
    re.IGNORECASE,
)
# Not how many there are: any two steps, between two neighbouring steps, the first two steps.
SOME = re.compile(
    r"\b(?:any|every|each|other|another|first|last|next|only|these|those|between|about|up to|"
    r"at most|at least|more than|than)\s+$",
    re.IGNORECASE,
)
PASSED = re.compile(r"(?<![\w.])(\d+) (?:passed|tests? passed)\b")


def counts(book: Book) -> Iterator[Finding]:
    """Numbers of steps, incidents and chapters in prose are those that there are."""
    read = sources(book)
    for name in read.names:
        if not name.endswith(".md"):
            continue
        text = read.text(name) or ""
        run = _run(text)
        for line in markdown.lines(text):
            where = f"{name}:{line.number}"
            if line.generated or line.number in run:
                continue
            if (shown := PASSED.search(line.text)) and not _is_pattern(line.text):
                yield _stale(f"{shown[1]} passed", where)
            for found in COUNT.finditer("" if line.fenced else line.text):
                what = found["what"].lower().removeprefix("such ").replace("failures", "incidents")
                if SOME.search(line.text[: found.start()]):
                    continue
                if what == "tests":
                    yield _stale(found[0], where)
                    continue
                true = _true(book, name, line.text, what)
                if _value(found["number"]) not in true:
                    yield Finding(
                        f"{found[0]!r} is not so: there are {' or '.join(map(str, sorted(true)))}",
                        where,
                        "correct the number, or leave it out",
                    )


def _stale(shown: str, where: str) -> Finding:
    return Finding(
        f"{shown!r}: how many tests there are changes with the next one",
        where,
        "leave the number out, or let a ```console check block print it",
    )


def _is_pattern(line: str) -> bool:
    return "N passed" in line


def _run(text: str) -> set[int]:
    """The lines of blocks that are run, whose figures are held by their output."""
    found: set[int] = set()
    for block in CONSOLE.finditer(text):
        if block["mark"].split()[:1] == ["check"]:
            first = text[: block.start()].count("\n") + 1
            found |= set(range(first, first + block[0].count("\n") + 1))
    return found


def _value(number: str) -> int:
    word = number.lower()
    tens, _, ones = word.partition("-")
    if ones:
        return TENS[tens] + WORDS.index(ones)
    if word in WORDS:
        return WORDS.index(word)
    return TENS.get(word) or int(word.replace(",", ""))


def _true(book: Book, name: str, line: str, what: str) -> set[int]:
    """The numbers that a text may give: those of its step, its chapter, and the book so far."""
    if what == "chapters":
        return {len(book.chapters)}
    path = book.root / name
    found = set()
    for step in book.steps:
        if path.is_relative_to(step.path) and what == "incidents":
            found.add(len(step.solves))
    so_far = 0
    for chapter in book.chapters:
        own = len(chapter.steps)
        if what == "incidents":
            own = sum(len(step.solves) for step in chapter.steps)
        so_far += own
        spoken = re.search(rf"\bchapter[ -]0?{chapter.number}\b", line, re.IGNORECASE)
        if path.is_relative_to(chapter.path) or spoken:
            found |= {own, so_far}
    found.add(so_far)
    return found | ({each + 1 for each in found} if what == "steps" else set())  # the baseline
