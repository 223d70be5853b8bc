"""Work side by side that never takes longer than its limit, and a map that never grows above it."""

from __future__ import annotations

import asyncio
import gc
from contextlib import ExitStack
from typing import Any

import pytest

from reliability.bounded import BoundedMap, name_of, run_bounded


class Timer:
    """A sleep that ends when the test says so, and remembers for how long it was asked."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.over = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)
        await self.over.wait()


async def turn_the_loop() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_errors_come_back_in_the_order_of_the_works() -> None:
    last = asyncio.Event()
    broken, other = ValueError("a"), ConnectionError("b")

    async def fails_last() -> None:
        await last.wait()
        raise broken

    async def works() -> str:
        return "fine"

    async def fails_first() -> None:
        last.set()
        raise other

    assert await run_bounded([fails_last, works, fails_first], 60) == [broken, None, other]


async def test_nothing_to_run_takes_no_time() -> None:
    timer = Timer()
    assert await run_bounded([], 60, timer.sleep) == []
    assert timer.asked == []


async def test_work_runs_side_by_side() -> None:
    both = asyncio.Barrier(2)
    assert await run_bounded([both.wait, both.wait], 60) == [None, None]


async def test_what_has_not_ended_at_the_limit_is_cancelled_and_counts_as_a_timeout() -> None:
    timer, cancelled = Timer(), asyncio.Event()

    async def hangs() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def works() -> None: ...

    running = asyncio.create_task(run_bounded([hangs, works], 2.5, timer.sleep))
    await turn_the_loop()
    assert not running.done()
    assert timer.asked == [2.5]
    timer.over.set()
    slow, quick = await running
    assert type(slow) is TimeoutError
    assert quick is None
    await turn_the_loop()
    assert cancelled.is_set()


async def test_work_that_ignores_its_cancellation_holds_nobody() -> None:
    timer, end = Timer(), asyncio.Event()
    timer.over.set()

    async def stubborn() -> None:
        while not end.is_set():
            try:
                await end.wait()
            except asyncio.CancelledError:
                continue

    [error] = await run_bounded([stubborn], 1, timer.sleep)
    assert type(error) is TimeoutError
    end.set()


async def test_work_that_fails_after_its_limit_is_not_complained_about() -> None:
    timer, complaints = Timer(), list[object]()
    timer.over.set()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

    async def fails_when_cancelled() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError

    await run_bounded([fails_when_cancelled], 1, timer.sleep)
    await turn_the_loop()
    gc.collect()
    assert complaints == []


async def test_work_that_is_cancelled_from_outside_ends_none_of_the_others() -> None:
    ended = asyncio.Event()

    async def lost() -> None:
        raise asyncio.CancelledError

    async def works() -> None:
        await turn_the_loop()
        ended.set()

    errors = await run_bounded([lost, works], 60)
    assert [type(error) for error in errors] == [asyncio.CancelledError, type(None)]
    assert ended.is_set()


async def test_who_is_cancelled_takes_its_work_along() -> None:
    cancelled = asyncio.Event()

    async def hangs() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    running = asyncio.create_task(run_bounded([hangs], 60))
    await turn_the_loop()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await turn_the_loop()
    assert cancelled.is_set()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_no_timer_stays_behind() -> None:
    async def works() -> None: ...

    await run_bounded([works], 3600)
    await turn_the_loop()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_name_is_the_qualified_one_or_the_types() -> None:
    class Flush:
        async def __call__(self) -> None: ...

        async def now(self) -> None: ...

    assert name_of(Flush().now).endswith("Flush.now")
    assert name_of(Flush()) == "Flush"


# --- In number -----------------------------------------------------------------------------------


def test_the_entry_unused_for_longest_is_dropped_and_reading_is_using() -> None:
    kept: BoundedMap[str, int] = BoundedMap(3)
    for number, key in enumerate("abc"):
        kept[key] = number
    assert kept["a"] == 0
    assert kept.get("b") == 1
    kept["d"] = 3
    assert list(kept) == ["a", "b", "d"]
    kept["a"] = 9
    kept.setdefault("e", 4)
    assert dict(kept) == {"d": 3, "a": 9, "e": 4}
    assert "b" not in kept
    assert (len(kept), kept.get("b"), kept.pop("d")) == (3, None, 3)
    del kept["a"]
    assert list(kept.items()) == [("e", 4)]


def test_looking_whether_a_key_is_there_is_no_use() -> None:
    kept: BoundedMap[str, int] = BoundedMap(2)
    kept.update(a=1, b=2)
    assert "a" in kept
    kept["c"] = 3
    assert list(kept) == ["b", "c"]


def test_what_is_in_use_stays_however_many_come() -> None:
    kept: BoundedMap[int, str] = BoundedMap(3)
    with kept.in_use(-1), kept.in_use(None), kept.in_use(-2):
        kept[-1] = "begun before"
        with kept.in_use(-1):
            for key in range(1_000):
                kept[key] = "x"
        assert -1 in kept, "still in use by the outer block"
        kept[-2] = "made while in use"
        for key in range(1_000):
            kept[key] = "x"
        assert (len(kept), -1 in kept, -2 in kept) == (3, True, True)
    kept[7], kept[8], kept[9] = "x", "x", "x"
    assert list(kept) == [7, 8, 9]


def test_there_may_be_more_as_long_as_so_many_are_in_use() -> None:
    kept: BoundedMap[int, str] = BoundedMap(2)
    with ExitStack() as users:
        for key in range(5):
            users.enter_context(kept.in_use(key))
            kept[key] = "x"
        assert len(kept) == 5
    assert len(kept) == 2


def test_what_is_written_is_there_to_read_though_all_places_are_in_use() -> None:
    kept: BoundedMap[str, int] = BoundedMap(1)
    with kept.in_use("a"):
        kept["a"] = 1
        kept["b"] = 2
        assert kept["b"] == 2
    assert len(kept) == 1


@pytest.mark.parametrize("most", [0, -1, 1.0, True])
def test_the_most_is_a_whole_number(most: Any) -> None:
    with pytest.raises(ValueError, match="most must be a whole number >= 1, not "):
        BoundedMap(most)
