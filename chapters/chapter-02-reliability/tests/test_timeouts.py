"""How long one call may take, what ends it, and what goes on after it was ended."""

from __future__ import annotations

import ast
import asyncio
import copy
import logging
import math
import pickle
import random
import re
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import anthropic
import pytest

import reliability
from mock_claude import Simulator
from reliability.after_cancel import cleanup, in_thread
from reliability.deadlines import DeadlineExceeded, deadline, remaining_s
from reliability.errors import Failure, FailureKind, ReliabilityError, StopTask, classify
from reliability.events import Event, TimedOut, subscribe
from reliability.protect import protect
from reliability.retries import ExponentialBackoff, retry
from reliability.timeouts import OperationTimeout, timeout

from jumping_time import in_jumping_time, now


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - threads set no asyncio.Event
            await asyncio.sleep(0)


class Work:
    """Takes `seconds`, in several steps; remembers when it began and when it was cancelled."""

    def __init__(self, seconds: float, error: BaseException | None = None) -> None:
        self.seconds, self.error = seconds, error
        self.began: list[float] = []
        self.cancelled: list[float] = []

    async def run(self, text: str = "done") -> str:
        self.began.append(now())
        try:
            for _ in range(10):
                await asyncio.sleep(self.seconds / 10)
        except asyncio.CancelledError:
            self.cancelled.append(now())
            if self.error:
                raise self.error from None
            raise
        return text


# --- The limit of an operation --------------------------------------------------------------------


def test_an_operation_that_timed_out_may_be_tried_again_and_is_no_timeout_error() -> None:
    error = OperationTimeout("claude", 30.0)
    assert isinstance(error, ReliabilityError)
    assert not isinstance(error, TimeoutError | StopTask)
    assert (error.dependency, error.limit_s, error.retry_after_s) == ("claude", 30.0, None)
    assert classify(error) == Failure(FailureKind.TIMEOUT, True, None, "OperationTimeout")
    assert str(error) == "'claude' took longer than 30 s"


def test_the_error_survives_pickling_and_copying() -> None:
    error = OperationTimeout("search", 0.25)
    assert error.args == ("search", 0.25)
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (other.dependency, other.limit_s) == ("search", 0.25)
        assert str(other) == "'search' took longer than 0.25 s"


@in_jumping_time
async def test_one_limit_covers_all_the_steps_of_a_call(events: list[Event]) -> None:
    work = Work(31)
    with pytest.raises(OperationTimeout) as caught:
        await timeout(seconds=30)(work.run)()
    assert work.cancelled == [1_030.0]
    assert (caught.value.dependency, caught.value.limit_s) == ("run", 30)
    assert isinstance(caught.value.__cause__, TimeoutError)
    assert events == [TimedOut("run", "operation", 30)]


@in_jumping_time
async def test_a_call_that_ends_in_time_is_left_alone(events: list[Event]) -> None:
    work = Work(29.9)
    assert await timeout(seconds=30)(work.run)(text="hello") == "hello"
    await asyncio.sleep(60)
    assert (work.cancelled, events) == ([], [])


@in_jumping_time
async def test_each_call_has_its_own_limit() -> None:
    call = timeout(seconds=5)(Work(4).run)
    assert await asyncio.gather(*(call(str(n)) for n in range(3))) == ["0", "1", "2"]
    assert await call("again") == "again"


@in_jumping_time
async def test_the_caller_is_not_left_cancelled() -> None:
    with pytest.raises(OperationTimeout):
        await timeout(seconds=1)(Work(9).run)()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(1)


@in_jumping_time
async def test_the_event_and_the_error_name_the_dependency(events: list[Event]) -> None:
    async def ask(prompt: str) -> str:
        return await Work(9).run()

    @timeout(seconds=2)
    async def use_tool(tool_name: str) -> None:
        await Work(9).run()

    with pytest.raises(OperationTimeout, match="'claude' took longer than 1 s"):
        await protect(ask, timeout(seconds=1), dependency="claude")("hi")
    with pytest.raises(OperationTimeout, match="'search' took longer than 2 s"):
        await use_tool("search")
    assert events == [TimedOut("claude", "operation", 1), TimedOut("search", "operation", 2)]


