"""Run several things side by side, none of them longer than a limit.

Prevents the check that hangs with what it checks: a probe, a warm-up or a closing client that waits
in a thread ignores its cancellation, and `asyncio.timeout` would wait for it. The rule: when the
limit is over the caller goes on, whatever the work does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeAlias

Work: TypeAlias = Callable[[], Awaitable[object]]


async def run_bounded(
    works: Iterable[Work],
    limit_s: float,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> list[BaseException | None]:
    """Run `works` in parallel and return the error of each in their order, or None.

    What has not ended after `limit_s` seconds counts as TimeoutError: it is cancelled, not awaited.
    What was cancelled from outside counts as CancelledError and ends none of the others.
    """

    async def run(work: Work) -> None:
        await work()

    async def limit() -> None:
        await sleep(limit_s)

    tasks = [asyncio.create_task(run(work)) for work in works]
    if not tasks:
        return []
    timer = asyncio.create_task(limit())
    ended = asyncio.create_task(asyncio.wait(tasks))
    try:
        await asyncio.wait((timer, ended), return_when=asyncio.FIRST_COMPLETED)
        return [_error_of(task) for task in tasks]
    finally:
        for task in (timer, ended, *tasks):
            task.cancel()
        for task in tasks:
            task.add_done_callback(_error_of)  # asyncio complains of errors that nobody reads


def name_of(work: Work) -> str:
    return str(getattr(work, "__qualname__", type(work).__name__))


def _error_of(task: asyncio.Task[None]) -> BaseException | None:
    if not task.done():
        return TimeoutError()
    return asyncio.CancelledError() if task.cancelled() else task.exception()
