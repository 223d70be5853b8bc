"""A rule on the Makefile: whoever can be typed is told of, in `make help` or in a README.

Prevents a target that only its author knows. What other targets need is no command, and needs none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from book.chain.chain import Book
from book.chain.sources import sources
from book.check.finding import Finding
from book.check.names import GIVEN, MAKE, code

FILE = "Makefile"
RULE = re.compile(r"(?P<targets>[a-z.][\w%./ -]*?)\s*:(?![=:])(?P<needs>[^#=]*)")
SPECIAL = re.compile(r"\.[A-Z_]+\b")
ECHO = re.compile(r"\t@?echo\b")


def unnamed_targets(book: Book) -> Iterator[Finding]:
    """Every target stands in a README or in what `make help` prints."""
    read = sources(book)
    targets: dict[str, int] = {}
    needed: set[str] = set()
    told: set[str] = set()
    for number, line in read.lines(FILE):
        rule = RULE.match(line)
        if rule is not None and not SPECIAL.match(line):
            needed.update(rule["needs"].split())
            for target in rule["targets"].split():
                if target[0] != ".":  # those are files
                    targets.setdefault(target, number)
        elif ECHO.match(line):
            told |= _made(line)
    for name in read.names:
        if name.rpartition("/")[2] == "README.md":
            told |= {word for _, each in code(read.text(name) or "") for word in _made(each)}
    for target, number in targets.items():
        if target not in needed and not any(_is(target, word, targets) for word in told):
            shown = target.replace("%", "02")
            yield Finding(
                f"nobody is told of `make {shown}`: neither make help nor a README names it",
                f"{FILE}:{number}",
                f"add a line on make {shown} to make help, or remove the target",
            )


def _made(line: str) -> set[str]:
    """The words after each ``make`` of a line that are no ``NAME=VALUE``."""
    words = (GIVEN.sub("", found["words"]) for found in MAKE.finditer(line))
    return {word for each in words for word in each.split()}


def _is(target: str, word: str, targets: dict[str, int]) -> bool:
    """Whether ``make WORD`` is this target's; a name of its own comes before a pattern."""
    if "%" not in target or word in targets:
        return word == target
    return re.fullmatch(target.replace("%", "[a-z0-9-]+"), word) is not None
