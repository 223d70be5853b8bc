"""When a circuit opens, whom it refuses, how it finds out that a dependency is back."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import logging
import pickle
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from time import monotonic
from typing import Any

import anthropic
import httpx
import httpx2
import pytest

from reliability.circuit_breaker import (
    MAX_CIRCUITS,
    BreakerSettings,
    CircuitBreaker,
    CircuitOpenError,
    circuit_breaker,
)
from reliability.deadlines import deadline
from reliability.errors import BadReply, Failure, FailureKind, ReliabilityError, StopTask, classify
from reliability.events import CircuitChanged, CircuitRefused, Event, RetriesStopped, subscribe
from reliability.protect import protect
from reliability.retries import retry
from reliability.timeouts import timeout as limited

from jumping_time import in_jumping_time
from jumping_time import now as loop_time


class Time:
    def __init__(self) -> None:
        self.now = 1_000.0

    def clock(self) -> float:
        return self.now


class Highest(random.Random):
    def uniform(self, a: float, b: float) -> float:
        return b


@pytest.fixture
def time() -> Time:
    return Time()


def http_error(status: int) -> httpx.HTTPStatusError:
    request = httpx.Request("GET", "https://weather.example/")
    response = httpx.Response(status, request=request)
    return httpx.HTTPStatusError("text", request=request, response=response)


def sdk_error(status: int) -> anthropic.APIStatusError:
    request = httpx2.Request("POST", "https://api.example/v1/messages")
    response = httpx2.Response(status, request=request)
    return anthropic.APIStatusError("text", response=response, body=None)


def lost() -> ConnectionResetError:
    return ConnectionResetError("lost")


class OwnTimeout(ReliabilityError):
    kind = FailureKind.TIMEOUT


class Refused(ReliabilityError):
    kind = FailureKind.OVERLOAD


class OutOfTime(StopTask):
    kind = FailureKind.TIMEOUT


class Unexpected(Exception):
    """An error that nobody planned for."""


class NoSuchCity(LookupError):
    """A tool's way to say that it works and the question was wrong."""


def breaker_of(
    time: Time,
    *,
    excluded: tuple[type[Exception], ...] = (),
    rng: random.Random | None = None,
    **changes: Any,
) -> CircuitBreaker:
    """Opens for exactly 60 s at 2 failures of at least 2 calls, unless told otherwise."""
    numbers: dict[str, Any] = {"failure_threshold": 2, "minimum_calls": 2, "open_jitter": 0}
    numbers |= {"open_s": 60.0, "open_cap_s": 600.0}
    rules = BreakerSettings(**(numbers | changes))
    return circuit_breaker(rules, excluded=excluded, clock=time.clock, rng=rng)


async def run(breaker: CircuitBreaker, *errors: BaseException | None, name: str = "search") -> None:
    """Make one call after the other, each with its end: an error, or None for a success."""
    for error in errors:
        if error is None:
            async with breaker.guard(name):
                pass
        else:
            with pytest.raises(type(error)) as caught:
                async with breaker.guard(name):
                    raise error
            assert caught.value is error


async def begin(
    breaker: CircuitBreaker, name: str = "search"
) -> Callable[..., Coroutine[Any, Any, None]]:
    """Begin a call, or raise CircuitOpenError; the function returned ends it."""
    guard = breaker.guard(name)
    await guard.__aenter__()

    async def end(error: BaseException | None = None) -> None:
        await guard.__aexit__(type(error) if error else None, error, None)

    return end


async def open_circuit(breaker: CircuitBreaker, name: str = "search") -> None:
    await run(breaker, lost(), lost(), name=name)
    assert breaker.state(name) == "open"


async def is_refused(breaker: CircuitBreaker, name: str = "search") -> bool:
    try:
        end = await begin(breaker, name)
    except CircuitOpenError:
        return True
    await end(asyncio.CancelledError())
    return False


# --- Opening -------------------------------------------------------------------------------------


async def test_by_default_five_failures_among_ten_calls_open(time: Time) -> None:
    breaker = circuit_breaker(clock=time.clock)
    await run(breaker, *[None] * 5, *(lost() for _ in range(4)))
    assert breaker.state("search") == "closed"
    await run(breaker, lost())
    assert breaker.state("search") == "open"


async def test_few_calls_never_open_however_many_of_them_fail(time: Time) -> None:
    breaker = circuit_breaker(clock=time.clock)
    await run(breaker, *(lost() for _ in range(9)))
    assert breaker.state("search") == "closed"
    await run(breaker, lost())
    assert breaker.state("search") == "open"


async def test_the_share_of_failures_decides_and_not_that_they_are_in_a_row(time: Time) -> None:
    breaker = circuit_breaker(clock=time.clock)
    await run(breaker, *[None] * 100, *(lost() for _ in range(49)))
    assert breaker.state("search") == "closed"
    await run(breaker, None)
    assert breaker.state("search") == "closed"
    await run(breaker, lost())
    assert breaker.state("search") == "open"


async def test_a_success_never_opens(time: Time) -> None:
    breaker = circuit_breaker(clock=time.clock)
    await run(breaker, *(lost() for _ in range(9)), None)
    assert breaker.state("search") == "closed", "9 of 10 failed, but the last one did not"
    await run(breaker, lost())
    assert breaker.state("search") == "open"


async def test_failures_that_left_the_count_window_do_not_count(time: Time) -> None:
    breaker = breaker_of(time, window_calls=4)
    await run(breaker, None, None, None, lost(), None, None, None, None, lost())
    assert breaker.state("search") == "closed"
    await run(breaker, lost())
    assert breaker.state("search") == "open"


async def test_failures_that_left_the_time_window_do_not_count(time: Time) -> None:
    breaker = breaker_of(time, window_s=10)
    await run(breaker, lost())
    time.now += 10
    await run(breaker, lost())
    assert breaker.state("search") == "closed"
    time.now += 9.75
    await run(breaker, lost())
    assert breaker.state("search") == "open"


