"""JSON that fits its schema. pydantic, which also writes the schemas, is the judge."""

from __future__ import annotations

import json
import re
from datetime import date, datetime
from enum import Enum
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import AnyUrl, BaseModel, ConfigDict, Field, create_model

from mock_claude.api.pattern_text import example as example_of
from mock_claude.api.schema_check import fits
from mock_claude.api.schema_fit import ABSENT, fit


class Colour(Enum):
    red = "red"
    green = "green"


class Point(BaseModel):
    model_config = ConfigDict(extra="forbid")
    x: int = Field(ge=3, le=9)
    label: str = Field(min_length=2, max_length=5)


class Tree(BaseModel):
    name: str
    children: list[Tree]


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = Field(gt=8, lt=10)


class Dog(BaseModel):
    kind: Literal["dog"]
    good: bool


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]
LEAVES: list[Any] = [
    str,
    int,
    float,
    bool,
    type(None),
    Any,
    Colour,
    Point,
    Tree,
    Pet,
    date,
    datetime,
    UUID,
    IPv4Address,
    AnyUrl,
    Literal["a", "b"],
    Literal[7],
    dict[str, int],
    tuple[int, str],
    Annotated[int, Field(ge=10)],
    Annotated[int, Field(lt=-5)],
    Annotated[int, Field(multiple_of=7, gt=7)],
    Annotated[float, Field(gt=0, lt=0.25)],
    Annotated[float, Field(ge=-2.5, le=-2.25)],
    Annotated[str, Field(min_length=30)],
    Annotated[str, Field(pattern="^[A-Z]{3}$")],
    Annotated[str, Field(pattern=r"^ORD-\d{4}$")],
    Annotated[str, Field(pattern=r"^[a-z]+@[a-z]+\.[a-z]+$")],
    Annotated[dict[str, bool], Field(min_length=2)],
]


def _list(kind: Any) -> Any:
    return list[kind]


def _list_of(kind: Any, size: int) -> Any:
    return Annotated[list[kind], Field(min_length=size, max_length=size)]


def _object_of(fields: dict[str, Any]) -> Any:
    members: dict[str, Any] = {name: (kind, ...) for name, kind in fields.items()}
    return create_model("Inner", **members)


TYPES = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.one_of(
        inner.map(_list),
        inner.map(lambda one: one | None),
        st.tuples(inner, st.integers(0, 4)).map(lambda pair: _list_of(*pair)),
        st.tuples(inner, inner).map(lambda pair: pair[0] | pair[1]),
        st.dictionaries(st.sampled_from("abc"), inner, min_size=1).map(_object_of),
    ),
    max_leaves=6,
)


@example(Annotated[Cat | Dog, Field(discriminator="kind")] | date, "a choice within a choice")
@given(TYPES, st.text(max_size=20) | st.just("green ORD-1234 b"))
def test_what_is_made_fits_and_is_the_same_every_time(kind: Any, words: str) -> None:
    model: type[BaseModel] = create_model("Input", value=(kind, ...))
    schema = model.model_json_schema()
    made = fit(schema, ABSENT, words)
    model.model_validate_json(json.dumps(made))
    assert fits(schema, made, schema)
    assert fit(schema, ABSENT, words) == made


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"^ORD-\d{4}$", "ORD-1111"),
        (r"^(draft|final)-v[1-9]\d*$", "draft-v1"),
        (r"^[^a-z]{2,}\.(?:csv|txt)$", "AA.csv"),
        (r"^[\]x]+?$", "x"),
        (r"^\$\d+(\.\d{2})?$", "$1"),
        (r"^(?P<year>20\d\d)/[01]\d$", "2011/11"),
        (r"^(?=a)a$", None),
        (r"(a)\1", None),
        ("(", None),
        ("[", None),
    ],
)
def test_a_pattern_is_read_from_left_to_right(pattern: str, text: str | None) -> None:
    assert example_of(pattern) == text
    assert text is None or re.search(pattern, text)


@given(st.from_regex(r"([a-z\d\[\]().|*+?{},\\^$-]){0,12}", fullmatch=True))
@example("(((a{1000}){1000}){1000})")
@example("[[a]]")
def test_no_pattern_breaks_its_reader(pattern: str) -> None:
    fit({"type": "string", "pattern": pattern})


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
KEYWORDS = [
    *("type", "items", "enum", "const", "properties", "required", "anyOf", "oneOf", "allOf"),
    *("not", "$ref", "minimum", "maximum", "exclusiveMinimum", "multipleOf", "minLength"),
    *("maxLength", "minItems", "maxItems", "pattern", "format", "uniqueItems", "prefixItems"),
    *("additionalProperties", "minProperties", "default", "examples"),
]
VALUES = JUNK | st.sampled_from(["#", "#/items", "object", "array", "string", "integer", 10**30])
SCHEMAS = st.recursive(
    st.dictionaries(st.sampled_from(KEYWORDS), VALUES, max_size=4),
    lambda inner: st.dictionaries(
        st.sampled_from(KEYWORDS), inner | st.lists(inner, max_size=3) | VALUES, max_size=4
    ),
    max_leaves=6,
)


