"""One absolute end for a request: who inherits it, what is left of it, and what happens at it."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import functools
import math
import pickle
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reliability.deadlines import (
    DeadlineExceeded,
    SessionEnded,
    TimeoutSettings,
    deadline,
    latest_start,
    remaining_s,
)
from reliability.errors import Failure, FailureKind, StopTask, classify
from reliability.events import Event, TimedOut
from reliability.protect import protect
from reliability.retries import retry
from reliability.timeouts import request_deadline

from jumping_time import in_jumping_time, now

# --- What the error says -------------------------------------------------------------------------


def test_a_deadline_that_passed_ends_the_task_and_is_no_timeout_error() -> None:
    error = DeadlineExceeded("request", 120.0)
    assert isinstance(error, StopTask)
    assert not isinstance(error, TimeoutError)
    assert (error.scope, error.limit_s, error.retry_after_s) == ("request", 120.0, None)
    assert classify(error) == Failure(FailureKind.TIMEOUT, False, None, "DeadlineExceeded")
    assert str(error) == "the request has used up its 120 s"


def test_the_end_of_a_session_says_what_to_do() -> None:
    error = DeadlineExceeded("session", 3600.0)
    assert str(error) == "the session has used up its 3600 s: begin a new session"


def test_the_error_survives_pickling_and_copying() -> None:
    error = DeadlineExceeded("session", 0.5)
    assert error.args == ("session", 0.5)
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (other.scope, other.limit_s, str(other)) == ("session", 0.5, str(error))


# --- What is left --------------------------------------------------------------------------------


@in_jumping_time
async def test_without_a_deadline_nothing_is_bounded() -> None:
    assert remaining_s() is None
    assert latest_start(2_000.0) == (2_000.0, None)


@in_jumping_time
async def test_what_is_left_shrinks_with_time_and_never_below_zero() -> None:
    left: list[float | None] = []

    async def detached() -> None:
        for _ in range(4):
            left.append(remaining_s())
            await asyncio.sleep(2)

    async with deadline(5):
        task = asyncio.create_task(detached())
    await task
    assert left == [5.0, 3.0, 1.0, 0.0]
    assert remaining_s() is None


@in_jumping_time
async def test_a_nested_deadline_only_shrinks_and_the_outer_one_comes_back() -> None:
    async with deadline(10):
        async with deadline(3):
            assert remaining_s() == 3.0
        assert remaining_s() == 10.0
        async with deadline(99):
            assert remaining_s() == 10.0
        assert remaining_s() == 10.0
    assert remaining_s() is None


@in_jumping_time
async def test_the_deadline_is_taken_off_when_the_block_fails() -> None:
    with pytest.raises(KeyError):
        async with deadline(10):
            raise KeyError("x")
    assert remaining_s() is None


@in_jumping_time
async def test_a_task_begun_inside_inherits_the_deadline_and_one_beside_does_not() -> None:
    inside = asyncio.Event()
    left: dict[str, float | None] = {}

    async def look(name: str) -> None:
        await inside.wait()
        left[name] = remaining_s()

    beside = asyncio.create_task(look("beside"))
    async with deadline(7):
        below = asyncio.create_task(look("below"))
        inside.set()
        await asyncio.gather(beside, below)
    assert left == {"beside": None, "below": 7.0}


@in_jumping_time
async def test_concurrent_requests_have_their_own_deadlines() -> None:
    async def request(seconds: float) -> float | None:
        async with deadline(seconds):
            await asyncio.sleep(1)
            return remaining_s()

    assert await asyncio.gather(*(request(n) for n in (2, 3, 4))) == [1.0, 2.0, 3.0]


@in_jumping_time
async def test_what_may_wait_leaves_early_enough_to_begin() -> None:
    async with deadline(5):
        assert latest_start(1_004.0) == (1_004.0, None)
        at, end = latest_start(1_005.0)
        assert at == pytest.approx(1_004.95)
        assert end is not None
        assert (end.scope, end.limit_s) == ("request", 5)


@in_jumping_time
async def test_a_wait_that_ends_just_when_a_call_may_still_begin_is_the_deadlines() -> None:
    async with deadline(5):
        last, _ = latest_start(math.inf)
        assert latest_start(last)[1] is not None


@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=6))
def test_the_nearest_of_all_nested_deadlines_is_in_force(limits: list[float]) -> None:
    @in_jumping_time
    async def run() -> None:
        async def nest(depth: int) -> None:
            if depth:
                assert remaining_s() == pytest.approx(min(limits[:depth]), abs=1e-6)
            if depth < len(limits):
                async with deadline(limits[depth]):
                    await nest(depth + 1)
                if depth:
                    assert remaining_s() == pytest.approx(min(limits[:depth]), abs=1e-6)

        await nest(0)
        assert remaining_s() is None

    run()


# --- What happens at the end ---------------------------------------------------------------------


@in_jumping_time
async def test_the_block_is_cancelled_at_the_deadline() -> None:
    cancelled_at = None
    began = now()

    async def work() -> None:
        nonlocal cancelled_at
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled_at = now()
            raise

    with pytest.raises(DeadlineExceeded) as caught:
        async with deadline(5, "session"):
            await work()
    assert cancelled_at == began + 5
    assert (caught.value.scope, caught.value.limit_s) == ("session", 5)
    assert isinstance(caught.value.__cause__, TimeoutError)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@in_jumping_time
async def test_a_block_that_ends_in_time_is_left_alone() -> None:
    async with deadline(5):
        await asyncio.sleep(4.99)
    await asyncio.sleep(10)


@pytest.mark.parametrize(
    ("outer", "inner", "scope", "limit_s"),
    [(3.0, 5.0, "session", 3.0), (5.0, 3.0, "request", 3.0), (4.0, 4.0, "session", 4.0)],
)
@in_jumping_time
async def test_the_error_names_the_tightest_deadline(
    outer: float, inner: float, scope: str, limit_s: float
) -> None:
    began = now()
    with pytest.raises(DeadlineExceeded) as caught:
        async with deadline(outer, "session"), deadline(inner, "request"):
            await asyncio.sleep(60)
    assert (caught.value.scope, caught.value.limit_s) == (scope, limit_s)
    assert now() == began + limit_s


@in_jumping_time
async def test_a_detached_task_is_held_to_an_inherited_deadline_by_a_wider_one_inside() -> None:
    async def detached() -> None:
        async with deadline(99):
            await asyncio.sleep(60)

    async with deadline(3):
        task = asyncio.create_task(detached())
    with pytest.raises(DeadlineExceeded) as caught:
        await task
    assert (caught.value.limit_s, now()) == (3, 1_003.0)


@in_jumping_time
async def test_inside_a_deadline_that_has_passed_nothing_is_begun() -> None:
    begun = False

    async def late() -> None:
        nonlocal begun
        await asyncio.sleep(3)
        async with deadline(99, "session"):
            begun = True

    async with deadline(3):
        task = asyncio.create_task(late())
    with pytest.raises(DeadlineExceeded) as caught:
        await task
    assert (begun, caught.value.scope) == (False, "request")


@in_jumping_time
async def test_a_cancellation_from_outside_stays_one() -> None:
    async def request() -> None:
        async with deadline(5):
            await asyncio.sleep(60)

    task = asyncio.create_task(request())
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@in_jumping_time
async def test_a_cancellation_in_the_moment_of_the_deadline_stays_one() -> None:
    async def request() -> None:
        async with deadline(5):
            await asyncio.sleep(60)

    task = asyncio.create_task(request())
    asyncio.get_running_loop().call_at(now() + 5, task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert now() == 1_005.0


@in_jumping_time
async def test_a_timeout_error_of_the_blocks_own_passes() -> None:
    error = TimeoutError("socket")
    with pytest.raises(TimeoutError) as caught:
        async with deadline(5):
            raise error
    assert caught.value is error


@in_jumping_time
async def test_a_timeout_error_that_answers_the_cancellation_passes_too() -> None:
    error = TimeoutError("socket")

    async def library() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise error from None

    with pytest.raises(TimeoutError) as caught:
        async with deadline(5):
            await library()
    assert caught.value is error


@in_jumping_time
async def test_retry_begins_no_wait_that_would_outlast_the_deadline() -> None:
    attempts = 0

    @retry(remaining_s=remaining_s, retry_after_cap_s=10)
    async def refused() -> None:
        nonlocal attempts
        attempts += 1
        error = ConnectionResetError()
        raise error

    async with deadline(1):
        with pytest.raises(ConnectionResetError):
            await refused()
        assert now() < 1_001.0
    assert 1 <= attempts <= 5


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf, True, "5", None])
def test_seconds_are_a_finite_number_above_zero(seconds: Any) -> None:
    with pytest.raises(ValueError, match=r"seconds must be a finite number > 0, not "):
        deadline(seconds)


def test_only_the_two_scopes_are_known() -> None:
    scope: Any = "operation"
    with pytest.raises(ValueError, match=r"scope must be one of .*request.*session.*'operation'"):
        deadline(1, scope)


# --- The settings --------------------------------------------------------------------------------


def test_the_defaults_are_those_of_the_book() -> None:
    assert dataclasses.asdict(TimeoutSettings()) == {
        "connect_s": 5,
        "model_call_s": 30,
        "tool_call_s": 10,
        "request_s": 120,
        "session_s": 3600,
        "floor_s": 0.05,
    }


@pytest.mark.parametrize(
    "name", ["connect_s", "model_call_s", "tool_call_s", "request_s", "session_s"]
)
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, True, "5"])
def test_every_limit_is_a_finite_number_above_zero(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be a finite number > 0, not "):
        TimeoutSettings(**{name: value})


@pytest.mark.parametrize("value", [-0.01, math.nan, math.inf, False])
def test_the_floor_is_a_finite_number_of_zero_or_more(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^floor_s must be a finite number >= 0, not "):
        TimeoutSettings(floor_s=value)
    assert TimeoutSettings(floor_s=0).floor_s == 0


@pytest.mark.parametrize(
    ("shorter", "longer", "values"),
    [
        ("connect_s", "model_call_s", {"connect_s": 6.0, "model_call_s": 6.0}),
        ("connect_s", "tool_call_s", {"connect_s": 10.0}),
        ("floor_s", "model_call_s", {"connect_s": 0.01, "floor_s": 1.0, "model_call_s": 1.0}),
        ("floor_s", "tool_call_s", {"connect_s": 0.01, "floor_s": 1.0, "tool_call_s": 1.0}),
        ("model_call_s", "request_s", {"model_call_s": 120.0}),
        ("tool_call_s", "request_s", {"tool_call_s": 120.0}),
        ("request_s", "session_s", {"request_s": 3600.0}),
    ],
)
def test_every_level_is_shorter_than_the_one_above_it(
    shorter: str, longer: str, values: dict[str, float]
) -> None:
    with pytest.raises(ValueError, match=f"^{shorter} must be less than {longer}, not ") as caught:
        TimeoutSettings(**values)
    settings = dataclasses.asdict(TimeoutSettings())
    low, high = values.get(shorter), values.get(longer, settings[longer])
    assert f"{low!r} >= {high!r}" in str(caught.value)
    TimeoutSettings(**(values | {shorter: 0.99 * values[shorter]}))


# --- The deadline of a request and of its session ------------------------------------------------


class Agent:
    """Works for as many seconds as its task says, and remembers the sessions it served."""

    def __init__(self, settings: TimeoutSettings) -> None:
        self.served: list[str | None] = []
        self.left: list[float | None] = []
        policy = request_deadline(settings, clock=now)
        self.run = protect(self.run, policy)

    async def run(self, task: str, session: str | None = None) -> str:
        self.served.append(session)
        self.left.append(remaining_s())
        await asyncio.sleep(float(task))
        return task


SHORT = TimeoutSettings(request_s=60, session_s=100)


@in_jumping_time
async def test_a_request_ends_at_its_deadline(events: list[Event]) -> None:
    agent = Agent(SHORT)
    assert await agent.run("59") == "59"
    assert events == []
    began = now()
    with pytest.raises(DeadlineExceeded) as caught:
        await agent.run("61")
    assert (caught.value.scope, caught.value.limit_s, now() - began) == ("request", 60, 60)
    assert events == [TimedOut("run", "request", 60)]


@in_jumping_time
async def test_a_session_ends_so_long_after_its_first_request(events: list[Event]) -> None:
    agent = Agent(SHORT)
    await agent.run("50", "s")
    await asyncio.sleep(30)
    with pytest.raises(DeadlineExceeded) as caught:
        await agent.run("50", session="s")
    assert now() == 1_100.0
    assert (caught.value.scope, caught.value.limit_s) == ("session", 100)
    assert agent.left == [60.0, 20.0]
    assert events == [TimedOut("run", "session", 100)]


@pytest.mark.parametrize("late_s", [0.0, 0.5, 1e6])
@in_jumping_time
async def test_in_a_session_past_its_end_nothing_is_done(
    late_s: float, events: list[Event]
) -> None:
    agent = Agent(SHORT)
    await agent.run("1", "s")
    await asyncio.sleep(99 + late_s)
    for _ in range(2):
        with pytest.raises(DeadlineExceeded, match="begin a new session"):
            await agent.run("1", "s")
    assert agent.served == ["s"]
    assert events == [TimedOut("run", "session", 100)] * 2
    await agent.run("1", "t")
    assert agent.served == ["s", "t"]


@in_jumping_time
async def test_calls_without_a_session_share_none() -> None:
    agent = Agent(SHORT)
    for _ in range(5):
        await agent.run("50")
    assert agent.left == [60.0] * 5


@in_jumping_time
async def test_the_limit_that_is_nearer_decides_and_on_a_tie_the_request() -> None:
    agent = Agent(SHORT)
    await agent.run("40", "s")
    with pytest.raises(DeadlineExceeded) as caught:
        await agent.run("99", "s")
    assert (caught.value.scope, now()) == ("request", 1_100.0)


@in_jumping_time
async def test_a_request_inside_another_is_held_to_the_nearer_deadline() -> None:
    agent = Agent(SHORT)
    with pytest.raises(DeadlineExceeded) as caught:
        async with deadline(7):
            await agent.run("50")
    assert (caught.value.limit_s, now()) == (7, 1_007.0)


@in_jumping_time
async def test_a_session_is_found_however_it_is_given() -> None:
    policy = request_deadline(SHORT, clock=now)

    async def run(task: str, session: str | None = None) -> float | None:
        return remaining_s()

    async def by_keyword(task: str, **options: object) -> float | None:
        return remaining_s()

    class Decorated:
        @retry()
        async def run(self, task: str, session: str | None = None) -> float | None:
            return remaining_s()

    async def by_default(session: str = "s") -> float | None:
        return remaining_s()

    await policy(run)("begin", "s")
    await asyncio.sleep(70)
    assert await policy(run)("task", "s") == 30.0
    assert await policy(run)("task", session="s") == 30.0
    assert await policy(by_keyword)("task", session="s") == 30.0
    assert await policy(by_default)() == 30.0
    assert await policy(Decorated().run)("task", "s") == 30.0
    assert await policy(functools.partial(run, session="s"))("task") == 30.0
    assert await policy(functools.partial(run, "task", "s"))() == 30.0
    assert await policy(retry()(functools.partial(run, "task", "s")))() == 30.0
    assert await protect(run, retry(), policy, retry())("task", "s") == 30.0
    assert await policy(run)("task", "") == 60.0
    assert await policy(run)("task", None) == 60.0
    assert await policy(run)("task") == 60.0


@in_jumping_time
async def test_wrong_arguments_are_the_calls_own_error() -> None:
    agent: Any = Agent(SHORT)
    with pytest.raises(TypeError, match="unexpected keyword argument 'nonsense'"):
        await agent.run("1", nonsense=1)


@in_jumping_time
async def test_of_too_many_sessions_the_longest_unused_is_forgotten() -> None:
    @request_deadline(SHORT, max_sessions=3, clock=now)
    async def run(session: int) -> float | None:
        return remaining_s()

    for session in (0, 1, 2):
        await run(session)
    await asyncio.sleep(70)
    assert await run(0) == 30.0
    await run(3)  # one too many: session 1 is the longest unused now
    assert await run(0) == 30.0
    assert await run(2) == 30.0
    assert await run(1) == 60.0


@in_jumping_time
async def test_ten_thousand_sessions_are_remembered() -> None:
    @request_deadline(SHORT, clock=now)
    async def run(session: int) -> float | None:
        return remaining_s()

    for session in range(10_000):
        await run(session)
    await asyncio.sleep(70)
    assert await run(0) == 30.0
    await run(-1)
    assert await run(1) == 60.0


@in_jumping_time
async def test_a_session_is_not_forgotten_before_its_last_call_has_ended() -> None:
    @request_deadline(SHORT, max_sessions=2, clock=now)
    async def run(session: int, work_s: float = 0) -> float | None:
        await asyncio.sleep(work_s)
        return remaining_s()

    shorter, longer = asyncio.create_task(run(0, 5)), asyncio.create_task(run(0, 30))
    await shorter
    for session in (1, 2, 3):
        await run(session)
    await longer
    await asyncio.sleep(40)
    assert await run(0) == 30.0
    for session in (4, 5):
        await run(session)
    assert await run(0) == 60.0


@in_jumping_time
async def test_when_all_sessions_are_busy_none_is_forgotten() -> None:
    @request_deadline(SHORT, max_sessions=2, clock=now)
    async def run(session: int, work_s: float = 0) -> float | None:
        await asyncio.sleep(work_s)
        return remaining_s()

    calls = [asyncio.create_task(run(session, 55)) for session in range(5)]
    await asyncio.sleep(50)
    assert [await run(session) for session in range(5)] == [50.0] * 5
    assert await asyncio.gather(*calls) == [5.0] * 5


@pytest.mark.parametrize("max_sessions", [0, -1, 1.0, True])
def test_the_number_of_sessions_is_a_whole_one(max_sessions: Any) -> None:
    with pytest.raises(ValueError, match="max_sessions must be a whole number >= 1, not "):
        request_deadline(SHORT, max_sessions=max_sessions)
    request_deadline(SHORT, max_sessions=1)


def test_request_deadline_needs_settings() -> None:
    policy: Any = request_deadline

    async def run() -> None: ...

    with pytest.raises(TypeError, match=re.escape("write request_deadline(settings), not req")):
        policy(run)


def test_request_deadline_refuses_a_plain_function() -> None:
    plain: Any = print
    with pytest.raises(TypeError, match="request_deadline needs an async function"):
        request_deadline(TimeoutSettings())(plain)


async def test_the_clock_of_sessions_is_monotonic_unless_another_is_given() -> None:
    @request_deadline(TimeoutSettings())
    async def run(session: Literal["s"]) -> float:
        left_s = remaining_s()
        assert left_s is not None
        return left_s

    assert 119 < await run("s") <= 120
    assert 119 < await run("s") <= 120
    assert run.__name__ == "run"


# --- Sessions, groups, generators ----------------------------------------------------------------


@in_jumping_time
async def test_the_end_of_a_session_is_an_error_of_its_own() -> None:
    limits = TimeoutSettings(model_call_s=6, tool_call_s=6, request_s=10, session_s=15)

    @request_deadline(limits, clock=now)
    async def run(task: str, session: str) -> None:
        await asyncio.sleep(9)

    await run("first", "s")
    for _ in range(2):  # the one that meets the end, and each one after it
        with pytest.raises(SessionEnded) as caught:
            await run("next", "s")
        assert (caught.value.scope, caught.value.limit_s) == ("session", 15)
        assert isinstance(pickle.loads(pickle.dumps(caught.value)), SessionEnded)
    await run("first", "another")
    async with deadline(5), deadline(9, "session"):
        pass
    with pytest.raises(SessionEnded):
        async with deadline(5, "session"):
            await asyncio.sleep(9)


@in_jumping_time
async def test_a_deadline_that_ends_in_a_group_is_told_too(events: list[Event]) -> None:
    @request_deadline(TimeoutSettings())
    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(late())

    async def late() -> None:
        raise DeadlineExceeded("request", 120.0)

    with pytest.raises(ExceptionGroup):
        await run()
    assert events == [TimedOut("run", "request", 120.0)]


async def items() -> AsyncIterator[int]:
    async with deadline(9):
        yield 1
        yield 2


async def items_of_a_stack() -> AsyncIterator[int]:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(deadline(9))
        yield 1


@asynccontextmanager
async def patience() -> AsyncIterator[float | None]:
    async with deadline(9):
        yield remaining_s()


async def items_of_a_manager() -> AsyncIterator[int]:
    async with patience():
        yield 1


@pytest.mark.parametrize("begin", [items, items_of_a_stack, items_of_a_manager])
@in_jumping_time
async def test_a_deadline_in_an_async_generator_is_refused_before_its_consumer_sees_it(
    begin: Any,
) -> None:
    stream = begin()
    with pytest.raises(RuntimeError, match=f"no deadline in the async generator {begin.__name__}"):
        await asyncio.create_task(anext(stream))
    assert remaining_s() is None
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    await asyncio.create_task(stream.aclose())


@in_jumping_time
async def test_a_deadline_around_the_loop_that_consumes_bounds_it() -> None:
    seen: list[float | None] = []

    async def slow_items() -> AsyncIterator[int]:
        for number in range(9):
            await asyncio.sleep(2)
            yield number

    async def consume() -> None:
        async with deadline(5):
            async for _ in slow_items():
                seen.append(remaining_s())

    with pytest.raises(DeadlineExceeded):
        await consume()
    assert seen == [3.0, 1.0]


@in_jumping_time
async def test_a_generator_that_is_a_context_manager_may_set_a_deadline() -> None:
    async with patience() as told:
        assert (told, remaining_s()) == (9.0, 9.0)
    async with AsyncExitStack() as stack:
        assert await stack.enter_async_context(patience()) == 9.0
    assert remaining_s() is None


@in_jumping_time
async def test_a_call_between_two_items_may_set_a_deadline_of_its_own() -> None:
    async def fetch() -> float | None:
        async with deadline(9):
            return remaining_s()

    async def fetched() -> AsyncIterator[float | None]:
        yield await fetch()
        yield remaining_s()

    assert [each async for each in fetched()] == [9.0, None]
