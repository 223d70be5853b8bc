"""A person's mistake at the command gets a clear line and exit code 2."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from book.__main__ import seeds_of
from book.chain import Book, ChainError


def command(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "book", *words],
        env={**os.environ, "NO_COLOR": "1", **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("run", "77"), "chapter-02"),
        (("run", "02", "--incident", "rain"), "rate-limit-storm"),
        (("run", "02", "--seeds", "many"), "0-19"),
        (("run", "01"), "no incident yet"),
        (("agent", "hello", "--step", "with-wings"), "chapter-02/with-retries"),
        (("agent", "  "), "blank"),
        (("test", "with-wings"), "chapter-02/with-retries"),
        (("dance",), "No such command"),
    ],
)
def test_a_wrong_call_exits_with_2_and_says_what_is_valid(
    words: tuple[str, ...], says: str
) -> None:
    done = command(*words)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_the_agent_answers_offline_and_never_uses_the_persons_key() -> None:
    notes = Book.find().root / "reference-agent" / "notes.jsonl"
    before = notes.read_bytes() if notes.exists() else None
    task = "What is 23*19, and what is the weather in Lisbon?"
    done = command("agent", task, ANTHROPIC_API_KEY="sk-ant-invalid-mine", AGENT_NONSENSE="1")
    assert done.returncode == 0, done.stderr
    assert "437" in done.stdout
    assert "°C" in done.stdout
    assert (notes.read_bytes() if notes.exists() else None) == before


def test_live_without_a_key_says_what_to_do_in_two_lines() -> None:
    done = command("agent", "hello", "--live", ANTHROPIC_API_KEY="")
    assert done.returncode == 2
    assert "ANTHROPIC_API_KEY" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 2


def test_the_list_names_every_step_and_incident() -> None:
    done = command("list")
    assert done.returncode == 0
    for name in ("reference-agent", "chapter-02/with-retries", "rate-limit-storm"):
        assert name in done.stdout


def test_every_command_explains_itself() -> None:
    for name in ("list", "run", "agent", "test"):
        assert command(name, "--help").returncode == 0


def test_seeds_are_ranges_and_lists() -> None:
    assert seeds_of("0-3,7") == [0, 1, 2, 3, 7]
    assert seeds_of("") == []
    with pytest.raises(ChainError, match="0-19"):
        seeds_of("-3")


def test_nothing_is_written_outside_a_scratch_folder(tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    command("list", HOME=str(tmp_path))
    assert sorted(tmp_path.rglob("*")) == before
