"""Processes that start fast and never outlive us.

Importing the SDK costs over a second of CPU. On Linux children are forked from a server process
that has done the imports and nothing else (no thread, event loop or client in it); elsewhere they
are spawned. Each child leads a process group of its own: ``kill_all`` ends the groups, and a child
whose parent has died ends itself. What a killed command leaves else, a guard cleans up.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import util
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from book.stage import with_parent
from book.stage.guard import Guard
from book.stage.with_parent import PARENT

FORKS = sys.platform == "linux"
GRACE_S = 5.0


@dataclass(frozen=True)
class Child:
    """A running child, our end of its pipe, and the file that takes what it prints."""

    process: BaseProcess
    pipe: Connection
    output: Path

    def printed(self, last: int = 2000) -> str:
        """The last characters that the child printed."""
        with contextlib.suppress(FileNotFoundError):
            return self.output.read_text(encoding="utf-8", errors="replace")[-last:].strip()
        return ""


@dataclass
class Processes:
    """All children of one command. Use as a context manager: leaving it kills what still runs."""

    imports: Sequence[str]
    scratch: Path
    _live: list[BaseProcess] = field(default_factory=list)
    _commands: list[subprocess.Popen[str]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _closed: bool = False
    _guard: Guard = field(init=False)

    def __enter__(self) -> Processes:
        self._guard = Guard()
        self._guard.folder(self.scratch)
        if FORKS:
            self._guard.folder(Path(util.get_temp_dir()))  # the fork server's socket lies there
            _start_fork_server([with_parent.__name__, "book.stage.processes", *self.imports])
        return self

    def __exit__(self, exc_type: type[BaseException] | None, *exc_info: object) -> None:
        self.kill_all()
        self._guard.dismiss()
        if FORKS and exc_type is not None:
            _kill_fork_server()

    @contextlib.contextmanager
    def child(self, name: str, target: Callable[..., None], *args: object) -> Iterator[Child]:
        """Run ``target(pipe, *args)`` in a child; leaving the block ends it, whatever happened."""
        ours, theirs = multiprocessing.Pipe()
        with self._lock:
            if self._closed:
                raise InterruptedError("stopping")
            output = self.scratch / f"{name}-{len(self._live)}.txt"
            process = _process(name, theirs, output, target, args)
            process.start()
            self._live.append(process)
            self._guard.begun(_pid(process))
        theirs.close()
        ended_well = False
        try:
            yield Child(process, ours, output)
            ended_well = True
        finally:
            ours.close()
            if ended_well:
                process.join(GRACE_S)
            _kill(process)
            self._guard.ended(_pid(process))

    def run(
        self, command: Sequence[str], cwd: Path, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end and capture what it prints; interrupting us kills its group."""
        with self._lock:
            if self._closed:
                raise InterruptedError("stopping")
            program = subprocess.Popen(
                command,
                cwd=cwd,
                env=env,
                text=True,
                encoding="utf-8",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._commands.append(program)
            self._guard.begun(program.pid)
        printed, _ = program.communicate()
        self._guard.ended(program.pid)
        return subprocess.CompletedProcess(command, program.returncode, printed)

    @contextlib.contextmanager
    def killed_on_error(self) -> Iterator[None]:
        """Whatever ends the block early, Ctrl-C included, ends all children first."""
        done = False
        try:
            yield
            done = True
        finally:
            if not done:
                self.kill_all()

    def live(self) -> dict[int, str]:
        """The children that run now: their names by process id."""
        with self._lock:
            running = [process for process in self._live if process.exitcode is None]
        return {process.pid: process.name for process in running if process.pid is not None}

    def kill_all(self) -> None:
        """End every child and program now, with all that they started. Safe to call twice."""
        with self._lock:
            self._closed = True
            for process in self._live:
                _kill(process)
            for program in self._commands:
                if program.poll() is None:
                    _kill_group(program.pid)
                    program.kill()


def _start_fork_server(imports: Sequence[str]) -> None:
    from multiprocessing import forkserver, resource_tracker

    forkserver.set_forkserver_preload(list(imports))
    # A Ctrl-C on the terminal is ours to handle; the server inherits a mask that keeps it out. The
    # tracker is started first, because starting it takes the mask off.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    os.environ[PARENT] = str(os.getpid())
    try:
        forkserver.ensure_running()
    finally:
        del os.environ[PARENT]
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _kill_fork_server() -> None:
    """It ends by itself when we do, but only after its imports: too late for a Ctrl-C."""
    from multiprocessing import forkserver

    # There is no public way; without this attribute the server ends a second or two later.
    pid = getattr(getattr(forkserver, "_forkserver", None), "_forkserver_pid", None)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _process(name: str, *args: object) -> BaseProcess:
    if FORKS:
        return multiprocessing.get_context("forkserver").Process(
            target=_in_child, args=args, name=name
        )
    return multiprocessing.get_context("spawn").Process(target=_in_child, args=args, name=name)


def _pid(process: BaseProcess) -> int:
    assert process.pid is not None, "it was started"
    return process.pid


def _kill(process: BaseProcess) -> None:
    if process.exitcode is None and process.pid is not None:
        _kill_group(process.pid)
        process.kill()
        process.join()


def _kill_group(pid: int) -> None:
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def _in_child(
    pipe: Connection, output: Path, target: Callable[..., None], args: tuple[object, ...]
) -> None:
    if hasattr(os, "setsid"):
        os.setsid()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with output.open("wb", buffering=0) as sink:
        sys.stdout.flush()
        os.dup2(sink.fileno(), 1)
        os.dup2(sink.fileno(), 2)
    sys.stdout = io.TextIOWrapper(os.fdopen(1, "wb", closefd=False), "utf-8", line_buffering=True)
    sys.stderr = io.TextIOWrapper(os.fdopen(2, "wb", closefd=False), "utf-8", line_buffering=True)
    try:
        target(pipe, *args)
    except Exception:  # noqa: BLE001 - the child's own report: shown to the person, exit code 1
        traceback.print_exc()
        sys.exit(1)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        if hasattr(os, "killpg"):
            os.killpg(0, signal.SIGKILL)
        os._exit(1)
