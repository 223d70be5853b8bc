"""A full disk: a trial that met one says nothing about its step, and is not judged.

This prevents misses that are the disk's: a note that could not be written is a wrong answer, a
server that could not write is a dead one. The file systems that a trial writes to are asked again
and again, because whoever fills one may free it before the end; and an error that says it is full
counts wherever it comes from, because a quota shows nowhere else.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from book.stage.simulating import TrialError

LEAST_MB = 32.0  # below it a server's next file of 16 MB may not fit
EVERY_S = 0.05
FULL = (errno.ENOSPC, errno.EDQUOT)
SAYS_FULL = re.compile(
    rf"\[Errno (?:{errno.ENOSPC}|{errno.EDQUOT})\]|No space left on device|Disk quota exceeded"
)


class DiskFull(TrialError):
    """The disk was full while a trial ran: no verdict, and no other trial would fare better."""


def free_mb(folder: Path) -> float | None:
    """What is left for us on the file system of ``folder``, in megabytes; None where unknown."""
    try:
        return shutil.disk_usage(folder).free / 1e6
    except OSError:
        return None


def full_in(error: BaseException | None) -> OSError | None:
    """The error, or one behind it, that says that nothing more can be written."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError) and error.errno in FULL:
            return error
        error = error.__cause__ or error.__context__
    return None


def told(folder: Path, left_mb: float | None, least_mb: float = LEAST_MB) -> str:
    """What a person reads where so much was left, with the way out."""
    lacks = left_mb is not None and left_mb < least_mb
    much = f"{max(least_mb - left_mb, 1):.0f} MB" if lacks and left_mb is not None else "some space"
    return f"the disk is full: nothing is judged; free {much} in {folder} and run it again"


def folder_of(error: OSError) -> Path | None:
    """Where the error says that it met the full disk."""
    if not isinstance(error.filename, str | bytes):
        return None
    named = Path(os.fsdecode(error.filename))
    return named if named.is_dir() else named.parent


@dataclass
class Disk:
    """The file systems that a trial writes to. ``full`` is a folder on one that was full, and
    ``left_mb`` the least that was left there, None where only an error said so."""

    least_mb: float = LEAST_MB
    folders: dict[int, Path] = field(default_factory=dict)  # by file system
    full: Path | None = None
    left_mb: float | None = None

    def watch(self, folder: Path) -> None:
        """Ask this folder's file system too, from now on."""
        with contextlib.suppress(OSError):
            self.folders.setdefault(folder.stat().st_dev, folder)
        self.look()

    def look(self) -> None:
        """Ask all of them now."""
        for folder in list(self.folders.values()):
            left = free_mb(folder)
            most = self.least_mb if self.left_mb is None else min(self.least_mb, self.left_mb)
            if left is not None and left < most:
                self.full, self.left_mb = folder, left

    def read(self, output: Path) -> None:
        """Look whether what a process printed says that it could not write."""
        with contextlib.suppress(OSError), output.open("rb") as file:
            file.seek(max(output.stat().st_size - 1_000_000, 0))
            if SAYS_FULL.search(file.read().decode("utf-8", errors="replace")):
                self.met(output.parent)

    def met(self, folder: Path) -> None:
        """An error said that it is full."""
        if self.full is None:
            self.full, self.left_mb = folder, free_mb(folder)

    def check(self) -> None:
        """DiskFull if one of them was full at any time."""
        if self.full is not None:
            raise DiskFull(told(self.full, self.left_mb, self.least_mb))


@contextlib.contextmanager
def watched(folder: Path, least_mb: float = LEAST_MB) -> Iterator[Disk]:
    """Watch the file system of ``folder`` while the block runs.

    DiskFull in place of whatever the block raised, or returned, if it was full at any time, from
    the first moment on.
    """
    disk, over = Disk(least_mb), threading.Event()
    disk.watch(folder)
    disk.check()

    def look() -> None:
        while not over.wait(EVERY_S):
            disk.look()

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield disk
    except (TrialError, OSError) as error:
        disk.look()
        full = full_in(error)
        if full is not None or SAYS_FULL.search(str(error)):
            disk.met((full and folder_of(full)) or folder)
        if disk.full is None:
            raise
        raise DiskFull(told(disk.full, disk.left_mb, least_mb)) from error
    finally:
        over.set()
        thread.join()
    disk.check()