async def test_slow_answers_open_by_their_share(time: Time) -> None:
    @breaker_of(time, failure_threshold=90, minimum_calls=4, slow_call_s=2.0)
    async def search(takes_s: float) -> None:
        time.now += takes_s

    for takes_s in (9.0, 2.0, 2.0, 2.0, 2.25):  # not longer than the limit is not slow
        await search(takes_s)
    await search(2.25)  # 3 of 6
    with pytest.raises(CircuitOpenError):
        await search(0.0)


async def test_a_slow_failure_counts_as_both(time: Time) -> None:
    breaker = breaker_of(time, minimum_calls=4, failure_threshold=2, slow_call_s=2.0)
    ends = [await begin(breaker) for _ in range(4)]
    await ends[0]()
    await ends[1]()
    time.now += 3
    await ends[2](lost())
    assert breaker.state("search") == "closed"
    await ends[3]()
    assert breaker.state("search") == "open", "2 of 4 were slow, and one of those failed"


async def test_by_default_no_call_is_slow_and_no_probe_either(time: Time) -> None:
    breaker = breaker_of(time, minimum_calls=1, probe_max_age_s=10_000)
    for _ in range(20):
        end = await begin(breaker)
        time.now += 9_000
        await end()
    assert breaker.state("search") == "closed"
    breaker = breaker_of(time, probe_max_age_s=10_000)
    await open_circuit(breaker)
    time.now += 60
    end = await begin(breaker)
    time.now += 9_000
    await end()
    assert breaker.state("search") == "closed"


# --- What counts as a failure --------------------------------------------------------------------

FAILURES = [
    lost(),
    Unexpected(),
    TimeoutError(),
    KeyError("x"),
    OwnTimeout(),
    *(http_error(status) for status in (408, 429, 500, 501, 502, 503, 504, 529)),
    *(sdk_error(status) for status in (408, 429, 500, 529)),
    httpx.ReadTimeout("slow"),
]
ANSWERS = [
    *(http_error(status) for status in (400, 401, 403, 404, 409, 413, 422)),
    *(sdk_error(status) for status in (400, 401, 404, 413)),
    NoSuchCity(),
    LookupError(),
]
NEITHER = [
    CircuitOpenError("weather", 3.0),
    ReliabilityError(),
    Refused(),
    OutOfTime(),
    StopTask(),
    asyncio.CancelledError(),
    GeneratorExit(),
    SystemExit(3),
    KeyboardInterrupt(),
]


@pytest.mark.parametrize("error", FAILURES, ids=repr)
async def test_a_failure_counts(time: Time, error: Exception) -> None:
    breaker = breaker_of(time)
    await run(breaker, error)
    assert breaker.state("search") == "closed"
    await run(breaker, error)
    assert breaker.state("search") == "open"
    time.now += 60
    await run(breaker, error)
    assert breaker.state("search") == "open"
    assert breaker.retry_after_s("search") == 60


@pytest.mark.parametrize("error", ANSWERS, ids=repr)
async def test_a_callers_mistake_counts_as_an_answer(time: Time, error: Exception) -> None:
    breaker = breaker_of(time, minimum_calls=1, excluded=(LookupError,))
    await run(breaker, *[error] * 50)
    assert breaker.state("search") == "closed"
    await run(breaker, lost(), lost())
    assert breaker.state("search") == "closed", "2 failures of 52 calls"
    breaker = breaker_of(time, excluded=(LookupError,))
    await open_circuit(breaker)
    time.now += 60
    await run(breaker, error)
    assert breaker.state("search") == "closed"


@pytest.mark.parametrize("error", NEITHER, ids=repr)
async def test_what_says_nothing_about_the_dependency_counts_as_neither(
    time: Time, error: BaseException
) -> None:
    breaker = breaker_of(time, minimum_calls=1)
    await run(breaker, *[error] * 50)
    assert breaker.state("search") == "closed"
    await run(breaker, lost(), lost())
    assert breaker.state("search") == "open", "2 failures of 2 calls that say anything"
    time.now += 60
    await run(breaker, error, error)
    assert breaker.state("search") == "half_open"
    await run(breaker, None)
    assert breaker.state("search") == "closed", "the permit was given back"


async def test_a_policys_own_error_never_proves_that_the_other_side_answers(time: Time) -> None:
    breaker = breaker_of(time, excluded=(ReliabilityError,))
    await open_circuit(breaker)
    time.now += 60
    await run(breaker, OwnTimeout(), Refused(), OutOfTime())
    assert breaker.state("search") == "half_open"


async def test_an_inner_circuit_that_is_open_does_not_open_the_outer_one(time: Time) -> None:
    inner, outer = breaker_of(time), breaker_of(time)

    @outer
    @inner
    async def search() -> None:
        pytest.fail("an open circuit lets nothing pass")

    await open_circuit(inner)
    for _ in range(20):
        with pytest.raises(CircuitOpenError):
            await search()
    assert outer.state("search") == "closed"


async def test_clients_that_cancel_never_open_it(time: Time) -> None:
    """purgatory 3.0.1 opens after as many cancels as its threshold."""
    breaker = breaker_of(time, minimum_calls=1, failure_threshold=1)

    @breaker
    async def search() -> None:
        await asyncio.Event().wait()

    tasks = [asyncio.create_task(search()) for _ in range(100)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)
    assert breaker.state("search") == "closed"


async def test_a_timeout_inside_is_a_failure_and_one_outside_is_a_cancel(time: Time) -> None:
    breaker = breaker_of(time, minimum_calls=1, failure_threshold=1)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0), breaker.guard("search"):
                await asyncio.Event().wait()
    assert breaker.state("search") == "closed"
    with pytest.raises(TimeoutError):
        async with breaker.guard("search"), asyncio.timeout(0):
            await asyncio.Event().wait()
    assert breaker.state("search") == "open"


# --- Open ----------------------------------------------------------------------------------------