@in_jumping_time
async def test_retry_tries_again_what_timed_out() -> None:
    work = Work(9)
    call = protect(work.run, retry(max_attempts=3), timeout(seconds=2))
    with pytest.raises(OperationTimeout):
        await call()
    assert len(work.began) == len(work.cancelled) == 3
    assert [end - begin for begin, end in zip(work.began, work.cancelled, strict=True)] == [2] * 3


# --- Whose limit it was ---------------------------------------------------------------------------


@in_jumping_time
async def test_a_timeout_error_of_the_functions_own_passes_untouched(events: list[Event]) -> None:
    error = TimeoutError("socket")

    @timeout(seconds=30)
    async def library() -> None:
        raise error

    with pytest.raises(TimeoutError) as caught:
        await library()
    assert caught.value is error
    assert events == []


@in_jumping_time
async def test_a_timeout_further_in_passes_untouched(events: list[Event]) -> None:
    @timeout(seconds=30)
    async def library() -> None:
        async with asyncio.timeout(3):
            await asyncio.sleep(60)

    with pytest.raises(TimeoutError) as caught:
        await library()
    assert type(caught.value) is TimeoutError
    assert (now(), events) == (1_003.0, [])


@pytest.mark.parametrize("error", [TimeoutError("socket"), KeyError("x")])
@in_jumping_time
async def test_what_the_function_raises_when_cut_off_passes_and_the_event_tells(
    error: Exception,
) -> None:
    heard: list[Event] = []
    undo = subscribe(heard.append)
    with pytest.raises(type(error)) as caught:
        await timeout(seconds=3)(Work(9, error).run)()
    undo()
    assert caught.value is error
    assert heard == [TimedOut("run", "operation", 3)]


@in_jumping_time
async def test_of_two_limits_the_nearer_one_decides() -> None:
    for policies, limit_s in (
        ((timeout(seconds=3), timeout(seconds=9)), 3),
        ((timeout(seconds=9), timeout(seconds=3)), 3),
        ((timeout(seconds=4), timeout(seconds=4)), 4),
    ):
        with pytest.raises(OperationTimeout) as caught:
            await protect(Work(60).run, *policies)()
        assert caught.value.limit_s == limit_s


@in_jumping_time
async def test_a_cancellation_from_outside_stays_one(events: list[Event]) -> None:
    task = asyncio.create_task(timeout(seconds=30)(Work(60).run)())
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert events == []


@pytest.mark.parametrize("before", [True, False])
@in_jumping_time
async def test_a_cancellation_in_the_moment_of_the_limit_stays_one(before: bool) -> None:
    async def run() -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        if before:
            loop.call_at(now() + 3, task.cancel)
        call = timeout(seconds=3)(Work(9).run)()
        if not before:
            loop.call_soon(lambda: loop.call_at(1_003.0, task.cancel))
        await call

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(run())
    assert now() == 1_003.0


@in_jumping_time
async def test_a_cancellation_is_not_swallowed_when_the_work_ends_in_the_same_tick() -> None:
    result: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @timeout(seconds=3)
    async def wait() -> str:
        return await result

    task = asyncio.create_task(wait())
    await asyncio.sleep(1)
    result.set_result("done")
    assert task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# --- The deadline ---------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", ["request", "session"])
@in_jumping_time
async def test_a_nearer_deadline_ends_the_call_and_the_event_says_so_once(scope: Any) -> None:
    heard: list[Event] = []
    undo = subscribe(heard.append)
    work = Work(60)
    with pytest.raises(DeadlineExceeded) as caught:
        async with deadline(5, scope):
            await timeout(seconds=30)(work.run)()
    undo()
    assert (caught.value.scope, caught.value.limit_s) == (scope, 5)
    assert work.cancelled == [1_005.0]
    assert heard == [TimedOut("run", scope, 5)]


