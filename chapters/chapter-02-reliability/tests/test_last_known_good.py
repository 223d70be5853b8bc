"""When an old result stands in for a failed call, and that its age is told."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reliability import (
    BadReply,
    Event,
    Failure,
    FailureKind,
    Policy,
    ReliabilityError,
    RetriesStopped,
    RetryScheduled,
    StopTask,
    protect,
    retry,
)
from reliability.degradation import DegradationSettings, Notes, collect_notes
from reliability.events import ResultMissing, StaleServed
from reliability.last_known_good import (
    MAX_ARGUMENT_CHARS,
    MAX_ARGUMENTS_CHARS,
    last_known_good,
)

RESET = Failure(FailureKind.TRANSIENT, True, None, "ConnectionResetError")
OSLO: dict[str, object] = {"city": "Oslo"}
QUITO: dict[str, object] = {"city": "Quito"}


class ToolError(Exception):
    """The tool works and says no."""


class CircuitOpen(ReliabilityError):
    kind = FailureKind.TRANSIENT


class Tools:
    """Answers from `results`, or raises what stands there; only save_note is not read-only."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.result: object = "3 °C, wind 9 km/h"
        self.used: list[tuple[str, object]] = []

    def clock(self) -> float:
        return self.now

    async def use_tool(self, name: str, arguments: dict[str, object]) -> str:
        """One tool call."""
        self.used.append((name, arguments))
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result  # type: ignore[return-value]

    def policy(self, settings: DegradationSettings | None = None, **more: Any) -> Policy:
        return last_known_good(
            settings,
            read_only=lambda name, arguments: name != "save_note",
            excluded=(ToolError,),
            clock=self.clock,
            **more,
        )

    def protected(self, settings: DegradationSettings | None = None, **more: Any) -> Any:
        policy = self.policy(settings, **more)
        return protect(self.use_tool, policy, dependency=lambda name, arguments: name)


@pytest.fixture
def tools() -> Tools:
    return Tools()


@pytest.fixture
def notes() -> Iterator[Notes]:
    with collect_notes() as collected:
        yield collected


# --- Stale, or missing ---------------------------------------------------------------------------


async def test_an_old_result_stands_in_for_a_failed_call_and_its_age_is_told(
    tools: Tools, events: list[Event], notes: Notes
) -> None:
    use_tool = tools.protected()
    assert await use_tool("get_weather", OSLO) == "3 °C, wind 9 km/h"
    assert (events, notes.degraded) == ([], False)
    tools.now += 41.75
    tools.result = ConnectionResetError()
    assert await use_tool("get_weather", OSLO) == (
        "3 °C, wind 9 km/h\n(42 s old: get_weather does not answer now)"
    )
    assert events == [StaleServed("get_weather", 41.75, RESET)]
    assert list(notes) == [
        "Note: get_weather (city: Oslo) does not answer now; this value is 42 s old."
    ]


async def test_without_an_old_result_the_failure_goes_on_and_the_gap_is_told(
    tools: Tools, events: list[Event], notes: Notes
) -> None:
    use_tool = tools.protected()
    await use_tool("get_weather", OSLO)
    tools.result = error = ConnectionResetError()
    with pytest.raises(ConnectionResetError) as caught:
        await use_tool("get_weather", QUITO)
    assert caught.value is error
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert events == [ResultMissing("get_weather", RESET)]
    assert list(notes) == ["Missing: get_weather (city: Quito) does not answer now."]


@pytest.mark.parametrize(("age_s", "served"), [(0.0, True), (60.0, True), (60.5, False)])
async def test_a_result_older_than_stale_s_is_not_served(
    tools: Tools, events: list[Event], notes: Notes, age_s: float, served: bool
) -> None:
    use_tool = tools.protected(DegradationSettings(stale_s=60))
    await use_tool("get_weather", OSLO)
    tools.now += age_s
    tools.result = ConnectionResetError()
    if served:
        assert str(await use_tool("get_weather", OSLO)).startswith("3 °C")
        assert events == [StaleServed("get_weather", age_s, RESET)]
    else:
        with pytest.raises(ConnectionResetError):
            await use_tool("get_weather", OSLO)
        assert events == [ResultMissing("get_weather", RESET)]
    assert len(notes) == 1


