"""Writes down what a step's policies say they did, so that it can be laid beside what was seen.

A step that has no policies emits nothing. A file takes the events, line by line, so that they
outlive a process that is killed.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from book.story.observed import Noted


def note_events(file: Path) -> None:
    """In a step's process, once its modules are imported: append each event to ``file``."""
    package = sys.modules.get("reliability")
    if package is None:
        return
    sink = file.open("a", encoding="utf-8", buffering=1)

    def note(event: Any) -> None:
        line = {"event": type(event).__name__, "at": time.monotonic(), "fields": asdict(event)}
        sink.write(json.dumps(line, default=_word) + "\n")

    package.subscribe(note)


def _word(value: object) -> str:
    """An error is noted by its class: what it says may hold a task's words."""
    return type(value).__name__ if isinstance(value, BaseException) else str(value)


def events_in(file: Path, zero: float) -> tuple[Noted, ...]:
    """What was noted, in seconds from ``zero`` of the monotonic clock; a torn last line is left."""
    if not file.is_file():
        return ()
    events = []
    for line in file.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            noted = json.loads(line)
            events.append(Noted(noted["event"], noted["at"] - zero, noted["fields"]))
    return tuple(events)
