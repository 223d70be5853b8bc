"""When a call is sent again, how long it waits, and what the caller gets in the end."""

from __future__ import annotations

import asyncio
import functools
import logging
import math
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from email.utils import formatdate
from typing import Any

import anthropic
import httpx
import pytest
import tenacity
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from reliability import (
    Attempts,
    Event,
    ExponentialBackoff,
    Failure,
    FailureKind,
    RetriesStopped,
    RetryBudget,
    RetryScheduled,
    RetrySettings,
    StopTask,
    attempts_of,
    classify,
    retry,
    subscribe,
)

SECRET = "the prompt said hunter2"


class Time:
    """A clock that only `sleep` moves, and that remembers each wait."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.waits: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.waits.append(float(seconds))
        self.now += seconds


class Highest(random.Random):
    """Draws the upper bound, so that a test can read it."""

    def uniform(self, a: float, b: float) -> float:
        return b


class Lowest(random.Random):
    """Draws the least that is allowed."""

    def uniform(self, a: float, b: float) -> float:
        return a


class Service:
    """Fails with each given error in turn, then answers; every attempt takes 0.125 s."""

    def __init__(self, time: Time, *errors: BaseException) -> None:
        self.time, self.errors, self.attempts = time, list(errors), 0

    async def call(self, text: str = "hello") -> str:
        self.attempts += 1
        self.time.now += 0.125
        if self.errors:
            raise self.errors.pop(0)
        return text.upper()


@pytest.fixture
def time() -> Time:
    return Time()


def http_error(status: int, headers: dict[str, str] | None = None) -> httpx.HTTPStatusError:
    request = httpx.Request("GET", "https://weather.example/?q=hunter2")
    response = httpx.Response(status, headers=headers, request=request)
    return httpx.HTTPStatusError(SECRET, request=request, response=response)


def lost() -> ConnectionResetError:
    return ConnectionResetError(SECRET)


# --- Exactly one layer ---------------------------------------------------------------------------


@asynccontextmanager
async def api(status: int, body: bytes) -> AsyncIterator[tuple[str, list[str]]]:
    """A server with one answer; yields its address and the SDK's retry count of each request."""
    counts: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        await reader.readexactly(int(fields.get("content-length", "0")))
        counts.append(fields["x-stainless-retry-count"])
        writer.write(b"HTTP/1.1 %d Busy\r\nconnection: close\r\n" % status)
        writer.write(b"content-type: application/json\r\n")
        writer.write(b"content-length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", counts


OVERLOADED = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'


async def test_n_attempts_are_n_requests_because_only_this_layer_retries(time: Time) -> None:
    async with (
        api(529, OVERLOADED) as (address, counts),
        anthropic.AsyncAnthropic(
            api_key="test",
            base_url=address,
            max_retries=0,
            http_client=anthropic.DefaultAsyncHttpxClient(trust_env=False),
        ) as client,
    ):

        @retry(max_attempts=4, sleep=time.sleep, clock=time.clock)
        async def ask() -> anthropic.types.Message:
            return await client.messages.create(
                model="claude-test", max_tokens=9, messages=[{"role": "user", "content": "hi"}]
            )

        with pytest.raises(anthropic.InternalServerError) as caught:
            await ask()
    assert caught.value.status_code == 529
    assert counts == ["0", "0", "0", "0"]
    assert len(time.waits) == 3


# --- What is retried ------------------------------------------------------------------------------


async def test_a_failure_that_passes_is_hidden_from_the_caller(time: Time) -> None:
    service = Service(time, lost(), http_error(503))
    assert await retry(sleep=time.sleep)(service.call)("hello") == "HELLO"
    assert service.attempts == 3


async def test_a_call_that_succeeds_is_sent_once_and_says_nothing(
    time: Time, events: list[Event]
) -> None:
    service = Service(time)
    assert await retry(sleep=time.sleep)(service.call)() == "HELLO"
    assert (service.attempts, time.waits, events) == (1, [], [])


async def test_a_result_that_is_none_or_an_exception_object_is_a_result() -> None:
    @retry()
    async def nothing() -> str | None:
        return None

    @retry()
    async def verdict() -> Exception:
        return lost()

    assert await nothing() is None
    assert isinstance(await verdict(), ConnectionResetError)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 422])
