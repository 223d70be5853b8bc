"""Ports for a trial's processes, kept for them until they listen.

This prevents two of many processes that start at once from taking one port, and a client's own
connection from taking it in between.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator


def free_port() -> int:
    """A port of the loopback interface that nobody used a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def reserved() -> Iterator[int]:
    """A port that the system gives to nobody in the block, but to one that asks for it by number.

    That one must allow reuse of the address, as servers do on POSIX. On Windows reuse means
    something else, and the port is merely free.
    """
    if os.name != "posix":
        yield free_port()
        return
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield int(holder.getsockname()[1])
