"""How much of the model's reply fits the request: ``max_tokens`` and ``stop_sequences``.

This prevents an agent from passing its tests only because the simulator ignores the limits it
sets. The rule: the text ends before the first stop sequence, then what remains is cut at
``max_tokens``. A tool call that does not fit whole is left out; the real API may send its
beginning, which no client can use either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mock_claude.accounts import call_tokens, cut_text, text_tokens
from mock_claude.reply import Reply, ToolCall


@dataclass(frozen=True)
class Turn:
    """What the model says after the limits, why it stopped, and the tokens it took."""

    text: str
    calls: tuple[ToolCall, ...]
    stop_reason: str
    stop_sequence: str | None
    output_tokens: int


def limited(reply: Reply, max_tokens: int, stop_sequences: Sequence[str] = ()) -> Turn:
    """The reply within the request's limits. ``max_tokens`` 0 gives an empty turn."""
    text, calls, stopped_by = reply.text, reply.calls, _first_stop(reply.text, stop_sequences)
    reason = "tool_use" if calls else "end_turn"
    if stopped_by is not None:
        text, calls, reason = text[: text.index(stopped_by)], (), "stop_sequence"
    tokens = text_tokens(text)
    if tokens > max_tokens or max_tokens == 0:
        return Turn(cut_text(text, max_tokens), (), "max_tokens", None, max_tokens)
    for number, call in enumerate(calls):
        tokens += call_tokens(call.name, call.input)
        if tokens > max_tokens:
            return Turn(text, calls[:number], "max_tokens", None, max_tokens)
    return Turn(text, calls, reason, stopped_by, max(tokens, 1))


def _first_stop(text: str, sequences: Sequence[str]) -> str | None:
    """The sequence that occurs first; of two at one place, the one named first."""
    found = [(text.find(each), number) for number, each in enumerate(sequences) if each in text]
    return sequences[min(found)[1]] if found else None