async def test_while_open_nothing_is_sent_and_the_error_says_when_to_come_back(
    time: Time, events: list[Event]
) -> None:
    breaker, sent = breaker_of(time), 0

    @breaker
    async def search() -> None:
        nonlocal sent
        sent += 1
        raise lost()

    for _ in range(2):
        with pytest.raises(ConnectionResetError):
            await search()
    time.now += 12.5
    with pytest.raises(CircuitOpenError) as caught:
        await search()
    assert sent == 2
    error = caught.value
    assert (error.dependency, error.retry_after_s) == ("search", 47.5)
    assert str(error) == "circuit open for 'search', nothing was sent: try again in 47.50 s"
    assert classify(error) == Failure(FailureKind.TRANSIENT, False, 47.5, "CircuitOpenError")
    assert error.__cause__ is None
    assert error.__context__ is None
    assert events[-1] == CircuitRefused("search", 47.5)
    assert breaker.retry_after_s("search") == 47.5


async def test_no_call_passes_before_the_open_time_is_over_and_one_does_then(time: Time) -> None:
    breaker = breaker_of(time, open_s=30)
    await open_circuit(breaker)
    for now in (1_000.0, 1_015.0, 1_029.875):
        time.now = now
        assert await is_refused(breaker)
        assert breaker.retry_after_s("search") == 1_030 - now
    time.now = 1_030.0
    assert breaker.retry_after_s("search") == 0
    assert not await is_refused(breaker)


async def test_time_alone_changes_no_state(time: Time, events: list[Event]) -> None:
    breaker = breaker_of(time)
    await open_circuit(breaker)
    time.now += 900
    assert breaker.state("search") == "open"
    assert breaker.retry_after_s("search") == 0
    assert events == [CircuitChanged("search", "closed", "open", 60.0)]


async def test_the_open_time_is_drawn_between_itself_and_its_jitter(time: Time) -> None:
    breaker = breaker_of(time, open_s=100, open_jitter=0.25, rng=Highest())
    await open_circuit(breaker)
    assert breaker.retry_after_s("search") == 125
    drawn = []
    for seed in range(200):
        breaker = breaker_of(time, open_s=100, open_jitter=0.25, rng=random.Random(seed))
        await open_circuit(breaker)
        drawn.append(breaker.retry_after_s("search"))
    assert 100 <= min(drawn) < 102
    assert 123 < max(drawn) <= 125
    assert len(set(drawn)) == 200


async def test_the_jitter_comes_from_the_generator_that_a_forked_worker_seeds_anew(
    time: Time,
) -> None:
    state, drawn = random.getstate(), []
    for _ in range(2):
        random.seed(20)
        breaker = breaker_of(time, open_jitter=1)
        await open_circuit(breaker)
        drawn.append(breaker.retry_after_s("search"))
    random.setstate(state)
    assert drawn[0] == drawn[1]
    assert drawn[0] > 60


async def test_the_open_time_grows_with_each_failed_probe_up_to_the_cap(
    time: Time, events: list[Event]
) -> None:
    rng = Highest()
    breaker = breaker_of(time, open_growth=2, open_cap_s=200, open_jitter=0.5, rng=rng)
    await open_circuit(breaker)
    for _ in range(4):
        time.now += breaker.retry_after_s("search")
        await run(breaker, lost())
    times = [e.open_s for e in events if isinstance(e, CircuitChanged) and e.after == "open"]
    assert times == [90, 180, 300, 300, 300], "the jitter is on top, and does not grow by itself"


async def test_the_open_time_is_its_own_again_after_the_circuit_closed(time: Time) -> None:
    breaker = breaker_of(time, open_growth=3)
    await open_circuit(breaker)
    time.now += 60
    await run(breaker, lost())
    assert breaker.retry_after_s("search") == 180
    time.now += 180
    await run(breaker, None)
    await open_circuit(breaker)
    assert breaker.retry_after_s("search") == 60


async def test_by_default_the_open_time_does_not_grow(time: Time) -> None:
    breaker = breaker_of(time)
    await open_circuit(breaker)
    for _ in range(3):
        time.now += 60
        await run(breaker, lost())
        assert breaker.retry_after_s("search") == 60


# --- Half open -----------------------------------------------------------------------------------


@pytest.mark.parametrize("probes", [1, 2, 7, 50])
async def test_of_fifty_calls_at_once_only_the_probes_pass(time: Time, probes: int) -> None:
    """purgatory 3.0.1 and aiobreaker 1.2.0 let all fifty pass."""
    breaker, go = breaker_of(time, probes=probes), asyncio.Event()
    await open_circuit(breaker)
    time.now += 60
    sent = 0

    @breaker
    async def search() -> None:
        nonlocal sent
        sent += 1
        await go.wait()

    tasks = [asyncio.create_task(search()) for _ in range(50)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert sent == probes
    assert breaker.state("search") == "half_open"
    go.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(result, CircuitOpenError) for result in results) == 50 - probes
    assert results.count(None) == probes
    assert breaker.state("search") == "closed"


async def test_a_call_refused_for_the_probes_under_way_is_told_when_one_must_end(
    time: Time, events: list[Event]
) -> None:
    breaker = breaker_of(time, probes=2, probe_max_age_s=20)
    await open_circuit(breaker)
    time.now += 60
    await begin(breaker)
    time.now += 5
    assert breaker.retry_after_s("search") == 0
    await begin(breaker)
    time.now += 3
    with pytest.raises(CircuitOpenError) as caught:
        await begin(breaker)
    assert caught.value.retry_after_s == 12
    assert breaker.retry_after_s("search") == 12
    assert events[-1] == CircuitRefused("search", 12)


async def test_as_many_successes_as_probes_close_it_and_what_was_before_is_forgotten(
    time: Time,
) -> None:
    breaker = breaker_of(time, probes=3)
    await open_circuit(breaker)
    time.now += 60
    await run(breaker, None, None)
    assert breaker.state("search") == "half_open"
    await run(breaker, None)
    assert breaker.state("search") == "closed"
    await run(breaker, lost())
    assert breaker.state("search") == "closed", "the two old failures are gone"


async def test_one_failed_probe_opens_it_whatever_the_others_said(time: Time) -> None:
    breaker = breaker_of(time, probes=3)
    await open_circuit(breaker)
    time.now += 60
    await run(breaker, None, None, lost())
    assert breaker.state("search") == "open"
    time.now += 60
    await run(breaker, None, None)
    assert breaker.state("search") == "half_open", "each round counts its own successes"
    await run(breaker, None)
    assert breaker.state("search") == "closed"


