"""GET /v1/models: lifecycle, paging and what it refuses; count_tokens over plain HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from anthropic.types import ModelInfo
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from mock_claude import Simulator
from mock_claude.api import catalog, models_api
from mock_claude.api.traits import THINKING
from mock_claude.background import in_background

HEADERS = {"x-api-key": "test", "anthropic-version": "2026-10-21"}
PROMPT: dict[str, Any] = {
    "model": "claude-opus-5-5",
    "messages": [{"role": "user", "content": "Weather in Lisbon?"}],
}


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    with in_background(Simulator()) as running:
        yield running


@pytest.fixture(scope="module")
def http(sim: Simulator) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sim.url, headers=HEADERS) as client:
        yield client


def page(**query: Any) -> dict[str, Any]:
    pairs = [(name, str(each)) for name, value in query.items() for each in _listed(value)]
    return models_api.page(QueryParams(pairs))


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def ids(answer: dict[str, Any]) -> list[str]:
    return [model["id"] for model in answer["data"]]


EVERY = ids(page(limit=1000))


def test_retired_models_are_listed_only_on_request() -> None:
    assert [each for each in EVERY if catalog.lookup(each) is None] == []
    retired = page(**{"lifecycle[]": ["retired"]}, limit=1000)["data"]
    assert "claude-mythos-preview" in [model["id"] for model in retired]
    assert {model["lifecycle"] for model in retired} == {"retired"}
    deprecated = page(lifecycle="deprecated")
    assert ids(deprecated) == ["claude-sonnet-4-5", "claude-sonnet-4-5-20250929"]
    assert deprecated["data"][0]["retires_at"] == "2026-11-30T00:00:00Z"


@given(st.integers(1, 30))
def test_pages_in_either_direction_add_up_to_the_list(limit: int) -> None:
    cursor: dict[str, str] = {}
    forward, more = list[str](), True
    while more:
        answer = page(limit=limit, **cursor)
        assert (answer["first_id"], answer["last_id"]) == (ids(answer)[0], ids(answer)[-1])
        forward += ids(answer)
        cursor, more = {"after_id": answer["last_id"]}, answer["has_more"]
    assert forward == EVERY
    backward, cursor, more = EVERY[-1:], {"before_id": EVERY[-1]}, True
    while more:
        answer = page(limit=limit, **cursor)
        backward = ids(answer) + backward
        cursor, more = {"before_id": answer["first_id"]}, answer["has_more"]
    assert backward == EVERY


def test_a_page_after_the_last_model_is_empty() -> None:
    assert page(after_id=EVERY[-1]) == {
        "data": [],
        "has_more": False,
        "first_id": None,
        "last_id": None,
    }


@pytest.mark.parametrize("model_id", [*catalog.PRICES, *catalog.RETIRES_ON])
def test_every_model_is_described_in_the_sdk_s_shape(model_id: str) -> None:
    told = ModelInfo.model_validate(models_api.info(model_id))
    assert told.line is not None or model_id.startswith("claude-2")
    offered = catalog.lookup(model_id)
    if offered is None:
        assert (told.lifecycle, told.capabilities) == ("retired", None)
        return
    assert told.lifecycle == offered.lifecycle
    assert told.max_input_tokens == offered.traits.max_input_tokens
    assert told.capabilities is not None
    types = told.capabilities.thinking.types
    assert {each for each in THINKING if getattr(types, each).supported} == offered.traits.thinking


@pytest.mark.parametrize(
    ("model_id", "name"),
    [
        ("claude-opus-5-5", "Claude Opus 5.5"),
        ("claude-sonnet-4-5-20250929", "Claude Sonnet 4.5"),
        ("claude-mythos-preview", "Claude Mythos Preview"),
        ("claude-2.1", "Claude 2.1"),
    ],
)
def test_a_model_has_a_name_for_people(model_id: str, name: str) -> None:
    assert models_api.info(model_id)["display_name"] == name


def error(answer: httpx.Response) -> tuple[int, str, str]:
    body = answer.json()
    assert body["request_id"] == answer.headers["request-id"]
    return answer.status_code, body["error"]["type"], body["error"]["message"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("limit=0", "limit: Input should be greater than or equal to 1"),
        ("limit=1001", "limit: Input should be less than or equal to 1000"),
        ("limit=many", "limit: Input should be a valid integer"),
        ("lifecycle=old", "lifecycle: Input should be 'active', 'deprecated' or 'retired'"),
        ("after_id=x", "after_id: no such model in this list: x"),
        (
            "after_id=claude-opus-5&before_id=claude-opus-5",
            "after_id and before_id cannot be used together",
        ),
    ],
)
def test_a_wrong_parameter_of_the_list_is_refused(
    http: httpx.Client, query: str, said: str
) -> None:
    assert error(http.get(f"/v1/models?{query}")) == (400, "invalid_request_error", said)


def test_an_unknown_model_is_not_found_and_a_key_is_needed(http: httpx.Client) -> None:
    unknown = http.get("/v1/models/claude-9")
    assert error(unknown) == (404, "not_found_error", "model: claude-9")
    assert error(http.get("/v1/models", headers={"x-api-key": ""}))[0] == 401
    assert error(http.get("/v1/models/x", headers={"anthropic-version": "1"}))[0] == 400
    assert http.get("/v1/models/claude-mythos-preview").json()["lifecycle"] == "retired"
    assert error(http.post("/v1/models"))[0] == 405


def count(http: httpx.Client, **change: Any) -> httpx.Response:
    return http.post("/v1/messages/count_tokens", json={**PROMPT, **change})


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"max_tokens": 10}, 400, "max_tokens: Extra inputs are not permitted"),
        ({"stream": True}, 400, "stream: Extra inputs are not permitted"),
        ({"messages": []}, 400, "messages: at least one message is required"),
        ({"model": "claude-2.1"}, 404, "model: claude-2.1"),
        (
            {
                "tools": [{"name": "w", "input_schema": {"type": "object"}}],
                "tool_choice": {"type": "any"},
            },
            400,
            'tool_choice: type "tool" and "any" are not supported for this model.',
        ),
    ],
)
def test_count_tokens_refuses_what_a_message_would_be_refused_for(
    http: httpx.Client, change: dict[str, Any], status: int, said: str
) -> None:
    assert error(count(http, **change))[::2] == (status, said)


def test_count_tokens_counts_and_costs_nothing(sim: Simulator, http: httpx.Client) -> None:
    answer = count(http, output_config={"effort": "low"}, thinking={"type": "adaptive"})
    assert answer.json() == {"input_tokens": 9}
    assert answer.headers["request-id"].startswith("req_")
    assert (sim.log[-1].status, sim.log[-1].cost_usd) == (200, Decimal(0))


def test_a_prompt_beyond_the_context_window_is_too_long(http: httpx.Client) -> None:
    words = [{"role": "user", "content": "x" * 4 * 200_000}]
    body = {"model": "claude-haiku-4-5", "max_tokens": 10, "messages": words}
    assert error(http.post("/v1/messages", json=body)) == (
        400,
        "invalid_request_error",
        "prompt is too long: 200004 tokens > 200000 maximum",
    )
    words[0]["content"] = "x" * 4 * 199_996
    assert http.post("/v1/messages", json=body).status_code == 200
