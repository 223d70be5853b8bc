"""Layers in the order they are written, one name for all of them, signatures unchanged."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

import pytest

from reliability import (
    Event,
    Policy,
    RetryScheduled,
    TimeoutSettings,
    bulkhead,
    circuit_breaker,
    dependency_of,
    last_known_good,
    protect,
    request_deadline,
    retry,
    subscribe,
    timeout,
)

P = ParamSpec("P")
R = TypeVar("R")


async def no_sleep(seconds: float) -> None: ...


def tracing(name: str, trace: list[str]) -> Policy:
    """A policy that writes down when it is entered and left, and for which dependency."""

    def decorate(function: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
        @functools.wraps(function)
        async def call(*args: P.args, **kwargs: P.kwargs) -> R:
            trace.append(f"{name} enters {dependency_of(function, args, kwargs)}")
            try:
                return await function(*args, **kwargs)
            finally:
                trace.append(f"{name} leaves {dependency_of(function, args, kwargs)}")

        return call

    return decorate


async def ask_claude(messages: list[str], model: str = "claude-test") -> str:
    """Ask."""
    return f"{model}: {len(messages)}"


async def use_tool(name: str, arguments: dict[str, object]) -> str:
    return name


async def call_tool(tool_name: str, params: dict[str, object]) -> str:
    return tool_name


async def test_the_first_policy_is_the_outermost() -> None:
    trace: list[str] = []
    ask = protect(ask_claude, tracing("outer", trace), tracing("inner", trace), dependency="claude")
    assert await ask(["hello"]) == "claude-test: 1"
    assert trace == [
        "outer enters claude",
        "inner enters claude",
        "inner leaves claude",
        "outer leaves claude",
    ]


async def test_a_policy_outside_retry_sees_one_call_and_one_inside_sees_each_attempt() -> None:
    outside: list[str] = []
    inside: list[str] = []

    async def fails() -> None:
        raise ConnectionResetError

    layers = (tracing("call", outside), retry(max_attempts=3, sleep=no_sleep))
    call = protect(fails, *layers, tracing("attempt", inside))
    with pytest.raises(ConnectionResetError):
        await call()
    assert (len(outside), len(inside)) == (2, 6)


async def test_without_policies_the_function_is_only_named() -> None:
    trace: list[str] = []
    call = protect(tracing("work", trace)(ask_claude), dependency="claude")
    assert await call([], model="m") == "m: 0"
    assert trace == ["work enters claude", "work leaves claude"]


async def test_a_dependency_can_be_computed_from_the_arguments_of_each_call() -> None:
    trace: list[str] = []
    use = protect(use_tool, tracing("t", trace), dependency=lambda name, arguments: name)
    await use("search", {})
    await use(name="weather", arguments={})
    assert trace[::2] == ["t enters search", "t enters weather"]


@pytest.mark.parametrize("call", [("search", {}), ()])
async def test_without_a_given_name_the_argument_tool_name_names_the_call(
    call: tuple[str, dict[str, object]] | tuple[()],
) -> None:
    trace: list[str] = []
    tool = protect(call_tool, tracing("t", trace))
    await (tool(*call) if call else tool(params={}, tool_name="search"))
    assert trace[0] == "t enters search"


async def test_without_a_tool_name_the_function_names_the_call() -> None:
    trace: list[str] = []
    await protect(ask_claude, tracing("t", trace))([])
    assert trace[0] == "t enters ask_claude"


async def dependency_of_async(messages: list[str], model: str = "") -> str:
    return model


class Client:
    async def fetch(self, tool_name: object = None, **more: object) -> str:
        return "page"

    async def __call__(self, tool_name: str) -> str:
        return tool_name

    @retry()
    async def decorated(self, tool_name: str) -> str:
        return tool_name


async def tool_with_default(params: int, tool_name: str = "search") -> int:
    return params


async def takes_anything(*args: object, **kwargs: object) -> int:
    return 0


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "name"),
    [
        (call_tool, ("search", {}), {}, "search"),
        (call_tool, (), {"params": {}, "tool_name": "search"}, "search"),
        (call_tool, (7, {}), {}, "call_tool"),
        (call_tool, ("", {}), {}, "call_tool"),
        (tool_with_default, (1,), {}, "search"),
        (takes_anything, ("a", "b"), {}, "takes_anything"),
        (takes_anything, (), {"tool_name": "search"}, "search"),
        (ask_claude, ([],), {}, "ask_claude"),
        (ask_claude, (), {"wrong": 1, "tool_name": "search"}, "search"),
        (functools.partial(call_tool, "search"), ({},), {}, "search"),
        (functools.partial(call_tool, tool_name="search"), (), {"params": {}}, "search"),
        (functools.partial(ask_claude, []), (), {}, "ask_claude"),
        (Client().fetch, (), {}, "fetch"),
        (Client().fetch, ("search",), {}, "search"),
        (Client().fetch, (), {"tool_name": "search", "x": 1}, "search"),
        (retry()(call_tool), ("search", {}), {}, "search"),
        (retry()(retry()(ask_claude)), ([],), {}, "ask_claude"),
        (retry()(functools.partial(call_tool, "search")), ({},), {}, "search"),
        (retry()(Client().fetch), ("search",), {}, "search"),
        (Client(), ("search",), {}, "search"),
        (Client().decorated, ("search",), {}, "search"),
        (Client.decorated, (Client(), "search"), {}, "search"),
        (retry()(functools.partial(takes_anything, 1)), (), {}, "takes_anything"),
    ],
)
def test_a_call_is_named_through_every_kind_of_wrapping(
    function: Callable[..., object],
    args: tuple[object, ...],
    kwargs: dict[str, object],
    name: str,
) -> None:
    assert dependency_of(function, args, kwargs) == name


async def test_a_protected_call_inside_another_has_its_own_name_and_gives_the_outer_one_back() -> (
    None
):
    trace: list[str] = []
    inner = protect(ask_claude, tracing("inner", trace))

    async def tool() -> None:
        await inner([])
        with pytest.raises(ZeroDivisionError):
            await failing()
        trace.append(f"then {dependency_of(tool, (), {})}")

    async def fails() -> None:
        raise ZeroDivisionError

    failing = protect(fails, dependency="failing")
    await protect(tool, tracing("outer", trace), dependency="search")()
    assert trace == [
        "outer enters search",
        "inner enters ask_claude",
        "inner leaves ask_claude",
        "then search",
        "outer leaves search",
    ]
    assert dependency_of(ask_claude, ([],), {}) == "ask_claude"


async def test_a_decorated_helper_inside_a_protected_call_reports_the_protected_name() -> None:
    seen: list[Event] = []
    tries = iter([ConnectionResetError(), None])

    @retry(sleep=no_sleep)
    async def fetch_page() -> None:
        if error := next(tries):
            raise error

    undo = subscribe(seen.append)
    await protect(fetch_page, dependency="search")()
    undo()
    assert [getattr(event, "dependency", None) for event in seen] == ["search"]


async def test_concurrent_calls_keep_their_own_names() -> None:
    trace: list[str] = []

    async def slow(name: str) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
            trace.append(f"{name} sees {dependency_of(slow, (name,), {})}")

    use = protect(slow, dependency=lambda name: name)
    names = [f"tool-{number}" for number in range(20)]
    await asyncio.gather(*(use(name) for name in names))
    assert sorted(trace) == sorted(f"{name} sees {name}" for name in names for _ in range(3))


async def test_every_event_of_a_call_carries_the_protected_name() -> None:
    seen: list[Event] = []

    async def fails(name: str) -> None:
        raise ConnectionResetError

    undo = subscribe(seen.append)
    use = protect(fails, retry(max_attempts=3, sleep=no_sleep), dependency=lambda name: name)
    with pytest.raises(ConnectionResetError):
        await use("search")
    undo()
    assert [type(event) for event in seen[:2]] == [RetryScheduled, RetryScheduled]
    assert {getattr(event, "dependency", None) for event in seen} == {"search"}
    assert len(seen) == 3


def test_a_protected_function_keeps_its_name_and_docstring() -> None:
    call = protect(ask_claude, retry(), dependency="claude")
    assert (call.__name__, call.__doc__) == ("ask_claude", "Ask.")


def test_protecting_a_plain_function_is_refused_at_once() -> None:
    def plain() -> int:
        return 1

    with pytest.raises(TypeError, match="async"):
        protect(plain)  # type: ignore[arg-type]


class Agent:
    """The agent's form: policies per instance, on its own bound methods."""

    def __init__(self) -> None:
        self.ask_claude = protect(self.ask_claude, retry(max_attempts=2), dependency="claude")
        self.use_tool = protect(self.use_tool, retry(), dependency=lambda name, arguments: name)

    async def ask_claude(self, messages: list[str], model: str) -> str:
        return model

    async def use_tool(self, name: str, arguments: dict[str, object]) -> str:
        return name


