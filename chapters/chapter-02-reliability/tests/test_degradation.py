"""What the user is told of a degraded answer, which model may stand in, and who is billed."""

from __future__ import annotations

import asyncio
import functools
import inspect
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

import anthropic
import httpx
import httpx2
import pytest
from anthropic.types import Message
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from mock_claude.pytest_plugin import StartSimulator
from reliability import (
    Event,
    Failure,
    FailureKind,
    OperationTimeout,
    RetriesStopped,
    RetryScheduled,
    StopTask,
    classify,
    dependency_of,
    protect,
    retry,
)
from reliability.degradation import (
    DegradationSettings,
    Notes,
    Tokens,
    active_notes,
    collect_notes,
    fallback_model,
    tokens_by_model,
)
from reliability.events import FallbackUsed

P = ParamSpec("P")
R = TypeVar("R")

SONNET, HAIKU = "claude-sonnet-5-5", "claude-haiku-4-5"
SETTINGS = DegradationSettings(fallback_model=HAIKU)
NOTE = f"Note: answered by {HAIKU}, because {SONNET} is not available."


def api_error(
    status: int, error_type: str = "", code: str = "", headers: dict[str, str] | None = None
) -> anthropic.APIStatusError:
    request = httpx2.Request("POST", "https://api.example/v1/messages")
    response = httpx2.Response(status, headers=headers, request=request)
    error: dict[str, object] = {"type": error_type} if error_type else {}
    error |= {"details": {"error_code": code}} if code else {}
    body = {"type": "error", "error": error}
    return anthropic.APIStatusError("the prompt said hunter2", response=response, body=body)


async def no_sleep(seconds: float) -> None: ...


class Circuit(StopTask):
    kind = FailureKind.TIMEOUT
    retryable = True


class Api:
    """Fails for each model with its errors in turn, then answers with the model's name."""

    def __init__(self, **errors: list[BaseException]) -> None:
        self.errors = {name.replace("_", "-"): list(given) for name, given in errors.items()}
        self.asked: list[str] = []

    async def ask_claude(self, messages: list[str], model: str = SONNET) -> str:
        self.asked.append(model)
        if left := self.errors.get(model):
            raise left.pop(0)
        return f"{model}: {messages}"


def sonnet_fails(*errors: BaseException) -> Api:
    return Api(claude_sonnet_5_5=list(errors))


# --- Notes ---------------------------------------------------------------------------------------


def test_an_answer_without_notes_stays_as_it_is() -> None:
    with collect_notes() as notes:
        pass
    assert (notes.degraded, len(notes), list(notes), notes.text()) == (False, 0, [], "")
    assert notes.append_to("All is well.") == "All is well."
    assert notes.append_to("") == ""


def test_notes_follow_the_answer_as_a_paragraph_with_a_line_each() -> None:
    notes = Notes()
    notes.stale("oslo", "get_weather (city: Oslo)", 41.6)
    notes.missing("quito", "get_weather (city: Quito)")
    notes.answered_by(HAIKU, SONNET)
    lines = [
        "Note: get_weather (city: Oslo) does not answer now; this value is 42 s old.",
        "Missing: get_weather (city: Quito) does not answer now.",
        NOTE,
    ]
    assert list(notes) == lines
    assert (len(notes), notes.degraded) == (3, True)
    assert notes.append_to("Oslo: 3 °C.") == "Oslo: 3 °C.\n\n" + "\n".join(lines)
    assert notes.append_to("") == notes.text() == "\n".join(lines)


def test_each_distinct_note_is_told_once() -> None:
    notes = Notes()
    notes.missing("one", "search_web")
    notes.missing("other", "search_web")
    for _ in range(2):
        notes.answered_by(HAIKU, SONNET)
    notes.answered_by(HAIKU, "claude-opus-5-5")
    assert list(notes) == [
        "Missing: search_web does not answer now.",
        NOTE,
        f"Note: answered by {HAIKU}, because claude-opus-5-5 is not available.",
    ]
    assert len(notes) == 3
    notes.withdraw("one")
    assert len(notes) == 3, "the other call is still missing"


