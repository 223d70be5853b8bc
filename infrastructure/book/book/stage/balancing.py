"""In a child process: the load balancer that sends a step's service a workload over HTTP.

It polls readiness, sends in turn to those whose last poll was good, and counts a request that it
sent as lost when no answer comes, for whatever reason.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

import httpx

from book.stage.serving import START_S
from book.story.incident import Service
from book.story.workload import Task, Workload

POLL_LIMIT_S = 1.0
NOBODY = "no process is ready"


def send_load(
    pipe: Connection,
    upstreams: Sequence[tuple[str, int]],
    workload: Workload,
    service: Service,
    returns: bool,
) -> None:
    """Send "ready" and wait for a word; then ``(place, fields of Outcome)`` for each task sent,
    and ``(None, when SIGTERM was)``.

    ``upstreams`` are addresses with process ids. With ``returns`` one whose poll was bad gets
    requests again when it is good, and a task for which nobody is ready fails; without it a bad
    poll ends all, and who comes later is sent nowhere.
    """
    asyncio.run(_Balancer(pipe, upstreams, workload, service, returns).run())


@dataclass
class _Upstream:
    client: httpx.AsyncClient
    pid: int
    sends: bool = True
    left: bool = False  # it was told to leave, or never comes back

    async def is_ready(self) -> bool:
        try:
            answer = await self.client.get("/health/ready", timeout=POLL_LIMIT_S)
        except httpx.HTTPError:
            return False
        return answer.is_success


class _Balancer:
    """Sends tasks when they are due, in turn to the processes whose last poll was good."""

    def __init__(
        self,
        pipe: Connection,
        upstreams: Sequence[tuple[str, int]],
        workload: Workload,
        service: Service,
        returns: bool,
    ) -> None:
        self.pipe, self.workload, self.service, self.returns = pipe, workload, service, returns
        everyone = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        self.upstreams = [
            _Upstream(
                httpx.AsyncClient(base_url=url, limits=everyone, timeout=workload.limit_s), pid
            )
            for url, pid in upstreams
        ]
        self.turn = 0
        self.gate = asyncio.Semaphore(workload.at_once)
        self.signal_at: float | None = None

    async def run(self) -> None:
        await asyncio.gather(*map(self._until_ready, self.upstreams))
        self.pipe.send("ready")
        await asyncio.to_thread(self.pipe.recv)
        self.began = time.monotonic()
        polls = [asyncio.create_task(self._poll(each)) for each in self.upstreams]
        await asyncio.gather(*(self._user(visit) for visit in self.workload.visits()))
        if self.service.sigterm_at_s is not None:
            await polls[0]  # to the poll that fails
        for each in polls:
            each.cancel()
        self.pipe.send((None, self.signal_at))
        for upstream in self.upstreams:
            await upstream.client.aclose()

    async def _until_ready(self, upstream: _Upstream) -> None:
        async with asyncio.timeout(START_S):
            while not await upstream.is_ready():  # noqa: ASYNC110 - it waits for another process
                await asyncio.sleep(0.05)

    async def _poll(self, upstream: _Upstream) -> None:
        """Poll one; the first one gets the SIGTERM when it is due."""
        due = self.service.sigterm_at_s if upstream is self.upstreams[0] else None
        signalled = False
        while not upstream.left:
            next_at = time.monotonic() + self.service.poll_s
            upstream.sends = await upstream.is_ready()
            upstream.left = not upstream.sends and (signalled or not self.returns)
            now = time.monotonic()
            if upstream.sends and not signalled and due is not None and now - self.began >= due:
                os.kill(upstream.pid, signal.SIGTERM)
                self.signal_at, signalled = now, True
            await asyncio.sleep(max(next_at - time.monotonic(), 0))

    async def _user(self, visit: list[tuple[int, Task]]) -> None:
        for place, task in visit:
            due = self.began + task.at_s
            if due > time.monotonic():
                await asyncio.sleep(due - time.monotonic())
            async with self.gate:
                upstreams = [self._next() for _ in range(task.sent)]
                if None in upstreams and not self.returns:
                    return
                outcomes = await asyncio.gather(*(self._one(task, each) for each in upstreams))
                for outcome in outcomes:
                    self.pipe.send((place, outcome))

    def _next(self) -> _Upstream | None:
        """Whose turn it is among those that are ready."""
        ready = [each for each in self.upstreams if each.sends]
        if not ready:
            return None
        self.turn += 1
        return ready[self.turn % len(ready)]

    async def _one(self, task: Task, upstream: _Upstream | None) -> dict[str, object]:
        began = time.monotonic()
        text = error = status = wait_s = None
        answer: dict[str, object] = {}
        if upstream is None:
            error = NOBODY
        else:
            try:
                response = await upstream.client.post("/v1/tasks", **_asked(task))  # type: ignore[arg-type]
                status = response.status_code
                answer = response.json()
                if response.is_success:
                    text = str(answer.pop("text"))
                else:
                    error = f"{status} {answer.get('type', '')}".rstrip()
                    wait_s = float(response.headers.get("retry-after", "nan"))
            except (httpx.HTTPError, ValueError, KeyError, AttributeError) as failure:
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


def _asked(task: Task) -> dict[str, object]:
    """What is posted for a task: its own bytes, or its text and session as JSON."""
    headers = {"content-type": "application/json"}
    if task.user is not None:
        headers["authorization"] = f"Bearer {task.user}"
    if task.body is not None:
        return {"content": task.body, "headers": headers}
    asked = {"task": task.text} | ({"session": task.session} if task.session else {})
    return {"json": asked, "headers": headers}