@in_jumping_time
async def test_in_a_detached_task_the_call_itself_keeps_to_the_deadline(
    events: list[Event],
) -> None:
    work = Work(60)
    async with deadline(5):
        task = asyncio.create_task(timeout(seconds=30)(work.run)())
    with pytest.raises(DeadlineExceeded, match="the request has used up its 5 s"):
        await task
    assert (work.cancelled, events) == ([1_005.0], [TimedOut("run", "request", 5)])


@pytest.mark.parametrize(
    ("seconds", "error"), [(4.9, OperationTimeout), (5, DeadlineExceeded), (5.1, DeadlineExceeded)]
)
@in_jumping_time
async def test_each_attempt_gets_the_less_of_its_limit_and_what_is_left(
    seconds: float, error: type[Exception]
) -> None:
    async with deadline(8):
        await asyncio.sleep(3)
        task = asyncio.create_task(timeout(seconds=seconds)(Work(60).run)())
    with pytest.raises(error):
        await task
    assert now() == pytest.approx(1_003.0 + min(seconds, 5))


@in_jumping_time
async def test_retries_end_with_the_deadline_and_it_is_not_retried() -> None:
    work = Work(60)
    again = retry(remaining_s=remaining_s, backoff=ExponentialBackoff(base_s=0))
    with pytest.raises(DeadlineExceeded):
        async with deadline(5):
            await protect(work.run, again, timeout(seconds=2))()
    assert work.cancelled == [1_002.0, 1_004.0, 1_005.0]


@pytest.mark.parametrize("left_s", [0.049, 0.01])
@pytest.mark.parametrize("seconds", [30.0, 0.005])
@in_jumping_time
async def test_below_the_floor_nothing_is_sent(left_s: float, seconds: float) -> None:
    heard: list[Event] = []
    undo = subscribe(heard.append)
    work = Work(0)
    async with deadline(5):
        await asyncio.sleep(5 - left_s)
        with pytest.raises(DeadlineExceeded) as caught:
            await timeout(seconds=seconds)(work.run)()
    undo()
    assert work.began == []
    assert (caught.value.scope, caught.value.limit_s) == ("request", 5)
    assert heard == [TimedOut("run", "request", 5)]


@in_jumping_time
async def test_after_the_deadline_nothing_is_sent() -> None:
    work = Work(0)

    async def late() -> None:
        await asyncio.sleep(9)
        await timeout(seconds=30)(work.run)()

    async with deadline(5):
        task = asyncio.create_task(late())
    with pytest.raises(DeadlineExceeded):
        await task
    assert work.began == []


@in_jumping_time
async def test_at_the_floor_the_call_is_still_sent() -> None:
    async with deadline(0.5):
        assert await timeout(seconds=30, floor_s=0.5)(Work(0).run)() == "done"
        with pytest.raises(DeadlineExceeded):
            await timeout(seconds=30, floor_s=0.501)(Work(0).run)()


@in_jumping_time
async def test_the_floor_counts_against_the_deadline_only() -> None:
    assert await timeout(seconds=0.01)(Work(0).run)() == "done"
    async with deadline(5):
        assert await timeout(seconds=0.01)(Work(0).run)() == "done"
        assert await timeout(seconds=30, floor_s=0)(Work(0).run)() == "done"


# --- How it is written ----------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf, True, "5", None])
def test_seconds_are_a_finite_number_above_zero(seconds: Any) -> None:
    with pytest.raises(ValueError, match=r"^seconds must be a finite number > 0, not "):
        timeout(seconds)


@pytest.mark.parametrize("floor_s", [-1, math.nan, math.inf, True])
def test_the_floor_is_a_finite_number_of_zero_or_more(floor_s: Any) -> None:
    with pytest.raises(ValueError, match=r"^floor_s must be a finite number >= 0, not "):
        timeout(5, floor_s=floor_s)