async def test_mypy_sees_the_same_signature_and_finds_a_typo() -> None:
    ask: Callable[[list[str], str], Coroutine[Any, Any, str]] = Agent().ask_claude
    assert await ask([], "m") == "m"
    with pytest.raises(TypeError):
        await Agent().ask_claude([], modle="m")  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        await Agent().use_tool("search")  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        protect(ask_claude, retry)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        await protect(use_tool, dependency=lambda name: name)("search", {})  # type: ignore[misc,arg-type]


def test_a_refusal_names_the_policy_and_what_is_not_async() -> None:
    class Plain:
        def __call__(self) -> int:
            return 1

        def __repr__(self) -> str:
            return "Plain()"

    for refused, shown in ((Plain(), "Plain()"), (7, "7")):
        with pytest.raises(TypeError) as told:
            protect(refused)  # type: ignore[arg-type]
        assert str(told.value) == f"protect needs an async function, not {shown}"


async def test_an_object_whose_call_is_async_is_protected_and_named_after_its_class() -> None:
    trace: list[str] = []
    call = protect(Client(), tracing("t", trace))
    assert await call("") == ""
    assert trace == ["t enters Client", "t leaves Client"]


# --- How far a name reaches ----------------------------------------------------------------------


def policies() -> list[Policy]:
    return [
        retry(max_attempts=1),
        circuit_breaker(failure_threshold=1),
        timeout(seconds=30),
        bulkhead(limit=1, queue=0),
        last_known_good(read_only=True),
        request_deadline(TimeoutSettings()),
        tracing("own", []),
    ]