async def test_a_permanent_failure_is_sent_once(time: Time, status: int) -> None:
    service = Service(time, http_error(status))
    with pytest.raises(httpx.HTTPStatusError):
        await retry(sleep=time.sleep)(service.call)()
    assert (service.attempts, time.waits) == (1, [])


async def test_a_failure_that_turns_permanent_ends_the_retries(
    time: Time, events: list[Event]
) -> None:
    service = Service(time, http_error(503), http_error(401))
    with pytest.raises(httpx.HTTPStatusError) as caught:
        await retry(sleep=time.sleep, clock=time.clock)(service.call)()
    assert caught.value.response.status_code == 401
    assert service.attempts == 2
    stop = events[-1]
    assert isinstance(stop, RetriesStopped)
    assert (stop.why, stop.attempts) == ("permanent", 2)


class OutOfTime(StopTask):
    retryable = True


async def test_an_error_that_stops_the_task_is_not_retried_even_by_an_own_classifier(
    time: Time,
) -> None:
    def always(error: BaseException) -> Failure:
        return Failure(FailureKind.TRANSIENT, True, None, "any")

    service = Service(time, OutOfTime())
    with pytest.raises(OutOfTime):
        await retry(classify=always, sleep=time.sleep)(service.call)()
    assert service.attempts == 1


async def test_an_own_classifier_decides(time: Time) -> None:
    def lenient(error: BaseException) -> Failure:
        return Failure(FailureKind.TRANSIENT, isinstance(error, KeyError), 3.0, "own")

    service = Service(time, KeyError("x"), lost())
    with pytest.raises(ConnectionResetError):
        await retry(classify=lenient, sleep=time.sleep, rng=random.Random(1))(service.call)()
    assert (service.attempts, time.waits) == (2, [3.0])


async def test_tenacitys_own_signal_to_retry_is_an_error_like_any_other(time: Time) -> None:
    service = Service(time, tenacity.TryAgain())
    with pytest.raises(tenacity.TryAgain):
        await retry(sleep=time.sleep)(service.call)()
    assert service.attempts == 1


@pytest.mark.parametrize("attempts", [1, 2, 5])
async def test_no_call_has_more_than_max_attempts(
    time: Time, events: list[Event], attempts: int
) -> None:
    service = Service(time, *(lost() for _ in range(9)))
    with pytest.raises(ConnectionResetError):
        await retry(RetrySettings(max_attempts=attempts), sleep=time.sleep)(service.call)()
    assert (service.attempts, len(time.waits)) == (attempts, attempts - 1)
    stop = events[-1]
    assert isinstance(stop, RetriesStopped)
    assert stop.why == "attempts"


# --- Idempotent work only ------------------------------------------------------------------------


async def test_work_that_is_not_idempotent_is_done_once(time: Time, events: list[Event]) -> None:
    notes: list[str] = []

    @retry(idempotent=lambda name, arguments: name != "save_note", sleep=time.sleep)
    async def use_tool(name: str, arguments: dict[str, str]) -> None:
        notes.append(name)
        raise lost()

    with pytest.raises(ConnectionResetError):
        await use_tool("save_note", arguments={})
    assert notes == ["save_note"]
    stop = events[-1]
    assert isinstance(stop, RetriesStopped)
    assert stop.why == "not_idempotent"
    with pytest.raises(ConnectionResetError):
        await use_tool("search", {})
    assert notes.count("search") == 5


async def test_whether_a_call_is_idempotent_is_asked_before_it_can_change_its_arguments(
    time: Time,
) -> None:
    attempts = 0

    @retry(idempotent=lambda params: bool(params["read_only"]), sleep=time.sleep)
    async def tool(params: dict[str, bool]) -> None:
        nonlocal attempts
        attempts += 1
        params["read_only"] = True
        raise lost()

    with pytest.raises(ConnectionResetError):
        await tool({"read_only": False})
    assert attempts == 1