def test_without_parentheses_the_error_says_how_to_write_it() -> None:
    decorator: Any = timeout

    async def ask() -> None: ...

    with pytest.raises(TypeError, match=re.escape("write @timeout(seconds=30), not timeout(<fu")):
        decorator(ask)


def test_a_plain_function_is_refused() -> None:
    plain: Any = print
    with pytest.raises(TypeError, match="timeout needs an async function"):
        timeout(5)(plain)


def test_the_function_keeps_its_name_and_signature() -> None:
    @timeout(seconds=5)
    async def ask(prompt: str) -> str:
        """Ask."""
        return prompt

    assert (ask.__name__, ask.__doc__) == ("ask", "Ask.")


# --- The SDK, and a server that trickles ----------------------------------------------------------

TRICKLE = """
[[rule]]
name = "trickle"
fault = "trickle"
chunk_bytes = 60
interval_s = 0.1
"""


async def test_the_sdks_timeout_does_not_bound_a_trickle_and_ours_does(
    start_simulator: Callable[..., Simulator],
) -> None:
    simulator = start_simulator(faults=TRICKLE)
    async with anthropic.AsyncAnthropic(
        api_key="sk-ant-test",
        base_url=simulator.url,
        max_retries=0,
        timeout=0.3,
        http_client=anthropic.DefaultAsyncHttpxClient(trust_env=False),
    ) as client:

        async def ask(text: str) -> anthropic.types.Message:
            return await client.messages.create(
                model="claude-opus-5-5",
                max_tokens=100,
                messages=[{"role": "user", "content": text}],
            )

        began = time.monotonic()
        assert (await ask("What is 23*19?")).content
        whole_s = time.monotonic() - began
        assert whole_s > 2 * 0.3

        began = time.monotonic()
        with pytest.raises(OperationTimeout, match=r"'claude' took longer than 0\.3 s"):
            await protect(ask, timeout(seconds=0.3), dependency="claude")("What is 24*19?")
        assert 0.3 <= time.monotonic() - began < whole_s

        await until(lambda: len(simulator.model_requests()) == 2)  # the client has left
        assert simulator.in_flight == 0
    whole, cut = simulator.model_requests()
    assert cut.duration_s < whole.duration_s
    assert cut.status == whole.status == 200
    assert [request.sdk_retry for request in (whole, cut)] == [0, 0]


# --- Blocking work in a thread --------------------------------------------------------------------


