"""A real process, a real event loop that really blocks, and real signals.

Run as a program this file is the service that its tests start: `serve()` around a tiny ASGI app.
What takes long there takes as long as the test says: a busy machine changes no order of events.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import pytest

from reliability.draining import Drain, DrainSettings
from reliability.health import HealthSettings, Liveness, Readiness
from reliability.serving import Message, Receive, Send, serve

PAUSE_S = 2.0
DRAIN_S = 60.0
UNBLOCK, ANSWER = b"u", b"a"  # what a test writes to the service


# --- The service ---------------------------------------------------------------------------------


def a_tool_that_forgot_to_be_async(until: threading.Lock) -> None:
    until.acquire()


async def service() -> int:
    grace_s = PAUSE_S + DRAIN_S + 2
    drain = Drain(DrainSettings(PAUSE_S, drain_s=DRAIN_S, close_s=1, grace_s=grace_s))
    readiness = Readiness({}, draining=lambda: drain.draining)
    liveness = Liveness(HealthSettings(stall_s=0.7, beat_s=0.05))
    unblock, answer, loop = threading.Lock(), asyncio.Event(), asyncio.get_running_loop()
    unblock.acquire()

    def listen() -> None:
        while word := os.read(0, 1):
            unblock.release() if word == UNBLOCK else loop.call_soon_threadsafe(answer.set)

    threading.Thread(target=listen, daemon=True).start()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        status = 200
        logging.info("began %s", scope["path"])
        match scope["path"]:
            case "/live":
                status = 200 if liveness.report().alive else 503
            case "/ready":
                status = 200 if (await readiness.report()).ready else 503
            case "/block":
                a_tool_that_forgot_to_be_async(unblock)
            case "/long":
                await answer.wait()
        await send({"type": "http.response.start", "status": status})
        await send({"type": "http.response.body", "body": str(drain.under_way).encode()})

    async def close() -> None:
        logging.info("the client is closed")

    async with liveness:
        return await serve(app, "127.0.0.1", 0, drain, [close], lifespan="off")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    sys.exit(asyncio.run(service()))


# --- The tests -----------------------------------------------------------------------------------

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGTERM to a process there")


class Child:
    """The service in a process of its own, and what it writes."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.lines: list[str] = []
        self.more = threading.Condition()
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        self.threads = ThreadPoolExecutor()
        anew = httpx.Limits(max_keepalive_connections=0)  # each request on a connection of its own
        self.client = httpx.Client(trust_env=False, verify=False, limits=anew)

    def read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            with self.more:
                self.lines.append(line.decode().rstrip())
                self.more.notify_all()

    def line(self, pattern: str) -> re.Match[str]:
        """Wait for the line of the log that matches."""

        def found() -> re.Match[str] | None:
            return next(filter(None, (re.search(pattern, line) for line in self.lines)), None)

        with self.more:
            match = self.more.wait_for(found, timeout=100)
            assert match, self.lines
            return match

    def status(self, path: str, method: str = "GET", timeout_s: float = 20) -> int:
        address = self.line(r"running on (http://[\d.]+:\d+)")[1]
        return self.client.request(method, address + path, timeout=timeout_s).status_code

    def until(self, path: str, status: int) -> None:
        """Ask until the answer has this status: a machine may stall any loop for a moment."""
        deadline = time.monotonic() + 100
        while (found := self.status(path)) != status:
            assert time.monotonic() < deadline, found

    def tell(self, word: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(word)
        self.process.stdin.flush()

    def begin(self, path: str) -> Future[int]:
        """Send a request and come back while it is under way."""
        future = self.threads.submit(self.status, path, "POST")
        self.line(f"began {path}")
        return future

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.threads.shutdown()
        self.reader.join()
        self.client.close()
        for pipe in (self.process.stderr, self.process.stdin):
            assert pipe
            pipe.close()


@pytest.fixture(scope="module")
def children() -> Iterator[list[Child]]:
    """Both at once, and the first for two tests: most of a start is the import of the SDK."""
    started: list[Child] = []
    try:
        for _ in range(2):
            started.append(Child())
        yield started
    finally:
        for child in started:
            child.end()


def test_a_blocked_loop_answers_no_probe_and_the_log_names_who_blocks_it(
    children: list[Child],
) -> None:
    child, _ = children
    child.until("/live", 200)
    blocking = child.begin("/block")
    place = child.line(r"the event loop is stuck \(\d+\.\d s\) in (.*a_tool_that_forgot.*)")[1]
    with pytest.raises(httpx.ReadTimeout):
        child.status("/live", timeout_s=1)
    assert not blocking.done()
    child.tell(UNBLOCK)
    assert blocking.result() == 200
    child.until("/live", 200)
    assert re.match(rf"{re.escape(__file__)}:\d+ a_tool_that_forgot_to_be_async < ", place)
    child.line(r"the event loop did not turn for [1-9]\d*\.\d s")
    assert sum("a_tool_that_forgot" in line for line in child.lines) == 1


def test_a_signal_loses_no_request(children: list[Child]) -> None:
    _, child = children
    assert child.status("/ready") == 200
    under_way = child.begin("/long")
    child.process.send_signal(signal.SIGTERM)
    told = time.monotonic()
    child.line(r"still accepting for 2\.0 s")
    assert child.status("/ready") == 503
    answers = [child.status("/work", "POST")]
    while time.monotonic() < told + PAUSE_S / 2:
        answers.append(child.status("/work", "POST"))
    assert set(answers) == {200}
    child.line("not accepting any longer: 1 requests under way")
    with pytest.raises(httpx.ConnectError):
        child.status("/ready")
    child.tell(ANSWER)
    assert under_way.result() == 200
    assert child.process.wait(20) == 0
    child.line("the client is closed")


def test_a_second_signal_ends_the_process_now_with_exit_code_1(children: list[Child]) -> None:
    child, _ = children
    under_way = child.begin("/long")
    child.process.send_signal(signal.SIGTERM)
    child.line("not accepting any longer: 1 requests under way")
    assert child.process.poll() is None
    child.process.send_signal(signal.SIGTERM)
    assert child.process.wait(20) == 1  # not after the minute that it had left
    assert under_way.result() == 500
    child.line("the client is closed")
