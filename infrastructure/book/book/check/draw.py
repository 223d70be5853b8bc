"""Which pairs are asked where not all can be: a share for each machine, or a draw by the commit.

Prevents a choice that somebody makes: the commit's hash orders what could be drawn, so that the
same commit draws the same, other commits draw others, and what was left out is told.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from book.chain.chain import ChainError

T = TypeVar("T")
AT_ONCE = 6  # pairs that begin together: after them the time is looked at


@dataclass(frozen=True)
class Shard:
    """Every ``of_all``-th part, counted from the ``number``-th."""

    number: int
    of_all: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """``1/4`` is the first of four. Raises ChainError for anything else."""
        match = re.fullmatch(r"([1-9]\d{0,3})/([1-9]\d{0,3})", text.strip(), re.ASCII)
        if match is None or int(match[1]) > int(match[2]):
            raise ChainError(f"a shard is written like 1/4, the first of four, not {text!r}")
        return cls(int(match[1]), int(match[2]))

    def of(self, things: Sequence[T]) -> list[T]:
        """This shard's things; all shards together have each thing once."""
        return list(things[self.number - 1 :: self.of_all])


@dataclass(frozen=True)
class Draw:
    """Draw by ``commit`` for ``limit_s`` seconds: what has begun by then is brought to its end."""

    limit_s: float
    commit: str
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def of(cls, limit_s: float, root: Path) -> Draw:
        """By the commit that is checked out. Raises ChainError for a limit below 0."""
        if not 0 <= limit_s < float("inf"):
            raise ChainError(f"a draw lasts 0 seconds or more, not {limit_s}")
        head = ["git", "rev-parse", "--verify", "--quiet", "HEAD"]
        done = subprocess.run(head, cwd=root, capture_output=True, text=True, check=False)
        return cls(limit_s, done.stdout.strip() if done.returncode == 0 else "")

    def taken(self, things: Sequence[T], name: Callable[[T], str]) -> Drawn[T]:
        """The things in the order of the draw; iterate to draw them."""

        def place(thing: T) -> str:
            return hashlib.sha256(f"{self.commit} {name(thing)}".encode()).hexdigest()

        return Drawn(self, sorted(things, key=place))


@dataclass
class Drawn(Generic[T]):
    """Parts of what can be drawn, until the time is over; then what was drawn, and what not."""

    draw: Draw
    order: list[T]
    number: int = field(default=0)

    def __iter__(self) -> Iterator[list[T]]:
        began = self.draw.clock()
        while self.number < len(self.order) and self.draw.clock() - began < self.draw.limit_s:
            part = self.order[self.number : self.number + AT_ONCE]
            self.number += len(part)
            yield part

    def told(self, name: Callable[[T], str]) -> list[str]:
        """Two lines at most: what was drawn, and what was left out."""
        by = (
            f"commit {self.draw.commit[:12]}" if self.draw.commit else "name, as there is no commit"
        )
        counts = f"{self.number} of {len(self.order)} later pairs, in {self.draw.limit_s:g} s"
        lines = [f"drawn by {by}: {counts}: {_list(self.order[: self.number], name)}"]
        if rest := self.order[self.number :]:
            lines.append(f"left out: {len(rest)}: {_list(rest, name)}")
        return lines


def _list(things: Sequence[T], name: Callable[[T], str]) -> str:
    return ", ".join(sorted(map(name, things))) or "none"
