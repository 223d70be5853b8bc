"""How long a trial's processes waited for a CPU, and for how much of it others are to blame.

Prevents a verdict on the machine: a step that was kept from running looks like a slow one. Linux
counts for each thread how long it was ready to run and did not. A wait is excused only as far as
others used the usable cores meanwhile: where one process of a trial waits for another of the same
trial, or for a thread that spins, the step itself is slow, and is judged.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from book.stage.processes import Child

PROC = Path("/proc")
# Above this share there is no verdict. ``waiting_trial.py`` shows what runs on a machine have.
SHARE = 0.9
LEAST_S = 0.5  # so much in a whole trial shifts no verdict, whatever its share
EVERY_S = 0.5  # a thread that begins and ends between two readings is not seen waiting
IDLE = slice(4, 6)  # of a core's line in /proc/stat: idle, and idle while a disk works
WORK = slice(11, 15)  # of /proc/PID/stat after the name: user, system, and those of ended children


@dataclass(frozen=True)
class Waited:
    """Of one measured part, in seconds: its length; the work and the waiting of all processes
    together; the CPU time that others had; and the waiting for which they are to blame."""

    seconds: float = 0.0
    worked_s: float = 0.0
    waited_s: float = 0.0
    others_s: float = 0.0
    excused_s: float = 0.0

    def __add__(self, more: Waited) -> Waited:
        return Waited(
            self.seconds + more.seconds,
            self.worked_s + more.worked_s,
            self.waited_s + more.waited_s,
            self.others_s + more.others_s,
            self.excused_s + more.excused_s,
        )

    @property
    def share(self) -> float:
        """Of the time in which the processes could have run, what others took: 0 to 1."""
        could_s = self.worked_s + self.waited_s
        return self.excused_s / could_s if could_s else 0.0

    def __str__(self) -> str:
        return f"{self.excused_s:.1f} s of waiting for {self.worked_s:.1f} s of work"


def too_busy(waited: Waited) -> bool:
    """Whether others kept a trial from running so much that its verdict would be on them."""
    return waited.share > SHARE and waited.excused_s > LEAST_S


@dataclass(frozen=True)
class Reading:
    """What the system says at one moment, in seconds: how long the usable cores had nothing to do,
    the work of each process with its descendants, the waiting of each thread."""

    at_s: float
    cores: int
    idle_s: float
    worked: Mapping[int, float]
    waited: Mapping[str, float]

    def since(self, before: Reading) -> Waited:
        """What happened between two readings; what ended between them adds nothing."""
        seconds = self.at_s - before.at_s
        worked = sum(max(s - before.worked.get(pid, 0.0), 0.0) for pid, s in self.worked.items())
        waited = sum(max(s - before.waited.get(tid, 0.0), 0.0) for tid, s in self.waited.items())
        busy = self.cores * seconds - (self.idle_s - before.idle_s)
        others = max(busy - worked, 0.0)
        # At each moment others can be blamed for as many waits as they hold cores.
        return Waited(seconds, worked, waited, others, min(waited, others))


def read(pids: Sequence[int], proc: Path = PROC) -> Reading | None:
    """Read these processes and their descendants; None where the system does not tell."""
    try:
        lines = (proc / "stat").read_text(encoding="ascii").splitlines()
        at_s = time.monotonic()
    except OSError:
        return None
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    usable = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    idle = [
        sum(map(int, words[IDLE]))
        for words in map(str.split, lines)
        if words[:1] and words[0] in usable
    ]
    waited: dict[str, float] = {}
    worked = {pid: _family(proc, pid, waited) * tick_s for pid in pids}
    return Reading(at_s, len(idle), sum(idle) * tick_s, worked, waited) if waited else None


def _family(proc: Path, pid: int, waited: dict[str, float]) -> int:
    """The ticks that a process and its descendants worked; adds what each thread waited."""
    folder, ticks = proc / str(pid), 0
    children: list[int] = []
    with contextlib.suppress(OSError):  # it may end while it is read
        said = (folder / "stat").read_text(encoding="utf-8", errors="replace")
        ticks = sum(map(int, said.rpartition(")")[2].split()[WORK]))
        for thread in os.listdir(folder / "task"):
            with contextlib.suppress(OSError):
                nanoseconds = (folder / "task" / thread / "schedstat").read_text().split()[1]
                waited[thread] = int(nanoseconds) / 1e9
                begun = (folder / "task" / thread / "children").read_text()
                children += map(int, begun.split())
    return ticks + sum(_family(proc, child, waited) for child in children)


class Watch:
    """Readings of some processes from its beginning to its end, added up."""

    def __init__(self, pids: Sequence[int], proc: Path = PROC) -> None:
        self.pids, self.proc = pids, proc
        self.waited = Waited()
        self._last = read(pids, proc)

    @property
    def tells(self) -> bool:
        """Whether the system says anything; where it does not, nothing is excused."""
        return self._last is not None

    def note(self) -> None:
        """Read, and add what happened since the last time."""
        now = read(self.pids, self.proc)
        if now is not None and self._last is not None:
            self.waited += now.since(self._last)
            self._last = now


@contextlib.contextmanager
def watching(children: Sequence[Child]) -> Iterator[Watch]:
    """Watch while the block runs; the sum is whole when it has ended."""
    watch = Watch([child.process.pid for child in children if child.process.pid is not None])
    if not watch.tells:
        yield watch
        return
    over = threading.Event()

    def look() -> None:
        while not over.wait(EVERY_S):
            watch.note()

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()
        watch.note()
