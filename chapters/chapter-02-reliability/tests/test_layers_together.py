"""Layers in any order, around calls that end in any way: what must hold of every stack."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from random import Random

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

import reliability as r
from reliability.deadlines import current_deadline

from jumping_time import JumpingLoop, now

MODELS = ("large", "small")
REQUEST_S, ATTEMPT_S = 20.0, 3.0
TIMEOUTS = r.TimeoutSettings(
    connect_s=0.1, model_call_s=ATTEMPT_S, tool_call_s=ATTEMPT_S, request_s=REQUEST_S, session_s=60
)


class Mistake(Exception):
    callers_mistake = True


def refused(status: int, **headers: str) -> Callable[[], Exception]:
    request = httpx.Request("GET", "http://search")
    response = httpx.Response(status, headers=headers, request=request)
    return lambda: httpx.HTTPStatusError("refused", request=request, response=response)


ERRORS: tuple[Callable[[], Exception], ...] = (
    *(ConnectionResetError, TimeoutError, r.StopTask, Mistake, KeyError),
    *(lambda: json.JSONDecodeError("broken", "", 0), lambda: r.BadReply("no content")),
    *(lambda: httpx.ConnectError("refused"), lambda: UnicodeEncodeError("ascii", "é", 0, 1, "no")),
    *(refused(404), refused(429), refused(429, **{"retry-after": "3"}), refused(500), refused(503)),
    lambda: r.DeadlineExceeded("request", 3),
)


def error_of(chance: Random, depth: int = 0) -> Exception:
    """One of them, or a group of them, or a group of groups."""
    if depth < 2 and chance.random() < 0.25:
        size = chance.randint(1, 3)
        return ExceptionGroup("several", [error_of(chance, depth + 1) for _ in range(size)])
    return chance.choice(ERRORS)()


def any_call(model: str, number: int) -> str:
    """What one call returned may stand in for each other one."""
    return "any"


class Mix:
    """Some layers in some order around a dependency of many moods."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.ends: dict[int, list[object]] = {}  # of each call: how its attempts ended
        self.attempts = chance.randint(1, 4)
        at_least = chance.randint(1, 4)
        self.breaker = r.circuit_breaker(
            r.BreakerSettings(
                failure_threshold=at_least, minimum_calls=at_least, open_s=chance.choice((0.1, 10))
            ),
            clock=now,
        )
        room = r.BulkheadSettings(chance.randint(1, 3), chance.randint(0, 3), chance.choice((0, 5)))
        self.bulkhead = r.bulkhead(room, clock=now)
        retries = r.retry(
            max_attempts=self.attempts,
            remaining_s=r.remaining_s,
            idempotent=chance.random() < 0.8,
            rng=chance,
            clock=now,
        )
        layers: dict[str, r.Policy] = {
            "retry": retries,
            "breaker": self.breaker,
            "bulkhead": self.bulkhead,
            "timeout": r.timeout(ATTEMPT_S),
            "deadline": r.request_deadline(TIMEOUTS, clock=now),
            "last_known_good": r.last_known_good(read_only=True, key=any_call, clock=now),
            "fallback": r.fallback_model(r.DegradationSettings(fallback_model=MODELS[1])),
        }
        self.names = chance.sample(sorted(layers), chance.randint(1, len(layers)))
        self.most = self.attempts if "retry" in self.names else 1
        self.most *= 2 if "fallback" in self.names else 1
        self.ask = r.protect(
            self.depend,
            *(layers[name] for name in self.names),
            dependency=chance.choice((None, lambda model, number: model)),
        )

    async def depend(self, model: str, number: int) -> str:
        ends = self.ends.setdefault(number, [])
        ends.append(None)
        try:
            await asyncio.sleep(self.chance.choice((0, 0.1, 2, 5, 50)))
            if self.chance.random() < 0.6:
                raise error_of(self.chance)
        except Exception as error:
            ends[-1] = error
            raise
        return f"{model} {number}"

    async def call(self, number: int, limit_s: float | None) -> str:
        try:
            if limit_s is None:
                return await self.ask(MODELS[0], number)
            async with r.deadline(limit_s):
                return await self.ask(MODELS[0], number)
        finally:
            assert current_deadline.get() is None

    async def run(self) -> None:
        cancelled: set[int] = set()
        tasks: dict[int, asyncio.Task[str]] = {}
        began: dict[int, float] = {}
        took_s: dict[int, float] = {}
        limits = {
            n: self.chance.choice((None, 0.02, 1, 6)) for n in range(self.chance.randint(1, 8))
        }

        def cancel(number: int) -> None:
            if tasks[number].cancel():
                cancelled.add(number)

        def note_end(number: int) -> Callable[[asyncio.Task[str]], None]:
            return lambda task: took_s.update({number: now() - began[number]})

        for number, limit_s in limits.items():
            began[number] = now()
            tasks[number] = asyncio.create_task(self.call(number, limit_s))
            tasks[number].add_done_callback(note_end(number))
            if self.chance.random() < 0.3:
                after_s = self.chance.choice((0, 0.1, 2, 3, 6, 20))
                asyncio.get_running_loop().call_later(after_s, cancel, number)
            await asyncio.sleep(self.chance.choice((0, 0, 0.1, 3)))
        await asyncio.wait(tasks.values())
        for number, task in tasks.items():
            assert task.cancelled() == (number in cancelled)
            self.judge(number, None if task.cancelled() else task.exception())
            limit_s = limits[number]
            assert limit_s is None or took_s[number] <= limit_s + 1e-6
            assert self.names[0] != "deadline" or took_s[number] <= REQUEST_S + 1e-6
        assert not any(circuit.permits for circuit in self.breaker._circuits.values())
        assert [self.bulkhead.running(name) for name in (*MODELS, "depend")] == [0, 0, 0]
        assert [self.bulkhead.waiting(name) for name in (*MODELS, "depend")] == [0, 0, 0]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    def judge(self, number: int, error: BaseException | None) -> None:
        """What holds of one call, whatever happened beside it."""
        ends = self.ends.get(number, [])
        assert len(ends) <= self.most
        stops = [isinstance(end, Exception) and bool(r.stop_task_of(end)) for end in ends]
        assert not any(stops[:-1]), "nothing is tried after what ends the task"
        if any(stops) and error is not None:
            assert r.stop_task_of(error), "nor is it hidden"
        assert not any(stops) or error is not None


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=True))
def test_no_mix_of_layers_loses_a_slot_a_permit_a_cancellation_or_the_end_of_a_task(
    chance: Random,
) -> None:
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(Mix(chance).run())
