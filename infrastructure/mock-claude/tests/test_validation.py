"""What POST /v1/messages refuses, and with which words."""

from __future__ import annotations

from typing import Any

import pytest

from mock_claude.api import cache_rules, catalog, model_rules, request_rules, validation
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
        request_rules.check(asked)
        if isinstance(asked, validation.CreateMessage):
            request_rules.check_stop_sequences(asked.stop_sequences)
        cache_rules.check(asked)
        model_rules.check(asked, model)
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


def told(content: object) -> dict[str, object]:
    return {**result("t1"), "content": content}


BLANK = "text content blocks must contain non-whitespace text"
CALLED = (user(text()), assistant(call("t1")))


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
        ({"messages": [user(text(" \n"))]}, f"messages: {BLANK}"),
        ({"messages": [user(text("x"), text("\t"))]}, f"messages: {BLANK}"),
        ({"messages": [{"role": "user", "content": "  "}]}, f"messages: {BLANK}"),
        ({"messages": [*CALLED, user(told([text(" ")]))]}, f"messages: {BLANK}"),
        ({"messages": [*CALLED, user(told(" "))]}, f"messages: {BLANK}"),
        ({"system": [text("be brief"), text(" ")]}, f"system: {BLANK}"),
        ({"system": "\u3000"}, f"system: {BLANK}"),
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
    body = {**GOOD, "model": "claude-sonnet-4-6", parameter: 1}
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


UNSUPPORTED = (
    '"thinking.type.{}" is not supported for this model. Use "thinking.type.adaptive" and '
    '"output_config.effort" to control thinking behavior.'
)
BETWEEN_TOOLS = (
    'To turn thinking off on this model, send "thinking": {"type": "between_tools"} instead of '
    '{"type": "disabled"}. The model does not think before responding. The short updates it writes '
    "between tool calls come back as thinking blocks."
)
TOO_HIGH = (
    '"thinking.type.{}" is not supported at effort "{}" for this model. Use effort "high" or below.'
)
ENABLED = {"type": "enabled", "budget_tokens": 1024}


@pytest.mark.parametrize(
    ("model", "thinking", "effort", "expected"),
    [
        ("opus-5-5", {"type": "adaptive"}, "max", None),
        ("opus-5-5", {"type": "disabled"}, None, UNSUPPORTED.format("disabled")),
        ("opus-5-5", ENABLED, None, UNSUPPORTED.format("enabled")),
        ("opus-5-5", {"type": "between_tools"}, None, UNSUPPORTED.format("between_tools")),
        ("fable-5-1", {"type": "disabled"}, None, UNSUPPORTED.format("disabled")),
        ("sonnet-5-5", {"type": "between_tools"}, "high", None),
        ("sonnet-5-5", {"type": "disabled"}, None, BETWEEN_TOOLS),
        (
            "sonnet-5-5",
            {"type": "between_tools"},
            "xhigh",
            TOO_HIGH.format("between_tools", "xhigh"),
        ),
        ("opus-5", {"type": "disabled"}, "high", None),
        ("opus-5", {"type": "disabled"}, "max", TOO_HIGH.format("disabled", "max")),
        ("opus-5", ENABLED, None, UNSUPPORTED.format("enabled")),
        ("opus-4-7", ENABLED, None, UNSUPPORTED.format("enabled")),
        ("opus-4-6", ENABLED, None, None),
        ("haiku-4-5", ENABLED, None, None),
        (
            "haiku-4-5",
            {"type": "adaptive"},
            None,
            "adaptive thinking is not supported on this model",
        ),
        ("haiku-4-5", None, "low", "This model does not support the effort parameter."),
        (
            "opus-4-5",
            None,
            "max",
            "This model does not support effort level 'max'. Supported levels: low, medium, high.",
        ),
        ("opus-4-6", None, "max", None),
    ],
)
def test_thinking_and_effort_depend_on_the_model(
    model: str, thinking: dict[str, Any] | None, effort: str | None, expected: str | None
) -> None:
    body = {**GOOD, "model": f"claude-{model}", "max_tokens": 2000}
    if thinking is not None:
        body["thinking"] = thinking
    if effort is not None:
        body["output_config"] = {"effort": effort}
    assert refusal(body) == expected


def test_manual_thinking_needs_room_and_a_free_choice_of_tools() -> None:
    body = {**GOOD, "model": "claude-opus-4-6", "thinking": ENABLED, "tools": [TOOL]}
    tight = {**body, "max_tokens": 1024}
    assert refusal(tight) == "`max_tokens` must be greater than `thinking.budget_tokens`."
    forced = {**body, "max_tokens": 2000, "tool_choice": {"type": "any"}}
    expected = "Thinking may not be enabled when tool_choice forces tool use."
    assert refusal(forced) == expected
    assert refusal({**forced, "thinking": {"type": "adaptive"}}) is None
    assert refusal({**body, "thinking": {**ENABLED, "budget_tokens": 1023}}) == (
        "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"
    )


def test_max_tokens_has_a_maximum_by_model() -> None:
    body = {**GOOD, "model": "claude-haiku-4-5", "max_tokens": 64_001}
    assert refusal(body) == (
        "max_tokens: 64001 > 64000, which is the maximum allowed number of output tokens for "
        "claude-haiku-4-5"
    )
    assert refusal({**body, "max_tokens": 64_000}) is None