class Gate:
    """A blocking function that waits until it is opened, and counts who is inside."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.lock = threading.Lock()
        self.inside = self.most = self.entered = 0

    def wait(self, value: int = 0) -> int:
        with self.lock:
            self.inside += 1
            self.entered += 1
            self.most = max(self.most, self.inside)
        self.opened.wait(20)
        with self.lock:
            self.inside -= 1
        return value


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.opened.set()


async def test_blocking_work_runs_beside_the_event_loop(gate: Gate) -> None:
    task = asyncio.create_task(in_thread(gate.wait)(value=7))
    await until(lambda: gate.inside == 1)
    gate.opened.set()
    assert await task == 7


async def test_arguments_result_and_name_are_the_functions_own() -> None:
    @in_thread
    def divide(a: int, *, by: int) -> tuple[float, str]:
        """Divide."""
        return a / by, threading.current_thread().name

    result, thread = await divide(7, by=2)
    assert result == 3.5
    assert thread != threading.current_thread().name
    assert (divide.__name__, divide.__doc__) == ("divide", "Divide.")


@pytest.mark.parametrize("error", [KeyError("x"), TimeoutError("socket"), OSError(5, "disk")])
async def test_an_error_of_the_function_is_raised_where_it_is_awaited(error: Exception) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        await in_thread(fail)()
    assert caught.value is error


async def test_the_signal_that_ends_a_generator_does_not_hang_the_caller() -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        await in_thread(lambda: next(iter(())))()


async def test_a_function_that_exits_ends_neither_the_process_nor_the_place_of_its_thread() -> None:
    call = in_thread(lambda: sys.exit(3), at_most=1)
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"^sys.exit\(\) ends no process from a thread$"):
            await call()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_thread_that_is_torn_down_does_not_hang_its_caller() -> None:
    threads: list[threading.Thread] = []

    def torn_down() -> None:
        threads.append(threading.current_thread())
        raise GeneratorExit

    call = in_thread(torn_down, at_most=1)
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"^no result: the thread was ended$"):
            await call()
        threads.pop().join(5)  # its complaint belongs to this test


async def test_the_thread_sees_the_callers_context_and_deadline() -> None:
    user: ContextVar[str] = ContextVar("user")
    user.set("ada")

    def look() -> tuple[str, float | None]:
        seen = user.get(), remaining_s()
        user.set("eve")
        return seen

    async with deadline(50):
        name, left_s = await in_thread(look)()
    assert name == "ada"
    assert left_s is not None
    assert 49 < left_s <= 50
    assert user.get() == "ada"


async def test_a_timeout_abandons_the_thread_and_does_not_stop_it(gate: Gate) -> None:
    call = timeout(seconds=0.05)(in_thread(gate.wait))
    began = time.monotonic()
    with pytest.raises(OperationTimeout):
        await call()
    assert time.monotonic() - began < 2
    assert gate.inside == 1
    gate.opened.set()
    await until(lambda: gate.inside == 0)


async def test_hung_threads_are_bounded_until_they_really_end(gate: Gate) -> None:
    call = in_thread(gate.wait, at_most=3)
    for _ in range(5):
        with pytest.raises(OperationTimeout):
            await timeout(seconds=0.02)(call)()
    assert (gate.entered, gate.inside) == (3, 3)
    gate.opened.set()
    await until(lambda: gate.inside == 0)
    assert await call(5) == 5
    assert (gate.entered, gate.most) == (4, 3)


async def test_by_default_sixteen_threads_may_hang(gate: Gate) -> None:
    call = in_thread(gate.wait)
    tasks = [asyncio.create_task(call(n)) for n in range(20)]
    await until(lambda: gate.entered >= 16)
    assert gate.entered == 16
    gate.opened.set()
    assert await asyncio.gather(*tasks) == list(range(20))
    assert gate.most == 16


async def test_threads_that_ended_do_not_raise_the_bound(gate: Gate) -> None:
    call = in_thread(gate.wait, at_most=1)
    gate.opened.set()
    await call()
    gate.opened.clear()
    tasks = [asyncio.create_task(call()) for _ in range(3)]
    await until(lambda: gate.inside >= 1)
    gate.opened.set()
    await asyncio.gather(*tasks)
    assert gate.most == 1


async def test_calls_that_wait_for_a_thread_get_it_in_their_order() -> None:
    order: list[int] = []
    call = in_thread(order.append, at_most=1)
    await asyncio.gather(*(call(n) for n in range(30)))
    assert order == list(range(30))


async def test_each_function_has_threads_of_its_own(gate: Gate) -> None:
    hung = asyncio.create_task(in_thread(gate.wait, at_most=1)())
    await until(lambda: gate.inside == 1)
    assert await in_thread(lambda: "free", at_most=1)() == "free"
    gate.opened.set()
    await hung


async def test_a_cancelled_wait_loses_no_thread(gate: Gate) -> None:
    call = in_thread(gate.wait, at_most=1)
    first = asyncio.create_task(call(1))
    await until(lambda: gate.inside == 1)
    gone, last = asyncio.create_task(call(2)), asyncio.create_task(call(3))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    gate.opened.set()
    assert [await first, await last] == [1, 3]
    assert gate.entered == 2


async def test_a_turn_that_comes_as_its_caller_leaves_goes_to_the_next() -> None:
    ended, threads = threading.Event(), list[threading.Thread]()

    def work() -> None:
        threads.append(threading.current_thread())
        ended.wait()

    call = in_thread(work, at_most=1)
    first, gone = asyncio.create_task(call()), asyncio.create_task(call())
    await until(lambda: len(threads) == 1)
    ended.set()
    threads[0].join()  # it has given its place to the second call, which cannot know yet
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    await first
    async with asyncio.timeout(10):
        await call()
    assert len(threads) == 2


async def test_random_cancellations_lose_no_thread() -> None:
    rng = random.Random(5)
    inside = most = 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.0001)
        with lock:
            inside -= 1

    call = in_thread(work, at_most=2)
    for _ in range(60):
        tasks = [asyncio.create_task(call()) for _ in range(6)]
        for _ in range(rng.randrange(5)):
            await asyncio.sleep(rng.choice([0, 0, 0.0001]))
        for task in rng.sample(tasks, 4):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    async with asyncio.timeout(10):
        await asyncio.gather(*(call() for _ in range(4)))
    assert 1 <= most <= 3  # the last thread may still say goodbye as the next one begins


def test_a_process_ends_while_a_thread_hangs() -> None:
    script = """
        import asyncio, threading
        from reliability.after_cancel import in_thread
        from reliability.timeouts import OperationTimeout, timeout

        async def main():
            for _ in range(3):
                try:
                    await timeout(seconds=0.05)(in_thread(threading.Event().wait))()
                except OperationTimeout as error:
                    print(error)

        asyncio.run(main())
        print("the loop has ended,", threading.active_count() - 1, "threads hang")
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    *errors, last = result.stdout.splitlines()
    assert errors == ["'wait' took longer than 0.05 s"] * 3
    assert last == "the loop has ended, 3 threads hang"


