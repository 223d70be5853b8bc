"""What POST /v1/messages refuses, and with which words."""

from __future__ import annotations

from typing import Any

import pytest

from mock_claude import catalog, request_rules, validation
from mock_claude.errors import ApiError

NEW, OLD = "2026-10-21", "2023-06-01"
MODEL = "claude-opus-5"
GOOD: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Hello"}],
}
TOOL = {"name": "w", "input_schema": {"type": "object", "properties": {}}}


def refusal(body: object, version: str = NEW) -> str | None:
    """The text of the 400, or None if the request is fine."""
    try:
        asked = validation.check_body(validation.as_object(body), version)
        model = catalog.lookup(asked.model)
        assert model is not None
        request_rules.check(asked, model)
    except ApiError as failure:
        if failure.status != 400:
            raise
        return failure.message
    return None


def with_messages(*messages: object) -> dict[str, Any]:
    return {**GOOD, "messages": list(messages)}


def user(*blocks: object) -> dict[str, object]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: object) -> dict[str, object]:
    return {"role": "assistant", "content": list(blocks)}


def text(words: str = "words") -> dict[str, object]:
    return {"type": "text", "text": words}


def call(tool_id: str) -> dict[str, object]:
    return {"type": "tool_use", "id": tool_id, "name": "w", "input": {}}


def result(tool_id: str) -> dict[str, object]:
    return {"type": "tool_result", "tool_use_id": tool_id, "content": "21 C"}


ASK = user(text("Weather?"))


def test_every_documented_parameter_is_accepted() -> None:
    mark = {"type": "ephemeral", "ttl": "1h"}
    everything = {
        **GOOD,
        "cache_control": {"type": "ephemeral"},
        "container": {"id": "c", "skills": [{"skill_id": "s", "type": "custom"}]},
        "diagnostics": {"previous_message_id": None},
        "inference_geo": "us",
        "metadata": {"user_id": "u"},
        "output_config": {"effort": "xhigh", "format": {"type": "json_schema", "schema": {}}},
        "service_tier": "standard_only",
        "speed": "fast",
        "stop_sequences": ["END"],
        "stream": True,
        "system": [{**text(), "cache_control": mark}],
        "thinking": {"type": "adaptive", "display": "omitted"},
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "tools": [
            {**TOOL, "description": "d", "strict": True, "cache_control": mark},
            {"type": "custom", **TOOL, "name": "v", "input_examples": [{}]},
            {"type": "web_search_20260318", "name": "web_search", "max_uses": 2},
            {"type": "computer_toolset_20260801"},
        ],
    }
    assert refusal(everything) is None
    assert refusal({**GOOD, "container": "c", "system": "s", "max_tokens": 0}) is None
    assert refusal({**GOOD, "tools": [TOOL], "tool_choice": {"type": "tool", "name": "w"}}) is None