async def test_a_probe_that_succeeded_makes_room_for_the_next(time: Time) -> None:
    breaker = breaker_of(time, probes=2)
    await open_circuit(breaker)
    time.now += 60
    first, second = await begin(breaker), await begin(breaker)
    assert await is_refused(breaker)
    await first()
    third = await begin(breaker)
    assert await is_refused(breaker)
    await third()
    assert breaker.state("search") == "closed"
    await second(lost())
    assert breaker.state("search") == "closed"


@pytest.mark.parametrize("limit_s", [0.5, 2.0])
async def test_a_slow_probe_opens_it_again(time: Time, limit_s: float) -> None:
    breaker = breaker_of(time, slow_call_s=limit_s)
    await open_circuit(breaker)
    time.now += 60
    probe = await begin(breaker)
    time.now += limit_s + 0.125
    await probe()
    assert breaker.state("search") == "open"
    time.now += 60
    probe = await begin(breaker)
    time.now += limit_s
    await probe()
    assert breaker.state("search") == "closed"


@pytest.mark.parametrize("probes", [1, 3])
async def test_a_cancelled_probe_gives_its_permit_back(time: Time, probes: int) -> None:
    breaker = breaker_of(time, probes=probes)
    await open_circuit(breaker)
    time.now += 60

    @breaker
    async def search(answer: asyncio.Event) -> None:
        await answer.wait()

    for _ in range(5):
        tasks = [asyncio.create_task(search(asyncio.Event())) for _ in range(probes)]
        await asyncio.sleep(0)
        assert await is_refused(breaker)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert breaker.state("search") == "half_open"
        assert not await is_refused(breaker)
    answered = asyncio.Event()
    answered.set()
    for _ in range(probes):
        await search(answered)
    assert breaker.state("search") == "closed"


async def test_ten_thousand_cancels_at_random_points_lose_no_permit(time: Time) -> None:
    breaker, rng, loop = breaker_of(time, probes=4), random.Random(7), asyncio.get_running_loop()
    await open_circuit(breaker)
    time.now += 60
    passed = 0

    @breaker
    async def search(turns: int, answer: asyncio.Future[None]) -> None:
        nonlocal passed
        passed += 1
        for _ in range(turns):
            await asyncio.sleep(0)
        await answer
        raise Refused  # an end that, like a cancel, says nothing: the circuit stays half open

    cancelled = refused = 0
    while cancelled < 10_000:
        answers = [loop.create_future() for _ in range(6)]
        tasks = [asyncio.create_task(search(rng.randrange(4), answer)) for answer in answers]
        for task, answer in zip(tasks, answers, strict=True):
            if rng.random() < 0.2:
                await asyncio.sleep(0)
            if rng.random() < 0.2:
                answer.set_result(None)  # the answer and the cancel in one turn of the loop
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        cancelled += sum(isinstance(result, asyncio.CancelledError) for result in results)
        refused += sum(isinstance(result, CircuitOpenError) for result in results)
    assert passed > 1_000, "many were cancelled with a permit in hand"
    assert refused > 100, "and all permits were taken now and then"
    assert breaker.state("search") == "half_open"
    probes = [await begin(breaker) for _ in range(4)]
    assert await is_refused(breaker)
    for end in probes:
        await end()
    assert breaker.state("search") == "closed"


async def test_a_task_that_is_dropped_gives_its_permit_back(time: Time) -> None:
    breaker = breaker_of(time)
    await open_circuit(breaker)
    time.now += 60

    @breaker
    async def search() -> None:
        await asyncio.sleep(0)

    call = search()
    call.send(None)
    assert await is_refused(breaker)
    del call
    gc.collect()
    assert not await is_refused(breaker)


async def test_a_probe_that_hangs_is_replaced_after_its_time(time: Time) -> None:
    breaker = breaker_of(time, probe_max_age_s=20)
    await open_circuit(breaker)
    time.now += 60
    await begin(breaker)
    time.now += 19.875
    assert await is_refused(breaker)
    time.now += 0.125
    second = await begin(breaker)
    assert await is_refused(breaker)
    await second()
    assert breaker.state("search") == "closed"


LATE = [None, lost(), http_error(404), asyncio.CancelledError()]


@pytest.mark.parametrize("error", LATE, ids=repr)
async def test_the_late_end_of_a_replaced_probe_changes_nothing(
    time: Time, error: BaseException | None
) -> None:
    breaker = breaker_of(time, probe_max_age_s=20)
    await open_circuit(breaker)
    time.now += 60
    first = await begin(breaker)
    time.now += 20
    second = await begin(breaker)
    await first(error)
    assert breaker.state("search") == "half_open"
    assert await is_refused(breaker), "the second one still has its permit"
    await second()
    assert breaker.state("search") == "closed"


@pytest.mark.parametrize("error", LATE, ids=repr)
async def test_a_probe_beyond_its_time_counts_for_nothing_even_if_nobody_replaced_it(
    time: Time, error: BaseException | None
) -> None:
    breaker = breaker_of(time, probe_max_age_s=20)
    await open_circuit(breaker)
    time.now += 60
    first = await begin(breaker)
    time.now += 20
    await first(error)
    assert breaker.state("search") == "half_open"
    assert not await is_refused(breaker)


async def test_a_call_may_take_any_time_while_closed(time: Time) -> None:
    breaker = breaker_of(time, probe_max_age_s=20)
    ends = [await begin(breaker) for _ in range(2)]
    time.now += 500
    for end in ends:
        await end(lost())
    assert breaker.state("search") == "open"


# --- Results from before -------------------------------------------------------------------------


async def test_a_call_from_before_the_outage_neither_closes_nor_opens_a_half_open_circuit(
    time: Time,
) -> None:
    breaker = breaker_of(time)
    early = [await begin(breaker) for _ in range(3)]
    await open_circuit(breaker)
    await early[0](lost())
    assert breaker.retry_after_s("search") == 60
    time.now += 60
    probe = await begin(breaker)
    await early[1]()
    assert breaker.state("search") == "half_open"
    await early[2](lost())
    assert breaker.state("search") == "half_open"
    assert await is_refused(breaker), "they gave back no permit that was not theirs"
    await probe()
    assert breaker.state("search") == "closed"


