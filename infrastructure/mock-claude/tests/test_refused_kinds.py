"""What the API refuses of real clients' requests, and what a beta opens: over HTTP, with texts."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, get_args

import httpx
import pytest
from anthropic.types.anthropic_beta_param import AnthropicBetaParam
from pydantic import BaseModel

from mock_claude import Simulator
from mock_claude.api import betas

USER = {"role": "user", "content": "Hello"}
MARK = {"cache_control": {"type": "ephemeral"}}
TOOL = {"name": "look", "input_schema": {"type": "object", "properties": {}}}
ENABLED = {"type": "enabled", "budget_tokens": 1024}
HAIKU, OPUS = "claude-haiku-4-5", "claude-opus-5"
Pairs = Sequence[tuple[str, str]]


def post(simulator: Simulator, body: dict[str, Any], headers: Pairs = (), path: str = "") -> Any:
    """The answer; the headers may hold one name twice."""
    names = {name.lower() for name, _ in headers}
    usual = [("anthropic-version", "2026-10-21"), ("x-api-key", "k")]
    sent = [pair for pair in usual if pair[0] not in names] + list(headers)
    whole = {"model": OPUS, "max_tokens": 2000, "messages": [USER], **body}
    return httpx.post(f"{simulator.url}/v1/messages{path}", json=whole, headers=sent, timeout=30)


def refusal(simulator: Simulator, body: dict[str, Any], headers: Pairs = ()) -> str | None:
    """The text of a 400, None for a 200; ``count_tokens`` says the same."""
    answer = post(simulator, body, headers)
    counted = {name: value for name, value in body.items() if name != "stream"}
    other = httpx.post(
        f"{simulator.url}/v1/messages/count_tokens",
        json={"model": OPUS, "messages": [USER], **counted},
        headers=[("anthropic-version", "2026-10-21"), ("x-api-key", "k"), *headers],
    )
    if not any(name == "anthropic-version" for name, _ in headers):
        assert other.status_code == answer.status_code
    if answer.status_code == 200:
        return None
    assert answer.status_code == 400
    told: str = answer.json()["error"]["message"]
    return told


def text(words: str, **more: object) -> dict[str, object]:
    return {"type": "text", "text": words, **more}


def asks(*blocks: object) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(blocks)}]}


def result(*blocks: object) -> dict[str, Any]:
    """A running tool loop whose result holds these blocks."""
    call = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
    told = {"type": "tool_result", "tool_use_id": "toolu_1", "content": list(blocks)}
    return {
        "messages": [
            USER,
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [told]},
        ]
    }


EMPTY = "cache_control cannot be set for empty text blocks"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (asks(text("", **MARK)), "messages.0.content.0.text"),
        (asks(text("a"), text("", **MARK)), "messages.0.content.1.text"),
        ({"system": [text("a"), text("", **MARK)]}, "system.1.text"),
        (result(text("", **MARK)), "messages.2.content.0.tool_result.content.0.text"),
    ],
)
def test_an_empty_text_cannot_be_marked(
    simulator: Simulator, body: dict[str, Any], path: str
) -> None:
    assert refusal(simulator, body) == f"{path}: {EMPTY}"


def test_blocks_of_the_system_prompt_are_not_empty(simulator: Simulator) -> None:
    told = refusal(simulator, {"system": [text("")]})
    assert told == "system: text content blocks must be non-empty"
    assert refusal(simulator, {"system": ""}) is None


@pytest.mark.parametrize("end", [" ", "\n", "\t", "\u00a0"])
@pytest.mark.parametrize("as_block", [False, True])
def test_a_prefill_does_not_end_in_white_space(
    simulator: Simulator, end: str, as_block: bool
) -> None:
    def prefilled(words: str) -> dict[str, Any]:
        content = [text("Well."), text(words)] if as_block else words
        return {"model": HAIKU, "messages": [USER, {"role": "assistant", "content": content}]}

    told = refusal(simulator, prefilled(f"The answer is{end}"))
    assert told == "messages: final assistant content cannot end with trailing whitespace"
    assert refusal(simulator, prefilled("The answer is")) is None
    elsewhere = prefilled(f"The answer is{end}")["messages"] + [USER]
    assert refusal(simulator, {"model": HAIKU, "messages": elsewhere}) is None


@pytest.mark.parametrize("display", ["summarized", "omitted"])
def test_thinking_comes_back_as_it_was_made(simulator: Simulator, display: str) -> None:
    thinking = {"type": "adaptive", "display": display}
    made = post(simulator, {"thinking": thinking}).json()["content"]
    thought = made[0]

    def again(block: dict[str, Any]) -> str | None:
        said = {"role": "assistant", "content": [block, *made[1:]]}
        return refusal(simulator, {"thinking": thinking, "messages": [USER, said, USER]})

    assert again(thought) is None
    wrong = "messages.1.content.0: Invalid `signature` in `thinking` block"
    assert again({**thought, "thinking": thought["thinking"] + "!"}) == wrong
    signed = thought["signature"]
    for changed in ("", "c2ln", "?", signed[:-4], signed + "AAAA", signed.swapcase()):
        assert again({**thought, "signature": changed}) == wrong, changed


def test_a_thinking_block_dropped_in_a_tool_loop_is_missed(simulator: Simulator) -> None:
    common = {
        "model": HAIKU,
        "thinking": ENABLED,
        "tools": [{"name": "get_weather", "input_schema": {"type": "object"}}],
    }
    ask = {"role": "user", "content": "What is the weather in Porto?"}
    made = post(simulator, {**common, "messages": [ask]}).json()["content"]
    call = made[-1]
    answer = {"type": "tool_result", "tool_use_id": call["id"], "content": "21 C"}
    told = {"role": "user", "content": [answer]}

    def loop(*blocks: object, more: Sequence[object] = (), **changes: object) -> str | None:
        said = {"role": "assistant", "content": list(blocks)}
        return refusal(simulator, {**common, "messages": [ask, said, told, *more], **changes})

    wrong = "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
    assert (made[0]["type"], call["type"]) == ("thinking", "tool_use")
    assert loop(*made) is None
    assert str(loop(call)).startswith(f"{wrong}`tool_use`. When `thinking` is enabled")
    assert str(loop(text("I look."), call)).startswith(f"{wrong}`text`.")
    assert loop(call, thinking={"type": "disabled"}) is None
    second = {"role": "assistant", "content": [{**call, "id": "toolu_2"}]}
    more = [second, {"role": "user", "content": [{**answer, "tool_use_id": "toolu_2"}]}]
    assert str(loop(*made, more=more)).startswith("messages.3.content.0.type: Expected")
    over = [{"role": "assistant", "content": "21 C."}, {"role": "user", "content": "Thanks"}]
    assert loop(call, more=over) is None


def test_adaptive_thinking_misses_no_block(simulator: Simulator) -> None:
    body = {**result(text("21 C")), "thinking": {"type": "adaptive"}, "tools": [TOOL]}
    assert refusal(simulator, body) is None


def closed(**properties: object) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


BOUND = [
    ({"type": "object", "properties": {}}, "additionalProperties", ""),
    ({"type": "object", "additionalProperties": True}, "additionalProperties", ""),
    (closed(a={"type": "object", "properties": {}}), "additionalProperties", ".properties.a"),
    (closed(a={"type": ["object", "null"]}), "additionalProperties", ".properties.a"),
    (closed(n={"type": "integer", "minimum": 1}), "minimum", ".properties.n.minimum"),
    (closed(n={"type": "number", "exclusiveMaximum": 1}), "exclusiveMaximum", ".properties.n"),
    (closed(n={"type": "number", "multipleOf": 2}), "multipleOf", ".properties.n"),
    (closed(s={"type": "string", "maxLength": 5}), "maxLength", ".properties.s"),
    (closed(s={"type": "string", "minLength": 5}), "minLength", ".properties.s"),
    (closed(a={"type": "array", "maxItems": 5}), "maxItems", ".properties.a"),
    (closed(a={"type": "array", "minItems": 2}), "minItems", ".properties.a.minItems"),
    (closed(a={"type": "array", "uniqueItems": True}), "uniqueItems", ".properties.a"),
    (
        closed(a={"type": "array", "items": {"type": "array", "items": {"maxLength": 1}}}),
        "maxLength",
        ".properties.a.items.items",
    ),
    (closed(a={"anyOf": [{"type": "null"}, {"minimum": 1}]}), "minimum", ".anyOf.1"),
    (closed(a={"oneOf": [{"type": "null"}]}), "oneOf", ".properties.a"),
    ({**closed(), "$defs": {"d": {"type": "string", "maxLength": 3}}}, "maxLength", ".$defs.d"),
    (closed(a={"$ref": "https://example.com/x"}), "$ref", ".properties.a"),
    ({**closed(), "patternProperties": {"a": {}}}, "patternProperties", ""),
]


@pytest.mark.parametrize(("schema", "keyword", "place"), BOUND)
def test_strict_schemas_have_no_keyword_that_cannot_be_bound(
    simulator: Simulator, schema: object, keyword: str, place: str
) -> None:
    form = {"type": "json_schema", "schema": schema}
    told = str(refusal(simulator, {"output_config": {"format": form}}))
    assert told.startswith("output_config.format.schema: ")
    assert f"'{keyword}'" in told
    assert f"(at output_config.format.schema{place}" in told or place in told
    tool = {"name": "look", "strict": True, "input_schema": schema}
    told = str(refusal(simulator, {"tools": [TOOL | {"name": "other"}, tool]}))
    assert told.startswith("tools.1.custom: ")
    assert f"'{keyword}'" in told
    if not any(each in str(schema) for each in ("https://",)):
        assert refusal(simulator, {"tools": [{**tool, "strict": False}]}) is None


def test_the_text_is_the_apis(simulator: Simulator) -> None:
    form = {"type": "json_schema", "schema": closed(n={"type": "integer", "minimum": 1})}
    told = str(refusal(simulator, {"output_config": {"format": form}}))
    text = "output_config.format.schema: For 'integer' type, property 'minimum' is not supported"
    assert told.startswith(text)
    form = {
        "type": "json_schema",
        "schema": closed(n={"type": "integer", "minimum": 1, "maximum": 2}),
    }
    told = str(refusal(simulator, {"output_config": {"format": form}}))
    assert "properties maximum, minimum are not supported" in told


class Leaf(BaseModel):
    words: str
    size: int | None = None


class Tree(BaseModel):
    leaves: list[Leaf]
    kind: str = "oak"


def test_what_the_sdk_makes_of_a_model_is_taken(simulator: Simulator) -> None:
    from anthropic import Anthropic

    with Anthropic(base_url=simulator.url, api_key="k", max_retries=0) as claude:
        answer = claude.messages.parse(
            model=OPUS,
            max_tokens=500,
            messages=[{"role": "user", "content": "Hello"}],
            output_format=Tree,
        )
    assert isinstance(answer.parsed_output, Tree)


@pytest.mark.parametrize("keyword", ["oneOf", "allOf", "anyOf"])
def test_no_tool_has_a_choice_at_its_top(simulator: Simulator, keyword: str) -> None:
    schema = {"type": "object", keyword: [{"required": ["a"]}, {"required": ["b"]}]}
    told = refusal(simulator, {"tools": [{**TOOL, "input_schema": schema}]})
    assert told == (
        "tools.0.custom.input_schema: input_schema does not support oneOf, allOf, or anyOf at the "
        "top level"
    )
    deeper = {"type": "object", "properties": {"x": {keyword: [{"type": "string"}]}}}
    assert refusal(simulator, {"tools": [{**TOOL, "input_schema": deeper}]}) is None


WRONG = [
    {"type": "strin"},
    {"type": []},
    {"type": ["string", "string"]},
    {"type": 5},
    {"minimum": "1"},
    {"exclusiveMinimum": True},
    {"multipleOf": 0},
    {"minLength": -1},
    {"maxItems": 1.5},
    {"uniqueItems": "yes"},
    {"enum": "a"},
    {"required": "a"},
    {"required": ["a", "a"]},
    {"properties": []},
    {"properties": {"a": "string"}},
    {"items": [{"type": "string"}]},
    {"items": {"anyOf": []}},
    {"not": 1},
    {"pattern": 1},
    {"$ref": 1},
    {"$defs": {"a": {"additionalProperties": {"type": "text"}}}},
]


@pytest.mark.parametrize("wrong", WRONG)
def test_every_tool_has_a_schema_of_draft_2020_12(simulator: Simulator, wrong: object) -> None:
    schema = {"type": "object", "properties": {"x": wrong}}
    told = str(refusal(simulator, {"tools": [{**TOOL, "input_schema": schema}]}))
    start = "tools.0.custom.input_schema: JSON schema is invalid. It must match JSON Schema draft"
    assert told.startswith(f"{start} 2020-12")


def test_a_schema_is_not_taken_for_one_that_only_equals_it(simulator: Simulator) -> None:
    for value, is_right in ((True, True), (1, False), (1.0, False), (True, True)):
        schema = {"type": "object", "properties": {"a": {"uniqueItems": value}}}
        found = refusal(simulator, {"tools": [{**TOOL, "input_schema": schema}]})
        assert (found is None) == is_right, value


def test_keywords_of_nobody_and_of_every_draft_are_taken(simulator: Simulator) -> None:
    inner = {
        "type": ["string", "null"],
        "x-mine": 1,
        "format": "odd",
        "enum": [],
        "minLength": 2.0,
        "title": "t",
        "deprecated": True,
        "examples": [1],
        "if": True,
        "pattern": "(",
    }
    schema = {"type": "object", "properties": {"x": inner, "y": True}, "$schema": "https://x"}
    assert refusal(simulator, {"tools": [{**TOOL, "input_schema": schema}]}) is None


BETA = [
    (
        "context-management-2025-06-27",
        {"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}},
        "context_management: Extra inputs are not permitted",
    ),
    (
        "mcp-client-2025-11-20",
        {"mcp_servers": [{"type": "url", "url": "https://example.com", "name": "m"}]},
        "mcp_servers: Extra inputs are not permitted",
    ),
    (
        "structured-outputs-2025-11-13",
        {"output_format": {"type": "json_schema", "schema": closed(a={"type": "string"})}},
        "output_format: Extra inputs are not permitted",
    ),
    (
        "thinking-display-updates-2026-08-18",
        {"thinking": {"type": "adaptive", "display": "updates"}},
        "thinking.adaptive.display: Input should be 'summarized' or 'omitted'",
    ),
]


@pytest.mark.parametrize(("beta", "body", "without"), BETA)
def test_a_beta_opens_its_parameter_and_stands_in_the_log(
    simulator: Simulator, beta: str, body: dict[str, Any], without: str
) -> None:
    named = [("anthropic-beta", f"interleaved-thinking-2025-05-14, {beta}")]
    answer = post(simulator, body, named, "?beta=true")
    assert answer.status_code == 200, answer.text
    assert simulator.log[-1].betas == ("interleaved-thinking-2025-05-14", beta)
    assert httpx.get(f"{simulator.url}/_mock/log").json()["exchanges"][-1]["betas"][1] == beta
    two_lines = [("anthropic-beta", beta), ("anthropic-beta", "files-api-2025-04-14")]
    assert refusal(simulator, body, two_lines) is None
    assert refusal(simulator, body) == without
    assert refusal(simulator, body, [("anthropic-beta", "files-api-2025-04-14")]) == without


def test_a_parameter_that_a_beta_opens_is_checked(simulator: Simulator) -> None:
    beta = [("anthropic-beta", "mcp-client-2025-11-20,context-management-2025-06-27")]
    told = refusal(simulator, {"mcp_servers": [{"type": "url", "name": "m"}]}, beta)
    assert told == "mcp_servers.0.url: Field required"
    told = refusal(simulator, {"context_management": {"edit": []}}, beta)
    assert told == "context_management.edit: Extra inputs are not permitted"


def test_the_old_output_format_binds_like_the_new_one(simulator: Simulator) -> None:
    beta = [("anthropic-beta", "structured-outputs-2025-11-13")]
    schema = {
        **closed(age={"type": "integer"}, name={"type": "string"}),
        "required": ["age", "name"],
    }
    body = {"output_format": {"type": "json_schema", "schema": schema}}
    made = post(simulator, body, beta).json()
    new = post(simulator, {"output_config": {"format": body["output_format"]}}).json()
    assert made["content"] == new["content"]
    assert set(httpx.Response(200, text=made["content"][0]["text"]).json()) == {"age", "name"}
    wrong = {"type": "json_schema", "schema": {"type": "object"}}
    told = str(refusal(simulator, {"output_format": wrong}, beta))
    assert told.startswith("output_format.schema: For 'object' type, 'additionalProperties' must")
    both = {**body, "output_config": {"format": body["output_format"]}}
    assert str(refusal(simulator, both, beta)).startswith("output_format: ")


def test_an_mcp_toolset_needs_its_beta(simulator: Simulator) -> None:
    body = {"tools": [{"type": "mcp_toolset", "mcp_server_name": "m"}]}
    assert refusal(simulator, body, [("anthropic-beta", "mcp-client-2025-11-20")]) is None
    assert str(refusal(simulator, body)).startswith("tools.0: Input tag 'mcp_toolset'")


def test_an_unknown_beta_is_refused(simulator: Simulator) -> None:
    named = [("anthropic-beta", "odd-2026-01-01,files-api-2025-04-14, other")]
    told = "Unexpected value(s) `odd-2026-01-01`, `other` for the `anthropic-beta` header."
    assert str(refusal(simulator, {}, named)).startswith(told)
    models = httpx.get(
        f"{simulator.url}/v1/models",
        headers=[("x-api-key", "k"), ("anthropic-version", "2026-10-21"), *named],
    )
    assert models.status_code == 400
    assert refusal(simulator, {}, [("anthropic-beta", "files-api-2025-04-14,,")]) is None


def test_every_beta_of_the_installed_sdk_is_known(simulator: Simulator) -> None:
    listed = get_args(get_args(AnthropicBetaParam)[1])
    assert len(listed) > 40
    assert set(listed) <= betas.KNOWN
    assert refusal(simulator, {}, [("anthropic-beta", ",".join(listed))]) is None


def test_a_version_sent_twice_is_no_version(simulator: Simulator) -> None:
    twice = [("anthropic-version", "2023-06-01")] * 2
    told = refusal(simulator, {}, twice)
    assert told == 'anthropic-version: "2023-06-01, 2023-06-01" is not a valid version'


@pytest.mark.parametrize(
    ("name", "value"), [("x-api-key", "k"), ("authorization", "Bearer sk-ant-x")]
)
def test_a_key_sent_twice_is_no_key(simulator: Simulator, name: str, value: str) -> None:
    answer = post(simulator, {}, [(name, value), (name, value)])
    assert (answer.status_code, answer.json()["error"]["message"]) == (401, "invalid x-api-key")


PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"0" * 20).decode()
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0" + b"0" * 20).decode()
GIF = base64.b64encode(b"GIF89a" + b"0" * 20).decode()
WEBP = base64.b64encode(b"RIFF0000WEBP" + b"0" * 20).decode()
FILES = {"image/png": PNG, "image/jpeg": JPEG, "image/gif": GIF, "image/webp": WEBP}


def image(media_type: str, data: str) -> dict[str, Any]:
    source = {"type": "base64", "media_type": media_type, "data": data}
    return {"type": "image", "source": source}


@pytest.mark.parametrize("media_type", FILES)
def test_an_image_is_of_the_type_that_it_names(simulator: Simulator, media_type: str) -> None:
    assert refusal(simulator, asks(image(media_type, FILES[media_type]))) is None
    for other in FILES.keys() - {media_type}:
        told = refusal(simulator, asks(text("a"), image(other, FILES[media_type])))
        assert told == (
            "messages.0.content.1.image.source.base64.data: Image does not match the provided "
            f"media type {other}"
        )
    text_file = base64.b64encode(b"no image at all").decode()
    assert "does not match" in str(refusal(simulator, asks(image(media_type, text_file))))


@pytest.mark.parametrize(
    "data", ["!", "data:image/png;base64," + PNG, PNG[:-1], PNG + "=", "\u00e9"]
)
def test_the_data_of_an_image_is_base64(simulator: Simulator, data: str) -> None:
    path = "messages.0.content.0.image.source.base64"
    assert refusal(simulator, asks(image("image/png", data))) == f"{path}: invalid base64 data"
    inner = "messages.2.content.0.tool_result.content.0.image.source.base64"
    told = refusal(simulator, result(image("image/png", data)))
    assert told == f"{inner}: invalid base64 data"


def test_a_pdf_is_one(simulator: Simulator) -> None:
    def document(data: bytes | str) -> dict[str, Any]:
        told = data if isinstance(data, str) else base64.b64encode(data).decode()
        source = {"type": "base64", "media_type": "application/pdf", "data": told}
        return asks({"type": "document", "source": source})

    path = "messages.0.content.0.document.source.base64"
    assert refusal(simulator, document(b"%PDF-1.7\n")) is None
    assert refusal(simulator, document("?")) == f"{path}: invalid base64 data"
    told = refusal(simulator, document(b"<html>"))
    assert told == f"{path}.data: The PDF specified was not valid."


def test_what_the_agent_sdk_sends_is_taken(simulator: Simulator) -> None:
    """As the agent SDK 0.2.189 sends it, its per-turn settings among it."""
    named = (
        "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27,"
        "per-turn-control-2026-07-01,mid-conversation-tool-changes-2026-07-01,"
        "thinking-token-count-2026-05-13,advanced-tool-use-2025-11-20,effort-2025-11-24"
    )
    environment = {"role": "system", "content": [text("# Environment")]}
    body = {
        "system": [text("You are an agent.", **MARK)],
        "messages": [USER, {**environment, "output_config": {"effort": "medium"}}],
        "thinking": {"type": "adaptive", "display": "omitted"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "output_config": {"effort": "medium"},
        "tools": [TOOL],
    }
    assert refusal(simulator, body, [("anthropic-beta", named)]) is None
    told = refusal(simulator, body, [("anthropic-beta", "context-management-2025-06-27")])
    assert told == "messages.1.output_config: Extra inputs are not permitted"
