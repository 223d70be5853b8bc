"""End a task whose model goes in circles, and tell the user what was found until then.

Prevents the agent that asks for the same tool all night at $500 an hour: each turn looks healthy,
every call succeeds, and no timeout ever fires. The rule: one guard per task counts model calls and
tool calls and knows each call again. At a limit nothing more is run, and the history stays valid,
so that the session goes on with the next task.

The bounds: a model that repeats one call is stopped at call `identical_calls + 1` at the latest,
one that goes round n <= `cycle_length` calls at call `n * cycles + 1`, one that goes round more of
them at call `n * identical_calls + 1`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from anthropic.types import Message, MessageParam, ToolResultBlockParam, ToolUseBlock

from reliability.events import LoopLimit, LoopStopped, emit

MAX_FACT_CHARS = 1_000  # of each tool result in `closing`; a longer one ends in an ellipsis


@dataclass(frozen=True)
class LoopSettings:
    """What one task may take. Raises ValueError."""

    turns: int = 20  # model calls; tools that the last of them asks for are not run
    tool_calls: int = 40  # so many are run in all
    identical_calls: int = 3  # one call, of the same name and arguments, is run so often
    cycles: int = 2  # a round of 2 to `cycle_length` calls is run so often, the next is not begun
    cycle_length: int = 4

    def __post_init__(self) -> None:
        for field in ("turns", "tool_calls", "identical_calls", "cycles", "cycle_length"):
            value, least = getattr(self, field), 2 if field == "cycle_length" else 1
            if type(value) is not int or value < least:
                raise ValueError(f"{field} must be a whole number >= {least}, not {value!r}")


class LoopGuard:
    """One per task: it counts `turns` and remembers the calls it admitted."""

    def __init__(self, settings: LoopSettings) -> None:
        self.settings = settings
        self.turns = 0
        self._admitted: list[str] = []

    def to_json(self) -> dict[str, object]:
        """The counts as JSON values, for a task that goes on in another process."""
        return {"turns": self.turns, "admitted": list(self._admitted)}

    @classmethod
    def from_json(cls, settings: LoopSettings, counts: Mapping[str, object]) -> LoopGuard:
        """A guard that goes on counting from what `to_json` gave. Raises ValueError."""
        turns, admitted = counts.get("turns"), counts.get("admitted")
        if type(turns) is not int or turns < 0:
            raise ValueError(f"turns must be a whole number >= 0, not {turns!r}")
        if not isinstance(admitted, list) or not all(isinstance(call, str) for call in admitted):
            raise ValueError(f"admitted must be a list of texts, not {type(admitted).__name__}")
        guard = cls(settings)
        guard.turns, guard._admitted = turns, list(admitted)
        return guard

    def admit(self, calls: Sequence[ToolUseBlock]) -> LoopLimit | None:
        """Count a turn and its calls, before they run; return the limit that is reached, or None.

        With a limit, run none of `calls`: they are admitted together or not at all. `LoopStopped`
        tells the turns, this one included, and the tool calls that were admitted before.
        """
        self.turns += 1
        made = [*self._admitted]
        limit = self._limit_reached(made, calls)
        if limit is None:
            self._admitted = made
        else:
            emit(LoopStopped(limit, self.turns, len(self._admitted)))
        return limit

    def _limit_reached(self, made: list[str], calls: Sequence[ToolUseBlock]) -> LoopLimit | None:
        """Append each call to `made`, up to the first that must not run."""
        rules = self.settings
        if self.turns >= rules.turns:  # what these tools find would need one more model call
            return "turns"
        if len(made) + len(calls) > rules.tool_calls:
            return "tool_calls"
        for call in calls:
            made.append(canonical_call(call.name, call.input))
            if made.count(made[-1]) > rules.identical_calls:
                return "identical_calls"
            if any(self._begins_again(made, n) for n in range(2, rules.cycle_length + 1)):
                return "cycle"
        return None

    def _begins_again(self, made: list[str], length: int) -> bool:
        """Whether the last call begins a round of `length` calls once more than is allowed."""
        rounds = made[-(length * self.settings.cycles + 1) :]
        if len(rounds) <= length * self.settings.cycles:
            return False
        # One call again and again is no round: `identical_calls` says how often that may be.
        return rounds[length:] == rounds[:-length] and len(set(rounds)) > 1


def canonical_call(name: str, arguments: object) -> str:
    """Return one text for all ways to write a call: as JSON with sorted keys, else as its repr."""
    try:
        return json.dumps([name, arguments], sort_keys=True, default=repr)
    except (TypeError, ValueError):  # keys that cannot be sorted; a value that contains itself
        return repr((name, arguments))


def explain(limit: LoopLimit, settings: LoopSettings) -> str:
    """Say in a sentence for the user which limit ended the task."""
    return f"Stopped: {_reason(limit, settings)}."


def closing(
    messages: Iterable[MessageParam], message: Message, limit: LoopLimit, settings: LoopSettings
) -> tuple[str, list[MessageParam]]:
    """Return the answer of a task that a limit ended, and the messages that end its history.

    `messages` are those of this task alone, `message` is the model's last one, whose tool calls are
    not run; it may be in `messages` or not. The answer is `explain`'s sentence and the facts at
    hand: each distinct text that a tool gave, errors left out, in order and under the tool's name,
    cut to `MAX_FACT_CHARS`. The returned messages belong after `message`: the API refuses a history
    in which a tool_use has no tool_result (400).
    """
    facts = [f"- {tool}: {text}" for text, tool in _facts(messages).items()]
    found = ["What the tools gave until then:", *facts] if facts else ["No tool gave a result."]
    text = "\n".join([explain(limit, settings), "", *found])
    refusal = f"not run: {_reason(limit, settings)}"
    results: list[ToolResultBlockParam] = [
        {"type": "tool_result", "tool_use_id": block.id, "content": refusal, "is_error": True}
        for block in message.content
        if block.type == "tool_use"
    ]
    ending: list[MessageParam] = [{"role": "user", "content": results}] if results else []
    return text, [*ending, {"role": "assistant", "content": [{"type": "text", "text": text}]}]


def cut(text: str, chars: int) -> str:
    """Return `text` in at most `chars` characters; an ellipsis shows that some are missing."""
    return text if len(text) <= chars else text[: chars - 1] + "…"


def _reason(limit: LoopLimit, settings: LoopSettings) -> str:
    match limit:
        case "turns":
            return f"the task reached its limit of {_count(settings.turns, 'model call')}"
        case "tool_calls":
            return f"the task asked for more than {_count(settings.tool_calls, 'tool call')}"
        case "identical_calls":
            times = _count(settings.identical_calls, "time")
            return f"the same call was asked for more than {times}"
        case "cycle":
            return f"the same round of calls was begun more than {_count(settings.cycles, 'time')}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _facts(messages: Iterable[MessageParam]) -> dict[str, str]:
    """The tools' texts so far, cut, each with the name of the tool that gave it first."""
    tools: dict[object, str] = {}
    facts: dict[str, str] = {}
    for message in messages:
        for block in _blocks(message["content"]):
            if block.get("type") == "tool_use":
                tools[block.get("id")] = str(block.get("name"))
            elif block.get("type") == "tool_result" and not block.get("is_error"):
                parts = _blocks(block.get("content"))
                texts = [str(part["text"]) for part in parts if part.get("type") == "text"]
                if text := "\n".join(texts).strip():
                    tool = tools.get(block.get("tool_use_id"), "a tool")
                    facts.setdefault(cut(text, MAX_FACT_CHARS), tool)
    return facts


def _blocks(content: object) -> list[Mapping[str, object]]:
    """Content as dicts: a str is one text block, and the SDK's own blocks are objects."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    blocks = content if isinstance(content, Iterable) else ()
    return [block if isinstance(block, Mapping) else vars(block) for block in blocks]
