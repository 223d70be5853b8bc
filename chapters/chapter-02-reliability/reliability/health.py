"""Answer two different questions: must this process be restarted, and may it get requests.

Prevents two failures: a blocked event loop that answers nobody and that nothing restarts, and an
outage of one shared dependency that takes every replica out of rotation at once. The rules:

- Liveness asks the event loop, no dependency: a restart heals none (spring-boot#20660).
- Readiness asks the dependencies. What all replicas share is optional (gitlab-org/gitlab#33447).
- Warm before ready, in bounded time: a dependency that is down must not block a deployment.
"""

from __future__ import annotations

import asyncio
import logging
import math
import sys
import time
from collections.abc import Callable, Mapping
from contextvars import Context
from dataclasses import dataclass, field
from threading import Event, Thread, get_ident
from typing import Literal, Self, TypeAlias

from reliability.bounded import Work, name_of, run_bounded
from reliability.errors import classify
from reliability.events import DependencyChanged, LoopStalled, emit
from reliability.retry_budget import require_numbers

logger = logging.getLogger(__name__)

Status: TypeAlias = Literal["ready", "degraded", "not_ready", "draining", "starting"]
Verdict: TypeAlias = Literal["ok", "failing"]


@dataclass(frozen=True)
class HealthSettings:
    """The numbers of liveness and readiness. Raises ValueError."""

    stall_s: float = 1.0  # a loop that has not turned for longer is stuck
    beat_s: float = 0.1  # how often the loop shows that it turns, and the watchdog looks
    cache_s: float = 5.0  # a readiness result is reused so long
    check_s: float = 1.0  # own limit of each dependency check

    def __post_init__(self) -> None:
        require_numbers(self, "cache_s")
        require_numbers(self, "stall_s", "beat_s", "check_s", above_zero=True)
        if self.beat_s >= self.stall_s:
            raise ValueError(f"beat_s must be below stall_s, not {self.beat_s!r}")


@dataclass(frozen=True)
class LivenessReport:
    alive: bool
    last_beat_s: float  # seconds since the loop last showed that it turns


class Liveness:
    """Watches the event loop it is entered in, once: `async with Liveness() as liveness: ...`.

    A blocked loop answers no probe: the prober's timeout restarts the process. Meanwhile a daemon
    thread logs where the loop's thread stands, once per stall. Code that keeps the GIL stops both.
    """

    def __init__(
        self, settings: HealthSettings | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.settings = settings or HealthSettings()
        self._clock = clock
        self._last_beat = clock()
        self._left = Event()

    async def __aenter__(self) -> Self:
        self._last_beat = self._clock()
        self._heart = asyncio.create_task(self._beat())
        self._watchdog = Thread(target=self._watch, args=[get_ident()], daemon=True)
        self._watchdog.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        self._heart.cancel()
        self._left.set()
        self._watchdog.join(self.settings.stall_s)  # at once, unless a log handler blocks it

    def report(self) -> LivenessReport:
        """Say "alive" unless the last beat is older than `stall_s`. Asks nothing else."""
        age_s = self._clock() - self._last_beat
        return LivenessReport(alive=age_s <= self.settings.stall_s, last_beat_s=age_s)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self.settings.beat_s)
            now = self._clock()
            stalled_s, self._last_beat = now - self._last_beat, now
            if stalled_s > self.settings.stall_s:
                logger.warning("the event loop did not turn for %.1f s", stalled_s)
                emit(LoopStalled(stalled_s))

    def _watch(self, loop_thread: int) -> None:
        logged = math.nan  # the last beat before the stall that is in the log already
        while not self._left.wait(self.settings.beat_s):
            beat, age_s = self._last_beat, self.report().last_beat_s
            if age_s > self.settings.stall_s and beat != logged:
                logger.error("the event loop is stuck (%.1f s) in %s", age_s, _where(loop_thread))
                logged = beat