# --- How long it waits ---------------------------------------------------------------------------


async def test_the_upper_bound_of_the_wait_doubles_up_to_the_cap(time: Time) -> None:
    service = Service(time, *(lost() for _ in range(9)))
    with pytest.raises(ConnectionResetError):
        await retry(max_attempts=8, sleep=time.sleep, rng=Highest())(service.call)()
    assert time.waits == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


async def test_backoff_and_settings_both_set_the_numbers(time: Time) -> None:
    for policy in (
        retry(RetrySettings(max_attempts=4, base_s=1, cap_s=3), sleep=time.sleep, rng=Highest()),
        retry(
            RetrySettings(base_s=9),
            max_attempts=4,
            backoff=ExponentialBackoff(base_s=1, cap_s=3),
            sleep=time.sleep,
            rng=Highest(),
        ),
    ):
        with pytest.raises(ConnectionResetError):
            await policy(Service(time, *(lost() for _ in range(4))).call)()
    assert time.waits == [1.0, 2.0, 3.0] * 2


positive = st.floats(min_value=1e-3, max_value=1e6)


@settings(max_examples=50)
@given(retry_number=st.integers(0, 5_000), base_s=positive, cap_s=positive, seed=st.integers())
def test_waits_cover_the_whole_interval_from_zero_to_the_bound(
    retry_number: int, base_s: float, cap_s: float, seed: int
) -> None:
    uniform = random.Random(seed).uniform
    backoff = ExponentialBackoff(base_s, cap_s)
    waits = [backoff.wait_s(retry_number, uniform) for _ in range(300)]
    bound = min(cap_s, base_s * 2.0 ** min(retry_number, 64))
    assert 0 <= min(waits) < 0.1 * bound
    assert 0.9 * bound < max(waits) <= bound
    assert 0.4 * bound < sum(waits) / len(waits) < 0.6 * bound


@given(st.integers(0, 10**9), st.floats(0, 1e300), st.floats(0, 1e300))
def test_no_attempt_number_overflows(retry_number: int, base_s: float, cap_s: float) -> None:
    wait_s = ExponentialBackoff(base_s, cap_s).wait_s(retry_number, Highest().uniform)
    assert 0 <= wait_s <= cap_s


async def test_callers_that_fail_together_do_not_come_back_together() -> None:
    async def wait_of_one_caller() -> float:
        time = Time()
        await retry(sleep=time.sleep)(Service(time, lost()).call)()
        return time.waits[0]

    waits = [await wait_of_one_caller() for _ in range(50)]
    assert len(set(waits)) == 50


async def test_waits_come_from_the_generator_that_a_forked_worker_seeds_anew(time: Time) -> None:
    state = random.getstate()
    for _ in range(2):
        random.seed(20)
        await retry(sleep=time.sleep)(Service(time, lost()).call)()
    random.setstate(state)
    assert time.waits[0] == time.waits[1]


@pytest.mark.parametrize(
    "headers",
    [
        {"retry-after": "12"},
        {"retry-after": "12.0"},
        {"retry-after": formatdate(1_700_000_012, usegmt=True)},
        {"retry-after-ms": "12000", "retry-after": "1"},
    ],
)
async def test_retry_after_is_the_least_wait_in_every_form(
    time: Time, headers: dict[str, str]
) -> None:
    judge = functools.partial(classify, now=lambda: 1_700_000_000.0)
    service = Service(time, http_error(429, headers))
    policy = retry(classify=judge, sleep=time.sleep, rng=random.Random(3))
    await policy(service.call)()
    assert time.waits == [12.0]


async def test_a_backoff_longer_than_retry_after_is_kept(time: Time) -> None:
    service = Service(time, http_error(429, {"retry-after": "2"}))
    backoff = ExponentialBackoff(base_s=6)
    await retry(backoff=backoff, sleep=time.sleep, rng=Highest())(service.call)()
    assert time.waits == [6.0]


