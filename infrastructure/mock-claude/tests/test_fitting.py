"""What of a reply is held to the request's schemas, for the stand-in and for any model."""

from __future__ import annotations

import json
from typing import Any

from mock_claude.api.fitting import guaranteed, reply_to
from mock_claude.model.reply import Reply, ToolCall

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 3}},
    "required": ["city", "days"],
}
WRONG = Reply(calls=(ToolCall("w", {"city": "Lisbon"}),))


def request(words: str, *tools: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": words}], "tools": list(tools), **more}


def tool(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "input_schema": SCHEMA, **more}


def test_only_a_strict_tool_corrects_another_model_s_call() -> None:
    strict = request("x", tool("w", strict=True))
    assert guaranteed(WRONG, strict).calls[0].input == {"city": "Lisbon", "days": 3}
    assert guaranteed(WRONG, request("x", tool("w"))) == WRONG


def test_the_stand_in_completes_what_a_known_tool_asks_beside_its_argument() -> None:
    (call,) = reply_to(request("What is the weather in Lisbon?", tool("get_weather"))).calls
    assert call.input == {"city": "Lisbon", "days": 3}


def test_tools_that_the_task_names_are_called_unless_a_word_only_looks_alike() -> None:
    tools = [tool("book_trip"), tool("cancel")]
    calls = reply_to(request("book_trip to Faro, then cancel", *tools)).calls
    assert [call.name for call in calls] == ["book_trip", "cancel"]
    assert reply_to(request("The trip was cancelled", *tools)).calls == ()
    none = request("book_trip please", *tools, tool_choice={"type": "none"})
    assert reply_to(none).calls == ()
    one = request(
        "book_trip, cancel", *tools, tool_choice={"type": "auto", "disable_parallel_tool_use": True}
    )
    assert len(reply_to(one).calls) == 1


def structured(schema: dict[str, Any]) -> dict[str, Any]:
    return request("x", output_config={"format": {"type": "json_schema", "schema": schema}})


def test_structured_output_is_json_that_fits_with_the_text_inside() -> None:
    schema = {
        "type": "object",
        "properties": {"answer": {"type": "string"}},
        "required": ["answer"],
        "additionalProperties": False,
    }
    said = guaranteed(Reply("It is 42.", more_text=("more",)), structured(schema))
    assert (said.text, said.more_text) == ('{"answer":"It is 42."}', ())
    own = guaranteed(Reply('{"answer": "mine", "x": 1}'), structured(schema))
    assert json.loads(own.text) == {"answer": "mine"}


def test_a_call_or_a_refusal_is_not_turned_into_json() -> None:
    wanted = structured({"type": "object"})
    assert guaranteed(WRONG, wanted) == WRONG
    refused = Reply("No.", stop_reason="refusal")
    assert guaranteed(refused, wanted) == refused