def test_a_note_of_a_call_is_withdrawn_and_others_stay() -> None:
    notes = Notes()
    notes.missing("a", "a")
    notes.stale("b", "b", 1)
    notes.withdraw("a")
    notes.withdraw("never noted")
    assert list(notes) == ["Note: b does not answer now; this value is 1 s old."]
    notes.withdraw("b")
    notes.withdraw("b")
    assert not notes.degraded


def test_of_a_call_the_newest_age_is_told_and_a_served_value_keeps_its_age() -> None:
    notes = Notes()
    notes.missing("a", "a")
    notes.stale("a", "a", 7)
    notes.stale("a", "a", 9)
    notes.missing("a", "a")
    assert list(notes) == ["Note: a does not answer now; this value is 9 s old."]


def test_outside_a_run_notes_are_lost_and_harm_nothing() -> None:
    active_notes().missing("a", "a")
    assert not active_notes().degraded


def test_a_run_inside_a_run_has_notes_of_its_own() -> None:
    with collect_notes() as outer:
        with collect_notes() as inner:
            active_notes().missing("a", "inner")
        active_notes().missing("b", "outer")
        assert active_notes() is outer
    assert list(inner) == ["Missing: inner does not answer now."]
    assert list(outer) == ["Missing: outer does not answer now."]


def test_notes_end_with_the_run_even_when_it_fails() -> None:
    with pytest.raises(KeyError), collect_notes() as notes:
        raise KeyError
    active_notes().missing("a", "a")
    assert not notes.degraded


async def test_concurrent_runs_do_not_see_each_others_notes_and_their_tasks_share_them() -> None:
    everyone = asyncio.Barrier(3)

    async def tool(name: str) -> None:
        await asyncio.sleep(0)
        active_notes().missing(name, name)

    async def run(name: str) -> list[str]:
        with collect_notes() as notes:
            await everyone.wait()
            await asyncio.gather(tool(f"{name}1"), tool(f"{name}2"))
            await everyone.wait()
        return list(notes)

    told = await asyncio.gather(*(run(name) for name in "abc"))
    assert told == [
        [f"Missing: {name}{number} does not answer now." for number in (1, 2)] for name in "abc"
    ]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["ok", "stale", "missing"]))))
def test_a_run_is_degraded_exactly_when_something_is_stale_or_missing_in_the_end(
    outcomes: list[tuple[str, str]],
) -> None:
    notes, last = Notes(), {}
    for call, outcome in outcomes:
        last[call] = outcome
        match outcome:
            case "ok":
                notes.withdraw(call)
            case "stale":
                notes.stale(call, call, 1)
            case _:
                notes.missing(call, call)
    bad = [call for call, outcome in last.items() if outcome != "ok"]
    assert notes.degraded == (bad != [])
    assert len(notes) == len(bad)


# --- The fallback model --------------------------------------------------------------------------


async def test_another_model_answers_when_the_one_that_was_asked_is_not_available(
    events: list[Event],
) -> None:
    error = api_error(529, "overloaded_error")
    api = sonnet_fails(error)
    with collect_notes() as notes:
        answer = await fallback_model(SETTINGS)(api.ask_claude)(["hi"], SONNET)
    assert answer == f"{HAIKU}: ['hi']"
    assert api.asked == [SONNET, HAIKU]
    overload = Failure(FailureKind.OVERLOAD, True, None, "529 overloaded_error")
    assert events == [FallbackUsed(SONNET, HAIKU, overload)]
    assert notes.append_to(answer) == f"{answer}\n\n{NOTE}"


async def test_a_model_that_answers_needs_no_fallback(events: list[Event]) -> None:
    api = Api()
    with collect_notes() as notes:
        assert await fallback_model(SETTINGS)(api.ask_claude)([], SONNET) == f"{SONNET}: []"
    assert (api.asked, events, notes.degraded) == ([SONNET], [], False)


