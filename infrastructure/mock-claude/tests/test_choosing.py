"""Tools of other people's making: called if they fit, with what the text says; else asked for."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from mock_claude.api.fitting import guaranteed, reply_to

TEXT, WHOLE, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}


def enum(*members: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(members)}


def tool(called: str, told: str, needed: list[str] | None = None, /, **given: Any) -> Any:
    schema = {"type": "object", "properties": given, "required": needed or list(given)}
    return {"name": called, "description": told, "input_schema": schema}


WEATHER = tool(
    "get_weather",
    "Get the weather",
    ["location"],
    location=TEXT,
    unit=enum("celsius", "fahrenheit"),
)
SEARCH = tool("search", "Search the web", query=TEXT)
EMAIL = tool("send_email", "Send an email", to=TEXT, subject=TEXT, body=TEXT)
EVENT = tool("create_event", "Create a calendar event", title=TEXT, date=TEXT)
STOCK = tool("get_stock_price", "The price of a stock", symbol=TEXT)
PERSON = tool("record_person", "Record a person", name=TEXT, age=WHOLE)
PIZZA = tool(
    "order_pizza",
    "Order pizza",
    size=enum("small", "large"),
    toppings={"type": "array", "items": enum("ham", "olives", "cheese")},
    quantity=WHOLE,
)
LIST = tool("add_items", "Add to the shopping list", items={"type": "array", "items": TEXT})
ACCOUNT = tool(
    "create_account",
    "Create an account",
    owner={
        "type": "object",
        "properties": {"name": TEXT, "email": TEXT},
        "required": ["name", "email"],
    },
)
EVERY = [SEARCH, EMAIL, EVENT, STOCK, PIZZA]


def request(task: str, *tools: Any, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": task}], "tools": list(tools), **more}


def calls(task: str, *tools: Any, **more: Any) -> list[tuple[str, dict[str, Any]]]:
    made = reply_to(request(task, *tools, **more)).calls
    return [(call.name, dict(call.input)) for call in made]


@pytest.mark.parametrize(
    ("task", "tools", "name", "given"),
    [
        ("Ann is 41 years old.", [PERSON], "record_person", {"name": "Ann", "age": 41}),
        ("What is the stock price of ABC?", EVERY, "get_stock_price", {"symbol": "ABC"}),
        (
            "What is the weather in Oslo in Fahrenheit?",
            [WEATHER, EMAIL],
            "get_weather",
            {"location": "Oslo", "unit": "fahrenheit"},
        ),
        ("Search for old maps", EVERY, "search", {"query": "old maps"}),
        (
            "Email ann@example.org with the subject Lunch saying I will be late",
            EVERY,
            "send_email",
            {"to": "ann@example.org", "subject": "Lunch", "body": "I will be late"},
        ),
        (
            "Schedule a meeting called Budget for next Friday",
            EVERY,
            "create_event",
            {"title": "Budget", "date": "next Friday"},
        ),
        (
            "I'd like 2 large pizzas with ham and olives",
            EVERY,
            "order_pizza",
            {"size": "large", "toppings": ["ham", "olives"], "quantity": 2},
        ),
        (
            "Add milk, eggs and bread to my shopping list",
            [LIST],
            "add_items",
            {"items": ["milk", "eggs", "bread"]},
        ),
        (
            "Create an account for Ann Lee, ann@example.org",
            [ACCOUNT],
            "create_account",
            {"owner": {"name": "Ann Lee", "email": "ann@example.org"}},
        ),
    ],
)
def test_the_tool_that_fits_is_called_with_what_the_text_says(
    task: str, tools: list[Any], name: str, given: dict[str, Any]
) -> None:
    assert calls(task, *tools) == [(name, given)]


def test_a_tool_with_one_argument_is_called_for_each_of_several_things() -> None:
    made = calls("Compare the stock prices of ABC and XYZ", STOCK)
    assert [given["symbol"] for _, given in made] == ["ABC", "XYZ"]


@pytest.mark.parametrize(
    ("task", "tools", "asked"),
    [
        ("Send an email to Bob", [EMAIL], "send_email: what is the subject and the body?"),
        ("Create an event on Friday", [EVENT], "create_event: what is the title?"),
        (
            "Create an account for Ann Lee",
            [ACCOUNT],
            "create_account: what is the owner.email?",
        ),
    ],
)
def test_what_is_missing_is_asked_for_and_not_invented(
    task: str, tools: list[Any], asked: str
) -> None:
    reply = reply_to(request(task, *tools))
    assert (reply.calls, reply.text) == ((), f"I need more to use {asked}")


def test_what_was_asked_for_completes_the_call() -> None:
    said = request("Send an email to bob@example.org", EMAIL)
    said["messages"] += [
        {"role": "assistant", "content": reply_to(said).text},
        {"role": "user", "content": "subject Hi, body: see you"},
    ]
    (call,) = reply_to(said).calls
    assert call.input == {"to": "bob@example.org", "subject": "Hi", "body": "see you"}


@pytest.mark.parametrize("failed", [False, True])
def test_what_the_tool_says_is_the_answer_and_it_is_called_once(failed: bool) -> None:
    said = request("What is the stock price of ABC?", STOCK)
    (call,) = reply_to(said).calls
    use = {"type": "tool_use", "id": "t", "name": call.name, "input": dict(call.input)}
    result = {"type": "tool_result", "tool_use_id": "t", "content": "12.5", "is_error": failed}
    said["messages"] += [
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result]},
    ]
    reply = reply_to(said)
    assert reply.calls == ()
    assert (
        reply.text
        == ("I could not use get_stock_price: " if failed else "get_stock_price: ") + "12.5"
    )


@pytest.mark.parametrize(
    "task",
    [
        "Don't send an email to bob@example.org",
        "How do I send an email?",
        "If it rains, order 2 large pizzas with ham",
        "Hello",
        "Tell me a joke",
        "I like trains.",
        "Never call send_email.",
    ],
)
def test_no_tool_is_called_that_is_not_asked_for(task: str) -> None:
    assert calls(task, *EVERY) == []


def test_of_two_tools_that_fit_alike_none_is_called() -> None:
    twins = [tool(name, "Send an email", to=TEXT) for name in ("send_email_a", "send_email_b")]
    assert calls("Send an email to bob@example.org", *twins) == []


def test_a_forced_tool_is_given_what_the_text_says() -> None:
    forced = {"type": "tool", "name": "record_person"}
    assert calls("Ann is 41 years old.", PERSON, EMAIL, tool_choice=forced) == [
        ("record_person", {"name": "Ann", "age": 41})
    ]
    made = calls("Bob, 29, is here", EMAIL, PERSON, tool_choice={"type": "any"})
    assert made == [("record_person", {"name": "Bob", "age": 29})]


@pytest.mark.parametrize(
    ("task", "properties", "wanted"),
    [
        ("Ann is 41 years old.", {"name": TEXT, "age": WHOLE}, {"name": "Ann", "age": 41}),
        (
            "John Smith (john@example.org) wants the Gold plan and a demo.",
            {"name": TEXT, "email": TEXT, "plan": TEXT, "demo_requested": {"type": "boolean"}},
            {
                "name": "John Smith",
                "email": "john@example.org",
                "plan": "Gold",
                "demo_requested": True,
            },
        ),
        (
            "The invoice 8812 is for $99.50, due 2026-05-01",
            {"amount": NUMBER, "due": {"type": "string", "format": "date"}},
            {"amount": 99.5, "due": "2026-05-01"},
        ),
        (
            "Ann is 41 and Bob is 35",
            {
                "people": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"name": TEXT, "age": WHOLE},
                        "required": ["name", "age"],
                    },
                }
            },
            {"people": [{"name": "Ann", "age": 41}, {"name": "Bob", "age": 35}]},
        ),
        (
            "Maria lives in Rome",
            {"name": TEXT, "city": TEXT, "age": {"anyOf": [WHOLE, {"type": "null"}]}},
            {"name": "Maria", "city": "Rome", "age": None},
        ),
        ("This was a terrible day", {"mood": enum("positive", "negative")}, {"mood": "negative"}),
        ("It rained", {"name": TEXT}, {"name": "unknown"}),
    ],
)
def test_a_structured_answer_holds_what_the_text_says(
    task: str, properties: dict[str, Any], wanted: dict[str, Any]
) -> None:
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    asked = request(task, output_config={"format": {"type": "json_schema", "schema": schema}})
    assert json.loads(guaranteed(reply_to(asked), asked).text) == wanted


def test_a_structured_answer_holds_what_a_tool_found() -> None:
    schema = {"type": "object", "properties": {"result": NUMBER}, "required": ["result"]}
    adder = tool("calculate", "Calculate", expression=TEXT)
    said = request(
        "What is 6*7?", adder, output_config={"format": {"type": "json_schema", "schema": schema}}
    )
    (call,) = reply_to(said).calls
    use = {"type": "tool_use", "id": "t", "name": call.name, "input": dict(call.input)}
    result = {"type": "tool_result", "tool_use_id": "t", "content": "42"}
    said["messages"] += [
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result]},
    ]
    assert json.loads(guaranteed(reply_to(said), said).text) == {"result": 42}


@pytest.mark.parametrize(
    "text", ["A " * 5_000, "about " * 2_000, '"' * 9_000, "from a, " * 1_500, "1 " * 6_000]
)
def test_a_long_text_and_many_tools_take_no_second(text: str) -> None:
    many = [
        tool(f"about_{n}", text[:900], **{f"{name}_{n}": TEXT for name in ("to", "body", "name")})
        for n in range(60)
    ]
    many.append(tool("wide", "Wide", **{f"property_{n}": NUMBER for n in range(2_000)}))
    began = time.process_time()
    reply_to(request(text, *many))
    assert time.process_time() - began < 1