def test_every_documented_content_block_is_accepted() -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    image = {"type": "image", "source": {"type": "url", "url": "https://x"}, **mark}
    document = {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": "d"},
        "title": "t",
        "context": None,
        "citations": {"enabled": True},
    }
    found = {"type": "search_result", "content": [text()], "source": "s", "title": "t"}
    answered = {**result("toolu_1"), "content": [text(), image, document, found], "is_error": True}
    thought = {"type": "thinking", "thinking": "t", "signature": "s"}
    hidden = {"type": "redacted_thinking", "data": "d"}
    server = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    found_online = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
    called = {**call("toolu_1"), "caller": {"type": "direct"}, "toolset_name": None, **mark}
    assert (
        refusal(
            with_messages(
                user(image, document, found, {**text(), "citations": None}),
                assistant(thought, hidden, server, found_online, called),
                user(answered, {"type": "container_upload", "file_id": "f"}),
                {"role": "system", "content": "Be brief."},
                ASK,
            )
        )
        is None
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"x": 1}, "x: Extra inputs are not permitted"),
        ({"max_tokens": "100"}, "max_tokens: Input should be a valid integer"),
        ({"max_tokens": True}, "max_tokens: Input should be a valid integer"),
        ({"max_tokens": -1}, "max_tokens: Input should be greater than or equal to 0"),
        ({"model": 5}, "model: Input should be a valid string"),
        ({"stream": "yes"}, "stream: Input should be a valid boolean"),
        ({"messages": []}, "messages: at least one message is required"),
        ({"messages": "Hi"}, "messages: Input should be a valid list"),
        ({"messages": [7]}, "messages.0: Input should be an object"),
        (
            {"messages": [{"role": "tool", "content": "x"}]},
            "messages.0.role: Input should be 'user', 'assistant' or 'system'",
        ),
        ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
        (
            {"messages": [{"role": "user", "content": "x", "name": "bob"}]},
            "messages.0.name: Extra inputs are not permitted",
        ),
        (
            {"messages": [ASK, user({"type": "text"})]},
            "messages.1.content.0.text.text: Field required",
        ),
        ({"messages": [user({"text": "x"})]}, "messages.0.content.0.type: Field required"),
        ({"tools": [{"name": "w"}]}, "tools.0.custom.input_schema: Field required"),
        (
            {"tools": [{**TOOL, "name": "a b"}]},
            "tools.0.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'",
        ),
        ({"thinking": {"type": "enabled"}}, "thinking.enabled.budget_tokens: Field required"),
        ({"stop_sequences": ["a", 1]}, "stop_sequences.1: Input should be a valid string"),
        (
            {"stop_sequences": ["a", " "]},
            "stop_sequences.1: each stop sequence must contain non-whitespace",
        ),
        ({"messages": [user(text(""))]}, "messages: text content blocks must be non-empty"),
        ({"tools": [TOOL, TOOL]}, "tools: Tool names must be unique."),
    ],
)
def test_the_first_problem_is_named_with_its_path(change: dict[str, Any], expected: str) -> None:
    assert refusal({**GOOD, **change}) == expected


@pytest.mark.parametrize("field", ["max_tokens", "messages", "model"])
def test_a_missing_field_is_required(field: str) -> None:
    body = {name: value for name, value in GOOD.items() if name != field}
    assert refusal(body) == f"{field}: Field required"


@pytest.mark.parametrize("body", [None, [], "text", 3])
def test_a_body_that_is_no_object_is_refused(body: object) -> None:
    assert refusal(body) == "The request body must be a JSON object."


def test_an_unknown_block_type_is_refused_with_the_known_ones() -> None:
    said = refusal(with_messages(user({"type": "video"})))
    assert said is not None
    assert said.startswith("messages.0.content.0: Input tag 'video' found using 'type' does not")
    assert "'tool_result'" in said


def test_a_refusal_stays_short_however_long_the_mistake() -> None:
    said = refusal(with_messages(user({"type": "v" * 1_000_000})))
    assert said is not None
    assert len(said) <= 2_000


def test_more_than_100_000_messages_are_refused() -> None:
    said = refusal(with_messages(*[{"role": "user", "content": "x"}] * 100_001))
    assert said is not None
    assert said.startswith("messages: List should have at most 100000 items")


@pytest.mark.parametrize("parameter", ["temperature", "top_p", "top_k"])
def test_sampling_parameters_are_gone_since_2026_10_21(parameter: str) -> None:
    body = {**GOOD, parameter: 1}
    assert refusal(body, NEW) == f"{parameter}: Extra inputs are not permitted"
    assert refusal(body, OLD) is None


def test_a_sampling_parameter_of_the_old_version_has_its_range() -> None:
    said = refusal({**GOOD, "temperature": 1.5}, OLD)
    assert said == "temperature: Input should be less than or equal to 1"


