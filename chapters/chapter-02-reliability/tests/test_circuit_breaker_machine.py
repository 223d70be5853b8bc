"""Random histories of one breaker, held against a simple model and four promises.

The promises: while open no call passes before its time; half open never has more probes under way
than allowed; no permit is ever lost; a result from before the last change changes nothing.
The model keeps whole histories and counts them anew at each end, where the breaker keeps sums.
All times are multiples of a quarter of a second, which floats hold exactly.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from reliability.circuit_breaker import BreakerSettings, CircuitOpenError, circuit_breaker
from reliability.errors import ReliabilityError
from reliability.events import CircuitChanged, CircuitRefused, CircuitState, Event, subscribe

NAMES = ("search", "weather")


def not_found() -> httpx.HTTPStatusError:
    request = httpx.Request("GET", "https://weather.example/")
    response = httpx.Response(404, request=request)
    return httpx.HTTPStatusError("text", request=request, response=response)


FAILURES: list[type[Exception]] = [ConnectionResetError, TimeoutError, ZeroDivisionError]
ANSWERS: list[Callable[[], Exception]] = [not_found, LookupError]
NEITHER: list[type[BaseException]] = [asyncio.CancelledError, ReliabilityError, GeneratorExit]
End = Callable[[], BaseException] | None

ENDS: list[End] = [None, None, None, *FAILURES, *ANSWERS, *NEITHER]
ends = st.sampled_from(ENDS)
names = st.sampled_from(NAMES)
rules_of_a_breaker = st.builds(
    BreakerSettings,
    failure_threshold=st.integers(1, 3),
    failure_rate=st.sampled_from([0.25, 0.5, 1.0]),
    minimum_calls=st.integers(1, 4),
    window_calls=st.integers(4, 6),
    window_s=st.sampled_from([0, 8]),
    slow_call_s=st.sampled_from([0, 2]),
    slow_call_rate=st.sampled_from([0.5, 1.0]),
    open_s=st.just(8),
    open_growth=st.sampled_from([1, 2]),
    open_cap_s=st.sampled_from([8, 24]),
    open_jitter=st.sampled_from([0, 0.5]),
    probes=st.integers(1, 3),
    probe_max_age_s=st.sampled_from([4, 64]),
)


class Edges(random.Random):
    def uniform(self, a: float, b: float) -> float:
        return self.choice([a, (a + b) / 2, b])


class Pause:
    """What a call under way awaits until the test ends it."""

    def __await__(self) -> Generator[None, None, None]:
        yield


@dataclass(eq=False)
class Call:
    name: str
    running: Coroutine[Any, Any, None]
    began: float
    round: int


@dataclass
class Model:
    """One circuit, as the documentation tells it."""

    name: str
    rules: BreakerSettings
    state: CircuitState = "closed"
    round: int = 0
    ended: list[tuple[float, bool, bool]] = field(default_factory=list)
    successes: int = 0
    base_s: float = 0.0
    open_until: float = 0.0
    expected: list[Event] = field(default_factory=list)

    def enter(self, state: CircuitState, open_s: float | None = None) -> None:
        self.expected.append(CircuitChanged(self.name, self.state, state, open_s))
        self.state, self.round, self.ended, self.successes = state, self.round + 1, [], 0

    def is_young(self, call: Call, now: float) -> bool:
        return call.round == self.round and now - call.began < self.rules.probe_max_age_s

    def wait_s(self, calls: list[Call], now: float) -> float:
        if self.state == "open":
            return max(0, self.open_until - now)
        probes = [call.began for call in calls if self.is_young(call, now)]
        if self.state == "closed" or len(probes) < self.rules.probes:
            return 0
        return min(probes) + self.rules.probe_max_age_s - now

    def end(self, call: Call, end: End, now: float, open_s: float) -> None:
        """Learn from the end of `call`; if that opens the circuit, it is for `open_s` seconds."""
        rules, failed = self.rules, end in FAILURES
        slow = rules.slow_call_s > 0 and now - call.began > rules.slow_call_s
        if call.round != self.round or end in NEITHER:
            return
        if self.state == "closed":
            self.ended.append((now, failed, slow))
            if (failed or slow) and self.is_failing(now):
                self.open(rules.open_s, open_s, now)
        elif self.is_young(call, now) and (failed or slow):
            self.open(min(self.base_s * rules.open_growth, rules.open_cap_s), open_s, now)
        elif self.is_young(call, now):
            self.successes += 1
            if self.successes == rules.probes:
                self.enter("closed")

    def is_failing(self, now: float) -> bool:
        rules, window = self.rules, self.ended[-self.rules.window_calls :]
        if rules.window_s:
            window = [end for end in self.ended if now - end[0] < rules.window_s]
        number, failures, slow = len(window), sum(e[1] for e in window), sum(e[2] for e in window)
        many = failures >= max(rules.failure_threshold, number * rules.failure_rate)
        too_slow = rules.slow_call_s > 0 and slow >= number * rules.slow_call_rate
        return number >= rules.minimum_calls and (many or too_slow)

    def open(self, base_s: float, open_s: float, now: float) -> None:
        assert base_s <= open_s <= base_s * (1 + self.rules.open_jitter)
        self.base_s, self.open_until = base_s, now + open_s
        self.enter("open", open_s)


class CircuitBreakerMachine(RuleBasedStateMachine):
    @initialize(rules=rules_of_a_breaker, seed=st.integers(0, 99))
    def build(self, rules: BreakerSettings, seed: int) -> None:
        self.now = 1_000.0
        self.calls: list[Call] = []
        self.models = {name: Model(name, rules) for name in NAMES}
        self.heard: list[Event] = []
        self.undo = subscribe(self.heard.append)
        self.breaker = circuit_breaker(
            rules,
            excluded=(LookupError,),
            key=lambda tool: tool,
            clock=lambda: self.now,
            rng=Edges(seed),
        )

        @self.breaker
        async def call(tool: str) -> None:
            await Pause()

        self.call = call

    def under_way(self, name: str) -> list[Call]:
        return [call for call in self.calls if call.name == name]

    def begin(self, name: str) -> Call | None:
        model, running = self.models[name], self.call(name)
        wait_s = model.wait_s(self.under_way(name), self.now)
        if wait_s > 0:
            with pytest.raises(CircuitOpenError) as caught:
                running.send(None)
            assert (caught.value.dependency, caught.value.retry_after_s) == (name, wait_s)
            model.expected.append(CircuitRefused(name, wait_s))
            return None
        running.send(None)
        if model.state == "open":
            model.enter("half_open")
        self.calls.append(Call(name, running, self.now, model.round))
        return self.calls[-1]

    def end(self, call: Call, end: End) -> None:
        self.calls.remove(call)
        model = self.models[call.name]
        is_stale = call.round != model.round
        before = self.breaker.state(call.name), self.breaker.retry_after_s(call.name)
        if end is None:
            with pytest.raises(StopIteration):
                call.running.send(None)
        else:
            error = end()
            with pytest.raises(type(error)) as caught:
                call.running.throw(error)
            assert caught.value is error
        after = self.breaker.state(call.name), self.breaker.retry_after_s(call.name)
        assert after == before or not is_stale, "a result from before changed something"
        model.end(call, end, self.now, open_s=after[1])

    @rule(name=names, number=st.integers(1, 4))
    def begin_some(self, name: str, number: int) -> None:
        for _ in range(number):
            self.begin(name)

    @rule(name=names, several=st.lists(ends, min_size=1, max_size=6))
    def make_some(self, name: str, several: list[End]) -> None:
        for end in several:
            if call := self.begin(name):
                self.end(call, end)

    @rule(name=names)
    def break_down(self, name: str) -> None:
        for _ in range(6):  # as many as fill the largest count window
            if call := self.begin(name):
                self.end(call, ConnectionResetError)

    @rule(
        name=names,
        number=st.integers(1, 4),
        quarters=st.integers(0, 20),
        several=st.lists(ends, max_size=4),
    )
    def probe(self, name: str, number: int, quarters: int, several: list[End]) -> None:
        """What a random walk does too seldom: come when the wait is over, and take some time."""
        if self.models[name].state == "closed":
            self.break_down(name)
        self.now += self.breaker.retry_after_s(name)
        self.begin_some(name, number)
        self.now += quarters / 4
        for call, end in zip(reversed(self.under_way(name)), several, strict=False):
            self.end(call, end)

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), end=ends)
    def end_one(self, data: st.DataObject, end: End) -> None:
        self.end(data.draw(st.sampled_from(self.calls), "call"), end)

    @precondition(lambda self: self.calls)
    @rule(end=ends)
    def end_the_newest(self, end: End) -> None:
        self.end(self.calls[-1], end)

    @rule(quarters=st.integers(1, 20))
    def wait(self, quarters: int) -> None:
        self.now += quarters / 4

    @rule(name=names, early=st.booleans())
    def wait_for_a_circuit(self, name: str, early: bool) -> None:
        self.now += max(0, self.breaker.retry_after_s(name) - early * 0.25)

    @invariant()
    def it_is_as_the_model_says(self) -> None:
        for name, model in self.models.items():
            assert self.breaker.state(name) == model.state
            wait_s = model.wait_s(self.under_way(name), self.now)
            assert self.breaker.retry_after_s(name) == wait_s >= 0
            heard = [event for event in self.heard if getattr(event, "dependency", "") == name]
            assert heard == model.expected

    @invariant()
    def half_open_has_no_more_probes_than_allowed(self) -> None:
        for name, model in self.models.items():
            probes = [call for call in self.under_way(name) if model.is_young(call, self.now)]
            assert model.state != "half_open" or len(probes) <= model.rules.probes

    def teardown(self) -> None:
        try:
            if hasattr(self, "breaker"):
                self.no_permit_was_lost()
        finally:
            if hasattr(self, "undo"):
                self.undo()

    def no_permit_was_lost(self) -> None:
        for call in tuple(self.calls):
            self.end(call, asyncio.CancelledError)
        self.now += 100  # more than any open time
        for name, model in self.models.items():
            probes = [self.begin(name) for _ in range(model.rules.probes)]
            for probe in probes:
                assert probe is not None
                self.end(probe, None)
            assert self.breaker.state(name) == "closed"
        self.it_is_as_the_model_says()


TestCircuitBreakerMachine = CircuitBreakerMachine.TestCase
TestCircuitBreakerMachine.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None
)
