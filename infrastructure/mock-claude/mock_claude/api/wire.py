"""The shapes of the Messages API: message, event stream, error, headers.

This prevents a mock that an SDK parses only by luck. The authority is anthropic 2.11.0
(``types/message.py``, ``types/raw_*_event.py``) and its recorded streams. Events are made from
the finished message, so that a stream cannot say anything else than the plain answer.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping

from pydantic_core import PydanticSerializationError, to_json

from mock_claude.accounts.accounts import Usage
from mock_claude.api.thinking import signature
from mock_claude.api.turn import Turn
from mock_claude.errors import ApiError

ORGANIZATION_ID = "00000000-0000-4000-8000-00000000c1a0"
WORKSPACE_ID = "wrkspc_01MockClaude"
PIECE = 24  # characters per delta of a stream

JsonObject = dict[str, object]
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def new_id(prefix: str) -> str:
    """A fresh id in the API's form: ``msg_01...``, ``toolu_01...``, ``req_01...``."""
    return f"{prefix}_01{secrets.token_hex(11)}"


def encode(value: object) -> bytes:
    """Compact JSON in UTF-8, as the API sends it."""
    try:
        return to_json(value, inf_nan_mode="constants")  # a fifth of the time
    except PydanticSerializationError:  # what is nested deeply is no fault of ours
        return _ENCODER.encode(value).encode()


def headers(request_id: str, workspace: str = WORKSPACE_ID) -> dict[str, str]:
    """The headers on every response of the API, errors included."""
    return {
        "request-id": request_id,
        "anthropic-organization-id": ORGANIZATION_ID,
        "anthropic-workspace-id": workspace or WORKSPACE_ID,
    }


def error(failure: ApiError, request_id: str) -> JsonObject:
    """The error body; its ``request_id`` equals the ``request-id`` header."""
    detail: JsonObject = {"type": failure.error_type, "message": failure.message}
    if failure.error_code is not None:
        detail["details"] = {"error_code": failure.error_code}
    return {"type": "error", "error": detail, "request_id": request_id}


def message(turn: Turn, usage: Usage, request: Mapping[str, object]) -> JsonObject:
    """The answer to a plain request."""
    for_an_hour = usage.cache_creation_1h_input_tokens
    return {
        "id": new_id("msg"),
        "type": "message",
        "role": "assistant",
        "model": request["model"],
        "content": list(_content(turn)),
        "stop_reason": turn.stop_reason,
        "stop_sequence": turn.stop_sequence,
        "stop_details": None if turn.stop_details is None else dict(turn.stop_details),
        "container": None,
        "diagnostics": None,
        "usage": {
            "input_tokens": usage.input_tokens,
            "cache_creation_input_tokens": usage.cache_creation_input_tokens,
            "cache_read_input_tokens": usage.cache_read_input_tokens,
            "cache_creation": {
                "ephemeral_5m_input_tokens": usage.cache_creation_input_tokens - for_an_hour,
                "ephemeral_1h_input_tokens": for_an_hour,
            },
            "output_tokens": usage.output_tokens,
            "output_tokens_details": {"thinking_tokens": turn.thinking_tokens},
            "server_tool_use": None,
            "service_tier": usage.tier,
            "inference_geo": request.get("inference_geo") or "global",
            "speed": request.get("speed") or "standard",
        },
    }


def _content(turn: Turn) -> Iterator[JsonObject]:
    if turn.thinking is not None:
        yield {
            "type": "thinking",
            "thinking": turn.thinking if turn.thinking_shown else "",
            "signature": signature(turn.thinking),
        }
    for text in (turn.text, *turn.more_text):
        if text:
            yield {"type": "text", "text": text}
    for call in turn.calls:
        yield {
            "type": "tool_use",
            "id": new_id("toolu"),
            "name": call.name,
            "caller": {"type": "direct"},
            "input": dict(call.input),
        }


_DELTA_USAGE = (
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
    "output_tokens_details",
)


def events(answer: Mapping[str, object]) -> Iterator[bytes]:
    """The event stream that tells the same message: one item per server-sent event."""
    usage = answer["usage"]
    content = answer["content"]
    if not isinstance(usage, dict) or not isinstance(content, list):
        raise TypeError("not a message of this module")
    unsaid: JsonObject = {"content": [], "stop_reason": None, "stop_sequence": None}
    first_usage = {
        **usage,
        "output_tokens": min(1, usage["output_tokens"]),
        "output_tokens_details": {"thinking_tokens": 0},
    }
    yield _event("message_start", message={**answer, **unsaid, "usage": first_usage})
    for index, block in enumerate(content):
        start, deltas = _told(block)
        yield _event("content_block_start", index=index, content_block=start)
        if index == 0:
            yield _event("ping")  # where recorded streams have it; it may stand anywhere
        for delta in deltas:
            yield _event("content_block_delta", index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    yield _event(
        "message_delta",
        delta={
            "stop_reason": answer["stop_reason"],
            "stop_sequence": answer["stop_sequence"],
            "stop_details": answer["stop_details"],
            "container": answer["container"],
        },
        usage={name: usage[name] for name in _DELTA_USAGE},
    )
    yield _event("message_stop")


def _told(block: Mapping[str, object]) -> tuple[JsonObject, Iterator[JsonObject]]:
    """A block as its start event shows it, and the deltas that bring the rest."""
    match block["type"]:
        case "text":
            return {**block, "text": ""}, _text_deltas(str(block["text"]))
        case "thinking":
            start = {**block, "thinking": "", "signature": ""}
            return start, _thinking_deltas(str(block["thinking"]), str(block["signature"]))
        case _:
            return {**block, "input": {}}, _input_deltas(block["input"])


def _text_deltas(text: str) -> Iterator[JsonObject]:
    for piece in _pieces(text):
        yield {"type": "text_delta", "text": piece}


def _thinking_deltas(thinking: str, signed: str) -> Iterator[JsonObject]:
    for piece in _pieces(thinking) or [""]:  # one empty delta if the thinking is omitted
        yield {"type": "thinking_delta", "thinking": piece}
    yield {"type": "signature_delta", "signature": signed}


def _input_deltas(arguments: object) -> Iterator[JsonObject]:
    """An empty piece as in recorded streams, then key by key: no piece spans two of them."""
    items = list(arguments.items()) if isinstance(arguments, Mapping) else []
    yield {"type": "input_json_delta", "partial_json": ""}
    for number, (key, value) in enumerate(items):
        written = ("{" if number == 0 else ", ") + json.dumps({key: value}, ensure_ascii=False)[
            1:-1
        ]
        written += "}" if number == len(items) - 1 else ""
        for piece in _pieces(written):
            yield {"type": "input_json_delta", "partial_json": piece}
    if not items:
        yield {"type": "input_json_delta", "partial_json": "{}"}


def _pieces(text: str) -> list[str]:
    return [text[at : at + PIECE] for at in range(0, len(text), PIECE)]


def _event(name: str, **fields: object) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + encode({"type": name, **fields}) + b"\n\n"
