"""Chooses a tool of other people's making for a task, and what it is given.

Prevents a stand-in that is deaf to all tools but its own. Rule: a tool is called if the task names
it, or if it is the one that the task's words fit best and all it needs stands in the text; where
something is missing, the model asks. What is forbidden, conditional or about a tool calls none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mock_claude.model import filling
from mock_claude.model.conversation import Conversation, PastCall
from mock_claude.model.reply import Reply, ToolCall
from mock_claude.model.toolbox import ARGUMENTS, Toolbox

_LIMITS = re.compile(
    r"\b(?:do\snot|don['\u2019]?t|never|without|if|unless|cancel\sthat|never\s?mind)\b"
    r"|^\W*how\s(?:do|does|can|could|would|to)\b|\bwhat\s(?:happens|tools)\b",
    re.IGNORECASE,
)
_LONGEST, _MOST = 2_000, 6  # characters that are compared, tools that are tried
_FORBIDS = re.compile(r"\b(?:do\snot|don['\u2019]?t|never|without)\b", re.IGNORECASE)
_ASKS = "I need more to use "
_ASKED = re.compile(re.escape(_ASKS) + r"(?P<tool>[\w-]{1,200}):")
_GENERIC_WORDS = (
    "get set do make run fetch find create add send list update delete remove show tell "
    "give use api tool my data info information the a an of for to in on by with and or "
    "from is are it this that new all current me i you please can what who when where "
    "which how be as at your not if value returns return given record save put write"
)
_GENERIC = frozenset(_GENERIC_WORDS.split())
_SAME = {
    "mail": "email", "e-mail": "email", "emails": "email", "appointment": "event",
    "meeting": "event", "calendar": "event", "schedule": "event", "remind": "reminder",
    "reserve": "book", "reservation": "book", "booking": "book", "purchase": "order",
    "buy": "order", "translation": "translate", "lookup": "look", "conversion": "convert",
    "quote": "price", "stocks": "stock", "forecast": "weather", "temperature": "weather",
    "text": "message", "sms": "message", "ring": "call", "phone": "call", "person": "people",
}  # fmt: skip


@dataclass(frozen=True)
class _Fit:
    """How well a tool fits: words shared with its name, with its description, what it lacks."""

    name: str
    given: Mapping[str, object]
    lacks: tuple[str, ...]
    by_name: int
    by_description: int

    @property
    def rank(self) -> tuple[int, int, int]:
        return self.by_name, -len(self.lacks), self.by_description


def _stems(words: list[str]) -> set[str]:
    stems = set()
    for word in words:
        word = _SAME.get(word, word)
        stem = re.sub(r"(?:ing|ed|es|s|e)$", "", word) if len(word) > 4 else word.removesuffix("s")
        if word not in _GENERIC:
            stems.add(stem)
    return stems


def completed(call: ToolCall, tools: Toolbox, value: str, text: str) -> ToolCall:
    """A call of a known tool with what the text holds of its other properties, such as a unit."""
    if tools.takes(call.name) < 2:
        return call
    found = filling.filled(tools.schemas[call.name], text)
    target = next((key for key, given in call.input.items() if given in (value, [value])), None)
    return ToolCall(
        call.name, {**call.input, **found, **({target: call.input[target]} if target else {})}
    )


def forced(name: str, tools: Toolbox, text: str) -> ToolCall:
    """A call that must be made, with what the text holds of its arguments."""
    if name in ARGUMENTS:
        return tools.call(name, text)
    found = filling.filled(tools.schemas[name], text)
    return ToolCall(name, found) if found else tools.call(name, text)


def likeliest(tools: Toolbox, text: str) -> str:
    """The tool that fits best where one must be called; the first if none does."""
    best = _best(_fits(list(tools.schemas), tools, text))
    return best.name if best else next(iter(tools.schemas))


def turn(said: Conversation, tools: Toolbox, *, only_named: bool = False) -> Reply | None:
    """The next turn with tools that the stand-in does not know, or None if none is meant;
    ``only_named`` leaves out what the task does not name."""
    others = [name for name in tools.schemas if name not in ARGUMENTS]
    if not others:
        return None
    done = [call for call in said.calls if call.name in others]
    text = said.task
    asked = _ASKED.match(said.previous_answer)
    if asked and said.earlier_tasks and asked["tool"] in others:
        text = f"{said.earlier_tasks[-1]}\n{text}"
    words = set(re.findall(r"[\w-]+", text))  # a name in a pattern for each would take long
    named = [name for name in others if name in words]
    called = {call.name for call in done}
    calls = [name for name in named if name not in called and not _FORBIDS.search(text)]
    if calls:
        return Reply(
            calls=tuple(ToolCall(name, filling.filled(tools.schemas[name], text)) for name in calls)
        )
    if done:
        return Reply("\n".join(_told(call) for call in done))
    best = None if only_named or _LIMITS.search(text) else _best(_fits(others, tools, text))
    if best is None:
        return None
    if best.lacks:
        needed = " and the ".join(name.replace("_", " ") for name in best.lacks)
        return Reply(f"{_ASKS}{best.name}: what is the {needed}?")
    return Reply(calls=tuple(ToolCall(best.name, each) for each in _each(best, tools, text)))


def _each(fit: _Fit, tools: Toolbox, text: str) -> list[Mapping[str, object]]:
    """What a tool with one argument is given for each of several things: "AAPL and MSFT"."""
    if len(fit.given) != 1 or tools.takes(fit.name) != 1 or list in map(type, fit.given.values()):
        return [fit.given]
    parts = re.split(r",\s(?:and\s)?|\sand\s", text[:_LONGEST])[:_MOST]
    found = [filling.filled(tools.schemas[fit.name], part) for part in parts]
    found = [each for place, each in enumerate(found) if each and each not in found[:place]]
    return [*found] if len(found) > 1 and fit.given in found else [fit.given]


def _told(call: PastCall) -> str:
    if call.is_error:
        return f"I could not use {call.name}: {call.result or 'it failed'}"
    return f"{call.name}: {call.result}" if call.result else f"I used {call.name}."


def _fits(names: list[str], tools: Toolbox, text: str) -> list[_Fit]:
    """How the tools fit whose words the text shares most, a few of them."""
    words = _stems(re.findall(r"[^\W_]+(?:-[^\W_]+)?", text[:_LONGEST].lower()))
    shared = {
        name: (
            len(words & _stems(filling.words_of(name))),
            len(
                words
                & _stems(
                    re.findall(r"[^\W_]+", tools.descriptions.get(name, "")[:_LONGEST].lower())
                )
            ),
        )
        for name in names
    }
    names = sorted(names, key=lambda name: shared[name], reverse=True)[:_MOST]
    fits = list[_Fit]()
    for name in names:
        given = filling.filled(tools.schemas[name], text)
        lacks = tuple(filling.lacking(tools.schemas[name], given))
        fits.append(_Fit(name, given, lacks, *shared[name]))
    return fits


def _best(fits: list[_Fit]) -> _Fit | None:
    """The one tool that fits best; a tie is none."""
    fits = [fit for fit in fits if _is_meant(fit)]
    fits.sort(key=lambda fit: fit.rank, reverse=True)
    if len(fits) > 1 and fits[0].rank == fits[1].rank:
        return None
    return fits[0] if fits else None


def _is_meant(fit: _Fit) -> bool:
    """A word of its name, or nothing missing with a word of its description, two arguments or an
    address."""
    if fit.by_name:
        return True
    sure = fit.by_description or len(fit.given) >= 2 or {"url", "uri", "link"} & set(fit.given)
    return bool(fit.given and sure and not fit.lacks)
