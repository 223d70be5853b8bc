"""A person's mistake at the command gets a clear line and exit code 2."""

import signal
import sys
from collections.abc import Callable

import pytest

from book.__main__ import main
from book.chain.chain import Book, ChainError
from book.replay.command import seeds_of

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """The command in this process: its exit code, what it shows, what it says of errors."""
    monkeypatch.setenv("NO_COLOR", "1")
    before = signal.getsignal(signal.SIGTERM)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["book", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        signal.signal(signal.SIGTERM, before)
        shown = capfd.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    return run


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("run", "77"), "chapter-02"),
        (("run", "02", "--incident", "rain"), "rate-limit-storm"),
        (("run", "02", "--seeds", "many"), "0-19"),
        (("run", "01", "--by", "luck"), "tasks or usd"),
        (("run", "01", "--revenue", "-3"), "0 or more"),
        (("scoreboard", "--incident", "rain"), "rate-limit-storm"),
        (("agent", "hello", "--step", "with-wings"), "chapter-02/with-retries"),
        (("agent", "  "), "blank"),
        (("test", "with-wings"), "chapter-02/with-retries"),
        (("dance",), "No such command"),
    ],
)
def test_a_wrong_call_exits_with_2_and_says_what_is_valid(
    words: tuple[str, ...], says: str, call: Call
) -> None:
    code, _, said = call(*words)
    assert code == 2
    assert says in said
    assert "Traceback" not in said


def test_the_agent_answers_offline_and_never_uses_the_persons_key(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = Book.find().root / "reference-agent" / "notes.jsonl"
    before = notes.read_bytes() if notes.exists() else None
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-invalid-mine")
    monkeypatch.setenv("AGENT_NONSENSE", "1")
    task = "What is 23*19, and what is the weather in Lisbon and in Rome?"
    code, shown, said = call("agent", task)
    assert code == 0, said
    assert "437" in shown
    assert "°C" in shown
    assert said.count("invented") == said.count("LIVE=1") == 1
    assert "invented" not in shown
    assert (notes.read_bytes() if notes.exists() else None) == before


def test_the_list_names_every_step_and_incident(call: Call) -> None:
    code, shown, _ = call("list")
    assert code == 0
    for name in ("reference-agent", "chapter-02/with-retries", "rate-limit-storm"):
        assert name in shown


@pytest.mark.parametrize(
    "name", ["list", "run", "agent", "test", "check", "generate", "units", "diff", "export"]
)
def test_every_command_explains_itself(name: str, call: Call) -> None:
    assert call(name, "--help")[0] == 0


def test_seeds_are_ranges_and_lists() -> None:
    assert seeds_of("0-3,7") == [0, 1, 2, 3, 7]
    assert seeds_of("") == []
    with pytest.raises(ChainError, match="0-19"):
        seeds_of("-3")