@pytest.mark.parametrize("headers", [{}, {"retry-after": "0"}, {"retry-after": "soon"}])
async def test_after_a_rate_limit_that_names_no_wait_the_wait_has_a_floor_that_doubles(
    time: Time, headers: dict[str, str]
) -> None:
    for rng, waits in ((Lowest(), [0.5, 1.0, 2.0, 4.0]), (Highest(), [1.0, 2.0, 4.0, 8.0])):
        time.waits.clear()
        service = Service(time, *[http_error(429, headers) for _ in range(4)])
        await retry(sleep=time.sleep, rng=rng)(service.call)()
        assert time.waits == waits, "at most the cap, and drawn above the floor"


async def test_no_floor_of_a_rate_limit_leaves_the_jitter_no_room(time: Time) -> None:
    for rng, waits in ((Lowest(), [1.0, 2.0, 2.0, 2.0]), (Highest(), [2.0, 4.0, 4.0, 4.0])):
        time.waits.clear()
        service = Service(time, *[http_error(429) for _ in range(4)])
        backoff = ExponentialBackoff(base_s=1.0, cap_s=4.0)
        await retry(backoff=backoff, sleep=time.sleep, rng=rng)(service.call)()
        assert time.waits == waits


async def test_only_a_rate_limit_has_a_floor_and_retry_after_stands_in_for_it(time: Time) -> None:
    errors = http_error(529), http_error(503), http_error(429, {"retry-after": "0.25"}), lost()
    service = Service(time, *errors)
    await retry(sleep=time.sleep, rng=Lowest())(service.call)()
    assert time.waits == [0.0, 0.0, 0.25, 0.0]


@pytest.mark.parametrize(("cap_s", "wait_s"), [(None, 30.0), (5.0, 5.0), (0.0, 0.5)])
async def test_retry_after_is_capped(time: Time, cap_s: float | None, wait_s: float) -> None:
    service = Service(time, http_error(503, {"retry-after": "3600"}))
    await retry(retry_after_cap_s=cap_s, sleep=time.sleep, rng=Highest())(service.call)()
    assert time.waits == [wait_s]


async def test_retry_after_holds_for_one_wait_only(time: Time) -> None:
    service = Service(time, http_error(429, {"retry-after": "20"}), lost())
    await retry(sleep=time.sleep, rng=Highest())(service.call)()
    assert time.waits == [20.0, 1.0]


# --- The deadline --------------------------------------------------------------------------------


@pytest.mark.parametrize("left_s", [11.9, 12.0])
async def test_a_wait_that_would_reach_the_deadline_fails_now(
    time: Time, events: list[Event], left_s: float
) -> None:
    service = Service(time, http_error(429, {"retry-after": "12"}))
    with pytest.raises(httpx.HTTPStatusError):
        await retry(remaining_s=lambda: left_s, sleep=time.sleep)(service.call)()
    assert (service.attempts, time.waits) == (1, [])
    (stop,) = events
    assert isinstance(stop, RetriesStopped)
    assert stop.why == "deadline"


async def test_a_wait_that_ends_before_the_deadline_is_taken(time: Time) -> None:
    service = Service(time, http_error(429, {"retry-after": "12"}))
    await retry(remaining_s=lambda: 12.1, sleep=time.sleep)(service.call)()
    assert time.waits == [12.0]


async def test_the_wait_that_counts_against_the_deadline_is_the_capped_one(time: Time) -> None:
    service = Service(time, http_error(503, {"retry-after": "3600"}))
    await retry(remaining_s=lambda: 31.0, sleep=time.sleep)(service.call)()
    assert time.waits == [30.0]


async def test_no_sleep_ends_after_the_deadline(time: Time) -> None:
    deadline = time.now + 10.0
    service = Service(time, *(lost() for _ in range(99)))
    policy = retry(
        max_attempts=99,
        remaining_s=lambda: deadline - time.now,
        sleep=time.sleep,
        rng=Highest(),
        clock=time.clock,
    )
    with pytest.raises(ConnectionResetError):
        await policy(service.call)()
    assert time.waits == [0.5, 1.0, 2.0, 4.0]
    assert time.now < deadline