@given(SCHEMAS | JUNK, JUNK)
@example({"required": [{}]}, {})
@example({"multipleOf": 1e-300, "minimum": 1e300}, 10**400)
@example({"type": "array", "minItems": 10**9, "items": {"$ref": "#"}}, None)
@example({"$ref": "#"}, 1)
@example({"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}, 1)
@example({"allOf": [{"$ref": "#"}, {"$ref": "#"}], "type": "integer"}, "x")
@example({"type": "string", "pattern": "(", "minLength": 10**12}, 1)
def test_no_schema_however_broken_breaks_the_answer(schema: object, value: object) -> None:
    json.dumps(fit(schema, value))


def test_what_is_given_and_fits_stays_and_the_rest_is_completed() -> None:
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer", "minimum": 1, "maximum": 7},
            "unit": {"enum": ["celsius", "fahrenheit"]},
            "note": {"type": "string"},
        },
        "required": ["city", "days", "unit"],
        "additionalProperties": False,
    }
    given = {"city": "Lisbon", "days": 30, "stray": 1}
    assert fit(schema, given, "in Fahrenheit please") == {
        "city": "Lisbon",
        "days": 1,
        "unit": "fahrenheit",
    }
    assert fit(schema, {**given, "days": 3, "unit": "celsius"}, "") == {
        "city": "Lisbon",
        "days": 3,
        "unit": "celsius",
    }


@pytest.mark.parametrize(
    ("schema", "made"),
    [
        ({"type": "string"}, "the words"),
        ({"type": "string", "maxLength": 3}, "the"),
        ({"type": "string", "format": "date"}, "2026-11-20"),
        ({"type": ["null", "integer"], "minimum": 5}, 5),
        ({"const": None}, None),
        ({"default": 4}, 4),
        ({"type": "boolean", "default": True}, True),
        ({"type": "array", "items": {"type": "integer"}}, [1]),
        (
            {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 2, "uniqueItems": True},
            ["a", "b"],
        ),
        (
            {"type": "array", "minItems": 3, "items": {"type": "integer"}, "uniqueItems": True},
            [1, 2, 3],
        ),
        ({"type": "array", "maxItems": 0}, []),
        (
            {"type": "array", "prefixItems": [{"const": 1}, {"const": "x"}], "items": False},
            [1, "x"],
        ),
        ({"oneOf": [{"type": "integer", "minimum": 9}, {"type": "integer"}]}, 1),
        (
            {
                "allOf": [
                    {"type": "object", "required": ["a"], "properties": {"a": {"const": 1}}},
                    {"$ref": "#/$defs/b"},
                ],
                "$defs": {"b": {"required": ["b"], "properties": {"b": {"type": "null"}}}},
            },
            {"a": 1, "b": None},
        ),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 0.5}, 0.5),
        ({"type": "object", "minProperties": 1, "additionalProperties": {"const": 2}}, {"key0": 2}),
    ],
)
def test_each_keyword_is_met(schema: dict[str, Any], made: object) -> None:
    assert fit(schema, ABSENT, "the words") == made


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer"}, True),
        ({"type": "integer"}, 1.5),
        ({"enum": [1]}, True),
        ({"required": ["a"]}, {}),
        ({"additionalProperties": False}, {"a": 1}),
        ({"items": {"type": "string"}}, ["a", 1]),
        ({"uniqueItems": True}, [1, 1.0]),
        ({"multipleOf": 0.1}, 0.35),
        ({"not": {"type": "string"}}, "a"),
        ({"oneOf": [{}, {"type": "string"}]}, "a"),
        ({"anyOf": [{"const": 1}, {"const": 2}]}, 3),
        ({"pattern": "^a$"}, "b"),
        ({"exclusiveMaximum": 3}, 3),
        ({"prefixItems": [{"const": 1}], "items": False}, [1, 2]),
        ({"properties": {"a": False}}, {"a": 1}),
    ],
)
def test_a_value_that_breaks_a_keyword_does_not_fit(schema: dict[str, Any], value: object) -> None:
    assert not fits(schema, value, schema)
