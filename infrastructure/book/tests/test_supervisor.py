"""A supervised server ends with all that it started, however its command ends."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from book.stage.services.errors import ServiceDied, ServiceError
from book.stage.services.supervised import Supervised, supervise

pytestmark = pytest.mark.skipif(os.name != "posix", reason="supervisors are a POSIX matter")

GONE_S = 5.0
# A server with a child in its group, one in a session of its own, and one whose parent has ended.
FAMILY = """
import os, signal, sys, time
def sleep(mark):
    os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)", mark])
mark = sys.argv[1]
if os.fork() == 0:
    sleep(mark)
if os.fork() == 0:
    os.setsid()
    sleep(mark)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        sleep(mark)
    os._exit(0)
os.wait()
print("ready", flush=True)
sleep(mark)
"""
OWNER = """
import sys, time
from pathlib import Path
from book.stage.services.supervised import supervise
folder = Path(sys.argv[1])
command = [sys.executable, "-c", sys.argv[2], sys.argv[3]]
process = supervise("a server", command, folder / "output.txt", remove=[folder / "data"])
process.until_said("ready")
print("started", flush=True)
time.sleep(600)
"""


def processes_with(mark: str) -> list[int]:
    """The living processes of whose arguments one is ``mark``."""
    listed = subprocess.run(
        ["ps", "-axww", "-o", "pid=,stat=,args="], capture_output=True, text=True, check=True
    )
    lines = [line.split(None, 2) for line in listed.stdout.splitlines()]
    return [int(pid) for pid, state, args in lines if mark in args.split() and state[0] != "Z"]


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def mark(request: pytest.FixtureRequest) -> str:
    return f"mark-{os.getpid()}-{request.node.name}"


def python(code: str, *args: str) -> list[str]:
    return [sys.executable, "-X", "utf8", "-c", code, *args]  # in an environment without a locale


def family(tmp_path: Path, mark: str) -> Supervised:
    process = supervise("a server", python(FAMILY, mark), tmp_path / "output.txt")
    process.until_said("ready")
    assert len(processes_with(mark)) == 4
    return process


def test_the_end_of_a_server_is_the_end_of_its_children_and_orphans(
    tmp_path: Path, mark: str
) -> None:
    process = family(tmp_path, mark)
    process.end()
    assert processes_with(mark) == []
    process.end()


def test_not_even_kill_9_of_the_command_leaves_a_process_or_a_folder(
    tmp_path: Path, mark: str
) -> None:
    (tmp_path / "data").mkdir()
    command = python(OWNER, str(tmp_path), FAMILY, mark)
    with subprocess.Popen(command, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        said, ran = owner.stdout.readline(), len(processes_with(mark))
        owner.kill()
    assert (said, ran) == (b"started\n", 5)
    assert within(GONE_S, lambda: processes_with(mark) == [])
    assert within(GONE_S, lambda: not (tmp_path / "data").exists())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere our side ends the server's group")
def test_a_server_ends_with_its_supervisor(tmp_path: Path, mark: str) -> None:
    code = "import time; print('ready', flush=True); time.sleep(600)"
    process = supervise("a server", python(code, mark), tmp_path / "output.txt")
    process.until_said("ready")
    supervisor = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").split()[3]
    os.kill(int(supervisor), signal.SIGKILL)
    assert process.wait(GONE_S)
    assert within(GONE_S, lambda: mark_of(process.pid) != mark)
    process.end()


def mark_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").split("\0")[-2:][0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def test_a_server_that_ends_by_itself_takes_its_children_along_and_is_reported(
    tmp_path: Path, mark: str
) -> None:
    process = family(tmp_path, mark)
    assert not process.wait(0)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait(GONE_S)
    assert not process.runs
    assert within(GONE_S, lambda: processes_with(mark) == [])
    assert re.search(r"(?s)a server ended in the middle.*ready", str(process.died()))
    process.end()


@pytest.mark.skipif(sys.platform != "linux", reason="reads states in /proc")
def test_stopping_a_server_stops_its_children_too(tmp_path: Path, mark: str) -> None:
    def states() -> set[str]:
        stats = [Path(f"/proc/{pid}/stat").read_text() for pid in processes_with(mark)]
        return {stat.rpartition(")")[2].split()[0] for stat in stats}

    process = family(tmp_path, mark)
    process.signal(signal.SIGSTOP)
    assert within(GONE_S, lambda: states() == {"T"})
    process.signal(signal.SIGCONT)
    assert within(GONE_S, lambda: states() == {"S"})
    process.end()


def test_a_server_is_asked_to_quit_and_killed_when_it_does_not(tmp_path: Path, mark: str) -> None:
    polite = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('bye', flush=True), sys.exit(0)))\n"
        "print('ready', flush=True); time.sleep(600)"
    )
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    deaf += "print('ready', flush=True); time.sleep(600)"
    for code, last in ((polite, "bye"), (deaf, "ready")):
        process = supervise(
            "a server", python(code, mark), tmp_path / "output.txt", quit_signal=signal.SIGTERM
        )
        process.until_said("ready")
        process.end()
        assert process.printed().endswith(last)
        assert processes_with(mark) == []


def test_a_stopped_server_still_ends(tmp_path: Path, mark: str) -> None:
    process = family(tmp_path, mark)
    process.signal(signal.SIGSTOP)
    process.end()
    assert processes_with(mark) == []


def test_a_server_that_starts_again_keeps_its_folder(tmp_path: Path, mark: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    code = "print('ready', flush=True); import time; time.sleep(600)"
    process = supervise("one", python(code, mark), tmp_path / "output.txt", remove=[data])
    process.end(keep=True)
    assert data.is_dir()
    process = supervise("one", python(code, mark), tmp_path / "output.txt", remove=[data])
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait(GONE_S)
    assert data.is_dir(), "it may be wanted again"
    process.end()
    assert not data.exists()


def test_what_does_not_start_shows_what_it_said_last(tmp_path: Path, mark: str) -> None:
    code = "print('no such option: --colour'); raise SystemExit(2)"
    process = supervise("redis", python(code, mark), tmp_path / "output.txt")
    with pytest.raises(ServiceError, match=r"redis does not start; it said last:\nno such option"):
        process.until_said("ready")
    process.end()


def test_a_second_start_is_not_ready_because_the_first_one_was(tmp_path: Path, mark: str) -> None:
    output = tmp_path / "output.txt"
    first = supervise("one", python("print('ready')", mark), output)
    first.until_said("ready")
    first.end()
    second = supervise("one", python("print('broken')", mark), output)
    with pytest.raises(ServiceError, match="broken"):
        second.until_said("ready")
    second.end()


def test_silence_is_reported_and_ended(tmp_path: Path, mark: str) -> None:
    process = supervise("one", python("import time; time.sleep(60)", mark), tmp_path / "output.txt")
    with pytest.raises(ServiceError, match="one was not ready within 0 s; it said nothing"):
        process.until_said("ready", patience_s=0.05)
    process.end()
    assert processes_with(mark) == []


def test_a_program_that_cannot_run_says_why(tmp_path: Path) -> None:
    process = supervise("one", [tmp_path / "absent"], tmp_path / "output.txt")
    with pytest.raises(ServiceError, match="absent: No such file or directory"):
        process.until_said("ready")
    process.end()


def test_an_unknown_user_is_named(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="nobody-of-this-name"):
        supervise("one", ["/bin/true"], tmp_path / "output.txt", user="nobody-of-this-name")


def test_a_server_that_has_ended_cannot_be_signalled(tmp_path: Path, mark: str) -> None:
    process = supervise("one", python("print('ready')", mark), tmp_path / "output.txt")
    process.end()
    with pytest.raises(ServiceDied, match="one ended"):
        process.signal(signal.SIGTERM)
