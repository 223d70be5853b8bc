"""Answers in a shape that no client expects: fields replaced, or a body that is no message at all.

This prevents an agent from being tried only with answers that its SDK documents. The rule: a
script says what is sent, and only the ids of tool calls are made here, because the API refuses a
history in which one stands twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from starlette.responses import Response

from mock_claude.accounts.accounts import Usage
from mock_claude.api import wire
from mock_claude.model.reply import Shape


def counted(usage: Usage, shape: Shape) -> Usage:
    """The counts of a request whose answer has this shape: those that it names are its own."""
    given = shape.message.get("usage")
    named = given if isinstance(given, Mapping) else {}
    known = {each.name for each in fields(Usage) if each.compare}
    counts: dict[str, Any] = {k: n for k, n in named.items() if k in known and type(n) is int}
    return replace(usage, **counts)


def answer(message: Mapping[str, object], shape: Shape, headers: Mapping[str, str]) -> Response:
    """What is sent instead of ``message``."""
    if shape.body is not None:
        return Response(shape.body, 200, {**headers, "content-type": shape.content_type})
    # Escaped, because half a character has no UTF-8.
    return Response(
        json.dumps(shaped(message, shape)), 200, {**headers, "content-type": shape.content_type}
    )


def shaped(message: Mapping[str, object], shape: Shape) -> dict[str, object]:
    """The message with the fields that the shape replaces."""
    shaped = {**message, **shape.message}
    old, new = message["usage"], shaped["usage"]
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        shaped["usage"] = {**old, **new}
    content = shaped["content"]
    if isinstance(content, list):
        shaped["content"] = [_with_id(block) for block in content]
    return shaped


def _with_id(block: object) -> object:
    if isinstance(block, Mapping) and block.get("type") == "tool_use":
        return {"id": wire.new_id("toolu"), **block}
    return block
