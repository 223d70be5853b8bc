"""What has been observed of a trial so far; it becomes a Run.

This prevents times that cannot be laid side by side: all are on the monotonic clock until the
trial is over, and from the first request on afterwards.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from book.stage.waiting import Waited
from book.story.incident import Outcome, Workload
from book.story.parts import Done

FILE_BYTES, FILES = 1_000_000, 200  # of a trial's folder, what verdicts may read


@dataclass
class Seen:
    """Observed so far; times on the monotonic clock. ``outputs`` are the files of standard output
    and error by process."""

    workload: Workload
    on_done: Callable[[bool], None]
    outcomes: list[Outcome] = field(default_factory=list)
    in_flight: int = 0
    exit_code: int | None = None
    exit_codes: dict[str, int] = field(default_factory=dict)
    signal_at: float | None = None
    waited: Waited = field(default_factory=Waited)
    outputs: dict[str, tuple[Path, Path]] = field(default_factory=dict)

    def add(self, place: int, fields: Mapping[str, object]) -> None:
        """Take in an outcome. OSError where a full disk is to blame for it."""
        told = dict(fields)
        if (full := told.pop("full", None)) is not None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), full or None)
        outcome = Outcome(self.workload.tasks[place], **told)  # type: ignore[arg-type]
        self.outcomes.append(outcome)
        self.on_done(outcome.done)

    @property
    def seconds(self) -> float:
        """From the first task's start to the last one's end."""
        began = min((each.began_s for each in self.outcomes), default=0.0)
        return max((each.ended_s for each in self.outcomes), default=0.0) - began

    def outcomes_since(self, zero: float) -> tuple[Outcome, ...]:
        return tuple(replace(each, began_s=each.began_s - zero) for each in self.outcomes)


def done_since(done: list[Done], zero: float) -> tuple[Done, ...]:
    """What was done, in order, from ``zero`` on."""
    moved = (replace(each, at_s=each.at_s - zero) for each in done)
    return tuple(sorted(moved, key=lambda each: each.at_s))


def files_in(folder: Path) -> dict[str, bytes]:
    """The files of a trial's folder by name, of long ones the beginning."""
    found: dict[str, bytes] = {}
    for file in sorted(each for each in folder.rglob("*") if each.is_file()):
        if len(found) == FILES:
            break
        with file.open("rb") as read:
            found[file.relative_to(folder).as_posix()] = read.read(FILE_BYTES)
    return found