async def test_a_call_from_before_the_outage_is_not_counted_after_it(time: Time) -> None:
    breaker = breaker_of(time)
    early = [await begin(breaker) for _ in range(5)]
    await open_circuit(breaker)
    time.now += 60
    await run(breaker, None)
    for end in early:
        await end(lost())
    await run(breaker, lost())
    assert breaker.state("search") == "closed"
    await run(breaker, lost())
    assert breaker.state("search") == "open"


async def test_calls_under_way_when_it_opens_do_not_prolong_the_open_time(
    time: Time, events: list[Event]
) -> None:
    breaker = breaker_of(time, open_growth=2)
    early = [await begin(breaker) for _ in range(9)]
    for end in early:
        time.now += 1
        await end(lost())
    assert events == [CircuitChanged("search", "closed", "open", 60.0)]
    assert breaker.retry_after_s("search") == 53


@pytest.mark.parametrize("error", LATE, ids=repr)
async def test_a_probe_of_an_earlier_round_changes_nothing_in_a_later_one(
    time: Time, error: BaseException | None
) -> None:
    breaker = breaker_of(time, probes=2, probe_max_age_s=500)
    await open_circuit(breaker)
    time.now += 60
    early = await begin(breaker)
    await run(breaker, lost())
    time.now += 60
    probe = await begin(breaker)
    await early(error)
    assert breaker.state("search") == "half_open"
    await begin(breaker)
    assert await is_refused(breaker)
    await probe()
    assert breaker.state("search") == "half_open"


# --- What is told outside ------------------------------------------------------------------------


async def test_each_change_is_one_event_and_one_log_line(
    time: Time, events: list[Event], caplog: pytest.LogCaptureFixture
) -> None:
    breaker = breaker_of(time, open_growth=2)
    with caplog.at_level(logging.INFO, "reliability"):
        await open_circuit(breaker)
        assert await is_refused(breaker)
        time.now += 60
        await run(breaker, lost())
        time.now += 120
        await run(breaker, None)
    assert events == [
        CircuitChanged("search", "closed", "open", 60.0),
        CircuitRefused("search", 60.0),
        CircuitChanged("search", "open", "half_open"),
        CircuitChanged("search", "half_open", "open", 120.0),
        CircuitChanged("search", "open", "half_open"),
        CircuitChanged("search", "half_open", "closed"),
    ]
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "'search': circuit open for 60.0 s, was closed"),
        ("INFO", "'search': circuit half_open, was open"),
        ("WARNING", "'search': circuit open for 120.0 s, was half_open"),
        ("INFO", "'search': circuit half_open, was open"),
        ("INFO", "'search': circuit closed, was half_open"),
    ]


async def test_a_listener_finds_the_new_state_and_cannot_break_the_call(time: Time) -> None:
    breaker, seen = breaker_of(time), []

    def listen(event: Event) -> None:
        if isinstance(event, CircuitChanged):
            seen.append((event.after, breaker.state("search")))
        raise RuntimeError("exporter down")

    undo = subscribe(listen)
    try:
        await open_circuit(breaker)
        assert await is_refused(breaker)
        time.now += 60
        await run(breaker, None)
    finally:
        undo()
    assert seen == [("open", "open"), ("half_open", "half_open"), ("closed", "closed")]