async def test_the_age_grows_from_the_last_success_and_not_from_the_last_serving(
    tools: Tools, events: list[Event], notes: Notes
) -> None:
    use_tool = tools.protected()
    await use_tool("get_weather", OSLO)
    tools.now += 100
    tools.result = "4 °C"
    await use_tool("get_weather", OSLO)
    tools.result = ConnectionResetError()
    for _ in range(2):
        tools.now += 10
        served = await use_tool("get_weather", OSLO)
    assert served == "4 °C\n(20 s old: get_weather does not answer now)"
    assert [event.age_s for event in events if isinstance(event, StaleServed)] == [10, 20]
    assert list(notes) == [
        "Note: get_weather (city: Oslo) does not answer now; this value is 20 s old."
    ]


async def test_a_result_is_as_old_as_the_moment_it_came(tools: Tools, events: list[Event]) -> None:
    class Slow(Tools):
        async def use_tool(self, name: str, arguments: dict[str, object]) -> str:
            self.now += 5
            return await super().use_tool(name, arguments)

    slow = Slow()
    use_tool = slow.protected()
    await use_tool("get_weather", OSLO)
    slow.result = ConnectionResetError()
    await use_tool("get_weather", OSLO)
    assert events == [StaleServed("get_weather", 5.0, RESET)]


async def test_a_later_success_of_the_same_call_withdraws_its_note(
    tools: Tools, notes: Notes
) -> None:
    use_tool = tools.protected()
    tools.result = ConnectionResetError()
    for city in (OSLO, QUITO):
        with pytest.raises(ConnectionResetError):
            await use_tool("get_weather", city)
    with pytest.raises(ConnectionResetError):
        await use_tool("save_note", {"text": "x"})
    assert len(notes) == 3
    tools.result = "3 °C"
    await use_tool("get_weather", {"city": "Oslo"})
    await use_tool("save_note", {"text": "x"})
    assert list(notes) == ["Missing: get_weather (city: Quito) does not answer now."]
    tools.result = ConnectionResetError()
    await use_tool("get_weather", OSLO)
    assert len(notes) == 2
    tools.result = "4 °C"
    await use_tool("get_weather", OSLO)
    await use_tool("get_weather", QUITO)
    assert not notes.degraded


async def test_a_call_that_fails_after_its_old_result_was_served_keeps_that_note(
    tools: Tools, notes: Notes
) -> None:
    use_tool = tools.protected(DegradationSettings(stale_s=60))
    await use_tool("get_weather", OSLO)
    tools.result = ConnectionResetError()
    tools.now += 59
    await use_tool("get_weather", OSLO)
    tools.now += 2
    with pytest.raises(ConnectionResetError):
        await use_tool("get_weather", OSLO)
    assert list(notes) == [
        "Note: get_weather (city: Oslo) does not answer now; this value is 59 s old."
    ]


# --- What is no outage ---------------------------------------------------------------------------


class OutOfTime(StopTask): ...


class Refused(ToolError): ...


def http_error(status: int) -> httpx.HTTPStatusError:
    request = httpx.Request("GET", "https://weather.example/?q=hunter2")
    response = httpx.Response(status, request=request)
    return httpx.HTTPStatusError("hunter2", request=request, response=response)


@pytest.mark.parametrize(
    "error", [OutOfTime(), ToolError("no place"), Refused(), http_error(404), http_error(400)]
)
async def test_a_tool_that_says_no_and_a_stopped_task_are_no_outage(
    tools: Tools, events: list[Event], notes: Notes, error: Exception
) -> None:
    use_tool = tools.protected()
    await use_tool("get_weather", OSLO)
    tools.result = error
    with pytest.raises(type(error)) as caught:
        await use_tool("get_weather", OSLO)
    assert caught.value is error
    assert (events, notes.degraded) == ([], False)


@pytest.mark.parametrize(
    "error",
    [CircuitOpen(), TimeoutError(), http_error(429), http_error(408), http_error(503), KeyError()],
)
async def test_every_other_failure_is_an_outage(
    tools: Tools, events: list[Event], error: Exception
) -> None:
    use_tool = tools.protected()
    await use_tool("get_weather", OSLO)
    tools.result = error
    assert str(await use_tool("get_weather", OSLO)).startswith("3 °C")
    with pytest.raises(type(error)):
        await use_tool("get_weather", QUITO)
    assert [type(event) for event in events] == [StaleServed, ResultMissing]


