"""Imported first by the fork server: it ends when the command does, in the midst of its imports.

Prevents a fork server that goes on importing for seconds after its command was killed. The system
sends the signal; what the server forks does not inherit the wish, and looks after itself.
"""

from __future__ import annotations

import ctypes
import signal
import sys

PR_SET_PDEATHSIG = 1

if sys.platform == "linux":
    # Where the system's library has no such function, the server ends after its imports.
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
