"""No text of a request stops the server: patterns, schemas, names and long texts are bounded."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mock_claude import Simulator
from mock_claude.api.patterns import HEAVIEST, compiled
from mock_claude.api.schema_check import fits
from mock_claude.api.schema_fit import fit
from mock_claude.model.reading.tasks import wishes_in

MOST_S = 1.0  # of CPU time, which does not count what other processes take
EVIL = "a" * 60 + "!"


def with_property(schema: object, **more: object) -> dict[str, Any]:
    return {"type": "object", "properties": {"x": schema}, "required": ["x"], **more}


def pattern(text: str) -> dict[str, Any]:
    return with_property({"type": "string", "pattern": text})


def numbered(schema_of: Any, count: int) -> dict[str, Any]:
    properties = {f"p{number}": schema_of(number) for number in range(count)}
    return {"type": "object", "properties": properties, "required": list(properties)}


DOUBLING = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)}
CHOICES = {
    "a": {"anyOf": [{"$ref": "#/$defs/b"}] * 8},
    "b": {"anyOf": [{"$ref": "#/$defs/a"}, with_property({"$ref": "#/$defs/a"})] * 8},
}
SCHEMAS = {
    "nested repeats": pattern("^(a+)+$"),
    "alternatives that overlap": pattern(r"^(\w+\s?)*$"),
    "a back-reference": pattern(r"^(a+)+\1$"),
    "look-behind": pattern(r"(?<=a)(a+)+$"),
    "look-ahead": pattern(r"^(?=(a+)+$)a"),
    "repeats of repeats": pattern("((a{1000}){1000}){1000}"),
    "a wide set, often": pattern(r"^\p{L}{1000}$"),
    "parentheses": pattern("(" * 900 + "a" + ")" * 900),
    "many heavy patterns": numbered(
        lambda n: {"type": "string", "pattern": f"^[^a]{{{1500 + n}}}$"}, 300
    ),
    "a pattern of many names": {"type": "object", "patternProperties": {"^(a+)+$": {}}},
    "unique, one value": with_property(
        {"type": "array", "minItems": 2000, "uniqueItems": True, "items": {"enum": ["one"]}}
    ),
    "unique, texts": with_property(
        {"type": "array", "minItems": 2000, "uniqueItems": True, "items": {"type": "string"}}
    ),
    "unique, a large enum": with_property(
        {
            "type": "array",
            "minItems": 1000,
            "uniqueItems": True,
            "items": {"enum": list(map(str, range(20_000)))},
        }
    ),
    "arrays of arrays": with_property(
        {
            "type": "array",
            "minItems": 1000,
            "items": {"type": "array", "minItems": 1000, "items": {"type": "array"}},
        }
    ),
    "a long text": with_property({"type": "string", "minLength": 10**9}),
    "a tiny step": with_property({"type": "number", "multipleOf": 1e-300, "minimum": 1e14}),
    "many properties": numbered(lambda _: {"type": "string"}, 15_000),
    "as many as you like": with_property({"type": "object", "minProperties": 10**9}),
    "a circle": {"type": "object", "$ref": "#"},
    "a circle that must be": with_property({"$ref": "#"}),
    "two references, each two references": with_property(
        {"$ref": "#/$defs/d0"}, **{"$defs": {**DOUBLING, "d40": {"type": "object"}}}
    ),
    "choices of choices": with_property({"$ref": "#/$defs/a"}, **{"$defs": CHOICES}),
    "a long pointer": with_property({"$ref": "#" + "/a" * 300_000}),
    "a large enum of another type": with_property(
        {"type": "integer", "enum": list(map(str, range(40_000)))}
    ),
}


@pytest.fixture(scope="module")
def url() -> Any:
    from mock_claude.background import in_background

    with in_background(Simulator()) as running:
        yield running.url


def asked(url: str, body: dict[str, Any]) -> tuple[httpx.Response, float]:
    """The answer, and how much CPU time this process took for it."""
    began = time.process_time()
    answer = httpx.post(
        f"{url}/v1/messages",
        json={"model": "claude-haiku-5-5", "max_tokens": 2000, **body},
        headers={"x-api-key": "k", "anthropic-version": "2026-10-21"},
        timeout=60,
    )
    return answer, time.process_time() - began


@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize("strict", [False, True])
def test_no_schema_holds_up_the_server(url: str, name: str, strict: bool) -> None:
    tool = {"name": "probe", "input_schema": SCHEMAS[name], "strict": strict}
    answer, took_s = asked(
        url,
        {
            "tools": [tool],
            "tool_choice": {"type": "tool", "name": "probe"},
            "messages": [{"role": "user", "content": EVIL}],
        },
    )
    assert answer.status_code in ((200, 400) if strict else (200,)), answer.text
    assert took_s < MOST_S


@pytest.mark.parametrize("name", ["(a+)+$", r"\p{L}", "(", "[", "a" * 200, "*"])
def test_a_tool_of_the_server_has_a_name_or_is_refused(url: str, name: str) -> None:
    tool = {"type": "web_search_20250305", "name": name}
    words = {"tools": [tool], "messages": [{"role": "user", "content": EVIL}]}
    answer, took_s = asked(url, words)
    assert answer.status_code == 400
    assert "tools.0" in answer.json()["error"]["message"]
    assert took_s < MOST_S


def test_names_of_tools_under_the_lenient_prefix_are_words_too(url: str) -> None:
    for name in ("(a+)+$", r"\p{L}", "("):
        tool = {"name": name, "input_schema": {"type": "object"}}
        body = {"tools": [tool], "messages": [{"role": "user", "content": EVIL}]}
        assert httpx.post(f"{url}/lenient/v1/messages", json=body).status_code == 200


def test_a_thousand_tools_that_a_task_names_share_one_effort(url: str) -> None:
    tools = [{"name": f"tool{n}", "input_schema": SCHEMAS["unique, texts"]} for n in range(200)]
    words = " ".join(str(tool["name"]) for tool in tools)
    answer, took_s = asked(
        url, {"tools": tools, "messages": [{"role": "user", "content": f"Use {words}"}]}
    )
    assert answer.status_code == 200
    assert took_s < MOST_S


@pytest.mark.parametrize("unit", ["what is ", "'s ", "the ", "Paris and ", "(", "1+", "word "])
def test_of_a_long_task_the_beginning_and_the_end_are_read(url: str, unit: str) -> None:
    text = "What is 2 + 3?\n" + unit * (400_000 // len(unit)) + "\nWhat is the weather in Porto?"
    tool = {"name": "get_weather", "input_schema": with_property({"type": "string"})}
    answer, took_s = asked(url, {"tools": [tool], "messages": [{"role": "user", "content": text}]})
    assert answer.status_code == 200
    assert took_s < 2 * MOST_S


def test_earlier_tasks_are_read_within_bounds() -> None:
    from mock_claude.model.conversation import read_conversation

    long = "what is " * 2_000
    messages = [{"role": role, "content": long} for role in ("user", "assistant") * 5]
    told = read_conversation({"messages": [*messages, {"role": "user", "content": "and Rome?"}]})
    assert max(map(len, told.earlier_tasks)) < 3_000
    assert wishes_in(told.earlier_tasks[0]) == wishes_in(told.earlier_tasks[-1])


@pytest.mark.parametrize(
    ("expression", "good", "bad"),
    [
        (r"^\d{3}$", "123", "\u0661\u0662\u0663"),
        (r"^\w+$", "abc_1", "a b"),
        (r"^[\w-.]+$", "a-b.c", "a b"),
        (r"^[[\]]$", "[", "a"),
        (r"^\p{L}+$", "\u00e9a", "1"),
        (r"^a{b}$", "a{b}", "ab"),
        (r"^a\Z", "a", "b"),
        (r"\bcat\b", "a cat.", "concat"),
        (r"^(?=.*\d)(?!.*x)[a-z0-9]{3,}$", "ab1", "abx1"),
        (r"^(?<year>20\d\d)\/[01]\d$", "2026/11", "2026-11"),
        (r"^\u0041\x42$", "AB", "ab"),
    ],
)
def test_patterns_mean_what_json_schema_says(expression: str, good: str, bad: str) -> None:
    read = compiled(expression)
    assert read is not None
    assert (read.is_in(good), read.is_in(bad)) == (True, False)
    made = fit(pattern(expression))
    assert isinstance(made, dict)
    assert read.is_in(made["x"])


@pytest.mark.parametrize("expression", [r"(a)\1", "(?<=a)b", "(", "[", "*", "a" * 3_000, "\\"])
def test_a_pattern_that_is_not_read_refuses_nothing(expression: str) -> None:
    assert compiled(expression) is None
    assert fits({"pattern": expression}, "anything", {})


PIECES = st.sampled_from(
    [*"ab01(){}[]^$|*+?.-,\\", r"\d", r"\w", r"\p{L}", "(?:", "(?=", "(?!", "{3}", "{2,}", "[^"]
)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(PIECES, max_size=12).map("".join), st.text("ab01 ", max_size=30))
def test_any_pattern_is_read_or_left_out(expression: str, text: str) -> None:
    began = time.process_time()
    read = compiled(expression)
    if read is not None:
        assert 0 < read.weight <= HEAVIEST
        assert read.is_in(text) in (True, False)
    made = fit(pattern(expression), words=text)
    assert isinstance(made, dict)
    assert isinstance(made["x"], str)
    assert time.process_time() - began < MOST_S