async def test_a_tool_that_says_no_after_an_outage_does_answer(tools: Tools, notes: Notes) -> None:
    use_tool = tools.protected()
    for error in (ToolError(), http_error(404)):
        tools.result = ConnectionResetError()
        with pytest.raises(ConnectionResetError):
            await use_tool("get_weather", OSLO)
        assert notes.degraded
        tools.result = error
        with pytest.raises(type(error)):
            await use_tool("get_weather", OSLO)
        assert not notes.degraded


async def test_a_task_stopped_after_an_outage_leaves_the_gap_told(
    tools: Tools, notes: Notes
) -> None:
    use_tool = tools.protected()
    for error in (ConnectionResetError(), OutOfTime()):
        tools.result = error
        with pytest.raises(type(error)):
            await use_tool("get_weather", OSLO)
    assert notes.degraded


async def test_a_cancelled_call_is_cancelled_and_served_nothing(
    tools: Tools, events: list[Event], notes: Notes
) -> None:
    use_tool = tools.protected()
    await use_tool("get_weather", OSLO)
    tools.result = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await use_tool("get_weather", OSLO)
    assert (events, notes.degraded) == ([], False)


# --- What is remembered --------------------------------------------------------------------------


async def test_what_is_not_read_only_is_never_served_and_its_failure_is_told(
    tools: Tools, events: list[Event], notes: Notes
) -> None:
    use_tool = tools.protected()
    await use_tool("save_note", {"text": "tea"})
    tools.result = ConnectionResetError()
    with pytest.raises(ConnectionResetError):
        await use_tool("save_note", {"text": "tea"})
    assert events == [ResultMissing("save_note", RESET)]
    assert list(notes) == ["Missing: save_note (text: tea) does not answer now."]


async def test_whether_a_call_only_reads_is_asked_anew_each_time(tools: Tools) -> None:
    reads = False
    policy = last_known_good(read_only=lambda *call: reads, clock=tools.clock)
    use_tool = policy(tools.use_tool)
    await use_tool("get_weather", OSLO)
    tools.result = ConnectionResetError()
    reads = True
    with pytest.raises(ConnectionResetError):
        await use_tool("get_weather", OSLO)
    tools.result = "4 °C"
    await use_tool("get_weather", OSLO)
    tools.result = ConnectionResetError()
    assert (await use_tool("get_weather", OSLO)).startswith("4 °C")
    reads = False
    with pytest.raises(ConnectionResetError):
        await use_tool("get_weather", OSLO)


async def test_the_same_call_is_known_again_however_it_is_written(tools: Tools) -> None:
    use_tool = tools.protected()
    await use_tool("find", {"a": 1, "b": {"x": 1, "y": 2}})
    tools.result = ConnectionResetError()
    same: dict[str, object] = {"b": {"y": 2, "x": 1}, "a": 1}
    for served in (
        await use_tool("find", same),
        await use_tool("find", arguments=same),
        await use_tool(arguments=same, name="find"),
    ):
        assert served.startswith("3 °C")
    for name, arguments in (("found", same), ("find", {"a": 1}), ("find", {**same, "a": "1"})):
        with pytest.raises(ConnectionResetError):
            await use_tool(name, arguments)


async def test_arguments_that_are_no_json_are_served_too(tools: Tools, notes: Notes) -> None:
    use_tool = tools.protected()
    loop: dict[Any, object] = {"n": 1, 2: "mixed"}
    loop["itself"] = loop
    await use_tool("find", loop)
    await use_tool("find", {"when": 2j})
    tools.result = ConnectionResetError()
    assert (await use_tool("find", loop)).startswith("3 °C")
    assert (await use_tool("find", {"when": 2j})).startswith("3 °C")
    assert len(notes) == 2


