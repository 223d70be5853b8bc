"""The live suite: the real SDK, validating every answer strictly, against the strict server."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, Literal
from uuid import uuid4

import anthropic
import pytest
from anthropic import Anthropic
from pydantic import BaseModel

from mock_claude import Simulator
from mock_claude.background import in_background

MODEL = "claude-opus-5-5"
OLDER = "claude-sonnet-4-6"
HELLO: list[Any] = [{"role": "user", "content": "Say: hello there"}]
RETRY_SOON = {"x-mock-retry-after": "0.01"}


def tool(name: str, argument: str, **more: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {argument: {"type": "string"}}}
    return {"name": name, "input_schema": {**schema, "required": [argument]}, **more}


CALCULATE, WEATHER = tool("calculate", "expression"), tool("get_weather", "city")
ORDER: dict[str, Any] = {
    "name": "place_order",
    "input_schema": {
        "type": "object",
        "properties": {
            "size": {"enum": ["small", "large"]},
            "count": {"type": "integer", "minimum": 2},
            "ship": {
                "type": "object",
                "properties": {"on": {"type": "string", "format": "date"}},
                "required": ["on"],
            },
        },
        "required": ["size", "count", "ship"],
    },
}


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    with in_background(Simulator()) as running:
        yield running


@pytest.fixture(scope="module")
def claude(sim: Simulator) -> Iterator[Anthropic]:
    with Anthropic(
        base_url=sim.url, api_key="test", max_retries=0, _strict_response_validation=True
    ) as client:
        yield client


def ask(claude: Anthropic, **changes: Any) -> Any:
    request: dict[str, Any] = {"model": MODEL, "max_tokens": 2_000, "messages": HELLO, **changes}
    return claude.messages.create(**request)


def task(words: str) -> list[Any]:
    return [{"role": "user", "content": words}]


def test_create_answers_with_text_and_usage(claude: Anthropic) -> None:
    message = ask(claude)
    assert [(block.type, block.text) for block in message.content] == [("text", "hello there")]
    assert (message.stop_reason, message.stop_details) == ("end_turn", None)
    usage = message.usage
    assert (usage.input_tokens, usage.output_tokens) == (8, 3)
    assert usage.output_tokens_details.thinking_tokens == 0
    assert message._request_id.startswith("req_")


def test_a_tool_round_trip_ends_in_the_tool_s_result(claude: Anthropic) -> None:
    asked = task("What is 6*7?")
    first = ask(claude, messages=asked, tools=[CALCULATE])
    assert first.stop_reason == "tool_use"
    (call,) = [block for block in first.content if block.type == "tool_use"]
    assert (call.name, call.input, call.caller.type) == (
        "calculate",
        {"expression": "6*7"},
        "direct",
    )
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "42"}
    history = [*asked, first.to_param(), {"role": "user", "content": [result]}]
    final = ask(claude, messages=history, tools=[CALCULATE])
    assert final.stop_reason == "end_turn"
    assert "42" in final.content[0].text


def test_parallel_tools_come_in_one_turn_unless_disabled(claude: Anthropic) -> None:
    asked: dict[str, Any] = {
        "messages": task("What is 6*7? And the weather in Lisbon?"),
        "tools": [CALCULATE, WEATHER],
    }
    calls = [block.name for block in ask(claude, **asked).content if block.type == "tool_use"]
    assert sorted(calls) == ["calculate", "get_weather"]
    one = ask(claude, **asked, tool_choice={"type": "auto", "disable_parallel_tool_use": True})
    assert sum(block.type == "tool_use" for block in one.content) == 1


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "place_order"}])
def test_a_forced_tool_is_called_with_an_input_that_fits(
    claude: Anthropic, choice: dict[str, str]
) -> None:
    message = ask(
        claude, model=OLDER, messages=task("Two large ones"), tools=[ORDER], tool_choice=choice
    )
    (call,) = [block for block in message.content if block.type == "tool_use"]
    assert call.input == {"size": "large", "count": 2, "ship": {"on": "2026-11-20"}}


def test_a_tool_that_the_task_names_is_called_once(claude: Anthropic) -> None:
    asked = task("Use place_order for a small one")
    first = ask(claude, messages=asked, tools=[ORDER])
    (call,) = [block for block in first.content if block.type == "tool_use"]
    assert call.input["size"] == "small"
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "done"}
    history = [*asked, first.to_param(), {"role": "user", "content": [result]}]
    assert ask(claude, messages=history, tools=[ORDER]).stop_reason == "end_turn"


class Verdict(BaseModel):
    reason: str
    label: Literal["good", "bad"]
    score: int


def test_structured_output_fits_its_schema(claude: Anthropic) -> None:
    parsed = claude.messages.parse(
        model=MODEL, max_tokens=200, messages=task("Say: it is bad"), output_format=Verdict
    )
    assert parsed.parsed_output == Verdict(reason="it is bad", label="bad", score=1)


def kinds(claude: Anthropic, **changes: Any) -> list[str]:
    """The types of the events of one stream; a delta by its own type."""
    with ask(claude, stream=True, **changes) as stream:
        return [
            event.delta.type if event.type == "content_block_delta" else event.type
            for event in stream
        ]


def shortened(names: list[str]) -> list[str]:
    return [name for at, name in enumerate(names) if at == 0 or names[at - 1] != name]


def test_a_text_streams_by_the_grammar(claude: Anthropic) -> None:
    assert shortened(kinds(claude)) == [
        "message_start",
        "content_block_start",
        "text_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


def test_parallel_calls_stream_block_by_block(claude: Anthropic) -> None:
    asked = task("What is 6*7? And the weather in Lisbon?")
    names = kinds(claude, messages=asked, tools=[CALCULATE, WEATHER])
    block = ["content_block_start", "input_json_delta", "content_block_stop"]
    assert shortened(names)[-8:] == [*block, *block, "message_delta", "message_stop"]


@pytest.mark.parametrize("display", ["summarized", "omitted", None])
def test_thinking_streams_before_the_text_with_its_signature(
    claude: Anthropic, display: str | None
) -> None:
    thinking = {"type": "adaptive"} if display is None else {"type": "adaptive", "display": display}
    assert shortened(kinds(claude, thinking=thinking))[1:5] == [
        "content_block_start",
        "thinking_delta",
        "signature_delta",
        "content_block_stop",
    ]
    plain = ask(claude, thinking=thinking)
    thought, text = plain.content
    assert bool(thought.thinking) is (display == "summarized")  # this model omits by default
    assert thought.signature
    assert text.text == "hello there"
    details = plain.usage.output_tokens_details
    assert 0 < details.thinking_tokens < plain.usage.output_tokens
    history = [*HELLO, plain.to_param(), *HELLO]
    assert ask(claude, messages=history, thinking=thinking).stop_reason == "end_turn"


def test_the_stream_helper_adds_the_same_message_up(claude: Anthropic) -> None:
    request: dict[str, Any] = {
        "model": OLDER,
        "max_tokens": 2_000,
        "messages": task("What is 6*7?"),
        "tools": [CALCULATE],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    }
    with claude.messages.stream(**request) as stream:
        streamed = stream.get_final_message().to_dict()
    plain = claude.messages.create(**request).to_dict()
    assert _without_ids(streamed) == _without_ids(plain)


def _without_ids(message: Any) -> str:
    for item in (message, *message["content"]):
        item.pop("id", None)
        item.pop("parsed_output", None)
    return json.dumps(message, sort_keys=True)


def test_a_stop_sequence_and_max_tokens_end_the_turn(claude: Anthropic) -> None:
    stopped = ask(claude, stop_sequences=["there"])
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "there")
    assert stopped.content[0].text == "hello "
    cut = ask(claude, max_tokens=1)
    assert (cut.stop_reason, cut.content[0].text) == ("max_tokens", "hell")


MARK = {"cache_control": {"type": "ephemeral"}}


def cached(claude: Anthropic, system: str) -> tuple[int, int, int]:
    usage = ask(claude, system=[{"type": "text", "text": system, **MARK}]).usage
    assert usage.cache_creation.ephemeral_5m_input_tokens == usage.cache_creation_input_tokens
    return usage.input_tokens, usage.cache_creation_input_tokens, usage.cache_read_input_tokens


def test_a_cached_prompt_is_written_then_read(claude: Anthropic) -> None:
    system = uuid4().hex + "s" * 4_000
    written = cached(claude, system)
    assert written == (8, 1_008, 0)
    assert cached(claude, system) == (8, 0, 1_008)


def test_a_prompt_below_the_minimum_is_silently_not_cached(claude: Anthropic) -> None:
    system = uuid4().hex + "s" * 1_000
    assert cached(claude, system) == cached(claude, system) == (266, 0, 0)


def test_count_tokens_agrees_with_usage(claude: Anthropic) -> None:
    prompt: dict[str, Any] = {"model": MODEL, "messages": task("Weather?"), "tools": [WEATHER]}
    counted = claude.messages.count_tokens(**prompt)
    assert counted.input_tokens == ask(claude, **prompt).usage.input_tokens


def test_the_models_are_listed_page_by_page_and_described(claude: Anthropic) -> None:
    every = list(claude.models.list(limit=5))
    ids = [model.id for model in every]
    assert MODEL in ids
    assert len(ids) == len(set(ids)) > 10
    assert {model.lifecycle for model in every} == {"active", "deprecated"}
    opus = claude.models.retrieve(MODEL)
    assert (opus.display_name, opus.line, opus.max_tokens) == ("Claude Opus 5.5", "opus", 128_000)
    assert opus.capabilities is not None
    assert not opus.capabilities.thinking.types.disabled.supported


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"messages": []}, anthropic.BadRequestError, "at least one message"),
        ({"model": "claude-3-opus-20240229"}, anthropic.NotFoundError, "model: claude-3-opus"),
        ({"tool_choice": {"type": "any"}, "tools": [ORDER]}, anthropic.BadRequestError, '"any"'),
        (
            {"extra_headers": {"authorization": "Bearer sk-ant-invalid-1"}},
            anthropic.AuthenticationError,
            "invalid x-api-key",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:The model 'claude-3-opus:DeprecationWarning")
def test_a_refusal_raises_its_class_with_the_api_s_words(
    claude: Anthropic, change: dict[str, Any], error: type[anthropic.APIStatusError], words: str
) -> None:
    with pytest.raises(error) as failure:
        ask(claude, **change)
    assert words in str(failure.value.api_message)
    body = failure.value.body
    assert isinstance(body, dict)
    assert body["request_id"] == failure.value.request_id


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, anthropic.BadRequestError),
        (401, anthropic.AuthenticationError),
        (402, anthropic.PaymentRequiredError),
        (403, anthropic.PermissionDeniedError),
        (404, anthropic.NotFoundError),
        (408, anthropic.RequestTimeoutError),
        (409, anthropic.ConflictError),
        (412, anthropic.PreconditionFailedError),
        (413, anthropic.RequestTooLargeError),
        (422, anthropic.UnprocessableEntityError),
        (429, anthropic.RateLimitError),
        (431, anthropic.RequestHeaderFieldsTooLargeError),
        (499, anthropic.ClientClosedRequestError),
        (500, anthropic.InternalServerError),
        (501, anthropic.HTTPNotImplementedError),
        (503, anthropic.ServiceUnavailableError),
        (504, anthropic.DeadlineExceededError),
        (529, anthropic.OverloadedError),
    ],
)
def test_every_error_status_raises_its_class(
    claude: Anthropic, status: int, error: type[anthropic.APIStatusError]
) -> None:
    with pytest.raises(error) as failure:
        ask(claude, extra_headers={"x-mock-fault": str(status)})
    assert (type(failure.value), failure.value.status_code) == (error, status)


def test_an_overload_in_mid_stream_is_neither_classified_nor_retried(
    sim: Simulator, claude: Anthropic
) -> None:
    before = len(sim.log)
    patient = claude.with_options(max_retries=2)
    with pytest.raises(anthropic.APIStatusError) as failure:
        kinds(patient, extra_headers={"x-mock-fault": "stream-error"})
    assert type(failure.value) is anthropic.APIStatusError
    assert (failure.value.status_code, failure.value.type) == (200, "overloaded_error")
    assert len(sim.log) == before + 1


@pytest.mark.parametrize(("allowed", "seen"), [(0, [0]), (2, [0, 1, 2])])
def test_the_server_sees_as_many_attempts_as_the_sdk_makes(
    sim: Simulator, claude: Anthropic, allowed: int, seen: list[int]
) -> None:
    before = len(sim.log)
    with pytest.raises(anthropic.OverloadedError):
        ask(
            claude.with_options(max_retries=allowed),
            extra_headers={"x-mock-fault": "529", **RETRY_SOON},
        )
    assert [each.sdk_retry for each in sim.log[before:]] == seen


def test_a_refusal_that_asks_for_no_retry_gets_none(sim: Simulator, claude: Anthropic) -> None:
    before = len(sim.log)
    with pytest.raises(anthropic.BadRequestError):
        ask(claude.with_options(max_retries=2), messages=[])
    assert len(sim.log) == before + 1


def test_a_client_that_leaves_in_mid_stream_is_no_event_for_the_log_of_errors(
    sim: Simulator, claude: Anthropic, caplog: pytest.LogCaptureFixture
) -> None:
    long = task("Say: " + "word " * 2_000)
    for _ in range(5):
        ask(claude, messages=long, max_tokens=10_000, stream=True).close()
    while sim.in_flight:
        time.sleep(0.01)
    assert caplog.records == []
