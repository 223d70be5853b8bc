"""The ``[[script]]`` tables of a script file: in, checked, and out again.

This prevents a story that is never told because its table was misspelt. The rule: a key that its
story does not use is an error, as is a number of calls that it cannot play.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import chain
from typing import Any, cast

from mock_claude.faults.tables import Table
from mock_claude.model.scripts import Call, Script, Story

_KEYS = ("name", "story", "model", "task")
STORY_KEYS: Mapping[str, tuple[str, ...]] = {
    "runaway": ("calls", "text"),
    "cycle": ("calls", "text"),
    "obedient": (),
    "leaky": (),
    "refusal": ("text", "category", "explanation"),
    "quality": ("right",),
    "shape": ("turn", "message", "body", "content_type"),
}
_CALLS = {"runaway": 1, "cycle": 2}
_CATEGORIES = ("cyber", "bio", "frontier_llm", "reasoning_extraction", "general_harms")


def script(table: Table) -> Script:
    """The script that a table says; FaultScriptError if it is wrong."""
    table.allow((*_KEYS, *dict.fromkeys(chain(*STORY_KEYS.values()))))
    story = table.choice("story", tuple(STORY_KEYS))
    table.allow((*_KEYS, *STORY_KEYS[story]), of=f"a {story} script")
    name = table.text("name")
    if not name:
        raise table.error("name", f"{name!r} cannot be a script's name")
    return Script(
        name=name,
        story=cast(Story, story),
        model=table.optional("model", table.text),
        task=table.optional("task", table.text),
        calls=_calls(table, _CALLS[story]) if "calls" in table.values else (),
        text=table.text("text", ""),
        category=table.optional("category", lambda key: table.choice(key, _CATEGORIES)),
        explanation=table.optional("explanation", table.text),
        right=table.number("right", most=1.0) if story == "quality" else Script.right,
        **(_shape(table) if story == "shape" else {}),
    )


def _shape(table: Table) -> dict[str, Any]:
    """What only a shape script has; one without a message or a body would change nothing."""
    if "message" not in table.values and "body" not in table.values:
        raise table.error("message", "is missing, as is body: say what is sent")
    return {
        "turn": table.optional("turn", table.whole),
        "message": table.optional("message", lambda key: _object(table, key)),
        "body": table.optional("body", table.text),
        "content_type": table.text("content_type", Script.content_type),
    }


def _object(table: Table, key: str) -> Mapping[str, object]:
    """A table, or the JSON text of an object: TOML knows neither null nor half a character."""
    given = table.values[key]
    if not isinstance(given, str):
        return table.json(key)
    try:
        value = json.loads(given)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise table.error(key, "a table is needed, or the JSON text of an object")
    return value


def script_to_json(script: Script) -> dict[str, object]:
    """The table that says this script."""
    keys = (*_KEYS, *STORY_KEYS[script.story])
    values = {key: getattr(script, key) for key in keys if key != "calls"}
    kept = {key: value for key, value in values.items() if value not in (None, "")}
    calls = [
        {"tool": each.tool} if each.input is None else {"tool": each.tool, "input": each.input}
        for each in script.calls
    ]
    if script.message is not None:
        kept["message"] = json.dumps(script.message)  # half a character has no UTF-8
    return {**kept, "calls": calls} if calls else kept


def _calls(table: Table, needed: int) -> tuple[Call, ...]:
    calls = table.source.array(table.values["calls"], (*table.place, "calls"))
    if len(calls) != needed:
        what = "one call is" if needed == 1 else f"{needed} calls are"
        raise table.error("calls", f"{what} needed, not {len(calls)}")
    return tuple(map(_call, calls))


def _call(table: Table) -> Call:
    table.allow(("tool", "input"))
    tool = table.text("tool")
    if not tool:
        raise table.error("tool", "'' is no tool's name")
    return Call(tool, table.optional("input", table.json))