async def test_the_model_is_found_however_it_is_passed() -> None:
    async def positional_only(model: str, /, *more: int, **rest: int) -> tuple[object, ...]:
        if model == SONNET:
            raise ConnectionResetError
        return (model, more, rest)

    async def keyword_only(*, model: str, stream: bool = False) -> tuple[object, ...]:
        if model == SONNET:
            raise ConnectionResetError
        return (model, stream)

    api = sonnet_fails(*(ConnectionResetError() for _ in range(4)))
    policy = fallback_model(SETTINGS)
    ask = policy(api.ask_claude)
    assert ask.__name__ == "ask_claude"
    assert await ask(["hi"], SONNET) == f"{HAIKU}: ['hi']"
    assert await ask(["hi"], model=SONNET) == f"{HAIKU}: ['hi']"
    assert await ask(model=SONNET, messages=["hi"]) == f"{HAIKU}: ['hi']"
    assert await ask(["hi"]) == f"{HAIKU}: ['hi']", "by default"
    assert await policy(positional_only)(SONNET, 1, 2, three=3) == (HAIKU, (1, 2), {"three": 3})
    assert await policy(keyword_only)(model=SONNET, stream=True) == (HAIKU, True)


HELPED = [
    api_error(429, "rate_limit_error"),
    api_error(500, "api_error"),
    api_error(503),
    api_error(529, "overloaded_error"),
    api_error(408),
    api_error(504, "timeout_error"),
    api_error(200, "overloaded_error"),  # in mid-stream
    TimeoutError(),
    ConnectionResetError(),
    httpx.ReadTimeout("slow"),
    httpx2.ConnectError("no route"),
]
HIDDEN = [
    *(api_error(status) for status in (400, 401, 402, 403, 404, 413, 422)),
    api_error(400, headers={"x-should-retry": "true"}),
    api_error(404, "not_found_error", headers={"x-should-retry": "true"}),
    api_error(429, "rate_limit_error", "enforced_spend_limit_reached"),
    Circuit(),
    ValueError("ours"),
]


def _name(error: BaseException) -> str:
    return f"{type(error).__name__}-{classify(error).reason}".replace(" ", "-")


@pytest.mark.parametrize("error", HELPED, ids=_name)
async def test_what_may_pass_on_another_model_falls_back(error: Exception) -> None:
    api = sonnet_fails(error)
    assert await fallback_model(SETTINGS)(api.ask_claude)([], SONNET) == f"{HAIKU}: []"


@pytest.mark.parametrize("error", HIDDEN, ids=_name)
async def test_a_mistake_of_ours_an_empty_account_and_a_stopped_task_are_not_hidden(
    error: Exception, events: list[Event]
) -> None:
    api = sonnet_fails(error)
    with collect_notes() as notes, pytest.raises(type(error)) as caught:
        await fallback_model(SETTINGS)(api.ask_claude)([], SONNET)
    assert caught.value is error
    assert (api.asked, events, notes.degraded) == ([SONNET], [], False)


async def test_an_own_classifier_decides_but_never_over_a_misspelt_model() -> None:
    def outage(error: BaseException) -> Failure:
        return Failure(FailureKind.TRANSIENT, False, None, "own")

    api = sonnet_fails(ValueError(), api_error(404), Circuit())
    ask = fallback_model(SETTINGS, classify=outage)(api.ask_claude)
    assert await ask([], SONNET) == f"{HAIKU}: []"
    with pytest.raises(anthropic.APIStatusError):
        await ask([], SONNET)
    with pytest.raises(Circuit):
        await ask([], SONNET)


@pytest.mark.parametrize("settings", [None, DegradationSettings(), DegradationSettings(SONNET)])
async def test_without_another_model_the_failure_is_raised(
    settings: DegradationSettings | None, events: list[Event]
) -> None:
    error = ConnectionResetError()
    api = sonnet_fails(error)
    with pytest.raises(ConnectionResetError) as caught:
        await fallback_model(settings)(api.ask_claude)([])
    assert caught.value is error
    assert (api.asked, events) == ([SONNET], [])


async def test_a_fallback_that_fails_too_raises_its_own_error_from_the_first(
    events: list[Event],
) -> None:
    first, second = api_error(529), TimeoutError()
    api = Api(claude_sonnet_5_5=[first], claude_haiku_4_5=[second])
    with collect_notes() as notes, pytest.raises(TimeoutError) as caught:
        await fallback_model(SETTINGS)(api.ask_claude)([], SONNET)
    assert caught.value is second
    assert caught.value.__cause__ is first
    assert api.asked == [SONNET, HAIKU]
    assert len(events) == 1
    assert not notes.degraded, "nobody answered"