def test_threads_that_outlive_their_loop_are_still_counted(gate: Gate) -> None:
    call = in_thread(gate.wait, at_most=1)

    async def give_up() -> None:
        with pytest.raises(OperationTimeout):
            await timeout(seconds=0.02)(call)()

    asyncio.run(give_up())
    asyncio.run(give_up())
    assert gate.entered == 1
    gate.opened.set()
    assert asyncio.run(call(4)) == 4


@pytest.mark.parametrize("at_most", [0, -1, 1.5, True])
def test_the_number_of_threads_is_a_whole_one(at_most: Any) -> None:
    with pytest.raises(ValueError, match="at_most must be a whole number >= 1, not "):
        in_thread(print, at_most=at_most)


def test_an_async_function_needs_no_thread() -> None:
    async def ask() -> None: ...

    with pytest.raises(TypeError, match="in_thread needs a blocking function, not the async "):
        in_thread(ask)


# --- Clean-up -------------------------------------------------------------------------------------


class Connection:
    """Takes `seconds` to close."""

    def __init__(self, seconds: float, error: BaseException | None = None) -> None:
        self.seconds, self.error, self.closed = seconds, error, False
        self.cancelled = False

    async def close(self) -> None:
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if self.error:
            raise self.error
        self.closed = True


async def use(connection: Connection, seconds: float, limit_s: float) -> None:
    try:
        await asyncio.sleep(seconds)
    finally:
        await cleanup(connection.close(), limit_s=limit_s)


@in_jumping_time
async def test_clean_up_is_awaited() -> None:
    connection = Connection(1)
    await use(connection, 5, limit_s=2)
    assert (connection.closed, now()) == (True, 1_006.0)