async def test_the_key_is_that_of_the_call_before_it_changes_its_arguments() -> None:
    fails = False

    @last_known_good(read_only=lambda arguments: True)
    async def find(arguments: dict[str, object]) -> str:
        arguments["city"] = "changed"
        if fails:
            raise ConnectionResetError
        return "found"

    await find({"city": "Oslo"})
    fails = True
    with collect_notes() as notes:
        assert (await find({"city": "Oslo"})).startswith("found")
    assert notes.text().startswith("Note: find (city: Oslo) does not")


async def test_an_own_key_says_which_calls_are_the_same(tools: Tools) -> None:
    use_tool = tools.protected(key=lambda name, arguments: str(arguments["city"]).lower())
    await use_tool("get_weather", OSLO)
    tools.result = ConnectionResetError()
    assert (await use_tool("get_weather", {"city": "OSLO"})).startswith("3 °C")
    with pytest.raises(ConnectionResetError):
        await use_tool("get_weather", QUITO)
    with pytest.raises(ConnectionResetError):
        await use_tool("get_news", OSLO)


async def test_a_result_is_not_shared_between_scopes(tools: Tools, events: list[Event]) -> None:
    user: ContextVar[str] = ContextVar("user", default="ada")
    use_tool = tools.protected(scope=user.get)
    await use_tool("read_notes", {})
    tools.result = ConnectionResetError()
    user.set("ben")
    with pytest.raises(ConnectionResetError):
        await use_tool("read_notes", {})
    user.set("ada")
    assert (await use_tool("read_notes", {})).startswith("3 °C")
    assert [type(event) for event in events] == [ResultMissing, StaleServed]


async def test_only_text_is_remembered(tools: Tools) -> None:
    use_tool = tools.protected()
    for result in ({"temperature": 3}, None, b"3", ["3 °C"]):
        tools.result = result
        assert await use_tool("get_weather", OSLO) is result
        tools.result = ConnectionResetError()
        with pytest.raises(ConnectionResetError):
            await use_tool("get_weather", OSLO)
    tools.result = ""
    assert await use_tool("get_weather", OSLO) == ""
    tools.result = ConnectionResetError()
    assert await use_tool("get_weather", OSLO) == "\n(0 s old: get_weather does not answer now)"


async def test_the_longest_unused_result_is_forgotten_first(tools: Tools) -> None:
    use_tool = tools.protected(DegradationSettings(entries=3))

    async def known(city: str) -> bool:
        before, tools.result = tools.result, ConnectionResetError()
        try:
            await use_tool("get_weather", {"city": city})
        except ConnectionResetError:
            return False
        finally:
            tools.result = before
        return True

    for city in "abc":
        await use_tool("get_weather", {"city": city})
    await use_tool("get_weather", {"city": "a"})  # used again by a success ...
    assert await known("b")  # ... and by serving it
    await use_tool("get_weather", {"city": "d"})
    assert [city for city in "abcd" if await known(city)] == ["a", "b", "d"]


async def test_two_functions_of_one_policy_share_nothing(tools: Tools) -> None:
    other, policy = Tools(), tools.policy()
    await policy(tools.use_tool)("get_weather", OSLO)
    other.result = ConnectionResetError()
    with pytest.raises(ConnectionResetError):
        await policy(other.use_tool)("get_weather", OSLO)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from([0, 1, 5]), st.booleans())))
async def test_what_is_served_is_the_newest_result_with_its_true_age(
    steps: list[tuple[str, int, bool]],
) -> None:
    tools = Tools()
    use_tool = tools.protected(DegradationSettings(stale_s=6))
    newest: dict[str, tuple[str, float]] = {}
    missing: dict[str, bool] = {}
    with collect_notes() as notes:
        for number, (city, wait_s, works) in enumerate(steps):
            tools.now += wait_s
            tools.result = f"result {number}" if works else ConnectionResetError()
            text, since = newest.get(city, ("", -1e9))
            try:
                given_back = await use_tool("get_weather", {"city": city})
            except ConnectionResetError:
                assert tools.now - since > 6
                missing[city] = True
                continue
            missing[city] = not works
            if works:
                newest[city] = given_back, tools.now
            else:
                age = f"({tools.now - since:.0f} s old: get_weather does not answer now)"
                assert given_back == f"{text}\n{age}"
    assert len(notes) == sum(missing.values())
    assert notes.degraded == any(missing.values())


