"""In which order a process leaves, what each step may take, and which signals make it leave."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reliability.draining import Drain, DrainSettings, install_signals
from reliability.health import Readiness

SETTINGS = DrainSettings(pause_s=3, drain_s=20, close_s=4, grace_s=30)


class Time:
    """Virtual time: a sleep ends when the test has moved the clock that far."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.sleepers.append((self.now + seconds, over))
        await over

    async def pass_by(self, seconds: float) -> None:
        """Move the clock, waking each sleeper at its own time."""
        await turn_the_loop()
        end = self.now + seconds
        while due := [sleeper for sleeper in self.sleepers if sleeper[0] <= end]:
            self.sleepers.remove(first := min(due, key=lambda sleeper: sleeper[0]))
            self.now = max(self.now, first[0])
            if not first[1].done():
                first[1].set_result(None)
            await turn_the_loop()
        self.now = end


async def turn_the_loop() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


class Service:
    """A drain with a server and requests that write down what happens to them, and when."""

    def __init__(self, settings: DrainSettings = SETTINGS) -> None:
        self.time = Time()
        self.drain = Drain(settings, sleep=self.time.sleep, clock=self.time.clock)
        self.began_at = self.time.now
        self.trace: list[tuple[float, str]] = []
        self.tasks: list[asyncio.Task[None]] = []

    def note(self, what: str) -> None:
        self.trace.append((self.time.now - self.began_at, what))

    @property
    def seen(self) -> list[str]:
        return [what for _, what in self.trace]

    async def stop_accepting(self) -> None:
        self.note("stopped accepting")

    def stop_at_once(self) -> None:
        self.note("stopped accepting")

    async def request(self, name: str, seconds: float) -> None:
        with self.drain.request():
            try:
                await self.time.sleep(seconds)
                self.note(f"{name} answered")
            except asyncio.CancelledError:
                self.note(f"{name} cancelled")
                raise

    async def send(self, name: str, seconds: float) -> asyncio.Task[None]:
        task = asyncio.create_task(self.request(name, seconds))
        self.tasks.append(task)
        await turn_the_loop()
        return task

    def closer(self, name: str, seconds: float = 0.0) -> Callable[[], Any]:
        async def close() -> None:
            try:
                if seconds:
                    await self.time.sleep(seconds)
                self.note(f"{name} closed")
            except asyncio.CancelledError:
                self.note(f"{name} cut")
                raise

        return close

    def leave(self, *closers: Callable[[], Any]) -> asyncio.Task[int]:
        async def leave() -> int:
            cut = await self.drain.finish(self.stop_accepting, closers)
            self.note("left")
            return cut

        return asyncio.create_task(leave())


# --- Settings ------------------------------------------------------------------------------------


def test_the_defaults_leave_in_the_grace_period_of_kubernetes() -> None:
    settings = DrainSettings()
    assert settings == DrainSettings(pause_s=3.0, drain_s=20.0, close_s=3.0, grace_s=30.0)
    assert Drain().settings == settings


