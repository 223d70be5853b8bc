"""One writer at a time, over processes, on every system.

Prevents two commands that each write what they know and undo the other's. The system frees the
lock when its holder ends, ``kill -9`` included, so that no lock outlives a command.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE_S = 20.0
POLL_S = 0.05


class LockError(OSError):
    """Another command held the lock all the time."""


@contextmanager
def locked(
    file: Path,
    patience_s: float = PATIENCE_S,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[None]:
    """Hold the lock of ``file``: a file beside it, which stays. Its folder is made if need be.

    Raises LockError after ``patience_s`` seconds, and OSError where nothing can be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(file.with_name(f"{file.name}.lock"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        until = clock() + patience_s
        while not _take(handle):
            if clock() >= until:
                raise LockError(f"another command has held {file} for {patience_s:.0f} s")
            sleep(POLL_S)
        try:
            yield
        finally:
            _give_back(handle)
    finally:
        os.close(handle)


if sys.platform == "win32":
    import msvcrt

    def _take(handle: int) -> bool:
        try:
            os.lseek(handle, 0, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _give_back(handle: int) -> None:
        os.lseek(handle, 0, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _take(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _give_back(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_UN)