WITHOUT_RESULT = (
    "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: {}. "
    "Each `tool_use` block must have a corresponding `tool_result` block in the next message."
)
WITHOUT_CALL = (
    "messages.{}: unexpected `tool_use_id` found in `tool_result` blocks: {}. Each `tool_result` "
    "block must have a corresponding `tool_use` block in the previous message."
)


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([ASK, assistant(call("a")), user(result("a"))], None),
        ([ASK, assistant(call("a"), call("b")), user(result("b"), result("a"), text())], None),
        ([ASK, assistant(call("a"), call("b")), user(result("a")), user(result("b"))], None),
        ([ASK, assistant(text()), assistant(call("a")), user(result("a"))], None),
        ([ASK, assistant(call("a")), ASK], WITHOUT_RESULT.format("a")),
        ([ASK, assistant(call("a"), call("b")), user(result("a"))], WITHOUT_RESULT.format("b")),
        ([ASK, assistant(call("a"), call("b")), ASK], WITHOUT_RESULT.format("a, b")),
        ([ASK, assistant(call("a"))], WITHOUT_RESULT.format("a")),
        ([ASK, assistant(call("a")), user(text(), result("a"))], WITHOUT_RESULT.format("a")),
        (
            [ASK, assistant(call("a")), {"role": "system", "content": "s"}, user(result("a"))],
            WITHOUT_RESULT.format("a"),
        ),
        ([user(result("a"))], WITHOUT_CALL.format("0.content.0", "a")),
        (
            [ASK, assistant(call("a")), user(result("a"), result("b"))],
            WITHOUT_CALL.format("2.content.1", "b"),
        ),
        (
            [ASK, assistant(call("a")), user(result("a")), assistant(text()), user(result("a"))],
            WITHOUT_CALL.format("4.content.0", "a"),
        ),
        (
            [ASK, assistant(call("a")), user(result("a"), result("a"))],
            "messages.2.content.1: each tool_use must have a single result. "
            "Found multiple `tool_result` blocks with id: a",
        ),
        (
            [ASK, assistant(call("a"), call("a")), user(result("a"))],
            "messages.1.content.1: `tool_use` ids must be unique",
        ),
        (
            [ASK, assistant(call("a")), user(result("a")), assistant(call("a")), user(result("a"))],
            "messages.3.content.0: `tool_use` ids must be unique",
        ),
        (
            [user(call("a"))],
            "messages.0.content.0: `tool_use` blocks can only be in `assistant` messages",
        ),
        (
            [ASK, assistant(result("a"))],
            "messages.1.content.0: `tool_result` blocks can only be in `user` messages",
        ),
        ([assistant()], "Prefilling assistant messages is not supported for this model."),
        (
            [user(), ASK],
            "messages.0: all messages must have non-empty content except for the optional final "
            "assistant message",
        ),
    ],
)
def test_calls_and_results_must_pair(messages: list[object], expected: str | None) -> None:
    assert refusal(with_messages(*messages)) == expected


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "w"}])
def test_newer_models_refuse_forced_tools(choice: dict[str, object]) -> None:
    body = {**GOOD, "tools": [TOOL], "tool_choice": choice}
    expected = 'tool_choice: type "tool" and "any" are not supported for this model.'
    for model in ("opus-5-5", "sonnet-5-5", "fable-5-1", "mythos-5-1"):
        assert refusal({**body, "model": f"claude-{model}"}) == expected
    assert refusal({**body, "model": "claude-sonnet-5"}) is None


def test_opus_5_5_thinks_adaptively_only() -> None:
    disabled = {**GOOD, "thinking": {"type": "disabled"}}
    assert refusal({**disabled, "model": "claude-opus-5-5"}) == (
        '"thinking.type.disabled" is not supported for this model. Use "thinking.type.adaptive" '
        'and "output_config.effort" to control thinking behavior.'
    )
    assert refusal(disabled) is None


def test_prefilling_ends_with_the_4_6_models() -> None:
    body = with_messages(ASK, assistant(text("The answer is")))
    expected = "Prefilling assistant messages is not supported for this model."
    assert refusal({**body, "model": "claude-sonnet-4-6"}) == expected
    assert refusal({**body, "model": "claude-sonnet-4-5"}) is None


def test_a_forced_tool_must_exist() -> None:
    forced = {"tool_choice": {"type": "tool", "name": "v"}}
    assert refusal({**GOOD, **forced, "tools": [TOOL]}) == (
        "tool_choice: Tool 'v' not found in provided tools"
    )
    assert refusal({**GOOD, **forced}) == (
        "tool_choice: may only be specified while providing tools"
    )