@pytest.mark.parametrize("field", ["pause_s", "drain_s", "close_s", "grace_s"])
@pytest.mark.parametrize("value", [-1, math.nan, math.inf, True, "3", None])
def test_settings_that_are_no_duration_are_refused(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{field} must be a finite number >= 0"):
        DrainSettings(**{field: value})


seconds = st.integers(0, 40)


@given(seconds, seconds, seconds, seconds)
def test_all_steps_together_fit_the_grace_period(
    pause: int, drain: int, close: int, grace: int
) -> None:
    if pause + drain + close <= grace:
        DrainSettings(pause, drain, close, grace)
    else:
        with pytest.raises(
            ValueError, match=r"^pause_s \+ drain_s \+ close_s must be <= grace_s, not Dr"
        ):
            DrainSettings(pause, drain, close, grace)


# --- The order -----------------------------------------------------------------------------------


async def test_readiness_says_503_first_then_a_pause_then_no_more_is_accepted() -> None:
    service = Service()
    readiness = Readiness({}, draining=lambda: service.drain.draining)
    assert (await readiness.report()).ready
    service.drain.begin()
    report = await readiness.report()
    assert (report.ready, report.status) == (False, "draining")
    leaving = service.leave()
    await service.time.pass_by(2.75)
    assert service.trace == []
    await service.send("late", 1)
    await service.time.pass_by(1.0)
    assert service.trace == [(3.0, "stopped accepting"), (3.75, "late answered"), (3.75, "left")]
    assert await leaving == 0


async def test_requests_under_way_end_before_the_clients_close() -> None:
    service = Service()
    await service.send("short", 5)
    await service.send("long", 22.75)
    service.drain.begin()
    leaving = service.leave(service.closer("claude"), service.closer("logs"))
    await service.time.pass_by(30)
    assert await leaving == 0
    assert service.trace == [
        (3.0, "stopped accepting"),
        (5.0, "short answered"),
        (22.75, "long answered"),
        (22.75, "claude closed"),
        (22.75, "logs closed"),
        (22.75, "left"),
    ]


async def test_a_service_without_requests_leaves_after_the_pause() -> None:
    service = Service()
    service.drain.begin()
    leaving = service.leave(service.closer("claude"))
    await service.time.pass_by(3.0)
    assert leaving.done()
    assert service.trace == [(3.0, "stopped accepting"), (3.0, "claude closed"), (3.0, "left")]


async def test_requests_that_do_not_end_in_time_are_cancelled_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    service = Service()
    for name in ("one", "two"):
        await service.send(name, 3600)
    await service.send("short", 1)
    service.drain.begin()
    leaving = service.leave(service.closer("claude"))
    await service.time.pass_by(22.75)
    assert service.seen == ["short answered", "stopped accepting"]
    await service.time.pass_by(0.25)
    assert await leaving == 2
    assert service.trace[2:] == [
        (23.0, "one cancelled"),
        (23.0, "two cancelled"),
        (23.0, "claude closed"),
        (23.0, "left"),
    ]
    assert [(r.levelno, r.getMessage()) for r in caplog.records] == [
        (logging.INFO, "draining: not ready, still accepting for 3.0 s"),
        (logging.INFO, "not accepting any longer: 2 requests under way"),
        (logging.WARNING, "2 requests did not end and are cancelled"),
    ]


async def test_the_pause_counts_from_the_signal_not_from_the_start_of_finish() -> None:
    service = Service()
    service.drain.begin()
    await service.time.pass_by(2)
    service.leave()
    await service.time.pass_by(28)
    assert service.trace == [(3.0, "stopped accepting"), (3.0, "left")]


async def test_the_drain_counts_from_the_signal_even_if_the_stop_takes_time() -> None:
    service = Service(DrainSettings(pause_s=1, drain_s=5, close_s=3, grace_s=10))

    async def slow_stop() -> None:
        await service.time.sleep(2)
        service.note("stopped accepting")

    await service.send("endless", 3600)
    service.drain.begin()
    leaving = asyncio.create_task(service.drain.finish(slow_stop))
    await service.time.pass_by(10)
    assert await leaving == 1
    assert service.trace == [(3.0, "stopped accepting"), (6.0, "endless cancelled")]


async def test_finish_begins_the_drain_itself_when_nobody_did() -> None:
    service = Service()
    leaving = service.leave()
    await turn_the_loop()
    assert service.drain.draining
    assert not service.drain.forced.is_set()
    await service.time.pass_by(2.75)
    assert not leaving.done()
    await service.time.pass_by(0.25)
    assert await leaving == 0


async def test_stop_accepting_may_be_a_plain_function() -> None:
    service = Service(DrainSettings(pause_s=0))
    leaving = asyncio.create_task(service.drain.finish(service.stop_at_once))
    await service.time.pass_by(0)
    assert await leaving == 0
    assert service.seen == ["stopped accepting"]


# --- Nothing can hold it up ----------------------------------------------------------------------


async def test_a_closer_that_fails_is_logged_and_the_next_one_runs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Redis:
        async def aclose(self) -> NoReturn:
            raise ConnectionError("redis://:hunter2@cache.example")  # pragma: allowlist secret

    service = Service(DrainSettings(pause_s=0))
    leaving = service.leave(Redis().aclose, service.closer("logs"))
    await service.time.pass_by(0)
    assert await leaving == 0
    assert service.seen == ["stopped accepting", "logs closed", "left"]
    (record,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert record.getMessage().endswith("Redis.aclose failed (ConnectionError)")
    assert "hunter2" not in caplog.text


async def test_a_closer_that_hangs_leaves_an_even_share_of_the_time_to_the_next(
    caplog: pytest.LogCaptureFixture,
) -> None:
    service = Service(DrainSettings(pause_s=0, drain_s=20, close_s=4, grace_s=30))
    names = ("claude", "redis", "spans", "logs")
    leaving = service.leave(*(service.closer(name, 3600) for name in names))
    await service.time.pass_by(30)
    assert await leaving == 0
    cuts = [(at, what) for at, what in service.trace if what.endswith(" cut")]
    assert cuts == [(1.0, "claude cut"), (2.0, "redis cut"), (3.0, "spans cut"), (4.0, "logs cut")]
    assert (4.0, "left") in service.trace
    assert caplog.text.count("close failed (TimeoutError)") == 4


async def test_time_that_a_closer_does_not_need_goes_to_the_next() -> None:
    service = Service(DrainSettings(pause_s=0, drain_s=20, close_s=4, grace_s=30))
    leaving = service.leave(service.closer("claude", 0.5), service.closer("logs", 3.25))
    await service.time.pass_by(30)
    assert await leaving == 0
    assert service.trace[1:] == [(0.5, "claude closed"), (3.75, "logs closed"), (3.75, "left")]


async def test_requests_that_ignore_their_cancellation_take_one_share_of_the_closing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    service = Service(DrainSettings(pause_s=0, drain_s=1, close_s=4, grace_s=5))
    end = asyncio.Event()

    async def stubborn() -> None:
        with service.drain.request():
            while not end.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await end.wait()

    task = asyncio.create_task(stubborn())
    await turn_the_loop()
    leaving = service.leave(service.closer("logs"))
    await service.time.pass_by(30)
    assert await leaving == 1
    assert service.trace[1:] == [(3.0, "logs closed"), (3.0, "left")]
    assert "ending cancelled requests failed (TimeoutError)" in caplog.text
    end.set()
    await task


async def test_a_cancelled_request_may_clean_up_before_the_clients_close() -> None:
    service = Service(DrainSettings(pause_s=0, drain_s=1, close_s=4, grace_s=5))

    async def tidy() -> None:
        with service.drain.request():
            try:
                await service.time.sleep(3600)
            finally:
                await service.time.sleep(0.5)
                service.note("cleaned up")

    task = asyncio.create_task(tidy())
    await turn_the_loop()
    leaving = service.leave(service.closer("claude"))
    await service.time.pass_by(30)
    assert await leaving == 1
    assert service.trace[1:] == [(1.5, "cleaned up"), (1.5, "claude closed"), (1.5, "left")]
    assert task.cancelled()


async def test_a_server_that_does_not_stop_does_not_hold_the_drain(
    caplog: pytest.LogCaptureFixture,
) -> None:
    service = Service()

    async def hangs() -> None:
        await service.time.sleep(3600)

    service.drain.begin()
    leaving = asyncio.create_task(service.drain.finish(hangs, [service.closer("logs")]))
    await service.time.pass_by(30)
    assert await leaving == 0
    assert service.trace == [(7.0, "logs closed")]
    assert "stop accepting failed (TimeoutError)" in caplog.text


@given(
    st.tuples(seconds, seconds, seconds).map(lambda s: DrainSettings(*s, grace_s=sum(s))),
    st.lists(st.integers(0, 100), max_size=4),
    st.lists(st.integers(0, 100), max_size=4),
)
def test_all_of_it_ends_within_the_grace_period(
    settings: DrainSettings, requests: list[int], closers: list[int]
) -> None:
    async def leave() -> None:
        service = Service(settings)
        for number, length in enumerate(requests):
            await service.send(f"request {number}", length)
        service.drain.begin()
        steps = [
            service.closer(f"closer {number}", length) for number, length in enumerate(closers)
        ]
        leaving = service.leave(*steps)
        await service.time.pass_by(settings.grace_s + 1e-6)
        assert leaving.done()
        assert service.seen.index("stopped accepting") < len(service.seen) - 1
        for task in service.tasks:
            assert task.done()

    asyncio.run(leave())


# --- Force ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [1.0, 10.0])
async def test_a_second_signal_ends_the_pause_and_the_wait_for_requests(at: float) -> None:
    service = Service()
    await service.send("long", 3600)
    service.drain.begin()
    leaving = service.leave(service.closer("logs"))
    await service.time.pass_by(at)
    service.drain.begin()
    await turn_the_loop()
    assert await leaving == 1
    stopped = min(at, 3.0)
    assert service.trace == [
        (stopped, "stopped accepting"),
        (at, "long cancelled"),
        (at, "logs closed"),
        (at, "left"),
    ]


async def test_only_the_second_signal_forces() -> None:
    drain = Drain()
    assert (drain.draining, drain.forced.is_set()) == (False, False)
    drain.begin()
    assert (drain.draining, drain.forced.is_set()) == (True, False)
    drain.begin()
    drain.begin()
    assert (drain.draining, drain.forced.is_set()) == (True, True)


async def test_a_second_signal_does_not_start_the_time_anew() -> None:
    service = Service(DrainSettings(pause_s=3, drain_s=20, close_s=4, grace_s=30))
    service.drain.begin()
    await service.time.pass_by(28)
    service.drain.begin()
    leaving = service.leave(service.closer("logs", 3600))
    await service.time.pass_by(2)
    assert leaving.done()
    assert (30.0, "left") in service.trace


async def test_a_forced_exit_still_closes_the_clients_in_their_time() -> None:
    service = Service()
    service.drain.begin()
    service.drain.begin()
    leaving = service.leave(service.closer("claude", 1), service.closer("logs", 3600))
    await service.time.pass_by(30)
    assert await leaving == 0
    assert service.trace[:2] == [(0.0, "stopped accepting"), (1.0, "claude closed")]
    assert {*service.trace[2:]} == {(4.0, "logs cut"), (4.0, "left")}


async def test_who_waits_for_the_signal_waits_for_the_first_one() -> None:
    drain = Drain()
    waiting = asyncio.create_task(drain.wait_for_signal())
    await turn_the_loop()
    assert not waiting.done()
    drain.begin()
    await turn_the_loop()
    assert waiting.done()


async def test_a_finish_that_is_cancelled_leaves_nothing_behind() -> None:
    service = Service()
    leaving = service.leave()
    await turn_the_loop()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    await turn_the_loop()
    assert asyncio.all_tasks() == {asyncio.current_task()}


# --- Requests ------------------------------------------------------------------------------------


async def test_requests_are_counted_while_they_are_under_way() -> None:
    drain = Drain()
    assert drain.under_way == 0
    with drain.request(), drain.request():
        assert drain.under_way == 2
    with contextlib.suppress(KeyError), drain.request():
        raise KeyError
    assert drain.under_way == 0


async def test_the_drain_waits_for_the_last_request_not_the_first() -> None:
    service = Service(DrainSettings(pause_s=0))
    await service.send("one", 1)
    await service.send("two", 2)
    leaving = service.leave()
    await service.time.pass_by(1.5)
    assert not leaving.done()
    await service.time.pass_by(0.5)
    assert leaving.done()


async def test_a_request_inside_a_request_is_cancelled_once() -> None:
    service = Service(DrainSettings(pause_s=0, drain_s=0))
    cancels = 0

    async def nested() -> None:
        nonlocal cancels
        with service.drain.request(), service.drain.request():
            try:
                await service.time.sleep(3600)
            finally:
                task = asyncio.current_task()
                cancels = task.cancelling() if task else 0

    task = asyncio.create_task(nested())
    await turn_the_loop()
    leaving = service.leave()
    await service.time.pass_by(1)
    assert await leaving == 1
    assert task.cancelled()
    assert cancels == 1


async def test_a_stream_that_asks_ends_itself_with_a_final_event() -> None:
    """How the streams of chapter 7 end: the drain does not have to cancel them."""
    service = Service()
    sent: list[str] = []

    async def stream() -> None:
        with service.drain.request():
            while not service.drain.draining:
                sent.append("delta")
                await service.time.sleep(1)
            sent.append("final")

    task = asyncio.create_task(stream())
    await service.time.pass_by(2.5)
    service.drain.begin()
    leaving = service.leave()
    await service.time.pass_by(3)
    assert await leaving == 0
    assert sent == ["delta", "delta", "delta", "final"]
    await task


# --- Signals -------------------------------------------------------------------------------------

posix = pytest.mark.skipif(sys.platform == "win32", reason="a process cannot signal itself there")


@pytest.fixture
def handlers() -> Iterator[None]:
    """Handlers of our own around each test: a signal that nobody handles would end pytest."""
    before = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class LoopOfWindows(asyncio.SelectorEventLoop):
    """An event loop that has no signal handlers, as on Windows."""

    def add_signal_handler(self, *arguments: object) -> NoReturn:
        raise NotImplementedError

    def remove_signal_handler(self, sig: int) -> NoReturn:
        raise NotImplementedError


@posix
@pytest.mark.parametrize("new_loop", [asyncio.SelectorEventLoop, LoopOfWindows])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.usefixtures("handlers")
def test_a_signal_begins_the_drain_and_a_second_one_forces_it(
    new_loop: Callable[[], asyncio.AbstractEventLoop], number: signal.Signals
) -> None:
    heard: list[int] = []
    signal.signal(number, lambda number, frame: heard.append(number))

    async def signalled() -> None:
        drain = Drain()
        undo = install_signals(asyncio.get_running_loop(), drain)
        signal.raise_signal(number)
        async with asyncio.timeout(5):
            await drain.wait_for_signal()
        assert not drain.forced.is_set()
        signal.raise_signal(number)
        async with asyncio.timeout(5):
            await drain.forced.wait()
        assert heard == []
        signal.raise_signal(number)  # the handlers are gone: the one from before is back
        await turn_the_loop()
        assert heard == [number]
        undo()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(signalled())


@posix
@pytest.mark.parametrize("new_loop", [asyncio.SelectorEventLoop, LoopOfWindows])
@pytest.mark.usefixtures("handlers")
def test_the_undo_restores_the_handlers_that_were_there(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    def earlier(number: int, frame: object) -> None: ...

    signal.signal(signal.SIGTERM, earlier)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    loop = new_loop()
    try:
        undo = install_signals(loop, Drain())
        assert signal.getsignal(signal.SIGTERM) is not earlier
        undo()
        assert signal.getsignal(signal.SIGTERM) is earlier
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        undo()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        loop.close()


@posix
@pytest.mark.usefixtures("handlers")
def test_only_the_named_signals_are_handled() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    loop = asyncio.new_event_loop()
    try:
        undo = install_signals(loop, Drain(), signals=[signal.SIGTERM])
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        undo()
    finally:
        loop.close()
