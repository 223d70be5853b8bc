"""The shapes of the Messages API."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mock_claude.accounts.accounts import Usage
from mock_claude.api import wire
from mock_claude.api.turn import Turn
from mock_claude.errors import ApiError
from mock_claude.model.reply import ToolCall

REQUEST: dict[str, object] = {"model": "claude-opus-5-5"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
CALLS = st.builds(ToolCall, st.just("tool"), st.dictionaries(st.text(max_size=5), JSON))
TURNS = st.builds(
    Turn,
    st.text(max_size=100),
    st.lists(CALLS, max_size=3).map(tuple),
    st.sampled_from(["end_turn", "tool_use", "max_tokens"]),
    st.none(),
    st.integers(0, 500),
    st.lists(st.text(max_size=30), max_size=2).map(tuple),
    st.none() | st.text(max_size=60),
    st.booleans(),
)


def _events(message: dict[str, object]) -> list[dict[str, Any]]:
    parsed = []
    for event in wire.events(message):
        name, data, *rest = event.decode().split("\n")
        assert rest == ["", ""]
        body = json.loads(data.removeprefix("data: "))
        assert name == f"event: {body['type']}"
        parsed.append(body)
    return parsed


@given(TURNS)
def test_a_stream_follows_the_grammar_and_adds_up_to_the_message(turn: Turn) -> None:
    message = wire.message(turn, Usage(7, turn.output_tokens), REQUEST)
    start, *middle, delta, stop = [e for e in _events(message) if e["type"] != "ping"]
    assert (start["type"], delta["type"], stop) == (
        "message_start",
        "message_delta",
        {"type": "message_stop"},
    )
    content: list[dict[str, Any]] = []
    open_block: int | None = None
    written = ""
    for event in middle:
        if event["type"] == "content_block_start":
            assert open_block is None
            open_block = event["index"]
            assert open_block == len(content)
            content.append(event["content_block"])
            written = ""
        elif event["type"] == "content_block_delta":
            assert event["index"] == open_block
            piece = event["delta"]
            if piece["type"] in ("text_delta", "thinking_delta"):
                kind = piece["type"].removesuffix("_delta")
                assert "signature" not in content[-1] or not content[-1]["signature"]
                content[-1][kind] += piece[kind]
            elif piece["type"] == "signature_delta":
                content[-1]["signature"] = piece["signature"]
            else:
                written += piece["partial_json"]
        else:
            assert event == {"type": "content_block_stop", "index": open_block}
            open_block = None
            if content[-1]["type"] == "tool_use":
                assert content[-1]["input"] == {}
                content[-1]["input"] = json.loads(written)
    assert start["message"]["content"] == []
    assert start["message"]["stop_reason"] is None
    usage = {**start["message"]["usage"], **delta["usage"]}
    assert {**start["message"], "content": content, "usage": usage, **delta["delta"]} == message


def test_a_tool_call_streams_in_pieces_of_which_the_first_is_empty() -> None:
    turn = Turn("", (ToolCall("w", {"city": "Lisbon" * 10}),), "tool_use", None, 9)
    deltas = [
        event["delta"]["partial_json"]
        for event in _events(wire.message(turn, Usage(1, 9), REQUEST))
        if event["type"] == "content_block_delta"
    ]
    assert deltas[0] == ""
    assert len(deltas) > 3
    assert json.loads("".join(deltas)) == {"city": "Lisbon" * 10}


def test_no_piece_of_an_input_spans_two_keys() -> None:
    turn = Turn("", (ToolCall("w", {"a": 1, "b": [2], "c": "x" * 30}),), "tool_use", None, 9)
    pieces = [
        event["delta"]["partial_json"]
        for event in _events(wire.message(turn, Usage(1, 9), REQUEST))
        if event["type"] == "content_block_delta"
    ]
    assert pieces[:3] == ["", '{"a": 1', ', "b": [2]']
    assert json.loads("".join(pieces)) == {"a": 1, "b": [2], "c": "x" * 30}


def test_omitted_thinking_streams_as_one_empty_delta_and_the_signature() -> None:
    shown = Turn("hi", (), "end_turn", None, 9, thinking="so", thinking_shown=True)
    hidden = replace(shown, thinking_shown=False)
    told = list[Any]()
    for turn in (shown, hidden):
        message = wire.message(turn, Usage(1, 9), REQUEST)
        deltas = [e["delta"] for e in _events(message) if e["type"] == "content_block_delta"]
        assert [delta["type"] for delta in deltas] == [
            "thinking_delta",
            "signature_delta",
            "text_delta",
        ]
        told.append(deltas)
    assert [deltas[0]["thinking"] for deltas in told] == ["so", ""]
    assert told[0][1] == told[1][1]


def test_one_ping_follows_the_first_block_s_start() -> None:
    turn = Turn("a", (ToolCall("w", {}),), "tool_use", None, 9)
    kinds = [event["type"] for event in _events(wire.message(turn, Usage(1, 9), REQUEST))]
    assert kinds[:3] == ["message_start", "content_block_start", "ping"]
    assert kinds.count("ping") == 1


def test_a_refusal_carries_its_details() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": None}
    turn = Turn("", (), "refusal", None, 1, stop_details=details)
    message = wire.message(turn, Usage(1, 1), REQUEST)
    assert (message["stop_reason"], message["stop_details"]) == ("refusal", details)
    assert _events(message)[-2]["delta"]["stop_details"] == details


def test_usage_starts_with_one_output_token_and_ends_cumulative() -> None:
    turn = Turn("hello", (), "end_turn", None, 40)
    start, *_, delta, _stop = _events(wire.message(turn, Usage(7, 40), REQUEST))
    assert start["message"]["usage"]["output_tokens"] == 1
    assert delta["usage"]["output_tokens"] == 40
    assert "cache_creation" not in delta["usage"]
    assert "service_tier" not in delta["usage"]


def test_messages_differ_only_in_ids() -> None:
    turn = Turn("hi", (ToolCall("w", {"a": 1}),), "tool_use", None, 5)
    one, two = (json.dumps(wire.message(turn, Usage(1, 5), REQUEST)) for _ in range(2))
    assert one != two

    def blank(text: str) -> str:
        message = json.loads(text)
        message["id"] = message["content"][1]["id"] = "-"
        return json.dumps(message)

    assert blank(one) == blank(two)


def test_ids_have_the_api_s_prefix_and_do_not_repeat() -> None:
    ids = {wire.new_id("toolu") for _ in range(10_000)}
    assert len(ids) == 10_000
    assert all(each.startswith("toolu_01") for each in ids)


def test_an_error_carries_type_text_code_and_request_id() -> None:
    assert wire.error(ApiError(429, "slow", error_code="ramp_limit_exceeded"), "req_1") == {
        "type": "error",
        "error": {
            "type": "rate_limit_error",
            "message": "slow",
            "details": {"error_code": "ramp_limit_exceeded"},
        },
        "request_id": "req_1",
    }
    assert wire.error(ApiError(529, "x"), "r")["error"] == {
        "type": "overloaded_error",
        "message": "x",
    }


def test_an_answer_may_be_nested_as_deeply_as_a_request() -> None:
    deep: list[object] = []
    for _ in range(400):
        deep = [deep]
    assert wire.encode(deep) == b"[" * 401 + b"]" * 401


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_what_is_encoded_is_read_as_it_was(value: object) -> None:
    assert json.loads(wire.encode(value)) == value
