"""What Linux shows of a process: who holds a connection, how much memory it took, if it is stopped.

This prevents a signal that meets the wrong process, and a figure that is guessed: what the system
does not show is None.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

PROC = Path("/proc")


def holder(port: int, server_port: int, groups: Iterable[int], proc: Path = PROC) -> int | None:
    """The process of these groups whose connection from ``port`` to ``server_port`` it is."""
    inode = _inode(port, server_port, proc)
    if inode is None:
        return None
    wanted, link = set(groups), f"socket:[{inode}]"
    for process in proc.glob("[0-9]*"):
        try:
            if os.getpgid(int(process.name)) in wanted and _has(process, link):
                return int(process.name)
        except OSError:
            continue  # it has ended meanwhile
    return None


def _inode(port: int, server_port: int, proc: Path) -> str | None:
    ours, theirs = f":{port:04X}", f":{server_port:04X}"
    for table in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            told = line.split()
            if told[1].endswith(ours) and told[2].endswith(theirs):
                return told[9]
    return None


def _has(process: Path, link: str) -> bool:
    return any(os.readlink(each) == link for each in (process / "fd").iterdir())


def peak_mb(pid: int, proc: Path = PROC) -> float | None:
    """The most memory that a process has had so far, in megabytes; None where nobody tells."""
    try:
        status = (proc / str(pid) / "status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    told = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(told[0]) / 1024 if told else None


def is_stopped(pid: int, proc: Path = PROC) -> bool:
    """Whether a signal has stopped it and none has continued it."""
    try:
        stat = (proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] == "T"
