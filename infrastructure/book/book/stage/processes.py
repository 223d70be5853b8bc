"""Processes that start fast and never outlive us.

Importing the SDK costs over a second of CPU. On Linux children are forked from a server process
that has done the imports and nothing else (no thread, event loop or client in it); elsewhere they
are spawned. Each child leads a process group of its own: ``kill_all`` ends the groups, and a child
whose parent has died ends itself. The server ends with its command (see ``ending``).
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import parent_process, util
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TypeVar, cast

from book.stage import ending
from book.stage.programs import Finished, end_of, run_program

FORKS = sys.platform == "linux"
GRACE_S = 5.0
T = TypeVar("T")


@dataclass(frozen=True)
class Child:
    """A running child, our end of its pipe, and the files that take what it prints."""

    process: BaseProcess
    pipe: Connection
    stdout: Path
    stderr: Path

    def printed(self, last: int = 2000) -> str:
        """The last characters that the child printed; its errors come last."""
        ends = filter(None, (end_of(file, last) for file in (self.stdout, self.stderr)))
        return "\n".join(ends)[-last:]


@dataclass
class Processes:
    """All children of one command. Use as a context manager: leaving it kills what still runs."""

    imports: Sequence[str]
    scratch: Path
    _live: list[BaseProcess] = field(default_factory=list)
    _at_end: list[Callable[[], None]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _closed: bool = False
    _made: dict[object, object] = field(default_factory=dict)
    _making: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Processes:
        if FORKS:
            _start_fork_server(["book.stage.ending", __name__, *self.imports], self.scratch)
        return self

    def __exit__(self, exc_type: type[BaseException] | None, *exc_info: object) -> None:
        self.kill_all()
        if FORKS and exc_type is not None:
            end_fork_server()

    @contextlib.contextmanager
    def child(self, name: str, target: Callable[..., None], *args: object) -> Iterator[Child]:
        """Run ``target(pipe, *args)`` in a child; leaving the block ends it, whatever happened."""
        ours, theirs = multiprocessing.Pipe()
        with self._lock:
            if self._closed:
                raise InterruptedError("stopping")
            outputs = [self.scratch / f"{name}-{len(self._live)}.{end}" for end in ("out", "err")]
            process = _process(name, theirs, outputs, target, args)
            process.start()
            self._live.append(process)
        theirs.close()
        ended_well = False
        try:
            yield Child(process, ours, *outputs)
            ended_well = True
        finally:
            ours.close()
            if ended_well:
                process.join(GRACE_S)
            _kill(process)

    def run(self, command: Sequence[str], cwd: Path, env: dict[str, str] | None = None) -> Finished:
        """Run a program to its end and capture what it prints; it ends with us, whatever ends us.

        Raises OSError if it cannot be started.
        """
        variables = dict(os.environ) if env is None else env
        with self.child("program", run_program, list(command), cwd, variables) as child:
            try:
                result, cpu_s = child.pipe.recv()
            except (EOFError, ConnectionError):
                result, cpu_s = -signal.SIGTERM, 0.0  # killed, with its group
            child.process.join(GRACE_S)
            if isinstance(result, OSError):
                raise result
            printed = child.stdout.read_text(encoding="utf-8", errors="replace")
            printed += child.stderr.read_text(encoding="utf-8", errors="replace")
        return Finished(list(command), result, printed, cpu_s=cpu_s)

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

    def at_end(self, end: Callable[[], None]) -> None:
        """Have ``kill_all`` call this too; it must be safe to call twice, from any thread."""
        with self._lock:
            if self._closed:
                raise InterruptedError("stopping")
            self._at_end.append(end)

    def once(self, make: Callable[[Processes], T]) -> T:
        """What ``make`` gives, made when it is first asked for: one for the whole command."""
        with self._making:
            if make not in self._made:
                self._made[make] = make(self)
            return cast(T, self._made[make])

    def live(self) -> dict[int, str]:
        """The children that run now: their names by process id."""
        with self._lock:
            running = [process for process in self._live if process.exitcode is None]
        return {process.pid: process.name for process in running if process.pid is not None}

    def kill_all(self) -> None:
        """End every child and program now, with all that they started. Safe to call twice."""
        with self._lock:
            self._closed = True
            living = [process for process in self._live if process.exitcode is None]
            ends, self._at_end = self._at_end, []
        for process in living:  # all at once: to wait for each in turn takes seconds
            _signal(process)
        for end in ends:
            end()
        for process in living:
            process.join()


def _start_fork_server(imports: Sequence[str], scratch: Path) -> None:
    from multiprocessing import forkserver, resource_tracker

    forkserver.set_forkserver_preload(list(imports))
    # A Ctrl-C on the terminal is ours to handle; the server inherits a mask that keeps it out. The
    # tracker is started first, because starting it takes the mask off.
    resource_tracker.ensure_running()
    folders = [scratch]
    if parent_process() is None:  # else the folder of sockets is our parent's
        folders.append(Path(util.get_temp_dir()))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with ending.told(folders):
            forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    # Several users of one process share the server, which is costly to start: it ends with us.
    util.Finalize(None, end_fork_server, exitpriority=0)


def end_fork_server() -> None:
    """Now, with all that our children left running, which the server has adopted.

    It ends with this process anyway; whoever wants to know what it cost ends it before.
    """
    if not FORKS:
        return
    from multiprocessing import forkserver

    # There is no public way; without these attributes the server ends a second or two later.
    server = getattr(forkserver, "_forkserver", None)
    pid = getattr(server, "_forkserver_pid", None)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, getattr(signal, ending.END))
        getattr(server, "_stop", lambda: None)()  # takes its exit code, so that no zombie is left


def _process(name: str, *args: object) -> BaseProcess:
    if FORKS:
        return multiprocessing.get_context("forkserver").Process(
            target=_in_child, args=args, name=name
        )
    return multiprocessing.get_context("spawn").Process(target=_in_child, args=args, name=name)


def _kill(process: BaseProcess) -> None:
    if process.exitcode is None and process.pid is not None:
        _signal(process)
        process.join()


def _signal(process: BaseProcess) -> None:
    if process.pid is not None and hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()


def _in_child(
    pipe: Connection, outputs: list[Path], target: Callable[..., None], args: tuple[object, ...]
) -> None:
    if hasattr(os, "setsid"):
        os.setsid()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.stdout.flush()
    for descriptor, output in enumerate(outputs, 1):
        try:
            with output.open("wb", buffering=0) as sink:
                os.dup2(sink.fileno(), descriptor)
        except OSError as error:  # such as a full disk
            sys.exit(f"book: what a process prints cannot be kept: {error}")
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
