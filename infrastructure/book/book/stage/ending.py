"""The fork server's first import: the server ends when its command does, even by ``kill -9``.

By itself it looks for its command only after all other imports, which on a busy machine take a
quarter of a minute: so long a command that was killed would leave a process and its scratch folder
behind. Here the kernel tells it at once. It waits until the children have ended themselves, and
removes what the command can no longer remove.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

VARIABLE = "BOOK_FORK_SERVER"  # tells the server whose it is; it takes the variable away
PATIENCE_S = 4.0  # for children, which end by themselves
_SIGNAL_ON_PARENTS_DEATH = 1  # PR_SET_PDEATHSIG of prctl(2)


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

    def end(*_: object) -> None:
        if os.getpid() != server or os.getppid() == command:
            return  # a child forked from here, or an orderly end: the command removes its folders
        ends = time.monotonic() + PATIENCE_S
        with suppress(ChildProcessError):
            while time.monotonic() < ends:
                os.waitpid(-1, os.WNOHANG)
                time.sleep(0.02)
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        os._exit(0)

    signal.signal(signal.SIGUSR1, end)
    atexit.register(end)  # where the server itself notices first
    ctypes.CDLL(None).prctl(_SIGNAL_ON_PARENTS_DEATH, signal.SIGUSR1)
    end()  # the command may have died before the kernel was asked


if VARIABLE in os.environ:
    _watch(**json.loads(os.environ.pop(VARIABLE)))
