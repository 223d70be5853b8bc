"""Results that are kept by what decides them, so that what is known is not asked again.

Prevents a result that is lost: a command that was interrupted, or that asked for less, forgets
nothing, and two commands at once keep what both found out. What nobody has asked for in
``AGE_DAYS`` goes. A file that cannot be read is named, set aside, and never overwritten.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from book.chain.locking import locked

JSON: TypeAlias = Any
FORMAT, VERSION = "kept results", 1
AGE_DAYS = 60
SAVE_EVERY_S = 5.0
DAY_S = 86_400.0


def now() -> str:
    """This moment, to the second, in UTC: when something was measured."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def say(text: str) -> None:
    """Tell a person, beside what the command prints for its own sake."""
    print(f"book: {text}", file=sys.stderr)


@dataclass(frozen=True)
class _Entry:
    value: JSON
    day: int  # when it was last asked for or put, in days since 1970


class _UnreadableError(ValueError):
    """Why a file is no use as results."""


@dataclass
class Kept:
    """Results by key, in the file ``path``; safe for threads, and for commands at once.

    ``put`` also saves now and then, so that even ``kill -9`` costs little. Trouble with the file is
    told to ``on_notice`` and never stops a command: what it found out stands either way.
    """

    path: Path
    on_notice: Callable[[str], None] = say
    today: Callable[[], float] = time.time  # seconds since 1970
    _entries: dict[str, _Entry] = field(default_factory=dict)
    _put: set[str] = field(default_factory=set)
    _asked: set[str] = field(default_factory=set)  # on a new day
    _dropped: set[str] = field(default_factory=set)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _saved_at: float = field(default_factory=time.monotonic)
    _told: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        try:
            self._entries = _read(self.path)
        except _UnreadableError as error:
            way_out = "nothing in it is used; it is set aside beside it when results are saved"
            self.notice(f"{self.path}: {error}; {way_out}")
        except OSError as error:
            self.notice(f"{self.path} cannot be read ({error.strerror}); nothing in it is used")

    def get(self, key: str) -> JSON | None:
        """What was put under ``key``, in this command or an earlier one."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            if entry.day < self._day():
                self._entries[key] = _Entry(entry.value, self._day())
                self._asked.add(key)
            return entry.value

    def put(self, key: str, value: JSON) -> None:
        """Keep ``value``, which is not None. Raises TypeError if JSON cannot hold it."""
        json.dumps(value)  # at once: while saving it would cost the other results
        with self._lock:
            self._entries[key] = _Entry(value, self._day())
            self._put.add(key)
            self._dropped.discard(key)
            if time.monotonic() - self._saved_at >= SAVE_EVERY_S:
                self.save()

    def drop(self, key: str) -> None:
        """Forget what is kept under ``key``: it was measured anew and is not so."""
        with self._lock:
            self._entries.pop(key, None)
            self._put.discard(key)
            self._asked.discard(key)
            self._dropped.add(key)

    def save(self) -> None:
        """Write what is new into the file, to what others wrote there meanwhile."""
        with self._lock:
            self._saved_at = time.monotonic()
            if not (self._put or self._asked or self._dropped):
                return
            try:
                with locked(self.path):
                    self._merge()
            except OSError as error:
                why = error.strerror or str(error)
                rest = "what was kept before is as it was; mend that and run it again"
                self.notice(f"{self.path}: this run's results could not be kept: {why}; {rest}")

    def _merge(self) -> None:
        try:
            there = _read(self.path)
        except _UnreadableError as error:
            there = {}
            aside = _aside(self.path)
            os.replace(self.path, aside)
            rest = "remove it, or mend it and move it back"
            self.notice(f"{self.path}: {error}; it is {aside} now: {rest}")
            self._put |= self._entries.keys()
        there |= {key: self._entries[key] for key in self._put}
        # What another command dropped meanwhile is not brought back by having been asked for.
        there |= {key: self._entries[key] for key in self._asked if key in there}
        for key in self._dropped:
            there.pop(key, None)
        oldest = self._day() - AGE_DAYS
        there = {key: entry for key, entry in there.items() if entry.day >= oldest}
        _write(self.path, there)
        self._entries = there
        self._put.clear()
        self._asked.clear()
        self._dropped.clear()

    def _day(self) -> int:
        return int(self.today() // DAY_S)

    def notice(self, text: str) -> None:
        """Tell it, once."""
        if text not in self._told:
            self._told.add(text)
            self.on_notice(text)


def _read(path: Path) -> dict[str, _Entry]:
    """The entries of a file; none if there is no file. Raises _UnreadableError, OSError."""
    try:
        text = path.read_bytes().decode("utf-8")
        read = json.loads(text) if text.strip() else None
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise _UnreadableError(f"the file of kept results is broken ({error})") from None
    if not isinstance(read, dict) or read.get("format") != FORMAT:
        raise _UnreadableError("this is no file of kept results")
    if read.get("version") != VERSION:
        version = read.get("version")
        raise _UnreadableError(f"the kept results are of version {version!r}, not {VERSION}")
    try:
        results: Mapping[str, Any] = read["results"]
        found = {key: _Entry(each["value"], int(each["day"])) for key, each in results.items()}
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise _UnreadableError(
            "the file of kept results is broken (an entry is not whole)"
        ) from None
    return {key: entry for key, entry in found.items() if entry.value is not None}


def _write(path: Path, entries: Mapping[str, _Entry]) -> None:
    """In one go: whoever reads meets the old file or the new one. Call it under the lock."""
    results = {key: {"day": each.day, "value": each.value} for key, each in entries.items()}
    whole = {"format": FORMAT, "version": VERSION, "results": results}
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            json.dump(whole, file, separators=(",", ":"))
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _aside(path: Path) -> Path:
    """A name beside ``path`` that is not taken."""
    number = 1
    while (aside := path.with_name(f"{path.name}.aside-{number}")).exists():
        number += 1
    return aside
