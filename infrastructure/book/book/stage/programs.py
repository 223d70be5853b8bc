"""A program that runs in a child: how it ended, and the seconds of CPU that it took.

Prevents a figure that leaves out what a program's own children did.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path


class Finished(subprocess.CompletedProcess[str]):
    """What a program printed, how it ended, and the seconds of CPU that it and its own took."""

    def __init__(self, args: list[str], returncode: int, stdout: str, *, cpu_s: float) -> None:
        super().__init__(args, returncode, stdout)
        self.cpu_s = cpu_s


def run_program(pipe: Connection, command: list[str], cwd: Path, env: dict[str, str]) -> None:
    """In a child, whose group the program shares, and whose output is its own."""
    try:
        done = subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, check=False)
    except OSError as error:
        pipe.send((error, 0.0))
    else:
        pipe.send((done.returncode, cpu_s()))


def end_of(file: Path, last: int) -> str:
    """The last characters that were printed into a file; nothing where there is none."""
    with contextlib.suppress(FileNotFoundError), file.open("rb") as read:
        read.seek(max(file.stat().st_size - 4 * last, 0))  # a character has at most four bytes
        return read.read().decode("utf-8", errors="replace").strip()[-last:]
    return ""


def cpu_s() -> float:
    """Seconds of CPU that this process and its children that have ended took; 0 on Windows."""
    if sys.platform == "win32":
        return 0.0
    import resource

    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