async def test_an_invented_tool_name_cannot_forge_a_log_line(
    time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    name = "search\nCRITICAL all is lost"
    breaker = breaker_of(time)
    with caplog.at_level(logging.INFO, "reliability"):
        await open_circuit(breaker, name)
        time.now += 60
        await run(breaker, None, name=name)
    assert len(caplog.records) == 3
    assert not any("\n" in record.getMessage() for record in caplog.records)
    assert "\n" not in str(CircuitOpenError(name, 1.0))


def test_the_error_can_travel_between_processes_and_never_asks_for_less_than_no_wait() -> None:
    error = CircuitOpenError("search", 2.5)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (CircuitOpenError, str(error))
    assert (again.dependency, again.retry_after_s) == ("search", 2.5)
    assert repr(error) == "CircuitOpenError('search', 2.5)"
    assert CircuitOpenError("search", -1.0).retry_after_s == 0


# --- One circuit per dependency ------------------------------------------------------------------


async def test_in_the_books_form_one_tools_outage_leaves_the_others_closed() -> None:
    sent: list[str] = []

    @circuit_breaker(failure_threshold=5, timeout=60)
    async def call_tool_with_resilience(tool_name: str, params: dict[str, int]) -> str:
        """Call it."""
        sent.append(tool_name)
        await asyncio.sleep(0)
        if tool_name == "search":
            raise lost()
        return tool_name

    for _ in range(10):
        with pytest.raises(ConnectionResetError):
            await call_tool_with_resilience("search", {})
    with pytest.raises(CircuitOpenError) as caught:
        await call_tool_with_resilience(tool_name="search", params={})
    assert caught.value.dependency == "search"
    assert 59 < caught.value.retry_after_s <= 66
    assert await call_tool_with_resilience("weather", {}) == "weather"
    assert sent == ["search"] * 10 + ["weather"]
    assert call_tool_with_resilience.__name__ == "call_tool_with_resilience"
    assert call_tool_with_resilience.__doc__ == "Call it."


async def test_a_breaker_that_knows_no_call_is_closed_and_remembers_no_question(
    time: Time,
) -> None:
    breaker = breaker_of(time)
    assert breaker.state("search") == "closed"
    assert breaker.retry_after_s("search") == 0
    assert breaker.states() == {}
    await run(breaker, None, name="weather")
    await open_circuit(breaker)
    assert breaker.states() == {"weather": "closed", "search": "open"}


async def test_the_name_comes_from_the_key_or_from_protect_or_from_the_call(time: Time) -> None:
    async def search(query: str, model: str = "small") -> str:
        return query

    breaker = breaker_of(time)
    await breaker(search)("a")
    await protect(search, breaker, dependency="claude")("a")
    keyed = circuit_breaker(key=lambda query, model: f"provider/{model}", clock=time.clock)
    await keyed(search)("a", model="large")
    await protect(search, keyed, dependency="claude")("a", "small")
    assert list(breaker.states()) == ["search", "claude"]
    assert list(keyed.states()) == ["provider/large", "provider/small"]


async def test_a_guarded_block_and_a_decorated_function_share_the_circuit(time: Time) -> None:
    breaker = breaker_of(time)

    @breaker
    async def search() -> str:
        return "found"

    async with breaker.guard("search"):
        assert await search() == "found"
    for _ in range(2):
        with pytest.raises(ConnectionResetError):
            async with breaker.guard("search"):
                raise lost()
    with pytest.raises(CircuitOpenError):
        await search()
    with pytest.raises(CircuitOpenError):
        async with breaker.guard("search"):
            pytest.fail("an open circuit lets nothing pass")


async def test_one_guard_entered_by_several_tasks_loses_no_permit(time: Time) -> None:
    breaker = breaker_of(time, probes=3)
    await open_circuit(breaker)
    time.now += 60
    guard = breaker.guard("search")
    for _ in range(3):
        await guard.__aenter__()
    with pytest.raises(CircuitOpenError):
        await guard.__aenter__()
    for _ in range(3):
        await guard.__aexit__(None, None, None)
    assert breaker.state("search") == "closed"


async def test_breakers_share_nothing(time: Time) -> None:
    first, second = breaker_of(time), breaker_of(time)
    await open_circuit(first)
    assert second.state("search") == "closed"
    await open_circuit(second)


async def fill(breaker: CircuitBreaker, number: int, prefix: str = "tool") -> None:
    for i in range(number):
        await run(breaker, None, name=f"{prefix}-{i}")


async def test_no_more_than_256_circuits_are_remembered_the_longest_unused_goes(
    time: Time,
) -> None:
    breaker = breaker_of(time)
    await fill(breaker, 256)
    assert MAX_CIRCUITS == 256
    assert len(breaker.states()) == 256
    await run(breaker, None, name="tool-0")
    await run(breaker, None, name="new")
    assert len(breaker.states()) == 256
    assert "tool-0" in breaker.states()
    assert "tool-1" not in breaker.states()


async def test_a_circuit_that_protects_or_counts_is_kept_while_another_can_go(
    time: Time, events: list[Event]
) -> None:
    breaker = breaker_of(time)
    await open_circuit(breaker, "down")
    await open_circuit(breaker, "recovering")
    time.now += 60
    await begin(breaker, "recovering")
    end = await begin(breaker, "busy")
    await fill(breaker, 600)
    assert len(breaker.states()) == 256
    assert (breaker.state("down"), breaker.state("recovering")) == ("open", "half_open")
    assert "busy" in breaker.states()
    await end()
    await fill(breaker, 256, "more")
    assert "busy" not in breaker.states()
    assert not any(isinstance(e, CircuitChanged) and e.after == "closed" for e in events)


async def test_when_none_is_idle_one_with_calls_under_way_goes_before_one_that_protects(
    time: Time, events: list[Event]
) -> None:
    breaker = breaker_of(time)
    for i in range(255):
        await open_circuit(breaker, f"down-{i}")
    end = await begin(breaker, "busy")
    events.clear()
    await begin(breaker, "new")
    assert "busy" not in breaker.states()
    assert len(breaker.states()) == 256
    await end(lost())
    assert "busy" not in breaker.states()
    assert events == []


async def test_an_open_circuit_that_must_go_is_told_to_listeners_as_closed(
    time: Time, events: list[Event]
) -> None:
    breaker = breaker_of(time)
    for i in range(256):
        await open_circuit(breaker, f"down-{i}")
    events.clear()
    await run(breaker, None, name="new")
    assert events == [CircuitChanged("down-0", "open", "closed")]
    assert len(breaker.states()) == 256
    assert breaker.state("down-1") == "open"


async def test_calls_of_a_forgotten_circuit_change_nothing_when_they_end(
    time: Time, events: list[Event]
) -> None:
    breaker = breaker_of(time, failure_threshold=1, minimum_calls=1)
    end = await begin(breaker, "busy")
    others = [await begin(breaker, f"other-{i}") for i in range(256)]
    assert "busy" not in breaker.states()
    await end(lost())
    assert events == []
    await others[-1](lost())
    assert events == [CircuitChanged("other-255", "closed", "open", 60.0)]


# --- With the other policies ---------------------------------------------------------------------


async def test_the_breaker_sees_each_attempt_and_its_refusal_is_not_retried(
    time: Time, events: list[Event]
) -> None:
    breaker, sent, waits = breaker_of(time, minimum_calls=4), 0, []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def search() -> None:
        nonlocal sent
        sent += 1
        raise lost()

    call = protect(search, retry(max_attempts=3, sleep=sleep), breaker)
    with pytest.raises(ConnectionResetError):
        await call()
    with pytest.raises(CircuitOpenError):
        await call()
    assert sent == 4
    assert len(waits) == 3, "the refused attempt is the last one"
    stop = events[-1]
    assert isinstance(stop, RetriesStopped)
    assert (stop.attempts, stop.why, stop.failure.retry_after_s) == (2, "permanent", 60)


# --- Decorating ----------------------------------------------------------------------------------


async def test_a_decorated_async_function_is_awaited_and_its_failures_open(time: Time) -> None:
    """pybreaker 1.4.1 judges the coroutine object and never opens."""
    breaker = breaker_of(time)

    @breaker
    async def search() -> None:
        await asyncio.sleep(0)
        raise lost()

    assert inspect.iscoroutinefunction(search)
    for _ in range(2):
        with pytest.raises(ConnectionResetError):
            await search()
    with pytest.raises(CircuitOpenError):
        await search()


async def test_results_and_errors_pass_untouched(time: Time) -> None:
    @dataclass(frozen=True)
    class Strict(Exception):
        code: int

    breaker = breaker_of(time, minimum_calls=50)

    @breaker
    async def call(value: object) -> object:
        if isinstance(value, BaseException):
            raise value
        return value

    assert await call(None) is None
    result = [lost()]
    assert await call(result) is result
    for error in (lost(), Strict(3), StopAsyncIteration(), StopTask()):
        with pytest.raises(type(error)) as caught:
            await call(error)
        assert caught.value is error
        assert caught.value.__context__ is None
        assert caught.value.__cause__ is None


class Client:
    def __init__(self, breaker: CircuitBreaker) -> None:
        self.search = breaker(self.plain)

    async def plain(self, text: str) -> str:
        return text

    @circuit_breaker()
    async def decorated(self, text: str, *, dependency: str = "", function: str = "") -> str:
        return text + dependency + function

    async def __call__(self, text: str) -> str:
        return text


async def test_methods_partials_and_callables_can_be_decorated(time: Time) -> None:
    breaker = breaker_of(time)
    client = Client(breaker)
    assert await client.search("a") == "a"
    assert await client.decorated("a", dependency="b", function="c") == "abc"
    assert await breaker(functools.partial(client.plain, "a"))() == "a"
    assert await breaker(client)("a") == "a"
    assert await breaker(breaker(client.plain))("a") == "a"
    assert list(breaker.states()) == ["Client", "plain"]
    with pytest.raises(TypeError):
        await client.search(1, 2)  # type: ignore[call-arg, arg-type]
    same: Callable[[str], Coroutine[Any, Any, str]] = client.search
    assert same is client.search


def test_decorating_what_is_not_async_is_refused_at_once() -> None:
    def plain() -> int:
        return 1

    async def generator() -> AsyncIterator[int]:
        yield 1

    for function in (plain, functools.partial(plain), lambda: 1, generator, Client):
        with pytest.raises(TypeError, match=r"^circuit_breaker needs an async function, not"):
            circuit_breaker()(function)  # type: ignore[type-var, arg-type, unused-ignore]


def test_forgotten_parentheses_are_explained() -> None:
    async def call() -> int:
        return 1

    with pytest.raises(TypeError, match=r"^write @circuit_breaker\(\) or pass .*Settings, not <fu"):
        circuit_breaker(call)  # type: ignore[arg-type]


# --- Numbers given to circuit_breaker itself -----------------------------------------------------


def test_the_printed_names_override_the_settings() -> None:
    base = BreakerSettings(failure_threshold=3, open_s=9, open_cap_s=90, probes=4)
    assert circuit_breaker().settings == BreakerSettings()
    assert circuit_breaker(base).settings == base
    assert circuit_breaker(base, failure_threshold=7, timeout=30).settings == BreakerSettings(
        failure_threshold=7, open_s=30, open_cap_s=90, probes=4
    )


def test_a_timeout_beyond_the_cap_lifts_the_cap() -> None:
    rules = circuit_breaker(timeout=900).settings
    assert (rules.open_s, rules.open_cap_s) == (900, 900)


def test_numbers_given_to_the_decorator_are_checked_like_settings() -> None:
    for threshold in (0, 101, True):
        with pytest.raises(ValueError, match=r"^failure_threshold must be"):
            circuit_breaker(failure_threshold=threshold)
    for timeout in (0, -1, True, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"^open_s must be"):
            circuit_breaker(timeout=timeout)


def test_excluded_errors_that_are_no_classes_are_refused_at_once() -> None:
    for wrong in ([KeyError], ("KeyError",), KeyError("x")):
        with pytest.raises(TypeError):
            circuit_breaker(excluded=wrong)  # type: ignore[arg-type]


def test_the_clock_is_monotonic_unless_another_is_given(time: Time) -> None:
    assert circuit_breaker().clock is monotonic
    assert circuit_breaker(BreakerSettings(), clock=time.clock).clock == time.clock


# --- Calls that a deadline cut off ---------------------------------------------------------------


class Slow:
    """A dependency that takes `takes_s` seconds, behind a breaker that opens at 10 failures."""

    def __init__(self, takes_s: float) -> None:
        self.takes_s, self.asked = takes_s, 0
        self.breaker = circuit_breaker(failure_threshold=10, clock=loop_time)
        self.call = protect(self.answer, self.breaker, limited(seconds=30), dependency="search")

    async def answer(self) -> None:
        self.asked += 1
        await asyncio.sleep(self.takes_s)

    async def ask(self, *, within_s: float) -> str:
        try:
            async with deadline(within_s):
                await self.call()
        except ReliabilityError as error:
            return type(error).__name__
        return "answered"


@in_jumping_time
async def test_a_dependency_that_hangs_is_found_by_callers_whose_deadline_is_short() -> None:
    slow = Slow(10_000)
    outcomes = [await slow.ask(within_s=0.1) for _ in range(60)]
    assert outcomes == ["DeadlineExceeded"] * 10 + ["CircuitOpenError"] * 50
    assert slow.asked == 10


@in_jumping_time
async def test_it_is_found_too_by_callers_all_at_once_and_after_it_has_answered() -> None:
    slow = Slow(0.02)
    assert [await slow.ask(within_s=0.1) for _ in range(10)] == ["answered"] * 10
    slow.takes_s = 10_000
    await asyncio.gather(*(slow.ask(within_s=0.1) for _ in range(20)))
    assert slow.breaker.state("search") == "open"


@in_jumping_time
async def test_callers_in_too_much_of_a_hurry_say_nothing_of_a_dependency_that_answers() -> None:
    slow = Slow(0.5)
    assert await slow.ask(within_s=9) == "answered"
    outcomes = [await slow.ask(within_s=0.4) for _ in range(60)]
    assert outcomes == ["DeadlineExceeded"] * 60
    assert slow.breaker.state("search") == "closed"
    assert await slow.ask(within_s=9) == "answered"


@in_jumping_time
async def test_twice_the_mean_time_of_an_answer_is_enough_patience() -> None:
    slow = Slow(0.5)
    for within_s, state in ((0.99, "closed"), (1.0, "open")):
        slow.takes_s = 0.5
        assert [await slow.ask(within_s=9) for _ in range(5)] == ["answered"] * 5
        slow.takes_s = 10_000
        for _ in range(10):
            await slow.ask(within_s=within_s)
        assert slow.breaker.state("search") == state


@in_jumping_time
async def test_one_slow_answer_does_not_make_a_hurried_caller_of_a_patient_one() -> None:
    slow = Slow(0.5)
    assert [await slow.ask(within_s=90) for _ in range(20)] == ["answered"] * 20
    slow.takes_s = 10
    assert await slow.ask(within_s=90) == "answered"
    slow.takes_s = 10_000
    for _ in range(25):
        await slow.ask(within_s=6)  # twice the mean is 4.8 s, twice the last answer 20 s
    assert slow.breaker.state("search") == "open"


@in_jumping_time
async def test_a_call_that_the_deadline_left_no_time_to_send_does_not_count() -> None:
    slow = Slow(10_000)
    assert [await slow.ask(within_s=0.04) for _ in range(60)] == ["DeadlineExceeded"] * 60
    assert (slow.asked, slow.breaker.state("search")) == (0, "closed")


@in_jumping_time
async def test_a_client_that_leaves_before_the_deadline_does_not_count() -> None:
    slow = Slow(10_000)
    for _ in range(60):
        task = asyncio.create_task(slow.ask(within_s=9))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])
    assert slow.breaker.state("search") == "closed"


