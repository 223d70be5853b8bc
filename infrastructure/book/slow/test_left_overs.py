"""A command that is interrupted or killed at any moment leaves no process, port or folder behind.

A port is held by a process, so that where none is left no port is. Moments are told by what the
command has started so far: nothing is timed.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from drawn import drawn

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

COMMANDS = (("run", "02"), ("scoreboard",), ("check",), ("test", "book"))
SIGNALS = {signal.SIGINT: "ctrl-c", signal.SIGKILL: "kill -9"}
ENDS = [(words, by) for words in COMMANDS for by in SIGNALS]
SOON_S = 5.0  # from the end of the command to the last trace of it
MOMENTS = 2  # every night ten: BOOK_MOMENTS=10


def name(words: tuple[str, ...], by: signal.Signals) -> str:
    return f"{' '.join(words)}-{SIGNALS[by]}"


def listen_to_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def with_mark(mark: str) -> set[int]:
    """Living processes whose environment holds this text."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found.add(int(folder.name))
        except OSError:
            continue
    return found


def left_after(words: tuple[str, ...], by: signal.Signals, started: int, tmp: Path) -> list[str]:
    """What is left of a command that got a signal when it had started so many processes."""
    mark = f"TMPDIR={tmp}"
    command = subprocess.Popen(
        [sys.executable, "-m", "book", *words],
        env={**os.environ, "TMPDIR": str(tmp), "BOOK_TEST_MARK": mark},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=listen_to_ctrl_c,
    )
    seen = {command.pid}
    while len(seen) < started and command.poll() is None:
        seen |= with_mark(mark)
        time.sleep(0.02)
    command.send_signal(by)
    command.wait(60)
    deadline = time.monotonic() + SOON_S
    while time.monotonic() < deadline and (with_mark(mark) or folders(tmp)):
        time.sleep(0.05)
    return [*map(name_of, with_mark(mark)), *folders(tmp)]


def folders(tmp: Path) -> list[str]:
    """Scratch folders. Those of pytest stay for a while by its own rule."""
    return [path.name for path in tmp.iterdir() if not path.name.startswith("pytest-of-")]


def name_of(pid: int) -> str:
    try:
        return (Path("/proc") / str(pid) / "cmdline").read_text().replace("\0", " ")
    except OSError:
        return f"{pid}, which has ended"


def test_an_interrupted_demo_ends_with_130_and_without_a_traceback(tmp_path: Path) -> None:
    mark = f"TMPDIR={tmp_path}"
    demo = subprocess.Popen(
        [sys.executable, "-m", "book", "run", "02", "--details"],
        env={**os.environ, "TMPDIR": str(tmp_path), "BOOK_TEST_MARK": mark},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # A job in the background of a script is started with SIGINT ignored, and passes that on.
        preexec_fn=listen_to_ctrl_c,
    )
    with demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "/120" in line:  # tasks are being done
                break
        assert len(with_mark(mark)) > 4
        demo.send_signal(signal.SIGINT)
        rest = demo.stdout.read()
        assert demo.wait(20) == 130
    assert "Traceback" not in rest


@pytest.mark.parametrize(
    ("words", "by"), [pytest.param(*k, id=name(*k)) for k in drawn("ends", ENDS, 4)]
)
def test_nothing_is_left_after_five_seconds(
    words: tuple[str, ...], by: signal.Signals, tmp_path: Path
) -> None:
    chance = random.Random(f"{words} {by}")
    left = {}
    for number in range(int(os.environ.get("BOOK_MOMENTS", MOMENTS))):
        started, tmp = chance.randint(1, 14), tmp_path / str(number)
        tmp.mkdir()
        left[f"{started} processes"] = left_after(words, by, started, tmp)
    assert {moment: names for moment, names in left.items() if names} == {}
