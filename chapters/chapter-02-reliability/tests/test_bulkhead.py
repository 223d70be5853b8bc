"""How many calls run and wait, who is refused, and that no slot is ever lost."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import math
import pickle
import random
import re
from contextlib import ExitStack
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reliability.bulkhead import Bulkhead, BulkheadFullError, BulkheadSettings, bulkhead
from reliability.circuit_breaker import BreakerSettings, CircuitOpenError, circuit_breaker
from reliability.deadlines import DeadlineExceeded, deadline, remaining_s
from reliability.errors import Failure, FailureKind, ReliabilityError, StopTask, classify
from reliability.events import (
    Attempts,
    BulkheadEntered,
    BulkheadRefused,
    Event,
    TimedOut,
    attempts_of,
    subscribe,
)
from reliability.protect import protect
from reliability.retries import ExponentialBackoff, retry
from reliability.timeouts import OperationTimeout, timeout

from jumping_time import JumpingLoop, in_jumping_time, now


async def settle() -> None:
    """Let every task go as far as it can without time passing."""
    for _ in range(8):
        await asyncio.sleep(0)


class Calls:
    """Calls that hold a slot until they are told to end."""

    def __init__(self, slots: Bulkhead, name: str = "claude") -> None:
        self.slots, self.name = slots, name
        self.order: list[int] = []  # who ran
        self.doors: dict[int, asyncio.Event] = {}
        self.tasks: dict[int, asyncio.Task[None]] = {}

    async def call(self, number: int) -> None:
        async with self.slots.slot(self.name):
            self.order.append(number)
            await self.doors[number].wait()

    async def begin(self, *numbers: int) -> None:
        for number in numbers:
            self.doors[number] = asyncio.Event()
            self.tasks[number] = asyncio.create_task(self.call(number))
        await settle()

    async def end(self, *numbers: int) -> None:
        for number in numbers:
            self.doors[number].set()
        await settle()

    @property
    def load(self) -> tuple[int, int]:
        return self.slots.running(self.name), self.slots.waiting(self.name)

    async def finish(self) -> None:
        for door in self.doors.values():
            door.set()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        assert self.load == (0, 0)


# --- The error and the settings -------------------------------------------------------------------


def test_a_full_bulkhead_is_an_overload_that_passes() -> None:
    error = BulkheadFullError("claude", 1.25)
    assert isinstance(error, ReliabilityError)
    assert not isinstance(error, StopTask)
    assert (error.dependency, error.retry_after_s) == ("claude", 1.25)
    assert classify(error) == Failure(FailureKind.OVERLOAD, True, 1.25, "BulkheadFullError")
    assert str(error) == "no slot for 'claude', nothing was sent: wait 1.25 s"


def test_the_error_survives_pickling_and_copying() -> None:
    error = BulkheadFullError("search", 0.5)
    assert error.args == ("search", 0.5)
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (other.dependency, other.retry_after_s) == ("search", 0.5)


def test_the_defaults_are_those_of_the_book() -> None:
    assert dataclasses.asdict(BulkheadSettings()) == {"limit": 20, "queue": 10, "wait_s": 1.0}
    assert bulkhead().settings == BulkheadSettings()


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        *(("limit", value, "a whole number >= 1") for value in (0, -1, 1.0, True, "3", math.nan)),
        *(("queue", value, "a whole number >= 0") for value in (-1, 1.0, False, "3", math.inf)),
        *(("wait_s", value, "a finite number >= 0") for value in (-1, True, "3", math.nan)),
        ("wait_s", math.inf, "a finite number >= 0"),
    ],
)
def test_a_number_out_of_range_is_refused_by_name(name: str, value: Any, rule: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be {rule}, not {value!r}$"):
        BulkheadSettings(**{name: value})
    with pytest.raises(ValueError, match=f"^{name} must be {rule}"):
        bulkhead(**{name: value})


def test_keywords_override_the_settings() -> None:
    given = BulkheadSettings(limit=3, queue=4, wait_s=5)
    assert bulkhead(given).settings == given
    assert bulkhead(given, limit=1).settings == BulkheadSettings(1, 4, 5)
    assert bulkhead(given, queue=0, wait_s=0).settings == BulkheadSettings(3, 0, 0)
    assert bulkhead(limit=7).settings == BulkheadSettings(limit=7)


# --- Slots and the line ---------------------------------------------------------------------------


@in_jumping_time
async def test_no_more_than_limit_run_and_queue_wait_and_the_next_is_refused() -> None:
    calls = Calls(bulkhead(limit=2, queue=3, wait_s=60))
    await calls.begin(1, 2, 3, 4, 5)
    assert (calls.order, calls.load) == ([1, 2], (2, 3))
    await calls.begin(6)
    assert isinstance(calls.tasks[6].exception(), BulkheadFullError)
    assert calls.load == (2, 3)
    await calls.finish()


@in_jumping_time
async def test_a_refusal_comes_at_once() -> None:
    slots = bulkhead(limit=1, queue=0)
    async with slots.slot("claude"):
        refused = slots.slot("claude").__aenter__()
        with pytest.raises(BulkheadFullError):
            refused.send(None)  # no turn of the event loop in between


@in_jumping_time
async def test_a_free_slot_is_taken_at_once() -> None:
    slots = bulkhead(limit=1)
    entered = slots.slot("claude").__aenter__()
    with pytest.raises(StopIteration):
        entered.send(None)
    assert slots.running("claude") == 1


@in_jumping_time
async def test_the_line_is_served_first_come_first_served() -> None:
    calls = Calls(bulkhead(limit=1, queue=9, wait_s=60))
    await calls.begin(1, 2, 3, 4)
    await calls.end(1)
    assert (calls.order, calls.load) == ([1, 2], (1, 2))
    await calls.end(2, 3)
    assert (calls.order, calls.load) == ([1, 2, 3, 4], (1, 0))
    await calls.finish()


@in_jumping_time
async def test_a_call_that_arrives_as_a_slot_is_handed_over_does_not_overtake() -> None:
    slots = bulkhead(limit=1, queue=9, wait_s=60)
    calls = Calls(slots)
    async with slots.slot("claude"):
        await calls.begin(1)
    assert calls.load == (1, 0)  # handed over, though the waiter has not woken yet
    late = asyncio.create_task(slots.slot("claude").__aenter__())
    await settle()
    assert (calls.order, calls.load) == ([1], (1, 1))
    late.cancel()
    await calls.finish()


@in_jumping_time
async def test_each_dependency_has_its_own_slots() -> None:
    slots = bulkhead(limit=1, queue=0)
    claude, search = Calls(slots, "claude"), Calls(slots, "search")
    await claude.begin(1)
    await search.begin(1)
    assert (claude.load, search.load) == ((1, 0), (1, 0))
    await claude.begin(2)
    assert isinstance(claude.tasks[2].exception(), BulkheadFullError)
    await claude.finish()
    await search.finish()
    assert (slots.running("never seen"), slots.waiting("never seen")) == (0, 0)


@in_jumping_time
async def test_a_call_that_fails_gives_its_slot_back() -> None:
    slots = bulkhead(limit=1, queue=0)
    for _ in range(3):
        with pytest.raises(KeyError):
            async with slots.slot("claude"):
                raise KeyError("x")
    assert slots.running("claude") == 0


@in_jumping_time
async def test_a_listener_that_ends_the_call_takes_no_slot_with_it() -> None:
    def stop(event: Event) -> None:
        raise asyncio.CancelledError

    slots = bulkhead(limit=1, queue=0)
    undo = subscribe(stop)
    with ExitStack() as stack:
        stack.callback(undo)
        with pytest.raises(asyncio.CancelledError):
            await slots.slot("claude").__aenter__()
    assert slots.running("claude") == 0


# --- The wait -------------------------------------------------------------------------------------


@in_jumping_time
async def test_a_wait_is_bounded_and_ends_in_the_typed_error(events: list[Event]) -> None:
    calls = Calls(bulkhead(limit=1, queue=2, wait_s=3))
    await calls.begin(1, 2)
    with pytest.raises(BulkheadFullError) as caught:
        await calls.tasks[2]
    assert (now(), caught.value.dependency) == (1_003.0, "claude")
    assert calls.load == (1, 0)
    assert events[-1] == BulkheadRefused("claude", 1, 0, "wait_too_long")
    await calls.begin(3)
    await calls.end(1)
    assert calls.order == [1, 3]
    await calls.finish()


@in_jumping_time
async def test_a_slot_that_comes_just_in_time_is_taken() -> None:
    slots = bulkhead(limit=1, wait_s=3)
    calls = Calls(slots)
    async with slots.slot("claude"):
        await calls.begin(1)
        await asyncio.sleep(2.999)
    await settle()
    assert calls.order == [1]
    await calls.finish()


@in_jumping_time
async def test_with_no_patience_nobody_waits() -> None:
    calls = Calls(bulkhead(limit=1, queue=5, wait_s=0))
    await calls.begin(1)
    assert calls.order == [1]
    await calls.begin(2)
    with pytest.raises(BulkheadFullError):
        await calls.tasks[2]
    assert now() == 1_000.0
    await calls.finish()


@in_jumping_time
async def test_who_grew_too_old_while_the_loop_stalled_does_not_run() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, JumpingLoop)
    calls = Calls(bulkhead(limit=1, queue=2, wait_s=3))
    await calls.begin(1)
    await asyncio.sleep(1)
    await calls.begin(2)
    await asyncio.sleep(1.5)
    await calls.begin(3)
    calls.doors[1].set()
    loop.now += 2  # everything stands still: call 2 is 3.5 s old now, call 3 two
    await settle()
    assert isinstance(calls.tasks[2].exception(), BulkheadFullError)
    assert (calls.order, calls.load) == ([1, 3], (1, 0))
    await calls.finish()


# --- The deadline ---------------------------------------------------------------------------------


@in_jumping_time
async def test_a_wait_that_the_deadline_ends_says_so(events: list[Event]) -> None:
    calls = Calls(bulkhead(limit=1, queue=2, wait_s=60))
    await calls.begin(1)
    async with deadline(5, "session"):
        await calls.begin(2)
    with pytest.raises(DeadlineExceeded) as caught:
        await calls.tasks[2]
    assert (caught.value.scope, caught.value.limit_s) == ("session", 5)
    assert now() == pytest.approx(1_004.95)
    assert (calls.order, calls.load) == ([1], (1, 0))
    assert events[1:] == [TimedOut("claude", "session", 5)]
    await calls.finish()


@in_jumping_time
async def test_inside_the_deadline_the_wait_ends_with_time_left_to_say_so() -> None:
    calls = Calls(bulkhead(limit=1, queue=2, wait_s=60))
    await calls.begin(1)
    async with deadline(5):
        with pytest.raises(DeadlineExceeded):
            await calls.slots.slot("claude").__aenter__()
        await asyncio.sleep(0.01)
    await calls.finish()


@in_jumping_time
async def test_a_wait_that_patience_ends_first_is_no_deadlines_doing(events: list[Event]) -> None:
    calls = Calls(bulkhead(limit=1, queue=2, wait_s=3))
    await calls.begin(1)
    async with deadline(5):
        with pytest.raises(BulkheadFullError):
            await calls.slots.slot("claude").__aenter__()
    assert events[-1] == BulkheadRefused("claude", 1, 0, "wait_too_long")
    await calls.finish()


@pytest.mark.parametrize("left_s", [0.049, 0.001])
@in_jumping_time
async def test_too_late_at_the_door_a_call_does_not_even_take_a_free_slot(left_s: float) -> None:
    heard: list[Event] = []
    undo = subscribe(heard.append)
    calls = Calls(bulkhead(limit=5))
    async with deadline(5):
        await asyncio.sleep(5 - left_s)
        await calls.begin(1)
    undo()
    assert isinstance(calls.tasks[1].exception(), DeadlineExceeded)
    assert (calls.order, heard) == ([], [TimedOut("claude", "request", 5)])
    await calls.finish()


@in_jumping_time
async def test_just_in_time_at_the_door_a_call_runs() -> None:
    calls = Calls(bulkhead(limit=5))
    async with deadline(5):
        await asyncio.sleep(4.949)
        await calls.begin(1)
        assert calls.order == [1]
    await calls.finish()


@in_jumping_time
async def test_a_waiter_whose_deadline_passed_while_the_loop_stalled_never_runs() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, JumpingLoop)
    calls = Calls(bulkhead(limit=1, queue=3, wait_s=60))
    await calls.begin(1)
    async with deadline(5):
        await calls.begin(2)
    async with deadline(9):
        await calls.begin(3)
    calls.doors[1].set()
    loop.now += 6
    await settle()
    assert isinstance(calls.tasks[2].exception(), DeadlineExceeded)
    assert (calls.order, calls.load) == ([1, 3], (1, 0))
    await calls.finish()


@in_jumping_time
async def test_a_full_line_is_told_from_a_deadline() -> None:
    calls = Calls(bulkhead(limit=1, queue=0, wait_s=60))
    await calls.begin(1)
    async with deadline(5):
        with pytest.raises(BulkheadFullError):
            await calls.slots.slot("claude").__aenter__()
    await calls.finish()


# --- Cancellation ---------------------------------------------------------------------------------


@in_jumping_time
async def test_a_cancelled_waiter_leaves_the_line() -> None:
    calls = Calls(bulkhead(limit=1, queue=2, wait_s=60))
    await calls.begin(1, 2, 3)
    calls.tasks[2].cancel()
    assert calls.load == (1, 1)  # at once: its place is free in the same tick
    await calls.begin(4)
    assert calls.tasks[2].cancelled()
    assert calls.load == (1, 2)
    await calls.end(1)
    assert calls.order == [1, 3]
    await calls.finish()


@in_jumping_time
async def test_a_cancelled_call_gives_its_slot_back() -> None:
    calls = Calls(bulkhead(limit=1, queue=2, wait_s=60))
    await calls.begin(1, 2)
    calls.tasks[1].cancel()
    await settle()
    assert (calls.order, calls.load) == ([1, 2], (1, 0))
    await calls.finish()


@pytest.mark.parametrize("cancel_first", [True, False])
@pytest.mark.parametrize("others", [0, 1])
@in_jumping_time
async def test_a_slot_handed_to_a_waiter_that_is_cancelled_in_the_same_tick_is_not_lost(
    cancel_first: bool, others: int
) -> None:
    slots = bulkhead(limit=1, queue=2, wait_s=60)
    calls = Calls(slots)
    async with slots.slot("claude"):
        await calls.begin(*range(1, 2 + others))
        if cancel_first:
            calls.tasks[1].cancel()
    if not cancel_first:
        assert calls.load == (1, others)  # the slot is on its way to call 1
        calls.tasks[1].cancel()
    await settle()
    assert calls.tasks[1].cancelled()
    assert calls.load == (others, 0)
    assert calls.order == ([2] if others else [])
    await calls.finish()


@pytest.mark.parametrize(("held_s", "in_time"), [(2.999999, True), (3.0, None), (3.000001, False)])
@in_jumping_time
async def test_a_slot_that_is_free_in_the_moment_the_patience_ends_is_not_lost(
    held_s: float, in_time: bool | None
) -> None:
    calls = Calls(bulkhead(limit=1, queue=2, wait_s=3))
    await calls.begin(1)
    asyncio.get_running_loop().call_at(now() + held_s, calls.doors[1].set)
    await calls.begin(2)
    await asyncio.sleep(3.1)
    entered = calls.order == [1, 2]
    assert in_time in (None, entered)
    assert calls.load == (entered, 0)
    await calls.finish()


@in_jumping_time
async def test_a_slot_handed_over_just_before_the_patience_ends_is_taken() -> None:
    loop, complaints = asyncio.get_running_loop(), list[object]()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    calls = Calls(bulkhead(limit=1, queue=2, wait_s=3))
    slot = calls.slots.slot("claude")
    await slot.__aenter__()
    leaving = slot.__aexit__(None, None, None)

    def leave() -> None:
        with pytest.raises(StopIteration):
            leaving.send(None)

    loop.call_at(now() + 3, leave)  # in the same turn of the loop, before the waiter's own timer
    await calls.begin(1)
    await asyncio.sleep(3.1)
    assert (calls.order, calls.load, complaints) == ([1], (1, 0), [])
    await calls.finish()


@in_jumping_time
async def test_a_waiter_cancelled_before_its_first_step_costs_nothing() -> None:
    calls = Calls(bulkhead(limit=1, queue=1, wait_s=60))
    calls.doors[1] = asyncio.Event()
    task = asyncio.create_task(calls.call(1))
    task.cancel()
    await settle()
    assert (task.cancelled(), calls.load) == (True, (0, 0))


async def test_ten_thousand_random_cancellations_lose_no_slot() -> None:
    rng = random.Random(11)
    slots = bulkhead(limit=7, queue=40, wait_s=60)
    running = most = cancelled = ran = 0

    async def call() -> None:
        nonlocal running, most, ran
        async with slots.slot("claude"):
            running += 1
            most = max(most, running)
            try:
                for _ in range(rng.randrange(4)):
                    await asyncio.sleep(0)
                ran += 1
            finally:
                running -= 1

    tasks: list[asyncio.Task[None]] = []
    while cancelled < 10_000:
        tasks += [asyncio.create_task(call()) for _ in range(rng.randrange(1, 30))]
        for _ in range(rng.randrange(3)):
            await asyncio.sleep(0)
        for task in rng.sample(tasks, min(len(tasks), rng.randrange(40))):
            cancelled += task.cancel()
        assert slots.running("claude") <= 7
        assert slots.waiting("claude") <= 40
        tasks = [task for task in tasks if not task.done()]
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (slots.running("claude"), slots.waiting("claude")) == (0, 0)
    assert most == 7
    assert ran > 500
    calls = Calls(slots)
    await calls.begin(*range(48))
    assert calls.load == (7, 40)
    await calls.finish()


Step = tuple[Literal["arrive", "end", "cancel", "tick", "wait"], int]


@settings(max_examples=150, deadline=None)
@given(
    limit=st.integers(1, 3),
    queue=st.integers(0, 3),
    steps=st.lists(
        st.tuples(
            st.sampled_from(["arrive", "arrive", "end", "cancel", "tick", "wait"]),
            st.integers(0, 7),
        ),
        max_size=40,
    ),
)
def test_whatever_happens_the_limits_hold_and_the_order_is_kept(
    limit: int, queue: int, steps: list[Step]
) -> None:
    @in_jumping_time
    async def run() -> None:
        calls = Calls(bulkhead(limit=limit, queue=queue, wait_s=2.5))
        inside: set[int] = set()

        async def call(number: int) -> None:
            async with calls.slots.slot("claude"):
                inside.add(number)
                calls.order.append(number)
                try:
                    await calls.doors[number].wait()
                finally:
                    inside.discard(number)

        for step, number in steps:
            alive = [n for n, task in calls.tasks.items() if not task.done()]
            chosen = alive[number % len(alive)] if alive else None
            if step == "arrive":
                n = len(calls.tasks)
                calls.doors[n] = asyncio.Event()
                calls.tasks[n] = asyncio.create_task(call(n))
            elif step == "tick":
                await asyncio.sleep(0)
            elif step == "wait":
                await asyncio.sleep(number / 4)
            elif chosen is not None:
                calls.doors[chosen].set() if step == "end" else calls.tasks[chosen].cancel()
            running, waiting = calls.load
            assert len(inside) <= running <= limit
            assert waiting <= queue
            assert not waiting or running == limit  # nobody waits beside a free slot
            # With more slots two may come free at once: who was in line wakes a tick later.
            assert limit > 1 or calls.order == sorted(calls.order)
        await calls.finish()
        for task in calls.tasks.values():
            assert task.cancelled() or isinstance(task.exception(), BulkheadFullError | None)

    run()


# --- When to come back ----------------------------------------------------------------------------


async def held(slots: Bulkhead, *seconds: float) -> None:
    for each in seconds:
        async with slots.slot("claude"):
            await asyncio.sleep(each)


async def refusal(slots: Bulkhead) -> float:
    with pytest.raises(BulkheadFullError) as caught:
        await slots.slot("claude").__aenter__()
    assert caught.value.retry_after_s is not None
    return caught.value.retry_after_s


def in_loop_time(**numbers: Any) -> Bulkhead:
    return bulkhead(**numbers, clock=asyncio.get_running_loop().time)


@in_jumping_time
async def test_retry_after_is_how_long_a_slot_is_held_times_who_is_before_over_the_slots() -> None:
    slots = in_loop_time(limit=2, queue=3, wait_s=60)
    await held(slots, 4)
    calls = Calls(slots)
    await calls.begin(1, 2, 3, 4, 5)
    assert await refusal(slots) == 4 * (3 + 1) / 2
    await calls.finish()


@in_jumping_time
async def test_the_newest_calls_count_most_in_how_long_a_slot_is_held() -> None:
    slots = in_loop_time(limit=1, queue=0)
    await held(slots, 4, 9)
    calls = Calls(slots)
    await calls.begin(1)
    assert await refusal(slots) == pytest.approx(4 + 0.2 * (9 - 4))
    await calls.finish()


@in_jumping_time
async def test_failed_and_cancelled_calls_hold_their_slot_too() -> None:
    slots = in_loop_time(limit=1, queue=0)
    calls = Calls(slots)
    await calls.begin(1)
    await asyncio.sleep(5)
    calls.tasks[1].cancel()
    await settle()
    await calls.begin(2)
    assert await refusal(slots) == 5.0
    await calls.finish()


@in_jumping_time
async def test_before_any_call_has_ended_the_longest_wait_stands_in() -> None:
    slots = in_loop_time(limit=2, queue=1, wait_s=3)
    calls = Calls(slots)
    await calls.begin(1, 2, 3)
    assert await refusal(slots) == 3 * (1 + 1) / 2
    await calls.finish()


@pytest.mark.parametrize(("seconds", "retry_after_s"), [(0.001, 0.1), (500.0, 30.0)])
@in_jumping_time
async def test_retry_after_stays_between_a_tenth_and_thirty_seconds(
    seconds: float, retry_after_s: float
) -> None:
    slots = in_loop_time(limit=1, queue=0)
    await held(slots, seconds)
    async with slots.slot("claude"):
        assert await refusal(slots) == retry_after_s


@in_jumping_time
async def test_a_wait_that_grew_too_long_names_a_time_too() -> None:
    slots = in_loop_time(limit=1, queue=5, wait_s=2)
    await held(slots, 4)
    async with slots.slot("claude"):
        assert await refusal(slots) == 4.0
        assert now() == 1_006.0


# --- Events ---------------------------------------------------------------------------------------


@in_jumping_time
async def test_events_tell_who_entered_and_who_was_refused(events: list[Event]) -> None:
    slots = in_loop_time(limit=2, queue=2, wait_s=60)
    calls = Calls(slots)
    await calls.begin(1)
    assert events == [BulkheadEntered("claude", 1, 0, 0.0)]
    await calls.begin(2, 3, 4, 5)
    assert events[1:] == [
        BulkheadEntered("claude", 2, 0, 0.0),
        BulkheadRefused("claude", 2, 2, "queue_full"),
    ]
    await asyncio.sleep(1.5)
    await calls.end(1)
    assert events[3:] == [BulkheadEntered("claude", 2, 1, 1.5)]
    await calls.finish()


# --- As a decorator -------------------------------------------------------------------------------


@in_jumping_time
async def test_the_decorator_holds_a_slot_of_the_calls_dependency() -> None:
    slots = bulkhead(limit=1, queue=0)

    @slots
    async def use_tool(tool_name: str, number: int = 1) -> str:
        """Use it."""
        await asyncio.sleep(1)
        return f"{tool_name} {number} {slots.running(tool_name)}"

    results = await asyncio.gather(
        use_tool("search"),
        use_tool("search"),
        use_tool("weather", number=2),
        return_exceptions=True,
    )
    assert (results[0], results[2]) == ("search 1 1", "weather 2 1")
    assert isinstance(results[1], BulkheadFullError)
    assert results[1].dependency == "search"
    assert (use_tool.__name__, use_tool.__doc__) == ("use_tool", "Use it.")
    assert slots.running("search") == 0


@in_jumping_time
async def test_inside_protect_the_dependency_is_the_one_set_there() -> None:
    slots = bulkhead(limit=1)

    async def ask() -> int:
        return slots.running("claude")

    assert await protect(ask, slots, dependency="claude")() == 1


@in_jumping_time
async def test_a_timeout_inside_does_not_count_the_wait_and_frees_the_slot() -> None:
    slots = bulkhead(limit=1, queue=5, wait_s=60)
    began: list[float] = []

    async def ask() -> None:
        began.append(now())
        await asyncio.sleep(60)

    call = protect(ask, slots, timeout(seconds=2))
    await asyncio.gather(*(call() for _ in range(3)), return_exceptions=True)
    assert began == [1_000.0, 1_002.0, 1_004.0]
    assert slots.running("ask") == 0


def test_without_parentheses_the_error_says_how_to_write_it() -> None:
    decorator: Any = bulkhead

    async def ask() -> None: ...

    text = "write @bulkhead() or @bulkhead(settings), not bulkhead(<function"
    with pytest.raises(TypeError, match=re.escape(text)):
        decorator(ask)


def test_a_plain_function_is_refused() -> None:
    plain: Any = print
    with pytest.raises(TypeError, match="bulkhead needs an async function"):
        bulkhead()(plain)


# --- How much is remembered -----------------------------------------------------------------------


@in_jumping_time
async def test_of_too_many_dependencies_the_longest_unused_is_forgotten() -> None:
    slots = in_loop_time(limit=1, queue=0)

    async def estimate(name: str) -> float:
        async with slots.slot(name):
            with pytest.raises(BulkheadFullError) as caught:
                await slots.slot(name).__aenter__()
        assert caught.value.retry_after_s is not None
        return caught.value.retry_after_s

    for number in range(256):
        async with slots.slot(str(number)):
            await asyncio.sleep(8)
    assert await estimate("0") == 8.0
    async with slots.slot("one more"):
        pass
    assert await estimate("2") == 8.0
    assert await estimate("0") < 8.0  # asked before, so a little shorter; but remembered
    assert await estimate("1") == 1.0  # begins anew


@in_jumping_time
async def test_a_dependency_with_calls_under_way_is_never_forgotten() -> None:
    slots = bulkhead(limit=1, queue=0)
    calls = Calls(slots)
    await calls.begin(1)
    for number in range(600):
        async with slots.slot(f"tool {number}"):
            pass
    assert calls.load == (1, 0)
    await calls.begin(2)
    assert isinstance(calls.tasks[2].exception(), BulkheadFullError)
    await calls.finish()


@in_jumping_time
async def test_when_all_dependencies_are_busy_their_limits_still_hold() -> None:
    slots = bulkhead(limit=1, queue=0)
    busy = [Calls(slots, f"tool {number}") for number in range(300)]
    for calls in busy:
        await calls.begin(1)
    for calls in busy:
        await calls.begin(2)
        assert isinstance(calls.tasks[2].exception(), BulkheadFullError)
    for calls in busy:
        await calls.finish()


@in_jumping_time
async def test_asking_for_numbers_remembers_nothing() -> None:
    slots = in_loop_time(limit=1, queue=0, wait_s=1)
    await held(slots, 8)
    for number in range(600):
        assert (slots.running(str(number)), slots.waiting(str(number))) == (0, 0)
    async with slots.slot("claude"):
        assert await refusal(slots) == 8.0


# --- Among the other policies ---------------------------------------------------------------------


@in_jumping_time
async def test_in_their_order_each_layer_sees_what_is_its_own() -> None:
    slots, began = bulkhead(limit=1, queue=1, wait_s=5), list[float]()
    again = retry(max_attempts=3, backoff=ExponentialBackoff(0), remaining_s=remaining_s, clock=now)

    async def work() -> None:
        began.append(now())
        await asyncio.sleep(60)

    breaker = circuit_breaker(BreakerSettings(failure_threshold=3, minimum_calls=3), clock=now)
    call = protect(work, again, breaker, slots, timeout(seconds=2))
    async with slots.slot("work"):
        waiting = asyncio.create_task(call())
        await asyncio.sleep(3)
        assert slots.waiting("work") == 1
    with pytest.raises(OperationTimeout):
        await waiting
    assert began == [1_003.0, 1_005.0, 1_007.0], "the wait in the line is no part of an attempt"
    assert breaker.state("work") == "open", "it saw three attempts and not one call"

    async with slots.slot("work"):
        with pytest.raises(CircuitOpenError) as refused:
            await call()
        assert now() == 1_009.0, "whom the circuit refuses does not wait for a slot"
    assert attempts_of(refused.value) == Attempts(1, 0.0)

    call = protect(work, again, circuit_breaker(clock=now), slots, timeout(seconds=2))
    with pytest.raises(DeadlineExceeded):
        async with deadline(5):
            await call()
    assert (began[3:], now()) == ([1_009.0, 1_011.0, 1_013.0], 1_014.0)
