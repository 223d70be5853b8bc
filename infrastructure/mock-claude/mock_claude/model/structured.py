"""Answers in the shape of ``output_config.format``, from what the task and its tools say.

Prevents a structured answer that holds the whole text where a name was asked for. Rule: what the
text holds is filled in, and what it does not hold is null, an empty list or "unknown".
"""

from __future__ import annotations

from collections.abc import Mapping

from mock_claude.model import meanings
from mock_claude.model.filling import filled, lacking, mapping, properties_of, words_of


def wanted(request: Mapping[str, object]) -> Mapping[str, object] | None:
    """The schema of an object that the answer must be, if the request asks for one."""
    config = request.get("output_config")
    form = config.get("format") if isinstance(config, Mapping) else None
    schema = form.get("schema") if isinstance(form, Mapping) else None
    return schema if isinstance(schema, Mapping) and schema.get("type") == "object" else None


def made(
    schema: Mapping[str, object], text: str, answer: str, *, is_answer: bool
) -> dict[str, object]:
    """What the text holds of an object's schema, and the rest as far as it can be said honestly:
    null or an empty list where they are allowed, "unknown" for a name or a place or where there
    is no answer (``is_answer``), else the ``answer``."""
    found = filled(schema, text)
    for name in lacking(schema, found):
        wanted = mapping(properties_of(schema)[name]) if name in properties_of(schema) else {}
        kinds, options = wanted.get("type"), wanted.get("anyOf")
        if (isinstance(kinds, list) and "null" in kinds) or (
            isinstance(options, list) and {"type": "null"} in options
        ):
            found[name] = None
        elif kinds == "array":
            found[name] = []
        elif kinds == "string" and not {"enum", "format", "pattern"} & set(wanted):
            words = set(words_of(name))
            told = not words & meanings.UNTOLD and (is_answer or bool(words & meanings.REPLIES))
            found[name] = answer if told else "unknown"
    return found