async def test_a_fallbacks_error_keeps_its_own_cause_because_that_is_its_meaning() -> None:
    request = httpx2.Request("POST", "https://api.example/v1/messages")
    ours, first = httpx2.UnsupportedProtocol("htp"), api_error(529)

    async def ask_claude(model: str) -> str:
        if model == SONNET:
            raise first
        raise anthropic.APIConnectionError(request=request) from ours

    with pytest.raises(anthropic.APIConnectionError) as caught:
        await fallback_model(SETTINGS)(ask_claude)(SONNET)
    assert caught.value.__cause__ is ours
    assert caught.value.__context__ is first
    assert classify(caught.value).kind is FailureKind.PERMANENT


async def test_one_error_object_raised_by_both_models_is_not_its_own_cause() -> None:
    error = ConnectionResetError()
    api = Api(claude_sonnet_5_5=[error], claude_haiku_4_5=[error])
    with pytest.raises(ConnectionResetError) as caught:
        await fallback_model(SETTINGS)(api.ask_claude)([], SONNET)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("falls_back", [False, True])
async def test_a_cancelled_call_is_cancelled(falls_back: bool) -> None:
    asked: list[str] = []

    async def ask_claude(model: str) -> None:
        asked.append(model)
        if falls_back and model == SONNET:
            raise ConnectionResetError
        await asyncio.Event().wait()

    task = asyncio.create_task(fallback_model(SETTINGS)(ask_claude)(SONNET))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asked == ([SONNET, HAIKU] if falls_back else [SONNET])


