"""What a killed command had no time for is done all the same."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from book.stage.guard import Guard

POSIX = pytest.mark.skipif(os.name != "posix", reason="process groups are a POSIX matter")
# Starts a program that starts another, tells a guard of it and of a folder, and waits.
COMMAND = """
import subprocess, sys
from pathlib import Path
from book.stage.guard import Guard

guard = Guard()
guard.folder(Path(sys.argv[1]))
two = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', %r]); time.sleep(60)"
program = subprocess.Popen(
    [sys.executable, "-c", two % "import time; time.sleep(60)"], start_new_session=True
)
guard.begun(program.pid)
print(program.pid, flush=True)
sys.stdin.read()
guard.ended(program.pid)
guard.dismiss()
"""


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@POSIX
@pytest.mark.parametrize("killed", [True, False])
def test_programs_and_folders_of_a_killed_command_end_with_it_and_those_of_another_do_not(
    tmp_path: Path, killed: bool
) -> None:
    scratch = tmp_path / "scratch"
    (scratch / "deep").mkdir(parents=True)
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(scratch)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as command:
        assert command.stdout is not None
        group = int(command.stdout.readline())
        try:
            if killed:
                command.kill()
                until(lambda: not lives(group) and not scratch.exists())
            else:
                command.communicate()
                assert command.returncode == 0
                assert lives(group)
                assert scratch.is_dir()
        finally:
            if lives(group):
                os.killpg(group, signal.SIGKILL)


def test_a_guard_that_is_gone_hinders_nobody(tmp_path: Path) -> None:
    guard = Guard()
    guard._process.kill()
    guard._process.wait()
    guard.folder(tmp_path)
    guard.begun(1)
    guard.dismiss()
    assert tmp_path.is_dir()
