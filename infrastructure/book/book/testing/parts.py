"""Long units run in parts, side by side, so that no job is longer than a third of the whole.

A part holds whole test files, because tests of one file share costly fixtures; a file that is long
by itself is dealt out test by test. What each file took is remembered in ``.cache``; a file that
nobody remembers is taken to be as quick as its length and what it starts say.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from book.chain.chain import Book
from book.chain.files import replace
from book.testing.units import SLOW, Unit

PART_S = 10.0
MOST = 8  # parts of a unit: each imports, collects and makes its fixtures anew
BYTES_A_SECOND = 20_000.0  # of test code, on average over this repository
GROWTH = 2.0  # at most, of what was expected, from one run to the next; no matter what is short
SHORT_S = 2.0
# A file that says so starts processes or reads a whole repository: it takes longer than it looks.
LONG, TIMES_LONGER = ("Processes(", "subprocess", "OfEachServer", "repository.make(", "Copy"), 6.0
PATTERNS = ("test_*.py", "*_test.py")  # what pytest collects


@dataclass(frozen=True)
class Share:
    """One of ``of`` shares of a test file: every test, in turn by name, belongs to one of them."""

    file: str
    number: int = 0
    of: int = 1


class Times:
    """Seconds by test file, from run to run. A broken file counts as empty."""

    def __init__(self, book: Book) -> None:
        self.root = book.root
        self.path = book.root / ".cache" / "test-times.json"
        self.seconds: dict[str, float] = {}
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
            read = json.loads(self.path.read_text(encoding="utf-8"))
            self.seconds = {str(name): float(seconds) for name, seconds in read.items()}

    def of(self, file: str) -> float:
        if file in self.seconds:
            return self.seconds[file]
        if SLOW in PurePosixPath(file).parts:
            return PART_S  # a part for each, until somebody has run them
        with contextlib.suppress(OSError):
            text = (self.root / file).read_text(encoding="utf-8", errors="replace")
            is_long = any(word in text for word in LONG)
            return len(text) / BYTES_A_SECOND * (TIMES_LONGER if is_long else 1.0)
        return 0.0

    def ran(self, file: str, seconds: float) -> None:
        """Remember what it took. On a busy machine all looks long: a memory grows slowly."""
        self.seconds[file] = min(seconds, GROWTH * max(self.of(file), SHORT_S))

    @contextlib.contextmanager
    def saved(self) -> Iterator[None]:
        """Save after the block, however it ends."""
        try:
            yield
        finally:
            self.save()

    def save(self) -> None:
        """Without the files that are gone; where nothing can be written, only balance is lost."""
        there = {name: s for name, s in self.seconds.items() if (self.root / name).is_file()}
        with contextlib.suppress(OSError):
            replace(self.path, json.dumps(there, indent=1, sort_keys=True).encode())


def files_of(book: Book, unit: Unit, names: list[str]) -> list[str]:
    """Those of ``names`` (from the top of the repository) that pytest collects for ``unit``."""
    top = unit.path.relative_to(book.root)
    below = [PurePosixPath((top / path).as_posix()) for path in unit.tests]
    return [
        name
        for name in names
        if any(PurePosixPath(name).is_relative_to(folder) for folder in below)
        and any(fnmatch(Path(name).name, pattern) for pattern in PATTERNS)
    ]


def split(seconds: Mapping[str, float]) -> list[list[Share]]:
    """Test files in parts of about ``PART_S``, as even as may be, the longest part first.

    Where that would be more than ``MOST`` parts, they are longer.
    """
    shares: dict[Share, float] = {}
    whole = sum(seconds.values())
    part_s = max(PART_S, whole / MOST)
    for file, total in seconds.items():
        of = max(1, round(total / part_s))
        shares |= {Share(file, number, of): total / of for number in range(of)}
    count = max(1, min(len(shares), math.ceil(whole / part_s)))
    parts: list[list[Share]] = [[] for _ in range(count)]
    for share in sorted(shares, key=lambda share: (-shares[share], share.file, share.number)):
        # Two shares of a file in one part would be one share.
        free = [part for part in parts if share.file not in {each.file for each in part}]
        min(free or parts, key=lambda part: sum(shares[each] for each in part)).append(share)
    return sorted(parts, key=lambda part: -sum(shares[each] for each in part))


def length(part: list[Share], seconds: Mapping[str, float]) -> float:
    """Seconds that a part will take."""
    return sum(seconds[share.file] / share.of for share in part)
