"""What a Messages request says so far: the task at hand, what was called for it, what was answered.

Prevents an earlier task of the session from being taken for the one at hand. Rule: the task is the
last user text; only what follows it counts as done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_REMEMBERED = 6
"""Earlier tasks of a session that "and times 2?" can go on from."""
_END = 1_000
"""Characters of an earlier task's beginning, and of its end, that are kept."""


@dataclass(frozen=True)
class PastCall:
    """A tool call of this task and what came back: the result's text, or an error's.

    ``turn`` counts messages; calls of one turn run side by side.
    """

    name: str
    input: Mapping[str, object]
    result: str
    is_error: bool
    turn: int


@dataclass(frozen=True)
class Conversation:
    """The task, its calls so far, the answer to the task before it ("" if none), and the tasks
    before it in their order, the last few of them."""

    task: str
    calls: tuple[PastCall, ...]
    previous_answer: str
    earlier_tasks: tuple[str, ...] = ()


def _blocks(content: object) -> list[Mapping[str, object]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if isinstance(content, list):
        return [block for block in content if isinstance(block, Mapping)]
    return []


def text_of(content: object) -> str:
    """The text of a message or of a tool result: a string, a list of blocks, or nothing."""
    texts = (block.get("text") for block in _blocks(content) if block.get("type") == "text")
    return "\n".join(text for text in texts if isinstance(text, str) and text.strip()).strip()


def _ends(text: str) -> str:
    """The text, or the two ends of a long one."""
    return text if len(text) <= 2 * _END else f"{text[:_END]}\n{text[-_END:]}"


def _of_type(message: Mapping[str, object], kind: str) -> list[Mapping[str, object]]:
    return [block for block in _blocks(message.get("content")) if block.get("type") == kind]


def _calls(messages: list[Mapping[str, object]]) -> tuple[PastCall, ...]:
    results = {
        str(block.get("tool_use_id")): block
        for message in messages
        for block in _of_type(message, "tool_result")
    }
    calls: list[PastCall] = []
    for turn, message in enumerate(messages, start=1):
        for block in _of_type(message, "tool_use"):
            result = results.get(str(block.get("id")), {})
            given = block.get("input")
            calls.append(
                PastCall(
                    str(block.get("name")),
                    given if isinstance(given, Mapping) else {},
                    text_of(result.get("content")),
                    result.get("is_error") is True,
                    turn,
                )
            )
    return tuple(calls)


def read_conversation(request: Mapping[str, object]) -> Conversation:
    """The conversation of a request's ``messages``."""
    given = request.get("messages")
    messages = (
        [item for item in given if isinstance(item, Mapping)] if isinstance(given, list) else []
    )
    said = [
        index
        for index, message in enumerate(messages)
        if message.get("role") == "user" and text_of(message.get("content"))
    ]
    last = said[-1] if said else 0
    answers = [
        text_of(message.get("content"))
        for message in messages[:last]
        if message.get("role") == "assistant" and not _of_type(message, "tool_use")
    ]
    task = text_of(messages[last].get("content")) if said else ""
    after = messages[last + 1 :] if said else messages
    earlier = tuple(
        _ends(text_of(messages[index].get("content"))) for index in said[:-1][-_REMEMBERED:]
    )
    previous = next((text for text in reversed(answers) if text), "")
    return Conversation(task, _calls(after), previous, earlier)