async def test_a_spent_deadline_allows_no_retry_even_without_a_wait(time: Time) -> None:
    service = Service(time, lost())
    policy = retry(backoff=ExponentialBackoff(0), remaining_s=lambda: 0.0, sleep=time.sleep)
    with pytest.raises(ConnectionResetError):
        await policy(service.call)()
    assert service.attempts == 1


# --- Cancellation --------------------------------------------------------------------------------


async def test_a_cancel_during_the_call_ends_it_at_once(time: Time, events: list[Event]) -> None:
    attempts = 0

    @retry(sleep=time.sleep)
    async def hangs() -> None:
        nonlocal attempts
        attempts += 1
        await asyncio.Event().wait()

    task = asyncio.create_task(hangs())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert (attempts, time.waits, events) == (1, [], [])


async def test_a_cancel_during_the_wait_ends_the_call_at_once(time: Time) -> None:
    service = Service(time, lost())
    sleeping = asyncio.Event()

    async def sleep(seconds: float) -> None:
        sleeping.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(retry(sleep=sleep)(service.call)())
    await sleeping.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert service.attempts == 1


async def test_an_outer_timeout_ends_a_retry_in_its_wait(time: Time) -> None:
    async def sleep(seconds: float) -> None:
        await asyncio.Event().wait()

    service = Service(time, lost())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await retry(sleep=sleep)(service.call)()
    assert service.attempts == 1


@pytest.mark.parametrize("error", [asyncio.CancelledError(), GeneratorExit(), SystemExit(3)])
async def test_what_is_no_exception_passes_untouched(time: Time, error: BaseException) -> None:
    def always(error: BaseException) -> Failure:
        return Failure(FailureKind.TRANSIENT, True, None, "any")

    service = Service(time, error)
    with pytest.raises(type(error)) as caught:
        await retry(classify=always, sleep=time.sleep)(service.call)()
    assert caught.value is error
    assert service.attempts == 1
    assert attempts_of(error) is None


def test_a_keyboard_interrupt_is_not_retried(time: Time) -> None:
    service = Service(time, KeyboardInterrupt())
    call = retry(sleep=time.sleep)(service.call)()
    with pytest.raises(KeyboardInterrupt):
        call.send(None)
    assert service.attempts == 1


# --- The last exception --------------------------------------------------------------------------


async def test_the_last_exception_itself_is_raised_with_its_own_cause(time: Time) -> None:
    errors = [lost(), lost(), lost()]

    @retry(max_attempts=3, sleep=time.sleep)
    async def call() -> None:
        error = errors.pop(0)
        raise error from ValueError(f"cause {len(errors)}")

    last = errors[-1]
    with pytest.raises(ConnectionResetError) as caught:
        await call()
    assert caught.value is last
    assert repr(last.__cause__) == "ValueError('cause 0')"
    assert last.__context__ is None, "no earlier attempt and no RetryError in the chain"


async def test_an_exception_without_a_cause_gets_none(time: Time) -> None:
    with pytest.raises(ConnectionResetError) as caught:
        await retry(max_attempts=2, sleep=time.sleep)(Service(time, lost(), lost()).call)()
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


async def test_the_exception_tells_attempts_and_seconds_to_code_and_to_people(time: Time) -> None:
    service = Service(time, *(http_error(429, {"retry-after": "2"}) for _ in range(3)))
    policy = retry(max_attempts=3, sleep=time.sleep, clock=time.clock)
    with pytest.raises(httpx.HTTPStatusError) as caught:
        await policy(service.call)()
    told = attempts_of(caught.value)
    assert told is not None
    assert told.attempts == 3
    assert told.elapsed_s == 3 * 0.125 + 2 * 2.0
    assert caught.value.__notes__ == ["gave up at attempt 3, after 4.38 s"]