@in_jumping_time
async def test_clean_up_of_a_cancelled_task_goes_to_its_end() -> None:
    connection = Connection(1)
    task = asyncio.create_task(use(connection, 60, limit_s=2))
    await asyncio.sleep(5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (connection.closed, now()) == (True, 1_006.0)


@in_jumping_time
async def test_clean_up_goes_to_its_end_when_the_task_is_cancelled_again_and_again() -> None:
    connection = Connection(1)
    task = asyncio.create_task(use(connection, 60, limit_s=2))
    for wait_s in (5, 0, 0.25, 0.25):
        await asyncio.sleep(wait_s)
        task.cancel("again")
    with pytest.raises(asyncio.CancelledError, match="again"):
        await task
    assert (connection.closed, connection.cancelled, now()) == (True, False, 1_006.0)


@in_jumping_time
async def test_a_cancellation_during_clean_up_is_not_swallowed() -> None:
    task = asyncio.create_task(use(Connection(2), 1, limit_s=5))
    await asyncio.sleep(2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert now() == 1_003.0


@in_jumping_time
async def test_clean_up_that_does_not_end_is_cancelled_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    connection = Connection(60)
    with caplog.at_level(logging.WARNING, "reliability.after_cancel"):
        await use(connection, 1, limit_s=2)
    assert now() == 1_003.0
    assert caplog.messages == ["a clean-up did not end within 2 s and was cancelled"]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert connection.cancelled


@in_jumping_time
async def test_clean_up_that_ends_in_time_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    await use(Connection(1.99), 1, limit_s=2)
    assert caplog.messages == []


@in_jumping_time
async def test_the_limit_holds_for_a_cancelled_task_too(caplog: pytest.LogCaptureFixture) -> None:
    task = asyncio.create_task(use(Connection(60), 60, limit_s=2))
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert now() == 1_003.0
    assert len(caplog.messages) == 1


@in_jumping_time
async def test_an_abandoned_clean_up_that_fails_later_says_nothing_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def stubborn() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise KeyError("x") from None

    await cleanup(stubborn(), limit_s=2)
    await asyncio.sleep(1)
    assert len(caplog.messages) == 1


@in_jumping_time
async def test_an_error_of_the_clean_up_is_raised() -> None:
    error = OSError("disk")
    with pytest.raises(OSError, match="disk") as caught:
        await use(Connection(1, error), 1, limit_s=2)
    assert caught.value is error


@in_jumping_time
async def test_a_cancellation_carries_the_error_of_the_clean_up() -> None:
    error = OSError("disk")
    task = asyncio.create_task(use(Connection(1, error), 60, limit_s=2))
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.sleep(0.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert caught.value.__cause__ is error


@in_jumping_time
async def test_waiting_for_a_task_that_one_cancelled_is_no_cancellation() -> None:
    task = asyncio.create_task(asyncio.sleep(60))
    await asyncio.sleep(0)
    task.cancel()
    await cleanup(task, limit_s=2)
    assert task.cancelled()
    assert now() == 1_000.0


@in_jumping_time
async def test_clean_up_may_call_what_the_deadline_would_refuse() -> None:
    closed = False

    @timeout(seconds=1)
    async def close() -> None:
        nonlocal closed
        await asyncio.sleep(0.5)
        closed = remaining_s() is None

    async def request() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await cleanup(close(), limit_s=2)

    with pytest.raises(DeadlineExceeded):
        async with deadline(5):
            await request()
    assert (closed, now()) == (True, 1_005.5)


@in_jumping_time
async def test_an_awaitable_that_is_no_coroutine_will_do() -> None:
    done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(1, done.set_result, 3)
    waiting: Awaitable[int] = done
    await cleanup(waiting, limit_s=2)
    assert now() == 1_001.0


@pytest.mark.parametrize("limit_s", [0, -1, math.inf, math.nan, True])
@in_jumping_time
async def test_clean_up_needs_a_finite_limit(limit_s: Any) -> None:
    done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    with pytest.raises(ValueError, match=r"^limit_s must be a finite number > 0, not "):
        await cleanup(done, limit_s=limit_s)


# --- What no module may use -----------------------------------------------------------------------


def test_no_module_uses_wait_for() -> None:
    """Up to 3.11 it swallows a cancellation that comes as the work ends (python/cpython#86296)."""
    used: set[str] = set()
    for path in Path(reliability.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute | ast.alias):
                used.add(node.attr if isinstance(node, ast.Attribute) else node.name)
    assert "timeout" in used
    assert "wait_for" not in used