@in_jumping_time
async def test_a_probe_that_a_deadline_cuts_off_opens_the_circuit_again() -> None:
    slow = Slow(10_000)
    for _ in range(10):
        await slow.ask(within_s=0.1)
    await asyncio.sleep(20)
    assert await slow.ask(within_s=0.1) == "DeadlineExceeded"
    assert slow.breaker.state("search") == "open"


@in_jumping_time
async def test_a_deadline_of_the_calls_own_counts_by_the_same_rule() -> None:
    slow = Slow(10_000)

    async def asks_with_a_deadline() -> None:
        async with deadline(0.1):
            await slow.answer()

    call = protect(asks_with_a_deadline, slow.breaker, dependency="search")
    for _ in range(10):
        with pytest.raises(StopTask):
            await call()
    assert slow.breaker.state("search") == "open"


# --- Who is to blame -----------------------------------------------------------------------------


class Mistaken(Exception):
    callers_mistake = True


@pytest.mark.parametrize("make", [lambda: Mistaken("no"), lambda: "\ud83d".encode()])
async def test_what_was_judged_before_it_was_sent_tells_nothing(
    time: Time, make: Callable[[], Any]
) -> None:
    async def call(breaker: CircuitBreaker) -> None:
        with pytest.raises((Mistaken, UnicodeEncodeError)):
            async with breaker.guard("search"):
                raise make()

    breaker = breaker_of(time)
    for _ in range(20):
        await call(breaker)
    assert breaker.state("search") == "closed"
    await open_circuit(breaker)
    time.now += 60
    await call(breaker)
    assert breaker.state("search") == "half_open", "nothing was sent, so nothing is proved"
    await run(breaker, None)
    assert breaker.state("search") == "closed"


