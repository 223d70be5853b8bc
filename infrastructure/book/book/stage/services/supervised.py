"""Our side of a supervisor: one server process that is started, signalled, watched and ended.

This prevents a server that nobody ends, and a death that nobody notices: ``sentinel`` can be
waited on beside the sentinels of other children.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait as wait_for
from pathlib import Path

from book.stage.services.errors import ServiceDied, ServiceError

END_S = 60.0  # most of it to remove folders from a busy disk; to kill takes a moment
START_S = 30.0  # a machine that is busy takes ten times as long
STARTS_WITH = 1_000_000  # bytes in which a server says that it is ready
SAID = 2000  # of a server's output, what a message shows
SUPERVISOR = Path(__file__).with_name("supervisor.py")
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


@dataclass
class Supervised:
    """A server that runs behind a supervisor. ``pid`` is the server's own first process."""

    name: str
    pid: int
    output: Path
    _supervisor: subprocess.Popen[bytes]
    _done: int  # where the supervisor says that a signal was sent
    _begins: int = 0  # where in the output this start begins
    _ended: bool = False  # by us: no death to report
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def sentinel(self) -> int:
        """A descriptor that can be read once the server has ended by itself."""
        assert self._supervisor.stdout is not None
        return self._supervisor.stdout.fileno()

    @property
    def runs(self) -> bool:
        with self._lock:
            return not self._ended and not _readable(self.sentinel, 0)

    def signal(self, number: int) -> None:
        """Send a signal: SIGKILL, SIGSTOP and SIGCONT to all its processes, others to its first.

        ServiceDied if it has ended.
        """
        with self._lock:
            if not self._ended:
                assert self._supervisor.stdin is not None
                with contextlib.suppress(BrokenPipeError):
                    self._supervisor.stdin.write(b"signal %d\n" % number)
                    if _readable(self._done, START_S) and os.read(self._done, 1):
                        return
        raise self.died()

    def wait(self, patience_s: float) -> bool:
        """Whether it ended by itself within so many seconds."""
        return self._ended or _readable(self.sentinel, patience_s)

    def until_said(self, words: str, patience_s: float = START_S) -> re.Match[str]:
        """Wait until its output matches ``words``. ServiceError if it ends or stays silent."""
        until = time.monotonic() + patience_s
        while True:
            ended = self.wait(0.01)
            if found := re.search(words, self._since_start()):
                return found
            if ended:
                raise ServiceError(f"{self.name} does not start; {self.last_words()}")
            if time.monotonic() > until:
                raise ServiceError(
                    f"{self.name} was not ready within {patience_s:.0f} s; {self.last_words()}"
                )

    def _since_start(self) -> str:
        with self.output.open("rb") as file:
            file.seek(self._begins)
            return file.read(STARTS_WITH).decode("utf-8", errors="replace")

    def printed(self, last: int = SAID) -> str:
        """The last characters that it printed."""
        with contextlib.suppress(FileNotFoundError), self.output.open("rb") as file:
            file.seek(max(self.output.stat().st_size - 4 * last, 0))
            return file.read().decode("utf-8", errors="replace")[-last:].strip()
        return ""

    def last_words(self) -> str:
        said = self.printed()
        return f"it said last:\n{said}" if said else "it said nothing"

    def died(self) -> ServiceDied:
        return ServiceDied(
            f"{self.name} ended in the middle of the run; {self.last_words()}\n"
            "Run the command again. If it ends again, look for what kills it (memory, a cleaner)."
        )

    def end(self, *, keep: bool = False) -> None:
        """End the server and all that it started. Safe to call twice, from any thread.

        ``keep`` spares the folders that else go with it.
        """
        with self._lock:
            if self._ended:
                return
            self._ended = True
            assert self._supervisor.stdin is not None
            assert self._supervisor.stdout is not None
            with contextlib.suppress(OSError):
                self._supervisor.stdin.write(b"keep\n" if keep else b"")
                self._supervisor.stdin.close()
            try:
                self._supervisor.wait(END_S)
            except subprocess.TimeoutExpired:
                self._supervisor.kill()
                self._supervisor.wait()
            # Only where the supervisor itself was killed is there still a group to end.
            if self._supervisor.returncode != 0 and self.pid:  # 0 would be our own group
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, signal.SIGKILL)
            self._supervisor.stdout.close()
            os.close(self._done)


def supervise(
    name: str,
    command: Sequence[str | Path],
    output: Path,
    *,
    user: str | None = None,
    quit_signal: int | None = None,
    remove: Sequence[Path] = (),
    environment: Mapping[str, str] = ENVIRONMENT,
) -> Supervised:
    """Start a server behind a supervisor; what it prints is appended to ``output``.

    ``user`` is whom it runs as, for root only. ``quit_signal`` asks it to end before it is killed.
    The folders in ``remove`` go when it ends, even if we were killed. ServiceError if it cannot be
    started at all.
    """
    if os.name != "posix":
        raise ServiceError(f"{name}: real servers need Linux, macOS or WSL")
    told: dict[str, object] = {
        "command": [str(part) for part in command],
        "user": user,
        "quit": quit_signal,
        "remove": [str(folder) for folder in remove],
    }
    done, sent = os.pipe()
    told["done"] = sent
    with output.open("ab") as sink:
        begins = sink.tell()
        started = subprocess.Popen(
            [sys.executable, "-I", "-S", str(SUPERVISOR), json.dumps(told)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=sink,
            env=dict(environment),
            bufsize=0,
            pass_fds=[sent],
            start_new_session=True,  # a Ctrl-C on the terminal is the command's to handle
        )
    os.close(sent)
    assert started.stdout is not None
    said = started.stdout.readline() if _readable(started.stdout.fileno(), START_S) else b""
    pid = int(said[4:]) if said.startswith(b"pid ") else 0
    process = Supervised(name, pid, output, started, done, begins)
    if not pid:
        started.kill()
        process.end()
        raise ServiceError(f"{name} could not be started; {process.last_words()}")
    return process


def _readable(descriptor: int, patience_s: float) -> bool:
    return bool(wait_for([descriptor], patience_s))  # poll: select() stops at descriptor 1023
