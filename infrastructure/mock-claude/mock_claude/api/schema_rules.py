"""Schemas that the API refuses: of any tool, and of strict tools and structured output.

This prevents a schema that works here and is a 400 in production. Any tool: valid JSON Schema
(``json_schema``), and no choice at its top. Strict tools and ``output_config.format``: each
object says ``additionalProperties: false``, and no keyword that the API cannot bind. Texts as the
API sends them; what stands in brackets, the place, is ours, as is the text about references.
"""

from __future__ import annotations

import marshal
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from mock_claude.api.json_schema import is_valid, named_parts
from mock_claude.api.schema_parts import pointed, types_of
from mock_claude.errors import ApiError

FORMAT = "output_config.format.schema"
_AT_TOP = frozenset(("oneOf", "allOf", "anyOf"))
_INVALID = (
    "JSON schema is invalid. It must match JSON Schema draft 2020-12 "
    "(https://json-schema.org/draft/2020-12). Learn more about tool use at "
    "https://docs.claude.com/en/docs/tool-use."
)
_UNBOUND: Mapping[str, str] = {
    "minimum": "number",
    "maximum": "number",
    "exclusiveMinimum": "number",
    "exclusiveMaximum": "number",
    "multipleOf": "number",
    "minLength": "string",
    "maxLength": "string",
    "maxItems": "array",
    "uniqueItems": "array",
    "contains": "array",
    "minContains": "array",
    "maxContains": "array",
    "prefixItems": "array",
    "unevaluatedItems": "array",
    "minProperties": "object",
    "maxProperties": "object",
    "patternProperties": "object",
    "propertyNames": "object",
    "unevaluatedProperties": "object",
    "dependentRequired": "object",
    "dependentSchemas": "object",
    "oneOf": "",
    "not": "",
    "if": "",
    "then": "",
    "else": "",
}
"""Keywords that strict schemas cannot have, and the type that a schema without one has then."""
_MOST = 50_000  # parts of a schema that are looked at
_LONGEST_KEPT = 8_192  # bytes of a schema whose verdict is remembered


def check(raw: Mapping[str, object], format_path: str = FORMAT) -> None:
    """ApiError 400 with the first thing that is wrong; the request's fields are valid already."""
    tools = raw.get("tools")
    for place, tool in enumerate(tools if isinstance(tools, list) else ()):
        if isinstance(tool, dict) and tool.get("type") in (None, "custom"):
            schema = tool.get("input_schema")
            path = f"tools.{place}.custom"
            _check_tool(f"{path}.input_schema", schema)
            if tool.get("strict") is True:
                _check_strict(path, f"{path}.input_schema", schema)
    config = raw.get("output_config")
    form = config.get("format") if isinstance(config, dict) else None
    if isinstance(form, dict):
        schema = form.get("schema")
        if not is_valid(schema):
            raise ApiError(400, f"{format_path}: {_INVALID}")
        _check_strict(format_path, format_path, schema)


def _check_tool(path: str, schema: object) -> None:
    if isinstance(schema, dict) and not _AT_TOP.isdisjoint(schema):
        raise ApiError(
            400, f"{path}: input_schema does not support oneOf, allOf, or anyOf at the top level"
        )
    if not _is_valid(schema):
        raise ApiError(400, f"{path}: {_INVALID}")


def _is_valid(schema: Any) -> bool:
    """``is_valid``, but an agent sends the same few schemas with every request."""
    try:
        written = marshal.dumps(schema, 2)  # of this version: the same bytes for the same value
    except ValueError:  # nested too deeply
        return is_valid(schema)
    return _kept(written) if len(written) <= _LONGEST_KEPT else is_valid(schema)


@lru_cache(maxsize=256)
def _kept(written: bytes) -> bool:
    return is_valid(marshal.loads(written))  # noqa: S302


def _check_strict(path: str, place: str, root: object) -> None:
    waiting, left = [(place, root)], _MOST
    while waiting and left > 0:
        left -= 1
        at, schema = waiting.pop(0) if left > _MOST - 100 else waiting.pop()
        if not isinstance(schema, Mapping):
            continue
        _check_part(path, at, schema, root)
        waiting += ((f"{at}.{name}", part) for name, part in named_parts(schema))


def _check_part(path: str, at: str, schema: Mapping[str, object], root: object) -> None:
    kind = _kind(schema)
    unbound = sorted(each for each in schema if each in _UNBOUND)
    if len(unbound) == 1:
        text = f"For '{kind}' type, property '{unbound[0]}' is not supported"
        raise ApiError(400, f"{path}: {text} (at {at}.{unbound[0]})")
    if unbound:
        text = f"For '{kind}' type, properties {', '.join(unbound)} are not supported"
        raise ApiError(400, f"{path}: {text} (at {at})")
    if schema.get("minItems", 0) not in (0, 1):
        text = "For 'array' type, 'minItems' values other than 0 or 1 are not supported"
        raise ApiError(400, f"{path}: {text} (at {at}.minItems)")
    if (
        kind == "object"
        and schema.get("additionalProperties") is not False
        and "$ref" not in schema
    ):
        text = "For 'object' type, 'additionalProperties' must be explicitly set to false"
        raise ApiError(400, f"{path}: {text} (at {at})")
    pointer = schema.get("$ref")
    if isinstance(pointer, str) and not _is_found(root, pointer):
        raise ApiError(400, f"{path}: '$ref' must point into the schema (at {at}.$ref)")


def _is_found(root: object, pointer: str) -> bool:
    return pointer == "#" or (pointer.startswith("#/") and pointed(root, pointer) is not None)


def _kind(schema: Mapping[str, object]) -> str:
    """The type that a refusal names: the schema's own, or the one that its keywords speak of."""
    named = next((each for each in types_of(schema) if each != "null"), "")
    if "object" in types_of(schema) or "properties" in schema:
        return "object"
    return named or next((_UNBOUND[each] for each in schema if _UNBOUND.get(each)), "schema")
