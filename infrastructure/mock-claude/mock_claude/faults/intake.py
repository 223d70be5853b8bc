"""A request as it comes in: its whole body, its JSON, its key.

This prevents a body that is read twice, or half. The rule: the edge reads it once, up to a limit,
and describes in the entry of the log what can be known of it before anyone has checked it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from pydantic_core import from_json
from starlette.types import Receive, Scope

from mock_claude import paths
from mock_claude.accounts.ledger import Entry
from mock_claude.batches.creation import Line
from mock_claude.errors import ApiError
from mock_claude.faults import keys
from mock_claude.model.conversation import read_conversation

BODY_LIMIT = 32 * 1024 * 1024  # bytes; a longer body is refused with 413 (docs, 2026-04-26)
BATCH_LIMIT = 256 * 1024 * 1024  # ... of a batch
_READ_LIMIT = BATCH_LIMIT + BODY_LIMIT  # one beyond this is not even read to its end


@dataclass(frozen=True)
class Body:
    """The body of a request: its JSON if it is a model request and can be read, else why not."""

    json: object = None
    refusal: ApiError | None = None
    lines: list[Line] | None = None
    """The requests of a batch, where they have been taken apart already."""
    tokens: int | None = None
    """Of a request to count them that has been counted already."""
    checked: bool = False
    """Whether the API's checks have been made already (see ``aside``)."""
    is_turn: bool = False
    """Whether this is a request to the Messages API that can be read."""

    @cached_property
    def task(self) -> str | None:
        """The text of the task at hand, of a turn."""
        if not self.is_turn or not isinstance(self.json, Mapping):
            return None
        return read_conversation(self.json).task


def limit(path: str) -> int:
    """How many bytes a body may have."""
    return BATCH_LIMIT if path == paths.BATCHES else BODY_LIMIT


async def read(receive: Receive, most: int = BODY_LIMIT) -> bytes | None:
    """The whole body, or its first ``most`` bytes and more; None if the client left before."""
    parts, kept, seen = list[bytes](), 0, 0
    while seen <= _READ_LIMIT:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        seen += len(part)
        if kept <= most:
            parts.append(part)
            kept += len(part)
        if not message.get("more_body", False):
            break
    return b"".join(parts)


def begin(headers: Mapping[str, str], entry: Entry) -> None:
    """Fill in what the headers say."""
    retry = headers.get("x-stainless-retry-count", "")
    entry.sdk_retry = int(retry) if re.fullmatch("[0-9]{1,9}", retry) else None


def describe(scope: Scope, headers: Mapping[str, str], data: bytes, entry: Entry) -> Body:
    """Fill in what the entry can know of a request, and read its JSON."""
    begin(headers, entry)
    path = scope["path"]
    if len(data) > limit(path):
        entry.key = query_key(scope)
        return Body(refusal=ApiError(413, "Request exceeds the maximum size"))
    if not paths.has_json(scope["method"], path):
        entry.key = query_key(scope, data)
        return Body()
    try:
        body = from_json(data, allow_inf_nan=False)
    except ValueError as cause:
        entry.key = query_key(scope, data)
        return Body(refusal=ApiError(400, f"The request body is not valid JSON: {cause}"))
    key = keys.message_key(body)
    if key is None or not is_messages(path):
        entry.key = query_key(scope, data)
    else:
        entry.key = key
    if isinstance(body, dict) and not path.endswith(paths.BATCHES):
        model = body.get("model")
        entry.model = sys.intern(model) if isinstance(model, str) else None
        entry.stream = body.get("stream") is True
    return Body(json=body, is_turn=is_messages(path))


def is_messages(path: str) -> bool:
    """Whether the path is that of the Messages API, strict or lenient."""
    return path.removeprefix(paths.LENIENT) == paths.MESSAGES


def tells_limits(path: str) -> bool:
    """Whether answers of this path say what is left of the rate limits; counting uses up none."""
    return path.removeprefix(paths.LENIENT) in (paths.MESSAGES, paths.COUNT_TOKENS)


def query_key(scope: Scope, data: bytes = b"") -> str:
    """The key of a request that is known by its path, its query and its body."""
    return keys.query_key(scope["path"], scope["query_string"].decode("latin-1"), data)
