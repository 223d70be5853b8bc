"""Bounds in time and in number: work that may hang, and what is kept by names that callers make up.

Prevents two failures: the check that hangs with what it checks, because a probe, a warm-up or a
closing client waits in a thread, ignores its cancellation, and `asyncio.timeout` would wait for it;
and the map of sessions that only grows. The rules: when the limit is over the caller goes on,
whatever the work does; at the limit the name that was unused for longest is forgotten, and none
that is in use.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import TypeAlias, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
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


class BoundedMap(MutableMapping[K, V]):
    """A dict of at most `most` entries: each one that is new drops the one unused for longest.

    Reading and writing an entry is using it. What is `in_use` stays, so that there may be more than
    `most` as long as that many are. Raises ValueError.
    """

    def __init__(self, most: int) -> None:
        if type(most) is not int or most < 1:
            raise ValueError(f"most must be a whole number >= 1, not {most!r}")
        self.most = most
        self._entries: dict[K, V] = {}  # the longest unused first
        self._users: Counter[K] = Counter()

    def __getitem__(self, key: K) -> V:
        value = self._entries[key] = self._entries.pop(key)  # now last in line
        return value

    def __setitem__(self, key: K, value: V) -> None:
        self._entries.pop(key, None)
        self._entries[key] = value
        self._drop(sparing=key)

    def __delitem__(self, key: K) -> None:
        del self._entries[key]

    def __contains__(self, key: object) -> bool:
        return key in self._entries  # a look is no use

    def __iter__(self) -> Iterator[K]:
        return iter(tuple(self._entries))  # reading an entry on the way moves it

    def __len__(self) -> int:
        return len(self._entries)

    @contextmanager
    def in_use(self, key: K | None) -> Iterator[None]:
        """Keep the entry of `key`, also one that the block makes; None stands for no entry."""
        if key is None:
            yield
            return
        self._users[key] += 1
        try:
            yield
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key]
            self._drop()

    def _drop(self, sparing: K | None = None) -> None:
        while len(self._entries) > self.most:
            idle = (key for key in self._entries if key not in self._users and key != sparing)
            if (oldest := next(idle, None)) is None:
                return
            del self._entries[oldest]