async def test_one_exception_object_raised_by_two_calls_tells_the_newest_count(time: Time) -> None:
    error = lost()

    async def call() -> None:
        raise error

    for attempts in (4, 2):
        with pytest.raises(ConnectionResetError):
            await retry(max_attempts=attempts, sleep=time.sleep, clock=time.clock)(call)()
    told = attempts_of(error)
    assert told is not None
    assert told.attempts == 2
    assert len(error.__notes__) == 1


async def test_a_permanent_failure_tells_its_one_attempt(time: Time) -> None:
    with pytest.raises(KeyError) as caught:
        await retry(clock=time.clock)(Service(time, KeyError("x")).call)()
    assert attempts_of(caught.value) == Attempts(1, 0.125)


# --- What is told outside ------------------------------------------------------------------------


async def test_each_retry_is_one_event_and_one_log_line_without_any_message(
    time: Time, events: list[Event], caplog: pytest.LogCaptureFixture
) -> None:
    service = Service(time, http_error(503), lost(), http_error(429, {"retry-after": "9"}))
    policy = retry(max_attempts=3, sleep=time.sleep, rng=Highest(), clock=time.clock)
    with caplog.at_level(logging.INFO, "reliability"), pytest.raises(httpx.HTTPStatusError):
        await policy(service.call)(SECRET)
    unavailable = Failure(FailureKind.TRANSIENT, True, None, "503")
    reset = Failure(FailureKind.TRANSIENT, True, None, "ConnectionResetError")
    limited = Failure(FailureKind.RATE_LIMIT, True, 9.0, "429")
    assert events == [
        RetryScheduled("call", 1, 0.5, unavailable),
        RetryScheduled("call", 2, 1.0, reset),
        RetriesStopped("call", 3, 3 * 0.125 + 1.5, limited, "attempts"),
    ]
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "'call': attempt 1 failed (503), the next one in 0.50 s"),
        ("INFO", "'call': attempt 2 failed (ConnectionResetError), the next one in 1.00 s"),
    ]
    assert "hunter2" not in repr(events)