def naming(names: list[str]) -> Any:
    """A policy below the fallback that writes down which dependency each call goes to."""

    def decorate(function: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
        @functools.wraps(function)
        async def call(*args: P.args, **kwargs: P.kwargs) -> R:
            names.append(dependency_of(function, args, kwargs))
            return await function(*args, **kwargs)

        return call

    return decorate


async def test_the_layers_below_see_the_fallback_as_a_dependency_of_its_own() -> None:
    names: list[str] = []
    api = sonnet_fails(ConnectionResetError())
    ask = protect(api.ask_claude, fallback_model(SETTINGS), naming(names), dependency="claude")
    await ask([], SONNET)
    assert names == ["claude", HAIKU]
    await ask([], SONNET)
    assert names == ["claude", HAIKU, "claude"]


async def test_a_bound_method_keeps_its_signature_and_the_retry_runs_inside(
    events: list[Event],
) -> None:
    async def no_sleep(seconds: float) -> None: ...

    class Agent:
        def __init__(self) -> None:
            self.api = sonnet_fails(*(ConnectionResetError() for _ in range(9)))
            inner = retry(max_attempts=2, sleep=no_sleep)
            self.ask = protect(self.ask_claude, fallback_model(SETTINGS), inner)

        async def ask_claude(self, messages: list[str], model: str) -> str:
            """One model call."""
            return await self.api.ask_claude(messages, model)

    agent = Agent()
    assert await agent.ask(["hi"], model=SONNET) == f"{HAIKU}: ['hi']"
    assert agent.api.asked == [SONNET, SONNET, HAIKU]
    assert list(inspect.signature(agent.ask).parameters) == ["messages", "model"]
    assert agent.ask.__doc__ == "One model call."
    assert [type(event) for event in events] == [RetryScheduled, RetriesStopped, FallbackUsed]


async def test_wrong_arguments_fail_as_they_would_without_it() -> None:
    api = Api()
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'messages'"):
        await fallback_model(SETTINGS)(api.ask_claude)()  # type: ignore[call-arg]


def test_what_it_cannot_decorate_is_refused_at_once() -> None:
    def plain(model: str) -> str:
        return model

    async def nameless(prompt: str) -> str:
        return prompt

    with pytest.raises(TypeError, match=r"^fallback_model needs an async function"):
        fallback_model(SETTINGS)(plain)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^fallback_model needs an argument named model: .*less"):
        fallback_model(SETTINGS)(nameless)
    with pytest.raises(TypeError, match=r"^write @fallback_model\(settings\), not .*nameless"):
        fallback_model(nameless)  # type: ignore[arg-type]


async def test_a_model_that_is_down_at_the_api_is_replaced_and_its_tokens_are_booked(
    start_simulator: StartSimulator,
) -> None:
    faults = f'[[rule]]\nname = "down"\nmodel = "{SONNET}"\nfault = "status"\nstatus = 529'
    simulator = start_simulator(faults=faults)
    async with anthropic.AsyncAnthropic(
        api_key="test",
        base_url=simulator.url,
        max_retries=0,
        http_client=anthropic.DefaultAsyncHttpxClient(trust_env=False),
    ) as client:

        @fallback_model(SETTINGS)
        async def ask_claude(messages: list[Any], model: str) -> Message:
            return await client.messages.create(model=model, max_tokens=99, messages=messages)

        with collect_notes() as notes:
            message = await ask_claude([{"role": "user", "content": "hi"}], SONNET)
        with pytest.raises(anthropic.NotFoundError, match="claude-unheard-of"):
            await ask_claude([{"role": "user", "content": "hi"}], "claude-unheard-of")
    _, billed, _ = simulator.model_requests()
    assert tokens_by_model([message]) == {HAIKU: Tokens(billed.input_tokens, billed.output_tokens)}
    assert list(notes) == [NOTE]


# --- Who is billed -------------------------------------------------------------------------------


def answered(model: str, input_tokens: int, output_tokens: int) -> Message:
    usage = anthropic.types.Usage.model_construct(
        input_tokens=input_tokens, output_tokens=output_tokens
    )
    return Message.model_construct(model=model, usage=usage)


def test_tokens_are_booked_to_the_model_that_answered() -> None:
    messages = [answered(SONNET, 1, 10), answered(HAIKU, 2, 20), answered(SONNET, 4, 40)]
    assert tokens_by_model(messages) == {SONNET: Tokens(5, 50), HAIKU: Tokens(2, 20)}
    assert tokens_by_model([]) == {}


def test_input_that_the_cache_wrote_or_read_is_booked_apart_and_counted() -> None:
    first, second = answered(SONNET, 5, 50), answered(SONNET, 1, 1)
    first.usage.cache_creation_input_tokens, first.usage.cache_read_input_tokens = 200, 10_000
    booked = tokens_by_model([first, second])[SONNET]
    assert (booked.input_tokens, booked.output_tokens) == (6, 51)
    assert (booked.cache_write_tokens, booked.cache_read_tokens) == (200, 10_000)
    assert booked.all_input_tokens == 10_206


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 10**6), st.integers(0, 10**6))))
def test_no_token_is_lost_or_booked_twice(calls: list[tuple[str, int, int]]) -> None:
    booked = tokens_by_model([answered(*call) for call in calls])
    assert set(booked) == {model for model, _, _ in calls}
    assert sum(each.input_tokens for each in booked.values()) == sum(call[1] for call in calls)
    assert sum(each.output_tokens for each in booked.values()) == sum(call[2] for call in calls)


