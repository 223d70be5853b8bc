"""Imported first by the fork server: it ends when the command does, in the midst of its imports.

Prevents a fork server that goes on importing for seconds after its command was killed. The system
sends the signal; what the server forks does not inherit the wish, and looks after itself.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PARENT = "BOOK_FORK_SERVER_OF"  # the variable that names the command, for the server alone
PR_SET_PDEATHSIG = 1


def end_with(parent: int) -> None:
    """Be killed when ``parent`` ends; now, if it has ended."""
    # Where the system's library has no such function, the server ends after its imports.
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


if sys.platform == "linux" and PARENT in os.environ:
    end_with(int(os.environ.pop(PARENT)))
