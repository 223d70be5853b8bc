"""How much of the model's reply fits the request: ``max_tokens`` and ``stop_sequences``.

This prevents an agent from passing its tests only because the simulator ignores the limits it
sets. The rule: the text ends before the first stop sequence, then what remains is cut at
``max_tokens``, in the order thinking, text, calls. A tool call that does not fit whole is left
out; the real API may send its beginning, which no client can use either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mock_claude.accounts.tokens import call_tokens, cut_text, text_tokens
from mock_claude.api import thinking
from mock_claude.model.reply import Reply, ToolCall


@dataclass(frozen=True)
class Turn:
    """What the model says after the limits, why it stopped, and the tokens it took."""

    text: str
    calls: tuple[ToolCall, ...]
    stop_reason: str
    stop_sequence: str | None
    output_tokens: int
    more_text: tuple[str, ...] = ()
    thinking: str | None = None
    """None: there is no thinking block."""
    thinking_shown: bool = True
    thinking_tokens: int = 0
    stop_details: Mapping[str, object] | None = None


def limited(
    reply: Reply,
    max_tokens: int,
    stop_sequences: Sequence[str] = (),
    think: thinking.Mode | None = None,
) -> Turn:
    """The reply within the request's limits. ``max_tokens`` 0 gives an empty turn."""
    if max_tokens == 0:
        return Turn("", (), "max_tokens", None, 0)
    texts, calls, stopped_by = _stopped(reply, stop_sequences)
    room = _Room(max_tokens)
    thought = None if think is None else room.text(_thought(reply, think))
    thinking_tokens = max_tokens - room.left
    kept = [room.text(text) for text in texts]
    fitting = room.calls(calls)
    reason, used, details = "max_tokens", max_tokens, None
    if not room.is_full:
        reason = reply.stop_reason or ("tool_use" if calls else "end_turn")
        used, details = max(max_tokens - room.left, 1), reply.stop_details
        if stopped_by is not None:
            reason, details = "stop_sequence", None
    return Turn(
        kept[0],
        fitting,
        reason,
        None if room.is_full else stopped_by,
        used,
        tuple(kept[1:]),
        thought,
        think is None or think.shown,
        thinking_tokens,
        details,
    )


class _Room:
    """What is left of ``max_tokens``; once something does not fit, nothing after it does."""

    def __init__(self, tokens: int) -> None:
        self.left = tokens
        self.is_full = False

    def text(self, text: str) -> str:
        """The beginning of the text that fits."""
        cut = "" if self.is_full else cut_text(text, self.left)
        self.left -= text_tokens(cut)
        self.is_full = self.is_full or cut != text
        return cut

    def calls(self, calls: tuple[ToolCall, ...]) -> tuple[ToolCall, ...]:
        """The first calls, as many as fit whole."""
        fitting = list[ToolCall]()
        for call in calls:
            tokens = call_tokens(call.name, call.input)
            self.is_full = self.is_full or tokens > self.left
            if self.is_full:
                break
            self.left -= tokens
            fitting.append(call)
        return tuple(fitting)


def _thought(reply: Reply, think: thinking.Mode) -> str:
    thought = thinking.thought(reply)
    return thought if think.budget is None else cut_text(thought, think.budget)


def _stopped(
    reply: Reply, sequences: Sequence[str]
) -> tuple[list[str], tuple[ToolCall, ...], str | None]:
    """The texts up to the first stop sequence, the calls if there is none, and which it is."""
    texts = list[str]()
    for text in (reply.text, *reply.more_text):
        stopped_by = _first_stop(text, sequences)
        if stopped_by is not None:
            return [*texts, text[: text.index(stopped_by)]], (), stopped_by
        texts.append(text)
    return texts, reply.calls, None


def _first_stop(text: str, sequences: Sequence[str]) -> str | None:
    """The sequence that occurs first; of two at one place, the one named first."""
    found = [(text.find(each), number) for number, each in enumerate(sequences) if each in text]
    return sequences[min(found)[1]] if found else None
