"""Whatever ends a command, its fork server and all that was started end with it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path

import pytest
from forking import IMPORTS

from book.stage.processes import FORKS, Processes

pytestmark = pytest.mark.skipif(not FORKS, reason="only Linux forks from a server")

LIMIT_S = 5.0
# A command with a child, a program of a child's, and a program; how it goes on is its argument.
COMMAND = """
import subprocess, sys, tempfile, threading
from pathlib import Path
from book.stage.processes import Processes

def wait(pipe):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    pipe.send("ready")
    pipe.recv()

if __name__ == "__main__":
    with (
        tempfile.TemporaryDirectory(prefix="book-", dir=sys.argv[1]) as scratch,
        Processes(sys.argv[3:], Path(scratch)) as processes,
    ):
        if sys.argv[2] == "imports":
            print("ready", flush=True)
            sys.stdin.read()
        with processes.child("waits", wait) as child:
            child.pipe.recv()
            sleeps = [sys.executable, "-c", "import time; print(1, flush=True); time.sleep(60)"]
            program = threading.Thread(target=processes.run, args=(sleeps, Path(scratch)))
            program.start()
            for output in iter(lambda: list(Path(scratch).glob("program-*")), None):
                if output and output[0].stat().st_size:
                    break
            print("ready", flush=True)
            if sys.argv[2] == "waits":
                sys.stdin.read()
            child.pipe.send("end")
            child.process.join()  # what it has started goes on
            processes.kill_all()
            program.join()
"""
SLOW = "import sys, time\nprint('importing', flush=True)\ntime.sleep(60)\n"


def listen_to_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Command:
    """The command, started; it and all that it starts carry a mark in their environment."""

    def __init__(self, folder: Path, *words: str) -> None:
        # Not below ``folder``: the name of a socket may be 107 characters long.
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self.temporary.name)
        script = folder / "command.py"
        script.write_text(COMMAND, encoding="utf-8")
        (folder / "slow_to_import.py").write_text(SLOW, encoding="utf-8")
        self.mark = f"BOOK_TEST_MARK={uuid.uuid4()}"
        name, _, value = self.mark.partition("=")
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(self.folder), *words],
            env={
                **os.environ,
                name: value,
                "TMPDIR": str(self.folder),
                "PYTHONPATH": str(folder),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # A job in the background of a script is started with SIGINT ignored.
            preexec_fn=listen_to_ctrl_c,
        )

    def __enter__(self) -> Command:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.process.kill()
        self.process.communicate()
        self.temporary.cleanup()

    def until(self, line: str) -> None:
        assert self.process.stdout is not None
        for said in self.process.stdout:
            if said.strip() == line:
                return
        raise AssertionError(f"it ended without saying {line!r}")

    def count(self) -> int:
        handles = list(self.left())
        for handle in handles:
            os.close(handle)
        return len(handles)

    def left(self) -> Iterator[int]:
        """Handles of the processes with the mark that still run; who asks closes them."""
        for environment in Path("/proc").glob("[0-9]*/environ"):
            try:
                if self.mark.encode() in environment.read_bytes():
                    yield os.pidfd_open(int(environment.parent.name))
            except OSError:
                continue  # ended, or not ours to look at

    def all_end(self) -> bool:
        """Whether every process ends within the limit."""
        ends = time.monotonic() + LIMIT_S
        while handles := list(self.left()):
            ended = wait(handles, max(0.0, ends - time.monotonic()))
            for handle in handles:
                os.close(handle)
            if not ended:
                return False
        return True


def test_nothing_is_left_of_a_command_that_ends(tmp_path: Path) -> None:
    with Command(tmp_path, "ends") as command:
        command.until("ready")
        command.process.communicate(timeout=60)
        assert command.process.returncode == 0
        assert command.count() == 0
        assert list(command.folder.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_a_command_that_a_signal_ends(
    tmp_path: Path, number: signal.Signals
) -> None:
    with Command(tmp_path, "waits") as command:
        command.until("ready")
        assert command.count() >= 5  # itself, server, child, both programs
        command.process.send_signal(number)
        assert command.all_end()
        assert list(command.folder.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_server_that_still_imports_ends_with_its_command(
    tmp_path: Path, number: signal.Signals
) -> None:
    with Command(tmp_path, "imports", "slow_to_import") as command:
        command.until("importing")
        command.process.send_signal(number)
        assert command.all_end()
        assert list(command.folder.iterdir()) == []


def test_the_server_outlives_its_first_user_and_serves_the_next(tmp_path: Path) -> None:
    servers = []
    for _ in range(2):
        with Processes(IMPORTS, tmp_path) as processes, processes.child("says", parent) as child:
            servers.append(child.pipe.recv())
    assert servers[0] == servers[1]


def parent(pipe: Connection) -> None:
    pipe.send(os.getppid())


def test_a_program_is_run_to_its_end_and_its_output_and_cpu_are_told(tmp_path: Path) -> None:
    script = "import sys; print('är'); print('b', file=sys.stderr); sum(range(10**7)); sys.exit(3)"
    with Processes(IMPORTS, tmp_path) as processes:
        done = processes.run([sys.executable, "-c", script], tmp_path)
        assert done.returncode == 3
        assert sorted(done.stdout.split()) == ["b", "är"]
        assert done.cpu_s > 0.05
        with pytest.raises(OSError, match="no-such-program"):  # not found, or a PATH not to be read
            processes.run(["no-such-program"], tmp_path)


def waits(pipe: Connection) -> None:
    pipe.send(os.getpid())
    pipe.recv()


def test_all_children_are_killed_before_any_is_waited_for(tmp_path: Path) -> None:
    from multiprocessing import forkserver

    with Processes([], tmp_path) as processes, contextlib.ExitStack() as stack:
        children = [stack.enter_context(processes.child("waits", waits)) for _ in range(3)]
        ends = [os.pidfd_open(child.pipe.recv()) for child in children]
        server = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
        os.kill(server, signal.SIGSTOP)  # nobody is told of an end
        try:
            killing = threading.Thread(target=processes.kill_all)
            killing.start()
            for end in ends:
                assert wait([end], LIMIT_S), "it still runs"
        finally:
            os.kill(server, signal.SIGCONT)
            killing.join()
            for end in ends:
                os.close(end)
