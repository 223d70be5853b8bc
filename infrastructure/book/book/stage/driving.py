"""In a child process: the step's own agent does a workload; every outcome is sent as it comes.

This prevents two folders' modules from meeting in one process, and outcomes from resting on what
the agent says: time is measured around ``run``, and what it leaves running is counted.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Coroutine, Mapping
from contextvars import ContextVar
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from book.stage.disk import folder_of, full_in
from book.stage.noting import note_events
from book.stage.receivers.receivers import without_otel_variables
from book.story.workload import Task, Workload

METRICS = "AGENT_METRICS__PORT"
SERVERS = ("REDIS_URL", "DATABASE_URL", "PROMETHEUS_URL", "ALERTMANAGER_URL")

# Which task of the workload the code runs for; what it starts inherits the number.
_place: ContextVar[int | None] = ContextVar("place", default=None)


def without_agent_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """A user's own key, base URL and settings must not reach an offline run."""
    prefixes = ("ANTHROPIC_", "AGENT_")
    return {k: v for k, v in environment.items() if not k.upper().startswith(prefixes)}


def enter(folder: Path, environment: Mapping[str, str]) -> bool:
    """Make this process the step's: its modules first, and of the settings those it declares.

    What else the environment holds, such as a server's address, is passed as it is, and a user's
    own is not. Whether the step declares a port for its metrics.
    """
    sys.path.insert(0, str(folder))
    from config import Settings  # type: ignore[import-not-found]  # the step's own

    declared = Settings.variables()
    kept = without_otel_variables(without_agent_variables(os.environ))
    kept = {name: value for name, value in kept.items() if name not in SERVERS}
    passed = without_agent_variables(environment)
    os.environ.clear()
    os.environ.update(kept | passed | {k: v for k, v in environment.items() if k in declared})
    return METRICS in declared


def drive(
    pipe: Connection, folder: Path, environment: dict[str, str], workload: Workload, events: Path
) -> None:
    """Send whether the step declares METRICS, ``(place, fields of Outcome)`` for each task, then
    None; end when told to."""
    declares = enter(folder, environment)
    import agent  # type: ignore[import-not-found]  # noqa: F401  # so that its policies are there

    note_events(events)
    asyncio.run(_drive(pipe, workload, declares))


async def _drive(pipe: Connection, workload: Workload, declares: bool) -> None:
    from agent import Agent
    from config import Settings

    started = _count_tasks(asyncio.get_running_loop())
    async with Agent(Settings.from_env()) as agent:
        pipe.send(declares)
        gate, began = asyncio.Semaphore(workload.at_once), time.monotonic()

        async def user(visit: list[tuple[int, Task]]) -> None:
            arrival = began + workload.ramp_s * min(visit[0][0] / workload.at_once, 1.0)
            for place, task in visit:
                arrival = max(arrival, began + task.at_s)
                if arrival > time.monotonic():
                    await asyncio.sleep(arrival - time.monotonic())
                since = arrival if workload.is_open else None
                outcome = await _one(agent, place, task, workload.limit_s, gate, since)
                await asyncio.sleep(0)  # whatever was cancelled may end
                alive = [task for task in started.pop(place, []) if not task.done()]
                pipe.send((place, outcome | {"left": len(alive)}))
                arrival = time.monotonic()

        await asyncio.gather(*(user(visit) for visit in workload.visits()))
        pipe.send(None)
        await asyncio.to_thread(pipe.recv)  # the other end looks at what is in flight first


async def _one(
    agent: Any,
    place: int,
    task: Task,
    limit_s: float,
    gate: asyncio.Semaphore,
    since: float | None,
) -> dict[str, object]:
    """Do one task; ``since`` is when its user came, or None where time counts from its start.

    ``full`` names the folder where it met a full disk.
    """
    text = error = full = None
    answer: dict[str, object] = {}
    loop = asyncio.get_running_loop()
    began = since
    patience = asyncio.timeout(None if since is None else since - time.monotonic() + limit_s)
    try:
        async with patience, gate:
            if began is None:
                began = time.monotonic()
                patience.reschedule(loop.time() + limit_s)
            mark = _place.set(place)
            try:
                answer = asdict(await agent.run(task.text, task.session))
            finally:
                _place.reset(mark)
            text = str(answer.pop("text"))
    except Exception as raised:  # noqa: BLE001 - any failure of a task is an outcome
        error = type(raised).__name__
        if (met := full_in(raised)) is not None:
            full = str(folder_of(met) or "")
    began = time.monotonic() if began is None else began
    seconds = time.monotonic() - began
    if patience.expired() or seconds > limit_s:  # the cancellation was swallowed, or came too late
        text, error = None, "too late"
    return {
        "text": text,
        "error": error,
        "latency_s": seconds,
        "began_s": began,
        "answer": answer,
        "full": full,
    }


def _count_tasks(loop: asyncio.AbstractEventLoop) -> dict[int, list[asyncio.Task[Any]]]:
    """The event loop's tasks by the place that they were started for, from now on."""
    started: dict[int, list[asyncio.Task[Any]]] = {}

    def factory(
        loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(coroutine, loop=loop, **options)
        place = _place.get()
        if place is not None:
            started.setdefault(place, []).append(task)
        return task

    loop.set_task_factory(factory)  # type: ignore[arg-type]  # options differ between versions
    return started
