"""A rule on model ids: retired and unknown ones stand nowhere but in the simulator's tables.

Prevents a command, a picture or a manifest that asks for a model which nobody serves any more. It
reads every file, whatever it is called, and knows an id in the dress that other clouds, shells and
people give it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import PurePosixPath

from book.chain.chain import Book
from book.chain.sources import sources
from book.check.finding import Finding
from book.check.imports import TEST
from mock_claude.api.catalog import PRICES, RETIRES_ON

FAMILIES = "fable|mythos|opus|sonnet|haiku|instant"
ID = re.compile(
    rf"(?<![a-z0-9])claude(?P<gap>[-_. ])(?P<rest>(?:(?:{FAMILIES})|v?\d)[a-z0-9@:._-]*"
    rf"(?:(?<=\d) (?:{FAMILIES})| v?\d+(?:[.-]\d+)*)?)",
    re.IGNORECASE,
)
SPOKEN = re.compile(
    rf"(?:{FAMILIES}) v?\d+(?:[.-]\d+)*|\d(?:\.\d+)? (?:{FAMILIES})|\d\.\d+", re.IGNORECASE
)
CLOUD = re.compile(r"(?:-v\d+)?(?::\d+)?$")  # how a cloud numbers its own copy of a model
# The simulator's tables and the one price table.
TABLES = ("mock_claude/api/", "mock_claude/accounts/", "readiness/pricing.py")
# What else may be named, without its first word: a model that the simulator is said not to serve,
# and the only one that another mock knows.
LISTED = {
    "infrastructure/mock-claude/README.md": {"mythos-5"},
    "infrastructure/mock-claude/bench_simulator.py": {"3-opus-20240229"},
}


def model_ids(book: Book) -> Iterator[Finding]:
    """Retired or unknown model ids stand nowhere outside the simulator's tables and tests."""
    read = sources(book)
    today = date.today()  # noqa: DTZ011 - the day on the calendar is what retires a model
    for name in read.names:
        path = PurePosixPath(name)
        test = "tests" in path.parts or TEST.fullmatch(path.name)
        if test or name == "uv.lock" or any(table in name for table in TABLES):
            continue
        text = read.text(name)
        if text is None or "claude" not in text.lower():
            continue
        for number, line in read.lines(name):
            for model, shown in _ids(line):
                retired = RETIRES_ON.get(model)
                if model in PRICES and (retired is None or retired > today):
                    continue
                if model.removeprefix("claude-") in LISTED.get(name, ()):
                    continue
                kind = "an unknown or retired" if model not in PRICES else "a retired"
                current = ", ".join(name for name in PRICES if name not in RETIRES_ON)
                yield Finding(
                    f"{shown} is {kind} model id", f"{name}:{number}", f"use one of {current}"
                )


def _ids(line: str) -> Iterator[tuple[str, str]]:
    """Model ids in a line: as the API writes them, and as they stand there."""
    for found in ID.finditer(line):
        rest, spoken = found["rest"].rstrip("-_.:@"), found["gap"] == " "
        after = line[found.end() :]
        if spoken and not (found[0][0] == "C" and SPOKEN.fullmatch(rest)):
            continue  # Claude Opus: a family
        cut = len(found["rest"]) - len(rest)
        if after.startswith(("*", "<", "{", "…")) or (cut and line[found.end() :][:1] in "*{<["):
            glob = "claude-" + _plain(rest)
            if any(model.startswith(glob) for model in PRICES):
                continue  # claude-opus-*: a pattern that some model meets
        plain = "claude-" + _plain(rest)
        if plain.removeprefix("claude-") in FAMILIES.split("|") and not spoken:
            continue  # the name of a family, as in a file's name
        yield plain, found[0].rstrip("-_.:@")


def _plain(rest: str) -> str:
    """``Opus_4.1@20250805`` is opus-4-1-20250805."""
    return re.sub(r"[-_.@ ]+", "-", CLOUD.sub("", rest.lower()))
