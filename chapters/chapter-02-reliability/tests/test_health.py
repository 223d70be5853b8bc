"""What liveness and readiness say, and when; the loop itself is real in another file."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import math
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from reliability.events import DependencyChanged, Event, LoopStalled
from reliability.health import (
    DependencyCheck,
    HealthSettings,
    Liveness,
    LivenessReport,
    Readiness,
    ReadinessReport,
    Startup,
)

SECRET = "redis://:hunter2@cache.example"  # pragma: allowlist secret


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Dependency:
    """Answers or fails as it is told, when it is told; counts how often it was asked."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error, self.asked, self.cancelled = error, 0, 0
        self.answers = asyncio.Event()
        self.answers.set()

    async def ping(self) -> object:
        self.asked += 1
        try:
            await self.answers.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        return False  # a result means nothing

    def check(self, required: bool = False) -> DependencyCheck:
        return DependencyCheck(self.ping, required)


async def turn_the_loop() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


# --- Settings ------------------------------------------------------------------------------------


def test_the_defaults_are_a_second_to_be_stuck_and_five_to_remember() -> None:
    assert HealthSettings() == HealthSettings(stall_s=1.0, beat_s=0.1, cache_s=5.0, check_s=1.0)


@pytest.mark.parametrize("field", ["stall_s", "beat_s", "cache_s", "check_s"])
@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf, True, "1", None])
def test_settings_that_are_no_duration_are_refused(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=field):
        HealthSettings(**{field: value})


@pytest.mark.parametrize("field", ["stall_s", "beat_s", "check_s"])
def test_only_the_cache_may_be_off(field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field} must be a finite number > 0"):
        HealthSettings(**{field: 0})
    assert HealthSettings(cache_s=0).cache_s == 0


@pytest.mark.parametrize("beat_s", [0.5, 0.6])
def test_the_loop_must_beat_more_often_than_it_may_stall(beat_s: float) -> None:
    with pytest.raises(ValueError, match=f"^beat_s must be below stall_s, not {beat_s}$"):
        HealthSettings(stall_s=0.5, beat_s=beat_s)


# --- Liveness ------------------------------------------------------------------------------------

FAST = HealthSettings(stall_s=1.0, beat_s=0.001)


async def test_a_loop_is_alive_until_its_last_beat_is_older_than_the_limit(clock: Clock) -> None:
    async with Liveness(HealthSettings(beat_s=0.9), clock) as liveness:
        assert liveness.report() == LivenessReport(alive=True, last_beat_s=0.0)
        clock.now += 1.0
        assert liveness.report() == LivenessReport(alive=True, last_beat_s=1.0)
        clock.now += 0.125
        assert liveness.report() == LivenessReport(alive=False, last_beat_s=1.125)


async def beats(liveness: Liveness) -> None:
    """Wait until the heart has beaten since the clock was moved."""
    for _ in range(5_000):
        if not liveness.report().last_beat_s:
            return
        await asyncio.sleep(0.001)
    raise AssertionError("the heart does not beat")


async def test_a_loop_that_turns_again_is_alive_and_says_once_how_long_it_stood(
    clock: Clock, events: list[Event], caplog: pytest.LogCaptureFixture
) -> None:
    async with Liveness(FAST, clock) as liveness:
        await asyncio.sleep(0)
        clock.now += 2.5
        assert not liveness.report().alive
        await beats(liveness)
        assert liveness.report().alive
        for _ in range(3):
            clock.now += 1.0  # long, and still allowed
            await beats(liveness)
        assert events == [LoopStalled(2.5)]
        clock.now += 4.0
        await beats(liveness)
    assert events == [LoopStalled(2.5), LoopStalled(4.0)]
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert warnings == [
        "the event loop did not turn for 2.5 s",
        "the event loop did not turn for 4.0 s",
    ]


async def test_time_before_the_context_is_entered_is_no_stall(
    clock: Clock, events: list[Event]
) -> None:
    liveness = Liveness(FAST, clock)
    clock.now += 60
    async with liveness:
        assert liveness.report().alive
        clock.now += 0.5
        await beats(liveness)
    assert events == []


