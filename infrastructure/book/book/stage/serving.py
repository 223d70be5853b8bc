"""In child processes: a step's service, and the load balancer that sends it a workload over HTTP.

The balancer polls readiness, sends while the last poll was good, and counts a request that it
sent as lost when no answer comes, for whatever reason.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from multiprocessing.connection import Connection
from pathlib import Path

import httpx

from book.stage.driving import enter
from book.stage.noting import note_events
from book.story.incident import Service
from book.story.workload import Task, Workload

START_S = 30.0
POLL_LIMIT_S = 1.0
OWN = "service.py"
PLAIN = "plain_service.py"


def serves(folder: Path) -> str:
    """Which file serves this step: its own service.py, or the harness's plain one."""
    return OWN if (folder / OWN).is_file() else PLAIN


def free_port() -> int:
    """A port of the loopback interface that nobody used a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve_step(
    pipe: Connection, folder: Path, environment: dict[str, str], port: int, events: Path
) -> None:
    """Run the step's service until it ends; its exit is what the balancer's side observes."""
    enter(folder, environment)
    import agent  # type: ignore[import-not-found]  # noqa: F401

    note_events(events)
    if serves(folder) == OWN:
        import service  # type: ignore[import-not-found]

        service.main()
    else:
        from book.stage import plain_service

        plain_service.main(port)


def send_load(pipe: Connection, url: str, pid: int, workload: Workload, service: Service) -> None:
    """Send "ready", ``(place, fields of Outcome)`` a task sent, ``(None, when SIGTERM was)``."""
    asyncio.run(_Balancer(pipe, url, pid, workload, service).run())


class _Balancer:
    """Sends tasks when they are due, as long as the last poll of readiness was good."""

    def __init__(
        self, pipe: Connection, url: str, pid: int, workload: Workload, service: Service
    ) -> None:
        self.pipe, self.pid, self.workload, self.service = pipe, pid, workload, service
        everyone = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        self.client = httpx.AsyncClient(base_url=url, limits=everyone, timeout=workload.limit_s)
        self.gate = asyncio.Semaphore(workload.at_once)
        self.sends = True
        self.signal_at: float | None = None

    async def run(self) -> None:
        async with self.client:
            await self._until_ready()
            self.pipe.send("ready")
            self.began = time.monotonic()
            polls = asyncio.create_task(self._poll())
            await asyncio.gather(*(self._user(visit) for visit in self.workload.visits()))
            if self.service.sigterm_at_s is not None:
                await polls  # to the poll that fails
            polls.cancel()
            self.pipe.send((None, self.signal_at))

    async def _until_ready(self) -> None:
        async with asyncio.timeout(START_S):
            while not await self._is_ready():  # noqa: ASYNC110 - it waits for another process
                await asyncio.sleep(0.05)

    async def _is_ready(self) -> bool:
        try:
            return (await self.client.get("/health/ready", timeout=POLL_LIMIT_S)).is_success
        except httpx.HTTPError:
            return False

    async def _poll(self) -> None:
        due = self.service.sigterm_at_s
        while self.sends:
            next_at = time.monotonic() + self.service.poll_s
            self.sends = await self._is_ready()
            now = time.monotonic()
            is_due = due is not None and now - self.began >= due
            if self.sends and is_due and self.signal_at is None:
                os.kill(self.pid, signal.SIGTERM)
                self.signal_at = now
            await asyncio.sleep(max(next_at - time.monotonic(), 0))

    async def _user(self, visit: list[tuple[int, Task]]) -> None:
        for place, task in visit:
            due = self.began + task.at_s
            if due > time.monotonic():
                await asyncio.sleep(due - time.monotonic())
            async with self.gate:
                if not self.sends:
                    return
                self.pipe.send((place, await self._one(task)))

    async def _one(self, task: Task) -> dict[str, object]:
        began = time.monotonic()
        text = error = status = wait_s = None
        answer: dict[str, object] = {}
        asked = {"task": task.text} | ({"session": task.session} if task.session else {})
        try:
            response = await self.client.post("/v1/tasks", json=asked)
            status = response.status_code
            answer = response.json()
            if response.is_success:
                text = str(answer.pop("text"))
            else:
                error = f"{status} {answer.get('type', '')}".rstrip()
                wait_s = float(response.headers.get("retry-after", "nan"))
        except (httpx.HTTPError, ValueError) as failure:
            error = type(failure).__name__
        return {
            "text": text,
            "error": error,
            "latency_s": time.monotonic() - began,
            "began_s": began,
            "answer": answer,
            "status": status,
            "retry_after_s": None if wait_s is None or wait_s != wait_s else wait_s,
        }