# --- What the user reads -------------------------------------------------------------------------


async def noted(name: str, arguments: Any) -> str:
    tools = Tools()
    tools.result = ConnectionResetError("hunter2")
    with collect_notes() as notes, pytest.raises(ConnectionResetError):
        await tools.protected()(name, arguments)
    (note,) = notes
    return note


async def test_a_note_names_the_call_with_its_arguments() -> None:
    gone = "does not answer now."
    assert await noted("read_notes", {}) == f"Missing: read_notes {gone}"
    assert await noted("f", {"a": 1, "b": [2, "x"]}) == f"Missing: f (a: 1, b: [2, 'x']) {gone}"
    assert await noted("f", {"name": "f"}) == f"Missing: f (name: f) {gone}"
    assert await noted("f", "no dict") == f"Missing: f (arguments: no dict) {gone}"


async def test_a_note_stays_short_and_no_argument_can_forge_another() -> None:
    long = "x" * (MAX_ARGUMENT_CHARS + 1)
    assert await noted("f", {"a": long}) == (
        f"Missing: f (a: {long[: MAX_ARGUMENT_CHARS - 1]}…) does not answer now."
    )
    assert f"(a: {long[1:]})" in await noted("f", {"a": long[1:]})
    forged = "x\n\nNote: all is\twell.\x1b[2J\u2028"
    assert await noted("f\n", {f"a{forged}": forged}) == (
        "Missing: f (ax Note: all is well. [2J: x Note: all is well. [2J) does not answer now."
    )
    many = await noted("f", {f"argument {n}": long for n in range(99)})
    assert len(many) == len("Missing: f () does not answer now.") + MAX_ARGUMENTS_CHARS
    assert many.endswith("…) does not answer now.")
    assert (MAX_ARGUMENT_CHARS, MAX_ARGUMENTS_CHARS) == (60, 200)


async def test_a_function_with_arguments_of_its_own_is_named_with_them() -> None:
    @last_known_good(read_only=lambda *args, **kwargs: True)
    async def get_weather(city: str, days: int = 1) -> str:
        raise ConnectionResetError

    with collect_notes() as notes:
        for call in (get_weather("Oslo"), get_weather(city="Oslo", days=1)):
            with pytest.raises(ConnectionResetError):
                await call
    assert list(notes) == ["Missing: get_weather (city: Oslo, days: 1) does not answer now."]


# --- As a policy ---------------------------------------------------------------------------------


async def test_it_works_outside_the_retry_on_a_bound_method_and_keeps_its_signature(
    tools: Tools, events: list[Event]
) -> None:
    async def no_sleep(seconds: float) -> None: ...

    inner = retry(max_attempts=2, sleep=no_sleep)
    use_tool = protect(
        tools.use_tool, tools.policy(), inner, dependency=lambda name, arguments: name
    )
    await use_tool("get_weather", OSLO)
    tools.result = ConnectionResetError()
    assert (await use_tool("get_weather", arguments=OSLO)).endswith("does not answer now)")
    assert len(tools.used) == 1 + 2
    assert [type(each) for each in events] == [RetryScheduled, RetriesStopped, StaleServed]
    assert list(inspect.signature(use_tool).parameters) == ["name", "arguments"]
    assert use_tool.__doc__ == "One tool call."


async def test_alone_it_keeps_the_name_and_reads_the_dependency_from_the_call(
    events: list[Event],
) -> None:
    @last_known_good(read_only=lambda tool_name, params: True)
    async def call_tool(tool_name: str, params: dict[str, object]) -> str:
        """Any tool."""
        raise ConnectionResetError

    assert (call_tool.__name__, call_tool.__doc__) == ("call_tool", "Any tool.")
    with collect_notes() as notes, pytest.raises(ConnectionResetError):
        await call_tool("search", {"query": "tea"})
    assert events == [ResultMissing("search", RESET)]
    assert list(notes) == ["Missing: search (query: tea) does not answer now."]


