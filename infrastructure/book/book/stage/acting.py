"""Strikes and deeds: what meets a trial's processes and servers beside the load.

This prevents trouble that nobody saw: each is noted with its time and whom it met, and one that
fails ends the trial.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from book.stage.looking import holder, peak_mb
from book.stage.services.tenant import Tenant
from book.stage.simulating import TrialError
from book.story.incident import Deed, Strike
from book.story.parts import Done

WHOLE_GROUP = ("SIGKILL", "SIGSTOP", "SIGCONT")


def send(pid: int, act: str) -> None:
    """Send a signal by name to a process that leads a group; some are for the whole group.

    One that has ended is met by nothing.
    """
    number = getattr(signal, act)
    try:
        if act in WHOLE_GROUP:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except ProcessLookupError:
        pass


class AtRequests:
    """In the simulator's process: strikes that come with the n-th request of a task.

    ``names`` are the step's processes by id, each of which leads a group.
    """

    def __init__(self, strikes: Sequence[Strike]) -> None:
        self.strikes = [each for each in strikes if each.request is not None]
        self.names: Mapping[int, str] = {}
        self.port = 0
        self.done: list[Done] = []
        self.peaks: dict[str, float] = {}  # of who is met: afterwards it may be gone
        self._seen: Counter[str] = Counter()

    def on_task(self, task: str, client: tuple[str, int] | None) -> None:
        """A request of the model has come in and is not answered yet."""
        about = [each for each in self.strikes if each.is_about(task)]
        if not about or client is None:
            return
        pid = holder(client[1], self.port, self.names)
        if pid is None:
            return
        leader = os.getpgid(pid)
        name = self.names[leader]
        for strike in about:
            if strike.meets(name):
                self._seen[strike.name] += 1
                if self._seen[strike.name] == strike.request:
                    if (peak := peak_mb(leader)) is not None:
                        self.peaks[name] = peak
                    send(leader, strike.act)
                    self.done.append(Done(strike.name, time.monotonic(), name))


@dataclass
class Acting:
    """In the command: carries out, in a thread, what comes at a time. Times are monotonic."""

    strikes: Sequence[Strike]
    deeds: Sequence[Deed]
    folder: Path
    tenants: Mapping[str, Tenant]
    pids: Mapping[str, int] = field(default_factory=dict)
    done: list[Done] = field(default_factory=list)
    peaks: dict[str, float] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _error: TrialError | None = None

    def before(self) -> None:
        """Do what comes before the step's processes start."""
        for deed in self.deeds:
            if deed.at_s is None:
                self._carry_out(deed)
        self._check()

    def begin(self, pids: Mapping[str, int]) -> None:
        """The load begins now; these are the step's processes by name."""
        self.pids = pids
        began, timed = time.monotonic(), list[Strike | Deed]([*self.strikes, *self.deeds])
        due = [(began + each.at_s, each) for each in timed if each.at_s is not None]
        due.sort(key=lambda each: each[0])
        if due:
            self._thread = threading.Thread(target=self._run, args=(due,), daemon=True)
            self._thread.start()

    def end(self) -> None:
        """The load has ended: what is not due yet is left out. TrialError if something failed."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        self._check()

    def measure(self) -> None:
        """Note the memory that each process has taken up to now."""
        for name, pid in self.pids.items():
            peak = peak_mb(pid)
            if peak is not None:
                self.peaks[name] = peak

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self, due: Sequence[tuple[float, Strike | Deed]]) -> None:
        for at_s, what in due:
            if self._over.wait(max(at_s - time.monotonic(), 0)):
                return
            self._carry_out(what)

    def _carry_out(self, what: Strike | Deed) -> None:
        at_s = time.monotonic()
        try:
            if isinstance(what, Deed):
                what.do(self.folder)
                to = ""
            else:
                self.measure()
                to = self._strike(what)
        except Exception as error:  # noqa: BLE001 - a deed is the incident's, and may fail anyhow
            kind = "deed" if isinstance(what, Deed) else "strike"
            said = (
                str(error) if isinstance(error, TrialError) else f"{type(error).__name__}: {error}"
            )
            self._error = self._error or TrialError(f"the {kind} {what.name!r} failed: {said}")
            return
        self.done.append(Done(what.name, at_s, to))

    def _strike(self, strike: Strike) -> str:
        """Carry it out; whom it met. A role stands for its first process."""
        for name in (strike.to, f"{strike.to}-1"):
            if name in self.pids:
                send(self.pids[name], strike.act)
                return name
        server = self.tenants[strike.to].server if strike.to in self.tenants else None
        if server is None:
            raise TrialError(f"this step runs no {strike.to}")
        acts: dict[str, Callable[[], None]] = {"flush": server.flush, "restart": server.restart}
        if strike.act in acts:
            acts[strike.act]()
        else:
            server.process.signal(getattr(signal, strike.act))
        return strike.to
