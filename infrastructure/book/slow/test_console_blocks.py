"""What READMEs tell a reader to type runs on a machine that only ran the first command.

Its folder has a space and an umlaut in its name. BOOK_PYTHON names another Python than this one.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from book.chain.chain import Book
from book.check import pasting

TIMEOUT_S = 600
DEAD = "http://127.0.0.1:9"
PROXIES = {"HTTP_PROXY": DEAD, "HTTPS_PROXY": DEAD, "ALL_PROXY": "socks5://127.0.0.1:9"}

pytestmark = pytest.mark.skipif(
    os.name != "posix" or shutil.which("make") is None, reason="make and a POSIX shell are needed"
)


@dataclass(frozen=True)
class Reader:
    """A reader's machine, on which every block was pasted."""

    copy: Path
    environment: dict[str, str]
    pasted: pasting.Pasted


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    python = os.environ.get("BOOK_PYTHON", getattr(sys, "_base_executable", sys.executable))
    with pasting.fresh_copy(Book.find(), python) as (copy, environment):
        yield Reader(copy, environment, pasting.paste(Book.find(), copy, environment))


def test_every_block_does_what_it_says(reader: Reader) -> None:
    assert reader.pasted.wrong == []
    assert reader.pasted.commands > 15
    assert reader.pasted.left_out, "the block of the key is one"


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ('make agent TASK="What is 23*19, and what is the weather in Oslo?"', "437"),
        ("make chapter-02 INCIDENT=deploy-drain", "deploy-drain"),
    ],
)
def test_neither_a_dead_proxy_nor_a_narrow_dumb_terminal_is_in_the_way(
    reader: Reader, command: str, says: str
) -> None:
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 56, 0, 0))
    running = subprocess.Popen(
        ["sh", "-c", command],
        cwd=reader.copy,
        env={**reader.environment, **PROXIES, "TERM": "dumb"},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    printed = b""
    try:
        while block := os.read(ours, 65_536):
            printed += block
    except OSError:  # Linux: the other end is closed
        pass
    finally:
        os.close(ours)
    code = running.wait(TIMEOUT_S)
    text = printed.decode("utf-8", errors="replace")
    assert code in (0, 2), text  # 2: make, where a busy machine allowed no verdict
    assert code == 0 or "not judged" in text, text
    assert says in text
    assert "Traceback" not in text
    assert "\x1b" not in text, "a dumb terminal knows no escapes"
