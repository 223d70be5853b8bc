"""The API as the real SDK and a bare HTTP client see it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from decimal import Decimal
from typing import Any

import anthropic
import httpx
import pytest
from anthropic import AsyncAnthropic, DefaultAsyncHttpxClient
from anthropic.types import Message, ToolParam
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mock_claude import Simulator
from mock_claude.model.reply import Reply, ToolCall

MODEL = "claude-opus-5-5"
ASK: list[Any] = [{"role": "user", "content": "Weather in Lisbon?"}]
WEATHER: ToolParam = {"name": "get_weather", "input_schema": {"type": "object"}}
HEADERS = {"x-api-key": "test", "anthropic-version": "2026-10-21"}
BODY = {"model": MODEL, "max_tokens": 100, "messages": ASK}


def weather_model(request: Mapping[str, object]) -> Reply:
    """Asks for two forecasts, then tells what came back; no planner, so that tests know it."""
    messages = request["messages"]
    assert isinstance(messages, list)
    last = messages[-1]["content"]
    if isinstance(last, str):
        cities = ("Lisboa", "Évora")
        calls = tuple(ToolCall("get_weather", {"city": city, "days": [1]}) for city in cities)
        return Reply("Let me look that up: já.", calls)
    return Reply(" and ".join(block["content"] for block in last))


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(model=weather_model) as simulator:
        yield simulator


@pytest.fixture
async def claude(sim: Simulator) -> AsyncIterator[AsyncAnthropic]:
    # Reading the machine's certificates takes longer than a test, and loopback needs none.
    http = DefaultAsyncHttpxClient(verify=False)
    async with AsyncAnthropic(
        base_url=sim.url, api_key="test", max_retries=0, http_client=http
    ) as client:
        yield client


async def ask(claude: AsyncAnthropic, **changes: Any) -> Message:
    request: dict[str, Any] = {**BODY, **changes}
    message = await claude.messages.create(**request)
    assert isinstance(message, Message)
    return message


async def test_the_sdk_reads_a_plain_answer(claude: AsyncAnthropic) -> None:
    message = await ask(claude)
    assert [block.type for block in message.content] == ["text", "tool_use", "tool_use"]
    assert (message.role, message.model, message.stop_reason) == ("assistant", MODEL, "tool_use")
    assert message.usage.input_tokens > 0
    assert message.usage.service_tier == "standard"
    assert message.usage.cache_creation is not None
    assert message._request_id is not None
    assert message._request_id.startswith("req_")


async def test_a_tool_round_trip_ends_in_an_answer(claude: AsyncAnthropic) -> None:
    message = await ask(claude, tools=[WEATHER])
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": str(block.input["city"])}
        for block in message.content
        if block.type == "tool_use"
    ]
    history = [
        *ASK,
        {"role": "assistant", "content": message.content},
        {"role": "user", "content": results},
    ]
    final = await ask(claude, messages=history, tools=[WEATHER])
    assert [block.to_dict() for block in final.content] == [
        {"type": "text", "text": "Lisboa and Évora"}
    ]
    assert final.stop_reason == "end_turn"


def _without_ids(message: Message) -> dict[str, object]:
    bare = message.to_dict()
    content = bare["content"]
    assert isinstance(content, list)
    for item in (bare, *content):
        assert item.pop("id", "msg_").startswith(("msg_", "toolu_"))
    return bare


async def test_a_stream_gives_the_sdk_the_same_message(claude: AsyncAnthropic) -> None:
    plain = _without_ids(await ask(claude))
    async with claude.messages.stream(model=MODEL, max_tokens=100, messages=ASK) as stream:
        streamed = await stream.get_final_message()
    assert _without_ids(streamed) == plain


async def test_a_streamed_message_can_be_sent_back_as_history(claude: AsyncAnthropic) -> None:
    async with claude.messages.stream(model=MODEL, max_tokens=100, messages=ASK) as stream:
        message = await stream.get_final_message()
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": "ok"}
        for block in message.content
        if block.type == "tool_use"
    ]
    history = [
        *ASK,
        {"role": "assistant", "content": message.content},
        {"role": "user", "content": results},
    ]
    assert (await ask(claude, messages=history)).stop_reason == "end_turn"


async def test_raw_events_arrive_in_the_order_of_the_grammar(claude: AsyncAnthropic) -> None:
    stream = await claude.messages.create(model=MODEL, max_tokens=100, messages=ASK, stream=True)
    kinds = [event.type async for event in stream]
    assert kinds[:3] == ["message_start", "content_block_start", "content_block_delta"]
    assert kinds[-2:] == ["message_delta", "message_stop"]
    assert kinds.count("content_block_start") == kinds.count("content_block_stop") == 3


async def test_max_tokens_and_stop_sequences_end_the_answer(claude: AsyncAnthropic) -> None:
    cut = await ask(claude, max_tokens=2)
    assert (cut.stop_reason, cut.usage.output_tokens) == ("max_tokens", 2)
    stopped = await ask(claude, stop_sequences=["look", "up"])
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "look")
    assert (await ask(claude, max_tokens=0)).content == []


@pytest.mark.parametrize(
    ("status", "error", "error_type"),
    [
        (400, anthropic.BadRequestError, "invalid_request_error"),
        (401, anthropic.AuthenticationError, "authentication_error"),
        (402, anthropic.PaymentRequiredError, "billing_error"),
        (403, anthropic.PermissionDeniedError, "permission_error"),
        (404, anthropic.NotFoundError, "not_found_error"),
        (408, anthropic.RequestTimeoutError, "timeout_error"),
        (409, anthropic.ConflictError, "conflict_error"),
        (413, anthropic.RequestTooLargeError, "request_too_large"),
        (422, anthropic.UnprocessableEntityError, "invalid_request_error"),
        (429, anthropic.RateLimitError, "rate_limit_error"),
        (500, anthropic.InternalServerError, "api_error"),
        (503, anthropic.ServiceUnavailableError, "api_error"),
        (504, anthropic.DeadlineExceededError, "timeout_error"),
        (529, anthropic.OverloadedError, "overloaded_error"),
    ],
)
async def test_each_error_status_becomes_its_sdk_class(
    claude: AsyncAnthropic, status: int, error: type[anthropic.APIStatusError], error_type: str
) -> None:
    with pytest.raises(error) as failure:
        await ask(claude, extra_headers={"x-mock-fault": str(status)})
    assert type(failure.value) is error
    assert (failure.value.status_code, failure.value.type) == (status, error_type)
    body = failure.value.body
    assert isinstance(body, dict)
    assert failure.value.request_id == body["request_id"]
    assert failure.value.workspace_id == failure.value.response.headers["anthropic-workspace-id"]
    assert "anthropic-organization-id" in failure.value.response.headers


async def test_the_simulator_sees_the_sdk_s_own_retries(sim: Simulator) -> None:
    fault = {"x-mock-fault": "529", "x-mock-retry-after": "0.01"}
    async with AsyncAnthropic(base_url=sim.url, api_key="test") as claude:
        with pytest.raises(anthropic.OverloadedError):
            await ask(claude, extra_headers=fault)
    seen = sim.model_requests()
    assert [each.sdk_retry for each in seen] == [0, 1, 2]
    assert [each.attempt for each in seen] == [1, 2, 3]
    assert {(each.status, each.fault, each.cost_usd) for each in seen} == {
        (529, "header", Decimal(0))
    }


async def test_a_retry_gets_through_once_the_attempts_are_used_up(sim: Simulator) -> None:
    fault = {"x-mock-fault": "529", "x-mock-retry-after": "0.01", "x-mock-attempts": "2"}
    async with AsyncAnthropic(base_url=sim.url, api_key="test") as claude:
        await ask(claude, extra_headers=fault)
    assert [each.status for each in sim.log] == [529, 529, 200]
    assert sim.fired == {"header": 2}


async def test_the_log_bills_an_answer_and_nothing_else(
    sim: Simulator, claude: AsyncAnthropic
) -> None:
    message = await ask(claude)
    with pytest.raises(anthropic.BadRequestError):
        await ask(claude, messages=[])
    answered, refused = sim.log
    usage = message.usage
    assert (answered.input_tokens, answered.output_tokens) == (
        usage.input_tokens,
        usage.output_tokens,
    )
    assert answered.cost_usd == Decimal(4 * usage.input_tokens + 20 * usage.output_tokens) / 10**6
    assert (answered.model, answered.stream, answered.status) == (MODEL, False, 200)
    assert answered.request_id == message._request_id
    assert (refused.status, refused.cost_usd, refused.input_tokens) == (400, Decimal(0), 0)


@pytest.fixture
async def http(sim: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=sim.url) as client:
        yield client


def _error(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, type and message of an error in the API's own form."""
    body = answer.json()
    assert set(body) == {"type", "error", "request_id"}
    assert (body["type"], body["request_id"]) == ("error", answer.headers["request-id"])
    return answer.status_code, body["error"]["type"], body["error"]["message"]


