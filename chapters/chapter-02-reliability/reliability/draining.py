"""Leave without losing a request: tell first, then wait, then close.

Prevents the requests that each deployment loses: a server that closes its socket at the moment of
SIGTERM refuses what load balancers go on sending for seconds. The rules, in their order:

- Readiness says 503 and the service still accepts, until every load balancer knows (`pause_s`).
- It stops accepting, and who has sent only a part of a request is refused; requests under way may
  end (`drain_s`); the rest is cancelled.
- Clients close and logs are flushed (`close_s`), and all that ends before SIGKILL (`grace_s`).

A second signal forces: it ends all waiting for requests. `serving` does this for uvicorn.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import signal
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any
from weakref import WeakSet

from reliability.bounded import Work, name_of, run_bounded
from reliability.errors import FailureKind, StopTask, classify
from reliability.retry_budget import require_numbers

logger = logging.getLogger(__name__)


class ServiceLeaving(StopTask):
    """The process ends before this request could. Nothing speaks against another one at once."""

    kind = FailureKind.OVERLOAD
    retry_after_s = 1.0

    def __str__(self) -> str:
        return "the service is being replaced and could not finish this request: send it again"


@dataclass(frozen=True)
class DrainSettings:
    """How long each step of leaving may take, in seconds. Raises ValueError.

    `grace_s` is what the platform grants between SIGTERM and SIGKILL: 30 s on Kubernetes.
    """

    pause_s: float = 3.0
    drain_s: float = 20.0
    close_s: float = 3.0
    grace_s: float = 30.0

    def __post_init__(self) -> None:
        require_numbers(self, "pause_s", "drain_s", "close_s", "grace_s")
        if self.pause_s + self.drain_s + self.close_s > self.grace_s:
            raise ValueError(f"pause_s + drain_s + close_s must be <= grace_s, not {self!r}")


class Drain:
    """Counts the requests under way, and ends them in order when the process must leave.

    Long streams never end on their own: one asks `draining` and sends its final event (the
    streams of chapter 7, performance, do). What does not is cancelled after `drain_s`.
    """

    def __init__(
        self,
        settings: DrainSettings | None = None,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings or DrainSettings()
        self.forced = asyncio.Event()
        self._sleep, self._clock = sleep, clock
        self._begun, self._idle = asyncio.Event(), asyncio.Event()
        self._idle.set()
        self._began_at = 0.0
        self._requests: dict[object, asyncio.Task[Any] | None] = {}
        self._arriving: dict[object, asyncio.Task[Any] | None] = {}
        self._stopped = False  # to accept
        self._cut = WeakSet[asyncio.Task[Any]]()

    @property
    def draining(self) -> bool:
        return self._begun.is_set()

    @property
    def under_way(self) -> int:
        return len(self._requests)

    @contextlib.contextmanager
    def request(self) -> Iterator[None]:
        """Count the block as a request of the current task, which `finish` may cancel."""
        key = object()
        self._requests[key] = asyncio.current_task()
        self._idle.clear()
        try:
            yield
        finally:
            del self._requests[key]
            if not self._requests:
                self._idle.set()

    @contextlib.contextmanager
    def arriving(self) -> Iterator[None]:
        """Mark the current task as one that waits for the rest of its request.

        It is cancelled when the service stops accepting: a client that announces a body and sends
        none must not take the time of those whose work is under way. Raises ServiceLeaving then.
        """
        if self._stopped:
            raise ServiceLeaving
        key = object()
        self._arriving[key] = asyncio.current_task()
        try:
            yield
        finally:
            del self._arriving[key]

    def has_cut(self, task: asyncio.Task[Any] | None) -> bool:
        """Say whether it was this drain that cancelled `task`."""
        return task in self._cut

    def begin(self) -> None:
        """Start to drain; called again, force: `finish` waits for no request any longer."""
        if self.draining:
            self.forced.set()
        else:
            self._began_at = self._clock()
            self._begun.set()

    async def wait_for_signal(self) -> None:
        """Wait until the first `begin`."""
        await self._begun.wait()

    async def finish(
        self,
        stop_accepting: Callable[[], Awaitable[None]] | Callable[[], None],
        closers: Sequence[Work] = (),
    ) -> int:
        """Leave in order (see the module) and return how many requests had to be cancelled.

        `closers` run one after the other. Each may take its even share of what is left of
        `close_s`, so that one that hangs leaves time to the next; a failure is logged.
        """
        if not self.draining:
            self.begin()
        limits, began_at = self.settings, self._began_at
        logger.info("draining: not ready, still accepting for %.1f s", limits.pause_s)
        await self._wait(began_at + limits.pause_s - self._clock())

        async def stop() -> None:
            if inspect.isawaitable(stopping := stop_accepting()):
                await stopping

        await self._end("stop accepting", stop, limits.close_s)
        self._stopped = True
        self._cancel(self._arriving.values())
        logger.info("not accepting any longer: %d requests under way", self.under_way)
        left_s = began_at + limits.pause_s + limits.drain_s - self._clock()
        await run_bounded([self._idle.wait], left_s, self._wait)
        cut = self._cancel(self._requests.values())
        if cut:
            logger.warning("%d requests did not end and are cancelled", cut)
        closed_at = min(self._clock() + limits.close_s, began_at + limits.grace_s)
        steps: list[tuple[str, Work]] = [("ending cancelled requests", self._idle.wait)]
        steps += [(name_of(closer), closer) for closer in closers]
        for number, (name, step) in enumerate(steps):
            await self._end(name, step, (closed_at - self._clock()) / (len(steps) - number))
        return cut

    def _cancel(self, tasks: Iterable[asyncio.Task[Any] | None]) -> int:
        found = dict.fromkeys(task for task in tasks if task)
        for task in found:
            self._cut.add(task)
            task.cancel()
        return len(found)

    async def _wait(self, seconds: float) -> None:
        """Sleep, and no longer once a second signal forces."""
        await run_bounded([self.forced.wait], seconds, self._sleep)

    async def _end(self, name: str, step: Work, limit_s: float) -> None:
        [error] = await run_bounded([step], limit_s, self._sleep)
        if error is not None:
            logger.error("%s failed (%s)", name, classify(error).reason)


def install_signals(
    loop: asyncio.AbstractEventLoop,
    drain: Drain,
    signals: Sequence[signal.Signals] = (signal.SIGTERM, signal.SIGINT),
) -> Callable[[], None]:
    """Let `signals` begin the drain, and force it; return the undo, which the second one calls.

    Call it in the main thread (ValueError or RuntimeError elsewhere). With the handlers gone after
    the second signal, a third one ends the process at once. uvicorn's own must be off: see `serve`.
    """
    before = {number: signal.getsignal(number) for number in signals}

    def undo() -> None:
        while before:
            number, handler = before.popitem()
            with contextlib.suppress(NotImplementedError):
                loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def on_signal() -> None:
        drain.begin()
        if drain.forced.is_set():
            undo()

    def on_windows(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(on_signal)

    for number in signals:
        try:
            loop.add_signal_handler(number, on_signal)
        except NotImplementedError:
            signal.signal(number, on_windows)
    return undo
