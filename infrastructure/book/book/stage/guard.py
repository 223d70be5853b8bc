"""Outlives a command that was killed, and does what it had no time for.

Prevents leftovers of ``kill -9``: programs that run on, scratch folders in the system's folder for
temporary files. A program of its own, with nothing but the standard library: it hears what is to be
cleaned up, one line each, and acts when its input ends without "over".
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

SOON_S = 4.0


class Guard:
    """What to clean up after us, told to a process that lives a moment longer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C on the terminal is not for it
            text=True,
            encoding="utf-8",
        )

    def folder(self, path: Path) -> None:
        """Remove this folder if we are killed."""
        self._say(f"/{path}")

    def begun(self, pid: int) -> None:
        """End this process and its group if we are killed."""
        self._say(f"+{pid}")

    def ended(self, pid: int) -> None:
        """It has ended; its number may be another's soon."""
        self._say(f"-{pid}")

    def dismiss(self) -> None:
        """Nothing is left to clean up."""
        self._say("over")
        with contextlib.suppress(OSError):
            self._process.communicate()

    def _say(self, line: str) -> None:
        with self._lock, contextlib.suppress(OSError, ValueError):  # it may be gone before us
            assert self._process.stdin is not None
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()


def end(pid: int) -> None:
    """Kill a process, and its group where it leads one."""
    if hasattr(os, "killpg") and os.getpgid(pid) == pid:
        os.killpg(pid, signal.SIGKILL)
    else:
        os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def main(lines: Iterable[str]) -> None:
    """Listen until the lines end; clean up unless the last one says that all is over."""
    folders: set[str] = set()
    pids: set[int] = set()
    for line in lines:
        kind, what = line[0], line[1:].rstrip("\n")
        if line.strip() == "over":
            return
        if kind == "/":
            folders.add(what)
        elif kind == "+":
            pids.add(int(what))
        else:
            pids.discard(int(what))
    for pid in pids:
        with contextlib.suppress(OSError):
            end(pid)
    deadline = time.monotonic() + SOON_S
    while folders and time.monotonic() < deadline:  # who is about to end may still write
        for folder in list(folders):
            shutil.rmtree(folder, ignore_errors=True)
        folders = {folder for folder in folders if os.path.exists(folder)}
        time.sleep(0.1)


if __name__ == "__main__":
    main(sys.stdin)