@pytest.mark.parametrize("model", ["claude-mythos-preview", "claude-9", ""])
async def test_an_unknown_or_retired_model_is_not_found(
    http: httpx.AsyncClient, model: str
) -> None:
    answer = await http.post("/v1/messages", json={**BODY, "model": model}, headers=HEADERS)
    assert _error(answer) == (404, "not_found_error", f"model: {model}")


@pytest.mark.parametrize(
    ("headers", "accepted"),
    [
        ({"authorization": "Bearer sk-ant-1"}, True),
        ({"x-api-key": "anything"}, True),
        ({"authorization": "Basic abc", "x-api-key": "k"}, True),
        ({}, False),
        ({"authorization": "Bearer"}, False),
        ({"authorization": "Basic abc"}, False),
        ({"x-api-key": ""}, False),
    ],
)
async def test_either_key_header_will_do_and_one_is_required(
    http: httpx.AsyncClient, headers: dict[str, str], accepted: bool
) -> None:
    version = {"anthropic-version": "2026-10-21"}
    answer = await http.post("/v1/messages", json=BODY, headers={**version, **headers})
    if accepted:
        assert answer.status_code == 200
    else:
        assert _error(answer) == (401, "authentication_error", "x-api-key header is required")


async def test_an_invalid_key_is_refused(http: httpx.AsyncClient) -> None:
    headers = {**HEADERS, "x-api-key": "sk-ant-invalid-1"}
    answer = await http.post("/v1/messages", json=BODY, headers=headers)
    assert _error(answer) == (401, "authentication_error", "invalid x-api-key")


