"""The ``[[script]]`` tables of a script file: in, checked, and out again.

This prevents a story that is never told because its table was misspelt. The rule: a key that its
story does not use is an error, as is a number of calls that it cannot play.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import cast

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
    )


def script_to_json(script: Script) -> dict[str, object]:
    """The table that says this script."""
    keys = (*_KEYS, *STORY_KEYS[script.story])
    values = {key: getattr(script, key) for key in keys if key != "calls"}
    kept = {key: value for key, value in values.items() if value not in (None, "")}
    calls = [
        {"tool": each.tool} if each.input is None else {"tool": each.tool, "input": each.input}
        for each in script.calls
    ]
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
