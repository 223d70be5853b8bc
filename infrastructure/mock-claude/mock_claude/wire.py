"""The shapes of the Messages API: message, event stream, error, headers.

This prevents a mock that an SDK parses only by luck. The authority is anthropic 2.11.0
(``types/message.py``, ``types/raw_*_event.py``) and its recorded streams. Events are made from
the finished message, so that a stream cannot say anything else than the plain answer.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping

from mock_claude.accounts import Usage
from mock_claude.errors import ApiError
from mock_claude.turn import Turn

ORGANIZATION_ID = "00000000-0000-4000-8000-00000000c1a0"
WORKSPACE_ID = "wrkspc_01MockClaude"
PIECE = 24  # characters per delta of a stream

JsonObject = dict[str, object]


def new_id(prefix: str) -> str:
    """A fresh id in the API's form: ``msg_01...``, ``toolu_01...``, ``req_01...``."""
    return f"{prefix}_01{secrets.token_hex(11)}"


def encode(value: object) -> bytes:
    """Compact JSON in UTF-8, as the API sends it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def headers(request_id: str) -> dict[str, str]:
    """The headers on every response of the API, errors included."""
    return {
        "request-id": request_id,
        "anthropic-organization-id": ORGANIZATION_ID,
        "anthropic-workspace-id": WORKSPACE_ID,
    }


def error(failure: ApiError, request_id: str) -> JsonObject:
    """The error body; its ``request_id`` equals the ``request-id`` header."""
    detail: JsonObject = {"type": failure.error_type, "message": failure.message}
    if failure.error_code is not None:
        detail["details"] = {"error_code": failure.error_code}
    return {"type": "error", "error": detail, "request_id": request_id}


def message(turn: Turn, usage: Usage, request: Mapping[str, object]) -> JsonObject:
    """The answer to a plain request."""
    content: list[JsonObject] = [{"type": "text", "text": turn.text}] if turn.text else []
    content += (
        {
            "type": "tool_use",
            "id": new_id("toolu"),
            "name": call.name,
            "caller": {"type": "direct"},
            "input": dict(call.input),
        }
        for call in turn.calls
    )
    return {
        "id": new_id("msg"),
        "type": "message",
        "role": "assistant",
        "model": request["model"],
        "content": content,
        "stop_reason": turn.stop_reason,
        "stop_sequence": turn.stop_sequence,
        "stop_details": None,
        "container": None,
        "diagnostics": None,
        "usage": {
            "input_tokens": usage.input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": usage.output_tokens,
            "output_tokens_details": {"thinking_tokens": 0},
            "server_tool_use": None,
            "service_tier": "standard",
            "inference_geo": request.get("inference_geo") or "global",
            "speed": request.get("speed") or "standard",
        },
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
    first_usage = {**usage, "output_tokens": min(1, usage["output_tokens"])}
    yield _event("message_start", message={**answer, **unsaid, "usage": first_usage})
    yield _event("ping")
    for index, block in enumerate(content):
        yield from _block_events(index, block)
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


def _block_events(index: int, block: Mapping[str, object]) -> Iterator[bytes]:
    if block["type"] == "text":
        start = {**block, "text": ""}
        deltas = [{"type": "text_delta", "text": piece} for piece in _pieces(str(block["text"]))]
    else:
        start = {**block, "input": {}}
        written = json.dumps(block["input"], ensure_ascii=False)
        deltas = [
            {"type": "input_json_delta", "partial_json": piece}
            for piece in ("", *_pieces(written))  # the first is empty, as in recorded streams
        ]
    yield _event("content_block_start", index=index, content_block=start)
    for delta in deltas:
        yield _event("content_block_delta", index=index, delta=delta)
    yield _event("content_block_stop", index=index)


def _pieces(text: str) -> list[str]:
    return [text[at : at + PIECE] for at in range(0, len(text), PIECE)]


def _event(name: str, **fields: object) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + encode({"type": name, **fields}) + b"\n\n"
