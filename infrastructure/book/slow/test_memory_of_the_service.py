"""A service whose clients make up session names all day does not grow.

Asked of a real process, by its resident memory: once its maps hold all they may, twice as many
sessions again add almost nothing. Every night, and by hand:

    BOOK_SESSIONS=10000 .venv/bin/python -m pytest -q -s infrastructure/book/slow/test_memory*.py
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from book.chain.chain import Book
from mock_claude.offline import offline_environment

SESSIONS = int(os.environ.get("BOOK_SESSIONS", "0"))  # 10,000 fill the service's maps
MOST_GROWTH_KB = 5_000
AT_ONCE = 16

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
    pytest.mark.skipif(not SESSIONS, reason="takes minutes: BOOK_SESSIONS=10000 asks for it"),
]


@contextmanager
def running(*command: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """A process that is told to leave at the end, and must."""
    environment = os.environ | variables
    with subprocess.Popen(
        [sys.executable, *command], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(40)
            finally:
                process.kill()


def resident_kb(process: subprocess.Popen[str]) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    return int(status.split("VmRSS:")[1].split()[0])


async def begin_sessions(http: httpx.AsyncClient, numbers: Iterator[int]) -> None:
    """One task in each session; a task that fails is a failure of the test."""

    async def client() -> None:
        for number in numbers:
            task = {"task": f'Say "word-{number}".', "session": f"session-{number}"}
            answer = await http.post("/v1/tasks", json=task)
            assert f"word-{number}" in answer.raise_for_status().json()["text"]

    await asyncio.gather(*(client() for _ in range(AT_ONCE)))


async def test_sessions_that_come_and_never_come_again_leave_no_memory_behind(
    tmp_path: Path,
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    service = str(Book.find().step("chapter-02/complete").path / "service.py")
    with running("-m", "mock_claude", "--port", "0") as simulator:
        assert simulator.stdout is not None
        url = simulator.stdout.readline().split()[3]
        quick = {"AGENT_LISTEN__PORT": str(port), "AGENT_NOTES_FILE": str(tmp_path / "notes")}
        quick["AGENT_DRAIN__PAUSE_S"] = "0"
        with running(service, **offline_environment(url), **quick) as process:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
                async with asyncio.timeout(120):
                    while not await is_ready(http):  # noqa: ASYNC110 - of a process
                        await asyncio.sleep(0.1)
                held_kb = []
                for first, after in ((0, SESSIONS), (SESSIONS, 3 * SESSIONS)):
                    await begin_sessions(http, iter(range(first, after)))
                    held_kb.append(resident_kb(process))
    grown_kb = held_kb[1] - held_kb[0]
    sys.stderr.write(f"after {SESSIONS}: {held_kb[0]} kB, after twice as many more {grown_kb:+}\n")
    assert grown_kb < MOST_GROWTH_KB


async def is_ready(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/health/ready")).is_success
    except httpx.TransportError:
        return False