@pytest.mark.parametrize(
    ("model", "sampling", "expected"),
    [
        ("opus-5-5", {"temperature": 0.5}, "`temperature` is deprecated for this model."),
        ("opus-5-5", {"top_p": 0.9}, "`top_p` is deprecated for this model."),
        ("opus-5-5", {"top_k": 5}, "`top_k` is deprecated for this model."),
        ("opus-5-5", {"temperature": 1, "top_p": 0.99}, None),
        ("sonnet-4-6", {"temperature": 0.5}, None),
        (
            "sonnet-4-6",
            {"temperature": 0.5, "top_p": 0.5},
            "`temperature` and `top_p` cannot both be specified for this model. "
            "Please use only one.",
        ),
    ],
)
def test_newer_models_keep_only_the_default_sampling_of_the_old_version(
    model: str, sampling: dict[str, Any], expected: str | None
) -> None:
    assert refusal({**GOOD, "model": f"claude-{model}", **sampling}, OLD) == expected


DOCUMENT = {
    "type": "document",
    "source": {"type": "text", "media_type": "text/plain", "data": "d"},
}
CITATION = {
    "type": "char_location",
    "cited_text": "c",
    "document_index": 0,
    "document_title": None,
    "start_char_index": 0,
    "end_char_index": 1,
}
CITED = {**text(), "citations": [CITATION]}


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        (
            [ASK, assistant(text(), DOCUMENT), ASK],
            "messages.1.content.1: `document` blocks are not permitted in `assistant` messages",
        ),
        (
            [user(CITED)],
            "messages.0.content.0.citations: not permitted on `text` blocks in `user` messages",
        ),
        (
            [user({"type": "search_result", "content": [CITED], "source": "s", "title": "t"})],
            "messages.0.content.0.citations: not permitted on `text` blocks in `user` messages",
        ),
        ([user({**text(), "citations": []})], None),
        ([ASK, assistant(CITED), ASK], None),
        ([ASK, assistant(call("a")), user({**result("a"), "content": [DOCUMENT]})], None),
    ],
)
def test_what_2026_10_21_refuses_of_documents_and_citations_2023_06_01_takes(
    messages: list[object], expected: str | None
) -> None:
    assert refusal(with_messages(*messages), NEW) == expected
    assert refusal(with_messages(*messages), OLD) is None


def test_blocks_stand_only_where_their_role_may_say_them() -> None:
    thought = {"type": "thinking", "thinking": "t", "signature": "s"}
    assert refusal(with_messages(user(thought))) == (
        "messages.0.content.0: `thinking` blocks can only be in `assistant` messages"
    )
    system = {"role": "system", "content": [DOCUMENT]}
    assert refusal(with_messages(ASK, system, ASK)) == (
        "messages.1.content.0: only `text` blocks can be in `system` messages"
    )


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/bmp", "data": ""}},
            "image.source.base64.media_type: Input should be 'image/jpeg', 'image/png', "
            "'image/gif' or 'image/webp'",
        ),
        ({"type": "image", "source": {"type": "url"}}, "image.source.url.url: Field required"),
        (
            {"type": "document", "source": {"type": "base64", "data": ""}},
            "document.source.base64.media_type: Field required",
        ),
    ],
)
def test_the_source_of_an_image_or_document_is_checked(
    block: dict[str, Any], expected: str
) -> None:
    assert refusal(with_messages(user(block))) == f"messages.0.content.0.{expected}"


SHORT, LONG = {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}


def marked(*marks: dict[str, Any] | None) -> dict[str, Any]:
    """A request with these marks on its tool, its system prompt, and then its messages."""
    tool, system, *rest = ({"cache_control": mark} if mark else {} for mark in marks)
    return {
        **with_messages(*(user({**text(), **mark}) for mark in rest)),
        "tools": [{**TOOL, **tool}],
        "system": [{**text(), **system}],
    }


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (marked(SHORT, SHORT, SHORT, SHORT), None),
        (
            marked(SHORT, SHORT, SHORT, SHORT, SHORT),
            "A maximum of 4 blocks with cache_control may be provided. Found 5.",
        ),
        (
            {**marked(SHORT, SHORT, SHORT, SHORT), "cache_control": SHORT},
            "cache_control: takes one of the 4 breakpoints, and 4 blocks with cache_control are "
            "given already.",
        ),
        ({**marked(SHORT, SHORT, SHORT), "cache_control": SHORT}, None),
        (
            {**marked(None, None, LONG), "cache_control": SHORT},
            "cache_control.ttl: the last block has ttl='1h', which differs.",
        ),
        (marked(LONG, LONG, SHORT), None),
        (
            marked(None, SHORT, None, LONG),
            "messages.1.content.0.cache_control.ttl: a ttl='1h' cache_control block must not come "
            "after a ttl='5m' cache_control block. Note that blocks are processed in the following "
            "order: `tools`, `system`, `messages`.",
        ),
        (
            marked(None, None, {"type": "ephemeral", "ttl": "2h"}),
            "messages.0.content.0.text.cache_control.ttl: Input should be '5m' or '1h'",
        ),
    ],
)
def test_cache_breakpoints_are_limited_and_in_order(
    body: dict[str, Any], expected: str | None
) -> None:
    assert refusal(body) == expected


def test_breakpoints_within_a_tool_result_count() -> None:
    inner = [{**text(), "cache_control": SHORT}] * 5
    answered = {**result("a"), "content": inner}
    assert refusal(with_messages(ASK, assistant(call("a")), user(answered))) == (
        "A maximum of 4 blocks with cache_control may be provided. Found 5."
    )


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