# --- Settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf, True, "1", None])
def test_settings_refuse_an_age_out_of_range_by_name(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^stale_s must be a finite number >= 0, not "):
        DegradationSettings(stale_s=value)


@pytest.mark.parametrize("value", [0, -1, True, 1.5, 3.0, math.inf, "3", None])
def test_settings_refuse_a_number_of_entries_that_is_not_whole_and_positive(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^entries must be a whole number >= 1, not "):
        DegradationSettings(entries=value)


@pytest.mark.parametrize("value", [None, 7, " ", "claude-haiku-4-5 ", ["claude-haiku-4-5"]])
def test_settings_refuse_a_fallback_that_is_no_models_name(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^fallback_model must be a model's name or empty, not "):
        DegradationSettings(fallback_model=value)


def test_settings_have_defaults_and_can_be_filled_from_text() -> None:
    assert DegradationSettings() == DegradationSettings("", 3600, 1000)
    assert DegradationSettings(stale_s=0, entries=1).entries == 1
    read = TypeAdapter(DegradationSettings).validate_python
    assert read({"stale_s": "7.5"}) == DegradationSettings(stale_s=7.5)


# --- A model that hangs --------------------------------------------------------------------------


def model_of(messages: list[str], model: str = SONNET) -> str:
    return model


def layers_of(api: Api) -> Callable[[list[str], str], Coroutine[Any, Any, str]]:
    return protect(api.ask_claude, retry(sleep=no_sleep), dependency=model_of)


@pytest.mark.parametrize(
    "error",
    [OperationTimeout(SONNET, 30), anthropic.APITimeoutError(httpx2.Request("POST", "http://a"))],
    ids=repr,
)
async def test_what_timed_out_is_not_tried_again_and_the_fallback_is_asked_at_once(
    events: list[Event], error: BaseException
) -> None:
    api = Api(**{SONNET: [error] * 9})
    layers = layers_of(api)
    assert await fallback_model(SETTINGS)(layers)([], SONNET) == f"{HAIKU}: []"
    assert api.asked == [SONNET, HAIKU]
    assert [each.why for each in events if isinstance(each, RetriesStopped)] == ["fallback"]


async def test_the_fallback_itself_is_tried_again_since_nothing_stands_by_for_it() -> None:
    hangs: BaseException = OperationTimeout("any", 30)
    api = Api(**{SONNET: [hangs] * 9, HAIKU: [hangs] * 2})
    layers = layers_of(api)
    ask = fallback_model(SETTINGS)(layers)
    assert await ask([], SONNET) == f"{HAIKU}: []"
    assert api.asked == [SONNET, HAIKU, HAIKU, HAIKU]
    api = Api(**{HAIKU: [hangs] * 2})
    layers = layers_of(api)
    assert await fallback_model(SETTINGS)(layers)([], HAIKU) == f"{HAIKU}: []"
    assert api.asked == [HAIKU, HAIKU, HAIKU]


@pytest.mark.parametrize("fallback", ["", HAIKU])
async def test_without_a_fallback_and_for_other_failures_retries_stay_as_they_are(
    fallback: str,
) -> None:
    error: BaseException = api_error(503) if fallback else OperationTimeout(SONNET, 30)
    api = Api(**{SONNET: [error] * 2})
    layers = layers_of(api)
    ask = fallback_model(DegradationSettings(fallback_model=fallback))(layers)
    assert await ask([], SONNET) == f"{SONNET}: []"
    assert api.asked == [SONNET] * 3


async def test_it_holds_for_layers_in_one_protect_and_for_those_of_a_class() -> None:
    api = Api(**{SONNET: list[BaseException]([OperationTimeout(SONNET, 30)] * 9)})
    ask = protect(api.ask_claude, fallback_model(SETTINGS), retry(sleep=no_sleep))
    assert await ask([], SONNET) == f"{HAIKU}: []"

    class Agent:
        @fallback_model(SETTINGS)
        @retry(sleep=no_sleep)
        async def ask_claude(self, messages: list[str], model: str) -> str:
            return await api.ask_claude(messages, model)

    assert await Agent().ask_claude([], SONNET) == f"{HAIKU}: []"
    assert api.asked == [SONNET, HAIKU] * 2


async def test_what_the_model_call_calls_in_turn_has_no_fallback() -> None:
    errors: list[Exception] = [OperationTimeout("weather", 30)]

    @retry(sleep=no_sleep)
    async def get_weather() -> str:
        if errors:
            raise errors.pop()
        return "sunny"

    async def ask_claude(messages: list[str], model: str) -> str:
        return await get_weather()

    assert await fallback_model(SETTINGS)(ask_claude)([], SONNET) == "sunny"


async def test_a_stopped_task_or_a_misspelt_model_in_a_group_is_not_hidden() -> None:
    for error in (Circuit("enough"), api_error(404)):
        group: BaseException = ExceptionGroup("several", [ConnectionResetError(), error])
        api = Api(**{SONNET: [group]})
        with pytest.raises(ExceptionGroup):
            await fallback_model(SETTINGS)(api.ask_claude)([], SONNET)
        assert api.asked == [SONNET]


async def test_notes_in_an_async_generator_are_refused_before_its_consumer_sees_them() -> None:
    async def answers() -> AsyncGenerator[Notes, None]:
        with collect_notes() as notes:
            yield notes

    stream = answers()
    with pytest.raises(RuntimeError, match="no collect_notes in the async generator answers"):
        await anext(stream)
    assert active_notes() is not active_notes(), "nobody collects here"
    await stream.aclose()
