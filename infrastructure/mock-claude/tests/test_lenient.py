"""The lenient profile, and that no request of whatever kind breaks the server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from anthropic.types import Message, ModelInfo
from anthropic.types.messages import MessageBatch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mock_claude import Simulator
from mock_claude.background import in_background


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with (
        in_background(Simulator()) as sim,
        httpx.Client(base_url=sim.url, timeout=10) as client,
    ):
        yield client


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"model": "model_id"},
        {"model": "claude-2.1", "max_tokens": "many", "messages": [7]},
        {"messages": [{"role": "user", "content": "Hi"}], "betas": 1, "mcp_servers": [None]},
        {"tools": [{"name": "n", "input_schema": {"properties": {"a": "bar"}}}], "system": [1]},
        {"output_config": {"format": {"schema": {"foo": "bar"}}}},
    ],
)
def test_placeholders_and_missing_pieces_get_an_answer_in_shape(
    http: httpx.Client, body: dict[str, Any]
) -> None:
    answer = http.post("/lenient/v1/messages", json=body)
    assert answer.status_code == 200
    message = Message.model_validate(answer.json())
    assert message.model == body.get("model", "claude-opus-5-5")
    assert message.content
    counted = http.post("/lenient/v1/messages/count_tokens", json=body)
    assert counted.json()["input_tokens"] > 0


def test_any_model_id_is_described_and_any_cursor_passes(http: httpx.Client) -> None:
    told = ModelInfo.model_validate(http.get("/lenient/v1/models/model_id").json())
    assert (told.id, told.lifecycle) == ("model_id", "active")
    listed = http.get("/lenient/v1/models?after_id=after_id&before_id=before_id&limit=1").json()
    assert len(listed["data"]) == 1


def test_every_id_is_a_batch(http: httpx.Client) -> None:
    path = "/lenient/v1/messages/batches"
    made = http.post(path, json={"requests": [{"custom_id": "x y"}, 7]}).json()
    assert MessageBatch.model_validate(made).request_counts.processing == 2
    one = MessageBatch.model_validate(http.get(path + "/any").json())
    assert (one.id, one.processing_status) == ("any", "ended")
    assert one.results_url is not None
    assert http.get(one.results_url).json()["result"] == {"type": "canceled"}
    assert http.post(path + "/any/cancel").json()["processing_status"] == "canceling"
    assert http.get(path + "?after_id=a&before_id=b").json()["data"]
    assert http.delete(path + "/any").json()["type"] == "message_batch_deleted"
    for content in (b"{", b"[]"):
        assert http.post(path, content=content).status_code == 400


def test_a_body_that_is_no_object_is_refused_even_here(http: httpx.Client) -> None:
    for content in (b"{", b"[]"):
        assert http.post("/lenient/v1/messages", content=content).status_code == 400


STRICT = {"x-api-key": "test", "anthropic-version": "2023-06-01"}
NAMES = st.sampled_from(
    [
        *("model", "max_tokens", "messages", "system", "tools", "tool_choice", "thinking"),
        *("output_config", "stream", "metadata", "stop_sequences", "cache_control", "container"),
        *("role", "content", "type", "text", "name", "input_schema", "id", "input", "format"),
        *("tool_use_id", "source", "data", "media_type", "schema"),
    ]
)
WORDS = st.sampled_from(
    [
        *("user", "assistant", "text", "tool_use", "tool_result", "image", "document", "any"),
        *("adaptive", "enabled", "tool", "ephemeral", "object", "claude-opus-5-5"),
    ]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS
    | st.text(max_size=5)
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
PATHS = ("/v1/messages", "/v1/messages/count_tokens")


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["", "/lenient"]), st.sampled_from(PATHS), JSON)
@example("", PATHS[0], {"model": "claude-opus-5-5", "messages": [{"role": "user", "content": []}]})
@example("/lenient", PATHS[0], {"max_tokens": 10**400, "messages": [{}]})
@example("/lenient", PATHS[1], {"tools": [3], "messages": [{"content": [None]}]})
def test_no_json_breaks_the_server(http: httpx.Client, prefix: str, path: str, body: Any) -> None:
    answer = http.post(prefix + path, content=json.dumps(body).encode(), headers=STRICT)
    assert answer.status_code in {200, 400, 404}, answer.text
    if answer.status_code >= 400:
        assert answer.json()["request_id"] == answer.headers["request-id"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "QUERY"]),
    st.text("abv1/?&%=._-é", max_size=12),
    st.binary(max_size=20),
)
@example("GET", "v1/models/%ff", b"")
@example("GET", "v1/models?limit=9999999999999", b"")
@example("POST", "v1/messages/batches", b"{}")
def test_no_path_or_method_breaks_the_server(
    http: httpx.Client, method: str, path: str, body: bytes
) -> None:
    answer = http.request(method, "/" + path.lstrip("/"), content=body, headers=STRICT)
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.json()["error"]["type"] in {"invalid_request_error", "not_found_error"}