async def test_the_api_version_is_required_and_known(http: httpx.AsyncClient) -> None:
    missing = await http.post("/v1/messages", json=BODY, headers={"x-api-key": "k"})
    assert _error(missing)[::2] == (400, "anthropic-version: header is required")
    headers = {**HEADERS, "anthropic-version": "2024-01-01"}
    unknown = await http.post("/v1/messages", json=BODY, headers=headers)
    assert _error(unknown)[::2] == (400, 'anthropic-version: "2024-01-01" is not a valid version')


async def test_sampling_parameters_depend_on_the_version(http: httpx.AsyncClient) -> None:
    body = {**BODY, "model": "claude-sonnet-4-6", "temperature": 0.5}
    old = {**HEADERS, "anthropic-version": "2023-06-01"}
    assert (await http.post("/v1/messages", json=body, headers=old)).status_code == 200
    answer = await http.post("/v1/messages", json=body, headers=HEADERS)
    assert _error(answer)[::2] == (400, "temperature: Extra inputs are not permitted")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b'{"a":"\xc3"}', b'"\\ud800"', b"NaN", b"[" * 10_000]
)
async def test_a_body_that_is_not_json_is_refused(http: httpx.AsyncClient, body: bytes) -> None:
    answer = await http.post("/v1/messages", content=body, headers=HEADERS)
    status, kind, message = _error(answer)
    assert (status, kind) == (400, "invalid_request_error")
    assert message.startswith("The request body is not valid JSON: ")


async def test_a_body_over_32_mb_is_too_large(http: httpx.AsyncClient, sim: Simulator) -> None:
    body = b" " * (32 * 1024 * 1024 + 1)
    answer = await http.post("/v1/messages", content=body, headers=HEADERS)
    assert _error(answer)[:2] == (413, "request_too_large")
    assert (sim.in_flight, sim.log[-1].status) == (0, 413)


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/", 404, "not_found_error"),
        ("POST", "/v1/complete", 404, "not_found_error"),
        ("POST", "/v1/messages/", 404, "not_found_error"),
        ("GET", "/_mock/nothing", 404, "not_found_error"),
        ("GET", "/v1/messages", 405, "invalid_request_error"),
        ("DELETE", "/v1/messages", 405, "invalid_request_error"),
        ("POST", "/v1/forecast", 405, "invalid_request_error"),
    ],
)
async def test_unknown_paths_and_methods_are_refused_in_the_api_s_form(
    http: httpx.AsyncClient, method: str, path: str, status: int, kind: str
) -> None:
    assert _error(await http.request(method, path))[:2] == (status, kind)


