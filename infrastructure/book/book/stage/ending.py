"""The fork server's first import: the server ends when its command does, even by ``kill -9``.

By itself it looks for its command only after all other imports, which on a busy machine take a
quarter of a minute: so long a command that was killed would leave a process and its scratch folder
behind. Here the kernel tells it at once. Whatever its children started falls to it when they end,
so that it ends all of that too, and removes what the command can no longer remove.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import shutil
import signal
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

VARIABLE = "BOOK_FORK_SERVER"  # tells the server whose it is; it takes the variable away
END = "SIGUSR1"  # asks the server to end
DIED = "SIGUSR2"  # the kernel's word that the command has died
PATIENCE_S = 4.0  # for what was killed
# Of prctl(2): PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER.
_SIGNAL_ON_PARENTS_DEATH, _ADOPT_ORPHANS = 1, 36


@contextmanager
def told(folders: Sequence[Path]) -> Iterator[None]:
    """A server that starts in the block belongs to this process and removes ``folders`` after it.

    The kernel takes the thread that starts the server for its parent: this must be one that lives
    as long as the command.
    """
    names = [str(folder) for folder in folders]
    os.environ[VARIABLE] = json.dumps({"command": os.getpid(), "folders": names})
    try:
        yield
    finally:
        os.environ.pop(VARIABLE, None)


def _watch(command: int, folders: Sequence[str]) -> None:
    server = os.getpid()

    def end(number: int = 0, *_: object) -> None:
        if os.getpid() != server:
            return  # a child that was forked from here
        _end_children()
        ends = time.monotonic() + PATIENCE_S
        while number == getattr(signal, DIED) and time.monotonic() < ends:
            if os.getppid() != command:
                break
            time.sleep(0.01)  # a dead command with threads is our parent for another moment
        if os.getppid() != command:
            for folder in folders:
                _remove(folder)
        os._exit(0)

    for name in (END, DIED):
        signal.signal(getattr(signal, name), end)
    atexit.register(end)  # where the server itself notices first
    warnings.filterwarnings("ignore", message="forkserver: waitpid returned unexpected pid")
    kernel = ctypes.CDLL(None)
    kernel.prctl(_ADOPT_ORPHANS, 1)
    kernel.prctl(_SIGNAL_ON_PARENTS_DEATH, getattr(signal, DIED))
    if os.getppid() != command:
        end()  # it died before the kernel was asked


def _end_children() -> None:
    """All children with their groups, and theirs, which become ours when they end."""
    ends = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends:
        for child in _children():
            with suppress(OSError):
                if os.getpgid(child) == child:
                    os.killpg(child, signal.SIGKILL)
                os.kill(child, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.01)


def _remove(folder: str) -> None:
    """Until it is gone: a server that ends beside us may write into it for another moment."""
    ends = time.monotonic() + PATIENCE_S
    while os.path.exists(folder) and time.monotonic() < ends:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.01)


def _children() -> Iterator[int]:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):
            # PID (NAME) STATE PARENT ..., where a name may hold anything
            told = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()
            if int(told[1]) == os.getpid():
                yield int(process.name)


if VARIABLE in os.environ:
    _watch(**json.loads(os.environ.pop(VARIABLE)))
