"""Children of a command: what they print, and what ends with them."""

import sys
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from forking import IMPORTS

from book.stage.processes import Processes
from book.stage.receivers.printed import lines_in


def prints(pipe: Connection, text: str) -> None:
    """In a child."""
    sys.stdout.write('{"event": "answered"}\n')
    sys.stderr.write(f"{text}\n")
    pipe.recv()


@pytest.fixture
def processes(tmp_path: Path) -> Processes:
    return Processes(IMPORTS, tmp_path)


def test_what_a_child_prints_and_its_errors_are_kept_apart(processes: Processes) -> None:
    with processes, processes.child("role", prints, "oh no") as child:
        child.pipe.send("end")
        child.process.join(20)
        out, _ = lines_in("role", "stdout", child.stdout)
        err, _ = lines_in("role", "stderr", child.stderr)
        assert [line.fields for line in out] == [{"event": "answered"}]
        assert [line.text for line in err] == ["oh no"]
        assert child.printed() == '{"event": "answered"}\noh no'
        assert child.printed(2) == "no"


def test_what_is_registered_ends_with_the_processes_once(processes: Processes) -> None:
    ended: list[str] = []
    with processes:
        processes.at_end(lambda: ended.append("server"))
        assert ended == []
    processes.kill_all()
    assert ended == ["server"]
    with pytest.raises(InterruptedError):
        processes.at_end(lambda: None)
