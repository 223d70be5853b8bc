"""Threads: conversations that the server holds, so that a turn sends only what is new.

This prevents the SDKs' tool runners from failing at their second turn: they start a thread unless
told not to, and from then on send the results of tools alone. The rules, from anthropic 2.11.0
(``lib/threads``, ``types/beta/beta_message_thread_param.py``): ``create`` holds the conversation
under its answer's id, ``continue`` goes on from there, once; system and tools are the thread's
and cannot be sent again; cache marks of earlier messages are gone. A thread belongs to its
workspace. One of more than half a megabyte, or of the oldest when there are many, is not found,
upon which the SDKs send all of it again. Texts are ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mock_claude.errors import ApiError

_LONGEST = 512 * 1024  # bytes of one: each turn checks all of it, and holds up others meanwhile
_MOST, _MOST_BYTES = 5_000, 64 * 1024 * 1024
_MOST_CONTINUED = 20_000
_OWN = ("system", "tools")


@dataclass(frozen=True)
class _Thread:
    """A conversation up to an answer; ``size`` in bytes, about."""

    own: Mapping[str, object]
    messages: Sequence[object]
    size: int


def continued(given: Mapping[str, object]) -> str | None:
    """The id of the answer that a request continues, if it continues one."""
    asked = given.get("thread")
    if not isinstance(asked, Mapping) or asked.get("type") != "continue":
        return None
    previous = asked.get("previous_message_id")
    return previous if isinstance(previous, str) else None


def not_found(previous: str) -> ApiError:
    """The refusal of a thread that is not, or no longer, held."""
    return ApiError(
        404,
        f"thread: no thread is held for previous_message_id {previous[:100]}. Send the whole "
        'conversation with {"type": "create"}.',
        error_code="thread_not_found",
    )


class Threads:
    """The threads of all workspaces."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], _Thread] = {}
        self._continued: dict[tuple[str, str], None] = {}
        self._size = 0

    def whole(self, given: dict[str, object], workspace: str) -> dict[str, object]:
        """The request with all that its thread holds; ApiError if it cannot be continued."""
        previous = continued(given)
        if previous is None:
            return given
        if (workspace, previous) in self._continued:
            raise ApiError(
                400,
                f"thread: the response {previous} has already been continued. Continue from the "
                "thread's most recent response.",
                error_code="thread_already_continued",
            )
        held = self._held.get((workspace, previous))
        if held is None:
            raise not_found(previous)
        for name in _OWN:
            if name in given:
                raise ApiError(
                    400, f"{name}: is the thread's, and cannot be sent when it is continued"
                )
        messages = given.get("messages")
        if not isinstance(messages, list):
            return given  # refused for it
        return {**given, **held.own, "messages": [*held.messages, *messages]}

    def keep(
        self,
        given: object,
        raw: Mapping[str, object],
        answer: Mapping[str, object],
        workspace: str,
        size: int,
    ) -> None:
        """Hold the conversation of an answered request, if it asks for that.

        ``given`` is the body as it came, of ``size`` bytes with its answer; ``raw`` all of it.
        """
        if not isinstance(given, Mapping) or not isinstance(given.get("thread"), Mapping):
            return
        previous = continued(given)
        if previous is not None:
            before = self._held.pop((workspace, previous), None)
            if before is not None:
                self._size -= before.size
                size += before.size
            self._continued[workspace, previous] = None
            if len(self._continued) > _MOST_CONTINUED:
                del self._continued[next(iter(self._continued))]
        messages = raw.get("messages")
        if size > _LONGEST or not isinstance(messages, list):
            return
        said = answer.get("content")
        kept = [each for each in said if not _is_blank(each)] if isinstance(said, list) else []
        whole = [_unmarked(each) for each in messages]
        if kept:
            whole.append({"role": "assistant", "content": kept})
        own = {name: raw[name] for name in _OWN if name in raw}
        self._held[workspace, str(answer.get("id"))] = _Thread(own, whole, size)
        self._size += size
        while len(self._held) > _MOST or self._size > _MOST_BYTES:
            self._size -= self._held.pop(next(iter(self._held))).size


def _is_blank(block: object) -> bool:
    """A text that no request may hold."""
    text = block.get("text") if isinstance(block, Mapping) else None
    return isinstance(text, str) and not text.strip()


def _unmarked(message: object) -> object:
    """The message without cache marks: they were for the turn that sent it."""
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(content, list):
        return message
    bare = [
        {key: value for key, value in block.items() if key != "cache_control"}
        if isinstance(block, dict)
        else block
        for block in content
    ]
    return {**message, "content": bare}
