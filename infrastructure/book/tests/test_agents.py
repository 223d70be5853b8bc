"""What is typed at `make agent` and `make service`, and what is wrong with a person's own ``.env``.

What needs a shell, or more than one Python, is in ``slow/test_agents_in_a_shell.py``.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from typed import PROXIES, TASK, environment, own_key

from book.__main__ import main
from book.chain.chain import Book, ChainError
from book.lessons import env_file
from mock_claude import Simulator


class Done(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


Typed = Callable[..., Done]


@pytest.fixture
def book(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Typed]:
    """The command in this process; the agent that it starts is one of its own."""
    before = signal.getsignal(signal.SIGTERM)

    def run(*words: str, **variables: str) -> Done:
        wanted = environment(**variables)
        for name in os.environ.keys() - wanted.keys():
            monkeypatch.delenv(name)
        for name, value in wanted.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["book", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(int(ended.value.code or 0), *capfd.readouterr())

    yield run
    signal.signal(signal.SIGTERM, before)


def test_what_is_offline_asks_no_proxy(book: Typed) -> None:
    done = book("agent", TASK, **PROXIES[0], **PROXIES[2])
    assert done.code == 0, done.err
    assert "437" in done.out
    assert "°C" in done.out


def test_a_live_run_that_is_refused_says_why_in_one_sentence_and_whom_it_asked(
    book: Typed, simulator: Simulator
) -> None:
    own = own_key(simulator) | {"ANTHROPIC_API_KEY": "sk-ant-invalid-mine"}
    done = book("agent", "--live", "--", "-5+3", **own)
    assert done.code == 1
    why, asked = done.err.strip().splitlines()
    assert "invalid x-api-key" in why
    assert "127.0.0.1" in asked
    assert "ANTHROPIC_API_KEY of the environment" in asked
    assert "sk-ant" not in done.err


def test_a_socks_proxy_is_named_before_anything_is_asked(book: Typed, simulator: Simulator) -> None:
    done = book("agent", "--live", TASK, **own_key(simulator), **PROXIES[2])
    assert done.code == 2
    assert "ALL_PROXY names a SOCKS proxy" in done.err
    assert list(simulator.log) == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"# mine\nANTHROPIC_API_KEY: sk-ant-mine\n", ".env:2 sets nothing"),
        (b"ANTHROPIC_API_KEY sk-ant-mine\n", ".env:1 sets nothing"),
        (b"AGENT_MODEL=m\n\nANTHROPIC_API_KEY\n", ".env:3 sets nothing"),
        ("ANTHROPIC_API_KEY=sk-ant-mine\n".encode("utf-16"), ".env:1 is saved as UTF-16"),
        ("A=1\n".encode("utf-16-be"), ".env:1 is not text"),
        (b"\xef\xbb\xbfANTHROPIC_API_KEY=sk-ant-mine\n", ".env:1 is saved as UTF-8 with a mark"),
        (b"A=1\n# gr\xfc\xdfe\n", ".env:2 is not UTF-8"),
        (b"A='begun\nB=2\n", ".env:1 opens a quote"),
    ],
)
def test_what_is_wrong_with_the_env_file_is_named_with_its_line_and_without_its_values(
    tmp_path: Path, content: bytes, says: str
) -> None:
    file = tmp_path / ".env"
    file.write_bytes(content)
    with pytest.raises(ChainError) as refused:
        env_file.refuse(file, None)
    assert says in str(refused.value)
    assert "sk-ant" not in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "# only a comment\n\n",
        "ANTHROPIC_API_KEY=\nexport AGENT_MODEL = 'x' # why\n",
        "A=\"two\nlines: of one\"\nB='it''s'\nC=a=b: c\n",
        "A=Grüße\r\nB=2\r\n",
    ],
)
def test_what_the_agent_can_read_is_not_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / ".env"
    file.write_bytes(content.encode())
    env_file.refuse(file, {})
    env_file.refuse(tmp_path / "none", {})


def test_an_empty_variable_over_a_filled_file_is_named_as_the_one_that_wins(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("ANTHROPIC_API_KEY=sk-ant-mine\n", encoding="utf-8")
    with pytest.raises(ChainError, match="ANTHROPIC_API_KEY is empty and wins"):
        env_file.refuse(file, {"ANTHROPIC_API_KEY": " "})
    env_file.refuse(file, {"ANTHROPIC_API_KEY": "sk-ant-other"})
    env_file.refuse(file, None)  # offline no key is asked for


def test_a_step_without_a_service_and_a_taken_port_are_named(
    book: Typed, simulator: Simulator
) -> None:
    none = book("service", "--step", "reference-agent")
    assert none.code == 2
    assert "chapter-02/complete" in none.err
    taken = book("service", "--port", str(simulator.port))
    assert taken.code == 2
    assert f"port {simulator.port}" in taken.err
    assert f"PORT={simulator.port + 1}" in taken.err


@pytest.mark.parametrize("words", [("diff",), ("diff", "", "chapter-02/complete")])
def test_a_diff_of_nothing_names_what_it_needs(words: tuple[str, ...], book: Typed) -> None:
    done = book(*words)
    assert done.code == 2
    assert "A=reference-agent B=chapter-02/with-retries" in done.err


@pytest.mark.parametrize("name", ["2", "02", "chapter-2", "chapter-02", "02-reliability"])
def test_a_chapter_is_found_by_what_people_call_it(name: str) -> None:
    assert Book.find().chapter(name).number == 2