async def test_an_invented_tool_name_cannot_forge_a_log_line(
    time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    @retry(max_attempts=2, sleep=time.sleep)
    async def use(tool_name: str) -> None:
        raise lost()

    with caplog.at_level(logging.INFO, "reliability"), pytest.raises(ConnectionResetError):
        await use("search\nCRITICAL all is lost")
    (record,) = caplog.records
    assert "\n" not in record.getMessage()


async def test_a_listener_that_raises_does_not_break_the_call(time: Time) -> None:
    def broken(event: Event) -> None:
        raise RuntimeError("exporter down")

    undo = subscribe(broken)
    try:
        assert await retry(sleep=time.sleep)(Service(time, lost()).call)() == "HELLO"
    finally:
        undo()


# --- Many calls through one decorator ------------------------------------------------------------


async def test_concurrent_calls_share_nothing_but_the_budget() -> None:
    waits: dict[int, list[float]] = {}
    current: dict[asyncio.Task[Any] | None, int] = {}

    async def sleep(seconds: float) -> None:
        waits[current[asyncio.current_task()]].append(float(seconds))
        for _ in range(3):
            await asyncio.sleep(0)

    policy = retry(max_attempts=6, sleep=sleep, rng=Highest(), budget=RetryBudget(capacity=10_000))
    attempts: dict[int, int] = dict.fromkeys(range(200), 0)

    @policy
    async def call(number: int) -> int:
        attempts[number] += 1
        await asyncio.sleep(0)
        if attempts[number] <= number % 8:
            raise lost()
        return number

    async def run(number: int) -> int | Attempts | None:
        current[asyncio.current_task()] = number
        waits[number] = []
        try:
            return await call(number)
        except ConnectionResetError as error:
            return attempts_of(error)

    results = await asyncio.gather(*(run(number) for number in range(200)))
    bounds = [0.5, 1.0, 2.0, 4.0, 8.0]
    for number, result in enumerate(results):
        failures = number % 8
        assert waits[number] == bounds[: min(failures, 5)]
        if failures < 6:
            assert result == number
        else:
            assert isinstance(result, Attempts)
            assert result.attempts == 6


# --- Decorating ----------------------------------------------------------------------------------


async def test_both_forms_of_the_book_work_as_printed() -> None:
    @retry(max_attempts=3, backoff=ExponentialBackoff())
    async def call_tool_with_resilience(tool_name: str, params: dict[str, int]) -> str:
        """Call it."""
        return tool_name

    assert await call_tool_with_resilience("search", params={}) == "search"
    assert call_tool_with_resilience.__name__ == "call_tool_with_resilience"
    assert call_tool_with_resilience.__doc__ == "Call it."
    same: Callable[[str, dict[str, int]], Coroutine[Any, Any, str]] = call_tool_with_resilience
    assert await retry(RetrySettings())(same)("weather", {}) == "weather"
    with pytest.raises(TypeError):
        await call_tool_with_resilience(7)  # type: ignore[call-arg, arg-type]


class Client:
    def __init__(self) -> None:
        self.calls = 0

    @retry(max_attempts=2, backoff=ExponentialBackoff(base_s=0))
    async def decorated(self, text: str, *, fn: str = "", self_: str = "") -> str:
        self.calls += 1
        if self.calls == 1:
            raise lost()
        return text + fn

    async def plain(self, text: str) -> str:
        return text

    async def __call__(self, text: str) -> str:
        return text


async def test_methods_partials_callables_and_wrapped_functions_can_be_decorated() -> None:
    assert await Client().decorated("a", fn="b") == "ab"
    assert await retry()(Client().plain)("a") == "a"
    assert await retry()(functools.partial(Client().plain, "a"))() == "a"
    assert await retry()(functools.partial(Client().plain))(text="a") == "a"
    assert await retry()(retry()(Client().plain))("a") == "a"
    assert await retry()(Client())("a") == "a"


def test_decorating_what_is_not_async_is_refused_at_once() -> None:
    def plain() -> int:
        return 1

    async def generator() -> AsyncIterator[int]:
        yield 1

    for function in (plain, functools.partial(plain), lambda: 1, generator, Client):
        with pytest.raises(TypeError, match="async"):
            retry()(function)  # type: ignore[type-var, arg-type, unused-ignore]


def test_forgotten_parentheses_are_explained() -> None:
    async def call() -> int:
        return 1

    with pytest.raises(TypeError, match=r"@retry\(\)"):
        retry(call)  # type: ignore[arg-type]


# --- Settings ------------------------------------------------------------------------------------

NUMBERS = [
    "base_s",
    "cap_s",
    "retry_after_cap_s",
    "budget_capacity",
    "budget_per_call",
    "budget_per_retry",
]


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf, -math.inf, True, "1", None])
def test_settings_refuse_a_number_out_of_range_by_name(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{field} must be a finite number >=? 0, not "):
        RetrySettings(**{field: value})


@pytest.mark.parametrize("value", [0, -1, True, 1.5, 3.0, math.nan, math.inf, "3", None])
def test_settings_refuse_a_max_attempts_that_is_no_positive_whole_number(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^max_attempts must be a whole number >= 1, not "):
        RetrySettings(max_attempts=value)


def test_numbers_given_to_retry_are_checked_like_settings() -> None:
    with pytest.raises(ValueError, match="max_attempts"):
        retry(max_attempts=0)
    with pytest.raises(ValueError, match="retry_after_cap_s"):
        retry(retry_after_cap_s=-1)
    with pytest.raises(ValueError, match="base_s"):
        ExponentialBackoff(base_s=math.nan)


def test_settings_can_be_filled_from_text_as_environment_variables_are() -> None:
    read = TypeAdapter(RetrySettings).validate_python
    assert read({"max_attempts": "7", "base_s": "0.25"}) == RetrySettings(7, 0.25)
    with pytest.raises(ValueError, match="max_attempts must be"):
        read({"max_attempts": "0"})


def test_the_cap_of_a_backoff_is_checked_too() -> None:
    with pytest.raises(ValueError, match=r"^cap_s must be"):
        ExponentialBackoff(cap_s=math.nan)


def test_settings_refuse_a_retry_that_is_free() -> None:
    with pytest.raises(ValueError, match=r"^budget_per_retry must be a finite number > 0, not 0$"):
        RetrySettings(budget_per_retry=0)


def test_a_refusal_to_decorate_names_the_policy() -> None:
    def plain() -> int:
        return 1

    with pytest.raises(TypeError, match=r"^retry needs an async function, not <function "):
        retry()(plain)  # type: ignore[type-var, arg-type, unused-ignore]


async def test_all_three_numbers_of_the_budget_come_from_the_settings(time: Time) -> None:
    settings = RetrySettings(
        max_attempts=100, budget_capacity=6.0, budget_per_call=4.0, budget_per_retry=2.0
    )
    service = Service(time, *(lost() for _ in range(100)))
    call = retry(settings, sleep=time.sleep)(service.call)
    for attempts in (1 + 3, 1 + 2):  # full: 6 / 2 retries; then what one call earned: 4 / 2
        before = service.attempts
        with pytest.raises(ConnectionResetError):
            await call()
        assert service.attempts - before == attempts


# --- What is safe to repeat ----------------------------------------------------------------------


@pytest.mark.parametrize(("idempotent", "calls"), [(True, 3), (False, 1)])
async def test_whether_calls_are_idempotent_may_be_said_of_all_of_them(
    time: Time, idempotent: bool, calls: int
) -> None:
    service = Service(time, *[lost() for _ in range(9)])
    with pytest.raises(ConnectionResetError):
        await retry(max_attempts=3, idempotent=idempotent, sleep=time.sleep)(service.call)()
    assert service.attempts == calls


async def asks_somebody(*args: object, **kwargs: object) -> bool:
    return False


class AsksSomebody:
    async def __call__(self, *args: object) -> bool:
        return False


@pytest.mark.parametrize(
    "idempotent",
    [asks_somebody, AsksSomebody(), functools.partial(asks_somebody, 1), "yes", 1],
    ids=repr,
)
def test_a_predicate_that_nobody_could_ask_is_refused_at_once(idempotent: Any) -> None:
    with pytest.raises(TypeError, match="idempotent must be a function that is not async"):
        retry(idempotent=idempotent)


async def test_a_predicate_that_turns_out_to_be_async_is_refused_before_the_call(
    time: Time,
) -> None:
    service = Service(time, lost())
    predicate: Any = lambda: asks_somebody()  # noqa: E731
    with pytest.raises(TypeError, match="idempotent must answer at once"):
        await retry(idempotent=predicate, sleep=time.sleep)(service.call)()
    assert service.attempts == 0


async def test_a_call_that_goes_well_builds_no_loop(
    time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[object] = []
    made = tenacity.AsyncRetrying.__init__

    def counting(self: tenacity.AsyncRetrying, *args: Any, **kwargs: Any) -> None:
        built.append(self)
        made(self, *args, **kwargs)

    monkeypatch.setattr(tenacity.AsyncRetrying, "__init__", counting)
    await retry(sleep=time.sleep)(Service(time).call)()
    assert built == []
    await retry(sleep=time.sleep)(Service(time, lost(), lost()).call)()
    assert len(built) == 1


# --- A group of errors ---------------------------------------------------------------------------


async def test_a_group_is_retried_if_each_of_its_members_may_be(time: Time) -> None:
    inner = ExceptionGroup("inner", [http_error(503, {"retry-after": "9"})])
    service = Service(time, ExceptionGroup("several", [lost(), inner]))
    assert await retry(sleep=time.sleep, rng=Lowest())(service.call)() == "HELLO"
    assert time.waits == [9.0], "the longest wait that a member asks for"


@pytest.mark.parametrize("other", [ValueError("a bug"), http_error(400), StopTask("enough")])
async def test_a_group_with_one_member_that_cannot_pass_is_sent_once(
    time: Time, other: Exception
) -> None:
    service = Service(time, ExceptionGroup("several", [lost(), other]))
    with pytest.raises(ExceptionGroup):
        await retry(sleep=time.sleep)(service.call)()
    assert service.attempts == 1