@pytest.mark.parametrize("place", range(7))
async def test_a_name_does_not_reach_what_the_protected_function_calls(place: int) -> None:
    seen: list[str] = []
    trace: list[str] = []

    @policies()[place]
    @tracing("inner", trace)
    async def call_tool(tool_name: str) -> str:
        return tool_name

    async def run(task: str) -> None:
        await call_tool("search")
        await asyncio.create_task(call_tool("weather"))
        async with asyncio.TaskGroup() as group:
            group.create_task(call_tool("notes"))
        seen.append(task)

    await protect(run, policies()[place], tracing("outer", seen), dependency="run")("x")
    entered = [line.removeprefix("inner enters ") for line in trace if "enters" in line]
    assert entered == ["search", "weather", "notes"]
    assert seen == ["outer enters run", "x", "outer leaves run"]


async def test_ten_failures_of_one_tool_leave_the_others_and_the_outer_call_alone() -> None:
    breaker = circuit_breaker(failure_threshold=5)

    @breaker
    async def call_tool(tool_name: str, params: dict[str, object]) -> str:
        if tool_name == "search":
            raise ConnectionResetError
        return "sunny"

    async def run() -> str:
        for _ in range(10):
            with pytest.raises(ConnectionResetError):
                await call_tool("search", {})
        return await call_tool("weather", {})

    assert await protect(run, retry(), dependency="run")() == "sunny"
    assert breaker.states() == {"search": "open", "weather": "closed"}


async def test_what_a_policy_calls_beside_the_function_has_its_own_name() -> None:
    trace: list[str] = []

    @tracing("audit", trace)
    async def write_audit() -> None: ...

    def auditing(function: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
        @functools.wraps(function)
        async def call(*args: P.args, **kwargs: P.kwargs) -> R:
            await write_audit()
            return await function(*args, **kwargs)

        return call

    await protect(ask_claude, auditing, tracing("t", trace), dependency="claude")([])
    assert [line for line in trace if "enters" in line] == [
        "audit enters write_audit",
        "t enters claude",
    ]


async def test_layers_around_one_that_hides_its_function_keep_the_name() -> None:
    seen: list[Event] = []

    def hiding(function: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
        async def call(*args: P.args, **kwargs: P.kwargs) -> R:
            return await function(*args, **kwargs)

        return call

    async def fails() -> None:
        raise ConnectionResetError

    undo = subscribe(seen.append)
    layers = (retry(max_attempts=2, sleep=no_sleep), hiding, timeout(30), hiding)
    with pytest.raises(ConnectionResetError):
        await protect(fails, *layers, dependency="search")()
    undo()
    assert {getattr(event, "dependency", None) for event in seen} == {"search"}


async def test_a_name_reaches_the_decorated_method_of_its_own_object_only() -> None:
    trace: list[str] = []

    class Node:
        def __init__(self, *below: Node) -> None:
            self.below = below

        @tracing("t", trace)
        async def visit(self) -> None: ...

        @retry(max_attempts=1, rng=None)
        async def search(self) -> None:
            for each in self.below:
                await each.visit()
            await self.visit()
            raise ConnectionResetError

    seen: list[Event] = []
    undo = subscribe(seen.append)
    with pytest.raises(ConnectionResetError):
        await protect(Node(Node()).search, dependency="root")()
    undo()
    assert [getattr(event, "dependency", None) for event in seen] == ["root"]
    assert {line for line in trace if "enters" in line} == {"t enters visit"}


async def test_one_methods_name_is_not_that_of_another_object() -> None:
    trace: list[str] = []

    class Node:
        def __init__(self, *below: Node) -> None:
            self.below = below

        @tracing("t", trace)
        async def visit(self) -> None:
            for each in self.below:
                await each.visit()

    await protect(Node(Node()).visit, dependency="root")()
    assert [line for line in trace if "enters" in line] == ["t enters root", "t enters visit"]


@pytest.mark.parametrize("wrong", [7, dependency_of_async, ("search",)], ids=repr)
def test_what_cannot_name_a_call_is_refused_at_once(wrong: Any) -> None:
    with pytest.raises(TypeError, match="dependency must be a function that is not async"):
        protect(ask_claude, dependency=wrong)


async def test_the_signature_is_read_when_decorating(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = [policy(call_tool) for policy in policies()[:-1]]
    calls += [protect(call_tool, *policies()[:-1]), protect(call_tool, dependency="search")]

    def refuses(*args: object, **kwargs: object) -> inspect.Signature:
        raise AssertionError("a signature is read by a call")

    monkeypatch.setattr(inspect, "signature", refuses)
    for call in calls:
        assert await call("search", {}) == "search"