@pytest.mark.parametrize(
    ("errors", "state"),
    [
        ([BadReply("no content")], "open"),
        ([ExceptionGroup("several", [lost(), http_error(404)])], "open"),
        ([ExceptionGroup("several", [http_error(400), http_error(404)])], "closed"),
        ([ExceptionGroup("several", [NoSuchCity(), Refused()])], "closed"),
        ([ExceptionGroup("several", [lost(), OutOfTime()])], "closed"),
        ([ExceptionGroup("several", [Refused(), Mistaken()])], "closed"),
    ],
    ids=repr,
)
async def test_a_group_counts_as_its_members_do(
    time: Time, errors: list[Exception], state: str
) -> None:
    breaker = breaker_of(time, excluded=(NoSuchCity,))
    await run(breaker, *errors * 2)
    assert breaker.state("search") == state


# --- One guard, several tasks --------------------------------------------------------------------


async def test_a_call_from_before_the_outage_does_not_end_the_probe_of_the_same_guard(
    time: Time,
) -> None:
    breaker = breaker_of(time)
    guard, early_ends, probe_ends = breaker.guard("search"), asyncio.Event(), asyncio.Event()

    async def call(ends: asyncio.Event) -> None:
        async with guard:
            await ends.wait()

    early = asyncio.create_task(call(early_ends))
    await asyncio.sleep(0)
    await open_circuit(breaker)
    time.now += 60
    probe = asyncio.create_task(call(probe_ends))
    await asyncio.sleep(0)
    early_ends.set()
    await early
    assert breaker.state("search") == "half_open"
    probe_ends.set()
    await probe
    assert breaker.state("search") == "closed"


async def test_a_probe_that_ends_first_is_not_taken_for_an_earlier_call_of_the_same_guard(
    time: Time,
) -> None:
    breaker = breaker_of(time)
    guard, early_ends = breaker.guard("search"), asyncio.Event()

    async def call(ends: asyncio.Event | None = None) -> None:
        async with guard:
            if ends:
                await ends.wait()

    early = asyncio.create_task(call(early_ends))
    await asyncio.sleep(0)
    await open_circuit(breaker)
    time.now += 60
    await call()
    assert breaker.state("search") == "closed"
    early_ends.set()
    await early


async def test_a_guard_that_another_task_leaves_gives_its_permit_back(time: Time) -> None:
    breaker = breaker_of(time)
    await open_circuit(breaker)
    time.now += 60

    async def items() -> AsyncGenerator[int, None]:
        async with breaker.guard("search"):
            yield 1
            yield 2

    async def begin_one() -> int:
        return await anext(begun)

    begun = items()
    assert await asyncio.create_task(begin_one()) == 1
    await begun.aclose()
    assert not await is_refused(breaker)


def test_a_key_that_names_no_call_is_refused_at_once() -> None:
    async def asks(*args: object) -> str:
        return "search"

    for wrong in (asks, 7, "search"):
        with pytest.raises(TypeError, match="key must be a function that is not async"):
            circuit_breaker(key=wrong)  # type: ignore[arg-type]
