"""Holds what the model says to the schemas of the request: tool inputs and structured output.

This prevents the simulator from breaking a promise of the API. Two rules. For every model, what
the API guarantees: the input of a ``strict`` tool fits its schema, and with ``output_config
.format`` the text is JSON that fits. For the stand-in (``planner``), which knows a few tools by
name: the input of any tool fits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from mock_claude.api.schema_check import Effort, fits
from mock_claude.api.schema_fit import ABSENT, fit
from mock_claude.model import planner
from mock_claude.model.conversation import read_conversation
from mock_claude.model.reply import Reply, ToolCall


def reply_to(request: Mapping[str, object]) -> Reply:
    """The stand-in's next turn, its calls made to fit."""
    return _with_fitted(planner.reply_to(request), request, strict_only=False)


def guaranteed(reply: Reply, request: Mapping[str, object]) -> Reply:
    """The reply with what the API guarantees, whichever model it comes from."""
    reply = _with_fitted(reply, request, strict_only=True)
    schema = _output_schema(request)
    if schema is None or reply.calls or reply.stop_reason is not None:
        return reply
    return replace(reply, text=_as_json(reply.text, schema), more_text=())


def _with_fitted(reply: Reply, request: Mapping[str, object], *, strict_only: bool) -> Reply:
    if not reply.calls:
        return reply
    tools = request.get("tools")
    schemas = {
        tool.get("name"): tool.get("input_schema")
        for tool in (tools if isinstance(tools, list) else ())
        if isinstance(tool, dict) and (tool.get("strict") is True or not strict_only)
    }
    if not schemas:
        return reply
    effort = Effort()  # one for all calls
    calls = tuple(_call(call, schemas.get(call.name), request, effort) for call in reply.calls)
    return reply if calls == reply.calls else replace(reply, calls=calls)


def _call(
    call: ToolCall, schema: object, request: Mapping[str, object], effort: Effort
) -> ToolCall:
    if schema is None or fits(schema, dict(call.input), schema, effort):
        return call
    made = fit(schema, dict(call.input), read_conversation(request).task, effort)
    return ToolCall(call.name, made) if isinstance(made, Mapping) else call


def _output_schema(request: Mapping[str, object]) -> object:
    config = request.get("output_config")
    form = config.get("format") if isinstance(config, Mapping) else None
    return form.get("schema") if isinstance(form, Mapping) else None


def _as_json(text: str, schema: object) -> str:
    """The text if it is JSON that fits, else JSON that does, with the text where one fits."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        given = ABSENT
    made = fit(schema, given, text)
    return json.dumps(made, ensure_ascii=False, separators=(",", ":"))