async def test_liveness_asks_no_dependency(clock: Clock) -> None:
    model_api = Dependency(ConnectionError(SECRET))
    readiness = Readiness({"claude": model_api.check(required=True)})
    assert not (await readiness.report()).ready
    async with Liveness(FAST, clock) as liveness:
        assert liveness.report().alive
    assert model_api.asked == 1


class LogOfTheWatchdog(logging.Handler):
    """Lets the blocked test go on once the watchdog has written a line."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []
        self.written = threading.Event()
        self.threads: set[threading.Thread] = set()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        self.threads.add(threading.current_thread())
        self.written.set()


@pytest.fixture
def watchdog() -> Iterator[LogOfTheWatchdog]:
    handler = LogOfTheWatchdog()
    logging.getLogger("reliability.health").addHandler(handler)
    yield handler
    logging.getLogger("reliability.health").removeHandler(handler)


def a_tool_that_blocks(clock: Clock, seconds: float, until: threading.Event) -> bool:
    password = SECRET
    clock.now += seconds
    return until.wait(5) and bool(password)


async def test_the_watchdog_names_the_function_that_blocks_while_it_blocks(
    clock: Clock, watchdog: LogOfTheWatchdog
) -> None:
    async with Liveness(FAST, clock):
        assert a_tool_that_blocks(clock, 1.5, watchdog.written)
    (line,) = watchdog.lines
    assert line.startswith("the event loop is stuck (1.5 s) in ")
    places = line.removeprefix("the event loop is stuck (1.5 s) in ").split(" < ")
    names = [place.rsplit(" ", 1)[1] for place in places]
    assert names[:2] == ["Condition.wait", "Event.wait"]
    assert names[2:4] == [
        "a_tool_that_blocks",
        "test_the_watchdog_names_the_function_that_blocks_while_it_blocks",
    ]
    blocked_at = a_tool_that_blocks.__code__.co_firstlineno + 3
    assert places[2] == f"{__file__}:{blocked_at} a_tool_that_blocks"
    assert len(places) == 10
    assert "hunter2" not in line


async def test_the_watchdog_writes_one_line_for_each_stall(
    clock: Clock, watchdog: LogOfTheWatchdog
) -> None:
    async with Liveness(FAST, clock) as liveness:
        for stall in (1, 2):
            watchdog.written.clear()
            a_tool_that_blocks(clock, 2.0, watchdog.written)
            again = threading.Event()
            assert not again.wait(0.02)  # time for 20 looks, each of them at the same stall
            assert len(watchdog.lines) == stall
            await beats(liveness)


async def test_the_watchdog_is_silent_up_to_the_limit(
    clock: Clock, watchdog: LogOfTheWatchdog
) -> None:
    async with Liveness(FAST, clock):
        clock.now += 1.0
        assert not threading.Event().wait(0.02)
    assert watchdog.lines == []


async def test_the_watchdogs_thread_is_a_daemon_and_ends_with_the_context(
    clock: Clock, watchdog: LogOfTheWatchdog
) -> None:
    before = set(threading.enumerate())
    async with Liveness(FAST, clock):
        (thread,) = set(threading.enumerate()) - before
        assert thread.daemon
    assert not thread.is_alive()
    await turn_the_loop()
    assert asyncio.all_tasks() == {asyncio.current_task()}


# --- Readiness -----------------------------------------------------------------------------------


async def test_a_service_whose_dependencies_answer_is_ready() -> None:
    readiness = Readiness({"claude": Dependency().check(), "disk": Dependency().check(True)})
    report = await readiness.report()
    assert report == ReadinessReport(True, "ready", {"claude": "ok", "disk": "ok"}, {})


async def test_a_service_without_dependencies_is_ready() -> None:
    assert await Readiness({}).report() == ReadinessReport(True, "ready", {}, {})


async def test_an_optional_dependency_that_fails_degrades() -> None:
    claude = Dependency(ConnectionRefusedError(SECRET))
    readiness = Readiness({"claude": claude.check(), "disk": Dependency().check(True)})
    assert await readiness.report() == ReadinessReport(
        ready=True,
        status="degraded",
        dependencies={"claude": "failing", "disk": "ok"},
        reasons={"claude": "ConnectionRefusedError"},
    )


async def test_a_required_dependency_that_fails_unreadies() -> None:
    disk = Dependency(OSError(SECRET))
    readiness = Readiness({"disk": disk.check(True), "claude": Dependency(KeyError()).check()})
    assert await readiness.report() == ReadinessReport(
        ready=False,
        status="not_ready",
        dependencies={"disk": "failing", "claude": "failing"},
        reasons={"disk": "OSError", "claude": "KeyError"},
    )


def test_a_dependency_is_optional_unless_said_otherwise() -> None:
    assert DependencyCheck(Dependency().ping).required is False


async def test_a_shared_dependency_that_is_down_leaves_every_replica_ready() -> None:
    claude = Dependency(ConnectionError(SECRET))
    replicas = [Readiness({"claude": claude.check()}) for _ in range(3)]
    reports = [await replica.report() for replica in replicas]
    assert [(r.ready, r.status) for r in reports] == [(True, "degraded")] * 3
    assert "gitlab-org/gitlab#33447" in (Readiness.__doc__ or "")


async def test_a_report_never_shows_the_text_of_an_error() -> None:
    readiness = Readiness({"redis": Dependency(ConnectionError(SECRET)).check()})
    assert "hunter2" not in repr(await readiness.report())


async def test_a_probe_that_is_no_coroutine_function_fails_like_any_other() -> None:
    wrong: Any = lambda: None  # noqa: E731
    report = await Readiness({"redis": DependencyCheck(wrong)}).report()
    assert report.reasons == {"redis": "TypeError"}


async def test_a_result_is_reused_for_as_long_as_the_cache_says(clock: Clock) -> None:
    redis = Dependency()
    readiness = Readiness({"redis": redis.check()}, HealthSettings(cache_s=5), clock=clock)
    first = await readiness.report()
    redis.error = ConnectionError()
    clock.now += 4.9
    assert await readiness.report() is first
    assert redis.asked == 1
    clock.now += 0.1
    assert (await readiness.report()).status == "degraded"
    assert redis.asked == 2


async def test_a_failure_is_cached_too_and_forgotten_in_time(clock: Clock) -> None:
    redis = Dependency(ConnectionError())
    readiness = Readiness({"redis": redis.check(True)}, clock=clock)
    assert not (await readiness.report()).ready
    redis.error = None
    clock.now += 4.9
    assert not (await readiness.report()).ready
    clock.now += 0.2
    assert (await readiness.report()).ready


async def test_the_age_of_a_result_counts_from_its_end(clock: Clock) -> None:
    redis = Dependency()
    redis.answers.clear()
    readiness = Readiness({"redis": redis.check()}, clock=clock)
    waiting = asyncio.create_task(readiness.report())
    await turn_the_loop()
    clock.now += 4.0
    redis.answers.set()
    await waiting
    clock.now += 4.0
    await readiness.report()
    assert redis.asked == 1


async def test_the_first_report_is_never_taken_for_a_cached_one() -> None:
    redis = Dependency()
    await Readiness({"redis": redis.check()}, clock=lambda: 0.0).report()
    assert redis.asked == 1


async def test_a_round_that_was_cancelled_is_no_result() -> None:
    redis = Dependency()
    redis.answers.clear()
    readiness = Readiness({"redis": redis.check()}, clock=lambda: 0.0)
    waiting = asyncio.create_task(readiness.report())
    await turn_the_loop()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    redis.answers.set()
    assert (await readiness.report()).status == "ready"
    assert redis.asked == 2


async def test_a_cache_of_zero_seconds_asks_each_time(clock: Clock) -> None:
    redis = Dependency()
    readiness = Readiness({"redis": redis.check()}, HealthSettings(cache_s=0), clock=clock)
    for _ in range(3):
        await readiness.report()
    assert redis.asked == 3


async def test_probes_at_the_same_time_cause_one_round(clock: Clock) -> None:
    redis = Dependency()
    redis.answers.clear()
    readiness = Readiness({"redis": redis.check()}, HealthSettings(cache_s=0), clock=clock)
    waiting = [asyncio.create_task(readiness.report()) for _ in range(10)]
    await turn_the_loop()
    redis.answers.set()
    assert {(await task).status for task in waiting} == {"ready"}
    assert redis.asked == 1


@pytest.mark.parametrize("leaver", [0, 1])
async def test_a_prober_that_leaves_does_not_end_the_round_of_the_others(leaver: int) -> None:
    redis = Dependency()
    redis.answers.clear()
    readiness = Readiness({"redis": redis.check()})
    waiting = [asyncio.create_task(readiness.report()) for _ in range(2)]
    await turn_the_loop()
    waiting[leaver].cancel()
    await turn_the_loop()
    redis.answers.set()
    assert (await waiting[1 - leaver]).status == "ready"
    with pytest.raises(asyncio.CancelledError):
        await waiting[leaver]
    assert (redis.asked, redis.cancelled) == (1, 0)


async def test_a_round_goes_on_when_its_only_prober_leaves() -> None:
    redis = Dependency()
    redis.answers.clear()
    readiness = Readiness({"redis": redis.check()})
    waiting = asyncio.create_task(readiness.report())
    await turn_the_loop()
    waiting.cancel()
    await turn_the_loop()
    redis.answers.set()
    assert (await readiness.report()).status == "ready"
    assert redis.asked == 1


deadline: contextvars.ContextVar[str] = contextvars.ContextVar("deadline", default="none")


async def test_a_round_does_not_run_under_the_deadline_of_one_prober() -> None:
    seen: list[str] = []

    async def probe() -> None:
        seen.append(deadline.get())

    deadline.set("in 1 ms")
    await Readiness({"redis": DependencyCheck(probe)}).report()
    assert seen == ["none"]


async def test_a_probe_that_is_cancelled_inside_fails_alone() -> None:
    broken = Dependency(asyncio.CancelledError())
    readiness = Readiness({"redis": broken.check(), "disk": Dependency().check()})
    report = await readiness.report()
    assert report.dependencies == {"redis": "failing", "disk": "ok"}
    assert report.reasons == {"redis": "CancelledError"}


async def test_checks_run_in_parallel_and_each_has_its_own_limit() -> None:
    slow, slower, both = Dependency(), Dependency(), asyncio.Barrier(2)
    slow.answers.clear()
    slower.answers.clear()
    readiness = Readiness(
        {
            "slow": slow.check(),
            "a": DependencyCheck(both.wait),
            "b": DependencyCheck(both.wait),
            "slower": slower.check(),
        },
        HealthSettings(check_s=0.01),
    )
    report = await readiness.report()
    assert report.dependencies == {"slow": "failing", "a": "ok", "b": "ok", "slower": "failing"}
    assert report.reasons == {"slow": "TimeoutError", "slower": "TimeoutError"}
    await turn_the_loop()
    assert (slow.cancelled, slower.cancelled) == (1, 1)


async def test_a_probe_that_ignores_its_cancellation_does_not_hold_the_report() -> None:
    end = asyncio.Event()

    async def stubborn() -> None:
        while not end.is_set():
            try:
                await end.wait()
            except asyncio.CancelledError:
                continue

    readiness = Readiness({"disk": DependencyCheck(stubborn)}, HealthSettings(check_s=0.01))
    async with asyncio.timeout(5):
        assert (await readiness.report()).reasons == {"disk": "TimeoutError"}
    end.set()


async def test_a_change_is_told_once_and_only_a_change(
    clock: Clock, events: list[Event], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    redis, disk = Dependency(), Dependency()
    readiness = Readiness({"redis": redis.check(), "disk": disk.check(True)}, clock=clock)

    async def next_round(error: BaseException | None) -> None:
        redis.error = error
        clock.now += 60
        await readiness.report()

    await next_round(None)
    assert events == []
    await next_round(ConnectionError(SECRET))
    await next_round(TimeoutError(SECRET))
    assert events == [DependencyChanged("redis", healthy=False)]
    await next_round(None)
    await next_round(None)
    assert events == [DependencyChanged("redis", False), DependencyChanged("redis", True)]
    assert [record.getMessage() for record in caplog.records] == [
        "'redis' is failing (ConnectionError)",
        "'redis' is well again",
    ]


class Flag:
    def __init__(self, up: bool) -> None:
        self.up = up

    def __call__(self) -> bool:
        return self.up


async def test_draining_and_starting_take_effect_at_once_and_ask_nothing(clock: Clock) -> None:
    redis, draining, started = Dependency(), Flag(False), Flag(False)
    checks = {"redis": redis.check()}
    readiness = Readiness(checks, draining=draining, started=started, clock=clock)
    assert await readiness.report() == ReadinessReport(False, "starting", {}, {})
    assert redis.asked == 0
    started.up = True
    assert (await readiness.report()).status == "ready"
    draining.up = True
    assert await readiness.report() == ReadinessReport(False, "draining", {}, {})
    started.up = False
    assert (await readiness.report()).status == "draining"
    started.up, draining.up = True, False
    assert (await readiness.report()).status == "ready"
    assert redis.asked == 1


async def test_a_drain_that_begins_during_a_round_is_in_its_report() -> None:
    redis, draining = Dependency(), Flag(False)
    redis.answers.clear()
    readiness = Readiness({"redis": redis.check()}, draining=draining)
    waiting = asyncio.create_task(readiness.report())
    await turn_the_loop()
    draining.up = True
    redis.answers.set()
    assert (await waiting).status == "draining"


# --- Startup -------------------------------------------------------------------------------------


async def test_a_service_is_starting_until_every_warm_up_is_done() -> None:
    startup, pool, model = Startup(), Dependency(), Dependency()
    pool.answers.clear()
    readiness = Readiness({}, started=lambda: startup.started)
    running = asyncio.create_task(startup.run(pool.ping, model.ping, limit_s=60))
    await turn_the_loop()
    assert (pool.asked, model.asked) == (1, 1)
    assert (await readiness.report()).status == "starting"
    pool.answers.set()
    await running
    assert (await readiness.report()).status == "ready"


async def test_a_warm_up_that_fails_is_logged_and_does_not_keep_the_service_down(
    caplog: pytest.LogCaptureFixture,
) -> None:
    startup, pool = Startup(), Dependency(ConnectionError(SECRET))
    await startup.run(pool.ping, Dependency().ping, limit_s=60)
    assert startup.started is True
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == "Dependency.ping failed to warm up (ConnectionError)"


async def test_a_warm_up_that_hangs_holds_the_service_no_longer_than_its_limit(
    caplog: pytest.LogCaptureFixture,
) -> None:
    startup, pool = Startup(), Dependency()
    pool.answers.clear()
    async with asyncio.timeout(5):
        await startup.run(pool.ping, limit_s=0.01)
    assert startup.started is True
    await turn_the_loop()
    assert pool.cancelled == 1
    assert [r.getMessage() for r in caplog.records] == [
        "Dependency.ping failed to warm up (TimeoutError)"
    ]


async def test_each_service_starts_for_itself() -> None:
    first, second = Startup(), Startup()
    await first.run()
    assert (first.started, second.started) == (True, False)


async def test_a_start_that_is_cancelled_has_not_started() -> None:
    startup, pool = Startup(), Dependency()
    pool.answers.clear()
    running = asyncio.create_task(startup.run(pool.ping))
    await turn_the_loop()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert startup.started is False
    await turn_the_loop()
    assert pool.cancelled == 1


def test_one_readiness_is_asked_in_one_event_loop_after_the_other() -> None:
    clock = Clock()
    readiness = Readiness({"model": DependencyCheck(ping)}, clock=clock)
    assert asyncio.run(readiness.report()).status == "ready"
    assert asyncio.run(readiness.report()).status == "ready"
    clock.now += 60
    assert asyncio.run(readiness.report()).status == "ready"


def test_a_round_that_ended_with_its_loop_holds_nobody_in_the_next() -> None:
    hangs = True

    async def ping() -> None:
        if hangs:
            await asyncio.Event().wait()

    async def leaves_early() -> None:
        task = asyncio.create_task(readiness.report())
        await asyncio.sleep(0)
        task.cancel()

    readiness = Readiness({"model": DependencyCheck(ping)})
    asyncio.run(leaves_early())
    hangs = False
    assert asyncio.run(readiness.report()).status == "ready"


async def ping() -> None: ...