async def test_a_wrong_fault_header_is_refused_before_anything_else(
    http: httpx.AsyncClient,
) -> None:
    answer = await http.post("/v1/messages", headers={"x-mock-fault": "never"})
    assert _error(answer)[0] == 400
    assert "x-mock-fault: 'never' is not allowed; allowed: a status" in _error(answer)[2]


async def test_the_services_answer_and_fail_in_their_own_form(http: httpx.AsyncClient) -> None:
    assert (await http.get("/v1/search", params={"name": "Lisbon"})).status_code == 200
    fault = {"x-mock-fault": "503"}
    wiki = await http.get("/w/api.php", params={"action": "query"}, headers=fault)
    assert (wiki.status_code, wiki.json()["error"]["code"]) == (503, "unavailable")
    weather = await http.get("/v1/forecast", headers=fault)
    assert (weather.status_code, weather.json()["error"]) == (503, True)


async def test_a_service_request_is_keyed_by_its_query(
    http: httpx.AsyncClient, sim: Simulator
) -> None:
    for query in ("a=1&b=2", "b=2&a=1", "a=2"):
        await http.get(f"/w/api.php?{query}")
    first, again, other = sim.log
    assert (first.key, first.attempt, again.attempt) == (again.key, 1, 2)
    assert (other.key != first.key, other.attempt, other.model) == (True, 1, None)


async def test_control_paths_show_the_log_and_are_not_in_it(http: httpx.AsyncClient) -> None:
    assert (await http.get("/_mock/health")).json() == {"status": "ok"}
    await http.post("/v1/messages", json=BODY, headers={**HEADERS, "x-mock-fault": "529"})
    shown = (await http.get("/_mock/log", headers={"x-mock-fault": "500"})).json()
    assert [(each["path"], each["status"]) for each in shown["exchanges"]] == [
        ("/v1/messages", 529)
    ]
    assert (shown["fired"], shown["dropped"], shown["in_flight"]) == ({"header": 1}, 0, 0)


async def test_two_runs_of_one_seed_differ_only_in_ids(claude: AsyncAnthropic) -> None:
    first = _without_ids(await ask(claude))
    async with (
        Simulator(model=weather_model) as again,
        AsyncAnthropic(base_url=again.url, api_key="test") as other,
    ):
        assert _without_ids(await ask(other)) == first


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
BLOCKS = st.one_of(
    st.builds(dict, type=st.just("text"), text=st.text(max_size=8)),
    st.builds(
        dict,
        type=st.just("tool_use"),
        id=st.sampled_from("ab"),
        name=st.just("w"),
        input=st.dictionaries(st.text(max_size=3), JUNK, max_size=2),
    ),
    st.builds(
        dict,
        type=st.just("tool_result"),
        tool_use_id=st.sampled_from("ab"),
        content=st.text(max_size=8) | JUNK,
    ),
    JUNK,
)
MESSAGES = st.lists(
    st.builds(
        dict,
        role=st.sampled_from(["user", "assistant", "system"]),
        content=st.text(max_size=8) | st.lists(BLOCKS, max_size=3) | JUNK,
    )
    | JUNK,
    max_size=4,
)
FIELDS = ("system", "tools", "tool_choice", "thinking", "stream", "stop_sequences", "x")
BODIES = st.one_of(
    JUNK,
    st.builds(
        lambda messages, max_tokens, extra: {
            "model": MODEL,
            "max_tokens": max_tokens,
            "messages": messages,
            **extra,
        },
        MESSAGES,
        st.integers(-1, 30) | JUNK,
        st.dictionaries(st.sampled_from(FIELDS), JUNK, max_size=2),
    ),
).map(lambda body: json.dumps(body).encode())


@pytest.fixture
def plain_http() -> Iterator[httpx.Client]:
    with httpx.Client(headers=HEADERS, timeout=10) as client:
        yield client


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODIES | st.binary(max_size=40))
def test_no_body_causes_a_500_or_a_hang(
    simulator: Simulator, plain_http: httpx.Client, body: bytes
) -> None:
    answer = plain_http.post(f"{simulator.url}/v1/messages", content=body)
    assert answer.status_code in {200, 400, 404}, answer.text
    if answer.status_code == 400:
        assert _error(answer)[1] == "invalid_request_error"
    assert simulator.in_flight == 0