async def test_concurrent_runs_share_results_and_not_notes(tools: Tools) -> None:
    use_tool = tools.protected()
    await use_tool("get_weather", OSLO)
    tools.result = ConnectionResetError()

    async def run(city: dict[str, object]) -> list[str]:
        with collect_notes() as notes:
            await asyncio.gather(use_tool("get_weather", city), return_exceptions=True)
        return list(notes)

    assert list(await asyncio.gather(run(OSLO), run(QUITO))) == [
        ["Note: get_weather (city: Oslo) does not answer now; this value is 0 s old."],
        ["Missing: get_weather (city: Quito) does not answer now."],
    ]


async def test_outside_a_run_an_old_result_is_served_all_the_same(tools: Tools) -> None:
    use_tool = tools.protected()
    await use_tool("get_weather", OSLO)
    tools.result = ConnectionResetError()
    assert (await use_tool("get_weather", OSLO)).startswith("3 °C")


async def test_wrong_arguments_fail_as_they_would_without_it(tools: Tools) -> None:
    policy = last_known_good(read_only=lambda *args, **kwargs: True)
    with pytest.raises(TypeError, match="unexpected keyword argument 'city'"):
        await policy(tools.use_tool)("get_weather", city="Oslo")  # type: ignore[call-arg]


def test_what_it_cannot_decorate_is_refused_at_once() -> None:
    def plain(name: str) -> str:
        return name

    with pytest.raises(TypeError, match=r"^last_known_good needs an async function"):
        last_known_good(read_only=lambda name: True)(plain)  # type: ignore[arg-type]


def test_forgotten_parentheses_and_a_forgotten_read_only_are_explained() -> None:
    async def call() -> str:
        return ""

    with pytest.raises(TypeError, match=r"^write @last_known_good\(settings, read_only=\.\.\.\), "):
        last_known_good(call)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^write @last_known_good\(.*: which calls only read\?$"):
        last_known_good(DegradationSettings())


# --- Refused at once -----------------------------------------------------------------------------


async def asks_somebody(*args: object) -> str:
    return ""


@pytest.mark.parametrize("wrong", [asks_somebody, "yes", 7], ids=repr)
@pytest.mark.parametrize("argument", ["read_only", "key", "scope"])
def test_what_nobody_could_ask_is_refused_at_once(argument: str, wrong: Any) -> None:
    with pytest.raises(TypeError, match=f"{argument} must be a function that is not async"):
        last_known_good(**{"read_only": True, argument: wrong})


@pytest.mark.parametrize("read_only", [True, False])
async def test_whether_calls_only_read_may_be_said_of_all_of_them(
    tools: Tools, read_only: bool
) -> None:
    use_tool = last_known_good(read_only=read_only, clock=tools.clock)(tools.use_tool)
    await use_tool("get_weather", OSLO)
    tools.result = ConnectionResetError()
    if read_only:
        assert "does not answer now" in await use_tool("get_weather", OSLO)
    else:
        with pytest.raises(ConnectionResetError):
            await use_tool("get_weather", OSLO)


# --- Who is to blame -----------------------------------------------------------------------------


class Mistaken(Exception):
    callers_mistake = True


@pytest.mark.parametrize(
    "error",
    [
        Mistaken("no"),
        ExceptionGroup("several", [Mistaken("no"), ToolError("no")]),
        ExceptionGroup("several", [ConnectionResetError(), StopTask("enough")]),
    ],
    ids=repr,
)
async def test_a_callers_mistake_and_a_stopped_task_in_a_group_are_no_outage(
    tools: Tools, notes: Notes, error: Exception
) -> None:
    use_tool = tools.protected()
    await use_tool("get_weather", OSLO)
    tools.result = error
    with pytest.raises(type(error)) as caught:
        await use_tool("get_weather", OSLO)
    assert caught.value is error
    assert not notes.degraded


@pytest.mark.parametrize(
    "error",
    [BadReply("KeyError"), KeyError("results"), ExceptionGroup("several", [BadReply("x")])],
    ids=repr,
)
async def test_a_broken_reply_is_an_outage_and_the_last_known_result_stands_in(
    tools: Tools, notes: Notes, error: Exception
) -> None:
    use_tool = tools.protected()
    await use_tool("get_weather", OSLO)
    tools.result = error
    assert "does not answer now" in await use_tool("get_weather", OSLO)
    assert notes.degraded