def _where(thread: int) -> str:
    """Name the ten innermost frames of `thread`, the deepest first, without any values."""
    frame, places = sys._current_frames().get(thread), list[str]()
    while frame and len(places) < 10:
        places.append(f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_qualname}")
        frame = frame.f_back
    return " < ".join(places)


@dataclass(frozen=True)
class DependencyCheck:
    """`probe` fails by raising; its result does not matter. `required`: see `Readiness`."""

    probe: Work
    required: bool = False


@dataclass(frozen=True)
class ReadinessReport:
    ready: bool  # 200 or 503
    status: Status
    dependencies: Mapping[str, Verdict] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)  # of what fails, as `classify` says


class Readiness:
    """Says whether a load balancer may send requests here, from cached dependency checks.

    A failing optional dependency degrades, a required one makes the replica not ready. The rule:
    what all replicas share (the model API, one Redis) is optional, or its outage takes every
    replica out at once (gitlab-org/gitlab#33447). Required is what breaks in this replica alone:
    its disk, its sidecar. `draining` and `started` are never cached: they take effect at once.
    """

    def __init__(
        self,
        checks: Mapping[str, DependencyCheck],
        settings: HealthSettings | None = None,
        draining: Callable[[], bool] = lambda: False,
        started: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.checks = dict(checks)
        self.settings = settings or HealthSettings()
        self._draining, self._started, self._clock = draining, started, clock
        self._healthy = dict.fromkeys(checks, True)
        self._round: asyncio.Task[ReadinessReport] | None = None
        self._ended_at = -math.inf  # of the last round, by `clock`

    async def report(self) -> ReadinessReport:
        """Return the state. Callers at the same time share one round of checks of `check_s`."""
        if at_once := self._at_once():
            return at_once
        fresh = self._clock() - self._ended_at < self.settings.cache_s
        loop = asyncio.get_running_loop()
        # One Readiness may be asked in one loop after the other; a task belongs to one of them.
        lost = self._round is None or self._round.get_loop() is not loop
        if self._round is None or lost or (self._round.done() and not fresh):
            # An empty context: one caller's deadline must not end the round of the others.
            self._round = asyncio.create_task(self._check(), context=Context())
        checked = await asyncio.shield(self._round)  # nor does a caller that leaves
        return self._at_once() or checked

    def _at_once(self) -> ReadinessReport | None:
        if self._draining():
            return ReadinessReport(False, "draining")
        return None if self._started() else ReadinessReport(False, "starting")

    async def _check(self) -> ReadinessReport:
        probes = (check.probe for check in self.checks.values())
        errors = zip(self.checks, await run_bounded(probes, self.settings.check_s), strict=True)
        reasons = {name: classify(error).reason for name, error in errors if error is not None}
        for name, healthy in self._healthy.items():
            if healthy == (name in reasons):
                self._healthy[name] = not healthy
                word = f"failing ({reasons[name]})" if healthy else "well again"
                logger.warning("%r is %s", name, word)
                emit(DependencyChanged(name, not healthy))
        self._ended_at = self._clock()
        ready = not any(self.checks[name].required for name in reasons)
        status: Status = "ready" if not reasons else "degraded" if ready else "not_ready"
        found: dict[str, Verdict] = dict.fromkeys(self.checks, "ok")
        return ReadinessReport(ready, status, found | dict.fromkeys(reasons, "failing"), reasons)


class Startup:
    """Warms up before the service counts as started: `Readiness(started=lambda: s.started)`."""

    started = False

    async def run(self, *warmups: Work, limit_s: float = 10.0) -> None:
        """Run `warmups` in parallel, at most `limit_s` seconds; log what fails and start anyway."""
        for warmup, error in zip(warmups, await run_bounded(warmups, limit_s), strict=True):
            if error is not None:
                logger.warning("%s failed to warm up (%s)", name_of(warmup), classify(error).reason)
        self.started = True
