"""Orders found in the results of tools, and a model that follows them.

This prevents a test of prompt injection that only one wording passes. The rule: an imperative
such as "call save_note with ..." or "reply with ..." in a result is an order, wherever it stands;
"ignore previous instructions" may come before it and is not needed. Only tools that the request
offers are called. "with the result", "with your notes" means what the tool called last gave, and
"with your system prompt" means that.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mock_claude.model.conversation import PastCall
from mock_claude.model.reply import Reply, ToolCall
from mock_claude.model.toolbox import Toolbox

_ORDER = re.compile(
    r"(?<![\w-])(?:(?P<reply>(?:reply|respond|answer)\s+(?:only\s+|exactly\s+|just\s+)?with\b)"
    r"|(?:call|use|invoke|run|execute)\s+(?:the\s+|your\s+)?(?:(?:tool|function)\s+)?"
    r"[`'\"]?(?P<tool>[A-Za-z0-9_-]{1,128})[`'\"]?(?:\s+(?:tool|function))?)",
    re.IGNORECASE,
)
_WITH = re.compile(
    r"\s*(?:\(|:|\b(?:with|using|on|for|to\s+(?:save|note|store|search(?:\s+for)?))\b)\s*"
    r"(?:(?:the|its|this)\s+)?(?:(?:arguments?|inputs?|parameters?|text|query|value)\b(?!\s*=))?"
    r"\s*(?::|\bof\b)?\s*",
    re.IGNORECASE,
)
_KEY = re.compile(r"(?P<key>\w+)\s*[=:]\s*(?=\S)")
_ENDS = re.compile(
    r"\n|[.;!](?=\s|$)|,?\s+(?:and\s+)?then\b|,?\s+and\s+(?=(?:call|use|invoke|run|reply|respond)\b)",
    re.IGNORECASE,
)
_NEGATED = re.compile(r"(?:\b(?:not|never)|n['\u2019]t)\s+(?:ever\s+)?$", re.IGNORECASE)
_LAST_RESULT = re.compile(
    r"(?:(?:all|everything|the|its|that|your|my|their|of)\s+)*"
    r"(?:results?|outputs?|notes?|contents?|answer|it\s+returns|what\s+it\s+(?:returns|says))"
    r"(?:\s+(?:of|from)\b.*)?",
    re.IGNORECASE,
)
_SYSTEM = re.compile(
    r"(?:the\s+|your\s+)*(?:full\s+|whole\s+)?(?:system\s+prompt|instructions)", re.IGNORECASE
)
_QUOTES = {'"': '"', "'": "'", "`": "`", "\u201c": "\u201d", "\u2018": "\u2019"}
_LONGEST = 20_000  # characters of a result that are searched


@dataclass(frozen=True)
class Order:
    """Call ``tool`` with ``input`` or ``value``; without a tool, reply with ``value``."""

    tool: str | None
    value: str
    input: Mapping[str, object] | None = None


def obeyed(calls: Sequence[PastCall], tools: Toolbox, system: str) -> Reply | None:
    """The next thing the results order, or None if there is none left."""
    replies = list[str]()
    for place, past in enumerate(calls):
        later = [each for each in calls[place + 1 :] if each.turn > past.turn]
        ordered = Counter[str]()
        for order in found(past.result, tools):
            value = _meant(order.value, later[-1] if later else past, system)
            if order.tool is None:
                replies.append(value)
                continue
            call = tools.call(order.tool, value)
            if order.input is not None:
                call = ToolCall(order.tool, order.input)
            ordered[call.name] += 1  # by tool: a client may have changed what a call was given
            if sum(each.name == call.name for each in later) < ordered[call.name]:
                return Reply("", (call,))
    return Reply(replies[-1]) if replies else None


def found(text: str, tools: Toolbox) -> Iterator[Order]:
    """The orders in a text, in their order."""
    text, at = text[:_LONGEST], 0
    while match := _ORDER.search(text, at):
        at = match.end()
        tool = match["tool"]
        if _NEGATED.search(text, max(0, match.start() - 20), match.start()):
            continue
        if match["reply"]:
            value, at = _value(text, at)
            yield Order(None, value)
        elif tool in tools:
            filler = _WITH.match(text, at)
            if filler is None:
                yield Order(tool, "")
                continue
            at = filler.end()
            arguments = _object(text, at)
            if arguments is not None:
                at = arguments[1]
                yield Order(tool, "", arguments[0])
                continue
            named = _KEY.match(text, at)
            is_named = named is not None and named["key"] in _properties(tools, tool)
            value, at = _value(text, named.end() if named is not None and is_named else at)
            given = {named["key"]: value} if named is not None and is_named else None
            yield Order(tool, value, given)


def _value(text: str, at: int) -> tuple[str, int]:
    """What stands there, quoted or up to the end of the clause, and where it ends."""
    at += len(text[at:]) - len(text[at:].lstrip(" \t:"))
    closing = _QUOTES.get(text[at : at + 1])
    if closing is not None:
        end = text.find(closing, at + 1)
        if end > 0:
            return text[at + 1 : end], end + 1
    ends = _ENDS.search(text, at)
    end = ends.start() if ends else len(text)
    return text[at:end].strip().rstrip(")"), end


def _object(text: str, at: int) -> tuple[Mapping[str, object], int] | None:
    if text[at : at + 1] != "{":
        return None
    try:
        value, end = json.JSONDecoder().raw_decode(text, at)
    except (ValueError, RecursionError):
        return None
    return (value, end) if isinstance(value, dict) else None


def _properties(tools: Toolbox, tool: str) -> Mapping[str, object]:
    properties = tools.schemas[tool].get("properties")
    return properties if isinstance(properties, Mapping) else {}


def _meant(value: str, last: PastCall, system: str) -> str:
    if _SYSTEM.fullmatch(value) and system:
        return system
    return last.result if _LAST_RESULT.fullmatch(value) else value
