"""What the command does in a process of its own, on both ends: closed streams, two that write.

Each test starts a Python, so that `make test-slow` runs them. Like ``on_each_end``, whose fixtures
it uses, this is no test module of this folder: it runs beside the agent of a step.
"""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from on_each_end import GOOD, Stage, settings_of_this_test, stage

from config import Settings  # type: ignore[import-not-found]
from tools import Tools  # type: ignore[import-not-found]

__all__ = ["settings_of_this_test", "stage"]


def test_two_processes_that_write_notes_lose_none(tmp_path: Path) -> None:
    notes = tmp_path / "shared.jsonl"
    writing = (
        "import asyncio, pathlib, sys\n"
        "from config import Settings\n"
        "from tools import Tools\n"
        "tools = Tools(Settings(notes_file=pathlib.Path(sys.argv[1])))\n"
        "async def main():\n"
        "    for number in range(50):\n"
        "        await tools.call('save_note', {'text': f'a {number}'})\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "asyncio.run(main())\n"
    )
    tools = Tools(Settings(notes_file=notes))

    async def write() -> str:
        for number in range(50):
            await tools.call("save_note", {"text": f"b {number}"})
        assert other.wait(60) == 0
        return str(await tools.call("read_notes", {}))

    asked = [sys.executable, "-c", writing, str(notes)]
    pipe = subprocess.PIPE
    with subprocess.Popen(asked, stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "ready\n"
        other.stdin.write("go\n")
        other.stdin.flush()
        told = asyncio.run(write())
    expected = [f"- {name} {number}" for name in "ab" for number in range(50)]
    assert sorted(told.splitlines()) == sorted(expected)


def in_a_shell(line: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """``line`` in bash, where $AGENT is the command; its own exit code, in a pipe, too."""
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail\n{line}"],
        env={**os.environ, "AGENT": f"{sys.executable} agent.py", **variables},
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        timeout=100,
    )


posix = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


@posix
@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("$AGENT <&-", 0),
        (f"$AGENT '{GOOD}' >&-", 0),
        (f"echo '{GOOD}' | $AGENT | head -c 0", 130),
    ],
)
def test_the_command_ends_without_a_word_where_a_stream_is_closed(
    stage: Stage, line: str, code: int
) -> None:
    done = in_a_shell(line)
    assert (done.returncode, done.stderr) == (code, "")


@posix
def test_the_command_prints_what_it_can_where_a_locale_knows_no_umlaut(stage: Stage) -> None:
    stage.queue(
        {"content": [{"type": "text", "text": "Málaga 😀: 437"}], "stop_reason": "end_turn"}
    )
    done = in_a_shell(f"$AGENT '{GOOD}'", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stdout) == (0, "M?laga ?: 437\n"), done.stderr
