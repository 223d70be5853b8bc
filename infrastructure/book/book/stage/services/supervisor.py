"""Runs one server, and ends it with all that it started when the pipe from its parent closes.

This prevents a server that outlives its command. ``kill -9`` of a command runs no cleanup, but the
kernel closes the command's end of our standard input. Started by its path with ``python -I -S``:
the standard library alone, ready in milliseconds. Its one argument is JSON::

    {"command": [...], "user": "nobody" or null, "quit": 3 or null, "remove": ["folder"],
     "done": 5}

``quit`` is the signal that the server is asked with before it is killed; ``remove`` names folders
that go with it. It says ``pid N`` and later ``exit CODE`` on standard output; the server prints
into what is our standard error. A line ``signal N`` on standard input is passed on: SIGKILL,
SIGSTOP and SIGCONT to all processes of the server, others to its first, and a byte on the
descriptor ``done`` says that it was sent; ``keep`` spares the
folders, for a server that will start again on its data.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time

QUIT_S = 2.5  # then it is killed; all of it within the 5 s that a killed command may leave traces
TREE_SIGNALS = ("SIGKILL", "SIGSTOP", "SIGCONT")
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def main() -> None:
    told = json.loads(sys.argv[1])
    os.set_inheritable(told["done"], False)
    woken = _wake_on_signals()
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)  # what the server orphans becomes ours, not init's
    server = _Server(told["command"], told["user"])
    _say(f"pid {server.pid}")
    lines, keeps, told_exit = b"", False, False
    while not _Stop.asked:
        ready, _, _ = select.select([0, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            server.reap()
            if server.code is not None and not told_exit:
                server.end(None)
                _say(f"exit {server.code}")
                told_exit = True
        if 0 in ready:
            read = os.read(0, 4096)
            if not read:
                break
            *whole, lines = (lines + read).split(b"\n")
            for line in whole:
                keeps = keeps or line == b"keep"
                if line.startswith(b"signal "):
                    server.signal(int(line.split()[1]))
                    os.write(told["done"], b".")
    server.end(told["quit"])
    for folder in () if keeps else told["remove"]:
        _remove(folder)


class _Stop:
    asked = False


class _Server:
    """The server's first process, and all that descend from us through it."""

    def __init__(self, command: list[str], user: str | None) -> None:
        self.code: int | None = None
        account = _account(user) if user else None
        self.pid = os.fork()
        if self.pid == 0:
            try:
                _become(command, account)
            except OSError as error:
                os.write(2, f"{command[0]}: {error.strerror}\n".encode())
            finally:
                os._exit(127)

    def reap(self) -> None:
        """Take the exit of every child that has ended; orphans of the server are children too."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == self.pid:
                    self.code = os.waitstatus_to_exitcode(ended[1])

    def signal(self, number: int) -> None:
        if self.code is not None:
            return
        whole = signal.Signals(number).name in TREE_SIGNALS
        for pid in _descendants() if whole else [self.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def end(self, quit_signal: int | None) -> None:
        """Ask it to quit, then kill what is left, until nothing is."""
        if quit_signal is not None and self.code is None:
            self.signal(signal.SIGCONT)
            self.signal(quit_signal)
            until = time.monotonic() + QUIT_S
            while self.code is None and time.monotonic() < until:
                time.sleep(0.01)
                self.reap()
        while left := _descendants():  # again and again: a fork may be under way
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.005)
            self.reap()
        self.reap()


def _wake_on_signals() -> int:
    """The end of a pipe that can be read once a child ended or somebody asked us to stop."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: setattr(_Stop, "asked", True))
    return reading


def _account(name: str) -> tuple[int, int]:
    import pwd

    found = pwd.getpwnam(name)
    return found.pw_uid, found.pw_gid


def _become(command: list[str], account: tuple[int, int] | None) -> None:
    """In the fork: leave our session and rights, and become the server."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it; a server may rest on it
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    if account is not None:
        os.setgroups([])
        os.setgid(account[1])
        os.setuid(account[0])
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # should we be killed; changing the user clears it
    os.execv(command[0], command)  # noqa: S606 - a shell has no place here


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _descendants() -> list[int]:
    """All living processes below us, whatever group or session they chose."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found, left = [], [os.getpid()]
    while left:
        below = children.get(left.pop(), [])
        found += below
        left += below
    return found


def _parents() -> list[tuple[int, int]]:
    if sys.platform != "linux":
        import subprocess

        with subprocess.Popen(["ps", "-axo", "pid=,ppid="], stdout=subprocess.PIPE) as ps:
            listed = ps.communicate()[0].decode().split()
        pairs = zip(map(int, listed[::2]), map(int, listed[1::2]), strict=True)
        return [pair for pair in pairs if pair[0] != ps.pid]
    pairs_found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", encoding="latin-1") as file:
            state, parent = file.read().rpartition(")")[2].split()[:2]
            if state not in "ZX":
                pairs_found.append((int(name), int(parent)))
    return pairs_found


def _remove(folder: str) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def _say(line: str) -> None:
    with contextlib.suppress(OSError):  # who would read it is gone
        os.write(1, line.encode() + b"\n")


if __name__ == "__main__":
    main()
