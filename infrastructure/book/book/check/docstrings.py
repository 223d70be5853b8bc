"""A rule on what docstrings name: modules, tests and code that exist.

Prevents the pointer that a rename left behind: "see ``the old name``". What stands in backticks and
has the shape of a name in code must be one: of a file, a module, or anything that some code of the
repository, Python or a dependency calls so.
"""

from __future__ import annotations

import builtins
import difflib
import keyword
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath

from book.chain.chain import Book
from book.chain.sources import WORD, Sources, sources
from book.check.finding import Finding
from book.check.projects import packages

TICKED = re.compile(r"(?<!`)(`{1,2})(?!`)([^`\n]+)\1(?!`)")
FILE = re.compile(r"(?<![\w/.*<{-])((?:[\w.-]+/)*[\w-]+\.(?:py|toml|md|yml|csv|svg))(?![\w/])")
TEST = re.compile(r"(?<![\w.])test_[a-z0-9_]*[a-z0-9](?!\w|\.\w|\*)")
DOTTED = re.compile(r"[a-z_]\w*(?:\.[A-Za-z_]\w*)+")
SNAKE = re.compile(r"_{0,2}[A-Za-z][A-Za-z0-9]*(?:_+[A-Za-z0-9]+)*_{0,2}(?<!_\d{8})")  # no date
LISTED = {"DEPRECATED_MODELS": "a table of the SDK, which the catalogue follows"}
# "see module foo", "the module `foo`": the word before or after says what it is.
MODULE = re.compile(
    r"\bmodules?\s+(?:`{1,2}([a-z_]\w*)`{1,2}|([a-z]\w*_\w+))|\bsee module ([a-z_]\w*)",
    re.IGNORECASE,
)
STAND_INS = re.compile(r"(?:^|/)(?:NAME|FILE|DIR|PATH|X+|foo|bar)\b|\bX\b")


@dataclass(frozen=True)
class _Known:
    """What there is: words of all code and of this file, tests, modules, files, packages."""

    words: set[str]
    own: set[str]
    tests: set[str]
    stems: set[str]
    files: set[str]
    homes: dict[str, str]


def docstrings(book: Book) -> Iterator[Finding]:
    """A module, a test or another name of code in a docstring exists."""
    read, homes = sources(book), packages(book)
    everywhere = _Known(
        words=_vocabulary(read),
        own=set(),
        tests={w for n in read.python for w in read.facts(n).names if w.startswith("test_")},
        stems={PurePosixPath(name).stem for name in read.python} | set(homes),
        files={PurePosixPath(name).name for name in read.names},
        homes=homes,
    )
    seen: set[tuple[str, str]] = set()
    for name in read.python:
        known = replace(everywhere, own=read.facts(name).words)
        for first, text in read.facts(name).docstrings:
            for offset, line in enumerate(text.splitlines()):
                for shown, what, near in _named(read, line, known):
                    key = (shown, PurePosixPath(name).name)
                    if key not in seen:
                        yield _missing(shown, what, near, f"{name}:{first + offset}")


def _named(read: Sources, line: str, known: _Known) -> Iterator[tuple[str, str, set[str]]]:
    """Names in a line that are nobody's: what stands there, what it is taken for, what there is."""
    words, own, tests, stems, files = (
        known.words,
        known.own,
        known.tests,
        known.stems,
        known.files,
    )
    for shown in FILE.findall(line):
        if not STAND_INS.search(shown) and not _is_file(read, shown, files):
            yield shown, "file", files
    for shown in TEST.findall(line):
        if not any(shown in each for each in (tests, stems, words, own)):
            yield shown, "test", tests | stems
    for pair in MODULE.findall(line):
        shown = "".join(pair)
        if shown not in stems and shown not in sys.stdlib_module_names:
            yield shown, "module", stems
    for _, span in TICKED.findall(line):
        plain = span.removesuffix("()")
        if DOTTED.fullmatch(plain) and plain.partition(".")[0] in known.homes:
            if not _resolves(read, known.homes, plain):
                yield plain, "module or name", stems
        elif SNAKE.fullmatch(plain) and not any(plain in each for each in (words, own, stems)):
            yield plain, "name", words | own | stems


def _is_file(read: Sources, shown: str, files: set[str]) -> bool:
    folder, deeper, _ = shown.partition("/")
    if not deeper:
        return shown in files
    if not any(f"/{folder}/" in f"/{name}" for name in read.names):
        return True  # a file of another's package
    return any(name == shown or name.endswith(f"/{shown}") for name in read.names)


def _resolves(read: Sources, homes: dict[str, str], dotted: str) -> bool:
    """Whether a dotted name of one of our packages is a module, or a name in one."""
    top, *parts = dotted.split(".")
    base = homes[top]
    for place, part in enumerate(parts):
        if f"{base}/{part}.py" in read.listed:
            rest = parts[place + 1 :]
            facts = read.facts(f"{base}/{part}.py")
            return not rest or rest[0] in facts.names | facts.words
        if f"{base}/{part}/__init__.py" not in read.listed:
            return part in read.facts(f"{base}/__init__.py").names
        base = f"{base}/{part}"
    return True


def _vocabulary(read: Sources) -> set[str]:
    """Every identifier of the code, and every word of what is no Python and no prose."""
    words = {*LISTED, *keyword.kwlist, *dir(builtins), *sys.stdlib_module_names}
    for name in read.python:
        words |= read.facts(name).names
        if "tests" not in PurePosixPath(name).parts:  # where texts are made up
            words |= read.facts(name).words
    for name in read.names:
        if not name.endswith((".py", ".md", ".svg")) and name != "uv.lock":
            text = read.text(name) or ""
            words |= read.once((_vocabulary, text), partial(_words, text))
    return words


def _words(text: str) -> set[str]:
    return set(WORD.findall(text))


def _missing(shown: str, what: str, known: set[str], where: str) -> Finding:
    near = sorted(word for word in known if word[:2] == shown[:2])  # of ten thousand
    close = difflib.get_close_matches(shown, near, n=1, cutoff=0.7)
    return Finding(
        f"the docstring names {shown}, and there is no such {what}",
        where,
        f"did you mean {close[0]}?" if close else "name what there is, or leave it out",
    )
